"""Read events in order; set damaged ones aside, so that they never stop the others."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

from sync.errors import OutboxError
from sync.outbox import rows
from sync.outbox.database import OutboxDatabase
from sync.outbox.stored import Batch, DamagedRow, Position

log = logging.getLogger(__name__)


def read_oldest(database: OutboxDatabase, count: int, after: Position | None) -> Batch:
    """Read the oldest events, at most `count`; none only where there are none.

    Returns:
        The events, and the damaged rows that were found and set aside.

    Raises:
        OutboxError: The outbox cannot be read now.
    """
    damaged: list[DamagedRow] = []
    while True:
        batch = database.read(partial(rows.oldest, count=count, after=after))
        if batch.damaged:
            _set_aside(database, batch.damaged)
            damaged += batch.damaged
        if batch.events or not batch.damaged:
            return replace(batch, damaged=damaged)
        after = batch.last


def _set_aside(database: OutboxDatabase, damaged: list[DamagedRow]) -> None:
    for row in damaged:
        log.error("%s: event %d is damaged: %s", database.path, row.sequence, row.problem)
    try:
        database.write(lambda connection: rows.set_damaged_aside(connection, damaged))
    except OutboxError as error:  # they stay, and are found again by the next who reads
        log.error("%s", error)
