"""What a person at the device, or the fleet's owner, does to the versions on the shelf."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from catalog.bundles.deployment_state import (
    DeploymentState,
    Probation,
    RejectedBundle,
    SkippedRelease,
    validated_by,
)
from catalog.bundles.manifest import read_manifest
from catalog.bundles.shelf import Shelf
from catalog.core.errors import ShelfError
from catalog.core.locks import locked
from catalog.core.settings import DeviceSettings
from catalog.core.state import SyncState, edge_state, write_edge_state
from sync.catalogues.fleet_pin import FLEET, make_way, obey, refusal
from sync.catalogues.follower import ChannelFollower
from sync.catalogues.overrides import pin, roll_back, unpin
from sync.fleet.desired import Desired
from sync.settings import SyncSettings
from sync.trust.release import Release
from tests.support.repository import write_hollow_bundle

DAY = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.fixture
def shelf(tmp_path: Path, small_bundle: Path) -> Shelf:
    """Releases 1 and 2; the latter is active, the former the previous version."""
    shelf, releases = Shelf(tmp_path / "shelf"), {}
    for number in (1, 2):
        folder = write_hollow_bundle(tmp_path / str(number), small_bundle, f"release {number}")
        name = read_manifest(folder)[1]
        releases[name] = number
        with shelf.changing():
            shelf.place(folder, name)
            shelf.switch(name)
            shelf.save_state(DeploymentState(releases=releases))
    return shelf


def number(shelf: Shelf) -> int:
    """The release that is active."""
    active = shelf.active()
    assert active is not None
    return shelf.state().releases[active.name]


def change(shelf: Shelf, **changes: object) -> None:
    with shelf.changing():
        shelf.save_state(shelf.state().model_copy(update=changes))


def test_a_version_that_was_gone_back_from_is_not_gone_back_to(shelf: Shelf) -> None:
    gone = roll_back(shelf)
    assert (number(shelf), shelf.state().releases[gone]) == (1, 2)
    declined = shelf.state().declined
    assert declined is not None
    assert (declined.bundle, declined.release) == (gone, 2)
    with pytest.raises(ShelfError, match=rf"{gone} was gone back from already"):
        roll_back(shelf)
    assert number(shelf) == 1
    unpin(shelf, newest=None)
    roll_back(shelf)
    assert number(shelf) == 2


def test_unpin_forgets_that_the_newest_was_rejected_and_nothing_else(shelf: Shelf) -> None:
    rejected = RejectedBundle(reason="does not answer", by=validated_by("auto"))
    change(shelf, rejected={"newest": rejected, "other": rejected})
    unpin(shelf, newest="newest")
    assert list(shelf.state().rejected) == ["other"]


@pytest.mark.parametrize("previous", ["none", "the active one"])
def test_there_must_be_a_version_to_go_back_to(shelf: Shelf, previous: str) -> None:
    (shelf.folder / "previous").unlink()
    if previous != "none":
        (shelf.folder / "previous").symlink_to((shelf.folder / "active").readlink())
    with pytest.raises(ShelfError, match=rf"^{shelf.folder}: there is no version to go back to"):
        roll_back(shelf)
    (shelf.folder / "active").unlink()
    with pytest.raises(ShelfError, match="there is no version to go back to"):
        roll_back(shelf)


def test_pinning_what_is_active_switches_nothing(shelf: Shelf) -> None:
    before, previous = shelf.activation(), shelf.previous()
    pin(shelf, "2")
    assert (shelf.activation(), shelf.previous()) == (before, previous)
    with shelf.changing():
        (shelf.folder / "active").unlink()
    pin(shelf, "2")
    assert number(shelf) == 2


def test_another_version_may_have_been_gone_back_from(shelf: Shelf) -> None:
    gone = roll_back(shelf)
    with shelf.changing():
        shelf.switch(gone)
    change(shelf, declined=SkippedRelease(bundle="20261101T000000Z-0123456789ab"))
    roll_back(shelf)
    assert number(shelf) == 1


def test_a_pinned_version_is_not_gone_back_from(shelf: Shelf) -> None:
    pin(shelf, "2")
    with pytest.raises(ShelfError, match="is pinned; first run: visual-search sync unpin"):
        roll_back(shelf)
    obey(shelf, Desired(pin=2), "auto")
    with pytest.raises(ShelfError, match="the fleet's owner pins it: change the shadow"):
        roll_back(shelf)
    assert number(shelf) == 2


def test_the_fleets_owner_pins_a_version_and_lets_it_go(shelf: Shelf) -> None:
    change(shelf, trial=Probation(bundle="two", patience_s=60.0, before=None))
    obey(shelf, Desired(pin=1), "auto")
    state = shelf.state()
    assert number(shelf) == 1
    assert (state.releases[state.pinned or ""], state.pinned_by, state.trial) == (1, FLEET, None)
    with locked(shelf.folder / "lock", wait_s=1):
        obey(shelf, Desired(pin=1), "auto")  # it is as it is wanted, so nothing is locked
        obey(shelf, None, "auto")
    with shelf.changing():
        shelf.switch(next(name for name, at in shelf.state().releases.items() if at == 2))
    obey(shelf, Desired(pin=1), "auto")  # another one became active beside the pin
    assert number(shelf) == 1
    obey(shelf, Desired(), "auto")
    assert (number(shelf), shelf.state().pinned, shelf.state().pinned_by) == (1, None, "")
    with locked(shelf.folder / "lock", wait_s=1):
        obey(shelf, Desired(), "auto")
        obey(shelf, Desired(pin=3), "auto")


def test_a_pin_of_what_is_active_leaves_its_probation_and_one_of_another_ends_it(
    shelf: Shelf,
) -> None:
    trial = Probation(bundle="two", patience_s=60.0, before=None)
    change(shelf, trial=trial)
    obey(shelf, Desired(pin=2), "auto")
    assert (number(shelf), shelf.state().pinned_by, shelf.state().trial) == (2, FLEET, trial)
    (shelf.folder / "active").unlink()
    obey(shelf, Desired(pin=2), "auto")
    assert (number(shelf), shelf.state().trial) == (2, None)


@pytest.mark.parametrize("before", [None, 2])
def test_a_damaged_version_is_not_pinned_but_fetched_again(
    shelf: Shelf, before: int | None
) -> None:
    obey(shelf, Desired(pin=before), "auto")
    trial = Probation(bundle="two", patience_s=60.0, before=None)
    change(shelf, trial=trial)
    (one,) = (name for name, at in shelf.state().releases.items() if at == 1)
    with (shelf.versions / one / "items.db").open("ab") as file:
        file.write(b"x")
    obey(shelf, Desired(pin=1), "auto")
    assert (number(shelf), shelf.state().pinned, shelf.state().pinned_by) == (2, None, "")
    assert shelf.state().trial == trial, "the active one stays on probation"


def test_a_pin_waits_for_the_first_catalogue(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "none")
    for pinned in (None, 3):
        obey(shelf, Desired(pin=pinned), "auto")
        assert shelf.state() == DeploymentState()


def test_a_pin_by_hand_makes_way_for_a_release_that_the_owner_pins(shelf: Shelf) -> None:
    newer = Release("stable", 3, "20261130T000000Z-0123456789ab", b"", None, DAY)
    pinned = pin(shelf, "1")
    for desired in (None, Desired(), Desired(pin=4)):
        make_way(shelf, desired, newer, "auto")
        assert shelf.state().pinned == pinned
    rejected = RejectedBundle(reason="does not answer", by=validated_by("auto"))
    change(shelf, rejected={newer.bundle: rejected})
    make_way(shelf, Desired(pin=3), newer, "auto")
    assert shelf.state().pinned == pinned, "nothing would come in its place"
    change(shelf, rejected={})
    make_way(shelf, Desired(pin=3), newer, "auto")
    assert shelf.state().pinned is None
    assert refusal(Desired(pin=3), newer) == ""
    assert "pins 4, and the channel's newest is release 3" in refusal(Desired(pin=4), newer)


def test_the_owners_own_pin_makes_no_way(shelf: Shelf) -> None:
    """Else two versions that the same pin fits would take each other's place at each check."""
    obey(shelf, Desired(pin=1), "auto")
    pinned = shelf.state()
    other = Release("north", 1, "20261130T000000Z-0123456789ab", b"", None, DAY)
    make_way(shelf, Desired(pin=1), other, "auto")
    assert shelf.state() == pinned


