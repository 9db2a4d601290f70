"""The time of an event, and whether the clock that told it may be trusted."""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from datetime import UTC, datetime

EARLIEST = datetime(2026, 11, 1, tzinfo=UTC).timestamp()  # this program was not there before
LATEST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
TIME_ERROR = 5  # adjtimex(2): the kernel's clock is not synchronized
TIMEX_BYTES = 512  # more than any architecture's struct timex, which is 128 or 208

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Moment:
    """Unix seconds, and whether they may be believed."""

    at: float
    trusted: bool

    def __str__(self) -> str:
        return timestamp(self.at)


def now() -> Moment:
    """The time now.

    It is trusted when the kernel says that its clock is synchronized (NTP sets that mark, see
    adjtimex(2)) and the year is one in which this program can run.
    """
    at = time.time()
    return Moment(at, EARLIEST <= at < LATEST and _is_synchronized())


def timestamp(seconds: float) -> str:
    """Unix seconds as RFC 3339 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_synchronized() -> bool:
    question = ctypes.create_string_buffer(TIMEX_BYTES)  # modes 0: only asks
    state: int = _libc.adjtimex(question)
    return 0 <= state < TIME_ERROR
