"""Which versions stay on the shelf and where its links lead; the folders hold no real bundles."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from catalog.bundles.deployment_state import DeploymentState
from catalog.bundles.shelf import Shelf
from catalog.core import durable
from catalog.core.errors import ShelfError


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A shelf with three versions, the second of which is active, the first the previous one."""
    shelf = Shelf(tmp_path / "shelf")
    for name in ("one", "two", "three"):
        (shelf.versions / name).mkdir(parents=True)
        (shelf.versions / name / "manifest.json").write_text(name)
    durable.point(shelf.folder / "active", "versions/two")
    durable.point(shelf.folder / "previous", "versions/one")
    return shelf


def links(shelf: Shelf) -> tuple[str | None, str | None]:
    active, previous = shelf.active(), shelf.previous()
    return active.name if active else None, previous.name if previous else None


def versions(shelf: Shelf) -> list[str]:
    return sorted(version.name for version in shelf.versions.iterdir())


def test_a_switch_leaves_the_former_version_as_the_previous_one(shelf: Shelf) -> None:
    with shelf.changing():
        shelf.switch("three")
    assert links(shelf) == ("three", "two")
    assert versions(shelf) == ["three", "two"]
    with shelf.changing():
        shelf.switch("three")
    assert links(shelf) == ("three", "two"), "the same again changes nothing"


def test_the_first_version_has_no_previous_one(shelf: Shelf) -> None:
    for name in ("active", "previous"):
        (shelf.folder / name).unlink()
    with shelf.changing():
        shelf.switch("one")
    assert links(shelf) == ("one", None)
    with shelf.changing(), pytest.raises(ShelfError, match="there is no version to go back to"):
        shelf.roll_back(keep=True)


@pytest.mark.parametrize("keep", [True, False])
def test_a_rollback_leads_to_the_previous_version(shelf: Shelf, keep: bool) -> None:
    with shelf.changing():
        shelf.roll_back(keep=keep)
    assert links(shelf) == ("one", "two" if keep else None)
    assert versions(shelf) == (["one", "two"] if keep else ["one"])


def test_there_is_no_way_back_to_the_same_version(shelf: Shelf) -> None:
    durable.point(shelf.folder / "previous", "versions/two")
    with shelf.changing(), pytest.raises(ShelfError, match="there is no version to go back to"):
        shelf.roll_back(keep=False)
    assert links(shelf) == ("two", "two")


def test_a_pinned_version_and_one_that_is_open_stay(shelf: Shelf) -> None:
    with shelf.changing():
        shelf.save_state(DeploymentState(pinned="three", releases={"three": 1, "absent": 2}))
        shelf.prune()
        assert versions(shelf) == ["one", "three", "two"]
        assert shelf.state().releases == {"three": 1}
        shelf.save_state(DeploymentState())
        with (shelf.versions / "three" / "manifest.json").open("rb") as manifest:
            fcntl.flock(manifest, fcntl.LOCK_SH)
            shelf.prune()
            assert versions(shelf) == ["one", "three", "two"]
        shelf.prune()
        assert versions(shelf) == ["one", "two"]
    assert not (shelf.folder / "scratch").exists()


def test_a_version_without_a_manifest_is_removed(shelf: Shelf) -> None:
    (shelf.versions / "three" / "manifest.json").unlink()
    with shelf.changing():
        shelf.prune()
    assert versions(shelf) == ["one", "two"]


def test_what_is_put_in_place_of_a_damaged_version_takes_its_name(shelf: Shelf) -> None:
    fetched = shelf.folder / "scratch" / "fetched"
    with shelf.changing():
        for name in ("two", "new"):
            fetched.mkdir(parents=True, exist_ok=True)
            (fetched / "manifest.json").write_text("sound")
            shelf.place(fetched, name)
            assert (shelf.versions / name / "manifest.json").read_text() == "sound"
            assert not fetched.exists()


def test_what_killed_processes_left_is_swept_before_a_change(shelf: Shelf) -> None:
    (shelf.folder / "scratch" / "half").mkdir(parents=True)
    left = [shelf.folder / f".{name}.1a2b" for name in ("active", "previous", "ledger.json")]
    for file in left:
        file.touch()
    with shelf.changing():
        assert not (shelf.folder / "scratch").exists()
        assert not any(file.exists() for file in left)
        (shelf.folder / "scratch").mkdir()
    assert not (shelf.folder / "scratch").exists()
    assert links(shelf) == ("two", "one")
