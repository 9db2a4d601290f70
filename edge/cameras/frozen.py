"""Tells a frozen camera from one before a scene at rest: a sensor's noise never repeats."""

from __future__ import annotations

import numpy as np

from edge.errors import CameraError
from edge.sighting import Image

STEP = 16  # every 16th pixel is compared first; nearly always that is enough


class FrozenWatch:
    """Watches for pictures that are equal to the last byte. Used under its owner's lock.

    Args:
        limit_s: Seconds of equal pictures that are too many; 0 for never.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._last: Image | None = None
        self._since: float | None = None
        self._frozen = False

    def reopened(self) -> None:
        """Begin to count anew; a picture that was frozen before must still change first."""
        if not self._frozen:
            self._last = None
        self._since = None

    def moves(self, image: Image, now: float, name: str) -> bool:
        """Whether this picture may be shown: False while it is still the frozen one.

        Args:
            image: The newest picture, (height, width, 3).
            now: Monotonic seconds.
            name: The camera's, for the message.

        Raises:
            CameraError: The same picture came for too long.
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
                f"camera {name} is frozen: it gives the same picture for more than "
                f"{self._limit_s:g} s; uncover it, or unplug it and plug it in again"
            )
        return not self._frozen


def _equal(one: Image, other: Image) -> bool:
    return (
        one.shape == other.shape
        and np.array_equal(one[::STEP, ::STEP], other[::STEP, ::STEP])
        and np.array_equal(one, other)
    )
