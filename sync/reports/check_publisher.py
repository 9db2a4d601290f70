"""Publish the results of catalogue checks: each is put into the outbox as a status event."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.core.errors import SettingsError
from catalog.core.settings import DeviceSettings, device_id, load
from catalog.core.state import SyncState
from sync.outbox.database import FILE
from sync.outbox.events import status
from sync.outbox.outbox import Outbox
from sync.settings import OutboxSettings

PublishState = Callable[[SyncState], object]

log = logging.getLogger(__name__)


@contextmanager
def check_publisher(config: Path | None) -> Iterator[PublishState]:
    """Yield a function that publishes how a check ended; it is durable when the context ends.

    Where reporting is disabled, or its settings are wrong, the function does nothing: wrong
    settings for reporting must not stop the pull.

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
