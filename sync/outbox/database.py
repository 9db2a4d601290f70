"""The outbox's database on disk: opened, checked, set aside when it is damaged.

::

    outbox.db                   symbolic link to the database that counts
    outbox-<id>.db              SQLite (WAL, synchronous=FULL), with its -wal and -shm
    outbox-<id>-damaged.db      set aside, with its -wal and -shm; the newest two stay
    outbox.lock                 shared by whoever uses the database, held alone to replace it

A damaged database gets no successor of its own name: SQLite deletes ``-wal`` by name when the
last user of a database closes it, and that user may be another process that still has the
damaged one open.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from catalog.core import durable
from sync.errors import OutboxError
from sync.outbox.rescue import rescue

BUSY_S = 5.0  # how long to wait for another writer
FORMAT = 1
MOST_DAMAGED = 2  # files set aside that are kept; a failing disk must not fill itself
DAMAGED = "-damaged"
PARTS = ("", "-wal", "-shm")

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

Result = TypeVar("Result")
log = logging.getLogger(__name__)


class OutboxDatabase:
    """One connection to the outbox at `path`, opened when it is first used.

    Used by one thread at a time. A file that is missing is made, a damaged one replaced.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None  # device and inode of the open file
        self._lock: int | None = None

    def write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run `work` in one transaction; what it wrote is durable when this returns.

        Raises:
            OutboxError: It could not be written; nothing has changed.
        """
        return self._run(work, "BEGIN IMMEDIATE")

    def read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run `work` on one state of the database.

        Raises:
            OutboxError: It cannot be read.
        """
        return self._run(work, "BEGIN")

    def close(self) -> None:
        """Let go of the file."""
        self._disconnect()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _run(self, work: Callable[[sqlite3.Connection], Result], begin: str) -> Result:
        for _ in range(3):  # a damaged file, its successor, and one damaged meanwhile
            try:
                with self._locked(fcntl.LOCK_SH):
                    connection = self._connected()
                    if connection is not None:
                        connection.execute(begin)
                        result = work(connection)
                        connection.execute("COMMIT")
                        return result
            except sqlite3.Error as error:
                self._recover(error)
                if not is_damage(error):
                    raise OutboxError(f"{self.path}: {error}") from error
                log.error("%s: damaged: %s", self.path, error)
                self._replace(str(error))
            except OSError as error:
                raise OutboxError(f"{self.path}: {error}") from error
            except BaseException:
                self._roll_back()
                raise
            else:
                self._replace("")
        raise OutboxError(f"{self.path}: is damaged again and again; check the disk")

    def _connected(self) -> sqlite3.Connection | None:
        """The connection to the file that counts now; None when there is none."""
        try:
            identity = _identity(self.path)
        except FileNotFoundError:
            self._disconnect()
            return None
        if identity != self._identity:
            self._disconnect()
        if self._connection is None:
            self._identity = identity  # also of a file that cannot be opened
            self._connection = _connect(self.path.resolve())
        return self._connection

    def _recover(self, error: sqlite3.Error) -> None:
        """A full or busy database is fine afterwards; any other failure asks for a new start."""
        if _code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY):
            self._roll_back()
        else:
            self._disconnect(remember=True)

    def _roll_back(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                self._disconnect()

    def _disconnect(self, remember: bool = False) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None
        if not remember:
            self._identity = None

    def _replace(self, damage: str) -> None:
        """Put a new database in the place of the damaged or missing one, unless another did."""
        try:
            with self._locked(fcntl.LOCK_EX):
                try:
                    present: tuple[int, int] | None = _identity(self.path)
                except FileNotFoundError:
                    present = None
                if present is not None and present != self._identity:
                    return
                self._begin_anew(damage)
        except (OSError, sqlite3.Error) as error:
            raise OutboxError(f"{self.path}: cannot be made: {error}") from error
        finally:
            self._identity = None

    def _begin_anew(self, damage: str) -> None:
        """Make the new database whole, then let the link point to it, then mark the old one.

        Killed in between, either the old database is still the one that counts, or the new one.
        """
        stream = str(uuid.uuid4())
        new = self.path.with_name(f"{self.path.stem}-{stream[:8]}.db")
        old = self.path.resolve() if self.path.exists() else None
        try:
            try:
                _create(new, stream, damage, old)
            except sqlite3.OperationalError as error:
                if old is None or _code(error) != sqlite3.SQLITE_FULL:
                    raise
                _remove(new)  # no room for what could be carried over: better to begin empty
                _create(new, stream, damage, old, room=False)
            if old is not None and not self.path.is_symlink():  # a file that somebody put there
                old = old.with_name(f"{self.path.stem}-{stream[-8:]}.db")
                os.link(self.path, old)
            durable.point(self.path, new.name)
        except BaseException:
            _remove(new)
            raise
        self._set_aside(new)

    def _set_aside(self, current: Path) -> None:
        """Mark every database but the current one as damaged; only the newest of them stay."""
        for one in self.path.parent.glob(f"{self.path.stem}-*.db"):
            if one.name != current.name and not one.stem.endswith(DAMAGED):
                aside = one.with_name(f"{one.stem}{DAMAGED}.db")
                log.error("%s: set aside as %s", self.path, aside.name)
                _move(one, aside)
        found = self.path.parent.glob(f"{self.path.stem}-*{DAMAGED}.db")
        for one in sorted(found, key=lambda file: file.stat().st_mtime)[:-MOST_DAMAGED]:
            _remove(one)

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        if self._lock is None:
            durable.make_folder(self.path.parent)
            name = self.path.with_suffix(".lock")
            self._lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._lock, how)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is unusable, now and later."""
    full = getattr(error, "sqlite_errorcode", None)
    damaged = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    unreadable = (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ)
    return _code(error) in damaged or full in unreadable


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, timeout=BUSY_S, check_same_thread=False
    )
    try:
        _arrange(connection)
        _check(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _create(new: Path, stream: str, damage: str, old: Path | None, room: bool = True) -> None:
    """Make a database, with what can be read of the old one."""
    with closing(sqlite3.connect(new, isolation_level=None)) as connection:
        _arrange(connection)
        connection.execute("BEGIN")
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        if old is not None:
            damage += f"; {rescue(old, connection, room)}"
        connection.execute("INSERT INTO about VALUES (?, ?)", (stream, damage))
        connection.execute("COMMIT")
    durable.flush_folder(new.parent)


def _check(connection: sqlite3.Connection) -> None:
    """Raise an error that `is_damage` unless this is a sound outbox."""
    (wrong,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if wrong == "ok" and (version != FORMAT or not TABLES.issubset(tables)):
        wrong = f"is no outbox of format {FORMAT}"
    if wrong == "ok" and connection.execute("SELECT stream FROM about").fetchone() is None:
        wrong = "has lost its id"
    if wrong != "ok":
        error = sqlite3.DatabaseError(wrong)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _arrange(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA journal_size_limit = 4194304")


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _remove(database: Path) -> None:
    """Remove a database with its parts."""
    for part in PARTS:
        Path(f"{database}{part}").unlink(missing_ok=True)


def _move(old: Path, new: Path) -> None:
    """Move a database with its parts."""
    for part in reversed(PARTS):
        with suppress(FileNotFoundError):
            Path(f"{old}{part}").rename(f"{new}{part}")
    durable.flush_folder(new.parent)
