"""``visual-search sync doctor``: check source, root, credentials, store, clock and disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from catalog.core.errors import MissingExtraError, SettingsError, ShelfError, VisualSearchError
from catalog.core.findings import Finding
from catalog.core.settings import DeviceSettings, load
from catalog.core.state import read_sync_state
from sync.catalogues.follower import ChannelFollower
from sync.credentials import credentials_endpoint
from sync.errors import ForgedError, NotInStoreError, StoreError, StoreRefusedError, TrustError
from sync.settings import SyncSettings
from sync.stores.base import METADATA, Store
from sync.trust.renewal import warning
from sync.trust.root import factory_root

MAX_CLOCK_SKEW = timedelta(minutes=5)  # S3 refuses more than fifteen
TIMEOUT_S = 10.0


def examine(config: Path | None, source: str | None = None) -> Iterator[Finding]:
    """Check everything that a pull needs, without installing anything."""
    try:
        device = load("device", DeviceSettings, config)
        settings = load("sync", SyncSettings, config)
        follower = ChannelFollower.from_settings(config, source)
        if follower.settings.source.startswith("s3:") and not _settings_fit(settings, device):
            yield _credentials(settings, device, follower.settings.source)
            return
        store = follower.store()
    except MissingExtraError as error:
        yield Finding("source", "wrong", str(error))
        return
    except VisualSearchError as error:
        yield Finding("source", "wrong", str(error), "see docs/sync.md, On the device")
        return
    yield Finding("source", "ok", f"{store.url}, channel {settings.channel!r}")
    yield _root(settings, device, store)
    yield _credentials(settings, device, follower.settings.source)
    yield from _store(follower, store)
    yield _clock(settings, device, store)
    yield _disk(device, settings)


def _root(settings: SyncSettings, device: DeviceSettings, store: Store) -> Finding:
    try:
        factory_root(settings, device.folder, store)
    except StoreError:
        return Finding("root", "note", "it comes from the store, which cannot be read now")
    except ForgedError as error:
        return Finding("root", "wrong", str(error), "look at the address and the digest")
    except (SettingsError, ShelfError) as error:
        remedy = "copy the owner's root.json here, once"
        if settings.root_sha256:
            remedy = "read the owner's code again: visual-search setup"
        return Finding("root", "wrong", str(error), remedy)
    return Finding("root", "ok", "the owner's root.json is here")


def _settings_fit(settings: SyncSettings, device: DeviceSettings) -> bool:
    """Whether the settings for the credentials endpoint are complete, if it is set."""
    try:
        credentials_endpoint(settings, device)
    except SettingsError:
        return False
    return True


def _credentials(settings: SyncSettings, device: DeviceSettings, source: str) -> Finding:
    if not source.startswith("s3:"):
        return Finding("credentials", "ok", "not needed for a folder")
    try:
        endpoint = credentials_endpoint(settings, device)
        if endpoint is not None:
            until = endpoint.keys().expiration
            return Finding("credentials", "ok", f"keys from AWS IoT, valid until {until}")
    except SettingsError as error:
        return Finding("credentials", "wrong", str(error), "mend the settings")
    except StoreError as error:
        return Finding(
            "credentials",
            "wrong",
            str(error),
            "look at the certificate, the role alias and the network; see docs/sync.md",
        )
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        found = boto3.Session().get_credentials()
    except BotoCoreError as error:
        return Finding("credentials", "wrong", str(error), "mend the profile or its files")
    if found is None:
        return Finding(
            "credentials",
            "wrong",
            "boto3 finds none",
            "set [sync] credentials_endpoint, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
            "in the service's environment",
        )
    return Finding("credentials", "ok", f"boto3 finds some ({found.method})")


def _store(follower: ChannelFollower, store: Store) -> Iterator[Finding]:
    try:
        found = store.head(f"{METADATA}/timestamp.json")
    except StoreRefusedError as error:
        yield Finding("store", "wrong", str(error), "let the device read this bucket and prefix")
        return
    except StoreError as error:
        remedy = "look at the network and the address"
        if follower.settings.source.startswith("file:"):
            remedy = "put the stick in and mount it there, or look at the address"
        yield Finding("store", "wrong", str(error), remedy)
        return
    if found is None:
        yield Finding(
            "store",
            "wrong",
            f"{store.url}: nothing was published here",
            "compare bucket and prefix with what the owner gave to: visual-search sync publish",
        )
        return
    yield Finding("store", "ok", f"{store.url} answers")
    try:
        trust = follower.trust(store)
        trust.refresh()
        release = trust.newest(follower.settings.channel)
    except (NotInStoreError, StoreError) as error:
        yield Finding("channel", "wrong", str(error), "publish the bundle again")
    except TrustError as error:
        yield Finding("channel", "wrong", str(error), "ask the catalogue's owner; see docs/sync.md")
    except VisualSearchError as error:
        yield Finding("channel", "wrong", str(error))
    else:
        warned = warning(release.expires, release.ends, datetime.now(UTC))
        message = (
            f"release {release.number}, {release.bundle}; valid until {release.expires:%Y-%m-%d}"
        )
        if warned:
            yield Finding("channel", "note", f"{message}, {warned}")
        else:
            yield Finding("channel", "ok", message)


def _clock(settings: SyncSettings, device: DeviceSettings, store: Store) -> Finding:
    remedy = "set the clock: timedatectl set-ntp true, or date --set"
    problem = read_sync_state(device.state).clock
    now = datetime.now(UTC)
    served = _server_time(settings) if store.url.startswith("s3:") else None
    if served is None:
        if problem:
            return Finding("clock", "wrong", problem, remedy)
        return Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M} UTC, nothing speaks against it")
    if abs(served - now) > MAX_CLOCK_SKEW:
        return Finding(
            "clock",
            "wrong",
            f"it says {now:%Y-%m-%d %H:%M} UTC, the store {served:%Y-%m-%d %H:%M}",
            remedy,
        )
    return Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M} UTC, as the store's")


def _server_time(settings: SyncSettings) -> datetime | None:
    """The time by the store's clock: any answer has it in a header; None where none comes."""
    region = settings.region or os.environ.get("AWS_REGION", "us-east-1")
    try:
        answer = httpx.head(
            settings.endpoint_url or f"https://s3.{region}.amazonaws.com", timeout=TIMEOUT_S
        )
        return parsedate_to_datetime(answer.headers["Date"])
    except (httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError):
        return None


def _disk(device: DeviceSettings, settings: SyncSettings) -> Finding:
    existing = device.folder
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    active = device.shelf / "active"
    needed = sum(file.stat().st_size for file in active.rglob("*") if file.is_file())
    message = f"{device.folder}: {free / 1e6:,.0f} MB free"
    if not os.access(existing, os.W_OK):
        return Finding(
            "disk", "wrong", f"{device.folder}: not writable by this user", "change its owner"
        )
    if free < settings.reserve_mb * 1_000_000 + needed:
        return Finding(
            "disk",
            "note",
            f"{message}; a wholly new catalogue as large as this one needs {needed / 1e6:,.0f} MB",
            "make room",
        )
    return Finding("disk", "ok", message)
