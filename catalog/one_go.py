"""Photos of one item that were taken in one go: they flatter each other.

The same light, the same shelf, the same side of the thing: what a look at the thing will be
like on another day, such photos do not tell.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.index import Rows, Vectors

ONE_GO = 0.6  # of the way from pictures of nothing in common to the same picture, and more alike
NEAREST_LOOKED_AT = 200  # photos of an item among which those taken in one go are looked for
MOST_LEFT_OUT = 3  # of an item's other photos, one in so many at most
SAME_SCENE = 0.6  # share of them whose print is not read: the same shelf is behind the thing


def alike_from(embeddings: Vectors) -> float:
    """From which similarity on photos of one item pass for taken in one go.

    Args:
        embeddings: Float32 (n, d) of things that have nothing in common: how alike those are
            is the network's own, and every network's another.
    """
    count = len(embeddings)
    if count < 2:
        return ONE_GO
    apart = (np.square(embeddings.sum(0)).sum() - count) / (count * (count - 1))
    return round(float(apart + ONE_GO * (1 - apart)), 4)


def left_out(
    stored: NDArray[np.floating[Any]], rows: Rows, photo: int, alike: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """A photo with those of its item that do not answer it, and those whose print does not.

    A group is grown about it: the photo most like those in it, on average, joins them, as long
    as it is alike enough; so what only resembles the one that asks still answers. At most a
    third of the others is left out: new photos will find all of them.

    Args:
        stored: All vectors (n, d).
        rows: The photos of its item, two at least.
        photo: Which of them asks.
        alike: From which mean similarity on one joins; see `alike_from`.

    Returns:
        Two masks, bool (n,). One photo at least answers.
    """
    others = rows[rows != photo]
    similarities = stored[others].astype(np.float32) @ stored[photo].astype(np.float32)
    order = np.argsort(-similarities, kind="stable")
    near = others[order[:NEAREST_LOOKED_AT]]
    vectors, together = stored[near].astype(np.float32), similarities[order[:NEAREST_LOOKED_AT]]
    joined: list[int] = []
    while len(joined) < len(others) // MOST_LEFT_OUT and len(joined) < len(near):
        mean = together / (len(joined) + 1)
        mean[joined] = -np.inf
        nearest = int(mean.argmax())
        if mean[nearest] < alike:
            break
        joined.append(nearest)
        together = together + vectors @ vectors[nearest]
    masks = np.zeros((2, len(stored)), bool)
    masks[:, photo] = True
    masks[:, near[joined]] = True
    masks[1, others[order[: int(np.ceil(SAME_SCENE * (len(others) - 1)))]]] = True
    return masks[0], masks[1]
