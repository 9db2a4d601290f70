"""How the outbox opens its database, and what its writer does beside writing events."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sync.outbox import counting, rows
from sync.outbox.clock import now
from sync.outbox.database import FILE, OutboxDatabase
from sync.outbox.events import MAX_FEATURES_BYTES, Event, status
from sync.outbox.outbox import Outbox
from sync.outbox.stored import Counters
from sync.settings import OutboxSettings

WAIT = 30


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
        asked = ("PRAGMA journal_mode", "PRAGMA synchronous", "PRAGMA journal_size_limit")
        return [connection.execute(text).fetchone()[0] for text in asked]

    assert opened.read(ask) == ["wal", 2, 4 << 20]
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
    put(outbox, *(status("started") for _ in range(3)))
    assert len(looked) <= 1


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
