"""Undo how the picture of a trembling camera moves: lay each over the background."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.sighting import Image
from edge.vision.scene import LIGHT_REGION, MOST_LIGHT

WIDTH = 320  # pixels, at which the shift is found
MOST_SHIFT = 2.0  # of these pixels; a camera that moves further is carried
FARTHEST = 12.0  # of them; a shift beyond is none
NOISE = 9.0  # grey levels; what differs by more counts little
STEPS = 5
# As strong as the slopes that noise makes: along a direction without texture the shift stays zero.
PULL = 500 * np.eye(2)
LAST_STEP = 0.01  # pixels; a smaller one changes nothing
GROUND = 0.4  # of all pixels' weight that must be alike when the shift is undone

Plane = NDArray[np.float32]  # (h, WIDTH)


class Steadying:
    """Finds by how much each picture is shifted, and shifts it back.

    The shift is that of Lucas and Kanade's method over the whole picture, with weights by which
    things that came or went count little (An iterative image registration technique, 1981).

    Attributes:
        is_found: Whether the last picture's shift was found; else the one before was taken.
        is_too_far: Whether it is too large for a camera that only trembles.
    """

    def __init__(self) -> None:
        self.is_found = self.is_too_far = False
        self._background: Plane | None = None
        self._shift = np.zeros(2)

    def find(self, image: Image, background: Image | None = None) -> None:
        """Find by how much a picture is shifted.

        Args:
            image: The picture, BGR uint8 (h, w, 3).
            background: The background, at any scale; where it is not known yet, the first picture
                that comes is taken for it.
        """
        plane = _plane(image)
        if background is not None:
            self._background = _plane(background)
        elif self._background is None:
            self._background = plane
        found = _shift(self._background, plane, self._shift)
        self.is_found = found is not None
        if found is not None:
            self._shift = found
        self.is_too_far = bool(np.abs(self._shift).max() > MOST_SHIFT)

    def undo(self, image: Image) -> Image:
        """Lay the picture whose shift was found last over the background."""
        height, width = image.shape[:2]
        return np.asarray(_moved(image, self._shift * width / WIDTH, (width, height)), np.uint8)


def _plane(image: Image) -> Plane:
    height = max(1, round(image.shape[0] * WIDTH / image.shape[1]))
    small = cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), 1.0), np.float32)


def _moved(
    picture: NDArray[Any], shift: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[Any]:
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, move, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _shift(background: Plane, now: Plane, begin: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """By how many pixels (x, y) `now` is shifted, from a first guess; None where none fits."""
    shift, size = begin.copy(), (now.shape[1], now.shape[0])
    for _ in range(STEPS):
        moved = _moved(now, shift, size)
        change = moved - background
        change -= cv2.blur(np.clip(change, -MOST_LIGHT, MOST_LIGHT), LIGHT_REGION)
        weights = (1 / (1 + np.square(change / NOISE)) ** 2).ravel()
        mean = (background + moved) / 2
        slopes = np.stack(
            [cv2.Sobel(mean, cv2.CV_32F, *axes, scale=1 / 8).ravel() for axes in ((1, 0), (0, 1))]
        )
        weighted = slopes * weights
        step = np.linalg.solve(weighted @ slopes.T + PULL, weighted @ change.ravel() + PULL @ shift)
        shift -= step
        if np.abs(shift).max() > FARTHEST:
            return None
        if np.abs(step).max() < LAST_STEP:
            break
    return shift if weights.mean() > GROUND else None
