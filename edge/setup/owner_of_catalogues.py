"""Check whom a fresh device is to believe: the owner of its catalogues, as the page chose."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from catalog.core import durable
from catalog.core.errors import ContentError, SettingsError, ShelfError
from sync.settings import SyncSettings
from sync.stores.choice import check_address
from sync.trust.root import COPY, check_root


def checked_owner(
    values: Mapping[str, object], root: str, present: SyncSettings, data: Path
) -> dict[str, object]:
    """The values to be set, of which nothing of a former owner stays.

    Args:
        values: Settings by their names.
        root: The content of the owner's root.json; empty for none.
        present: ``[sync]`` as it is now.
        data: The data folder.

    Raises:
        ContentError: There is an address without an owner.
        SettingsError: It is no address, or no root, or this device has another one.
    """
    wanted, source = dict(values), values.get("sync.source", present.source)
    digest = values.get("sync.root_sha256", "")
    if source:
        check_address(str(source))
    if root:
        check_root(root.encode(), "the owner's root.json")
        digest = sha256(root.encode()).hexdigest()
        wanted["sync.root_sha256"] = ""
    if digest:
        _check_known_roots(str(digest), present.root, data / COPY)
    elif source != present.source:
        if source and present.root is None and not (data / COPY).exists():
            raise ContentError(
                "catalogues from an address need their owner's root.json, or the owner's code"
            )
        wanted["sync.root_sha256"] = ""
    return wanted


def keep_root(root: str, data: Path) -> None:
    """Keep the owner's root.json in the data folder.

    Raises:
        ShelfError: It cannot be written.
    """
    try:
        durable.make_private_folder(data)
        durable.write(data / COPY, root.encode())
    except OSError as error:
        raise ShelfError(f"{data / COPY}: cannot be written: {error.strerror}") from error


def _check_known_roots(digest: str, given: Path | None, copy: Path) -> None:
    """Check that the roots that this device has are the one of a digest."""
    for file in (given, copy):
        try:
            there = file.expanduser().read_bytes() if file is not None else None
        except FileNotFoundError:
            continue
        except OSError as error:
            raise SettingsError(f"{file}: cannot be read: {error.strerror}") from error
        if there is not None and sha256(there).hexdigest() != digest:
            raise SettingsError(f"this device has another root.json already: {file}")
