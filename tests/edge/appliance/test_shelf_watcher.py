"""What the running device does when the shelf changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from catalog.building.build import build
from catalog.building.sources import read_source
from catalog.bundles.bundle import Bundle
from catalog.bundles.shelf import Shelf
from catalog.core.errors import BundleError, SurroundingsError
from catalog.networks.featurizer import Featurizer
from edge.appliance.shelf_watcher import ShelfWatcher

pytestmark = pytest.mark.slow


class WatchedDevice:
    """Holds the bundle in use, and notes what the watcher reports."""

    def __init__(self, shelf: Shelf) -> None:
        active = shelf.active()
        assert active is not None
        self.bundle = Bundle.open(active)
        self.phases: list[tuple[str, str]] = []
        self.watcher = ShelfWatcher(shelf, lambda: self.bundle, self.on_change)

    def on_change(self, phase: str, bundle: str, message: str) -> None:
        self.phases.append((phase, bundle))


@pytest.fixture
def shelf(small_bundle: Path, tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path / "shelf")
    shelf.activate(small_bundle)
    return shelf


@pytest.fixture
def second(things: Path, colour_grid: Featurizer, cache: Path, tmp_path: Path) -> Path:
    out = tmp_path / "second.bundle"
    build(read_source(things)[:3], out, colour_grid, cache, "Second")
    return out


def test_nothing_is_done_while_nothing_changes(shelf: Shelf) -> None:
    device = WatchedDevice(shelf)
    device.watcher.check()
    assert device.watcher.take() is None
    assert device.phases == []


def test_a_newly_active_bundle_is_opened_once(shelf: Shelf, second: Path) -> None:
    device = WatchedDevice(shelf)
    activated = shelf.activate(second)
    device.watcher.check()
    device.watcher.check()
    taken = device.watcher.take()
    assert taken is not None
    assert taken.id == activated.bundle
    assert device.watcher.take() is None
    assert device.phases == [("opening", activated.bundle)]


def test_a_damaged_one_is_refused_once_and_tried_again_when_activated_again(
    shelf: Shelf, second: Path
) -> None:
    device = WatchedDevice(shelf)
    activated = shelf.activate(second)
    shutil.rmtree(shelf.versions / activated.bundle / "featurizer")
    with pytest.raises(BundleError):
        device.watcher.check()
    device.watcher.check()
    assert device.watcher.take() is None
    assert device.phases == [("opening", activated.bundle), ("failed", activated.bundle)]
    shelf.activate(second)
    device.watcher.check()
    taken = device.watcher.take()
    assert taken is not None
    assert taken.id == activated.bundle


def test_going_back_to_the_one_in_use_is_said(
    shelf: Shelf, second: Path, small_bundle: Path
) -> None:
    device = WatchedDevice(shelf)
    activated = shelf.activate(second)
    shutil.rmtree(shelf.versions / activated.bundle / "featurizer")
    with pytest.raises(BundleError):
        device.watcher.check()
    shelf.activate(small_bundle)
    device.watcher.check()
    assert device.phases[-1] == ("open", device.bundle.id)


def test_only_active_and_previous_stay_on_the_shelf(
    shelf: Shelf, second: Path, things: Path, colour_grid: Featurizer, cache: Path, tmp_path: Path
) -> None:
    first = shelf.active()
    shelf.activate(second)
    third = tmp_path / "third.bundle"
    build(read_source(things)[:4], third, colour_grid, cache, "Third")
    shelf.activate(third)
    left = {version.name for version in shelf.versions.iterdir()}
    active, previous = shelf.active(), shelf.previous()
    assert active is not None
    assert previous is not None
    assert left == {active.name, previous.name}
    assert first not in (active, previous)
    assert not shelf.incoming.exists()


def test_what_the_machine_lacks_is_no_verdict_and_it_is_tried_again(
    shelf: Shelf, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.appliance.shelf_watcher.RETRY_S", 0.0)
    device = WatchedDevice(shelf)
    activated = shelf.activate(second)
    with monkeypatch.context() as patch:
        patch.setattr("catalog.bundles.validator.sys.executable", "/absent/python")
        with pytest.raises(SurroundingsError):
            device.watcher.check()
    assert device.phases == [("opening", activated.bundle), ("open", device.bundle.id)]
    device.watcher.check()
    taken = device.watcher.take()
    assert taken is not None
    assert taken.id == activated.bundle
