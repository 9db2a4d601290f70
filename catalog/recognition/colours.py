"""Which colours a picture has, in its middle most: varieties differ by them where kinds do not.

A histogram in CIE L*a*b* of which each pixel fills the bins around it, after the mean colour was
made grey, so that the colour of the light counts less (grey world, Buchsbaum 1980). Kept as
square roots: their product is Bhattacharyya's coefficient, 1 for the same colours.
"""

from __future__ import annotations

from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core.photos import Picture, shrink

Colours = NDArray[np.uint8]

FILE = "colours.npy"
VERSION = 1  # raise it when histograms change; they are kept by it
BINS = (4, 8, 8)  # of lightness, of green to red, of blue to yellow
DIMENSIONS = 256
SIDE = 64  # pixels, longer side
REACH = 35.0  # of a* and b* that the bins reach to; stronger colours are in the last ones
MIDDLE = 0.45  # of a side, from the middle, where a pixel counts 1 / e
SCALE = 255.0


def colours(image: Picture) -> Colours:
    """The colours of a picture, BGR uint8 (h, w, 3), as uint8 (256,), 255 times square roots."""
    small = shrink(image, SIDE).astype(np.float32)
    height, width = small.shape[:2]
    down, across = (
        np.square((np.arange(side) + 0.5 - side / 2) / (MIDDLE * side)) for side in (height, width)
    )
    weight = np.exp(-(down[:, None] + across)).ravel().astype(np.float32)
    mean = weight @ small.reshape(-1, 3) / weight.sum()
    grey = np.clip(small * (mean.mean() / np.maximum(mean, 1)), 0, 255).astype(np.uint8)
    lab = cv2.cvtColor(grey, cv2.COLOR_BGR2LAB).reshape(-1, 3).astype(np.float32)
    share = np.vstack([lab[:, 0] / 255, (np.clip((lab[:, 1:].T - 128) / REACH, -1, 1) + 1) / 2])
    steps = np.array(BINS)[:, None] - 1
    below = np.minimum((share * steps).astype(np.int64), steps - 1)
    above = share * steps - below
    sides = (1 - above, above)
    filled = np.zeros(DIMENSIONS)
    for light, red, yellow in product((0, 1), repeat=3):
        bins = np.ravel_multi_index((below[0] + light, below[1] + red, below[2] + yellow), BINS)
        part = weight * sides[light][0] * sides[red][1] * sides[yellow][2]
        filled += np.bincount(bins, part, DIMENSIONS)
    return np.asarray(np.round(SCALE * np.sqrt(filled / filled.sum())), np.uint8)


def similarity(stored: NDArray[np.uint8], look: Colours) -> NDArray[np.float32]:
    """How alike the colours of some photos (n, 256) and of a look (256,) are, 0 to 1, (n,)."""
    similar = stored.astype(np.float32) @ look.astype(np.float32) / np.float32(SCALE**2)
    return np.asarray(np.minimum(similar, 1), np.float32)
