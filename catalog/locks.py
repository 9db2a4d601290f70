"""Locks between processes: flock(2), which the kernel lets go when its holder dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(file: Path, wait: bool = False) -> Iterator[None]:
    """Hold the lock `file`, which is made where it is missing.

    Args:
        file: Its name; it stays, since a removed lock could be held twice.
        wait: Wait for whoever holds it.

    Raises:
        BlockingIOError: Somebody else holds it.
        OSError: It cannot be made.
    """
    with file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
