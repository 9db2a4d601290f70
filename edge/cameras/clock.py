"""The time as a camera's reader sees it, so that tests can bring their own."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Time, as the reader sees it."""

    def monotonic(self) -> float:
        """Seconds that never jump."""
        ...

    def time(self) -> float:
        """Unix seconds."""
        ...

    def wait(self, condition: threading.Condition, timeout: float) -> None:
        """Wait for a notification of a held condition; may return early."""
        ...


class SystemClock:
    """The machine's own time."""

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()

    def time(self) -> float:
        """Unix seconds."""
        return time.time()

    def wait(self, condition: threading.Condition, timeout: float) -> None:
        """Wait for a notification of a held condition, at most `timeout` seconds."""
        condition.wait(timeout)
