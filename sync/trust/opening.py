"""Open the store and the trusted state that a device's settings name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from catalog.core.errors import SettingsError
from catalog.core.settings import DeviceSettings
from sync.settings import SyncSettings
from sync.stores.base import Store
from sync.stores.choice import open_store
from sync.trust.repository import now
from sync.trust.root import COPY, factory_root
from sync.trust.software import followed
from sync.trust.trust import Trust


def configured_store(settings: SyncSettings, device: DeviceSettings) -> Store:
    """Open the store that the settings name, as `open_store` does.

    Raises:
        SettingsError: No store is set, or a setting for it is wrong.
        MissingExtraError: boto3 is not installed.
    """
    from sync.credentials import boto3_session

    source = settings.source
    if not source:
        raise SettingsError(
            "[sync] source: not set; set it to s3://bucket/prefix or file:///folder"
        )
    return open_store(
        source,
        endpoint_url=settings.endpoint_url,
        region=settings.region,
        session=boto3_session(settings, device) if source.startswith("s3:") else None,
    )


def configured_trust(
    settings: SyncSettings,
    device: DeviceSettings,
    store: Store,
    clock: Callable[[], datetime] = now,
) -> Trust:
    """The trusted state of the repository in `store`.

    Raises:
        SettingsError: No root was given, or it is no root.
        ForgedError: The store has no root of the digest that was given.
        StoreError: The root was to come from the store, which cannot be read.
        ShelfError: The data folder cannot be used.
    """
    root = factory_root(settings, device.folder, store)
    return Trust(trust_folder(device), root, store, clock=clock)


def newest_root(root: bytes, device: DeviceSettings) -> bytes:
    """The newest root that this machine knows of the owner who gave `root`.

    Args:
        root: The owner's.
        device: ``[device]``; what it has seen counts where it has the same root.

    Raises:
        ForgedError: The roots that the device has seen do not follow from it.
    """
    copy = device.folder / COPY
    if not copy.exists() or copy.read_bytes() != root:
        return root
    return followed(root, trust_folder(device) / "root_history")


def trust_folder(device: DeviceSettings) -> Path:
    """Where a device keeps what it has verified."""
    return device.folder / "trust"
