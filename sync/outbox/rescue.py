"""Copy what can be read of a damaged outbox into its successor, and count what is lost."""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from sync.outbox import rows
from sync.outbox.clock import Moment
from sync.outbox.events import PRIORITY, VERBATIM
from sync.outbox.rows import RenderedEvent

MAX_RESCUED_BYTES = 256 << 20  # of payload; a damaged B-tree may lead in circles
MAX_HOLES = 10_000  # ranges that cannot be read; then no further ones are tried
MAX_SEQUENCE = 1 << 40  # above any sequence number, where the last one cannot be read


def rescue(damaged: Path, successor: sqlite3.Connection, *, copied: bool = True) -> str:
    """Copy every readable event, in order; lost events count as dropped.

    An event keeps its id and gets a new sequence number in the new stream. So one that was sent
    before is sent twice with the same id. Part of the transaction that makes the successor.

    Args:
        damaged: The damaged database.
        successor: The new one.
        copied: Whether to copy events at all; not where the disk has no room for them.

    Returns:
        How many events were copied and lost, in words.
    """
    found: dict[int, RenderedEvent] = {}
    length: int | None = None
    with suppress(sqlite3.Error), closing(sqlite3.connect(damaged, isolation_level=None)) as old:
        length = _length(old)
        if copied:
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
    """How many events there were; None where that cannot be read."""
    with suppress(sqlite3.Error, TypeError, ValueError):
        found = old.execute("SELECT value FROM counters WHERE name = 'length'").fetchone()
        return int(found[0])
    return None


def _last(old: sqlite3.Connection) -> int:
    with suppress(sqlite3.Error, TypeError, ValueError):
        found = old.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
        return min(int(found[0]), MAX_SEQUENCE)
    return MAX_SEQUENCE


def _readable(old: sqlite3.Connection) -> dict[int, RenderedEvent]:
    """Read the intact events, by sequence number.

    Reads in order up to a row that cannot be read, then each half of the range behind it.
    """
    found: dict[int, RenderedEvent] = {}
    ranges, holes, size = deque([(1, _last(old))]), 0, 0
    while ranges and holes < MAX_HOLES:
        first, last = ranges.popleft()
        try:
            for sequence, row in _between(old, first, last):
                if not first <= sequence <= last:
                    break  # the damaged B-tree leads elsewhere
                first = sequence + 1
                if row is not None:
                    found[sequence] = row
                    size += len(row.payload)
                    if size > MAX_RESCUED_BYTES:
                        return found
        except sqlite3.Error:
            holes += 1
            if first < last:
                middle = (first + last) // 2
                ranges += [(first, middle), (middle + 1, last)]
    return found


def _between(
    old: sqlite3.Connection, first: int, last: int
) -> Iterator[tuple[int, RenderedEvent | None]]:
    """Yield the events from `first` to `last`; None for one whose row is damaged."""
    for sequence, id_, kind, at, trusted, payload in old.execute(
        "SELECT sequence, id, kind, at, trusted, payload FROM events "
        "WHERE sequence BETWEEN ? AND ? ORDER BY sequence",
        (first, last),
    ):
        intact = _is_intact(id_, kind, at, payload)
        row = (
            RenderedEvent(id_, kind, PRIORITY[kind], Moment(at, bool(trusted)), payload)
            if intact
            else None
        )
        yield sequence, row


def _is_intact(id_: object, kind: object, at: object, payload: object) -> bool:
    """Whether a row looks as it was written."""
    if kind not in PRIORITY or not isinstance(at, float) or not isinstance(payload, bytes):
        return False
    if kind in VERBATIM:
        return isinstance(id_, str) and payload.isascii()
    try:
        return bool(json.loads(payload)["id"] == id_)
    except (ValueError, KeyError, TypeError):
        return False
