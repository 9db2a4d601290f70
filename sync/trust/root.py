"""The root that the owner gave: as a file, or by its digest, by which a store is asked for it.

Either way the data folder has a copy from then on.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from catalog.core import durable
from catalog.core.errors import SettingsError, ShelfError
from sync.errors import ForgedError, NotInStoreError, StoreRefusedError
from sync.settings import SyncSettings
from sync.stores.base import METADATA, Store

COPY = "root.json"  # in the data folder
LARGEST = 512_000  # bytes, as python-tuf reads
MOST = 256  # roots of one store, as python-tuf follows


def factory_root(settings: SyncSettings, folder: Path, store: Store | None = None) -> bytes:
    """Read the owner's ``root.json``.

    It comes from the file that ``[sync] root`` names, or where that is missing from its copy in
    the data folder; with ``[sync] root_sha256`` alone from the copy, or once from the store.

    Args:
        settings: ``[sync]``.
        folder: The data folder.
        store: Where the root is looked for that is known by its digest; None to fetch nothing.

    Raises:
        SettingsError: None was given, it cannot be read, or it is no root.
        ForgedError: The store has none of this digest.
        StoreError: The store cannot be read.
        ShelfError: The copy cannot be read or written.
    """
    digest, copy = settings.root_sha256, folder / COPY
    is_given = settings.root is not None and os.path.exists(settings.root.expanduser())
    if not digest or is_given:
        data = _given_root(settings.root, folder)
        if digest and sha256(data).hexdigest() != digest:
            raise SettingsError(
                "[sync] root and root_sha256 are not of one owner; take one of them out"
            )
        return data
    try:
        data = copy.read_bytes() if copy.exists() else b""
        if sha256(data).hexdigest() == digest:
            return data
        if store is None:
            raise SettingsError(
                "the owner's root.json was not fetched yet; run 'visual-search sync once'"
            )
        data = root_in(store, digest)
        _keep(copy, data)
    except OSError as error:
        raise ShelfError(f"{copy}: cannot be used: {error.strerror}") from error
    return data


def root_in(store: Store, digest: str) -> bytes:
    """Find the root of a digest among those of a store, which need not be trusted.

    Args:
        store: The store.
        digest: The SHA-256 of the root's file, in hexadecimal digits.

    Raises:
        ForgedError: None of them has it.
        StoreError: The store cannot be read, or has no root.
    """
    count = 0
    for version in range(1, MOST + 1):
        try:
            data = store.read(f"{METADATA}/{version}.root.json", LARGEST)
        except (NotInStoreError, StoreRefusedError):  # S3 may say either where there is no other
            if version == 1:
                raise
            break
        count = version
        if sha256(data).hexdigest() == digest:
            check_root(data, f"{store.url}: {METADATA}/{version}.root.json")
            return data
    raise ForgedError(
        f"{store.url}: none of its {count} root.json is the one that [sync] root_sha256 stands "
        "for; look whether the address and the digest are of one owner, and whether the owner has "
        "published there since the last 'sync keys rotate'"
    )


def _given_root(given: Path | None, folder: Path) -> bytes:
    """The root in a file, or where that is missing its copy."""
    copy = folder / COPY
    try:
        data = given.expanduser().read_bytes() if given is not None else None
    except OSError as error:
        if not copy.exists():
            raise SettingsError(f"{given}: [sync] root: {error.strerror}") from error
        data = None
    if data is not None:
        check_root(data, f"{given}: [sync] root")
    try:
        if data is None:
            return copy.read_bytes()
        if not copy.exists() or copy.read_bytes() != data:
            _keep(copy, data)
        return data
    except FileNotFoundError as error:
        raise SettingsError(
            "[sync] root: not set; set it to the root.json that the catalogue's owner gave"
        ) from error
    except OSError as error:
        raise ShelfError(f"{copy}: cannot be used: {error.strerror}") from error


def _keep(copy: Path, data: bytes) -> None:
    durable.make_private_folder(copy.parent)
    durable.write(copy, data)


def read_root(file: Path) -> bytes:
    """Read a ``root.json`` for this moment alone; the device keeps no copy of it.

    Raises:
        SettingsError: It cannot be read, or it is no root.
    """
    try:
        data = file.expanduser().read_bytes()
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from error
    check_root(data, str(file))
    return data


def check_root(data: bytes, name: str) -> None:
    """Check that it is a root at all; `Trust` finds out whether it fits the store.

    Raises:
        SettingsError: It is none.
    """
    try:
        signed = Metadata.from_bytes(data).signed
    except RepositoryError as error:
        raise SettingsError(f"{name}: is no root.json: {error}") from error
    if not isinstance(signed, Root):
        raise SettingsError(f"{name}: is a signed {signed.type}, no root; give the root.json")
