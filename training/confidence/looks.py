"""Looks at a catalogue with the truth about them, and their file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from catalog.recognition.candidates import MatchFeatures
from catalog.recognition.confidence import Numbers
from catalog.recognition.scored_queries import DISTRACTOR, HELD_OUT, IN_CATALOGUE, ScoredQuery

VERSION = 2  # raise it when the file or the search changes
OWN, NEAR, FAR = "own", "near", "far"
KINDS = (OWN, NEAR, FAR, IN_CATALOGUE, HELD_OUT, DISTRACTOR)


@dataclass(frozen=True)
class Catalogue:
    """A catalogue, its calibration queries, and looks at it.

    A look's kind is OWN: at a thing of the catalogue; NEAR: at one of its source that it does not
    hold; FAR: at a thing of another source. Candidates are numbered by their places.

    Attributes:
        source: Where its photos come from.
        name: What tells it from others of the source.
        network: The network that made the vectors.
        items: How many items it has.
        photos: How many photos an item has.
        similarity: The mean similarity from which photos of one item are one burst.
        queries: The queries that its build would ask, some fewer.
        looks: The looks.
    """

    source: str
    name: str
    network: str
    items: int
    photos: int
    similarity: float
    queries: tuple[ScoredQuery, ...]
    looks: tuple[ScoredQuery, ...]


def write(catalogues: Sequence[Catalogue], path: Path) -> None:
    """Write catalogues as one NumPy archive."""
    scored = [query for own in catalogues for query in (*own.queries, *own.looks)]
    rights = [query.right for query in scored]
    np.savez_compressed(
        path,
        source=np.array([catalogue.source for catalogue in catalogues]),
        name=np.array([catalogue.name for catalogue in catalogues]),
        network=np.array([catalogue.network for catalogue in catalogues]),
        items=np.array([catalogue.items for catalogue in catalogues]),
        photos=np.array([catalogue.photos for catalogue in catalogues]),
        similarity=np.array([catalogue.similarity for catalogue in catalogues]),
        queries=np.array([len(catalogue.queries) for catalogue in catalogues]),
        ends=np.cumsum([len(own.queries) + len(own.looks) for own in catalogues]),
        kind=np.array([KINDS.index(query.kind) for query in scored]),
        right=np.array([-1 if right is None else right for right in rights]),
        group=np.array([query.group for query in scored]),
        teaches=np.array([query.teaches for query in scored]),
        begins=np.cumsum([0, *(len(query.features.values) for query in scored)]),
        values=np.concatenate([query.features.values for query in scored]).astype(np.float32),
    )


def read(path: Path) -> list[Catalogue]:
    """Read what `write` wrote."""
    with np.load(path, allow_pickle=False) as data:
        values = data["values"].astype(np.float64)
        scored = [
            ScoredQuery(
                KINDS[kind],
                _features(values[begin:end]),
                None if right < 0 else int(right),
                int(group),
                bool(teaches),
            )
            for kind, right, group, teaches, (begin, end) in zip(
                data["kind"],
                data["right"],
                data["group"],
                data["teaches"],
                pairwise(data["begins"].tolist()),
                strict=True,
            )
        ]
        return [
            Catalogue(
                str(source),
                str(name),
                str(network),
                int(items),
                int(photos),
                float(similarity),
                tuple(scored[begin : begin + queries]),
                tuple(scored[begin + queries : end]),
            )
            for source, name, network, items, photos, similarity, queries, (begin, end) in zip(
                data["source"],
                data["name"],
                data["network"],
                data["items"],
                data["photos"],
                data["similarity"],
                data["queries"].tolist(),
                pairwise([0, *data["ends"].tolist()]),
                strict=True,
            )
        ]


def _features(values: Numbers) -> MatchFeatures:
    numbers = np.arange(len(values))
    return MatchFeatures(numbers, numbers, values[:, 0].astype(np.float32), values)
