"""What is read of a former outbox, intact or with holes, on databases in memory."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from sync.outbox import counting, rescue, rows
from sync.outbox.clock import Moment
from sync.outbox.integrity import UNKNOWN_KIND
from sync.outbox.rescue import _Findings, _read
from tests.sync.outbox.test_rows import event, outbox


def test_all_that_there_is_is_read() -> None:
    events = [event(number) for number in range(1, 6)]
    with outbox(*events) as old:
        counting.count_drops(old, {("space", "status"): 2, ("nonsense", "status"): 1})
        rows.set_aside(old, rows.oldest(old, 1, None).events[0], "refused")
        old.execute("INSERT INTO aside VALUES (9, 'nonsense', 1.0, 'why', x'00')")
        old.execute("UPDATE events SET at = 'then' WHERE sequence = 3")
        found = _read(old)
        assert found.events == {number: events[number - 1] for number in (2, 4, 5)}
        assert (found.rows, found.counted, found.indexed) == (4, 4, 4)
        assert sorted(found.drops) == [("refused", "status", 1, 0), ("space", "status", 2, 0)]
        kinds = [(kind, reason) for kind, _, reason, _ in found.aside]
        assert kinds == [("status", "refused")]
        assert found.amount == (3, 3)


def test_a_rescue_ends_where_it_has_read_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged tree may lead in circles."""
    events = [event(number, size=100) for number in range(1, 6)]
    monkeypatch.setattr(rescue, "MAX_RESCUED_BYTES", 200)
    with outbox(*events) as old:
        found = _read(old)
    assert sorted(found.events) == [1, 2, 3]


@pytest.mark.parametrize("unreadable", [{1}, {5}, {3}, {2, 4}, {1, 2, 3, 4, 5}])
def test_each_row_beside_a_hole_is_read(
    unreadable: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [event(number) for number in range(1, 6)]
    between, tried = rescue._between, []

    def with_holes(old: sqlite3.Connection, first: int, last: int):  # type: ignore[no-untyped-def]
        tried.append((first, last))
        for sequence, row in between(old, first, last):
            if sequence in unreadable:
                raise sqlite3.DatabaseError("malformed")
            yield sequence, row

    monkeypatch.setattr(rescue, "_between", with_holes)
    with outbox(*events) as old:
        found = _read(old)
    assert sorted(found.events) == sorted({1, 2, 3, 4, 5} - unreadable)
    assert found.rows == len(found.events)
    assert len(tried) == len(set(tried)), "none is tried again"


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE sqlite_sequence SET seq = 3",
        "UPDATE sqlite_sequence SET seq = 0",
        "DELETE FROM sqlite_sequence",
    ],
)
def test_events_are_read_whatever_the_newest_number_is_said_to_be(damage: str) -> None:
    with outbox(*(event(number) for number in range(1, 6))) as old:
        old.execute(damage)
        assert sorted(_read(old).events) == [1, 2, 3, 4, 5]


def test_a_tree_that_cannot_be_read_is_not_searched_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = []

    def unreadable(old: sqlite3.Connection, first: int, last: int) -> None:
        tried.append((first, last))
        assert len(tried) <= 9
        raise sqlite3.DatabaseError("malformed")

    monkeypatch.setattr(rescue, "_between", unreadable)
    monkeypatch.setattr(rescue, "MAX_HOLES", 9)
    with outbox(event(1)) as old:
        assert _read(old).events == {}
    assert len(tried) == 9


@pytest.mark.parametrize(
    ("counted", "indexed", "read", "length"),
    [
        (5, 5, 3, 5),
        (5, 3, 3, 3),
        (3, 5, 3, 3),
        (5, 4, 3, 5),
        (2, 4, 3, 3),
        (None, 4, 3, 4),
        (None, 2, 3, 3),
        (None, None, 3, None),
        (4, None, 3, 4),
    ],
)
def test_how_many_events_there_were_is_what_two_of_three_say(
    counted: int | None, indexed: int | None, read: int, length: int | None
) -> None:
    assert _Findings(rows=read, counted=counted, indexed=indexed).length == length


