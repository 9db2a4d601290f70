"""Notice a camera that trembles or is carried: its whole picture moves from look to look."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.vision.scene import LIGHT_REGION, MotionImage

LEAST_SHIFT = 0.04  # pixels of a motion image
MOST_CHANGE = 10.0  # grey levels of one pixel; so that what moves before the camera counts little
EXPLAINED = 0.08  # of the change, by one shift of the whole picture
CELLS = 6  # rows of cells, and as many columns, in which the shift is checked
EXPLAINED_IN_MEDIAN = 0.0  # the same, in the median cell; it is negative where only a thing moves
MEMORY = 0.08  # of each look in the mean of all
MOVES, STANDS = 0.5, 0.15  # share of the looks in which the picture moved
SUSPECT = 0.01  # from this share on each look is examined

Plane = NDArray[np.float32]  # (h, w)


class CameraMotion:
    """Follows whether the camera itself moves.

    Attributes:
        moves: Whether it does. It takes a second and more, ten looks a second, until a camera
            moves, and two until it stands still.

    Args:
        most: The share of the looks in which the picture may move before a camera that stands.
    """

    def __init__(self, most: float = MOVES) -> None:
        self.moves = False
        self._most = most
        self._share = 0.0  # of the looks in which the picture moved; newer ones count more
        self._last: MotionImage | None = None

    def update(self, motion: MotionImage, *, steady: bool) -> None:
        """Take in the next look; `steady` says that nothing has moved since the one before."""
        last, self._last = self._last, motion
        examine = last is not None and (not steady or self._share > SUSPECT)
        moved = examine and last is not None and _has_shifted(motion, last)
        self._share += MEMORY * (moved - self._share)
        self.moves = self._share > (STANDS if self.moves else self._most)


def _has_shifted(motion: MotionImage, last: MotionImage) -> bool:
    """Whether the picture has moved as a whole: one small shift explains what changed.

    The shift is the least squares solution of Lucas and Kanade, over the whole picture.
    """
    before, after = (
        cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32) for picture in (last, motion)
    )
    change = after - before
    change = np.clip(change - cv2.blur(change, LIGHT_REGION), -MOST_CHANGE, MOST_CHANGE)
    mean = (before + after) / 2
    across = cv2.Sobel(mean, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(mean, cv2.CV_32F, 0, 1, scale=1 / 8)
    slopes = np.stack([across.ravel(), down.ravel()])
    x, y = np.linalg.solve(slopes @ slopes.T + np.eye(2, dtype=np.float32), slopes @ change.ravel())
    if max(abs(x), abs(y)) < LEAST_SHIFT:
        return False
    rest = change - (x * across + y * down)
    if _explained(change, rest) < EXPLAINED:
        return False
    cells = [_explained(*cell) for cell in zip(_cells(change), _cells(rest), strict=True)]
    return float(np.median(cells)) > EXPLAINED_IN_MEDIAN


def _cells(plane: Plane) -> list[Plane]:
    """Cut a plane into cells."""
    rows = np.array_split(plane, CELLS)
    return [cell for row in rows for cell in np.array_split(row, CELLS, axis=1)]


def _explained(change: Plane, rest: Plane) -> float:
    """How much of the change the shift explains, as a share; `rest` is what it does not."""
    before, after = float(np.square(change).sum()), float(np.square(rest).sum())
    return (before - after) / (before + 1)
