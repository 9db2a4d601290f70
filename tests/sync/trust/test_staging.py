"""A staged release reaches its share of the devices, grows, stops, and is taken back."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from catalog.bundles import validator
from sync.errors import ForgedError, NotPublishedError
from sync.trust.release import changes_path, staged_path
from sync.trust.staged_releases import StagedReleases
from sync.trust.staging import ALL, Stage, percent, place_of
from tests.support.following import PASSPHRASE, Following, variant
from tests.support.repository import World, write_hollow_bundle
from visual_search.command import command

DEVICES = [f"counter-{number}" for number in range(1000)]
DAYS = 400


def share_of(world: World, share: int, title: str = "staged") -> str:
    """Stage a hollow bundle, and return its id."""
    world.owners_time += timedelta(hours=1)
    bundle = write_hollow_bundle(world.folder / "hollow", world.like, title)
    return world.publisher().publish_validated(bundle, "stable", DAYS, share=share).bundle


def stage(share: int) -> Stage:
    return Stage(2, "20261129T090000Z-aaaaaaaaaaaa", share, stopped=False)


def staged(world: World) -> StagedReleases:
    world.owners_time += timedelta(hours=1)
    return StagedReleases(world.store, world.keys, lambda: world.owners_time)


class Fleet:
    """A thousand devices that see the same store; what each has active."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.active = dict.fromkeys(DEVICES, "")
        self.asleep: set[str] = set()

    def check(self) -> None:
        """Let all devices that are awake check; some do so by all that a device does."""
        trust = self._world.device()
        trust.refresh()
        target = trust.target(staged_path("stable"))
        stage = None if target is None else Stage.of(target)
        of_all = trust.newest("stable").bundle
        for number, device in enumerate(set(DEVICES) - self.asleep):
            active = self.active[device]
            offered = stage is not None and stage.is_for(device, active)
            bundle = stage.bundle if stage is not None and offered else of_all
            if number % 20 == 0:
                assert trust.newest("stable", device, active).bundle == bundle
            self.active[device] = bundle

    def having(self, bundle: str) -> set[str]:
        return {device for device, active in self.active.items() if active == bundle}


def test_a_thousand_devices_follow_a_staged_release_and_its_end(world: World) -> None:
    first = world.publish("first").bundle
    fleet = Fleet(world)
    fleet.check()
    assert len(fleet.having(first)) == 1000

    second = share_of(world, 500)
    fleet.check()
    few = fleet.having(second)
    assert abs(len(few) - 50) <= 20

    fleet.asleep = set(sorted(few)[:5]) | set(DEVICES[:100])  # for weeks
    before = set(world.store.objects)
    assert staged(world).raise_share("stable", 2000, DAYS) == Stage(2, second, 2000, stopped=False)
    assert all(name.startswith("metadata/") for name in set(world.store.objects) - before)
    fleet.check()
    more = fleet.having(second)
    assert few <= more

    staged(world).stop("stable", DAYS)
    fleet.asleep = set(sorted(few)[:5])
    fleet.check()
    assert fleet.having(second) == more, "no further device took it"

    staged(world).take_back("stable", DAYS)
    fleet.check()
    assert fleet.having(second) == fleet.asleep
    fleet.asleep = set()
    fleet.check()
    assert len(fleet.having(first)) == 1000, "those that were asleep went back, too"
    assert world.publish("third").release == 3, "a number is not used again"


def test_a_share_is_what_it_says_and_grows_by_further_devices() -> None:
    taken: set[str] = set()
    for share in (500, 2000, 9000, ALL):
        now = {device for device in DEVICES if stage(share).is_for(device, "")}
        assert abs(len(now) / 1000 - share / ALL) <= 0.02
        assert taken <= now
        taken = now
    first, second = (
        {device for device in DEVICES if place_of(device, bundle) < 500} for bundle in ("a", "b")
    )
    assert len(first & second) < 10, "each release begins with other devices"


def test_a_device_is_in_the_share_that_begins_behind_its_place() -> None:
    place = place_of("counter-1", stage(1).bundle)
    assert not stage(place).is_for("counter-1", "")
    assert stage(place + 1).is_for("counter-1", "")


