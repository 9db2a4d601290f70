"""Tell the time, and whether this device's clock can be trusted."""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from datetime import UTC, datetime

EARLIEST = datetime(2026, 11, 1, tzinfo=UTC).timestamp()  # this program did not exist before
LATEST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
TIME_ERROR = 5  # adjtimex(2): the kernel's clock is not synchronized
TIMEX_BYTES = 512  # more than any architecture's struct timex, which is 128 or 208

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Moment:
    """Unix seconds, and whether the clock that told them is trusted."""

    at: float
    trusted: bool

    def __str__(self) -> str:
        return timestamp(self.at)


def now() -> Moment:
    """The time now.

    It is trusted when the kernel says that its clock is synchronized (NTP sets that flag, see
    adjtimex(2)) and the time is between `EARLIEST` and `LATEST`.
    """
    at = time.time()
    return Moment(at, EARLIEST <= at < LATEST and _is_synchronized())


def timestamp(seconds: float) -> str:
    """Unix seconds as RFC 3339 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_synchronized() -> bool:
    buffer = ctypes.create_string_buffer(TIMEX_BYTES)  # mode 0: only reads
    state: int = _libc.adjtimex(buffer)
    return 0 <= state < TIME_ERROR
