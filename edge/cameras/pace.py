"""Keep a steady number of pictures a second."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """Lets a loop run `fps` times a second; turns that were missed are not made up for."""

    def __init__(
        self,
        fps: float,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1.0 / fps
        self._monotonic = monotonic
        self._sleep = sleep
        self._due = monotonic()

    def wait(self) -> None:
        """Sleep until the next turn; the first one comes at once."""
        now = self._monotonic()
        if now < self._due:
            self._sleep(self._due - now)
        elif now > self._due + self._interval:
            self._due = now
        self._due += self._interval
