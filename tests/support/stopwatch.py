"""Limits on time that hold on a busy or slow machine too: seconds are those of a quiet one."""

from __future__ import annotations

import time
import zlib
from types import TracebackType
from typing import Self

WORK = b"".join(b"%d" % (number * number) for number in range(200_000))
WORK_S = 0.18  # a quiet core of the machine that the limits were set on


def slowness() -> float:
    """How many times longer than there the same work takes here and now; 1 at least."""
    begun = time.perf_counter()
    zlib.compress(WORK, 6)  # without the interpreter's lock: how busy its threads are is no matter
    return max(1.0, (time.perf_counter() - begun) / WORK_S)


class Stopwatch:
    """Measures what a block takes.

    Attributes:
        seconds: Of wall time, divided by the slowness before or after, whichever is greater.
    """

    def __enter__(self) -> Self:
        self._slowness = slowness()
        self._begun = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        took = time.monotonic() - self._begun
        self.seconds = took / max(self._slowness, slowness())
