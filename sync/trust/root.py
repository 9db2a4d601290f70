"""The root that the owner gave: read once from where the settings say, then kept."""

from __future__ import annotations

from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from catalog.core import durable
from catalog.core.errors import SettingsError, ShelfError


def factory_root(given: Path | None, folder: Path) -> bytes:
    """The given ``root.json``, or the copy of it in the data folder, which stays.

    Raises:
        SettingsError: None was given, or it cannot be read, or is no root.
        ShelfError: It cannot be kept.
    """
    kept = folder / "root.json"
    try:
        data = given.expanduser().read_bytes() if given is not None else None
    except OSError as error:
        if not kept.exists():
            raise SettingsError(f"{given}: [sync] root: {error.strerror}") from error
        data = None
    if data is not None:
        _check_root(data, f"{given}: [sync] root")
    try:
        if data is None:
            return kept.read_bytes()
        if not kept.exists() or kept.read_bytes() != data:
            durable.make_folder(folder)
            durable.write(kept, data)
        return data
    except FileNotFoundError as error:
        raise SettingsError(
            "[sync] root: not set; set it to the root.json that the catalogue's owner gave"
        ) from error
    except OSError as error:
        raise ShelfError(f"{kept}: cannot be used: {error.strerror}") from error


def _check_root(data: bytes, name: str) -> None:
    """See whether it is a root at all; whether it fits the store is for `Trust` to find."""
    try:
        signed = Metadata.from_bytes(data).signed
    except RepositoryError as error:
        raise SettingsError(f"{name}: is no root.json: {error}") from error
    if not isinstance(signed, Root):
        raise SettingsError(f"{name}: is a signed {signed.type}, no root; give the root.json")
