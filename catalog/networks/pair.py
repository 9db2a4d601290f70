"""The ``descriptor.json`` of a featurizer folder that holds two networks and their weights.

Each network has a folder of its own in it. A version that knows single networks only says of such
a folder that it does not know its format.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from catalog.core.errors import FeaturizerError
from catalog.networks.network import DESCRIPTOR

Weights = tuple[float, float]  # at 0 or above; they add up to 1

FORMAT = 2
FOLDERS = ("1", "2")
ROUNDING = 1e-6


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class WeightedNetwork(_Strict):
    """The id of a network, and how much it counts."""

    network: str
    weight: Annotated[float, Field(ge=0, le=1)]


class Pair(_Strict):
    """Two networks, in the order of `FOLDERS`."""

    format: Literal[2]
    networks: tuple[WeightedNetwork, WeightedNetwork]

    @property
    def ids(self) -> tuple[str, str]:
        """Return the ids of the networks."""
        first, second = self.networks
        return first.network, second.network

    @property
    def weights(self) -> Weights:
        """Return the weights of the networks."""
        first, second = self.networks
        return first.weight, second.weight


def read_pair(folder: Path) -> Pair | None:
    """Read the descriptor of two networks; None where the folder holds something else.

    Raises:
        FeaturizerError: It is damaged.
    """
    path = folder / DESCRIPTOR
    try:
        data = json.loads(path.read_bytes())
        if data.get("format") != FORMAT:
            return None
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    try:
        pair = Pair.model_validate(data)
    except ValueError as error:
        raise FeaturizerError(f"{path}: not a descriptor of two networks: {error}") from error
    if abs(sum(pair.weights) - 1) > ROUNDING:
        raise FeaturizerError(f"{path}: the weights of its networks do not add up to 1")
    return pair


def write_pair(folder: Path, ids: Sequence[str], weights: Sequence[float]) -> None:
    """Write the descriptor of two networks with these ids."""
    networks = [
        WeightedNetwork(network=network, weight=weight)
        for network, weight in zip(ids, weights, strict=True)
    ]
    pair = Pair.model_validate({"format": FORMAT, "networks": networks})
    (folder / DESCRIPTOR).write_text(pair.model_dump_json(indent=2) + "\n", encoding="utf-8")
