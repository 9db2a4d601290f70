"""Looks at a catalogue with the truth about them, and their file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from catalog.recognition.confidence import Numbers

KINDS = ("own", "near", "far", "drawn")


@dataclass(frozen=True)
class Look:
    """The match features of a look's candidates.

    Attributes:
        kind: own: a thing of the catalogue; near: one of its source that it does not hold; far:
            a thing of another source; drawn: a drawn thing, a hand or an empty counter.
        right: The place of the right candidate; None where there is none.
        values: As in `catalog.recognition.candidates.MatchFeatures`, float64 (c, 6).
    """

    kind: str
    right: int | None
    values: Numbers


@dataclass(frozen=True)
class Catalogue:
    """A catalogue and the looks at it.

    Attributes:
        source: Where its photos come from.
        name: What tells it from others of the source.
        network: The network that made the vectors.
        photos: How many photos an item has.
        unlike: The mean similarity that the network gives to things that differ.
        looks: The looks.
    """

    source: str
    name: str
    network: str
    photos: int
    unlike: float
    looks: tuple[Look, ...]


def write(catalogues: Sequence[Catalogue], path: Path) -> None:
    """Write looks at catalogues as one NumPy archive."""
    looks = [look for catalogue in catalogues for look in catalogue.looks]
    np.savez_compressed(
        path,
        source=np.array([catalogue.source for catalogue in catalogues]),
        name=np.array([catalogue.name for catalogue in catalogues]),
        network=np.array([catalogue.network for catalogue in catalogues]),
        photos=np.array([catalogue.photos for catalogue in catalogues]),
        unlike=np.array([catalogue.unlike for catalogue in catalogues]),
        looks=np.cumsum([0, *(len(catalogue.looks) for catalogue in catalogues)]),
        kind=np.array([KINDS.index(look.kind) for look in looks]),
        right=np.array([-1 if look.right is None else look.right for look in looks]),
        begins=np.cumsum([0, *(len(look.values) for look in looks)]),
        values=np.concatenate([look.values for look in looks]).astype(np.float32),
    )


def read(path: Path) -> list[Catalogue]:
    """Read what `write` wrote."""
    with np.load(path, allow_pickle=False) as data:
        values = data["values"].astype(np.float64)
        looks = [
            Look(KINDS[kind], None if right < 0 else int(right), values[begin:end])
            for kind, right, (begin, end) in zip(
                data["kind"], data["right"], pairwise(data["begins"].tolist()), strict=True
            )
        ]
        return [
            Catalogue(
                str(source),
                str(name),
                str(network),
                int(photos),
                float(unlike),
                tuple(looks[begin:end]),
            )
            for source, name, network, photos, unlike, (begin, end) in zip(
                data["source"],
                data["name"],
                data["network"],
                data["photos"],
                data["unlike"],
                pairwise(data["looks"].tolist()),
                strict=True,
            )
        ]
