"""Open and create the SQLite files of a bundle."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.core.errors import BundleError

if TYPE_CHECKING:
    import sqlite_utils


def open_read_only(path: Path) -> sqlite3.Connection:
    """Open a file that never changes, for any thread.

    Raises:
        BundleError: It cannot be opened, or is no database.
    """
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
        connection.execute("select 1 from sqlite_master limit 1")
    except sqlite3.Error as error:
        raise BundleError(f"{path}: cannot be opened: {error}") from error
    return connection


def create(path: Path) -> sqlite_utils.Database:
    """Create a database without flushing each commit; the whole bundle is flushed at the end."""
    import sqlite_utils  # here, because a device only reads

    database = sqlite_utils.Database(path)
    database.execute("pragma synchronous = off")
    return database