def test_over_many_releases_a_share_is_exact() -> None:
    places = np.array([[place_of(device, f"{number}") for device in DEVICES[:200]]
                       for number in range(200)])  # fmt: skip
    for share in (500, 2000, 5000):
        assert abs((places < share).mean() - share / ALL) < 0.01


def test_at_a_hundred_percent_it_is_the_release_of_all(world: World) -> None:
    world.publish("first")
    second = share_of(world, 100)
    staged(world).raise_share("stable", ALL, DAYS)
    device = world.device()
    device.refresh()
    assert (device.newest("stable").bundle, device.newest("stable").number) == (second, 2)
    assert not [path for path in device.targets.targets if "staged" in path]
    with pytest.raises(NotPublishedError, match="nothing is staged"):
        staged(world).stop("stable", DAYS)


def test_a_release_for_all_ends_the_staging(world: World) -> None:
    world.publish("first")
    share_of(world, 5000)
    third = world.publish("third")
    assert third.release == 3
    device = world.device()
    device.refresh()
    assert {device.newest("stable", name).bundle for name in DEVICES[:20]} == {third.bundle}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda world: share_of(world, 500),
        lambda world: staged(world).stop("stable", DAYS),
        lambda world: staged(world).take_back("Stable!", DAYS),
    ],
)
def test_what_is_not_staged_cannot_change(world: World, wrong: Callable[[World], object]) -> None:
    with pytest.raises(NotPublishedError):
        wrong(world)


def test_another_bundle_is_not_staged_over_a_staged_one(world: World) -> None:
    world.publish("first")
    second = share_of(world, 500)
    with pytest.raises(NotPublishedError, match=rf"{second}, is staged .* take it back first"):
        share_of(world, 500, "another")
    assert share_of(world, 700) == second
    staged(world).take_back("stable", DAYS)
    assert share_of(world, 500, "another") != second


