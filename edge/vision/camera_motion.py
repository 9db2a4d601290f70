"""Notice a camera that trembles or is carried: its whole picture moves from look to look."""

from __future__ import annotations

import cv2
import numpy as np

from edge.vision.scene import MOTION, MotionImage, motion_between

LEAST_SHIFT = 0.12  # pixels of a motion image; half a pixel of 640
EXPLAINED = 0.6  # of the moving pixels may remain once the picture is moved back
MEMORY = 0.08  # of each look in the mean of all
MOVES, STANDS = 0.7, 0.2  # share of the looks in which the picture moved


class CameraMotion:
    """Follows whether the camera itself moves.

    Attributes:
        moves: Whether it does. It takes one and a half seconds of motion, ten looks a second,
            until a camera moves, and as many looks without motion until it stands still.
    """

    def __init__(self) -> None:
        self.moves = False
        self._share = 0.0  # of the looks in which the picture moved; newer ones count more
        self._last: MotionImage | None = None

    def update(self, motion: MotionImage, *, steady: bool) -> None:
        """Take in the next look; `steady` says that nothing has moved since the one before."""
        last, self._last = self._last, motion
        moved = not steady and last is not None and _has_shifted(motion, last)
        self._share += MEMORY * (moved - self._share)
        self.moves = self._share > (STANDS if self.moves else MOVES)


def _has_shifted(motion: MotionImage, last: MotionImage) -> bool:
    """Whether the whole picture has moved, and little beside it has."""
    if motion.shape != last.shape:
        return False
    before, after = (
        cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32) for picture in (last, motion)
    )
    window = cv2.createHanningWindow((before.shape[1], before.shape[0]), cv2.CV_32F)
    (x, y), _ = cv2.phaseCorrelate(before, after, window)
    if max(abs(x), abs(y)) < LEAST_SHIFT:
        return False
    move = np.array([[1, 0, x], [0, 1, y]], np.float32)
    size = (last.shape[1], last.shape[0])
    moved = cv2.warpAffine(last, move, size, borderMode=cv2.BORDER_REPLICATE)
    inside = np.s_[4:-4, 4:-4]  # what came into sight at the border is new
    remains, before_it = (
        int(np.count_nonzero(motion_between(motion, other)[inside] >= MOTION))
        for other in (np.asarray(moved, np.uint8), last)
    )
    return remains <= EXPLAINED * before_it
