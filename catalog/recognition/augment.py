"""A catalogue photo as a camera might see the thing: what a build learns from."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core.photos import Picture

SIDE = 256  # pixels, longer side, which blur is measured by
MILD = 0.7  # how much of all this a photo from the world goes through
ALONE = 3.0  # and an item's only picture, beside which nothing tells how looks at it differ
PLAIN = (0.15, 0.92)  # share of a picture that its plain ground takes, if it has one


def augment(image: Picture, seed: int, behind: Picture | None = None) -> Picture:
    """A photo (h, w, 3) as a camera might see the thing.

    Viewed from aside, turned, shifted, in poor light, blurred, noisy. A thing on a plain ground
    is cut out; a photo of another kind was taken in the world, and is changed less.

    Args:
        image: The photo.
        seed: The same one gives the same picture.
        behind: Another photo; it and its neighbours stand where the plain ground was.
    """
    random = np.random.default_rng(seed)
    height, width = image.shape[:2]
    ground = _plain_ground(image)
    hard = MILD if ground is None else 1.0 if behind is None else ALONE
    move = _moved(random, width, height, hard)
    seen: NDArray[Any] = _warped(image, move, cv2.BORDER_REPLICATE)
    if ground is not None:
        kept = _warped(ground, move, cv2.BORDER_CONSTANT, 1.0)[:, :, None]
        if behind is None or random.random() < 0.3:
            seen = seen * (1 - kept) + random.uniform(205, 245) * kept
        else:
            seen = seen * (1 - kept) + _neighbours(behind, random, width, height) * kept
    blur = hard * abs(random.normal(0, 1.1)) * max(height, width) / SIDE
    if blur > 0.3:
        seen = np.asarray(cv2.GaussianBlur(seen, (0, 0), blur))
    dim = min(hard, 1.0)  # more of it would be a picture of nothing
    tint = 1 + dim * (random.uniform(0.5, 1.25) * random.uniform(0.9, 1.1, 3) - 1)
    slope = dim * random.uniform(-0.25, 0.25, 2)
    across, down = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
    light = 1 + slope[0] * across + slope[1] * down
    noise = random.normal(0, hard * random.uniform(2, 8), seen.shape)
    return np.asarray(np.clip(seen * tint * light[:, :, None] + noise, 0, 255), np.uint8)


def has_surroundings(image: Picture) -> bool:
    """Whether a photo (h, w, 3) has surroundings; also one that its thing fills passes for such."""
    return float(_ground(image).mean()) <= PLAIN[0]


def _plain_ground(image: Picture) -> NDArray[np.float32] | None:
    """How much each pixel is ground (h, w), 0 to 1; None where the ground is not plain."""
    ground = _ground(image)
    return ground if PLAIN[0] < ground.mean() < PLAIN[1] else None


def _ground(image: Picture) -> NDArray[np.float32]:
    """How much each pixel (h, w), 0 to 1, is of one plain colour with a corner."""
    height, width = image.shape[:2]
    filled = np.zeros((height + 2, width + 2), np.uint8)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | 255 << 8
    for corner in ((0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)):
        cv2.floodFill(image.copy(), filled, corner, (0, 0, 0), (2, 2, 2), (2, 2, 2), flags)
    soft = cv2.GaussianBlur(filled[1:-1, 1:-1], (0, 0), 1.0)
    return np.asarray(soft.astype(np.float32) / 255)


def _moved(
    random: np.random.Generator, width: int, height: int, hard: float
) -> NDArray[np.float64]:
    """A homography (3, 3): turned, scaled, shifted, its corners a little apart."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
    angle = hard * np.deg2rad(random.uniform(-12, 12))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    seen = corners @ turn.T * (1 + hard * random.uniform(-0.25, 0.25))
    apart, shift = random.uniform(-0.08, 0.08, (4, 2)), random.uniform(-0.08, 0.08, 2)
    seen = seen + hard * (apart + shift)
    size, middle = np.array([width, height]), np.array([width, height]) / 2
    was, now = ((one * size + middle).astype(np.float32) for one in (corners, seen))
    return np.asarray(cv2.getPerspectiveTransform(was, now), np.float64)


def _warped(
    image: NDArray[np.float32] | Picture, move: NDArray[np.float64], border: int, value: float = 0
) -> NDArray[np.float32]:
    size = (image.shape[1], image.shape[0])
    floats = image.astype(np.float32)
    return np.asarray(
        cv2.warpPerspective(floats, move, size, borderMode=border, borderValue=(value,) * 4),
        np.float32,
    )


def _neighbours(other: Picture, random: np.random.Generator, width: int, height: int) -> Picture:
    """Another thing's photo, over and over, as on a shelf, (height, width, 3)."""
    scale = random.uniform(0.5, 1.0) * max(width, height) / max(other.shape[:2])
    small = cv2.resize(other, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    across, down = (2 * side // small.shape[1 - at] + 2 for at, side in enumerate((width, height)))
    shelf = np.tile(small, (down, across, 1))
    left, top = (int(random.integers(0, max(1, small.shape[1 - at]))) for at in (0, 1))
    return np.asarray(shelf[top : top + height, left : left + width], np.uint8)
