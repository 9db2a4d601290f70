"""Put what was taught on this device into the owner's store, and go on where it was cut off.

Files that the store has are not sent again. The list comes last, so that whoever reads it finds
all that it names.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from catalog.core import durable
from catalog.core.errors import ShelfError, VisualSearchError
from catalog.core.settings import DeviceSettings
from sync.backoff import Backoff
from sync.errors import StoreRefusedError
from sync.sharing.listing import (
    FILES,
    LISTING,
    TABLE,
    device_key,
    device_name,
    list_folder,
    place,
    sign,
)
from sync.stores.base import Store

DONE_FILE = "shared.sha256"  # in the state folder: of the list that was put last
LOOK_S = 60.0  # between two looks at the folder
MIN_RETRY_S, MAX_RETRY_S = 60.0, 3600.0

log = logging.getLogger(__name__)


def share(store: Store, device: DeviceSettings) -> int:
    """Put into the store what it lacks of the shared folder; returns how many files were sent.

    Args:
        store: The owner's store, open for writing below `shared/<device>/`.
        device: ``[device]``.

    Raises:
        StoreError: The store cannot be read or written.
        ShelfError: The folder, or the device's key, cannot be used.
    """
    folder, name = device.shared, device_name(device)
    listing = list_folder(folder, name)
    if listing is None:
        return 0
    content = sign(listing, device_key(device.folder))
    digest = hashlib.sha256(store.url.encode() + content).hexdigest()
    if digest == _done(device.state):
        return 0
    sent = 0
    for file, described in listing.files.items():
        target = place(name, f"{FILES}/{described.sha256}")
        if not _is_there(store, target):
            store.write(target, _content(folder / file, described.sha256))
            sent += 1
    store.write(place(name, LISTING), content)
    durable.write(device.state / DONE_FILE, digest.encode(), durable.PRIVATE)
    return sent


def share_worker(
    open_store: Callable[[], Store], device: DeviceSettings
) -> Callable[[threading.Event, threading.Event], None]:
    """The worker of ``sync run`` that shares what was taught, soon after it changed."""

    def work(stopping: threading.Event, wake: threading.Event) -> None:
        backoff = Backoff(MIN_RETRY_S, MAX_RETRY_S)
        pause, shared = 0.0, 0
        while not stopping.wait(pause):
            pause, changed = LOOK_S, _changed_at(device.shared / TABLE)
            if changed == shared:
                continue
            try:
                if sent := share(open_store(), device):
                    log.info("%d files that were taught here are with the owner", sent)
                backoff.succeeded()
                shared = changed
            except VisualSearchError as error:
                pause = backoff.pause_s()
                log.error("what was taught is not shared: %s; again in %.0f s", error, pause)

    return work


def _changed_at(table: Path) -> int:
    """When the table was written, in nanoseconds; the appliance writes it with every change."""
    try:
        return table.stat().st_mtime_ns
    except OSError:
        return 0


def _content(file: Path, sha256: str) -> bytes:
    """A file's bytes.

    Raises:
        ShelfError: It cannot be read, or has changed since it was listed.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ShelfError(f"{file}: cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ShelfError(f"{file}: has just changed")
    return content


def _is_there(store: Store, name: str) -> bool:
    """Whether the store has an object, as far as it tells: S3 tells it only who may list."""
    try:
        return store.head(name) is not None
    except StoreRefusedError:
        return False


def _done(state: Path) -> str:
    try:
        return (state / DONE_FILE).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
