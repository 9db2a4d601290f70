"""The SQL of the outbox's events; each function is a part of its caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import repeat

from sync.outbox.clock import Moment
from sync.outbox.counting import count, count_drops, counter, put_counter, stream
from sync.outbox.integrity import kind_or_unknown, row_problem
from sync.outbox.kinds import with_position
from sync.outbox.packing import DAMAGED, packed, unpacked
from sync.outbox.stored import Batch, DamagedRow, Position, RenderedEvent, StoredEvent

PACKED = 2  # the format of a database from which on payloads are packed
FRESH = 3  # the format from which on there are fresh entries
# Counters of the newest generation of fresh entries that the database has taken in. Two, because a
# flipped bit in one could hide entries.
TAKEN_IN = ("taken_in", "taken_in_again")
SHRINK_TO = 0.95  # of the limit, so that not every further event has to make room again
MAX_ASIDE = 100  # messages that were set aside; the newest stay
DAY_S = 86_400.0
INSERT = (
    "INSERT OR IGNORE INTO events (sequence, id, kind, worth, at, trusted, size, payload) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


def append(
    database: sqlite3.Connection,
    rows: Sequence[RenderedEvent],
    numbers: Sequence[int] | None = None,
) -> None:
    """Add events, with the next numbers or with given ones.

    One that is there already stays as it is: the transaction was tried before. Where a damaged
    database gave its number to another one, it gets the next.
    """
    length = size = 0
    (form,) = database.execute("PRAGMA user_version").fetchone()
    for row, number in zip(rows, numbers or repeat(None), strict=False):
        values = (
            row.id,
            row.kind,
            row.priority,
            row.moment.at,
            row.moment.trusted,
            row.size,
            packed(row.payload) if form >= PACKED else row.payload,
        )
        added = database.execute(INSERT, (number, *values)).rowcount
        if not added and number is not None:  # its number is taken, or it is there
            added = database.execute(INSERT, (None, *values)).rowcount
        length += added
        size += added * row.size
    count(database, "length", length)
    count(database, "bytes", size)


def oldest(database: sqlite3.Connection, count: int, after: Position | None) -> Batch:
    """Read the `count` oldest rows; with `after` in the same stream, those that follow it."""
    name = stream(database)
    start = after[1] if after is not None and after[0] == name else -(1 << 63)
    found = database.execute(
        "SELECT sequence, id, kind, at, CAST(attempts AS INTEGER), payload FROM events "
        "WHERE sequence > ? ORDER BY sequence LIMIT ?",
        (start, count),
    ).fetchall()
    events: list[StoredEvent] = []
    damaged: list[DamagedRow] = []
    for sequence, id_, kind, at, attempts, stored in found:
        payload = unpacked(stored)
        if problem := row_problem(sequence, id_, kind, at, payload):
            time_ = at if isinstance(at, float) else 0.0
            readable = stored if payload == DAMAGED else payload
            data = readable if isinstance(readable, bytes) else str(readable or "").encode()
            row = DamagedRow(name, sequence, kind_or_unknown(kind), time_, data, problem)
            damaged.append(row)
        else:
            assert isinstance(payload, bytes)  # else there would be a problem
            sent = with_position(payload, kind, name, sequence)
            events.append(StoredEvent(name, sequence, id_, kind, at, attempts, sent))
    last = found[-1][0] if found else 0
    if len(found) < count:  # there is nothing behind them
        last = max(last, newest_sequence(database)[1])
    return Batch(events, damaged, (name, last))


def newest_sequence(database: sqlite3.Connection) -> Position:
    """The stream, and the newest sequence number in it, of removed events too."""
    return stream(database), max(newest_numbers(database))


def newest_numbers(database: sqlite3.Connection) -> tuple[int, int]:
    """The newest number that was given out, and the newest of an event; 0 where there is none.

    The first is smaller than the second only where it is damaged.
    """
    found: tuple[int, int] = database.execute(
        "SELECT coalesce((SELECT CAST(seq AS INTEGER) FROM sqlite_sequence "
        "WHERE name = 'events'), 0), coalesce((SELECT max(sequence) FROM events), 0)"
    ).fetchone()
    return found


def raise_newest_sequence(database: sqlite3.Connection, number: int) -> None:
    """Let the next event have a larger number than this one, which may have been removed."""
    if not database.execute(
        "UPDATE sqlite_sequence SET seq = max(CAST(seq AS INTEGER), ?) WHERE name = 'events'",
        (number,),
    ).rowcount:
        database.execute("INSERT INTO sqlite_sequence VALUES ('events', ?)", (number,))


def taken_in(database: sqlite3.Connection) -> int:
    """The newest generation of fresh entries that is in the database; 0 where there was none."""
    return int(counter(database, TAKEN_IN[0]))


def mark_taken_in(database: sqlite3.Connection, generation: int) -> None:
    """Say that this generation is in the database."""
    for name in TAKEN_IN:
        put_counter(database, name, generation)


def acknowledge(database: sqlite3.Connection, events: Iterable[StoredEvent]) -> None:
    """Remove delivered events and count them; events of another stream are left out."""
    name = stream(database)
    sent = {event.sequence: event.id for event in events if event.stream == name}
    found = database.execute(
        "SELECT sequence, id FROM events WHERE sequence IN (SELECT value FROM json_each(?))",
        (json.dumps(list(sent)),),
    )  # the id, too: a damaged database may have given a number twice
    own = [sequence for sequence, id_ in found if sent.get(sequence) == id_]
    count(database, "acknowledged", len(_remove(database, own)))


def count_attempt(database: sqlite3.Connection, events: Iterable[StoredEvent]) -> None:
    """Count a failed attempt to send each."""
    database.execute(
        "UPDATE events SET attempts = attempts + 1 "
        "WHERE sequence IN (SELECT value FROM json_each(?))",
        (json.dumps(_own_sequences(database, events)),),
    )


def set_aside(database: sqlite3.Connection, event: StoredEvent, reason: str) -> None:
    """Move a refused event to the table ``aside``, so that it is not sent; counts as dropped."""
    if _remove(database, _own_sequences(database, [event])):
        _put_aside(database, event.sequence, event.kind, event.at, reason, event.payload)
        count_drops(database, {("refused", event.kind): 1})


def set_damaged_aside(database: sqlite3.Connection, rows: Iterable[DamagedRow]) -> None:
    """Move damaged rows to the table ``aside``; they count as dropped."""
    for row in rows:
        if _remove(database, _own_sequences(database, [row])):
            _put_aside(database, row.sequence, row.kind, row.at, row.problem, row.payload)
            count_drops(database, {("damage", row.kind): 1})


def carry_aside_over(
    database: sqlite3.Connection, messages: Iterable[tuple[str, float, str, bytes]]
) -> None:
    """Add what a former database had set aside, the newest first: kind, time, reason, payload.

    Their numbers are below 1, so they are older than all that this one sets aside.
    """
    database.executemany(
        "INSERT INTO aside VALUES (?, ?, ?, ?, ?)",
        [(-index, *message) for index, message in enumerate(messages)],
    )


def shrink(database: sqlite3.Connection, max_bytes: int) -> None:
    """Drop events while they take more than `max_bytes`: lowest priority first, then oldest."""
    excess = counter(database, "bytes") - max_bytes
    if excess <= 0:
        return
    excess += int(max_bytes * (1 - SHRINK_TO))
    excessive: list[int] = []
    for sequence, size in database.execute(
        "SELECT sequence, CAST(size AS INTEGER) FROM events ORDER BY worth, sequence"
    ):
        if excess <= 0:
            break
        excessive.append(sequence)
        excess -= size
    _drop(database, excessive, "space")


def has_expired(database: sqlite3.Connection, now: Moment, max_days: float) -> bool:
    """Whether `expire` would drop events."""
    found = database.execute(
        "SELECT 1 FROM events WHERE trusted AND at < ? LIMIT 1", (now.at - max_days * DAY_S,)
    )
    return now.trusted and found.fetchone() is not None


def expire(database: sqlite3.Connection, now: Moment, max_days: float) -> None:
    """Drop events older than `max_days`, if the clocks then and now are trusted."""
    if not now.trusted:
        return
    found = database.execute(
        "SELECT sequence FROM events WHERE trusted AND at < ?", (now.at - max_days * DAY_S,)
    )
    _drop(database, [sequence for (sequence,) in found], "age")


def _put_aside(
    database: sqlite3.Connection, sequence: int, kind: str, at: float, reason: str, payload: bytes
) -> None:
    database.execute(
        "INSERT OR REPLACE INTO aside VALUES (?, ?, ?, ?, ?)", (sequence, kind, at, reason, payload)
    )
    database.execute(
        "DELETE FROM aside WHERE sequence NOT IN "
        "(SELECT sequence FROM aside ORDER BY sequence DESC LIMIT ?)",
        (MAX_ASIDE,),
    )


def _own_sequences(
    database: sqlite3.Connection, events: Iterable[StoredEvent | DamagedRow]
) -> list[int]:
    name = stream(database)
    return [event.sequence for event in events if event.stream == name]


def _drop(database: sqlite3.Connection, sequences: list[int], reason: str) -> None:
    drops: dict[tuple[str, str], int] = {}
    for kind in _remove(database, sequences):
        drops[reason, kind] = drops.get((reason, kind), 0) + 1
    count_drops(database, drops)


def _remove(database: sqlite3.Connection, sequences: list[int]) -> list[str]:
    """Delete events and return the kinds of those that were there."""
    removed = database.execute(
        "DELETE FROM events WHERE sequence IN (SELECT value FROM json_each(?)) "
        "RETURNING kind, CAST(size AS INTEGER)",
        (json.dumps(sequences),),
    ).fetchall()
    if removed:
        count(database, "length", -len(removed))
        count(database, "bytes", -sum(size for _, size in removed))
    return [kind_or_unknown(kind) for kind, _ in removed]
