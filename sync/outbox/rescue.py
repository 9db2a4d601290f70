"""Copy what can be read of a damaged outbox into its successor, and count what is lost."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sync.outbox import counting, rows
from sync.outbox.clock import Moment
from sync.outbox.fresh import not_taken_in
from sync.outbox.image import fits_into_memory, open_image
from sync.outbox.integrity import UNKNOWN_KIND, UNREADABLE, is_aside, is_drop, row_problem
from sync.outbox.kinds import PRIORITY
from sync.outbox.packing import unpacked
from sync.outbox.rows import FRESH, TAKEN_IN
from sync.outbox.stored import RenderedEvent

MAX_RESCUED_BYTES = 256 << 20  # of payload; a damaged B-tree may lead in circles
MAX_HOLES = 10_000  # ranges that cannot be read; then no further ones are tried
MAX_SEQUENCE = 1 << 40  # above any sequence number, and any number of events
NEWEST = "SELECT max(seq) FROM sqlite_sequence WHERE name = 'events'"
ASIDE = "SELECT kind, at, reason, payload FROM aside ORDER BY sequence DESC LIMIT ?"

log = logging.getLogger(__name__)


@dataclass
class _Findings:
    """What can be read of a damaged outbox.

    Attributes:
        events: The intact events, by sequence number.
        rows: How many rows there are, damaged ones included.
        counted: How many there were, as the outbox had counted them; None where that is unknown.
        indexed: How many there are in the index of their ids; None likewise.
        newest, taken_in: The newest number of an event, and the newest generation of fresh entries
            that it has taken in; None where that is unknown.
        form: The format of the database; None likewise.
        drops: Rows of the table ``drops``.
        aside: Kind, time, reason and payload of each message in the table ``aside``, the newest
            first.
    """

    events: dict[int, RenderedEvent] = field(default_factory=dict)
    rows: int = 0
    counted: int | None = None
    indexed: int | None = None
    newest: int | None = None
    taken_in: int | None = None
    form: int | None = None
    drops: list[tuple[str, str, int, int]] = field(default_factory=list)
    aside: list[tuple[str, float, str, bytes]] = field(default_factory=list)

    @property
    def amount(self) -> tuple[int, int]:
        """How much was read: events first, then rows of the other tables."""
        return len(self.events), len(self.drops) + len(self.aside)

    @property
    def length(self) -> int | None:
        """How many events there were; None where that cannot be told.

        Damage of one place spoils one of three numbers: what two of them say is so.
        """
        told = [number for number in (self.counted, self.indexed, self.rows) if number is not None]
        number, times = Counter(told).most_common(1)[0]
        if times > 1:
            return number
        other = self.counted if self.counted is not None else self.indexed
        return None if other is None else max(other, self.rows)


def rescue(
    damaged: Path, successor: sqlite3.Connection, schema: str, *, copied: bool = True
) -> str:
    """Copy every readable event, in order; lost events count as dropped.

    An event keeps its id and gets a new sequence number in the new stream. So one that was sent
    before is sent twice with the same id. Part of the transaction that makes the successor.

    Args:
        damaged: The damaged database, which stays as it is.
        successor: The new one.
        schema: The SQL that both were made with.
        copied: Whether to copy events at all; not where the disk has no room for them.

    Returns:
        How many events were copied and lost, in words.
    """
    found = _read_best(damaged, schema)
    fresh, lost, is_fresh_known = _fresh(damaged, found)
    events = [found.events[number] for number in sorted(found.events)] + fresh if copied else []
    rows.append(successor, events)
    successor.executemany("INSERT OR IGNORE INTO drops VALUES (?, ?, ?, ?)", found.drops)
    if copied:
        rows.carry_aside_over(successor, found.aside)
    said = f"{len(events)} events of the old one were carried over"
    if not copied:
        lost += len(fresh)
    if found.length is not None:
        lost += max(0, found.length - len(found.events) if copied else found.length)
    if lost:
        counting.count_drops(successor, {("damage", UNKNOWN_KIND): lost})
    if found.length is None or not is_fresh_known:
        return f"{said}; how many were lost cannot be told"
    return f"{said}, {lost} were lost"


def _fresh(damaged: Path, found: _Findings) -> tuple[list[RenderedEvent], int, bool]:
    """The fresh events, how many of them are lost, and whether that is known."""
    try:
        return *not_taken_in(damaged, found.newest, found.taken_in), True
    except FileNotFoundError:  # one that an earlier version made has none
        return [], 0, found.form is not None and found.form < FRESH
    except OSError as error:
        log.error("%s: its fresh entries cannot be read: %s", damaged, error)
        return [], 0, False


def _read_best(damaged: Path, schema: str) -> _Findings:
    """Read the database as it is, and with a new first page unless that can bring no more."""
    best: _Findings | None = None
    for new_first_page in ("", schema):
        with suppress(OSError, MemoryError, *UNREADABLE):
            with closing(open_image(damaged, new_first_page)) as old:
                found = _read(old)
            if best is None or found.amount > best.amount:
                best = found
            is_whole = best.events and len(best.events) == best.length
            if is_whole or not fits_into_memory(damaged):
                break
    return best or _Findings()


def _read(old: sqlite3.Connection) -> _Findings:
    found = _Findings()
    _read_events(old, found)
    found.form = _number(old, "PRAGMA user_version")
    found.counted = _number(old, "SELECT value FROM counters WHERE name = 'length'")
    told_newest = (_number(old, NEWEST), _number(old, "SELECT max(sequence) FROM events"))
    found.newest = max((number for number in told_newest if number is not None), default=None)
    told = {_number(old, "SELECT value FROM counters WHERE name = ?", name) for name in TAKEN_IN}
    found.taken_in = told.pop() if len(told) == 1 else None
    found.indexed = _number(old, "SELECT count(*) FROM events")  # SQLite counts the index's entries
    with suppress(*UNREADABLE):
        found.drops += [row for row in old.execute("SELECT * FROM drops") if is_drop(*row)]
    with suppress(*UNREADABLE):
        for row in old.execute(ASIDE, (rows.MAX_ASIDE,)):
            if is_aside(*row):
                found.aside.append(row)
    return found


def _number(old: sqlite3.Connection, query: str, *given: str) -> int | None:
    with suppress(TypeError, *UNREADABLE):
        (number,) = old.execute(query, given).fetchone()
        return number if isinstance(number, int) and 0 <= number <= MAX_SEQUENCE else None
    return None


def _read_events(old: sqlite3.Connection, found: _Findings) -> None:
    """Read in order up to a row that cannot be read, then each half of the range behind it."""
    last = _number(old, NEWEST) or MAX_SEQUENCE
    ranges = deque([(1, last), (last + 1, MAX_SEQUENCE)])
    holes = size = 0
    while ranges and holes < MAX_HOLES:
        first, last = ranges.popleft()
        try:
            for sequence, row in _between(old, first, last):
                if not first <= sequence <= last:
                    break  # the damaged B-tree leads elsewhere
                first = sequence + 1
                found.rows += 1
                if row is not None:
                    found.events[sequence] = row
                    size += len(row.payload)
                    if size > MAX_RESCUED_BYTES:
                        return
        except UNREADABLE:
            holes += 1
            if first < last:
                middle = (first + last) // 2
                ranges += [(first, middle), (middle + 1, last)]


def _between(
    old: sqlite3.Connection, first: int, last: int
) -> Iterator[tuple[int, RenderedEvent | None]]:
    """Yield the events from `first` to `last`; None for one whose row is damaged."""
    for sequence, id_, kind, at, trusted, stored in old.execute(
        "SELECT sequence, id, kind, at, trusted, payload FROM events "
        "WHERE sequence BETWEEN ? AND ? ORDER BY sequence",
        (first, last),
    ):
        payload = unpacked(stored)
        if not isinstance(payload, bytes) or row_problem(sequence, id_, kind, at, payload):
            yield sequence, None
        else:
            moment = Moment(at, bool(trusted))
            yield sequence, RenderedEvent(id_, kind, PRIORITY[kind], moment, payload)
