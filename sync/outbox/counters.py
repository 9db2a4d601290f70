"""Read an outbox's counters, without opening it for events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from catalog.core.access import require_access
from catalog.core.settings import DeviceSettings
from sync.errors import NoOutboxError
from sync.outbox.database import FILE, OutboxDatabase
from sync.outbox.fresh import counters_of
from sync.outbox.stored import Counters


def read_counters(device: DeviceSettings) -> Counters:
    """Read the counters of a device's outbox.

    Raises:
        SurroundingsError: There is no outbox yet, or it cannot be read.
    """
    with opened(device) as database:
        return database.look(counters_of)


@contextmanager
def opened(device: DeviceSettings) -> Iterator[OutboxDatabase]:
    """Open a device's outbox, for the time of a `with` block.

    Raises:
        SurroundingsError: There is no outbox yet, or it cannot be read.
    """
    folder = device.folder
    require_access(folder)
    if not (folder / FILE).exists():
        raise NoOutboxError(
            f"{folder / FILE}: there is no outbox yet; 'visual-search edge run' makes it"
        )
    database = OutboxDatabase(folder / FILE)
    try:
        yield database
    finally:
        database.close()
