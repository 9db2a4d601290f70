"""Tell whether what an outbox holds is as it was written: a memory card may flip bits."""

from __future__ import annotations

import json
import math
import sqlite3
import uuid

from sync.outbox.kinds import PRIORITY, VERBATIM

REASONS = ("space", "age", "memory", "refused", "unfit", "damage")  # why events are dropped
UNKNOWN_KIND = "event"  # of a dropped event whose kind cannot be read
UNREADABLE = (sqlite3.Error, UnicodeDecodeError)  # of SQLite; the latter quotes what is damaged
TEXTS = ("last_error", "last_error_at")  # the counters that are texts


def row_problem(sequence: object, id_: object, kind: object, at: object, payload: object) -> str:
    """What is wrong with an event's row; empty where nothing is.

    Not found is a change that leaves a JSON document of the same event.
    """
    if not isinstance(sequence, int) or sequence < 1:
        return "its number is impossible"
    if kind not in PRIORITY:
        return "its kind is unknown"
    if not isinstance(at, float) or not math.isfinite(at):
        return "its time is no time"
    if not isinstance(payload, bytes):
        return "its payload is of another type"
    try:
        text = payload.decode()
        if kind == "message":
            return ""
        document = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return "its payload is damaged"
    if not isinstance(document, dict) or not text.endswith("}"):
        return "its payload is damaged"
    if kind in VERBATIM:
        return "" if list(document) == [kind] else "its payload is damaged"
    if (document.get("id"), document.get("kind")) != (id_, kind):
        return "its payload is that of another event"
    return ""


def kind_or_unknown(kind: object) -> str:
    """The kind, or what stands for one that cannot be read."""
    return kind if isinstance(kind, str) and kind in PRIORITY else UNKNOWN_KIND


def outbox_problem(database: sqlite3.Connection) -> str:
    """What is wrong with the tables beside the events, and with the counts of these."""
    found = database.execute("SELECT stream, damage FROM about").fetchone()
    if found is None or not _is_stream(found[0]) or not isinstance(found[1], str):
        return "has lost its id"
    counters = dict(database.execute("SELECT name, value FROM counters"))
    if not all(
        isinstance(value, str) if name in TEXTS else is_number(value)
        for name, value in counters.items()
    ):
        return "a counter is no number"
    if counters.get("taken_in") != counters.get("taken_in_again"):
        return "does not know which entries it has taken in"
    if any(not is_drop(*row) for row in database.execute("SELECT * FROM drops")):
        return "a count of dropped events is damaged"
    # NOT INDEXED: else SQLite counts the index's entries
    number, size = database.execute(
        "SELECT count(*), coalesce(sum(size), 0) FROM events NOT INDEXED"
    ).fetchone()
    if (number, size) != (counters.get("length", 0), counters.get("bytes", 0)):
        return f"has {number} events, and counted {counters.get('length', 0)}"
    return ""


def is_drop(reason: object, kind: object, count: object, told: object) -> bool:
    """Whether a row of the table ``drops`` is as it was written."""
    return (
        reason in REASONS
        and (kind in PRIORITY or kind == UNKNOWN_KIND)
        and isinstance(count, int)
        and isinstance(told, int)
        and 0 <= told <= count
    )


def is_aside(kind: object, at: object, reason: object, payload: object) -> bool:
    """Whether what can be read of a row of the table ``aside`` has the types that it was given."""
    return (
        kind_or_unknown(kind) == kind
        and isinstance(at, float)
        and isinstance(reason, str)
        and isinstance(payload, bytes)
    )


def is_number(value: object) -> bool:
    """Whether the value of a counter can be one."""
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


def lenient_text(data: bytes) -> str:
    """Read a text of the database, whatever bytes it has: SQLite's own reading fails on some."""
    return data.decode("utf-8", "replace")


def _is_stream(value: object) -> bool:
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")
