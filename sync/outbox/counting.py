"""The SQL of what an outbox counts; each function is a part of its caller's transaction."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping

from sync.outbox.clock import Moment
from sync.outbox.integrity import is_number
from sync.outbox.stored import Counters, Drops


def stream(database: sqlite3.Connection) -> str:
    """The id of the outbox, made with its database."""
    return str(database.execute("SELECT stream FROM about").fetchone()[0])


def count_drops(database: sqlite3.Connection, drops: Drops) -> None:
    """Count events that will never be sent."""
    database.executemany(
        "INSERT INTO drops VALUES (?, ?, ?, 0) "
        "ON CONFLICT DO UPDATE SET count = count + excluded.count",
        [(reason, kind, number) for (reason, kind), number in drops.items()],
    )


def unreported_drops(database: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """How many events were dropped and not reported yet, by reason and kind."""
    found = database.execute("SELECT reason, kind, count - told FROM drops WHERE count > told")
    return {(reason, kind): number for reason, kind, number in found}


def mark_drops_reported(database: sqlite3.Connection) -> None:
    """Mark all drops so far as reported."""
    database.execute("UPDATE drops SET told = count")
    put_counter(database, "drops_told_at", time.time())


def unreported_damage(database: sqlite3.Connection) -> str:
    """Why this database replaced a damaged one; empty where it did not, or it is reported."""
    return str(database.execute("SELECT damage FROM about").fetchone()[0])


def mark_damage_reported(database: sqlite3.Connection) -> None:
    """Mark the damage as reported."""
    database.execute("UPDATE about SET damage = ''")


def counter(database: sqlite3.Connection, name: str) -> float:
    """The value of a counter; 0 where it was never counted."""
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
    """Set a counter, or a text."""
    database.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (name, value))


def counters(
    database: sqlite3.Connection,
    now: Moment,
    gained: Mapping[str, float] = {},
    newer: Moment | None = None,
    lost: int = 0,
) -> Counters:
    """Read all counters; takes the same time however many events there are.

    Args:
        database: The outbox.
        now: The time.
        gained: What fresh entries add to counters.
        newer: The time of the first event among them.
        lost: How many events are lost there.
    """
    values = dict(database.execute("SELECT name, value FROM counters"))
    values |= {name: values.get(name, 0) + number for name, number in gained.items()}
    first = database.execute("SELECT at, trusted FROM events ORDER BY sequence LIMIT 1").fetchone()
    (aside,) = database.execute("SELECT count(*) FROM aside").fetchone()
    dropped = dict(database.execute("SELECT reason, sum(count) FROM drops GROUP BY reason"))
    if lost:
        dropped["damage"] = dropped.get("damage", 0) + lost
    if first is None and newer is not None:
        first = (newer.at, newer.trusted)
    return Counters(
        stream=stream(database),
        length=values.get("length", 0),
        bytes=values.get("bytes", 0),
        oldest_s=_age(first, now),
        sent=values.get("sent", 0),
        acknowledged=values.get("acknowledged", 0),
        dropped=dropped,
        aside=aside,
        offline_s=values.get("offline_s", 0.0),
        latency_s=values.get("latency_s", 0.0),
        latencies=values.get("latencies", 0),
        last_error=values.get("last_error", ""),
        last_error_at=values.get("last_error_at", ""),
    )


def _age(first: tuple[float, int] | None, now: Moment) -> float | None:
    """Seconds since an event; None unless its clock was trusted then as it is now."""
    if first is None or not is_number(first[0]):  # none, or a damaged one
        return None
    if bool(first[1]) != now.trusted or now.at < first[0]:
        return None
    return round(now.at - first[0], 1)
