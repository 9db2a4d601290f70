"""What is done with the outbox's rows; each function is part of one transaction."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sync.outbox.clock import Moment
from sync.outbox.events import placed

ROW_BYTES = 150  # what SQLite needs for a row beside its payload, about
ROOM_AGAIN = 0.95  # of the limit; thinned to this, so that not every event thins anew
REASONS = ("space", "age", "memory", "refused", "unfit", "damage")  # why events are dropped
MOST_ASIDE = 100  # messages that nobody would take; the newest are kept
DAY_S = 86_400.0

Drops = Mapping[tuple[str, str], int]  # (reason, kind): how many


@dataclass(frozen=True)
class RenderedEvent:
    """A rendered event, not yet in the outbox."""

    id: str
    kind: str
    worth: int
    moment: Moment
    payload: bytes

    @property
    def size(self) -> int:
        """Bytes that count against the outbox's limit."""
        return len(self.payload) + ROW_BYTES


@dataclass(frozen=True)
class StoredEvent:
    """An event in the outbox; `payload` is what is sent, `attempts` how often that failed."""

    stream: str
    sequence: int
    id: str
    kind: str
    at: float
    attempts: int
    payload: bytes


@dataclass(frozen=True)
class Counters:
    """What the outbox knows of itself, over all its time.

    Attributes:
        stream: Its id.
        length, bytes: Events that wait to be sent.
        oldest_s: Age of the oldest in seconds; None for none, or where its clock was wrong.
        sent: Messages handed to a transport; more than `acknowledged` after repetitions.
        acknowledged: Events that the other side has taken.
        dropped: Events that will never be sent, by reason.
        aside: Refused messages that are kept for a look at them.
        offline_s: Seconds in which there was no connection though one was wanted.
        latency_s, latencies: Sum of the seconds from sending to acknowledgement, and of how many.
        last_error, last_error_at: The newest trouble and its time, RFC 3339.
        waiting: Events of this process that are on their way to the disk.
    """

    stream: str = ""
    length: int = 0
    bytes: int = 0
    oldest_s: float | None = None
    sent: int = 0
    acknowledged: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    aside: int = 0
    offline_s: float = 0.0
    latency_s: float = 0.0
    latencies: int = 0
    last_error: str = ""
    last_error_at: str = ""
    waiting: int = 0


def stream(database: sqlite3.Connection) -> str:
    """The id that was born with the file."""
    return str(database.execute("SELECT stream FROM about").fetchone()[0])


def append(database: sqlite3.Connection, rows: Sequence[RenderedEvent]) -> None:
    """Add events; one that is there already (a transaction tried again) is left as it is."""
    length = size = 0
    for row in rows:
        added = database.execute(
            "INSERT OR IGNORE INTO events (id, kind, worth, at, trusted, size, payload) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (row.id, row.kind, row.worth, row.moment.at, row.moment.trusted, row.size, row.payload),
        ).rowcount
        length += added
        size += added * row.size
    count(database, "length", length)
    count(database, "bytes", size)


def oldest(
    database: sqlite3.Connection, count: int, after: StoredEvent | None
) -> list[StoredEvent]:
    """The first `count` events, or the first beyond `after` where that is of this stream."""
    name = stream(database)
    beyond = after.sequence if after is not None and after.stream == name else 0
    found = database.execute(
        "SELECT sequence, id, kind, at, attempts, payload FROM events "
        "WHERE sequence > ? ORDER BY sequence LIMIT ?",
        (beyond, count),
    )
    return [
        StoredEvent(name, sequence, id_, kind, at, attempts, placed(payload, kind, name, sequence))
        for sequence, id_, kind, at, attempts, payload in found
    ]


def newest_sequence(database: sqlite3.Connection) -> tuple[str, int]:
    """The stream and the last number that was given away in it."""
    found = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
    return stream(database), int(found[0]) if found else 0


def acknowledge(database: sqlite3.Connection, events: Iterable[StoredEvent]) -> None:
    """Remove events that were delivered; those of another stream are not here."""
    count(database, "acknowledged", len(_remove(database, _here(database, events))))


def count_attempt(database: sqlite3.Connection, events: Iterable[StoredEvent]) -> None:
    """Count a failed attempt to send each."""
    database.execute(
        "UPDATE events SET attempts = attempts + 1 "
        "WHERE sequence IN (SELECT value FROM json_each(?))",
        (json.dumps(_here(database, events)),),
    )


