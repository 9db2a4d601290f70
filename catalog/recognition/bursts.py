"""Bursts: near-duplicate photos of one item, which flatter each other.

Photos of one burst share the light, the shelf and the side of the thing. They do not tell what a
picture of the thing on another day will be like, so they are kept apart when a catalogue's own
photos are used as queries.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.core.vectors import Rows, Vectors

BURST = 0.6  # of the way from the similarity of unlike things to 1; more similar is one burst
LARGEST_BURST = 200  # photos
LARGEST_SHARE = 3  # of an item's other photos, one in so many joins a burst at most
SAME_SCENE = 0.6  # share of them whose local features are excluded: the same shelf is behind
MOST_ALIKE = 0.98  # mean similarity of unlike things; a network that finds all alike tells nothing
AT_ONCE = 1000  # photos of an item that are assigned to folds at a time


def burst_similarity(embeddings: Vectors) -> float:
    """Return the mean similarity from which two photos of one item belong to one burst.

    Args:
        embeddings: Float32 (n, d), each of length 1, of unlike things: how similar a network
            finds those is its own property.
    """
    count = len(embeddings)
    if count < 2:
        return BURST
    unlike = (np.square(embeddings.sum(0)).sum() - count) / (count * (count - 1))
    return round(float(unlike + BURST * (1 - unlike)), 4)


def unlike_of(similarity: float) -> float:
    """Return the mean similarity of unlike things that `burst_similarity` was computed from."""
    return min((similarity - BURST) / (1 - BURST), MOST_ALIKE)


def grow_burst(photos: Vectors, seed: int, similarity: float, most: int) -> list[int]:
    """Return a photo of an item and the photos of its burst.

    The burst grows by the photo with the highest mean similarity to its members, as long as that
    is high enough. A photo that only resembles the seed does not join.

    Args:
        photos: Float32 (n, d), each of length 1.
        seed: The photo to begin with.
        similarity: The mean similarity from which a photo joins; see `burst_similarity`.
        most: How many photos may join.
    """
    members, together = [seed], photos @ photos[seed]
    while len(members) <= most:
        mean = together / len(members)
        mean[members] = -np.inf
        nearest = int(mean.argmax())
        if mean[nearest] < similarity:
            break
        members.append(nearest)
        together = together + photos @ photos[nearest]
    return members


def burst_masks(
    stored: NDArray[np.floating[Any]], rows: Rows, photo: int, similarity: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Mark the photos to exclude when a photo of the catalogue is the query.

    Args:
        stored: All vectors (n, d).
        rows: The photos of its item, two at least.
        photo: The photo that is the query.
        similarity: See `grow_burst`.

    Returns:
        Two masks, bool (n,): photos to exclude, and photos whose local features to exclude. The
        query is in both. The first holds at most a third of the item's other photos, rounded up,
        and leaves at least one.
    """
    photos, seed = stored[rows].astype(np.float32), int(np.flatnonzero(rows == photo)[0])
    others = len(rows) - 1
    most = min(-(-others // LARGEST_SHARE), others - 1, LARGEST_BURST)
    masks = np.zeros((2, len(stored)), bool)
    masks[:, rows[grow_burst(photos, seed, similarity, most)]] = True
    order = np.argsort(-(photos @ photos[seed]), kind="stable")
    by_similarity = rows[order[order != seed]]
    masks[1, by_similarity[: int(np.ceil(SAME_SCENE * (others - 1)))]] = True
    return masks[0], masks[1]


def assign_folds(
    stored: NDArray[np.floating[Any]], owners: Rows, folds: int, similarity: float
) -> Rows:
    """Assign photos to folds, each burst to one fold; an item's only photo to none.

    No fold takes more than its share of an item's photos: a longer burst is divided.

    Args:
        stored: All vectors (n, d).
        owners: The item number of each photo (n,).
        folds: How many folds.
        similarity: See `grow_burst`.

    Returns:
        The fold of each photo, int64 (n,), or -1.
    """
    fold = np.full(len(owners), -1, np.int64)
    by_item = np.argsort(owners, kind="stable")
    begins = np.searchsorted(owners[by_item], np.arange(int(owners.max()) + 2))
    for item, (begin, end) in enumerate(pairwise(begins.tolist())):
        for at in range(begin, end if end - begin > 1 else begin, AT_ONCE):
            rows = by_item[at : min(at + AT_ONCE, end)]
            load, most = np.zeros(folds, np.int64), -(-len(rows) // folds) - 1
            while len(rows):
                burst = grow_burst(stored[rows].astype(np.float32), 0, similarity, most)
                # Each item starts with another fold: else items with few photos fill the first.
                least = (int(np.roll(load, -item).argmin()) + item) % folds
                fold[rows[burst]] = least
                load[least] += len(burst)
                rows = np.delete(rows, burst)
    return fold
