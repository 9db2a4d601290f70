"""The outbox's thread: how it waits, retries, gives up, and what it says of that."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import sync.outbox.writer
from catalog.core.settings import DeviceSettings
from sync.errors import NoOutboxError, OutboxError
from sync.outbox import counting, rows
from sync.outbox.counters import opened
from sync.outbox.database import FILE, OutboxDatabase
from sync.outbox.events import _cut, _shorter, status
from sync.outbox.outbox import MAX_PENDING_S, POLL_S, Outbox
from sync.outbox.writer import Writer
from sync.settings import OutboxSettings
from tests.support.open_files import open_in

WAIT = 60


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    made = Outbox(tmp_path / FILE, OutboxSettings(), "device")
    yield made
    made.close()


def error_of(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("an error of SQLite")
    error.sqlite_errorcode = code
    return error


def test_pauses_double_up_to_the_longest_and_begin_anew_after_a_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    pauses: list[float] = []
    states: list[tuple[str, str]] = []
    failing = [5, 0, 1]  # so often in a row before each success
    note = OutboxDatabase.note

    def failing_note(database: OutboxDatabase, *given: Any) -> None:
        if failing and failing[0]:
            failing[0] -= 1
            raise OutboxError("the disk is full")
        failing[:1] = []
        note(database, *given)

    def paused(writer: Writer, pause: float) -> bool:
        pauses.append(pause)
        states.append(writer.state()[2])
        return False

    monkeypatch.setattr(sync.outbox.writer, "RETRY_S", (0.25, 1.5))
    monkeypatch.setattr(OutboxDatabase, "note", failing_note)
    monkeypatch.setattr(Writer, "_stopping_after", paused)
    writer = Writer(tmp_path / FILE, OutboxSettings(), "device")
    for _ in range(4):
        assert writer.put(status("started")).wait(WAIT)
    assert pauses == [0.25, 0.5, 1.0, 1.5, 1.5, 0.25]
    assert [error for error, _ in states] == ["the disk is full"] * 6
    assert all(at.endswith("Z") for _, at in states)
    assert writer.state() == (0, {}, ("", ""))
    assert writer.close(WAIT)
    said = [record.message for record in caplog.records]
    assert said == ["events cannot be written: the disk is full", "events can be written again"] * 2


def test_what_could_not_be_written_may_be_dropped_for_what_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is in the current transaction may not: its ticket would lie."""
    failed, go_on = threading.Event(), threading.Event()

    def full(*_: object) -> None:
        raise OutboxError("the disk is full")

    def paused(writer: Writer, pause: float) -> bool:
        failed.set()
        return not go_on.wait(WAIT) or writer.closing

    monkeypatch.setattr(sync.outbox.writer, "MAX_WAITING", 2)
    monkeypatch.setattr(OutboxDatabase, "note", full)
    monkeypatch.setattr(Writer, "_stopping_after", paused)
    writer = Writer(tmp_path / FILE, OutboxSettings(), "device")
    first = writer.put(status("started"))
    assert failed.wait(WAIT)
    later = [writer.put(status("started")) for _ in range(2)]
    assert [ticket.durable for ticket in (first, *later)] == [False, None, None]
    monkeypatch.undo()
    go_on.set()
    assert all(ticket.wait(WAIT) for ticket in later)
    assert writer.close(WAIT)


def test_nothing_runs_while_there_is_nothing_to_write(outbox: Outbox) -> None:
    """Each turn of the thread is counted, also one without an event."""
    for turns in (1, 2, 3):
        assert outbox.put(status("started")).wait(WAIT)
        assert turns <= outbox._writer.commits <= turns + 1  # and one for old events


def test_closing_leaves_no_file_open(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / FILE, OutboxSettings(), "device")
    assert outbox.put(status("started")).wait(WAIT)
    assert outbox.counters().length == len(outbox.oldest(9)) == 1
    assert open_in(tmp_path)
    outbox.close()
    assert open_in(tmp_path) == []


def test_a_process_need_not_close_its_outbox_to_end(outbox: Outbox) -> None:
    assert outbox._writer._thread.daemon


def test_the_limit_is_in_millions_of_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[int] = []
    monkeypatch.setattr(rows, "shrink", lambda _, most: limits.append(most))
    writer = Writer(tmp_path / FILE, OutboxSettings(max_mb=3.5), "device")
    writer.count_drop("sighting")  # with it the event goes into the tables
    assert writer.put(status("started")).wait(WAIT)
    assert writer.close(WAIT)
    assert set(limits) == {3_500_000}


def test_events_that_were_dropped_before_they_came_are_counted(outbox: Outbox) -> None:
    writer = outbox._writer
    outbox.dropped("sighting")
    outbox.dropped("sighting")
    assert writer.state()[1] == outbox.counters().dropped == {"memory": 2}
    assert outbox.put(status("started")).wait(WAIT)
    assert outbox.counters().dropped == {"memory": 2}
    assert writer.state()[1] == {}


