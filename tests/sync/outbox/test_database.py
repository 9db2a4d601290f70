"""How the outbox opens its database, and what its writer does beside writing events."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from sync.errors import OutboxError
from sync.outbox import counting, rows
from sync.outbox.clock import now
from sync.outbox.database import CHECK_S, FILE, PAUSE_S, OutboxDatabase
from sync.outbox.database_file import (
    connect,
    create,
    is_damaged,
    move_files,
    primary_code,
    remove_files,
)
from sync.outbox.events import MAX_FEATURES_BYTES, Event, status
from sync.outbox.outbox import Outbox
from sync.outbox.stored import Counters
from sync.outbox.wal import PAGES, WriteAheadLog, read_log
from sync.settings import OutboxSettings
from tests.support.open_files import open_in

WAIT = 60


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    opened = Outbox(tmp_path / "outbox.db", OutboxSettings(), "device")
    yield opened
    opened.close()


def put(outbox: Outbox, *events: Event) -> list[bool]:
    """Put events one after the other, each in a transaction; whether each is durable."""
    return [outbox.put(event).wait(WAIT) for event in events]


def test_nobody_else_may_read_the_database(tmp_path: Path) -> None:
    former = os.umask(0o022)
    try:
        database = OutboxDatabase(tmp_path / "outbox.db")
        database.write(lambda _: None)
    finally:
        os.umask(former)
    mode = (tmp_path / "outbox.db").resolve().stat().st_mode
    database.close()
    assert stat.S_IMODE(mode) == 0o600


def test_each_connection_writes_through_a_log_and_reads_damaged_text(tmp_path: Path) -> None:
    OutboxDatabase(tmp_path / "outbox.db").write(lambda _: None)
    opened = OutboxDatabase(tmp_path / "outbox.db")

    def ask(connection: sqlite3.Connection) -> list[Any]:
        asked = ("journal_mode", "synchronous", "journal_size_limit", "secure_delete", "page_size")
        return [connection.execute(f"PRAGMA {text}").fetchone()[0] for text in asked]

    assert opened.read(ask) == ["wal", 2, 4 << 20, 2, PAGES[0]]  # 2: FULL, and FAST
    damaged = "SELECT CAST(x'61ff' AS TEXT)"
    assert opened.read(lambda connection: connection.execute(damaged).fetchone()[0])[0] == "a"
    opened.close()


def test_threads_may_use_a_connection_one_after_the_other(tmp_path: Path) -> None:
    database = OutboxDatabase(tmp_path / FILE)
    first = database.write(counting.stream)
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(database.read, counting.stream).result() == first
        connection = database._connection
    assert database.read(counting.stream) == first
    assert database._connection is connection, "it was not opened anew"
    database.close()


def test_what_was_returned_once_is_not_waited_for_again(outbox: Outbox) -> None:
    put(outbox, *(status("started") for _ in range(3)))
    assert outbox.wait(0)
    assert len(outbox.oldest(10)) == 3
    assert not outbox.wait(0)
    outbox.oldest(1)
    assert not outbox.wait(0), "the newest that was returned still counts"
    put(outbox, status("started"))
    assert outbox.wait(0)


def test_an_event_that_fits_into_no_message_is_refused_and_counted(outbox: Outbox) -> None:
    too_long = Event("features", b"x" * (MAX_FEATURES_BYTES + 1))
    assert put(outbox, too_long, too_long, status("started")) == [False, False, True]
    assert outbox.counters().dropped == {"unfit": 2}


def test_old_events_are_looked_for_once_a_minute(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    expire = rows.expire

    def counted(*given: Any) -> None:
        looked.append(given)
        expire(*given)

    monkeypatch.setattr(rows, "expire", counted)
    has_expired: list[object] = []
    monkeypatch.setattr(rows, "has_expired", lambda *given: has_expired.append(given))
    put(outbox, *(status("started") for _ in range(3)))
    assert len(looked) <= 1
    assert len(has_expired) <= 1


class Stopped(BaseException):
    """What ends a process in the middle of its work, as Ctrl-C does."""


def test_what_ends_the_process_leaves_no_half_transaction(tmp_path: Path) -> None:
    database = OutboxDatabase(tmp_path / "outbox.db")
    database.write(lambda _: None)

    def stop(connection: sqlite3.Connection) -> None:
        counting.put_counter(connection, "sent", 7)
        raise Stopped

    with pytest.raises(Stopped):
        database.write(stop)
    assert database.read(lambda connection: counting.counter(connection, "sent")) == 0
    database.close()


def test_an_outbox_without_events_counts_nothing(outbox: Outbox) -> None:
    put(outbox, status("started"))
    outbox.acknowledge(outbox.oldest(1))
    counted = outbox.counters()
    assert (counted.length, counted.bytes, counted.dropped, counted.aside) == (0, 0, {}, 0)
    fresh = OutboxDatabase(outbox.file.with_name("fresh.db"))
    fresh.write(lambda _: None)
    empty = fresh.read(lambda connection: counting.counters(connection, now()))
    fresh.close()
    assert empty == Counters(empty.stream, 0, 0, None, 0, 0, {}, 0, 0.0, 0.0, 0, "", "")


@pytest.mark.parametrize(
    "change", ["PRAGMA user_version = 99", "DROP TABLE drops"], ids=["format", "table"]
)
def test_another_database_in_its_place_is_set_aside(
    tmp_path: Path, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "outbox.db"
    database = OutboxDatabase(file)
    database.write(lambda connection: counting.put_counter(connection, "sent", 7))
    database.close()
    with closing(sqlite3.connect(file.resolve(), isolation_level=None)) as connection:
        connection.execute(change)
    replaced = OutboxDatabase(file)
    replaced.write(lambda _: None)
    damage = replaced.read(counting.unreported_damage)
    replaced.close()
    problem = "is no outbox of a format that this version reads"
    assert problem in damage
    (aside,) = tmp_path.glob("outbox-*-damaged.db")
    assert f"{file}: damaged: {problem}" in caplog.text
    assert f"{file}: set aside as {aside.name}" in caplog.text


def test_a_file_that_somebody_put_in_its_place_is_not_lost(tmp_path: Path) -> None:
    file = tmp_path / "outbox.db"
    file.write_bytes(b"something else entirely" * 300)
    database = OutboxDatabase(file)
    database.write(lambda _: None)
    database.close()
    (aside,) = tmp_path.glob("outbox-*-damaged.db")
    assert aside.read_bytes() == b"something else entirely" * 300


def error_of(code: int | None) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("an error of SQLite")
    if code is not None:
        error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "damaged"),
    [
        (sqlite3.SQLITE_CORRUPT, True),
        (sqlite3.SQLITE_CORRUPT_INDEX, True),
        (sqlite3.SQLITE_NOTADB, True),
        (sqlite3.SQLITE_IOERR_READ, True),
        (sqlite3.SQLITE_IOERR_SHORT_READ, True),
        (sqlite3.SQLITE_IOERR_WRITE, False),
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_BUSY, False),
        (None, False),
    ],
)
def test_a_file_that_cannot_be_read_is_damaged_and_one_that_cannot_be_written_is_not(
    code: int | None, damaged: bool
) -> None:
    assert is_damaged(error_of(code)) is damaged
    assert primary_code(error_of(code)) == (0 if code is None else code % 256)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(5, "Input/output error"), "Input/output error"),
        (PermissionError(13, "no"), "belongs to another"),
    ],
)
def test_what_the_system_refuses_amid_a_transaction_is_rolled_back(
    tmp_path: Path, error: OSError, said: str
) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        counting.put_counter(connection, "sent", 7)
        raise error

    with closing(OutboxDatabase(tmp_path / FILE)) as database:
        database.write(lambda _: None)
        connection = database._connection
        with pytest.raises(OutboxError, match=said):
            database.write(fail)
        assert database.write(lambda found: counting.counter(found, "sent")) == 0
        assert database._connection is connection


def test_a_database_that_may_not_be_opened_is_no_fault_of_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> sqlite3.Connection:
        raise PermissionError(13, "Permission denied")

    OutboxDatabase(tmp_path / FILE).write(lambda _: None)
    monkeypatch.setattr("sync.outbox.database.connect", refuse)
    with closing(OutboxDatabase(tmp_path / FILE)) as database, pytest.raises(OutboxError):
        database.read(counting.stream)


def test_a_connection_that_cannot_be_rolled_back_is_closed(tmp_path: Path) -> None:
    """SQLite's own cannot be made to fail so."""
    closed: list[bool] = []

    class Broken:
        in_transaction = True

        def execute(self, _: str) -> None:
            raise error_of(sqlite3.SQLITE_IOERR_WRITE)

        def close(self) -> None:
            closed.append(True)

    database = OutboxDatabase(tmp_path / FILE)
    database._connection = cast(sqlite3.Connection, Broken())
    database._roll_back()
    assert closed == [True]
    assert not database._connection


