"""Augment a catalogue photo: what a camera might make of the thing that it shows."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core.photos import Picture

SIDE = 256  # pixels, longer side, for which the blur is given
MILD, FULL, STRONG = 0.7, 1.0, 3.0  # augmentation strengths; see `_strength`
PLAIN_SHARE = (0.15, 0.92)  # share of a picture that its plain background takes, if it has one


def augment(image: Picture, seed: int, behind: Picture | None = None) -> Picture:
    """Return a photo as a camera might see the thing.

    The thing is seen from the side, turned, shifted, in poor light, blurred and noisy. A thing on
    a plain background is cut out; any other photo has surroundings already and is changed less.

    Args:
        image: The photo, BGR uint8 (h, w, 3).
        seed: The same seed gives the same picture.
        behind: A photo of another thing, which then fills the plain background. Given for an
            item's only photo.

    Returns:
        BGR uint8 (h, w, 3).
    """
    random = np.random.default_rng(seed)
    height, width = image.shape[:2]
    background = _plain_background(image)
    strength = _strength(background, behind)
    homography = _random_homography(random, width, height, strength)
    picture: NDArray[Any] = _warp(image, homography, cv2.BORDER_REPLICATE)
    if background is not None:
        share = _warp(background, homography, cv2.BORDER_CONSTANT, 1.0)[:, :, None]
        if behind is None or random.random() < 0.3:
            picture = picture * (1 - share) + random.uniform(205, 245) * share
        else:
            picture = picture * (1 - share) + _tile(behind, random, width, height) * share
    blur = strength * abs(random.normal(0, 1.1)) * max(height, width) / SIDE
    if blur > 0.3:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), blur))
    dim = min(strength, 1.0)  # stronger light would leave nothing to see
    tint = 1 + dim * (random.uniform(0.5, 1.25) * random.uniform(0.9, 1.1, 3) - 1)
    slope = dim * random.uniform(-0.25, 0.25, 2)
    across, down = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
    light = 1 + slope[0] * across + slope[1] * down
    noise = random.normal(0, strength * random.uniform(2, 8), picture.shape)
    return np.asarray(np.clip(picture * tint * light[:, :, None] + noise, 0, 255), np.uint8)


def has_surroundings(image: Picture) -> bool:
    """Return whether a photo (h, w, 3) has surroundings.

    A photo that the thing fills entirely counts as one with surroundings.
    """
    return float(_background(image).mean()) <= PLAIN_SHARE[0]


def _strength(background: NDArray[np.float32] | None, behind: Picture | None) -> float:
    """Return by how much to change a photo.

    Photos with surroundings vary enough by themselves. An item's only photo is changed most,
    because no other photo tells how pictures of the thing differ.
    """
    if background is None:
        return MILD
    return FULL if behind is None else STRONG


def _plain_background(image: Picture) -> NDArray[np.float32] | None:
    """Return how much each pixel is background (h, w), 0 to 1; None where that is not plain."""
    background = _background(image)
    return background if PLAIN_SHARE[0] < background.mean() < PLAIN_SHARE[1] else None


def _background(image: Picture) -> NDArray[np.float32]:
    """Return how much each pixel (h, w), 0 to 1, has the plain colour of a corner."""
    height, width = image.shape[:2]
    filled = np.zeros((height + 2, width + 2), np.uint8)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | 255 << 8
    for corner in ((0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)):
        cv2.floodFill(image.copy(), filled, corner, (0, 0, 0), (2, 2, 2), (2, 2, 2), flags)
    soft = cv2.GaussianBlur(filled[1:-1, 1:-1], (0, 0), 1.0)
    return np.asarray(soft.astype(np.float32) / 255)


def _random_homography(
    random: np.random.Generator, width: int, height: int, strength: float
) -> NDArray[np.float64]:
    """Return a homography (3, 3) that turns, scales, shifts and slightly skews."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
    angle = strength * np.deg2rad(random.uniform(-12, 12))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = corners @ turn.T * (1 + strength * random.uniform(-0.25, 0.25))
    skew, shift = random.uniform(-0.08, 0.08, (4, 2)), random.uniform(-0.08, 0.08, 2)
    moved = moved + strength * (skew + shift)
    size, middle = np.array([width, height]), np.array([width, height]) / 2
    source, target = ((points * size + middle).astype(np.float32) for points in (corners, moved))
    return np.asarray(cv2.getPerspectiveTransform(source, target), np.float64)


def _warp(
    image: NDArray[np.float32] | Picture,
    homography: NDArray[np.float64],
    border: int,
    value: float = 0,
) -> NDArray[np.float32]:
    size = (image.shape[1], image.shape[0])
    floats = image.astype(np.float32)
    return np.asarray(
        cv2.warpPerspective(floats, homography, size, borderMode=border, borderValue=(value,) * 4),
        np.float32,
    )


def _tile(photo: Picture, random: np.random.Generator, width: int, height: int) -> Picture:
    """Return a photo repeated side by side, as on a shelf, (height, width, 3)."""
    scale = random.uniform(0.5, 1.0) * max(width, height) / max(photo.shape[:2])
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    across, down = (
        2 * side // small.shape[1 - axis] + 2 for axis, side in enumerate((width, height))
    )
    shelf = np.tile(small, (down, across, 1))
    left, top = (int(random.integers(0, max(1, small.shape[1 - axis]))) for axis in (0, 1))
    return np.asarray(shelf[top : top + height, left : left + width], np.uint8)
