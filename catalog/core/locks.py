"""Locks between processes: flock(2), which the kernel lets go when its holder dies."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOOK_S = 0.05  # between two tries


@contextmanager
def locked(file: Path, wait: bool = False, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock `file`, which is made where it is missing.

    Args:
        file: Its name; it stays, since a removed lock could be held twice.
        wait: Wait for whoever holds it.
        wait_s: Wait so many seconds.

    Raises:
        BlockingIOError: Somebody else holds it.
        OSError: It cannot be made.
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
                time.sleep(LOOK_S)
        yield
