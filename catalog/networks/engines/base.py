"""The interface of an engine, which runs a network."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from catalog.core.errors import FeaturizerError
from catalog.core.vectors import Tensor


class Engine(Protocol):
    """An open network; it runs on one thread, with OpenCV on as many as that may use.

    Attributes:
        name: Name of the engine.
        one_by_one: Whether the network takes one picture at a time, so that n must be 1.
    """

    name: str
    one_by_one: bool

    def run(self, batch: Tensor) -> Tensor:
        """Run float32 (n, 3, height, width) and return the output, float32 (n, ...)."""
        ...


def choose_output(names: list[str], wanted: str | None, network: Path) -> str:
    """Return the output to read: `wanted`, else ``embedding``, else the last."""
    if wanted is None:
        return "embedding" if "embedding" in names else names[-1]
    if wanted not in names:
        raise FeaturizerError(f"{network}: no output {wanted!r}; it has {', '.join(names)}")
    return wanted
