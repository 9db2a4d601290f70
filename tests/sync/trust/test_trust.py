"""What a device trusts: attacks on signed metadata, and how the device goes on after each."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import Metadata, Root, Targets

from catalog.core.errors import BundleError, ShelfError
from catalog.core.settings import DeviceSettings
from sync.errors import (
    ExpiredError,
    ForgedError,
    NotInStoreError,
    NotPublishedError,
    RolledBackError,
    StoreBusyError,
    StoreError,
    StoreRefusedError,
    TooLargeError,
    TrustError,
    WrongChannelError,
)
from sync.trust.keys import KeyFolder, expiry
from sync.trust.opening import newest_root, trust_folder
from sync.trust.release import fields_of, software_path
from sync.trust.root import COPY
from sync.trust.store_fetcher import StoreFetcher
from sync.trust.trust import Trust
from tests.support.repository import TODAY, World, secret
from tests.support.stub_release import write_release

DAY = timedelta(days=1)
MADE = ("timestamp.json", "snapshot.json", "targets.json", "root.json", "root_history", "floor")
Damage = Callable[[Path], object]


def test_the_newest_release_is_what_was_published(world: World) -> None:
    done = world.publish()
    device = world.device()
    device.refresh()
    newest = device.newest("stable")
    assert (newest.number, newest.bundle, newest.channel) == (1, done.bundle, "stable")
    assert newest.manifest == (world.folder / "hollow" / "manifest.json").read_bytes()
    assert newest.issued == world.owners_time
    assert newest.expires == done.expires == world.owners_time + 400 * DAY
    assert world.publish("two").release == world.look() == 2


def test_a_check_without_changes_reads_two_objects(world: World) -> None:
    """An unchanged channel costs two requests: for the next root, and for the timestamp."""
    world.publish()
    world.look()
    world.store.read_names.clear()
    assert world.look() == 1
    assert world.store.read_names == ["metadata/2.root.json", "metadata/timestamp.json"]


def test_what_changed_is_fetched_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.trust.changes_maker.MadeChanges.content", b"{}")
    world.publish()
    for fetched in (1, 0):
        world.store.read_names.clear()
        device = world.device()
        device.refresh()
        assert device.newest("stable").changes == b"{}"
        assert sum(name.endswith(".changes.json") for name in world.store.read_names) == fetched


# rollback


def test_a_store_that_goes_back_is_refused(world: World) -> None:
    world.publish()
    old = dict(world.store.objects)
    world.publish("two")
    world.look()
    world.store.objects = old
    with pytest.raises(RolledBackError):
        world.look()


@pytest.mark.parametrize("lost", [MADE[:2], MADE[:3], MADE[:5]])
def test_a_device_that_lost_files_does_not_go_back(lost: tuple[str, ...], world: World) -> None:
    world.publish()
    old = dict(world.store.objects)
    world.publish("two")
    world.look()
    for name in lost:
        shutil.rmtree(world.state / name, ignore_errors=True)
        (world.state / name).unlink(missing_ok=True)
    world.store.objects, newer = old, world.store.objects
    with pytest.raises(RolledBackError, match=r"2026-11-22T13:00:00Z.*seen one of 2026-11-22T14"):
        world.look()
    world.store.objects = newer
    assert world.look() == 2


def test_an_older_snapshot_is_refused(world: World) -> None:
    world.publish()
    world.publish("two")
    world.look()
    world.tamper(timestamp=lambda signed: setattr(signed.snapshot_meta, "version", 1))
    with pytest.raises(RolledBackError):
        world.look()


def test_an_older_list_is_refused(world: World) -> None:
    world.publish()
    world.publish("two")
    world.look()
    world.tamper(snapshot=lambda signed: setattr(signed.meta["targets.json"], "version", 1))
    with pytest.raises(RolledBackError):
        world.look()


def test_a_snapshot_without_the_list_is_refused(world: World) -> None:
    world.publish()
    world.look()
    world.tamper(snapshot=lambda signed: signed.meta.clear())
    with pytest.raises(ForgedError):
        world.look()


def test_an_older_root_is_refused_even_by_a_device_that_lost_its_own(world: World) -> None:
    world.publish()
    old = dict(world.store.objects)
    world.keys = world.keys.rotate({"online"})
    world.publish("two")
    world.look()
    shutil.rmtree(world.state / "root_history")
    world.store.objects = old
    with pytest.raises(RolledBackError, match="this device has seen root 2"):
        world.look()


def test_an_older_release_is_refused_whatever_else_is_new(world: World) -> None:
    for title in ("one", "two"):
        world.publish(title)
    world.look()
    world.tamper(targets=lambda signed: _custom(signed)(release=1))
    with pytest.raises(RolledBackError, match=r"release 1 .* is offered; .* seen release 2"):
        world.look()


def test_an_older_program_is_refused_whatever_else_is_new(world: World, tmp_path: Path) -> None:
    for number in (1, 2):
        world.publish()
        write_release(tmp_path / str(number), f"0.{number}.0", world.keys)
        world.publisher().publish_software(tmp_path / str(number), "stable")
    device = world.device()
    device.refresh()
    assert device.newest_software("stable").number == 2

    def older(signed: Any) -> None:
        target = signed.targets[software_path("stable")]
        target.unrecognized_fields["custom"] = fields_of(target) | {"release": 1}

    world.tamper(targets=older)
    device = world.device()
    device.refresh()
    with pytest.raises(RolledBackError, match="this device has seen release 2"):
        device.newest_software("stable")


def test_changes_of_another_release_are_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.trust.changes_maker.MadeChanges.content", b"{}")
    world.publish("one")
    monkeypatch.setattr("sync.trust.publish.changes_path", lambda channel: f"{channel}/other.json")
    world.publish("two")
    device = world.device()
    device.refresh()
    assert device.target("stable/changes.json") is not None
    assert device.newest("stable").changes == b""


def test_each_channel_counts_for_itself(world: World) -> None:
    for title in ("one", "two"):
        world.publish(title)
    world.publish("one", channel="store-42")
    assert world.look() == 2
    assert world.look("store-42") == 1


# freeze


@pytest.mark.parametrize("role", ["timestamp", "root"])
def test_what_has_expired_is_refused_with_dates(role: str, world: World) -> None:
    world.publish()
    world.look()
    world.devices_time = {
        "timestamp": world.devices_time + 401 * DAY,
        "root": world.keys.root.expires + DAY,  # its ten years begin now
    }[role]
    with pytest.raises(ExpiredError, match=rf"\({role}\) .*this device's clock says 20") as caught:
        world.look()
    assert caught.value.clock == world.devices_time
    assert caught.value.expired < world.devices_time
    assert caught.value.outcome == "expired"


def test_what_has_expired_is_named_whatever_else_is_wrong(world: World) -> None:
    world.publish()
    world.look()
    world.devices_time += 401 * DAY
    world.store.objects["metadata/1.snapshot.json"] = b"garbage"
    with pytest.raises(ExpiredError, match=r"\(timestamp\)"):
        world.look()


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_a_part_that_has_expired_is_refused(role: str, world: World) -> None:
    world.publish()

    def expire(signed: Any) -> None:
        signed.expires = TODAY + DAY

    world.tamper(targets=expire if role == "targets" else None)
    if role == "snapshot":
        world.tamper(snapshot=expire)
    world.devices_time += 2 * DAY
    with pytest.raises(ExpiredError, match=rf"\({role}\) .*until 2026-11-23T12"):
        world.look()


def test_what_has_expired_and_was_renewed_is_trusted_again(world: World) -> None:
    world.publish()
    world.look()
    world.devices_time += 401 * DAY
    with pytest.raises(ExpiredError):
        world.look()
    world.owners_time = world.devices_time
    world.publish("two")
    assert world.look() == 2


def test_a_device_in_1970_works(world: World) -> None:
    world.publish()
    world.devices_time = datetime(1970, 1, 1, tzinfo=UTC)
    assert world.look() == 1


def test_a_device_in_1970_knows_what_has_expired_by_what_it_has_seen(world: World) -> None:
    """A thief of the online key goes on signing, over a list that is no longer valid."""
    world.publish()
    world.devices_time = datetime(1970, 1, 1, tzinfo=UTC)
    world.look()
    world.owners_time += 399 * DAY
    world.publisher().refresh()
    assert world.look() == 1
    later = f"{world.owners_time + 2 * DAY:%Y-%m-%dT%H:%M:%SZ}"
    world.tamper(timestamp=lambda signed: signed.unrecognized_fields.update(issued=later))
    with pytest.raises(ExpiredError, match=r"\(targets\).*clock says 1970"):
        world.look()


def test_the_newest_time_of_issue_survives_the_loss_of_all_other_files(world: World) -> None:
    world.publish(days=10)
    frozen = dict(world.store.objects)
    world.owners_time += 20 * DAY
    world.publish("two")
    world.devices_time = datetime(1970, 1, 1, tzinfo=UTC)
    world.look()
    for name in MADE[:3]:
        (world.state / name).unlink()
    world.store.objects = frozen
    with pytest.raises(ExpiredError):
        world.look()


def test_a_clock_that_ran_ahead_has_no_effect_once_it_is_right(world: World) -> None:
    world.publish()
    world.look()
    world.devices_time = datetime(2099, 1, 1, tzinfo=UTC)
    with pytest.raises(ExpiredError, match=r"clock says 2099-01-01.*If the clock is wrong, set it"):
        world.look()
    world.devices_time = TODAY
    world.publish("two")
    assert world.look() == 2


def test_a_repository_without_a_time_of_issue_is_trusted(world: World) -> None:
    world.publish()
    world.tamper(timestamp=lambda signed: signed.unrecognized_fields.clear())
    device = world.device()
    device.refresh()
    assert device.newest("stable").issued is None


@pytest.mark.parametrize("said", ["yesterday", 5, None, ["2026-11-22T12:00:00Z"], "1"])
@pytest.mark.parametrize("looked_before", [False, True])
def test_a_wrong_time_of_issue_is_refused(said: object, looked_before: bool, world: World) -> None:
    """Also at the first look, where there is no other time to compare it with."""
    world.publish()
    if looked_before:
        world.look()
    world.tamper(timestamp=lambda signed: signed.unrecognized_fields.update(issued=said))
    if said is None and not looked_before:
        assert world.look() == 1  # as if it were not there
        return
    with pytest.raises(TrustError) as refused:
        world.look()
    assert type(refused.value) is (RolledBackError if said is None else ForgedError)


# forged, mixed and swapped


def test_another_owner_is_not_trusted(world: World) -> None:
    world.publish()
    world.look()
    stranger = KeyFolder.create(world.folder / "stranger", secret)
    world.tamper(keys=stranger)
    with pytest.raises(ForgedError, match="not signed by enough of the owner's keys"):
        world.look()


@pytest.mark.parametrize("role", ["timestamp", "2.snapshot", "2.targets", "2.root"])
@pytest.mark.parametrize("how", ["signature", "content", "truncated", "nonsense", "other role"])
def test_what_was_altered_is_not_trusted(role: str, how: str, world: World) -> None:
    world.publish()
    world.look()
    world.keys = world.keys.rotate(set())
    world.publish("two")
    name = f"metadata/{role}.json"
    text = world.store.objects[name].decode()
    altered = {
        "signature": lambda: text.replace('"sig":"', '"sig":"00'),
        "content": lambda: text.replace('"version":2', '"version":3'),
        "truncated": lambda: text[:-20],
        "nonsense": lambda: "[" * 5000,
        "other role": lambda: world.store.objects["metadata/1.root.json"].decode(),
    }[how]()
    assert altered != text
    world.store.objects[name] = altered.encode()
    with pytest.raises(TrustError):
        world.look()


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_parts_of_two_states_do_not_mix(role: str, world: World) -> None:
    world.publish()
    world.publish("two")
    one, two = (f"metadata/{version}.{role}.json" for version in (1, 2))
    right = dict(world.store.objects)
    world.store.objects[two] = world.store.objects[one]
    with pytest.raises(ForgedError):
        world.look()
    world.store.objects = right  # and now without digests to hold them against
    world.tamper(**{role: lambda signed: None})  # type: ignore[arg-type]
    world.store.objects[f"metadata/3.{role}.json"] = world.store.objects[one]
    with pytest.raises(RolledBackError):
        world.look()


def test_one_root_key_is_not_enough(world: World) -> None:
    world.publish()
    root = Metadata[Root].from_bytes(world.keys.roots[1])
    root.signed.version = 2
    root.signatures.clear()
    root.sign(world.keys.signers("offline")[0])
    world.store.objects["metadata/2.root.json"] = root.to_bytes()
    with pytest.raises(ForgedError):
        world.look()
    root.sign(world.keys.signers("offline")[1], append=True)
    world.store.objects["metadata/2.root.json"] = root.to_bytes()
    assert world.look() == 1


def test_new_root_keys_alone_are_not_enough(world: World) -> None:
    world.publish()
    newer = world.keys.rotate({"offline"})
    signed = Metadata[Root].from_bytes(newer.roots[2])
    signed.signatures = {
        signer.public_key.keyid: signed.signatures[signer.public_key.keyid]
        for signer in newer.signers("offline")
    }
    world.store.objects["metadata/2.root.json"] = signed.to_bytes()
    with pytest.raises(ForgedError):
        world.look()


def test_a_role_with_two_keys_needs_both(world: World) -> None:
    root = Metadata[Root].from_bytes(world.keys.roots[1]).signed
    other = KeyFolder.create(world.folder / "other", secret).signers("publisher")[0]
    root.add_key(other.public_key, "targets")
    root.roles["targets"].threshold = 2
    root.version = 2
    world.publish()
    world.store.objects["metadata/2.root.json"] = world.keys.sign(root)
    with pytest.raises(ForgedError):
        world.look()
    listed = Metadata.from_bytes(world.store.objects["metadata/1.targets.json"])
    listed.sign(other, append=True)
    world.tamper(targets=lambda signed: None)
    listed.signed.version = 2
    listed.signatures.clear()
    listed.sign(world.keys.signers("publisher")[0])
    listed.sign(other, append=True)
    world.store.objects["metadata/2.targets.json"] = listed.to_bytes()
    assert world.look() == 1


# keys that are replaced


@pytest.mark.parametrize("folder", ["offline", "publisher", "online"])
def test_devices_follow_to_new_keys(folder: str, world: World) -> None:
    world.publish()
    world.look()
    former = world.keys
    world.keys = former.rotate({folder})
    world.publish("two")
    assert world.look() == 2
    if folder != "offline":
        world.tamper(targets=lambda signed: None, keys=former)
        with pytest.raises(ForgedError):
            world.look()


def test_a_device_that_was_off_for_many_roots_follows(world: World) -> None:
    world.publish()
    world.look()
    for folders in ({"offline"}, {"online"}, {"offline", "publisher", "online"}, set[str]()):
        world.keys = world.keys.rotate(folders)
        world.publish()
    assert world.look() == 5
    shutil.rmtree(world.state)
    assert world.look() == 5


def test_versions_signed_far_ahead_are_forgotten_with_the_stolen_key(world: World) -> None:
    """A fast-forward attack: versions, time and release far ahead; then the keys are replaced."""
    world.publish()
    clean = dict(world.store.objects)

    def ahead(signed: Any) -> None:
        signed.version = 2**31

    def far(signed: Any) -> None:
        ahead(signed)
        signed.unrecognized_fields["issued"] = "2999-01-01T00:00:00Z"
        signed.expires = datetime(3000, 1, 1, tzinfo=UTC)

    def list_ahead(signed: Any) -> None:
        ahead(signed)
        signed.expires = datetime(3000, 1, 1, tzinfo=UTC)
        _custom(signed)(release=2**31)

    def snap(signed: Any) -> None:
        ahead(signed)
        signed.expires = datetime(3000, 1, 1, tzinfo=UTC)

    world.tamper(list_ahead, snap, far)
    assert world.look() == 2**31
    world.store.objects = clean
    shutil.rmtree(world.folder / "keys" / "seen", ignore_errors=True)
    world.publish("two")
    with pytest.raises(TrustError):
        world.look()
    world.keys = world.keys.rotate({"publisher", "online"})
    world.publish("three")
    assert world.look() == 3


# sizes


@pytest.mark.parametrize(
    ("name", "size"), [("timestamp", 16385), ("2.snapshot", 2_000_001), ("2.root", 512_001)]
)
def test_metadata_that_is_too_large_is_not_read(name: str, size: int, world: World) -> None:
    world.publish()
    world.tamper()
    world.store.objects[f"metadata/{name}.json"] = b" " * size
    with pytest.raises(TooLargeError):
        world.look()


def test_a_manifest_that_is_too_large_is_not_read(world: World) -> None:
    world.publish()
    world.tamper(targets=lambda signed: _set(signed, length=100 << 20))
    device = world.device()
    device.refresh()
    world.store.read_names.clear()
    with pytest.raises(TooLargeError, match="104857600 bytes, 1048576 are allowed"):
        device.newest("stable")
    assert world.store.read_names == []


def test_as_much_as_is_allowed_is_read(world: World) -> None:
    world.publish()
    device = world.device()
    device.refresh()
    target = device.target("stable/manifest.json")
    assert target is not None
    assert len(device.content(target, target.length)) == target.length
    with pytest.raises(TooLargeError, match=f"{target.length - 1} are allowed"):
        device.content(target, target.length - 1)


def test_a_manifest_longer_than_signed_is_not_read(world: World) -> None:
    world.publish()
    name = _manifest(world)
    world.store.objects[name] += b" "
    with pytest.raises(TooLargeError):
        world.look()


# channels and manifests


def test_a_channel_without_a_release_is_named(world: World) -> None:
    world.publish()
    with pytest.raises(NotPublishedError, match=r"in the channel 'beta'; .* publish a bundle in"):
        world.look("beta")
    device = world.device()
    device.refresh()
    with pytest.raises(NotPublishedError, match=r"in the channel 'stable'; .* the program in it"):
        device.newest_software("stable")
    for name in ("", "a/b", "..", "A", "x" * 64):
        with pytest.raises(NotPublishedError, match="no name for a channel"):
            world.look(name)


def test_what_was_signed_for_another_channel_is_refused(world: World) -> None:
    world.publish()

    def also_as_beta(signed: Any) -> None:
        signed.targets["beta/manifest.json"] = signed.targets["stable/manifest.json"]
        signed.targets["beta/manifest.json"].path = "beta/manifest.json"

    name = _manifest(world)
    world.store.objects[name.replace("stable", "beta")] = world.store.objects[name]
    world.tamper(targets=also_as_beta)
    with pytest.raises(WrongChannelError, match="'beta' was signed for 'stable'"):
        world.look("beta")
    assert world.look() == 1


@pytest.mark.parametrize("said", [None, "stable", [], {}])
def test_a_target_without_its_fields_is_refused(said: object, world: World) -> None:
    world.publish()

    def say(signed: Any) -> None:
        signed.targets["stable/manifest.json"].unrecognized_fields = {"custom": said}

    world.tamper(targets=say)
    with pytest.raises(WrongChannelError, match="was signed for None"):
        world.look()


@pytest.mark.parametrize("release", [None, 0, -1, True, "2"])
def test_a_release_without_a_number_is_refused(release: object, world: World) -> None:
    world.publish()
    world.tamper(targets=lambda signed: _custom(signed)(release=release))
    with pytest.raises(ForgedError, match="no release number"):
        world.look()


def test_a_manifest_of_another_bundle_is_refused(world: World) -> None:
    world.publish()
    world.tamper(targets=lambda signed: _custom(signed)(bundle="20260101T000000Z-000000000000"))
    with pytest.raises(ForgedError, match="not the manifest of 20260101T000000Z-000000000000"):
        world.look()


def test_a_manifest_that_was_altered_is_refused(world: World) -> None:
    world.publish()
    name = _manifest(world)
    world.store.objects[name] = world.store.objects[name].replace(b"one", b"two")
    with pytest.raises(ForgedError):
        world.look()


@pytest.mark.parametrize(
    "change",
    [
        {"../../etc/passwd": {"bytes": 1, "sha256": "0" * 64}},
        {"/etc/passwd": {"bytes": 1, "sha256": "0" * 64}},
        {"a//b": {"bytes": 1, "sha256": "0" * 64}},
        {"index.ann": {"bytes": -1, "sha256": "0" * 64}},
        {"index.ann": {"bytes": 1, "sha256": "../" * 21 + "x"}},
        {"index.ann": {"bytes": 1, "sha256": "0" * 64, "mode": "0777"}},
    ],
)
def test_a_signed_manifest_names_files_of_its_bundle_only(
    change: dict[str, Any], world: World
) -> None:
    world.publish()
    manifest = json.loads(world.store.objects[_manifest(world)])
    manifest["files"] |= change
    data = json.dumps(manifest).encode()

    def exchange(signed: Any) -> None:
        target = signed.targets["stable/manifest.json"]
        signed.targets["stable/manifest.json"] = type(target).from_data(target.path, data)
        signed.targets["stable/manifest.json"].unrecognized_fields = target.unrecognized_fields

    world.tamper(targets=exchange)
    signed = world.signed("2.targets.json", Targets)
    digest = signed.targets["stable/manifest.json"].hashes["sha256"]
    world.store.objects[f"targets/stable/{digest}.manifest.json"] = data
    with pytest.raises(BundleError):
        world.look()


# the store fails


@pytest.mark.parametrize("kind", [NotInStoreError, StoreRefusedError, StoreBusyError])
@pytest.mark.parametrize("name", ["timestamp", "2.snapshot", "2.targets", "manifest"])
def test_the_errors_of_a_store_pass_through(
    kind: type[StoreError], name: str, world: World
) -> None:
    world.publish()
    world.look()
    world.publish("two")
    world.store.failing[name] = kind("the store says so")
    with pytest.raises(kind, match="the store says so"):
        world.look()
    world.store.failing.clear()
    assert world.look() == 2


def test_after_a_refresh_that_failed_there_is_no_state(world: World) -> None:
    """The state of the refresh before it is not served as if it were the newest."""
    world.publish()
    device = world.device()
    device.refresh()
    assert device.newest("stable").number == 1
    world.store.failing["timestamp"] = StoreBusyError("500")
    with pytest.raises(StoreBusyError):
        device.refresh()
    for ask in (lambda: device.targets, lambda: device.newest("stable"), lambda: device.issued):
        with pytest.raises(RuntimeError, match="call `refresh` first"):
            ask()


def test_a_store_that_answers_403_for_an_absent_object_is_understood(world: World) -> None:
    """S3 answers 403 for the next root to clients that may read but not list."""
    world.publish()
    world.store.failing["2.root.json"] = StoreRefusedError("403")
    assert world.look() == 1
    world.store.failing["2.root.json"] = StoreBusyError("500")
    with pytest.raises(StoreBusyError):
        world.look()


# the device's own folder


@pytest.mark.parametrize(
    "name", [*MADE[:3], "root_history/1.root.json", "floor", "manifests/stable"]
)
@pytest.mark.parametrize(
    "damage",
    [
        Path.unlink,
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:-30]),
        lambda file: file.write_bytes(b"\xff" * 100),
    ],
    ids=["lost", "empty", "torn", "garbage"],
)
def test_a_damaged_file_is_fetched_again(name: str, damage: Damage, world: World) -> None:
    world.publish()
    world.look()
    damage(world.state / name)
    assert world.look() == 1
    world.publish("two")
    assert world.look() == 2


def test_temporary_files_of_a_killed_refresh_are_removed(world: World) -> None:
    world.publish()
    world.state.mkdir()
    (world.state / "tmpabc123").write_bytes(b"half")
    (world.state / ".floor.0a1b2c3d").write_bytes(b"half")
    world.look()
    assert not [*world.state.glob("tmp*"), *world.state.rglob(".*")]


def test_everything_is_flushed_after_a_refresh(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.publish()
    flushed = set()

    def fsync(handle: int) -> None:
        flushed.add(os.path.realpath(f"/proc/self/fd/{handle}"))

    monkeypatch.setattr(os, "fsync", fsync)
    world.look()
    wanted = {path.resolve() for path in (world.state, *world.state.rglob("*"))}
    ours = {"floor", "floor-of-lists", "stable"}  # flushed under the names they are written with
    assert {str(path) for path in wanted if path.name not in {"lock"} | ours} <= flushed
    assert all(any(f"/.{name}." in path for path in flushed) for name in ours)


def test_two_processes_at_once_exclude_each_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.trust.repository.LOCK_TIMEOUT_S", 0.1)
    world.publish()
    world.state.mkdir()
    with (world.state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ShelfError, match="another process is using it"):
            world.look()
    assert world.look() == 1


def test_a_folder_that_cannot_be_used_is_named(world: World) -> None:
    world.publish()
    world.state.write_text("a file")
    with pytest.raises(ShelfError, match="cannot be used"):
        world.look()


def test_a_device_given_another_owners_root_begins_anew(world: World, tmp_path: Path) -> None:
    for title in ("one", "two"):
        world.publish(title)
    world.look()
    other = World(tmp_path, world.like, KeyFolder.create(tmp_path / "others", secret))
    other.publish()
    assert other.state == world.state
    assert other.look() == 1


@pytest.mark.parametrize("root", [b"", b"{}", b"[[", b"\xff"])
def test_a_file_that_is_no_root_is_named(root: bytes, world: World) -> None:
    world.publish()
    with pytest.raises(TrustError):
        Trust(world.state, root, world.store).refresh()


def test_the_root_that_is_given_must_sign_itself(world: World) -> None:
    root = Metadata[Root].from_bytes(world.keys.roots[1])
    root.signed.expires = expiry(1)
    with pytest.raises(ForgedError):
        Trust(world.state, root.to_bytes(), world.store).refresh()


def _custom(signed: Any) -> Callable[..., None]:
    fields: dict[str, Any] = signed.targets["stable/manifest.json"].unrecognized_fields["custom"]
    return fields.update


def _set(signed: Any, **changes: object) -> None:
    for name, value in changes.items():
        setattr(signed.targets["stable/manifest.json"], name, value)


def _manifest(world: World) -> str:
    return next(name for name in world.store.objects if name.endswith("manifest.json"))


def test_the_newest_root_of_a_device_counts_where_it_has_the_same_owner(
    world: World, tmp_path: Path
) -> None:
    device = DeviceSettings(data_dir=tmp_path / "device")
    history = trust_folder(device) / "root_history"
    history.mkdir(parents=True)
    first, newer = world.keys.roots[1], world.keys.rotate({"offline"}).roots[2]
    (history / "1.root.json").write_bytes(first)
    (history / "2.root.json").write_bytes(newer)
    assert newest_root(first, device) == first, "the device follows nobody"
    (device.folder / COPY).write_bytes(b"another owner's")
    assert newest_root(first, device) == first
    (device.folder / COPY).write_bytes(first)
    assert newest_root(first, device) == newer


def test_nothing_is_fetched_without_a_limit(world: World) -> None:
    with pytest.raises(NotImplementedError, match="without a limit"):
        StoreFetcher(world.store)._fetch("metadata/timestamp.json")


def test_a_key_folder_that_was_there_empty_is_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o755)
    KeyFolder.create(folder, secret)
    assert folder.stat().st_mode & 0o777 == 0o700
