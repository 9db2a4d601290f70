"""Fit the live picture to a viewer's link, so that a picture is new when it arrives.

Each picture waits until the viewer has acknowledged the one before. On a link to the viewer itself
that is enough: one picture is under way, and its size follows the link. But a proxy may acknowledge
what it has yet to pass on, and what piles up there makes every later picture old. So the rate of
the pictures follows as well, with some room left, in which what has piled up drains away.
"""

from __future__ import annotations

import math

from edge.live import SIZES

SAVING_SIZE = 480  # pixels; for browsers that ask for less data
SHORTEST_PAUSE_S = 0.1  # at most 10 pictures a second
LONGEST_PAUSE_S = 1.0
WANTED_S = 0.35  # for one picture on its way; a smaller one is sent where it takes longer
USED = 0.7  # of what the viewer takes
HELD_S = 0.08  # a picture that arrives in less says nothing of the link
GROWTH_A_S = 1.02  # of the assumed rate, in each second in which no picture was held up


def largest_size(save_data: str) -> int:
    """The most pixels of the longer side for a viewer, by its header Save-Data."""
    return SAVING_SIZE if save_data.lower() == "on" else SIZES[0]


class AdaptiveBitrate:
    """The size and the rate of the pictures for one viewer.

    Args:
        largest: The most pixels of the longer side.
    """

    def __init__(self, largest: int = SIZES[0]) -> None:
        self._sizes = [size for size in SIZES if size <= largest]
        self._rate = math.inf  # bytes a second; not known before a picture was held up
        self._bytes_per_pixel = 0.0  # of a square with the longer side

    @property
    def size(self) -> int:
        """The longer side of the next picture, in pixels."""
        most = USED * self._rate * WANTED_S
        fitting = (size for size in self._sizes if self._bytes_per_pixel * size**2 <= most)
        return next(fitting, self._sizes[-1])

    def sent(self, size: int, count: int, arrival: tuple[int, float], seconds: float) -> None:
        """Learn from a picture that has arrived.

        Args:
            size: Its longer side, in pixels.
            count: Its bytes.
            arrival: How many bytes were seen to arrive, and in how many seconds.
            seconds: How long all of it took.
        """
        self._bytes_per_pixel = count / size**2
        arrived, took = arrival
        if took > HELD_S:
            self._rate = arrived / took
        else:
            self._rate *= GROWTH_A_S ** max(seconds, self._interval_s(count))

    def pause_s(self, count: int, seconds: float) -> float:
        """Seconds to wait after a picture of `count` bytes that took `seconds`."""
        return max(0.0, self._interval_s(count) - seconds)

    def _interval_s(self, count: int) -> float:
        """Seconds from one picture of `count` bytes to the next."""
        return min(max(count / (USED * self._rate), SHORTEST_PAUSE_S), LONGEST_PAUSE_S)
