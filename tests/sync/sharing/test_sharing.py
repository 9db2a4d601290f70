"""What was taught on a device reaches the owner whole, or not at all, and under its own name."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from catalog.core import durable
from catalog.core.settings import DeviceSettings
from sync.errors import ForgedListingError, NotInStoreError, StoreError
from sync.sharing import upload
from sync.sharing.fetch import KEYS_FILE, fetch_shared
from sync.sharing.listing import LISTING, device_name, place
from sync.sharing.upload import share, share_worker
from sync.stores.base import ObjectInfo, Store
from sync.stores.folder import FolderStore
from tests.support.brokers import until

TABLE = "sku,title,photo\n"


def shop(folder: Path, name: str, *photos: bytes) -> DeviceSettings:
    """A device that was taught something."""
    device = DeviceSettings(data_dir=folder / name, thing=name)
    (device.shared / "photos").mkdir(parents=True)
    device.state.mkdir()
    teach(device, *photos)
    return device


def teach(device: DeviceSettings, *photos: bytes) -> None:
    shared = device.shared
    for file in (shared / "photos").iterdir():
        file.unlink()
    table = TABLE
    for photo in photos:
        digest = hashlib.sha256(photo).hexdigest()
        (shared / "photos" / f"{digest}.jpg").write_bytes(photo)
        table += f"own-1,Cup,photos/{digest}.jpg\n"
    durable.write(shared / "items.csv", table.encode())  # at once, as the appliance does


def fetched(store: Store, folder: Path) -> dict[str, dict[str, bytes]]:
    """What the owner has of each device, by the files' names."""
    return {
        own.name: {str(f.relative_to(own)): f.read_bytes() for f in own.rglob("*") if f.is_file()}
        for own in fetch_shared(store, folder, lambda words: None)
    }


class CutOff(FolderStore):
    """A link that breaks after so many files."""

    def __init__(self, path: Path, left: int) -> None:
        super().__init__(path)
        self.left = left

    def write(self, name: str, content: bytes | BinaryIO, **options: Any) -> ObjectInfo:
        if self.left == 0:
            raise StoreError("the link is gone")
        self.left -= 1
        return super().write(name, content, **options)


@pytest.mark.slow
def test_all_that_was_taught_arrives_and_nothing_twice(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NotInStoreError):
        fetch_shared(store, tmp_path / "owner", lambda words: None)
    first, second = shop(tmp_path, "shop-1", b"one", b"two"), shop(tmp_path, "shop-2", b"one")
    assert (share(store, first), share(store, second)) == (3, 2)
    assert (share(store, first), share(store, second)) == (0, 0)
    heard: list[str] = []
    folders = fetch_shared(store, tmp_path / "owner", heard.append)
    assert [folder.name for folder in folders] == ["shop-1", "shop-2"]
    assert [words.partition(" is new")[0] for words in heard] == ["shop-1", "shop-2"]
    found = fetched(store, tmp_path / "owner")
    assert sorted(found["shop-1"].values()) == sorted(
        [b"one", b"two", (first.shared / "items.csv").read_bytes()]
    )
    teach(first, b"two", b"three")
    assert share(store, first) == 2  # the table and one photo
    found = fetched(store, tmp_path / "owner")
    assert {b"two", b"three"} < set(found["shop-1"].values())
    assert b"one" not in found["shop-1"].values()


def test_a_photo_that_is_being_written_is_not_shared_yet(tmp_path: Path) -> None:
    device = shop(tmp_path, "shop-1", b"one")
    (device.shared / "photos" / f".{'0' * 64}.jpg.0a1b2c3d").write_bytes(b"ha")
    (tmp_path / "store").mkdir()
    assert share(FolderStore(tmp_path / "store"), device) == 2


def test_a_link_that_breaks_at_any_file_costs_no_file_again(tmp_path: Path) -> None:
    device = shop(tmp_path, "shop-1", b"one", b"two", b"three")
    (tmp_path / "store").mkdir()
    sent = []
    for left in range(6):
        store = CutOff(tmp_path / "store", 1)
        try:
            share(store, device)
        except StoreError:
            with pytest.raises(NotInStoreError):  # the owner sees nothing that is not whole
                store.read(place("shop-1", LISTING), 10_000)
        sent.append(1 - store.left)
        assert left < 5 or store.left == 1, "nothing is left to be sent"
    assert sent == [1, 1, 1, 1, 1, 0]
    assert len(fetched(store, tmp_path / "owner")["shop-1"]) == 4


def test_what_the_device_did_not_sign_is_refused(tmp_path: Path) -> None:
    device = shop(tmp_path, "shop-1", b"one")
    (tmp_path / "store").mkdir()
    store = FolderStore(tmp_path / "store")
    share(store, device)
    fetched(store, tmp_path / "owner")
    listing = tmp_path / "store" / place("shop-1", LISTING)
    good = listing.read_bytes()
    forged = json.loads(good)
    escaping = {"../../x.py": {"sha256": "0" * 64, "bytes": 1}}
    for changed in (
        {"signed": forged["signed"] | {"device": "shop-2"}},
        {"signed": forged["signed"] | {"files": forged["signed"]["files"] | escaping}},
        {"signature": "0" * 128},
        {"key": "f" * 64},
        {"key": "nonsense"},
    ):
        forged = json.loads(good) | changed
        listing.write_text(json.dumps(forged))
        with pytest.raises(ForgedListingError):
            fetched(store, tmp_path / "owner")
    listing.write_bytes(good)
    photo = f"files/{hashlib.sha256(b'one').hexdigest()}"
    (tmp_path / "store" / place("shop-1", photo)).write_bytes(b"two")
    with pytest.raises(ForgedListingError, match="not the file that was listed"):
        fetched(store, tmp_path / "another owner")
    other = shop(tmp_path / "elsewhere", "shop-1", b"one")  # the same name, another key
    share(store, other)
    with pytest.raises(ForgedListingError, match=KEYS_FILE):
        fetched(store, tmp_path / "owner")


def test_a_thing_whose_name_is_no_folder_shares_under_the_devices_id(tmp_path: Path) -> None:
    for name in ("../shop", "a/b", ""):
        device = DeviceSettings(data_dir=tmp_path, thing=name)
        assert len(device_name(device)) == 36


def test_the_worker_shares_soon_after_something_was_taught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "LOOK_S", 0.02)
    monkeypatch.setattr(upload, "MIN_RETRY_S", 0.02)
    device = shop(tmp_path, "shop-1", b"one")
    (tmp_path / "store").mkdir()
    stopping, opened = threading.Event(), 0

    def open_store() -> Store:
        nonlocal opened
        opened += 1
        if opened == 1:
            raise StoreError("no network yet")
        return FolderStore(tmp_path / "store")

    def has(photo: bytes) -> bool:
        try:
            found = fetched(FolderStore(tmp_path / "store"), tmp_path / "owner")
        except NotInStoreError:
            return False
        return photo in found["shop-1"].values()

    worker = threading.Thread(
        target=share_worker(open_store, device), args=(stopping, threading.Event())
    )
    worker.start()
    until(lambda: has(b"one"))
    teach(device, b"one", b"two")
    until(lambda: has(b"two"))
    stopping.set()
    worker.join()
    assert opened == 3  # nothing is asked while nothing changes
