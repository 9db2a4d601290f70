"""The folder that a build works in, and the one step that makes it the bundle."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.core import durable
from catalog.core.access import why_unwritable
from catalog.core.errors import ShelfError


@contextmanager
def workspace(out: Path) -> Iterator[Path]:
    """Make a folder beside `out` that one build at a time may use; remove it in the end.

    What a killed build left in it is removed first.

    Raises:
        ShelfError: Another build of `out` is running, or the folder cannot be written.
    """
    folder = out.with_name(f".{out.name}.building")
    lock = out.with_name(f".{out.name}.lock")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        lock_file = lock.open("w")
    except OSError as error:
        raise ShelfError(f"{out.parent}: cannot be written: {why_unwritable(error)}") from error
    with lock_file:
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ShelfError(f"{out}: another build of it is running; wait for it") from error
        if not lock.exists() or not os.path.samestat(os.fstat(lock_file.fileno()), lock.stat()):
            raise ShelfError(f"{out}: another build of it has just ended; try again")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        except (OSError, sqlite3.OperationalError) as error:
            raise ShelfError(f"{folder}: cannot be written: {error}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            lock.unlink(missing_ok=True)


def publish(folder: Path, out: Path) -> None:
    """Flush the finished bundle and name it `out`; a bundle that was there lands in `folder`."""
    durable.flush_tree(folder)
    if out.exists():
        durable.exchange(folder, out)
    else:
        folder.rename(out)
        durable.flush_folder(out.parent)
