"""What the running device does when the shelf changes."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from catalog.building.build import build
from catalog.bundles import validator
from catalog.bundles.bundle import Bundle
from catalog.bundles.manifest import read_manifest
from catalog.bundles.shelf import Shelf
from catalog.core.errors import BundleError, SurroundingsError
from catalog.networks.featurizer import Featurizer
from catalog.sources.read import read_source
from edge.appliance import shelf_watcher
from edge.appliance.shelf_watcher import ShelfWatcher

pytestmark = pytest.mark.slow


class WatchedDevice:
    """Holds the bundle in use, and notes what the watcher reports."""

    def __init__(self, shelf: Shelf) -> None:
        active = shelf.active()
        assert active is not None
        self.bundle: Bundle | None = Bundle.open(active)
        self.phases: list[tuple[str, str]] = []
        self.watcher = ShelfWatcher(shelf, "auto", lambda: self.bundle, self.on_change)

    @property
    def bundle_id(self) -> str:
        return "" if self.bundle is None else self.bundle.id

    def on_change(self, phase: str, bundle: str, message: str) -> None:
        self.phases.append((phase, bundle))


@pytest.fixture
def shelf(small_bundle: Path, tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path / "shelf")
    shelf.activate(small_bundle)
    return shelf


@pytest.fixture(scope="module")
def built(
    things: Path,
    colour_grid: Featurizer,
    filled_cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The second bundle; read only."""
    out = tmp_path_factory.mktemp("second") / "second.bundle"
    build(read_source(things).items[:3], out, colour_grid, filled_cache, "Second")
    return out


@pytest.fixture
def second(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "second.bundle"))


def test_nothing_is_done_while_nothing_changes(shelf: Shelf) -> None:
    device = WatchedDevice(shelf)
    device.watcher.check()
    assert device.watcher.take() is None
    assert device.phases == []


def test_one_that_answers_nothing_is_looked_at_once(
    shelf: Shelf, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where another one was activated that cannot be opened yet."""
    looked: list[Path] = []
    monkeypatch.setattr(shelf_watcher, "verify", looked.append)
    monkeypatch.setattr(validator, "validate", lambda *_: (_ for _ in ()).throw(MemoryError()))
    device, inability = WatchedDevice(shelf), "no memory"
    device.watcher = ShelfWatcher(
        shelf, "auto", lambda: device.bundle, device.on_change, lambda: inability
    )
    shelf.activate(second)
    for _ in range(3):
        with suppress(MemoryError):
            device.watcher.check()
    assert len(looked) == 1
    inability = ""
    device.watcher.check()
    inability = "no memory"
    device.watcher.check()
    assert len(looked) == 2, "it answered meanwhile"


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


def test_one_that_becomes_active_during_a_look_is_opened_once(
    shelf: Shelf, second: Path, unvalidated: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened twice, it would be closed and opened again while somebody waits for an answer."""
    device, active = WatchedDevice(shelf), shelf.active
    monkeypatch.setattr(validator, "validate", lambda *_: None)

    def changes_now() -> Path | None:
        monkeypatch.setattr(shelf, "active", active)
        shelf.activate(second)
        return active()

    monkeypatch.setattr(shelf, "active", changes_now)
    for _ in range(3):
        device.watcher.check()
    assert device.phases == [("opening", read_manifest(second)[1])]
    assert device.watcher.take() is not None


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
    assert device.phases[-1] == ("open", device.bundle_id)


def test_the_first_bundle_of_a_device_is_opened(small_bundle: Path, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "fresh")
    opened: list[str] = []
    watcher = ShelfWatcher(shelf, "auto", lambda: None, lambda phase, *_: opened.append(phase))
    watcher.check()
    assert watcher.take() is None
    activated = shelf.activate(small_bundle)
    watcher.check()
    taken = watcher.take()
    assert taken is not None
    assert taken.id == activated.bundle
    assert opened == ["opening"]


@pytest.mark.parametrize("how", ["link gone", "file gone", "file cut off"])
def test_a_bundle_that_can_be_read_no_longer_is_left(shelf: Shelf, how: str) -> None:
    device = WatchedDevice(shelf)
    assert device.bundle is not None
    file = device.bundle.path / "items.db"
    if how == "link gone":
        (shelf.folder / "active").unlink()
    else:
        content = file.read_bytes()
        file.unlink()
        if how == "file cut off":
            file.write_bytes(content[:100])
    device.watcher.check()
    loss = device.watcher.take_loss()
    assert device.bundle.path.name in loss
    assert device.watcher.take_loss() == "", "said once"
    assert device.phases == [("failed", device.bundle.id)]


def test_where_none_is_in_use_the_one_before_a_damaged_one_is_opened(
    shelf: Shelf, second: Path
) -> None:
    device = WatchedDevice(shelf)
    first = device.bundle_id
    activated = shelf.activate(second)
    (shelf.versions / activated.bundle / "items.db").unlink()
    device.bundle = None
    with pytest.raises(BundleError):
        device.watcher.check()
    taken = device.watcher.take()
    assert taken is not None
    assert taken.id == first


def test_what_the_machine_lacks_for_the_first_bundle_is_said(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf, said = Shelf(tmp_path / "fresh"), []
    shelf.activate(small_bundle)
    monkeypatch.setattr("catalog.bundles.validator.sys.executable", "/absent/python")
    watcher = ShelfWatcher(shelf, "auto", lambda: None, lambda *change: said.append(change))
    with pytest.raises(SurroundingsError):
        watcher.check()
    assert said[-1][:2] == ("waiting", "")
    assert "cannot be started" in said[-1][2]


def test_only_active_and_previous_stay_on_the_shelf(
    shelf: Shelf, second: Path, things: Path, colour_grid: Featurizer, cache: Path, tmp_path: Path
) -> None:
    first = shelf.active()
    shelf.activate(second)
    third = tmp_path / "third.bundle"
    build(read_source(things).items[:4], third, colour_grid, cache, "Third")
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
    assert device.phases == [("opening", activated.bundle), ("open", device.bundle_id)]
    device.watcher.check()
    taken = device.watcher.take()
    assert taken is not None
    assert taken.id == activated.bundle
