"""What can still be read of a damaged outbox goes on into its successor; the rest is counted."""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from sync.outbox import rows
from sync.outbox.clock import Moment
from sync.outbox.events import VERBATIM, WORTH
from sync.outbox.rows import RenderedEvent

MOST_BYTES = 256 << 20  # of payload; a damaged tree may lead in circles
MOST_HOLES = 10_000  # parts that cannot be read, then no smaller ones are tried
FAR = 1 << 40  # beyond any number, where the last cannot be read


def rescue(damaged: Path, successor: sqlite3.Connection, room: bool = True) -> str:
    """Copy every readable event, in order, with its id; those that are lost count as dropped.

    They get new numbers in the new stream; one that had been sent already is a duplicate by
    its id. Part of the transaction that makes the successor.

    Args:
        room: Whether the disk has room for them; without, all are lost.

    Returns:
        How many, in words.
    """
    found: dict[int, RenderedEvent] = {}
    length: int | None = None
    with suppress(sqlite3.Error), closing(sqlite3.connect(damaged, isolation_level=None)) as old:
        length = _length(old)
        if room:
            found = _readable(old)
    rows.append(successor, [found[number] for number in sorted(found)])
    said = f"{len(found)} events of the old one were carried over"
    if length is None:
        return f"{said}; how many were lost cannot be told"
    lost = max(0, length - len(found))
    if lost:
        rows.count_drops(successor, {("damage", "event"): lost})
    return f"{said}, {lost} were lost"


def _length(old: sqlite3.Connection) -> int | None:
    """How many events there were."""
    with suppress(sqlite3.Error, TypeError, ValueError):
        found = old.execute("SELECT value FROM counters WHERE name = 'length'").fetchone()
        return int(found[0])
    return None


def _last(old: sqlite3.Connection) -> int:
    with suppress(sqlite3.Error, TypeError, ValueError):
        found = old.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
        return min(int(found[0]), FAR)
    return FAR


def _readable(old: sqlite3.Connection) -> dict[int, RenderedEvent]:
    """Whole events by number: from the first to a hole, then what lies behind it, half by half."""
    found: dict[int, RenderedEvent] = {}
    parts, holes, size = deque([(1, _last(old))]), 0, 0
    while parts and holes < MOST_HOLES:
        first, last = parts.popleft()
        try:
            for sequence, row in _between(old, first, last):
                if not first <= sequence <= last:
                    break  # the tree leads astray
                first = sequence + 1
                if row is not None:
                    found[sequence] = row
                    size += len(row.payload)
                    if size > MOST_BYTES:
                        return found
        except sqlite3.Error:
            holes += 1
            if first < last:
                middle = (first + last) // 2
                parts += [(first, middle), (middle + 1, last)]
    return found


def _between(
    old: sqlite3.Connection, first: int, last: int
) -> Iterator[tuple[int, RenderedEvent | None]]:
    """The events of these numbers; None for one that is not what it was."""
    for sequence, id_, kind, at, trusted, payload in old.execute(
        "SELECT sequence, id, kind, at, trusted, payload FROM events "
        "WHERE sequence BETWEEN ? AND ? ORDER BY sequence",
        (first, last),
    ):
        whole = _is_whole(id_, kind, at, payload)
        row = (
            RenderedEvent(id_, kind, WORTH[kind], Moment(at, bool(trusted)), payload)
            if whole
            else None
        )
        yield sequence, row


def _is_whole(id_: object, kind: object, at: object, payload: object) -> bool:
    """Whether a row says what it said when it was written, as far as that can be told."""
    if kind not in WORTH or not isinstance(at, float) or not isinstance(payload, bytes):
        return False
    if kind in VERBATIM:
        return isinstance(id_, str) and payload.isascii()
    try:
        return bool(json.loads(payload)["id"] == id_)
    except (ValueError, KeyError, TypeError):
        return False
