"""Exponential backoff with jitter: how long to wait before the next attempt."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Pauses that double from `first_s` up to `max_s` seconds.

    Each pause is a random part of that, between a half and the whole, so that devices that failed
    together do not try again together.

    Args:
        first_s: The first pause.
        max_s: The longest pause.
        rand: Returns a random number from 0 to 1.
    """

    def __init__(
        self,
        first_s: float = 1.0,
        max_s: float = 60.0,
        rand: Callable[[], float] = random.random,
    ) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._rand = rand
        self._failures = 0

    def pause_s(self) -> float:
        """Seconds to wait after one more failure."""
        pause_s = min(self._max_s, self._first_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return pause_s * (0.5 + 0.5 * self._rand())

    def succeeded(self) -> None:
        """Begin with the first pause again."""
        self._failures = 0
