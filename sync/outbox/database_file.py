"""Make, open and check a database of the outbox, with the files that belong to it."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from catalog.core import durable
from sync.outbox import rows
from sync.outbox.fresh import ENDING, FreshEntries, generation_in, is_whole, make
from sync.outbox.integrity import lenient_text, outbox_problem
from sync.outbox.rescue import rescue
from sync.outbox.rows import FRESH, PACKED
from sync.outbox.wal import PAGES

BUSY_S = 5.0  # how long to wait for another writer
FORMATS = (1, PACKED, FRESH)  # that are read
PARTS = ("", "-wal", "-shm", ENDING)

SCHEMA = """
CREATE TABLE about (stream TEXT NOT NULL, damage TEXT NOT NULL);
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    worth INTEGER NOT NULL,
    at REAL NOT NULL,
    trusted INTEGER NOT NULL,
    size INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    payload BLOB NOT NULL
);
CREATE TABLE aside (
    sequence INTEGER PRIMARY KEY, kind TEXT NOT NULL, at REAL NOT NULL,
    reason TEXT NOT NULL, payload BLOB NOT NULL
);
CREATE TABLE counters (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE drops (
    reason TEXT NOT NULL, kind TEXT NOT NULL, count INTEGER NOT NULL, told INTEGER NOT NULL,
    PRIMARY KEY (reason, kind)
) WITHOUT ROWID;
"""
TABLES = {"about", "events", "aside", "counters", "drops"}


def is_damaged(error: sqlite3.Error) -> bool:
    """Whether the error says that the file itself is unusable, now and later."""
    extended = getattr(error, "sqlite_errorcode", None)
    damaged = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    unreadable = (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ)
    return primary_code(error) in damaged or extended in unreadable


def connect(path: Path) -> sqlite3.Connection:
    """Open a database that is an intact outbox; else `is_damaged` holds for the error."""
    connection = sqlite3.connect(
        path, isolation_level=None, timeout=BUSY_S, check_same_thread=False
    )
    try:
        _configure(connection)
        connection.execute("BEGIN IMMEDIATE")  # else another process may write meanwhile
        _check(connection, path)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def create(new: Path, stream: str, damage: str, old: Path | None, *, rescued: bool = True) -> None:
    """Make a database; `rescued`: with the events that can be read from the old one."""
    os.close(os.open(new, os.O_CREAT | os.O_EXCL, durable.PRIVATE))  # SQLite's would be readable
    make(Path(f"{new}{ENDING}"))
    with closing(sqlite3.connect(new, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGES[0]}")  # an event writes whole pages
        _configure(connection)
        connection.execute("BEGIN")
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {FORMATS[-1]}")
        if old is not None:
            damage += f"; {rescue(old, connection, SCHEMA, copied=rescued)}"
        connection.execute("INSERT INTO about VALUES (?, ?)", (stream, damage))
        connection.execute("COMMIT")
    durable.flush_folder(new.parent)


def fresh_entries(connection: sqlite3.Connection, path: Path) -> FreshEntries | None:
    """The fresh entries of a database; None where it was made when there were none."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return FreshEntries(Path(f"{path}{ENDING}")) if version >= FRESH else None


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise an error for which `is_damaged` holds, unless this is an intact outbox."""
    (problem,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if problem == "ok" and (version not in FORMATS or not TABLES.issubset(tables)):
        problem = "is no outbox of a format that this version reads"
    if problem == "ok":
        problem = outbox_problem(connection)
    given, newest = rows.newest_numbers(connection) if problem == "" else (0, 0)
    if given < newest:
        problem = f"gave out number {newest}, and knows of {given}"
    if not problem and version >= FRESH:
        fresh = Path(f"{path}{ENDING}")
        with reading_fresh():
            if not is_whole(fresh):
                problem = "its fresh entries are missing"
            elif generation_in(fresh) > rows.taken_in(connection) + 1:
                problem = "its fresh entries are those of another time"
    if problem:
        raise damage_error(problem)


@contextmanager
def reading_fresh() -> Iterator[None]:
    """Let a disk that cannot read the fresh entries be damage, as where it cannot read SQLite's."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        raise damage_error(f"its fresh entries cannot be read: {error}") from error


def damage_error(problem: str) -> sqlite3.DatabaseError:
    """An error for which `is_damaged` holds."""
    error = sqlite3.DatabaseError(problem)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _configure(connection: sqlite3.Connection) -> None:
    connection.text_factory = lenient_text
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA journal_size_limit = 4194304")
    connection.execute("PRAGMA secure_delete = FAST")  # a removal writes no page for zeros alone


def primary_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code; 0 where the error has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def file_identity(path: Path) -> tuple[int, int]:
    """Return what tells a file from another one of the same name."""
    found = path.stat()
    return found.st_dev, found.st_ino


def remove_files(database: Path) -> None:
    """Remove a database with its parts."""
    for part in PARTS:
        Path(f"{database}{part}").unlink(missing_ok=True)


def move_files(old: Path, new: Path) -> None:
    """Move a database with its parts."""
    for part in reversed(PARTS):
        with suppress(FileNotFoundError):
            Path(f"{old}{part}").rename(f"{new}{part}")
    durable.flush_folder(new.parent)
