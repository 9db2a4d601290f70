"""What is taken for damage in an outbox's tables: each way in which a value can be wrong."""

from __future__ import annotations

import json
import math
import sqlite3
from contextlib import closing

import pytest

from sync.outbox import rows
from sync.outbox.clock import Moment
from sync.outbox.database_file import SCHEMA
from sync.outbox.integrity import (
    is_aside,
    is_drop,
    is_number,
    kind_or_unknown,
    outbox_problem,
    row_problem,
)
from sync.outbox.stored import RenderedEvent

STREAM = "0d7a9f2e-58c1-4d39-9c43-2f6f0a1b5c7e"
ROW = (1, "a", "status", 5.0, json.dumps({"id": "a", "kind": "status"}).encode())


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        (0, 2, ""),
        (0, 0, "its number is impossible"),
        (0, "1", "its number is impossible"),
        (1, "b", "its payload is that of another event"),
        (2, "nonsense", "its kind is unknown"),
        (2, "heartbeat", "its payload is that of another event"),
        (2, "message", ""),  # of any text
        (3, 5, "its time is no time"),
        (3, math.inf, "its time is no time"),
        (4, "{}", "its payload is of another type"),
        (4, b"\xff", "its payload is damaged"),
        (4, b"[" * 100_000, "its payload is damaged"),
        (4, b"[]", "its payload is damaged"),
        (4, ROW[4] + b" ", "its payload is damaged"),
        (4, b'{"id": "a", "kind": "status", "n": NaN}', "its payload is damaged"),
        (4, b'{"id": "a"}', "its payload is that of another event"),
        (4, b'{"kind": "status"}', "its payload is that of another event"),
    ],
)
def test_a_row_is_an_event_in_every_column(place: int, value: object, problem: str) -> None:
    assert not row_problem(*ROW)
    row = [*ROW]
    row[place] = value
    assert row_problem(*row) == problem


def test_numbers_of_a_network_have_one_field() -> None:
    assert not row_problem(1, "a", "features", 5.0, b'{"features": "AAAA"}')
    for other in (b'{"features": "AAAA", "more": 1}', b'{"other": "AAAA"}', b"{}"):
        assert row_problem(1, "a", "features", 5.0, other) == "its payload is damaged"


@pytest.mark.parametrize(
    ("drop", "sound"),
    [
        (("space", "status", 3, 2), True),
        (("space", "event", 3, 3), True),
        (("memory", "status", 0, 0), True),
        (("spice", "status", 3, 2), False),
        (("space", "statue", 3, 2), False),
        (("space", "status", 2, 3), False),
        (("space", "status", 3, -1), False),
        (("space", "status", 3.0, 2), False),
        (("space", "status", 3, "2"), False),
    ],
)
def test_a_count_of_dropped_events_is_plausible(
    drop: tuple[object, object, object, object], sound: bool
) -> None:
    assert is_drop(*drop) == sound


@pytest.mark.parametrize(
    ("aside", "sound"),
    [
        (("status", 5.0, "why", b"x"), True),
        (("event", 5.0, "why", b"x"), True),
        (("statue", 5.0, "why", b"x"), False),
        (("status", 5, "why", b"x"), False),
        (("status", 5.0, None, b"x"), False),
        (("status", 5.0, "why", "x"), False),
    ],
)
def test_what_was_set_aside_has_its_types(
    aside: tuple[object, object, object, object], sound: bool
) -> None:
    assert is_aside(*aside) == sound


def test_a_number_is_finite_and_not_negative() -> None:
    assert [is_number(value) for value in (0, 0.5, -1, math.nan, math.inf, "1")] == [
        True, True, False, False, False, False,
    ]  # fmt: skip
    assert [kind_or_unknown(kind) for kind in ("status", "statue", 3)] == ["status", *["event"] * 2]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("UPDATE counters SET value = value", ""),
        ("INSERT INTO counters VALUES ('last_error', 'no answer')", ""),
        ("INSERT INTO counters VALUES ('last_error', 3)", "a counter is no number"),
        ("INSERT INTO counters VALUES ('sent', 'three')", "a counter is no number"),
        ("INSERT INTO counters VALUES ('taken_in', 1)", "does not know which entries it has taken"),
        ("INSERT INTO counters VALUES ('taken_in', 1), ('taken_in_again', 1)", ""),
        ("INSERT INTO drops VALUES ('space', 'status', 1, 1)", ""),
        ("INSERT INTO drops VALUES ('space', 'status', 1, 2)", "a count of dropped events"),
        ("DELETE FROM about", "has lost its id"),
        ("UPDATE about SET stream = 'outbox'", "has lost its id"),
        ("UPDATE about SET stream = upper(stream)", "has lost its id"),
        ("UPDATE about SET stream = x'00'", "has lost its id"),
        ("UPDATE about SET damage = 3", ""),  # the column makes it a text
        ("UPDATE about SET damage = x'00'", "has lost its id"),
        ("DELETE FROM counters WHERE name = 'length'", "has 1 events, and counted 0"),
        ("DELETE FROM counters WHERE name = 'bytes'", "has 1 events, and counted 1"),
        ("UPDATE events SET size = size + 1", "has 1 events, and counted 1"),
        ("DELETE FROM events", "has 0 events, and counted 1"),
    ],
)
def test_an_outbox_has_its_id_its_counts_and_its_events(change: str, problem: str) -> None:
    event = RenderedEvent("a", "status", 1, Moment(5.0, trusted=True), ROW[4])
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        database.executescript(SCHEMA)
        database.execute("INSERT INTO about VALUES (?, '')", (STREAM,))
        rows.append(database, [event])
        database.execute(change)
        assert outbox_problem(database).startswith(problem)
        assert bool(outbox_problem(database)) == bool(problem)


def test_an_empty_outbox_has_no_problem() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(SCHEMA)
        database.execute("INSERT INTO about VALUES (?, 'why')", (STREAM,))
        assert not outbox_problem(database)
