"""The outbox's SQL, each function beside what it is meant to do, on a database in memory."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.outbox import counting, rows
from sync.outbox.clock import Moment
from sync.outbox.database_file import SCHEMA
from sync.outbox.kinds import PRIORITY, Kind
from sync.outbox.packing import packed
from sync.outbox.rows import DAY_S, PACKED, SHRINK_TO
from sync.outbox.stored import ROW_BYTES, RenderedEvent, StoredEvent
from sync.outbox.writer import REPORT_DROPS_S, _may_report_drops

STREAM = "0d7a9f2e-58c1-4d39-9c43-2f6f0a1b5c7e"


@contextmanager
def outbox(*events: RenderedEvent) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        database.executescript(SCHEMA)
        database.execute("INSERT INTO about VALUES (?, '')", (STREAM,))
        rows.append(database, events)
        yield database


def event(
    number: int, kind: Kind = "status", size: int = 60, at: float = 5.0, *, trusted: bool = True
) -> RenderedEvent:
    payload = json.dumps({"id": str(number), "kind": kind}).encode()
    padding = b" " * max(0, size - len(payload))
    moment = Moment(at, trusted=trusted)
    return RenderedEvent(str(number), kind, PRIORITY[kind], moment, payload[:-1] + padding + b"}")


def left(database: sqlite3.Connection) -> list[int]:
    return [number for (number,) in database.execute("SELECT sequence FROM events ORDER BY 1")]


def assert_counted(database: sqlite3.Connection, events: list[RenderedEvent]) -> None:
    there = [events[number - 1] for number in left(database)]
    assert counting.counter(database, "length") == len(there)
    assert counting.counter(database, "bytes") == sum(row.size for row in there)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(PRIORITY)), st.integers(60, 2000)), max_size=12),
    st.integers(1, 12_000),
)
def test_a_full_outbox_drops_the_lowest_and_oldest_and_no_more_than_it_must(
    given_events: list[tuple[Kind, int]], most: int
) -> None:
    events = [event(number, kind, size) for number, (kind, size) in enumerate(given_events, 1)]
    total = sum(len(row.payload) + ROW_BYTES for row in events)
    order = sorted(range(1, len(events) + 1), key=lambda n: (PRIORITY[events[n - 1].kind], n))  # type: ignore[index]
    dropped: list[int] = []
    if total > most:
        room = most - int(most * (1 - SHRINK_TO))
        while total > room:
            dropped.append(order.pop(0))
            total -= events[dropped[-1] - 1].size
    with outbox(*events) as database:
        rows.shrink(database, most)
        assert left(database) == sorted(order)
        assert_counted(database, events)
        kinds = Counter(("space", events[number - 1].kind) for number in dropped)
        assert counting.unreported_drops(database) == kinds


def test_an_outbox_that_is_just_full_drops_nothing() -> None:
    events = [event(1), event(2)]
    most = sum(row.size for row in events)
    with outbox(*events) as database:
        rows.shrink(database, most)
        assert left(database) == [1, 2]
        rows.shrink(database, most - 1)
        assert left(database) == [2]


@pytest.mark.parametrize(("over", "dropped"), [(0, 0), (1, 1), (2, 2)])
def test_a_full_outbox_makes_room_for_a_twentieth_more(over: int, dropped: int) -> None:
    """A byte decides whether one event more goes."""
    events = [event(number) for number in range(1, 21)]
    assert {row.size for row in events} == {210}
    with outbox(*events) as database:
        rows.shrink(database, 20 * 210 - over)
        assert len(left(database)) == 20 - dropped


def test_an_event_that_is_there_already_is_counted_once() -> None:
    with outbox(event(1), event(2)) as database:
        rows.append(database, [event(2, size=500), event(3)])
        assert left(database) == [1, 2, 4]  # the number of the one that was there is spent
        assert counting.counter(database, "length") == 3
        assert counting.counter(database, "bytes") == 3 * event(1).size


def test_what_is_older_than_the_days_goes_and_what_is_as_old_stays() -> None:
    now = 100 * DAY_S
    events = [
        event(1, "sighting", at=now - 7 * DAY_S - 1),
        event(2, at=now - 7 * DAY_S),
        event(3, at=0.0, trusted=False),
    ]
    trusted, untrusted = Moment(now, trusted=True), Moment(now, trusted=False)
    with outbox(*events) as database:
        assert not rows.has_expired(database, untrusted, 7)
        rows.expire(database, untrusted, 7)
        assert left(database) == [1, 2, 3]
        assert rows.has_expired(database, trusted, 7)
        rows.expire(database, trusted, 7)
        assert left(database) == [2, 3]
        assert not rows.has_expired(database, trusted, 7)
        assert counting.unreported_drops(database) == {("age", "sighting"): 1}


@pytest.mark.parametrize(
    ("at", "trusted", "age"),
    [
        (40.0, True, 60.0),
        (99.96, True, 0.0),
        (99.94, True, 0.1),
        (100.0, True, 0.0),
        (100.5, True, None),  # of the future
        (40.0, False, None),
    ],
)
def test_the_age_of_the_oldest_event(at: float, trusted: bool, age: float | None) -> None:
    with outbox(event(1, at=at, trusted=trusted), event(2, at=1.0)) as database:
        assert counting.counters(database, Moment(100.0, trusted=True)).oldest_s == age
        if not trusted:
            assert counting.counters(database, Moment(100.0, trusted=False)).oldest_s == 60.0


def test_the_age_of_a_damaged_event_is_not_known() -> None:
    with outbox(event(1)) as database:
        database.execute("UPDATE events SET at = 'damaged'")
        assert counting.counters(database, Moment(100.0, trusted=True)).oldest_s is None


def test_rows_are_read_in_parts_and_the_last_part_ends_at_the_newest_number() -> None:
    with outbox(*(event(number) for number in range(1, 6))) as database:
        rows.acknowledge(database, rows.oldest(database, 9, None).events[-1:])
        part = rows.oldest(database, 3, None)
        assert ([row.sequence for row in part.events], part.last) == ([1, 2, 3], (STREAM, 3))
        part = rows.oldest(database, 3, part.last)
        assert ([row.sequence for row in part.events], part.last) == ([4], (STREAM, 5))
        part = rows.oldest(database, 3, part.last)
        assert (part.events, part.last) == ([], (STREAM, 5))
        assert len(rows.oldest(database, 9, ("another stream", 4)).events) == 4
        assert rows.newest_sequence(database) == (STREAM, 5)


def test_an_outbox_that_never_had_an_event_begins_at_0() -> None:
    with outbox() as database:
        assert rows.newest_sequence(database) == (STREAM, 0)
        assert rows.oldest(database, 3, None).last == (STREAM, 0)
        assert counting.counter(database, "sent") == 0


def test_a_number_that_was_given_out_is_not_given_out_again() -> None:
    numbers = "SELECT seq FROM sqlite_sequence WHERE name = 'events'"
    with outbox() as database:  # whose one event was removed before it came into the table
        rows.raise_newest_sequence(database, 1)
        assert database.execute(numbers).fetchall() == [(1,)]
        rows.append(database, [event(2)])
        for number in (7, 3):
            rows.raise_newest_sequence(database, number)
            assert database.execute(numbers).fetchall() == [(7,)]
        rows.append(database, [event(8)])
        assert left(database) == [2, 8]


def test_the_oldest_event_may_be_a_fresh_one() -> None:
    now, newer = Moment(100.0, trusted=True), Moment(70.0, trusted=True)
    with outbox() as database:
        assert counting.counters(database, now, newer=newer).oldest_s == 30.0
        rows.append(database, [event(1, at=40.0)])
        assert counting.counters(database, now, newer=newer).oldest_s == 60.0


def test_events_of_another_stream_are_left_alone() -> None:
    """An outbox that was replaced numbers its events anew."""
    with outbox(event(1), event(2)) as database:
        other = StoredEvent("another", 1, "1", "status", 5.0, 0, b"")
        rows.acknowledge(database, [other])
        rows.count_attempt(database, [other])
        rows.set_aside(database, other, "refused")
        found = rows.oldest(database, 9, None).events
        assert [(row.sequence, row.attempts) for row in found] == [(1, 0), (2, 0)]
        rows.count_attempt(database, found[1:])
        rows.count_attempt(database, found[1:])
        assert [row.attempts for row in rows.oldest(database, 9, None).events] == [0, 2]
        counters = counting.counters(database, Moment(9.0, trusted=True))
        assert (counters.acknowledged, counters.aside, counters.dropped) == (0, 0, {})


def test_an_event_is_acknowledged_once() -> None:
    with outbox(event(1), event(2)) as database:
        first = rows.oldest(database, 1, None).events
        rows.acknowledge(database, first)
        rows.acknowledge(database, first)
        rows.set_aside(database, first[0], "refused")
        counters = counting.counters(database, Moment(9.0, trusted=True))
        assert (counters.length, counters.acknowledged, counters.aside) == (1, 1, 0)


def test_drops_are_reported_once_and_counted_for_ever() -> None:
    with outbox() as database:
        counting.count_drops(database, {("space", "status"): 2, ("age", "sighting"): 1})
        expected = {("space", "status"): 2, ("age", "sighting"): 1}
        assert counting.unreported_drops(database) == expected
        assert _may_report_drops(database)
        counting.mark_drops_reported(database)
        assert not _may_report_drops(database), "reports must not fill the outbox"
        assert counting.unreported_drops(database) == {}
        counting.count_drops(database, {("space", "status"): 3})
        assert counting.unreported_drops(database) == {("space", "status"): 3}
        counters = counting.counters(database, Moment(9.0, trusted=True))
        assert counters.dropped == {"space": 5, "age": 1}


@pytest.mark.parametrize("passed", [-REPORT_DROPS_S, REPORT_DROPS_S])
def test_drops_are_reported_again_after_minutes_whichever_way_the_clock_went(
    passed: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    with outbox() as database:
        counting.put_counter(database, "drops_told_at", 5000.0)
        for now, may in ((5000.0 + passed, True), (5000.0 + 0.99 * passed, False)):
            monkeypatch.setattr("time.time", lambda now=now: now)
            assert _may_report_drops(database) is may


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("at", "then", "its time is no time"),
        ("payload", "text", "its payload is of another type"),
        ("payload", None, "its payload is of another type"),
        ("kind", "statue", "its kind is unknown"),
    ],
)
def test_of_a_damaged_row_stays_what_can_be_read(column: str, value: object, what: str) -> None:
    with outbox(event(1), event(2)) as database:
        database.execute("PRAGMA ignore_check_constraints = on")
        if value is None:
            database.execute("UPDATE events SET payload = 0 WHERE sequence = 1")
        else:
            database.execute(f"UPDATE events SET {column} = ? WHERE sequence = 1", (value,))
        batch = rows.oldest(database, 9, None)
        (row,) = batch.damaged
        assert (row.sequence, row.problem) == (1, what)
        assert row.kind == ("event" if column == "kind" else "status")
        assert row.at == (0.0 if column == "at" else 5.0)
        whole = {"text": b"text", None: b""}.get(value, event(1).payload)  # type: ignore[call-overload]
        assert row.payload == whole
        rows.set_damaged_aside(database, batch.damaged)
        rows.set_damaged_aside(database, batch.damaged)
        assert left(database) == [2]
        aside = database.execute("SELECT kind, at, reason, payload FROM aside").fetchall()
        assert aside == [(row.kind, row.at, what, whole)]
        assert counting.unreported_drops(database) == {("damage", row.kind): 1}
        assert_counted(database, [event(1), event(2)])


def test_a_damaged_row_is_set_aside_unpacked_where_it_can_be_unpacked() -> None:
    """A person can read it then."""
    events = [event(1, size=300), event(2, size=300)]
    cut = packed(events[1].payload)[:-1]
    with outbox() as database:
        database.execute(f"PRAGMA user_version = {PACKED}")
        rows.append(database, events)
        stored = database.execute("SELECT payload FROM events ORDER BY sequence").fetchall()
        assert stored == [(packed(row.payload),) for row in events]
        database.execute("UPDATE events SET kind = 'statue' WHERE sequence = 1")
        database.execute("UPDATE events SET payload = ? WHERE sequence = 2", (cut,))
        rows.set_damaged_aside(database, rows.oldest(database, 9, None).damaged)
        aside = database.execute("SELECT payload FROM aside ORDER BY sequence").fetchall()
    assert aside == [(events[0].payload,), (cut,)]
