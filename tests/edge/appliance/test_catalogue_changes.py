"""A device whose catalogue changes again and again holds on to none that it left."""

from __future__ import annotations

import gc
import os
import shutil
import sqlite3
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from catalog.bundles import validator
from catalog.bundles.bundle import Bundle
from catalog.bundles.deployment_state import Probation
from catalog.bundles.manifest import (
    LOCAL,
    FileEntry,
    file_digest,
    read_manifest,
    verify,
    write_local_index,
)
from catalog.bundles.shelf import Shelf
from catalog.core.errors import BundleError
from catalog.core.settings import DeviceSettings
from catalog.core.state import read_edge_state
from edge.appliance import shelf_watcher
from edge.appliance.appliance import Appliance
from edge.appliance.event_recorder import open_recorder
from edge.appliance.opening import open_bundle
from edge.appliance.shelf_watcher import FollowedShelf
from edge.errors import CameraError, NoCatalogueError
from edge.settings import EdgeSettings
from edge.sighting import Image
from sync.catalogues.probation import ProbationWatcher
from sync.settings import OutboxSettings
from tests.conftest import sign_again
from tests.edge.appliance.test_appliance import until
from tests.support.drawing import draw_thing

CHANGES = 20
READERS = 3

pytestmark = pytest.mark.slow


@pytest.fixture
def shelf(small_bundle: Path, own_bundle: Path, tmp_path: Path) -> Shelf:
    """A shelf with two versions; the second is active."""
    sign_again(own_bundle, title="Second")
    shelf = Shelf(tmp_path / "shelf")
    with shelf.changing():
        for bundle in (small_bundle, own_bundle):
            identity = read_manifest(bundle)[1]
            shelf.place(Path(shutil.copytree(bundle, tmp_path / identity)), identity)
            shelf.switch(identity)
    return shelf


class HeldThing:
    """A camera that shows one thing, until it is unplugged."""

    name = "held thing"
    learns_background = False
    paced = True
    live = True

    def __init__(self) -> None:
        self.unplugged = threading.Event()
        self._image = draw_thing(1)

    def read(self) -> Image:
        if self.unplugged.wait(0.01):
            raise CameraError("unplugged")
        return self._image.copy()

    def close(self) -> None:
        pass


@pytest.fixture
def camera() -> HeldThing:
    return HeldThing()


@pytest.fixture
def device(
    shelf: Shelf, camera: HeldThing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Appliance]:
    """A running device that looks at its shelf all the time; what it opens was validated before."""
    monkeypatch.setattr(shelf_watcher, "INTERVAL_S", 0.01)
    monkeypatch.setattr(validator, "validate", lambda *_: None)
    settings = EdgeSettings.model_validate({"interval_ms": 20})
    recorder = open_recorder(DeviceSettings(data_dir=tmp_path), OutboxSettings())
    opened = open_bundle(None, shelf, tmp_path / "state", "auto", recorder)
    followed, state = FollowedShelf(shelf), tmp_path / "state"
    appliance = Appliance(
        settings, opened.hand_over(), followed, state, recorder, lambda *_: camera
    )
    gc.collect()
    gc.disable()  # a device at rest collects no cycles for hours
    try:
        appliance.start()
        yield appliance
    finally:
        appliance.stop()
        gc.enable()


def open_now(device: Appliance) -> str:
    """The version that the device has open; none while it gives a damaged one up."""
    try:
        return device.catalogue.id
    except NoCatalogueError:
        return ""


def change(device: Appliance, shelf: Shelf) -> weakref.ref[Bundle]:
    """Make the shelf's other version the active one; gives the bundle that was left."""
    left = weakref.ref(device.catalogue)
    other = shelf.previous()
    assert other is not None
    with shelf.changing():
        shelf.switch(other.name)
    until(lambda: open_now(device) == other.name)
    return left


def open_files(shelf: Shelf, version: str = "") -> Counter[str]:
    """The files of a version, or of all, that this process has open, and how often."""
    found: Counter[str] = Counter()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            file = os.readlink(descriptor)
        except OSError:  # it was closed meanwhile
            continue
        if file.startswith(str(shelf.versions / version)):
            found[file] += 1
    return found


def test_after_many_changes_no_more_files_are_open_than_after_one(
    device: Appliance, shelf: Shelf
) -> None:
    picture = draw_thing(1)
    counts = []
    with ThreadPoolExecutor(READERS) as readers:
        for _ in range(CHANGES):
            searches = [readers.submit(device.search, picture, None) for _ in range(READERS)]
            before = device.catalogue.id
            left = change(device, shelf)
            bundles = {search.result().bundle for search in searches}
            assert bundles <= {version.name for version in shelf.versions.iterdir()}
            del searches
            until(lambda left=left: left() is None)  # type: ignore[misc]
            # whoever drops the last reference closes its files a moment after it is gone
            until(lambda before=before: not open_files(shelf, before))  # type: ignore[misc]
            counts.append(open_files(shelf))
    assert set(counts[-1].values()) == {1}
    assert counts[-1] == counts[-3] == counts[1]
    assert counts[-2] == counts[0]


