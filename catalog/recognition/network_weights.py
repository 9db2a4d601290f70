"""Learn how much each of two networks counts, from a catalogue's own photos.

Which network tells its items apart depends on the catalogue. So some of its photos search among
the others with several weights, and the weight is taken that makes the right items likeliest. A few
photos say little, so the likelihood competes with a prior for equal weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.core.vectors import Rows, Vectors
from catalog.recognition.bursts import burst_masks

GRID = np.arange(1, 10) / 10  # weights of the first network
SPREAD = 0.25  # of the prior; the best weights of the catalogues of development spread by 0.17
SHARPNESS = np.geomspace(4, 120, 16)  # of the softmax over similarities
RIVALS = 10  # items beside the right one that a query is compared with

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class WeightQuery:
    """A query at a photo of the catalogue: the photo's number, and its vector (k,)."""

    photo: int
    vector: Vectors


def learn_weight(
    vectors: Vectors,
    owners: Rows,
    queries: Sequence[WeightQuery],
    split: int,
    similarity: float,
) -> float:
    """Return the weight of the first of two networks; the other one's is the rest to 1.

    Args:
        vectors: The vectors of n photos by both networks side by side, equally weighted, float32
            (n, k), each of length 1.
        owners: The item number of each photo, int64 (n,).
        queries: Queries made of the photos; the burst of each is excluded.
        split: How many of the k numbers are the first network's.
        similarity: From which photos are of one burst; see `bursts.burst_similarity`.
    """
    by_item = np.argsort(owners, kind="stable")
    begins = np.searchsorted(owners[by_item], np.arange(int(owners.max()) + 1))
    if len(begins) < 2 or not queries:
        return 0.5
    margins = []
    for query in queries:
        item = int(owners[query.photo])
        rows = np.flatnonzero(owners == item)
        by_network = np.stack(
            [
                2 * vectors[:, :split] @ query.vector[:split],
                2 * vectors[:, split:] @ query.vector[split:],
            ]
        )
        if len(rows) > 1:
            excluded, _ = burst_masks(vectors, rows, query.photo, similarity)
            by_network[:, excluded] = -np.inf
        margins.append(_margins(by_network[:, by_item], begins, item))
    table = np.stack(margins, 1)
    likelihood = np.array([_log_likelihood(values) for values in table])
    return float(GRID[np.argmax(likelihood - np.square((GRID - 0.5) / SPREAD) / 2)])


def _margins(similarities: Vectors, begins: Rows, item: int) -> Numbers:
    """Return by how much the strongest rivals are ahead of the right item, for each weight.

    Args:
        similarities: To each photo by each network, float32 (2, n), the photos of an item
            together.
        begins: Where each item begins.
        item: The right item.

    Returns:
        Float64 (weights, `RIVALS`), filled up by minus infinity.
    """
    found = np.full((len(GRID), RIVALS), -np.inf)
    for place, weight in enumerate(GRID):
        mixed = weight * similarities[0] + (1 - weight) * similarities[1]
        best = np.maximum.reduceat(mixed, begins)
        rivals = np.delete(best, item) - best[item]
        strongest = np.partition(rivals, -RIVALS)[-RIVALS:] if len(rivals) > RIVALS else rivals
        found[place, : len(strongest)] = strongest
    return found


def _log_likelihood(margins: Numbers) -> float:
    """Return the log-likelihood of the right items, at the sharpness that makes it highest."""
    return max(
        -float(np.log1p(np.exp(sharpness * margins).sum(1)).sum()) for sharpness in SHARPNESS
    )