def test_a_rollback_of_a_bundle_on_probation_is_told(shelf: Shelf, tmp_path: Path) -> None:
    active, told = shelf.active(), list[SyncState]()
    assert active is not None
    change(shelf, trial=Probation(bundle=active.name, patience_s=60.0, before=None))
    device = DeviceSettings(data_dir=tmp_path)
    follower = ChannelFollower(SyncSettings.model_validate({}), device, publish=told.append)
    failed = edge_state("failed", active.name).model_copy(update={"reason": "no such network"})
    write_edge_state(device.state, failed)
    assert follower.check_probation() == "bad"
    assert number(shelf) == 1
    assert [state.outcome for state in told] == ["gone-back"]
    back = shelf.active()
    assert back is not None
    assert told[0].message.endswith(f"; back to {back.name}")
    assert follower.state().message == told[0].message


def test_how_far_a_download_is_stands_in_the_state_now_and_then_and_at_its_end(
    tmp_path: Path,
) -> None:
    device = DeviceSettings(data_dir=tmp_path)
    follower, saved = (
        ChannelFollower(SyncSettings.model_validate({}), device, clock=lambda: DAY),
        [],
    )
    for here in (1, 2, 10):
        follower._save_progress(here, 10)
        fetching = follower.state().fetching
        saved.append(fetching.bytes if fetching is not None else None)
    assert saved == [1, 1, 10]
