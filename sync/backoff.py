"""How long to wait before the next attempt: longer each time, and never for all devices alike."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Doubles up to `most_s` seconds; each pause is between a half and the whole of that."""

    def __init__(
        self,
        first_s: float = 1.0,
        most_s: float = 60.0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._chance = chance
        self._failures = 0

    def pause_s(self) -> float:
        """Seconds to wait after one more failure."""
        longest = min(self._most_s, self._first_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return longest * (0.5 + 0.5 * self._chance())

    def succeeded(self) -> None:
        """Begin anew."""
        self._failures = 0
