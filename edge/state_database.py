"""Open an SQLite file of the state folder that nothing may stop the device with."""

from __future__ import annotations

import logging
import sqlite3
import time
from pathlib import Path

from catalog.core import durable
from catalog.core.errors import ShelfError

PAGE_BYTES = 1024  # small pages: each transaction writes each page that it changes as a whole
TIMEOUT_S = 5.0  # that another process, as an export, may hold the file

log = logging.getLogger(__name__)


def open_database(path: Path, schema: str, *, alone: bool = False) -> sqlite3.Connection:
    """Open or make a file that only its owner may read; a damaged one is put aside.

    Many threads may use the connection, one at a time. It begins no transaction by itself; what it
    has committed survives a power cut.

    Args:
        path: The file; its folder is made where it is missing.
        schema: The statements that make its tables where they are missing.
        alone: Whether nothing else opens the file while this connection is open. Then less is
            written: the index of the log, else a file of which the kernel writes up to 32 kB
            after each transaction, stays in memory.

    Raises:
        ShelfError: The file cannot be opened or made.
    """
    try:
        durable.make_private_folder(path.parent)
        return _open(path, schema, alone=alone)
    except OSError as error:
        raise ShelfError(f"{path.parent}: cannot be used: {error.strerror}") from error
    except sqlite3.OperationalError as error:  # locked, full or read-only: not damaged
        raise ShelfError(f"{path}: cannot be opened: {error}") from error
    except sqlite3.DatabaseError as error:
        aside = path.with_name(f"{path.name}.damaged-{time.time():.0f}")
        log.error("%s is damaged (%s); it is put aside as %s", path, error, aside.name)
        path.replace(aside)
        for ending in ("-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        return _open(path, schema, alone=alone)


def _open(path: Path, schema: str, *, alone: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(path, TIMEOUT_S, check_same_thread=False, isolation_level=None)
    try:
        path.chmod(durable.PRIVATE)
        connection.execute("pragma foreign_keys = on")
        connection.execute(f"pragma page_size = {PAGE_BYTES}")  # of a new file
        if alone:
            connection.execute("pragma locking_mode = exclusive")
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.executescript(schema)
        durable.flush_folder(path.parent)
    except BaseException:
        connection.close()
        raise
    return connection
