"""Fit the live picture to a viewer's link, so that a picture is new when it arrives.

What a link cannot carry piles up on the way, and every later picture waits behind it. So the size
and the rate of the pictures follow the bytes a second that the viewer was last seen to take, with
some room left, in which what has piled up drains away.
"""

from __future__ import annotations

import math

from edge.live import SIZES

SHORTEST_PAUSE_S = 0.1  # at most 10 pictures a second
LONGEST_PAUSE_S = 1.0
WANTED_S = 0.35  # for one picture on its way; a smaller one is sent where it takes longer
USED = 0.7  # of what the viewer takes
BLOCKED_S = 0.05  # a picture that leaves sooner met no full buffer and says nothing of the link
GROWTH_A_S = 1.02  # of the assumed rate, in each second without a full buffer


class AdaptiveBitrate:
    """The size and the rate of the pictures for one viewer."""

    def __init__(self) -> None:
        self._rate = math.inf  # bytes a second; not known before a picture was held up
        self._bytes_per_pixel = 0.0  # of a square with the longer side
        self._bytes, self._seconds = 0, 0.0  # since the last picture that was held up

    @property
    def size(self) -> int:
        """The longer side of the next picture, in pixels."""
        most = USED * self._rate * WANTED_S
        fitting = (size for size in SIZES if self._bytes_per_pixel * size**2 <= most)
        return next(fitting, SIZES[-1])

    def sent(self, size: int, count: int, seconds: float) -> None:
        """Learn from a picture: its size, its bytes, and how long the viewer took to take it."""
        self._bytes_per_pixel = count / size**2
        self._bytes += count
        self._seconds += seconds
        if seconds > BLOCKED_S:  # the buffers are as full as they were the last time
            self._rate = self._bytes / self._seconds
            self._bytes, self._seconds = 0, 0.0
        else:
            self._rate *= GROWTH_A_S ** self._interval_s(count)
        self._seconds += self.pause_s(count, seconds)

    def pause_s(self, count: int, seconds: float) -> float:
        """Seconds to wait after a picture of `count` bytes that took `seconds`."""
        return max(0.0, self._interval_s(count) - seconds)

    def _interval_s(self, count: int) -> float:
        """Seconds from one picture of `count` bytes to the next."""
        return min(max(count / (USED * self._rate), SHORTEST_PAUSE_S), LONGEST_PAUSE_S)