def set_aside(database: sqlite3.Connection, event: StoredEvent, reason: str) -> None:
    """Take an event out of the way of those behind it; counted as dropped."""
    if not _remove(database, _here(database, [event])):
        return
    database.execute(
        "INSERT OR REPLACE INTO aside VALUES (?, ?, ?, ?, ?)",
        (event.sequence, event.kind, event.at, reason, event.payload),
    )
    database.execute(
        "DELETE FROM aside WHERE sequence NOT IN "
        "(SELECT sequence FROM aside ORDER BY sequence DESC LIMIT ?)",
        (MOST_ASIDE,),
    )
    count_drops(database, {("refused", event.kind): 1})


def thin(database: sqlite3.Connection, most_bytes: int) -> None:
    """Keep below `most_bytes`: old sightings go first, heartbeats next, status last."""
    excess = counter(database, "bytes") - most_bytes
    if excess <= 0:
        return
    excess += int(most_bytes * (1 - ROOM_AGAIN))
    doomed: list[int] = []
    for sequence, size in database.execute(
        "SELECT sequence, size FROM events ORDER BY worth, sequence"
    ):
        if excess <= 0:
            break
        doomed.append(sequence)
        excess -= size
    _drop(database, doomed, "space")


def expire(database: sqlite3.Connection, now: Moment, most_days: float) -> None:
    """Drop what is too old, as far as the clocks then and now can be believed."""
    if not now.trusted:
        return
    found = database.execute(
        "SELECT sequence FROM events WHERE trusted AND at < ?", (now.at - most_days * DAY_S,)
    )
    _drop(database, [sequence for (sequence,) in found], "age")


def count_drops(database: sqlite3.Connection, drops: Drops) -> None:
    """Count events that will never be sent."""
    database.executemany(
        "INSERT INTO drops VALUES (?, ?, ?, 0) "
        "ON CONFLICT DO UPDATE SET count = count + excluded.count",
        [(reason, kind, number) for (reason, kind), number in drops.items()],
    )


def untold_drops(database: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """Drops that were not reported yet."""
    found = database.execute("SELECT reason, kind, count - told FROM drops WHERE count > told")
    return {(reason, kind): number for reason, kind, number in found}


def tell_drops(database: sqlite3.Connection) -> None:
    """All drops so far are being reported."""
    database.execute("UPDATE drops SET told = count")
    put_counter(database, "drops_told_at", time.time())


def untold_damage(database: sqlite3.Connection) -> str:
    """Why this database had to take another one's place, unless that was reported."""
    return str(database.execute("SELECT damage FROM about").fetchone()[0])


def tell_damage(database: sqlite3.Connection) -> None:
    """The damage is being reported."""
    database.execute("UPDATE about SET damage = ''")


def counter(database: sqlite3.Connection, name: str) -> float:
    """The value of a counter; 0 before it was first counted."""
    found = database.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
    return found[0] if found else 0


def count(database: sqlite3.Connection, name: str, number: float) -> None:
    """Add to a counter."""
    if number:
        database.execute(
            "INSERT INTO counters VALUES (?, ?) "
            "ON CONFLICT DO UPDATE SET value = value + excluded.value",
            (name, number),
        )


def put_counter(database: sqlite3.Connection, name: str, value: float | str) -> None:
    """Set a value that is no sum."""
    database.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (name, value))


def counters(database: sqlite3.Connection, now: Moment) -> Counters:
    """Everything that is known, without counting rows."""
    values = dict(database.execute("SELECT name, value FROM counters"))
    first = database.execute("SELECT at, trusted FROM events ORDER BY sequence LIMIT 1").fetchone()
    (aside,) = database.execute("SELECT count(*) FROM aside").fetchone()
    dropped = database.execute("SELECT reason, sum(count) FROM drops GROUP BY reason")
    return Counters(
        stream=stream(database),
        length=values.get("length", 0),
        bytes=values.get("bytes", 0),
        oldest_s=_age(first, now),
        sent=values.get("sent", 0),
        acknowledged=values.get("acknowledged", 0),
        dropped=dict(dropped),
        aside=aside,
        offline_s=values.get("offline_s", 0.0),
        latency_s=values.get("latency_s", 0.0),
        latencies=values.get("latencies", 0),
        last_error=values.get("last_error", ""),
        last_error_at=values.get("last_error_at", ""),
    )


def _age(first: tuple[float, int] | None, now: Moment) -> float | None:
    """Seconds, where both clocks were right or both were equally wrong."""
    if first is None or bool(first[1]) != now.trusted or now.at < first[0]:
        return None
    return round(now.at - first[0], 1)


def _here(database: sqlite3.Connection, events: Iterable[StoredEvent]) -> list[int]:
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
        "RETURNING kind, size",
        (json.dumps(sequences),),
    ).fetchall()
    if removed:
        count(database, "length", -len(removed))
        count(database, "bytes", -sum(size for _, size in removed))
    return [kind for kind, _ in removed]
