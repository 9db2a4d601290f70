"""Detect a frozen camera: a sensor's noise never repeats, so equal pictures are suspicious.

That holds for drivers on this machine. A network camera's encoder removes the noise; there, frozen
means that nothing is received any more, and the time limit for reading finds that.
"""

from __future__ import annotations

import numpy as np

from edge.errors import CameraError
from edge.sighting import Image
from edge.words import Words

STEP = 16  # every 16th pixel is compared first, which is nearly always enough


class FrozenDetector:
    """Detects that a camera gives the same picture again and again.

    Its owner calls it under a lock.

    Args:
        limit_s: Seconds of equal pictures after which the camera is frozen; 0 for never.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._last: Image | None = None
        self._since: float | None = None
        self._frozen = False

    def reopened(self) -> None:
        """Begin to count anew; a picture that was frozen before must still change."""
        if not self._frozen:
            self._last = None
        self._since = None

    def is_live(self, image: Image, now: float, name: str) -> bool:
        """Whether this picture may be shown; False while it is still the frozen one.

        Args:
            image: The newest picture, (height, width, 3).
            now: Monotonic seconds.
            name: The camera's name, for the message.

        Raises:
            CameraError: The same picture has come for too long.
        """
        if not self._limit_s:
            return True
        if self._last is None or not _equal(image, self._last):
            self._last = image
            self._since = now
            self._frozen = False
            return True
        if self._since is None:
            self._since = now
        if now - self._since > self._limit_s:
            self._frozen = True
            raise CameraError(
                Words(
                    "camera {name} is frozen: it gives the same picture for more than {seconds} s; "
                    "uncover it, or unplug it and plug it in again",
                    name=name,
                    seconds=format(self._limit_s, "g"),
                )
            )
        return not self._frozen


def _equal(image: Image, other: Image) -> bool:
    return (
        image.shape == other.shape
        and np.array_equal(image[::STEP, ::STEP], other[::STEP, ::STEP])
        and np.array_equal(image, other)
    )
