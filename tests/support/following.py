"""An owner who publishes in a folder, and a device that follows its channel."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from catalog.bundles.shelf import Shelf
from catalog.core.settings import DeviceSettings
from sync.catalogues.follower import ChannelFollower
from sync.fleet.desired import read_desired
from sync.settings import SyncSettings
from sync.stores.choice import open_store
from sync.trust.keys import KeyFolder
from sync.trust.publish import Published, ReleasePublisher
from sync.trust.staging import ALL
from tests.conftest import sign_again

PASSPHRASE = b"five words by chance, no more"


def passphrase(folder: str, *, new: bool) -> bytes:
    """The passphrase of all keys here."""
    return PASSPHRASE


@dataclass
class Following:
    """An owner and a device, in one folder.

    Attributes:
        folder: With ``keys/``, ``store/`` and ``data/``.
        time: The time of all clocks; None for the real one.
    """

    folder: Path
    time: datetime | None = None

    @classmethod
    def create(cls, folder: Path, time: datetime | None = None) -> Following:
        """Make keys; nothing is published."""
        (folder / "store").mkdir(parents=True)
        KeyFolder.create(folder / "keys", passphrase)
        return cls(folder, time)

    def copy(self, folder: Path) -> Following:
        """Copy everything to another folder."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Following(folder, self.time)

    def publish(
        self,
        bundle: Path,
        channel: str = "stable",
        days: float = 400,
        source: str = "",
        *,
        ship_index: bool = False,
        share: int = ALL,
        **how: Any,
    ) -> Published:
        """Publish a bundle without validating it."""
        store = open_store(source or self.source, **how)
        keys = KeyFolder(self.folder / "keys", passphrase)
        publisher = ReleasePublisher(store, keys, self.clock)
        return publisher.publish_validated(
            bundle, channel, days, ship_index=ship_index, share=share
        )

    def device(self, engine: str = "auto", **settings: Any) -> ChannelFollower:
        """The follower of a device that has just started."""
        given = {"source": self.source, "root": self.folder / "keys" / "root.json"}
        sync = SyncSettings.model_validate(given | {"reserve_mb": 1} | settings)
        device = DeviceSettings(data_dir=self.data)
        desired = partial(read_desired, device.state)
        return ChannelFollower(sync, device, engine, self.clock, desired=desired)

    def clock(self) -> datetime:
        """The time."""
        return self.time or datetime.now(UTC)

    def pass_days(self, days: float) -> None:
        """Let `days` days pass."""
        self.time = self.clock() + timedelta(days=days)

    @property
    def source(self) -> str:
        """Address of the owner's folder."""
        return (self.folder / "store").as_uri()

    @property
    def store(self) -> Path:
        """The owner's folder."""
        return self.folder / "store"

    @property
    def data(self) -> Path:
        """The device's data folder."""
        return self.folder / "data"

    @property
    def shelf(self) -> Shelf:
        """The device's shelf."""
        return Shelf(self.data / "shelf")

    def active(self) -> str:
        """Id of the active bundle."""
        active = self.shelf.active()
        return "" if active is None else active.name

    def incoming(self) -> list[str]:
        """Names in the shelf's ``incoming``."""
        folder = self.shelf.incoming
        return sorted(file.name for file in folder.iterdir()) if folder.exists() else []


def variant(bundle: Path, out: Path, title: str) -> Path:
    """Copy a bundle and change its title, and so its id."""
    shutil.copytree(bundle, out)
    sign_again(out, title=title)
    return out
