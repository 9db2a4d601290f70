"""The clock of a camera's reader; tests bring one of their own."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits."""

    def monotonic(self) -> float:
        """Seconds that never jump."""
        ...

    def time(self) -> float:
        """Unix seconds."""
        ...

    def wait(self, condition: threading.Condition, timeout: float) -> None:
        """Wait for a notification of a locked condition; may return early."""
        ...


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()

    def time(self) -> float:
        """Unix seconds."""
        return time.time()

    def wait(self, condition: threading.Condition, timeout: float) -> None:
        """Wait for a notification of a locked condition, at most `timeout` seconds."""
        condition.wait(timeout)
