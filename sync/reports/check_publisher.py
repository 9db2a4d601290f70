"""What the link has to say of itself goes into the outbox, as what the device sees does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.core.errors import SettingsError
from catalog.core.settings import DeviceSettings, device_id, load
from catalog.core.state import SyncState
from sync.outbox.events import status
from sync.outbox.outbox import FILE, Outbox
from sync.settings import OutboxSettings

PublishCheck = Callable[[SyncState], object]

log = logging.getLogger(__name__)


@contextmanager
def check_publisher(config: Path | None) -> Iterator[PublishCheck]:
    """A way to report how a check ended; what was told is on the disk when the context ends.

    Where reporting is set wrong, nothing is told: that must not stop the pull.

    Raises:
        SettingsError: A setting of the device is wrong.
        OutboxError: The outbox cannot be used.
    """
    try:
        settings = load("outbox", OutboxSettings, config)
    except SettingsError as error:
        log.error("nothing is reported: %s", error)
        yield lambda state: None
        return
    if not settings.enabled:
        yield lambda state: None
        return
    folder = load("device", DeviceSettings, config).folder
    outbox = Outbox(folder / FILE, settings, device_id(folder))
    try:
        yield lambda state: outbox.put(
            status(
                "sync",
                state.message,
                outcome=state.outcome,
                channel=state.channel,
                bundle=state.active.bundle if state.active else "",
                release=(state.active.release if state.active else None) or 0,
            )
        )
    finally:
        outbox.close()
