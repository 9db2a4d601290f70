"""The colour histogram of a picture: varieties of one kind differ in colour where vectors agree.

The histogram is taken in CIE L*a*b*; each pixel fills the bins around it, and pixels in the middle
of the picture weigh most. First the mean colour is made grey, so that the colour of the light
matters less (grey world, Buchsbaum 1980). Square roots are stored: the product of two histograms
is then the Bhattacharyya coefficient, which is 1 for equal colours.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.core.photos import Picture, shrink
from catalog.recognition.lab import lab

Colours = NDArray[np.uint8]

FILE = "colours.npy"
VERSION = 1  # raise it when histograms change; the build cache is keyed by it
BINS = (4, 8, 8)  # of lightness, of green to red, of blue to yellow
DIMENSIONS = 256
SIDE = 64  # pixels, longer side
REACH = 35.0  # of a* and b* that the bins cover; stronger colours fall into the last bins
MIDDLE = 0.45  # share of a side; a pixel this far from the middle weighs 1 / e
SCALE = 255.0


def colours(image: Picture) -> Colours:
    """Return the colour histogram of a picture.

    Args:
        image: BGR uint8 (h, w, 3).

    Returns:
        Uint8 (256,): 255 times the square roots of the bins' shares.
    """
    small = shrink(image, SIDE).astype(np.float32)
    weight = middle_weights(*small.shape[:2])
    mean = weight @ small.reshape(-1, 3) / weight.sum()
    grey = np.clip(small * (mean.mean() / np.maximum(mean, 1)), 0, 255).astype(np.uint8)
    pixels = lab(grey).reshape(-1, 3).astype(np.float32)
    share = np.vstack(
        [pixels[:, 0] / 255, (np.clip((pixels[:, 1:].T - 128) / REACH, -1, 1) + 1) / 2]
    )
    return histogram(share, weight)


@lru_cache(32)
def middle_weights(height: int, width: int) -> NDArray[np.float32]:
    """Return the weight of each pixel, float32 (height * width,): most in the middle."""
    down, across = (
        np.square((np.arange(side) + 0.5 - side / 2) / (MIDDLE * side)) for side in (height, width)
    )
    weights = np.asarray(np.exp(-(down[:, None] + across)).ravel(), np.float32)
    weights.flags.writeable = False  # whoever asks again gets the same ones
    return weights


def histogram(share: NDArray[np.floating[Any]], weight: NDArray[np.floating[Any]]) -> Colours:
    """Fill the bins.

    Args:
        share: Where each pixel lies between the first and the last bin in lightness, a* and b*, 0
            to 1, (3, n).
        weight: Its weight, (n,).

    Returns:
        Uint8 (256,): 255 times the square roots of the bins' shares.
    """
    steps = np.array(BINS)[:, None] - 1
    below = np.minimum((share * steps).astype(np.int64), steps - 1)
    above = share * steps - below
    sides = (1 - above, above)
    filled = np.zeros(DIMENSIONS)
    first = np.ravel_multi_index(tuple(below), BINS)
    for light, red, yellow in product((0, 1), repeat=3):
        bins = first + ((light * BINS[1] + red) * BINS[2] + yellow)
        part = weight * sides[light][0] * sides[red][1] * sides[yellow][2]
        filled += np.bincount(bins, part, DIMENSIONS)
    return np.asarray(np.round(SCALE * np.sqrt(filled / filled.sum())), np.uint8)


def similarity(stored: NDArray[np.uint8], query: Colours) -> NDArray[np.float32]:
    """Compare histograms of photos, uint8 (n, 256), with a query's, (256,): 0 to 1, (n,)."""
    products = stored.astype(np.float32) @ query.astype(np.float32) / np.float32(SCALE**2)
    return np.asarray(np.minimum(products, 1), np.float32)
