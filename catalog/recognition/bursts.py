"""Photos of one item that were taken in one go: they flatter each other.

The same light, the same shelf, the same side of the thing: what a look at the thing will be
like on another day, such photos do not tell.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.core.vectors import Rows, Vectors

ONE_GO = 0.6  # of the way from pictures of nothing in common to the same picture, and more alike
MOST_IN_ONE_GO = 200  # photos
MOST_LEFT_OUT = 3  # of an item's other photos, one in so many at most
SAME_SCENE = 0.6  # share of them whose print is not read: the same shelf is behind the thing
AT_ONCE = 1000  # photos of an item that are shared out at a time


def burst_similarity(embeddings: Vectors) -> float:
    """From which similarity on photos of one item pass for taken in one go.

    Args:
        embeddings: Float32 (n, d), each of length 1, of things that differ: how alike the
            network finds those is its own.
    """
    count = len(embeddings)
    if count < 2:
        return ONE_GO
    apart = (np.square(embeddings.sum(0)).sum() - count) / (count * (count - 1))
    return round(float(apart + ONE_GO * (1 - apart)), 4)


def grow_burst(photos: Vectors, asks: int, alike: float, most: int) -> list[int]:
    """A photo of an item, and those taken in one go with it.

    A group is grown about it: the photo most like those in it, on average, joins them, as long
    as it is alike enough. So what only resembles the one that asks is not of them.

    Args:
        photos: Float32 (n, d), each of length 1.
        asks: Which of them.
        alike: From which mean similarity on one joins; see `burst_similarity`.
        most: How many may join.
    """
    found, together = [asks], photos @ photos[asks]
    while len(found) <= most:
        mean = together / len(found)
        mean[found] = -np.inf
        nearest = int(mean.argmax())
        if mean[nearest] < alike:
            break
        found.append(nearest)
        together = together + photos @ photos[nearest]
    return found


def burst_masks(
    stored: NDArray[np.floating[Any]], rows: Rows, photo: int, alike: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which photos do not answer one of their item, and of which the print does not.

    Args:
        stored: All vectors (n, d).
        rows: The photos of its item, two at least.
        photo: Which of them asks.
        alike: See `grow_burst`.

    Returns:
        Two masks, bool (n,), the one that asks in both. A third of the others, rounded up, is
        in the first at most; one photo at least answers.
    """
    photos, asks = stored[rows].astype(np.float32), int(np.flatnonzero(rows == photo)[0])
    others = len(rows) - 1
    most = min(-(-others // MOST_LEFT_OUT), others - 1, MOST_IN_ONE_GO)
    masks = np.zeros((2, len(stored)), bool)
    masks[:, rows[grow_burst(photos, asks, alike, most)]] = True
    order = np.argsort(-(photos @ photos[asks]), kind="stable")
    by_likeness = rows[order[order != asks]]
    masks[1, by_likeness[: int(np.ceil(SAME_SCENE * (others - 1)))]] = True
    return masks[0], masks[1]


def assign_folds(stored: NDArray[np.floating[Any]], owners: Rows, folds: int, alike: float) -> Rows:
    """Photos shared out among folds, those taken in one go to the same; an only one to none.

    No fold takes more than its share of an item's photos: a longer go is divided.

    Args:
        stored: All vectors (n, d).
        owners: The number of each photo's item (n,).
        folds: How many.
        alike: See `grow_burst`.

    Returns:
        The number of each photo's fold (n,), or -1.
    """
    fold = np.full(len(owners), -1, np.int64)
    by_item = np.argsort(owners, kind="stable")
    begins = np.searchsorted(owners[by_item], np.arange(int(owners.max()) + 2))
    for item, (begin, end) in enumerate(pairwise(begins.tolist())):
        for at in range(begin, end if end - begin > 1 else begin, AT_ONCE):
            rows = by_item[at : min(at + AT_ONCE, end)]
            load, most = np.zeros(folds, np.int64), -(-len(rows) // folds) - 1
            while len(rows):
                group = grow_burst(stored[rows].astype(np.float32), 0, alike, most)
                # From another fold on for each item: else all the few would meet in the first.
                least = (int(np.roll(load, -item).argmin()) + item) % folds
                fold[rows[group]] = least
                load[least] += len(group)
                rows = np.delete(rows, group)
    return fold
