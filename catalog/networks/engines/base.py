"""What an engine is: a network opened for running, behind one small interface."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from catalog.core.errors import FeaturizerError
from catalog.core.vectors import Tensor


class Engine(Protocol):
    """A network that is ready to run on one thread.

    `one_by_one`: the file was exported for single pictures, n must be 1.
    """

    name: str
    one_by_one: bool

    def run(self, batch: Tensor) -> Tensor:
        """Run float32 (n, 3, height, width) and return the output, float32 (n, ...)."""
        ...


def choose_output(names: list[str], wanted: str | None, network: Path) -> str:
    """The output that is meant: `wanted`, else ``embedding``, else the last."""
    if wanted is None:
        return "embedding" if "embedding" in names else names[-1]
    if wanted not in names:
        raise FeaturizerError(f"{network}: no output {wanted!r}; it has {', '.join(names)}")
    return wanted