def test_lost_events_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _Findings({1: event(1)}, rows=1, counted=4, indexed=4, form=rows.PACKED)
    found.drops.append(("space", "status", 2, 1))
    found.aside.append(("status", 1.0, "refused", b"x"))
    monkeypatch.setattr(rescue, "_read_best", lambda *_: found)
    for copied, said, drops, aside in (
        (True, "1 events of the old one were carried over, 3 were lost", 3, 1),
        (False, "0 events of the old one were carried over, 4 were lost", 4, 0),
    ):
        with outbox() as new:
            assert rescue.rescue(None, new, "", copied=copied) == said  # type: ignore[arg-type]
            counters = counting.counters(new, Moment(9.0, trusted=True))
            assert counters.dropped == {"damage": drops, "space": 2}
            assert counting.unreported_drops(new)["damage", UNKNOWN_KIND] == drops
            assert (counters.length, counters.aside) == (int(copied), aside)
    monkeypatch.setattr(rescue, "_fresh", lambda *_: ([event(5), event(6)], 1, True))
    for copied, kept, lost in ((True, 3, 4), (False, 0, 7)):
        with outbox() as new:
            said = rescue.rescue(None, new, "", copied=copied)  # type: ignore[arg-type]
            assert said == f"{kept} events of the old one were carried over, {lost} were lost"
    found.counted = found.indexed = None
    monkeypatch.setattr(rescue, "_fresh", lambda *_: ([], 0, True))
    with outbox() as new:
        said = rescue.rescue(None, new, "")  # type: ignore[arg-type]
        assert (
            said == "1 events of the old one were carried over; how many were lost cannot be told"
        )


WHOLE = _Findings({1: event(1), 2: event(2)}, rows=2, counted=2, indexed=2)
HALF = _Findings({1: event(1)}, rows=1, counted=2, indexed=2)
ASIDE = _Findings({1: event(1)}, rows=1, counted=2, aside=[("status", 1.0, "refused", b"x")])


@pytest.mark.parametrize(
    ("fits", "found", "best", "tries"),
    [
        (True, [WHOLE, HALF], WHOLE, 1),
        (True, [HALF, WHOLE], WHOLE, 2),
        (True, [HALF, ASIDE], ASIDE, 2),
        (True, [ASIDE, HALF], ASIDE, 2),
        (False, [HALF, WHOLE], HALF, 1),
        (True, [None, HALF], HALF, 2),
        (True, [None, None], _Findings(), 2),
    ],
)
def test_a_new_first_page_is_tried_where_it_can_bring_more(
    fits: bool,
    found: list[_Findings | None],
    best: _Findings,
    tries: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = list(found)

    def read(old: sqlite3.Connection) -> _Findings:
        if (findings := left.pop(0)) is None:
            raise sqlite3.DatabaseError("malformed")
        return findings

    monkeypatch.setattr(rescue, "open_image", lambda *_: sqlite3.connect(":memory:"))
    monkeypatch.setattr(rescue, "fits_into_memory", lambda _: fits)
    monkeypatch.setattr(rescue, "_read", read)
    assert rescue._read_best(Path("damaged.db"), "") == best
    assert len(found) - len(left) == tries


@pytest.mark.parametrize(
    ("stored", "number"),
    [("0", 0), ("1 << 40", 1 << 40), ("(1 << 40) + 1", None), ("-1", None), ("1.5", None),
     ("'1'", None), ("NULL", None)],
)  # fmt: skip
def test_a_number_that_no_outbox_counts_to_is_none(stored: str, number: int | None) -> None:
    with outbox() as old:
        assert rescue._number(old, f"SELECT {stored}") == number
        assert rescue._number(old, f"SELECT {stored} FROM events") is None, "there is no row"
