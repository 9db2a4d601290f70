"""The root that the owner gave: read from where the settings say, and copied to the data folder."""

from __future__ import annotations

from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from catalog.core import durable
from catalog.core.errors import SettingsError, ShelfError

COPY = "root.json"  # in the data folder


def factory_root(given: Path | None, folder: Path) -> bytes:
    """Read ``root.json``: the given file, or where that is missing the copy in the data folder.

    Raises:
        SettingsError: None was given, it cannot be read, or it is no root.
        ShelfError: The copy cannot be read or written.
    """
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
            durable.make_private_folder(folder)
            durable.write(copy, data)
        return data
    except FileNotFoundError as error:
        raise SettingsError(
            "[sync] root: not set; set it to the root.json that the catalogue's owner gave"
        ) from error
    except OSError as error:
        raise ShelfError(f"{copy}: cannot be used: {error.strerror}") from error


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