def test_it_is_given_to_all_without_its_changes_where_these_are_lost(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sync.trust.changes_maker.MadeChanges.content", b"{}")
    world.publish("first")
    second = share_of(world, 100)
    lost = [name for name in world.store.objects if name.endswith(".changes.json")]
    assert lost
    for name in lost:
        del world.store.objects[name]
    staged(world).raise_share("stable", ALL, DAYS)
    device = world.device()
    device.refresh()
    assert (device.newest("stable").bundle, device.newest("stable").changes) == (second, b"")
    assert device.target(changes_path("stable")) is None, "those of the former are gone, too"
    assert "devices fetch this release whole: its changes cannot be read" in caplog.text


def test_a_staged_release_that_was_altered_is_not_given_to_all(world: World) -> None:
    world.publish("first")
    second = share_of(world, 100)
    (name,) = (name for name in world.store.objects if second[-12:] in name)
    world.store.objects[name] = b"x" * len(world.store.objects[name])
    with pytest.raises(ForgedError, match="publish the bundle again"):
        staged(world).raise_share("stable", ALL, DAYS)


def test_changes_that_are_lost_do_not_keep_a_device_from_a_release(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sync.trust.changes_maker.MadeChanges.content", b"{}")
    done = world.publish("first")
    (lost,) = (name for name in world.store.objects if name.endswith(".changes.json"))
    del world.store.objects[lost]
    device = world.device()
    device.refresh()
    release = device.newest("stable")
    assert (release.bundle, release.changes) == (done.bundle, b"")
    assert f"what changed in {done.bundle} is not known: " in caplog.text


def test_a_device_that_refuses_a_staged_release_follows_the_channel(world: World) -> None:
    first = world.publish("first").bundle
    second = share_of(world, ALL - 1)
    device = world.device()
    device.refresh()
    counter = next(name for name in DEVICES if place_of(name, second) < ALL - 1)
    assert device.newest("stable", counter).bundle == second
    refused = {(second, 2)}
    found = device.newest("stable", counter, second, lambda *release: release in refused)
    assert found.bundle == first


def test_a_share_does_not_shrink(world: World) -> None:
    world.publish("first")
    share_of(world, 2000)
    with pytest.raises(NotPublishedError, match=r"20 % of the devices already"):
        staged(world).raise_share("stable", 1000, DAYS)
    staged(world).stop("stable", DAYS)
    again = staged(world).raise_share("stable", 2000, DAYS)
    assert (again.share, again.stopped) == (2000, False), "the same share goes on"


def test_fields_that_no_owner_signs_are_refused(world: World) -> None:
    world.publish("first")
    share_of(world, 2000)
    world.tamper(lambda listed: listed.targets["stable/staged/manifest.json"]
                 .unrecognized_fields["custom"].update(share="all"))  # fmt: skip
    device = world.device()
    device.refresh()
    assert device.newest("stable").number == 1, "who is not asked about is not concerned"
    with pytest.raises(ForgedError, match="no staged release"):
        device.newest("stable", "counter-1")


def test_a_device_takes_a_staged_release_and_goes_back_without_a_byte(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validator, "validate_in_child", lambda *_: None)
    following = Following.create(tmp_path / "world")
    first = following.publish(small_bundle)
    assert following.device().check().outcome == "installed"
    device = (following.data / "device-id").read_text().strip()
    newer = variant(small_bundle, tmp_path / "newer", "Newer")
    second = following.publish(newer, share=1)
    assert following.device().check().outcome == "up-to-date", "one device of ten thousand"

    secret = tmp_path / "secret"
    secret.write_bytes(PASSPHRASE)
    secret.chmod(0o600)
    options = [following.source, "--keys", str(following.folder / "keys"),
               "--passphrase-file", str(secret), "--json"]  # fmt: skip

    def change(*arguments: str) -> dict[str, object]:
        done = CliRunner().invoke(command, ["sync", "stage", *options, *arguments])
        assert done.exit_code == 0, done.output
        found: dict[str, object] = json.loads(done.stdout)
        return found

    share = place_of(device, second.bundle) + 1
    assert change("--share", f"{share / 100}%")["share"] == share
    state = following.device().check()
    assert (state.outcome, following.active()) == ("installed", second.bundle)
    following.device().roll_back()
    assert following.device().check().outcome == "up-to-date"
    assert following.active() == first.bundle, "the channel's"
    following.device().unpin()
    assert following.device().check().outcome == "installed"
    assert change("--stop")["stopped"] is True
    assert following.device().check().outcome == "up-to-date"
    assert change("--take-back")["taken_back"] is True
    state = following.device().check()
    assert (state.outcome, state.bytes_fetched) == ("installed", 0)
    assert following.active() == first.bundle
    for wrong in ([], ["--stop", "--take-back"], ["--share", "0"], ["--share", "many"]):
        assert CliRunner().invoke(command, ["sync", "stage", *options, *wrong]).exit_code == 2


def test_a_catalogue_waits_for_its_window_unless_it_is_here(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validator, "validate_in_child", lambda *_: None)
    following = Following.create(tmp_path / "world", datetime(2026, 11, 29, 12, tzinfo=UTC))
    here = following.clock().astimezone()
    night = f"{here + timedelta(hours=10):%H:%M}-{here + timedelta(hours=16):%H:%M}"
    following.publish(small_bundle)
    assert following.device(catalogue_window=night).check().outcome == "installed", "the first"
    second = following.publish(variant(small_bundle, tmp_path / "newer", "Newer"))
    device = following.device(catalogue_window=night)
    state = device.check()
    assert (state.outcome, state.failed) == ("waiting", False)
    assert night in state.message
    assert device.seconds_until_window() == 10 * 3600
    assert device.seconds_until_window(0.5) == 10 * 3600 + 180, "not all at the same time"
    following.pass_days(11 / 24)
    assert device.check().outcome == "installed"
    assert following.active() == second.bundle
    following.pass_days(0.5)
    following.publish(small_bundle)
    assert device.check().outcome == "installed", "it lies on the shelf"
    following.publish(variant(small_bundle, tmp_path / "newest", "Newest"))
    assert device.check().outcome == "waiting"
    assert device.check(any_time=True).outcome == "installed"


def test_shares_are_written_as_people_write_them() -> None:
    assert [percent(share) for share in (1, 50, 500, ALL)] == ["0.01 %", "0.5 %", "5 %", "100 %"]
