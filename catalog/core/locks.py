"""Locks between processes with flock(2), which the kernel releases when the holder dies."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RETRY_S = 0.05  # between two tries


@contextmanager
def locked(file: Path, *, wait: bool = False, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock `file` for the time of a `with` block.

    Args:
        file: The lock; made where it is missing and never removed, since two processes could
            hold a lock that was removed.
        wait: Wait until the lock is free.
        wait_s: Wait at most so many seconds.

    Raises:
        BlockingIOError: Another process holds the lock.
        OSError: The file cannot be made.
    """
    with file.open("a") as lock:
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(RETRY_S)
        yield