def test_what_another_process_has_replaced_is_not_replaced_again(tmp_path: Path) -> None:
    with (
        closing(OutboxDatabase(tmp_path / FILE)) as mine,
        closing(OutboxDatabase(tmp_path / FILE)) as others,
    ):
        former = mine.read(counting.stream)
        others.read(counting.stream)
        others._replace("damaged")
        newer = others.read(counting.stream)
        assert newer != former
        mine._replace("damaged, too")
        assert mine.read(counting.stream) == newer
        mine._disconnect()
        (tmp_path / FILE).unlink()
        mine._replace("")
        assert mine.read(counting.stream) not in (former, newer), "a missing one is made"


def test_damage_that_sqlite_quotes_replaces_the_database(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(connection: sqlite3.Connection) -> str:
        if not tries:
            tries.append(connection)
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
        return counting.stream(connection)

    tries: list[sqlite3.Connection] = []
    with closing(OutboxDatabase(tmp_path / FILE)) as database:
        former = database.read(counting.stream)
        assert database.read(fail) != former
        said = database.read(counting.unreported_damage)
    assert said.startswith("SQLite quotes what is no text; 0 events of the old one")
    assert "damaged: 'utf-8' codec can't decode" in caplog.text


@pytest.mark.parametrize("freed_after", [2, None])
def test_a_log_is_checked_as_soon_as_nobody_writes_and_after_a_second_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, freed_after: int | None
) -> None:
    OutboxDatabase(tmp_path / FILE).write(lambda _: None)
    now, pauses, checked = [1000.0], [], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += CHECK_S / 4
        if len(pauses) == freed_after:
            fcntl.flock(lock, fcntl.LOCK_UN)

    def read(database: Path) -> WriteAheadLog:
        checked.append(database)
        return read_log(database)

    monkeypatch.setattr("sync.outbox.database.time.sleep", sleep)
    monkeypatch.setattr("sync.outbox.database.time.monotonic", lambda: now[0])
    monkeypatch.setattr("sync.outbox.database.read_log", read)
    with (tmp_path / "outbox.lock").open() as lock, closing(OutboxDatabase(tmp_path / FILE)) as one:
        fcntl.flock(lock, fcntl.LOCK_SH)
        one.read(counting.stream)
    assert pauses == [PAUSE_S] * (freed_after or 4)
    assert len(checked) == (freed_after is not None)


