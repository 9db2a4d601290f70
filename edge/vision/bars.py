"""Find where a picture may show the bars of a small barcode, and make these easier to read.

Bars have strong edges that all run one way. The structure tensor (the mean products of the
gradients of a place) says how strong the edges of a place are, and how much they agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.sighting import Image

CELL = 8  # pixels a side; in each, the gradients are taken together
LEAST_GRADIENT = 6.0  # grey levels a pixel, the root of the mean square
SOBEL = 8  # times a gradient is what the filter gives
LEAST_AGREEMENT = 0.6  # of the directions; 1 where all edges of a place run one way
LEAST_CELLS = 12  # of a place with bars
MOST_PLACES = 2
MOST_HEIGHT = 48  # pixels of a place; more rows tell nothing more
AVERAGED_ROWS = 4  # because bars stand upright, this takes away noise alone
QUIET = 0.15  # of the width; added on each side
ENLARGEMENT = 2.0
LONGEST_STRIP = 1000  # pixels of an enlarged place; even of a Code 128 that is enough
LONGEST_SIDE = 700  # pixels of the picture in which places are looked for
SHARPENING, BLUR = 1.5, 2.0  # times what a blur of so many pixels takes away


@dataclass(frozen=True)
class Place:
    """Where bars may be, in pixels; `angle`, in radians, is the direction across them."""

    x: float
    y: float
    angle: float
    width: float
    height: float


def bar_places(grey: Image) -> list[Place]:
    """Find the largest places that may show bars in a picture, uint8 (h, w)."""
    small = _halved(grey) if max(grey.shape) > LONGEST_SIDE else grey
    size = (small.shape[1] // CELL, small.shape[0] // CELL)
    if min(size) < 3:
        return []
    across, down = (slope.astype(np.float32) for slope in cv2.spatialGradient(small))
    xx, yy, xy = (_pooled(product, size) for product in (across**2, down**2, across * down))
    energy = xx + yy
    agreement = np.hypot(xx - yy, 2 * xy) / np.maximum(energy, 1e-6)
    found = (energy >= (SOBEL * LEAST_GRADIENT) ** 2) & (agreement >= LEAST_AGREEMENT)
    opened = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(opened)
    cells = stats[1:, cv2.CC_STAT_AREA]
    largest = np.argsort(-cells)[:MOST_PLACES] + 1
    return [
        _place(labels == label, xx, yy, xy, grey)
        for label in largest
        if cells[label - 1] >= LEAST_CELLS
    ]


def averaged_bars(grey: Image, place: Place) -> Image:
    """Cut out a place with upright bars, doubled and sharpened; few rows, each a mean of several.

    As the bars stand upright, the mean takes away noise alone.
    """
    width = place.width * (1 + 2 * QUIET)
    size = (round(width * min(ENLARGEMENT, LONGEST_STRIP / width)), min(place.height, MOST_HEIGHT))
    upright = _turned(grey, place, (size[0], round(size[1])), (size[0] / width, 1.0))
    fewer = (size[0], max(1, upright.shape[0] // AVERAGED_ROWS))
    rows = cv2.resize(upright, fewer, interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(rows, (0, 0), BLUR, sigmaY=0.1)
    return np.asarray(cv2.addWeighted(rows, 1 + SHARPENING, blurred, -SHARPENING, 0), np.uint8)


def upright(grey: Image, place: Place) -> Image:
    """Turn a picture so that the bars of a place stand upright."""
    height, width = grey.shape[:2]
    whole = Place(width / 2, height / 2, place.angle, width, height)
    return _turned(grey, whole, (width, height), (1.0, 1.0))


def _turned(grey: Image, place: Place, size: tuple[int, int], scale: tuple[float, float]) -> Image:
    """Turn a place so that its bars stand upright, and cut it out, (width, height) pixels large."""
    cosine, sine = np.cos(place.angle), np.sin(place.angle)
    turn = np.array([[cosine, sine], [-sine, cosine]]) * np.array(scale)[:, None]
    move = np.column_stack([turn, np.array(size) / 2 - turn @ (place.x, place.y)])
    border = cv2.BORDER_REPLICATE
    turned = cv2.warpAffine(grey, move, size, flags=cv2.INTER_CUBIC, borderMode=border)
    return np.asarray(turned, np.uint8)


def _halved(grey: Image) -> Image:
    return np.asarray(
        cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8
    )


def _pooled(product: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    pooled = cv2.resize(product, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.blur(pooled, (3, 3)), np.float32)


def _place(
    where: NDArray[np.bool_],
    xx: NDArray[np.float32],
    yy: NDArray[np.float32],
    xy: NDArray[np.float32],
    grey: Image,
) -> Place:
    """The place that some cells make up."""
    angle = 0.5 * float(np.arctan2(2 * xy[where].sum(), (xx[where] - yy[where]).sum()))
    rows, columns = np.nonzero(where)
    scale_x, scale_y = grey.shape[1] / where.shape[1], grey.shape[0] / where.shape[0]
    x, y = (columns + 0.5) * scale_x, (rows + 0.5) * scale_y
    along = x * np.cos(angle) + y * np.sin(angle)
    beside = y * np.cos(angle) - x * np.sin(angle)
    middle, level = (along.max() + along.min()) / 2, (beside.max() + beside.min()) / 2
    return Place(
        x=float(middle * np.cos(angle) - level * np.sin(angle)),
        y=float(middle * np.sin(angle) + level * np.cos(angle)),
        angle=angle,
        width=float(np.ptp(along)) + 2 * scale_x,
        height=float(np.ptp(beside)) + scale_x,
    )
