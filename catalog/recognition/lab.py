"""CIE L*a*b* of single bytes, the same to the bit as OpenCV's.

OpenCV makes tables for every kind of picture at the first conversion, and 4.7 MB stay in memory.
The two tables here suffice for bytes.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from catalog.core.photos import Picture

Integers = NDArray[np.int64]

GAMMA_BITS, MATRIX_BITS, ROOT_BITS = 3, 12, 15  # of the fractions that are kept
# From linear blue, green and red to X, Y and Z (BT.709), for a white of D65.
TO_XYZ = np.array(
    [[0.180423, 0.357580, 0.412453], [0.072169, 0.715160, 0.212671], [0.950227, 0.119193, 0.019334]]
)
WHITE = np.array([0.950456, 1, 1.088754])
MATRIX = np.rint((TO_XYZ / WHITE[:, None]) * 2**MATRIX_BITS).astype(np.int64)
LINEAR_BELOW = 216 / 24389  # where the cube root gives way to a straight line
LIGHTNESS, BLACK = 296, (16 * 255 * 2**ROOT_BITS + 50) // 100  # 116 and 16, in 255 steps of 100
RED_GREEN, BLUE_YELLOW, GREY = 500, 200, 128


def lab(image: Picture) -> NDArray[np.uint8]:
    """Convert BGR uint8 (h, w, 3) to L*a*b* (h, w, 3), as `cv2.COLOR_BGR2LAB` does."""
    linear, roots = _tables()
    x, y, z = np.moveaxis(roots[_rounded(linear[image] @ MATRIX.T, MATRIX_BITS)], -1, 0)
    grey = GREY << ROOT_BITS
    channels = (LIGHTNESS * y - BLACK, RED_GREEN * (x - y) + grey, BLUE_YELLOW * (y - z) + grey)
    return np.clip(_rounded(np.stack(channels, -1), ROOT_BITS), 0, 255).astype(np.uint8)


@cache
def _tables() -> tuple[Integers, Integers]:
    """The light of each byte (sRGB), and the root of each share of the white."""
    share = np.arange(256) / 255
    light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    scale = 255 << GAMMA_BITS
    share = np.arange(scale * 3 // 2) / scale
    roots = np.where(share < LINEAR_BELOW, share * 841 / 108 + 16 / 116, np.cbrt(share))
    return (
        np.rint(scale * light).astype(np.int64),
        np.rint(2**ROOT_BITS * roots.astype(np.float32)).astype(np.int64),  # OpenCV's precision
    )


def _rounded(values: Integers, bits: int) -> Integers:
    return (values + (1 << (bits - 1))) >> bits