@pytest.mark.parametrize("stuck", [True, False])
def test_events_that_closing_leaves_are_said(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, stuck: bool
) -> None:
    """With the reason, where the disk gave one."""

    def full(*_: object) -> None:
        raise OutboxError("the disk is full")

    writer = outbox._writer
    if stuck:
        monkeypatch.setattr(writer._thread, "join", lambda timeout: None)
        with writer._work:
            tickets = [writer.put(status("started")) for _ in range(3)]
            writer.close(0)
        said = "3 events could not be written: no answer"
    else:
        monkeypatch.setattr(OutboxDatabase, "note", full)
        tickets = [writer.put(status("started"))]
        assert writer.close(WAIT)
        said = "1 events could not be written: the disk is full"
    assert [ticket.durable for ticket in tickets] == [False] * len(tickets)
    assert said in caplog.text


class Changed:
    """In place of a condition: notes for how long was waited."""

    def __init__(self, then: Callable[[], object]) -> None:
        self.waited: list[float] = []
        self._then = then

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def wait(self, timeout: float) -> None:
        self.waited.append(timeout)
        self._then()

    def notify_all(self) -> None:
        pass


def test_a_commit_between_looking_and_waiting_is_not_slept_through(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = outbox._writer
    looks: list[bool] = []

    def look() -> bool:
        looks.append(bool(looks))
        writer.commits += 1
        return looks[-1]

    changed = Changed(lambda: None)
    monkeypatch.setattr(writer, "changed", changed)
    monkeypatch.setattr(outbox, "_has_new_events", look)
    assert outbox.wait(WAIT)
    assert (looks, changed.waited) == ([False, True], [])


@pytest.mark.parametrize("timeout", [POLL_S / 2, 100 * POLL_S])
def test_nothing_new_is_waited_for_in_short_pauses(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, timeout: float
) -> None:
    writer = outbox._writer
    changed = Changed(lambda: setattr(writer, "closing", True))
    monkeypatch.setattr(writer, "changed", changed)
    monkeypatch.setattr(outbox, "_has_new_events", lambda: False)
    assert not outbox.wait(timeout)
    (waited,) = changed.waited
    assert 0 < waited <= min(POLL_S, timeout)
    monkeypatch.undo()


def test_what_could_not_be_counted_is_counted_later(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(work: object) -> None:
        raise OutboxError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(outbox._database, "write", full)
        outbox.note(sent=2, offline_s=1.5, latencies_s=[0.5, 0.25], error="no answer")
        with pytest.raises(OutboxError):
            outbox.acknowledge([])
    assert "the disk is full" in caplog.text
    outbox.note(sent=1)
    outbox.acknowledge([])
    counters = outbox.counters()
    assert (counters.sent, counters.offline_s, counters.last_error) == (3, 1.5, "no answer")
    assert (counters.latency_s, counters.latencies) == (0.75, 2)


def test_counts_wait_for_a_transaction_and_no_longer_than_ten_minutes(outbox: Outbox) -> None:
    """Each one wears the memory card."""
    outbox.note(sent=1)
    assert outbox.counters().sent == 0
    outbox._pending.since -= MAX_PENDING_S
    outbox.note(sent=2)
    assert outbox.counters().sent == 3
    outbox.note(sent=4)
    assert outbox.counters().sent == 3, "they wait anew"


def test_only_another_error_is_written_at_once(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(outbox, "_write_pending", lambda: written.append(outbox._pending.error))
    for error in ("no answer", "no answer", "no network", "no network"):
        outbox.note(error=error)
    assert written == ["no answer", "no network"]
    outbox._pending.since -= MAX_PENDING_S
    outbox.note(error="no network")
    assert written == ["no answer", "no network", "no network"]


def test_a_disk_that_is_full_at_the_end_is_said_and_all_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(work: object) -> None:
        raise OutboxError("the disk is full")

    outbox = Outbox(tmp_path / FILE, OutboxSettings(), "device")
    assert outbox.put(status("started")).wait(WAIT)
    assert len(outbox.oldest(9)) == 1
    monkeypatch.setattr(outbox._database, "write", full)
    outbox.close()
    assert "the disk is full" in caplog.messages
    assert open_in(tmp_path) == []


def test_an_error_that_came_meanwhile_is_the_newest(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(work: object) -> None:
        outbox._pending.error, outbox._pending.error_at = "newer", "then"
        raise OutboxError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(outbox._database, "write", full)
        outbox.note(error="older")
    outbox.acknowledge([])
    counters = outbox.counters()
    assert (counters.last_error, counters.last_error_at) == ("newer", "then")


@pytest.mark.parametrize(
    ("count", "said"),
    [(1, "1 damaged event was set aside"), (2, "2 damaged events were set aside")],
)
def test_damaged_events_are_the_newest_error(outbox: Outbox, count: int, said: str) -> None:
    for _ in range(3):
        assert outbox.put(status("started")).wait(WAIT)
    outbox._database.write(lambda _: None)  # the fresh entries come into the tables
    with closing(sqlite3.connect(outbox.file, isolation_level=None)) as database:
        database.execute("UPDATE events SET at = 'then' WHERE sequence <= ?", (count,))
    assert len(outbox.oldest(9)) == 3 - count
    assert outbox.counters().last_error == f"{said}: its time is no time"


def test_damaged_events_that_cannot_be_set_aside_stop_nothing(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """They are passed over, and set aside once the disk can be written."""

    def full(work: object) -> None:
        raise OutboxError("the disk is full")

    for _ in range(3):
        assert outbox.put(status("started")).wait(WAIT)
    outbox._database.write(lambda _: None)  # the fresh entries come into the tables
    with closing(sqlite3.connect(outbox.file, isolation_level=None)) as database:
        database.execute("UPDATE events SET at = 'then' WHERE sequence = 1")
    with monkeypatch.context() as patch:
        patch.setattr(outbox._database, "write", full)
        assert [event.sequence for event in outbox.oldest(9)] == [2, 3]
    said = [record.message for record in caplog.records if record.name == "sync.outbox.reading"]
    assert said[-1] == "the disk is full"
    assert "event 1 is damaged: its time is no time" in said[0]
    assert outbox.counters().length == 3
    assert [event.sequence for event in outbox.oldest(9)] == [2, 3]
    assert (outbox.counters().length, outbox.counters().dropped) == (2, {"damage": 1})


def test_a_fault_of_the_program_is_raised_as_it_is(tmp_path: Path) -> None:
    def fault(_: sqlite3.Connection) -> None:
        tries.append(1)
        raise ZeroDivisionError

    tries: list[int] = []
    database = OutboxDatabase(tmp_path / FILE)
    database.write(lambda _: None)
    with pytest.raises(ZeroDivisionError):
        database.write(fault)
    assert len(tries) == 2, "damage may be why: the second try connects anew and would find it"
    assert database.write(lambda _: "well") == "well"
    database.close()


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY])
def test_a_full_or_busy_disk_is_rolled_back_and_the_connection_stays(
    tmp_path: Path, code: int
) -> None:
    database = OutboxDatabase(tmp_path / FILE)
    database.write(lambda _: None)
    connection = database._connection

    def fail(database: sqlite3.Connection) -> None:
        counting.put_counter(database, "sent", 7)
        raise error_of(code)

    with pytest.raises(OutboxError, match="an error of SQLite"):
        database.write(fail)
    database.write(lambda _: None)
    assert database._connection is connection
    assert database.read(lambda connection: counting.counter(connection, "sent")) == 0
    database.close()


def test_an_outbox_is_made_by_the_appliance_alone(tmp_path: Path) -> None:
    device = DeviceSettings(data_dir=tmp_path)
    with pytest.raises(NoOutboxError, match=r"db: there is no outbox yet"), opened(device):
        pytest.fail("there is none")
    made = OutboxDatabase(device.folder / FILE)
    made.write(lambda _: None)
    made.close()
    with opened(device) as database:
        assert database.read(rows.newest_sequence)[1] == 0
        assert database._connection is not None
    assert database._connection is None


def test_texts_are_cut_to_the_length_that_is_allowed() -> None:
    for length in (1, 99, 100):
        assert _cut("x" * length, 100) == "x" * length
    assert _cut("x" * 101, 100) == "x" * 99 + "…"
    assert _cut({"k" * 9: ["x" * 9, 3, None]}, 4) == {"kkk…": ["xxx…", 3, None]}


def test_an_event_gets_shorter_step_by_step() -> None:
    long = "x" * 500
    body = {"verdict": long, "thumbnail": "jpeg" * 200, "details": {long: long}, "guesses": [long]}

    def longest(document: Any) -> int:
        if isinstance(document, dict):
            parts = [*document, *document.values()]
        elif isinstance(document, list):
            parts = document
        else:
            return len(document)
        return max(map(longest, parts))

    steps = list(_shorter(dict(body)))
    lengths = [longest({**step, "thumbnail": ""}) for step in steps[1:]]
    assert steps[0] in (body, {key: body[key] for key in body if key != "thumbnail"})
    assert lengths == [400, 200, 100, 400, 200, 100, 100]
    assert ["thumbnail" in step for step in steps[1:]] == [True] * 3 + [False] * 4
    assert list(steps[-1]) == ["verdict"]
    assert list(steps[-2]) == ["verdict", "details", "guesses"]
