"""Search the catalogue with the looks of a thing at rest."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.bundle import Bundle
from catalog.bundles.match import Match
from edge.sighting import Crop, Timings
from edge.vision.looks import Looks
from edge.vision.picture_search import CANDIDATES, with_search_time


@dataclass(frozen=True)
class FoundThing:
    """What a search with the looks of a thing gave.

    Attributes:
        matches: The items found, the likeliest first.
        crop: The sharpest crop.
        features: The network's own output for the newest crop, float32 (d,).
        timings: What embedding and search took.
    """

    matches: tuple[Match, ...]
    crop: Crop
    features: NDArray[np.float32]
    timings: Timings


def search_thing(
    bundle: Bundle, looks: Looks, *, exact: bool, foreign_share: float | None
) -> FoundThing:
    """Search with the mean vector of the sharp looks, and with the sharpest one's local features.

    The second of two networks sees the sharpest look alone: each look more would take its time.

    Args:
        bundle: The open bundle.
        looks: At least one crop of the thing.
        exact: Compare with every vector instead of asking the index.
        foreign_share: As in `Bundle.identify`.
    """
    looks_used, best = looks.sharp(), looks.best()
    features = bundle.featurizer.join(
        [
            np.vstack([look.output(bundle, 0) for look in looks_used]),
            *(
                np.repeat(best.output(bundle, number), len(looks_used), axis=0)
                for number in range(1, len(bundle.featurizer.networks))
            ),
        ]
    )
    vector = _mean(bundle.featurizer.vectors(features))
    query = best.descriptors(bundle)
    start = time.perf_counter() - best.describe_ms / 1000
    found = bundle.identify(vector, query, CANDIDATES, exact=exact, foreign_share=foreign_share)
    embedded = Timings(embed=sum(look.embed_ms for look in looks_used))
    timings = with_search_time(embedded, query, start)
    return FoundThing(tuple(found), best.crop, features[-1], timings)


def _mean(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the vectors (n, d) of several crops of one thing, made (d,) of length 1."""
    mean = np.mean(vectors, axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)