def test_a_use_leaves_the_lock_free(tmp_path: Path) -> None:
    with closing(OutboxDatabase(tmp_path / FILE)) as database:
        database.write(lambda _: None)
        with (tmp_path / "outbox.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_disk_that_is_full_at_first_is_tried_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object, **_: object) -> None:
        tried.append(given)
        raise error_of(sqlite3.SQLITE_FULL)

    tried: list[object] = []
    monkeypatch.setattr("sync.outbox.database.create", full)
    with closing(OutboxDatabase(tmp_path / FILE)) as database:
        with pytest.raises(OutboxError, match="cannot be made"):
            database.read(counting.stream)
        assert len(tried) == 1
        monkeypatch.undo()
        monkeypatch.setattr("catalog.core.durable.point", full)
        with pytest.raises(OutboxError, match="cannot be made"):
            database.read(counting.stream)
    assert [file.name for file in tmp_path.iterdir()] == ["outbox.lock"], "nothing is left over"


def test_what_is_made_and_moved_is_flushed_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[set[str]] = []

    def note(folder: Path) -> None:
        flushed.append({path.name for path in folder.iterdir()})

    monkeypatch.setattr("catalog.core.durable.flush_folder", note)
    stream = "0d7a9f2e-58c1-4d39-9c43-2f6f0a1b5c7e"
    create(tmp_path / "new.db", stream, "", None)
    assert {"new.db", "new.db-fresh"} <= flushed.pop()
    move_files(tmp_path / "new.db", tmp_path / "old.db")
    assert flushed == [{"old.db", "old.db-fresh"}]
    remove_files(tmp_path / "old.db")
    remove_files(tmp_path / "old.db")
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_refused_is_closed(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as other, other:
        other.execute("CREATE TABLE other (id)")
    with pytest.raises(sqlite3.DatabaseError, match="is no outbox") as caught:
        connect(tmp_path / "other.db")
    assert open_in(tmp_path) == [], caught


def test_a_database_whose_lines_cannot_be_read_is_closed(
    outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(outbox, status("started", ""))
    outbox.close()
    database = OutboxDatabase(tmp_path / "outbox.db")

    def fail(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("sync.outbox.database.fresh_entries", fail)
    with pytest.raises(OutboxError):
        database.read(rows.taken_in)
    assert [name for name in open_in(tmp_path) if name.endswith(".db")] == []
    database.close()


def test_a_database_that_is_gone_is_let_go_of(tmp_path: Path) -> None:
    database = OutboxDatabase(tmp_path / "outbox.db")
    assert database.write(rows.taken_in) == 0
    assert open_in(tmp_path) != []
    for file in tmp_path.glob("outbox*.db*"):
        file.unlink()
    assert database.read(rows.taken_in) == 0  # of a new one
    assert [name for name in open_in(tmp_path) if name.endswith("(deleted)")] == []
    database.close()
