"""A repository in memory, with its owner, a device, and what an attacker can do."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, TypeVar

from tuf.api.metadata import Metadata, MetaFile, Signed, Snapshot, Targets, Timestamp

from catalog.bundles.manifest import FILES, MANIFEST, describe_files
from sync.errors import NotInStoreError, StoreChangedError, StoreConflictError
from sync.stores.base import CHUNK, ObjectInfo, Store, UploadProgress
from sync.trust.keys import KeyFolder
from sync.trust.publish import Published, ReleasePublisher
from sync.trust.trust import Trust

Role = TypeVar("Role", Targets, Snapshot, Timestamp)

TODAY = datetime(2026, 11, 22, 12, tzinfo=UTC)


def secret(folder: str, *, new: bool) -> bytes:
    """The passphrase of all keys here."""
    return b"five words by chance"


class MemoryStore(Store):
    """Objects by name.

    Attributes:
        objects: What it holds.
        failing: What to raise, by a part of the name.
        read_names: What was read.
        written: Called with the name before each write.
    """

    def __init__(self, url: str = "memory://store") -> None:
        self.url = url
        self.objects: dict[str, bytes] = {}
        self.failing: dict[str, Exception] = {}
        self.read_names: list[str] = []
        self.written: Callable[[str], object] = lambda name: None

    def folders(self, name: str) -> list[str]:
        below = (key.removeprefix(f"{name}/") for key in self.objects if key.startswith(f"{name}/"))
        return sorted({key.partition("/")[0] for key in below if "/" in key})

    def head(self, name: str) -> ObjectInfo | None:
        content = self.objects.get(name)
        return None if content is None else _entry(content)

    @contextmanager
    def open(self, name: str, start: int = 0, etag: str | None = None) -> Iterator[_Body]:
        self.read_names.append(name)
        for part, error in self.failing.items():
            if part in name:
                raise error
        if name not in self.objects:
            raise NotInStoreError(f"{self.url}: has no {name}")
        if etag not in (None, _entry(self.objects[name]).etag):
            raise StoreChangedError(f"{self.url}: {name} has changed")
        yield _Body(self.objects[name], start)

    def write(
        self,
        name: str,
        content: bytes | BinaryIO,
        *,
        replaces: str | None = None,
        new: bool = False,
        progress: UploadProgress = lambda count: None,
    ) -> ObjectInfo:
        self.written(name)
        found = self.head(name)
        if (new and found) or (replaces is not None and (not found or found.etag != replaces)):
            raise StoreConflictError(f"{self.url}: somebody else has just written {name}")
        data = content if isinstance(content, bytes) else content.read()
        progress(len(data))
        self.objects[name] = data
        return _entry(data)


class _Body:
    def __init__(self, content: bytes, start: int) -> None:
        self.size, self.etag, self.start = len(content), _entry(content).etag, start
        self._rest = io.BytesIO(content[start:])

    def read(self, limit: int = CHUNK) -> bytes:
        return self._rest.read(limit)


def _entry(content: bytes) -> ObjectInfo:
    return ObjectInfo(len(content), hashlib.sha256(content).hexdigest())


def write_hollow_bundle(folder: Path, like: Path, title: str = "Hollow") -> Path:
    """Write a bundle of a few bytes with the manifest of `like`: to be signed, not searched."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{title} {name}")
    manifest = json.loads((like / MANIFEST).read_bytes()) | {"title": title}
    manifest["files"] = {name: entry.model_dump() for name, entry in describe_files(folder).items()}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


@dataclass
class World:
    """An owner, a store, a device, and their clocks.

    Attributes:
        folder: Where everything is.
        like: A bundle whose manifest is used for others.
        keys: The owner's.
        store: The owner's, perhaps changed by an attacker.
        owners_time: The owner's clock.
        devices_time: The device's.
    """

    folder: Path
    like: Path
    keys: KeyFolder
    store: MemoryStore = field(default_factory=MemoryStore)
    owners_time: datetime = TODAY
    devices_time: datetime = TODAY

    def publish(self, title: str = "one", channel: str = "stable", days: float = 400) -> Published:
        """Publish a hollow bundle, an hour after the last one."""
        self.owners_time += timedelta(hours=1)
        bundle = write_hollow_bundle(self.folder / "hollow", self.like, title)
        return self.publisher().publish_validated(bundle, channel, days)

    def publisher(self) -> ReleasePublisher:
        """The owner's publisher."""
        return ReleasePublisher(self.store, self.keys, lambda: self.owners_time)

    def device(self, root: int = 1) -> Trust:
        """The trust of a device that has just started."""
        given = self.keys.roots[root]
        return Trust(self.state, given, self.store, clock=lambda: self.devices_time)

    @property
    def state(self) -> Path:
        """The device's folder."""
        return self.folder / "trust"

    def look(self, channel: str = "stable") -> int:
        """The number of the newest release, for a device that has just started."""
        device = self.device()
        device.refresh()
        return device.newest(channel).number

    def tamper(
        self,
        targets: Callable[[Targets], object] | None = None,
        snapshot: Callable[[Snapshot], object] = lambda signed: None,
        timestamp: Callable[[Timestamp], object] = lambda signed: None,
        keys: KeyFolder | None = None,
    ) -> None:
        """Sign a further state as a thief of keys can, changed by the functions."""
        keys = keys or self.keys
        newest = self.signed("timestamp.json", Timestamp)
        middle = self.signed(f"{newest.snapshot_meta.version}.snapshot.json", Snapshot)
        if targets is not None:
            version = middle.meta["targets.json"].version
            listed = self.signed(f"{version}.targets.json", Targets)
            listed.version += 1
            targets(listed)
            self.store.objects[f"metadata/{listed.version}.targets.json"] = keys.sign(listed)
            middle.meta["targets.json"] = MetaFile(listed.version)
        middle.version += 1
        snapshot(middle)
        self.store.objects[f"metadata/{middle.version}.snapshot.json"] = keys.sign(middle)
        newest.snapshot_meta = MetaFile(middle.version)
        newest.version += 1
        timestamp(newest)
        self.store.objects["metadata/timestamp.json"] = keys.sign(newest)

    def signed(self, name: str, kind: type[Role]) -> Role:
        """What is signed in the store's ``metadata/<name>``."""
        signed: Signed = Metadata.from_bytes(self.store.objects[f"metadata/{name}"]).signed
        assert isinstance(signed, kind)
        return signed
