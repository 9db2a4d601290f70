"""Keep the C library from hoarding freed memory in a process that runs for months."""

from __future__ import annotations

import ctypes
import threading
import time
from functools import cache

ARENAS = 2  # heaps that threads share; glibc would make eight for each processor
M_ARENA_MAX = -8  # of mallopt(3)
TRIM_INTERVAL_S = 10.0


@cache
def bound_memory() -> None:
    """Let all threads share a few heaps, and give freed memory back every ten seconds.

    A process that runs for long calls this first, before any thread starts. It does nothing where
    the C library is not glibc; a second call does nothing either.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):
        return
    library.mallopt(M_ARENA_MAX, ARENAS)
    threading.Thread(target=_trim, args=(library,), name="allocator", daemon=True).start()


def _trim(library: ctypes.CDLL) -> None:
    # Lower thresholds of mallopt would give memory back at once, but each answer would cost a
    # tenth more processor time.
    while True:
        time.sleep(TRIM_INTERVAL_S)
        library.malloc_trim(0)
