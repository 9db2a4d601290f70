"""What the outbox does where nothing helps: it says so, and never that an event is safe."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

import sync.outbox.counting
import sync.outbox.database_file
import sync.outbox.rows
import sync.outbox.writer
from sync.errors import OutboxError
from sync.outbox.database import OutboxDatabase
from sync.outbox.database_file import is_damaged
from sync.outbox.events import MAX_BYTES, Event, status
from sync.outbox.fresh import FreshEntries
from sync.outbox.outbox import Outbox
from sync.outbox.rescue import rescue
from sync.outbox.writer import Writer
from sync.settings import OutboxSettings

WAIT = 60


def error_of(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("an error of SQLite")
    error.sqlite_errorcode = code
    return error


def test_a_write_that_meets_damage_again_and_again_is_an_error(tmp_path: Path) -> None:
    tries = []

    def damaged(database: sqlite3.Connection) -> None:
        tries.append(database)
        raise error_of(sqlite3.SQLITE_CORRUPT)

    database = OutboxDatabase(tmp_path / "outbox.db")
    with pytest.raises(OutboxError, match="is damaged again and again; check the disk"):
        database.write(damaged)
    assert len(tries) == 2  # the first of three attempts found no database and made one
    assert database.write(lambda _: "well") == "well"
    database.close()


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE])
def test_a_disk_without_room_for_the_rescued_events_gets_an_empty_outbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """That holds for a full disk alone: for another error, the damaged outbox stays."""
    outbox = Outbox(tmp_path / "outbox.db", OutboxSettings(), "device")
    assert outbox.put(status("started", "before")).wait(WAIT)
    outbox.close()
    current = (tmp_path / "outbox.db").resolve()
    content = bytearray(current.read_bytes())
    content[100:2000] = bytes(1900)
    current.write_bytes(content)

    def no_room(*arguments: Any, copied: bool) -> str:
        if copied:
            raise error_of(code)
        return rescue(*arguments, copied=copied)

    monkeypatch.setattr(sync.outbox.database_file, "rescue", no_room)
    database = OutboxDatabase(tmp_path / "outbox.db")
    if code == sqlite3.SQLITE_FULL:
        assert database.read(sync.outbox.rows.newest_sequence)[1] == 0
        assert database.read(sync.outbox.counting.unreported_damage)
        assert (tmp_path / "outbox.db").resolve() != current
    else:
        with pytest.raises(OutboxError, match="cannot be made"):
            database.read(sync.outbox.rows.newest_sequence)
        assert (tmp_path / "outbox.db").resolve() == current
    database.close()
    assert not is_damaged(error_of(sqlite3.SQLITE_FULL))


def test_refused_messages_do_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync.outbox.rows, "MAX_ASIDE", 3)
    outbox = Outbox(tmp_path / "outbox.db", OutboxSettings(), "device")
    for number in range(5):
        assert outbox.put(status("started", str(number))).wait(WAIT)
    for event in outbox.oldest(5):
        outbox.set_aside(event, f"refused {event.sequence}")
    assert (outbox.counters().aside, outbox.counters().dropped) == (3, {"refused": 5})
    outbox.close()
    with sqlite3.connect(tmp_path / "outbox.db") as database:
        kept = database.execute("SELECT sequence, reason FROM aside ORDER BY sequence").fetchall()
    assert kept == [(number, f"refused {number}") for number in (3, 4, 5)]


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "outbox.db", OutboxSettings(), "device")


def test_the_ticket_of_a_refused_event_says_that_it_is_not_durable(writer: Writer) -> None:
    """It comes in one transaction with others, which are."""
    first = writer.put(status("started"))
    refused = writer.put(Event("message", bytes(MAX_BYTES + 1)))
    last = writer.put(status("stopped"))
    assert first.wait(WAIT)
    assert last.wait(WAIT)
    assert not refused.wait(WAIT)
    assert refused.durable is False
    assert writer.close(WAIT)


def test_the_ticket_of_an_event_after_close_says_so_at_once(writer: Writer) -> None:
    assert writer.close(WAIT)
    late = writer.put(status("started"))
    assert late.durable is False
    assert not late.wait()  # without end, if nobody had said it
    assert writer.state()[0] == 0


def test_close_on_a_disk_that_hangs_resolves_every_ticket(writer: Writer, tmp_path: Path) -> None:
    with (tmp_path / "outbox.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tickets = [writer.put(status("started")) for _ in range(3)]
        assert not writer.close(0.1)
        assert [ticket.durable for ticket in tickets] == [False] * 3
    assert writer.close(WAIT)


def test_what_is_in_the_current_transaction_is_not_dropped_when_memory_is_full(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ticket would say that it is lost, and it would be on the disk."""
    monkeypatch.setattr(sync.outbox.writer, "MAX_WAITING", 3)
    inside, go_on = threading.Event(), threading.Event()
    append = FreshEntries.append

    def slow_append(fresh: FreshEntries, line: bytes) -> None:
        inside.set()
        assert go_on.wait(WAIT)
        append(fresh, line)

    monkeypatch.setattr(FreshEntries, "append", slow_append)
    first = writer.put(status("started", "in the transaction"))
    assert inside.wait(WAIT)
    later = [writer.put(status("started", str(number))) for number in range(4)]
    assert [ticket.durable for ticket in (first, *later)] == [None, False, False, None, None]
    go_on.set()
    assert first.wait(WAIT)
    assert [ticket.wait(WAIT) for ticket in later] == [False, False, True, True]
    assert writer.close(WAIT)