def test_a_reader_finishes_with_the_version_that_it_began_with(
    device: Appliance, shelf: Shelf
) -> None:
    reading, go_on = threading.Event(), threading.Event()

    def read() -> bytes | None:
        catalogue = device.catalogue
        reading.set()
        assert go_on.wait(60)
        return catalogue.thumbnail(0)

    with ThreadPoolExecutor(1) as readers:
        answer = readers.submit(read)
        assert reading.wait(60)
        left = change(device, shelf)
        assert left() is not None, "its reader is not done"
        go_on.set()
        assert answer.result() is not None
    until(lambda: left() is None)


def test_a_catalogue_that_cannot_answer_fails_its_probation(
    device: Appliance, shelf: Shelf, tmp_path: Path
) -> None:
    """It is open, and each search with it fails: sync goes back, and the device answers again."""
    sound, other = device.catalogue.id, shelf.previous()
    assert other is not None
    with closing(sqlite3.connect(other / "items.db")) as items, items:
        items.execute("UPDATE items SET attributes = '{not json'")
    state = tmp_path / "state"
    watcher = ProbationWatcher(shelf, lambda: read_edge_state(state))
    with shelf.changing():
        trial = Probation(bundle=other.name, patience_s=60, before=read_edge_state(state))
        shelf.save_state(shelf.state().model_copy(update={"trial": trial}))
        shelf.switch(other.name)
    until(lambda: watcher.check() == "bad")
    assert "edge cannot answer with it: cannot search" in watcher.reason
    until(lambda: open_now(device) == sound)
    until(lambda: (found := read_edge_state(state)) is not None and found.phase == "open")
    assert not device.trouble()
    assert shelf.state().rejection(other.name, "auto")


def test_a_catalogue_that_is_damaged_in_its_place_gives_way_to_the_one_before(
    device: Appliance, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file's size changes, so it shows only when nothing is answered any more."""
    monkeypatch.setattr(validator, "validate", lambda path, engine: verify(path))
    until(lambda: device.latest.leading() is not None)
    damaged, other = device.catalogue, shelf.previous()
    assert other is not None
    items = damaged.path / "items.db"
    with items.open("r+b") as file:
        file.write(bytes(items.stat().st_size))
    device.look_again()
    until(lambda: device._loop.open_bundle not in (damaged, None))
    assert device.catalogue.id == other.name
    until(lambda: not device.trouble() and device.latest.leading() is not None)


def test_a_named_bundle_is_validated_once(
    own_bundle: Path, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart does not validate it again; a changed one, or a damaged one, is checked."""
    validated: list[str] = []
    monkeypatch.setattr(
        validator, "validate_in_child", lambda path, bundle, engine: validated.append(bundle)
    )
    for title in ("First", "First", "Second", "Second"):
        sign_again(own_bundle, title=title)
        opened = open_bundle(own_bundle, shelf, tmp_path / "state", "auto").bundle
        assert opened is not None
        opened.close()
    assert len(validated) == len(set(validated)) == 2
    index = own_bundle / "index.ann"
    write_local_index(own_bundle, FileEntry(bytes=index.stat().st_size, sha256=file_digest(index)))
    for count in (3, 4):
        opened = open_bundle(own_bundle, shelf, tmp_path / "state", "auto").bundle
        assert opened is not None
        opened.close()
        assert len(validated) == count, "nobody signed its index"
    (own_bundle / LOCAL).unlink()
    with (own_bundle / "index.ann").open("ab") as file:
        file.write(b"x")
    with pytest.raises(BundleError, match=r"index\.ann is damaged"):
        open_bundle(own_bundle, shelf, tmp_path / "state", "auto")


def test_without_a_camera_too_a_version_that_left_the_shelf_is_removed(
    device: Appliance, shelf: Shelf, camera: HeldThing
) -> None:
    until(lambda: device.latest.leading() is not None)
    camera.unplugged.set()
    until(lambda: device.camera().state == "offline")
    first = device.catalogue.id
    left = change(device, shelf)
    until(lambda: left() is None)
    with shelf.changing():
        (shelf.folder / "previous").unlink()
        shelf.prune()
    assert first not in {version.name for version in shelf.versions.iterdir()}
