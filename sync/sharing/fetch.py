"""Fetch, for the owner, what devices have shared in a store.

A device's key is remembered when it is seen first; a list that another key signed is refused until
a person removes the old key from the file. Whoever may write into the store can add a device, so
`catalog build` names each new one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from catalog.core import durable
from catalog.core.errors import SurroundingsError
from sync.errors import ForgedListingError, NotInStoreError
from sync.sharing.listing import (
    DEVICE,
    FILES,
    LARGEST_LISTING,
    LISTING,
    SHARED,
    Listing,
    place,
    verify,
)
from sync.stores.base import Store

KEYS_FILE = "devices.json"
MOST_DEVICES = 1000

Keys = TypeAdapter(dict[str, str])


def fetch_shared(store: Store, folder: Path, tell: Callable[[str], object]) -> list[Path]:
    """Fetch all that devices share, and return a folder for each, with a table and photos.

    Args:
        store: The store.
        folder: Where the files are kept for the next time.
        tell: Hears a sentence of each new device.

    Raises:
        ForgedListingError: A list is not signed by its device, or a file is not the listed one.
        StoreError: The store cannot be read.
        SurroundingsError: The folder cannot be written.
    """
    devices = sorted(name for name in store.folders(SHARED) if DEVICE.fullmatch(name))
    if not devices:
        raise NotInStoreError(f"{store.url}: no device has shared anything there")
    try:
        durable.make_folder(folder)
        return [_fetch_device(store, folder, device, tell) for device in devices[:MOST_DEVICES]]
    except OSError as error:
        raise SurroundingsError(f"{folder}: cannot be written: {error.strerror}") from error


def _fetch_device(store: Store, folder: Path, device: str, tell: Callable[[str], object]) -> Path:
    listing, key = verify(store.read(place(device, LISTING), LARGEST_LISTING), device)
    _check_key(folder / KEYS_FILE, device, key, tell)
    own = folder / quote(device, safe="")  # a colon is no name everywhere
    for name in listing.files:
        _fetch_file(store, own, listing, name)
    wanted = set(listing.files)
    for file in (own / "photos").glob("*"):
        if f"photos/{file.name}" not in wanted:
            file.unlink()
    return own


def _fetch_file(store: Store, own: Path, listing: Listing, name: str) -> None:
    described, file = listing.files[name], own / name
    if file.exists() and hashlib.sha256(file.read_bytes()).hexdigest() == described.sha256:
        return
    source = place(listing.device, f"{FILES}/{described.sha256}")
    content = store.read(source, described.bytes)
    if hashlib.sha256(content).hexdigest() != described.sha256:
        raise ForgedListingError(f"{store.url}: {source} is not the file that was listed")
    durable.make_folder(file.parent)
    durable.write(file, content)


def _check_key(file: Path, device: str, key: str, tell: Callable[[str], object]) -> None:
    """Remember a new device's key; another key of a known one is refused."""
    try:
        keys = Keys.validate_json(file.read_bytes()) if file.exists() else {}
    except ValidationError as error:
        raise SurroundingsError(f"{file}: is damaged; remove it to begin anew") from error
    known = keys.get(device)
    if known is None:
        durable.write(file, json.dumps(keys | {device: key}, indent=1).encode(), durable.PRIVATE)
        tell(f"{device} is new; its key is {key}")
    elif known != key:
        raise ForgedListingError(
            f"{device}: another key signed what it shares; where the device was set up anew, "
            f"remove its line from {file}"
        )
