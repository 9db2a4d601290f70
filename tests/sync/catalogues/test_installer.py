"""Which releases a device installs, and what it says of the others; nothing is fetched."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from catalog.bundles import validator
from catalog.bundles.deployment_state import DeploymentState, SkippedRelease
from catalog.bundles.shelf import Shelf
from catalog.core import durable
from catalog.core.errors import (
    BundleError,
    DiskFullError,
    SlowBundleError,
    SurroundingsError,
    VisualSearchError,
)
from catalog.core.state import edge_state, write_edge_state
from sync.catalogues.installer import ReleaseInstaller
from sync.catalogues.pull import Puller
from sync.trust.release import Release

SOME_DAY = datetime(2026, 11, 1, tzinfo=UTC)
RELEASE = Release("stable", 7, "new", b"", SOME_DAY, SOME_DAY, "timestamp", b"")


class Pulled:
    """A puller that fetches nothing, and may fail.

    Attributes:
        cleaned: How often it cleaned up.
    """

    def __init__(self, error: VisualSearchError | None = None) -> None:
        self.cleaned = 0
        self._error = error

    def pull(self, release: Release, before: object) -> None:
        if self._error is not None:
            raise self._error

    def clean(self) -> None:
        self.cleaned += 1


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """A shelf with two versions, one of which is active; all folders count as sound."""
    shelf = Shelf(tmp_path / "shelf")
    for name in ("old", "older"):
        (shelf.versions / name).mkdir(parents=True)
        (shelf.versions / name / "manifest.json").touch()
    durable.point(shelf.folder / "active", "versions/old")
    durable.point(shelf.folder / "previous", "versions/older")
    monkeypatch.setattr("sync.catalogues.installer.is_sound", Path.is_dir)
    return shelf


def install(shelf: Shelf, puller: Pulled | None = None, **how: Any) -> tuple[str, str]:
    installer = ReleaseInstaller(shelf, shelf.folder.parent / "state", "auto")
    found = installer.install(RELEASE, cast(Puller, puller or Pulled()), **how)
    return found.outcome, found.message


def remember(shelf: Shelf, **state: Any) -> None:
    with shelf.changing():
        shelf.save_state(DeploymentState(**state))


def rejected(engine: str) -> Callable[[], DeploymentState]:
    return lambda: DeploymentState().with_rejected("new", "why", engine)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (DeploymentState, ("installed", "release 7, new, is active")),
        (
            lambda: DeploymentState(pinned="old"),
            ("pinned", "old is pinned; the newest is release 7, new"),
        ),
        (lambda: DeploymentState(pinned="new"), ("installed", "release 7, new, is active")),
        (rejected("auto"), ("rejected", "release 7, new, is not tried again: why")),
        (rejected("mxnet"), ("installed", "release 7, new, is active")),
        *(
            (
                lambda skipped=skipped: DeploymentState(declined=skipped),
                (
                    ("declined", "release 7, new, was rolled back from by hand; a newer release ")
                    if is_skipped
                    else ("installed", "release 7, new, is active")
                ),
            )
            for skipped, is_skipped in (
                (SkippedRelease(bundle="new", release=7), True),
                (SkippedRelease(bundle="new", release=8), True),
                (SkippedRelease(bundle="new", release=6), False),
                (SkippedRelease(bundle="new"), True),
                (SkippedRelease(bundle="other", release=7), False),
            )
        ),
    ],
)
def test_what_a_person_or_the_device_refused_is_not_installed(
    shelf: Shelf, state: Callable[[], DeploymentState], said: tuple[str, str]
) -> None:
    with shelf.changing():
        shelf.save_state(state())
    puller = Pulled()
    outcome, message = install(shelf, puller)
    assert (outcome, message[: len(said[1])]) == said
    assert puller.cleaned == 1
    installer = ReleaseInstaller(shelf, shelf.folder, "auto")
    assert installer.is_refused("new", 7) == (outcome in ("rejected", "declined"))


def test_a_release_rolled_back_from_is_known_from_then_on(shelf: Shelf) -> None:
    """It was installed by hand: which release it was, the next check tells."""
    remember(shelf, declined=SkippedRelease(bundle="new"), pinned="new")
    assert install(shelf)[0] == "declined"
    assert shelf.state() == DeploymentState(
        declined=SkippedRelease(bundle="new", release=7), pinned="new"
    )
    later = ReleaseInstaller(shelf, shelf.folder, "auto")
    assert later.is_refused("new", 7)
    assert not later.is_refused("new", 8)


def test_what_is_active_is_up_to_date_and_gets_its_new_number(shelf: Shelf) -> None:
    durable.point(shelf.folder / "active", "versions/new")
    (shelf.versions / "new").mkdir()
    remember(shelf, releases={"new": 3, "old": 2}, pinned="new")
    assert install(shelf) == ("up-to-date", "release 7, new, is active")
    assert shelf.state() == DeploymentState(releases={"new": 7, "old": 2}, pinned="new")


def test_an_active_version_is_verified_once_and_again_where_edge_cannot_open_it(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    durable.point(shelf.folder / "active", "versions/new")
    (shelf.versions / "new").mkdir()
    verified: list[Path] = []

    def verify(version: Path) -> bool:
        verified.append(version)
        return True

    monkeypatch.setattr("sync.catalogues.installer.is_sound", verify)
    state = shelf.folder.parent / "state"
    installer = ReleaseInstaller(shelf, state, "auto")

    def check() -> int:
        assert installer.install(RELEASE, cast(Puller, Pulled())).outcome == "up-to-date"
        return len(verified)

    assert [check(), check()] == [1, 1]
    write_edge_state(state, edge_state("failed", "old", "no"))
    assert check() == 1, "of another bundle"
    write_edge_state(state, edge_state("open", "new"))
    assert check() == 1
    write_edge_state(state, edge_state("failed", "new", "no"))
    assert [check(), check()] == [2, 3]


@pytest.mark.parametrize("case", ["not here", "on the shelf", "nothing active", "no window"])
def test_only_what_must_be_fetched_waits_for_the_window(shelf: Shelf, case: str) -> None:
    if case == "on the shelf":
        (shelf.versions / "new").mkdir()
    if case == "nothing active":
        (shelf.folder / "active").unlink()
    window = "" if case == "no window" else "22:00-06:00"
    puller = Pulled()
    outcome, message = install(shelf, puller, wait_for=window)
    if case == "not here":
        assert (outcome, message) == ("waiting", "release 7, new, waits for the window 22:00-06:00")
        assert puller.cleaned == 0, "it goes on from there"
    else:
        assert outcome == "installed"


def test_a_bundle_that_fails_is_not_tried_again_where_the_active_one_passes(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validator, "validate", lambda *_: None)
    puller = Pulled(BundleError("it is broken"))
    assert install(shelf, puller) == ("rejected", "release 7: it is broken")
    assert puller.cleaned == 1
    assert shelf.state().rejection("new", "auto") == "it is broken"


def test_where_the_active_bundle_fails_too_the_device_is_the_cause(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def validate(*_: object) -> None:
        raise BundleError("so is this")

    monkeypatch.setattr(validator, "validate", validate)
    with pytest.raises(SurroundingsError, match=r"it is broken; but the active .*: so is this"):
        install(shelf, Pulled(BundleError("it is broken")))
    assert shelf.state().rejected == {}
    durable.point(shelf.folder / "active", "versions/new")  # the same bundle tells nothing
    (shelf.versions / "new").mkdir()
    monkeypatch.setattr("sync.catalogues.installer.is_sound", lambda _: False)
    assert install(shelf, Pulled(BundleError("it is broken")))[0] == "rejected"


@pytest.mark.parametrize(
    ("active", "error", "is_rejected"),
    [
        (False, SlowBundleError("slow"), False),
        (False, BundleError("broken"), True),
        (True, SlowBundleError("slow"), True),
    ],
)
def test_a_first_bundle_that_is_too_slow_is_tried_again(
    shelf: Shelf,
    monkeypatch: pytest.MonkeyPatch,
    active: bool,
    error: BundleError,
    is_rejected: bool,
) -> None:
    monkeypatch.setattr(validator, "validate", lambda *_: None)
    if not active:
        (shelf.folder / "active").unlink()
    if is_rejected:
        assert install(shelf, Pulled(error))[0] == "rejected"
    else:
        with pytest.raises(SurroundingsError, match="slow; perhaps this device was too busy"):
            install(shelf, Pulled(error))
    assert (shelf.state().rejection("new", "auto") is not None) == is_rejected


def test_what_was_fetched_goes_where_the_disk_is_full_and_stays_where_it_would_be_full(
    shelf: Shelf,
) -> None:
    """In the one case other programs need the room; in the other the fetch goes on later."""
    would_be, full = DiskFullError("too little room"), DiskFullError("the disk is full")
    full.__cause__ = OSError(28, "No space left on device")
    for error, cleaned in ((would_be, 0), (full, 1)):
        puller = Pulled(error)
        with pytest.raises(DiskFullError):
            install(shelf, puller)
        assert puller.cleaned == cleaned
