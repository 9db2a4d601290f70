"""Open and check the outbox's database, and replace it when it is damaged.

::

    outbox.db                   symbolic link to the current database
    outbox-<id>.db              SQLite (WAL, synchronous=FULL), with its -wal and -shm
    outbox-<id>.db-fresh        the newest entries, see `fresh`
    outbox-<id>-damaged.db      a damaged database, with its other files; the newest two stay
    outbox.lock                 locked: shared to use the database, exclusively to replace it

The successor of a damaged database has another name. With the same name it could lose data:
SQLite deletes ``-wal`` by name when the last process closes a database, and another process may
still have the damaged one open.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from catalog.core import durable
from catalog.core.access import no_access
from sync.errors import OutboxError
from sync.outbox import rows
from sync.outbox.database_file import (
    connect,
    create,
    damage_error,
    file_identity,
    fresh_entries,
    is_damaged,
    move_files,
    primary_code,
    reading_fresh,
    remove_files,
)
from sync.outbox.fresh import ENDING, Entry, FreshEntries
from sync.outbox.wal import read_log

FILE = "outbox.db"  # in the data folder
CHECK_S, PAUSE_S = 1.0, 0.005  # how long to try to check the log, and between two attempts
MAX_DAMAGED = 2  # damaged databases that stay; a failing disk must not fill up with them
DAMAGED = "-damaged"
LOOKED = "END"  # how a transaction ends that only looked

Result = TypeVar("Result")
log = logging.getLogger(__name__)


class OutboxDatabase:
    """One connection to the outbox at `path`, opened at its first use.

    One thread at a time may use it. A missing database is made, a damaged one is replaced.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._fresh: FreshEntries | None = None
        self._identity: tuple[int, int] | None = None  # device and inode of the open file
        self._lock: int | None = None

    def write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run `work` in one transaction, which is durable when this returns.

        Raises:
            OutboxError: It could not be written; nothing has changed.
        """
        return self._run(lambda connection: work(self._with_fresh(connection)), "COMMIT")

    def read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run `work` in one transaction that only reads.

        Raises:
            OutboxError: It cannot be read.
        """
        return self._run(lambda connection: work(self._with_fresh(connection)), "ROLLBACK")

    def look(self, work: Callable[[sqlite3.Connection, FreshEntries | None], Result]) -> Result:
        """Run `work`, which reads the database and its fresh entries apart.

        Unlike `read`, it does not wait while others write: a slow disk may take seconds to flush.

        Raises:
            OutboxError: It cannot be read.
        """
        return self._run(lambda connection: work(connection, self._fresh), LOOKED)

    def note(
        self,
        entry: Entry,
        work: Callable[[sqlite3.Connection], None],
        is_enough: Callable[[sqlite3.Connection, FreshEntries], bool] = lambda *_: True,
    ) -> None:
        """Write an entry where that is enough; else `work` says the same to the database.

        It is durable when this returns. `is_enough` reads what is in the database.

        Raises:
            OutboxError: It could not be written.
        """

        def either(connection: sqlite3.Connection) -> None:
            fresh = self._fresh
            if fresh is not None and is_enough(connection, fresh):
                if entry.is_empty:
                    return
                if line := fresh.line_of(entry):
                    fresh.append(line)
                    return
            work(self._with_fresh(connection))

        self._run(either, "COMMIT")

    def close(self) -> None:
        """Close the database and the lock file."""
        self._disconnect()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _with_fresh(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        """Bring the fresh entries into this transaction."""
        if self._fresh is not None:
            self._fresh.bring_in(connection)
        return connection

    def _run(self, work: Callable[[sqlite3.Connection], Result], end: str) -> Result:
        for attempt in range(3):  # a damaged database, its successor, and one damaged meanwhile
            try:
                self._check_log()
                with self._locked(fcntl.LOCK_SH):
                    connection = self._connected()
                    if connection is not None:
                        return self._transaction(connection, work, end)
            except sqlite3.Error as error:
                self._recover(error)
                if not is_damaged(error):
                    raise OutboxError(f"{self.path}: {error}") from error
                log.error("%s: damaged: %s", self.path, error)
                self._replace(str(error))
            except UnicodeDecodeError as error:  # an error of SQLite that quotes what is damaged
                self._disconnect(keep_identity=True)
                log.error("%s: damaged: %s", self.path, error)
                self._replace("SQLite quotes what is no text")
            except PermissionError as error:
                self._roll_back()
                raise OutboxError(no_access(self.path)) from error
            except OSError as error:
                self._roll_back()
                raise OutboxError(f"{self.path}: {error}") from error
            except Exception:
                self._disconnect(keep_identity=True)  # damage may be why: connecting looks for it
                if attempt > 0:
                    raise
            except BaseException:
                self._disconnect()  # stopped amid reading fresh entries, it would read on
                raise
            else:
                self._replace("")
        raise OutboxError(f"{self.path}: is damaged again and again; check the disk")

    def _transaction(
        self, connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], Result], end: str
    ) -> Result:
        # Who does more than look keeps others from adding fresh entries meanwhile.
        connection.execute("BEGIN" if end == LOOKED else "BEGIN IMMEDIATE")
        if self._fresh is not None:
            self._refresh(connection, self._fresh, is_alone=end != LOOKED)
        result = work(connection)
        connection.execute(end)
        return result

    def _refresh(
        self, connection: sqlite3.Connection, fresh: FreshEntries, *, is_alone: bool
    ) -> None:
        """Read what has come into the fresh entries since the last time."""
        while True:
            taken_in = rows.taken_in(connection)
            with reading_fresh():
                content = fresh.content()
            if is_alone:
                break
            connection.execute("ROLLBACK")
            connection.execute("BEGIN")
            if rows.taken_in(connection) == taken_in:  # else they were overwritten meanwhile
                break
        fresh.read(*rows.newest_sequence(connection), taken_in + 1, content)

    def _check_log(self) -> None:
        """Check the write-ahead log before the first use: SQLite only reads it up to damage.

        Where others use the database all the time, they have checked it.

        Raises:
            sqlite3.DatabaseError: It is damaged; `is_damaged` holds for the error.
        """
        deadline = time.monotonic() + CHECK_S
        while self._connection is None:
            try:
                with self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):  # nobody is writing into it
                    if not self.path.exists():
                        return
                    self._identity = file_identity(self.path)
                    if read_log(self.path.resolve()).is_damaged:
                        raise damage_error("its write-ahead log is damaged")
                    return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return
                time.sleep(PAUSE_S)

    def _connected(self) -> sqlite3.Connection | None:
        """The connection to the current database; None where there is no database."""
        try:
            identity = file_identity(self.path)
        except FileNotFoundError:
            return None
        if identity != self._identity:
            self._disconnect()
        if self._connection is None:
            self._identity = identity  # also of a database that cannot be opened
            connection = connect(self.path.resolve())
            try:
                with reading_fresh():
                    self._fresh = fresh_entries(connection, self.path.resolve())
            except BaseException:
                connection.close()
                raise
            self._connection = connection  # never without its fresh entries
        return self._connection

    def _recover(self, error: sqlite3.Error) -> None:
        """Roll back where the database is full or busy; after any other error, connect anew."""
        if primary_code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY):
            self._roll_back()
        else:
            self._disconnect(keep_identity=True)

    def _roll_back(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                self._disconnect()

    def _disconnect(self, *, keep_identity: bool = False) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        if self._fresh is not None:
            self._fresh.close()
        self._connection = self._fresh = None
        if not keep_identity:
            self._identity = None

    def _replace(self, damage: str) -> None:
        """Replace the damaged or missing database, unless another process has done so."""
        try:
            with self._locked(fcntl.LOCK_EX):
                try:
                    present: tuple[int, int] | None = file_identity(self.path)
                except FileNotFoundError:
                    present = None
                if present is not None and present != self._identity:
                    return
                self._make_successor(damage)
        except (OSError, sqlite3.Error) as error:
            raise OutboxError(f"{self.path}: cannot be made: {error}") from error
        finally:
            self._identity = None

    def _make_successor(self, damage: str) -> None:
        """Make the new database, then point the link to it, then mark the old one as damaged.

        Where the process is killed in between, the link points to the old database or to the
        complete new one.
        """
        stream = str(uuid.uuid4())
        new = self.path.with_name(f"{self.path.stem}-{stream[:8]}.db")
        old = self.path.resolve() if self.path.exists() else None
        try:
            try:
                create(new, stream, damage, old)
            except sqlite3.OperationalError as error:
                if old is None or primary_code(error) != sqlite3.SQLITE_FULL:
                    raise
                remove_files(new)  # the disk has no room for the old events: begin without them
                create(new, stream, damage, old, rescued=False)
            if (
                old is not None and not self.path.is_symlink()
            ):  # a file in place of the link, which somebody put there
                old = old.with_name(f"{self.path.stem}-{stream[-8:]}.db")
                os.link(self.path, old)
            durable.point(self.path, new.name)
        except BaseException:
            remove_files(new)
            raise
        self._set_aside(new)

    def _set_aside(self, current: Path) -> None:
        """Mark every other database as damaged; only the newest `MAX_DAMAGED` of them stay."""
        for database in self.path.parent.glob(f"{self.path.stem}-*.db"):
            if database.name != current.name and not database.stem.endswith(DAMAGED):
                aside = database.with_name(f"{database.stem}{DAMAGED}.db")
                log.error("%s: set aside as %s", self.path, aside.name)
                move_files(database, aside)
        for fresh in self.path.parent.glob(f"{self.path.stem}-*.db{ENDING}"):
            database = fresh.with_name(fresh.name.removesuffix(ENDING))
            aside = database.with_name(f"{database.stem}{DAMAGED}.db")
            if not database.exists() and aside.exists():  # an earlier version left it behind
                fresh.rename(f"{aside}{ENDING}")
        damaged = self.path.parent.glob(f"{self.path.stem}-*{DAMAGED}.db")
        for database in sorted(damaged, key=lambda file: file.stat().st_mtime)[:-MAX_DAMAGED]:
            remove_files(database)

    @contextmanager
    def _locked(self, operation: int) -> Iterator[None]:
        if self._lock is None:
            durable.make_private_folder(self.path.parent)
            name = self.path.with_suffix(".lock")
            self._lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, durable.PRIVATE)
        fcntl.flock(self._lock, operation)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)
