"""What can still be read of a damaged outbox goes on into its successor."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from sync import outbox_rows as rows
from sync.clock import Moment
from sync.events import VERBATIM, WORTH
from sync.outbox_rows import Row

MOST_BYTES = 256 << 20  # of payload; a damaged tree may lead in circles


def rescue(damaged: Path, successor: sqlite3.Connection) -> int:
    """Copy every readable event, in order, with its id; returns how many.

    They get new numbers in the new stream; one that had been sent already is a duplicate by
    its id. Part of the transaction that makes the successor.
    """
    found = list(_readable(damaged))
    rows.append(successor, found)
    return len(found)


def _readable(damaged: Path) -> Iterator[Row]:
    size = 0
    with suppress(sqlite3.Error), closing(sqlite3.connect(damaged, isolation_level=None)) as old:
        for id_, kind, at, trusted, payload in old.execute(
            "SELECT id, kind, at, trusted, payload FROM events ORDER BY sequence"
        ):
            if not _is_whole(id_, kind, at, payload):
                continue
            size += len(payload)
            if size > MOST_BYTES:
                return
            yield Row(id_, kind, WORTH[kind], Moment(at, bool(trusted)), payload)


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
