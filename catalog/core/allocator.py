"""Keep the memory of a process that runs for months small."""

from __future__ import annotations

import ctypes
import threading
import time
from contextlib import suppress
from functools import cache

from catalog.core.mapped_files import Mapping, mapped_bytes, release_unchanged

ARENAS = 2  # heaps that threads share; glibc would make eight for each processor
M_ARENA_MAX = -8  # of mallopt(3)
TRIM_INTERVAL_S = 2.0
RELEASE_INTERVAL_S = 2.0
MOST_MAPPED = 24 << 20  # bytes of mapped files; a device at rest needs fewer


@cache
def bound_memory() -> None:
    """Let all threads share a few heaps, and give back what is not needed any more.

    What was freed goes back to the system every two seconds, and soon what is mapped of files,
    where that is much. A process that runs for long calls this first, before any thread starts. It
    does nothing where the C library is not glibc; a second call does nothing either.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):
        return
    library.mallopt(M_ARENA_MAX, ARENAS)
    threading.Thread(target=_give_back, args=(library,), name="allocator", daemon=True).start()


def _give_back(library: ctypes.CDLL) -> None:
    # Lower thresholds of mallopt would give memory back at once, but each answer would cost a
    # tenth more processor time.
    known: frozenset[Mapping] = frozenset()
    released_at = time.monotonic()
    while True:
        time.sleep(TRIM_INTERVAL_S)
        library.malloc_trim(0)
        due = time.monotonic() - released_at >= RELEASE_INTERVAL_S
        with suppress(OSError):  # no smaps on this system, or too many open files: the rest goes on
            if due and mapped_bytes() > MOST_MAPPED:
                known, released_at = release_unchanged(known), time.monotonic()
