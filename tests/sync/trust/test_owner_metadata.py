"""The owner's metadata: what is signed again, what is left alone, and what ends the work."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import Metadata, MetaFile, Snapshot, TargetFile, Targets, Timestamp

from catalog.core.errors import SurroundingsError
from sync.errors import (
    ForgedError,
    KeysError,
    RolledBackError,
    StoreConflictError,
    TrustError,
    WrongChannelError,
)
from sync.trust.key_files import sign_with
from sync.trust.keys import KeyFolder
from sync.trust.owner_metadata import OwnerMetadata
from sync.trust.recovery import MARGIN, is_replaced
from tests.support.channel_key import DAYS, newest_list, newest_name, owner, sign_as
from tests.support.repository import World, secret

PATH = "north/manifest.json"


def metadata(world: World) -> OwnerMetadata:
    return OwnerMetadata(world.store, world.keys, lambda: world.owners_time)


def names(world: World, role: str) -> list[str]:
    return sorted(name for name in world.store.objects if name.endswith(f".{role}.json"))


def without(world: World, *folders: str) -> World:
    """The world of an owner who has not brought all keys."""
    for folder in folders:
        shutil.rmtree(world.keys.folder / folder)
    return replace(world, keys=KeyFolder(world.keys.folder, secret))


def test_each_publish_signs_one_state_and_roots_are_written_once(world: World) -> None:
    world.publish("one")
    assert names(world, "root") == ["metadata/1.root.json"]
    written: list[str] = []
    world.store.written = written.append
    world.publish("two")
    assert [name for name in written if name.startswith("metadata/")] == [
        "metadata/2.targets.json",
        "metadata/2.snapshot.json",
        "metadata/timestamp.json",
    ]
    assert world.signed("timestamp.json", Timestamp).version == 2


def test_a_name_that_a_killed_publish_has_taken_is_left_as_it_is(world: World) -> None:
    world.publish("one")
    world.store.objects["metadata/2.targets.json"] = b"of a publish that was killed"
    world.publish("two")
    assert world.store.objects["metadata/2.targets.json"] == b"of a publish that was killed"
    assert names(world, "targets")[-1] == "metadata/3.targets.json"
    assert world.look() == 2


def test_a_write_whose_answer_was_lost_is_no_conflict(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.publish("one")
    write = world.store.write

    def lost(name: str, content: Any, **how: Any) -> Any:
        found = write(name, content, **how)
        if name == "metadata/timestamp.json":
            raise StoreConflictError("it is there already")
        return found

    monkeypatch.setattr(world.store, "write", lost)
    assert world.publish("two").release == 2
    assert world.look() == 2


def test_a_target_without_the_digest_that_names_it_is_not_read(world: World) -> None:
    target = TargetFile.from_data("a", b"{}", ["sha512"])
    with pytest.raises(LengthOrHashMismatchError, match="signed without a sha256"):
        metadata(world).read_target(target, 10)


def test_a_store_that_went_back_is_named_so(world: World) -> None:
    world.publish("one")
    old = dict(world.store.objects)
    world.publish("two")
    metadata(world).read()
    world.store.objects = old
    with pytest.raises(RolledBackError, match="older than what was seen"):
        world.publish("three")


@pytest.mark.parametrize(("more", "refused"), [(0, False), (1, True)])
def test_a_clock_may_be_an_hour_behind(world: World, more: int, refused: bool) -> None:
    world.publish("one")
    world.owners_time -= timedelta(hours=1, seconds=more)
    if refused:
        with pytest.raises(SurroundingsError, match="signed last at"):
            metadata(world).read()
    else:
        assert metadata(world).read().timestamp.version == 1


def test_a_list_that_ends_now_is_no_longer_valid(world: World) -> None:
    expires = world.publish("one", days=10).expires
    world.owners_time = expires - timedelta(seconds=1)
    world.publisher().refresh(days=10)
    world.owners_time = expires
    with pytest.raises(KeysError, match="publish a bundle again"):
        world.publisher().refresh(days=10)


def test_a_refresh_signs_the_list_where_channels_have_keys_and_else_not(world: World) -> None:
    world.publish("one", "north")
    world.publisher().refresh(DAYS)
    assert names(world, "targets") == ["metadata/1.targets.json"]
    owner(world).delegate("north", DAYS)
    before = names(world, "targets")
    world.publisher().refresh(DAYS)
    assert len(names(world, "targets")) == len(before) + 1
    world.owners_time += timedelta(days=DAYS + 1)
    world.publisher().refresh(DAYS)  # after its end, too
    world.devices_time = world.owners_time
    device = world.device()
    device.refresh()
    assert device.targets.expires > world.owners_time
    plain = without(world, "publisher")
    before = names(world, "targets")
    plain.publisher().refresh(DAYS)
    assert names(world, "targets") == before


def test_a_new_publishers_key_signs_the_list_by_the_next_publish_in_a_channel(
    world: World, north: World
) -> None:
    """Of a channel that another key signs; devices trust the former publisher's key no more."""
    world.keys = world.keys.rotate({"publisher"})
    for name in ("publisher", "roots"):
        shutil.rmtree(north.keys.folder / name, ignore_errors=True)
        shutil.copytree(world.keys.folder / name, north.keys.folder / name)
    north.keys = KeyFolder(north.keys.folder, secret)
    assert north.publish("three", "north").release == 3
    assert (world.look("north"), world.look("south")) == (3, 1)


def test_keys_that_are_missing_are_told_before_anything_is_written(
    world: World, north: World
) -> None:
    state = metadata(world).read()
    state.changed.add(Targets.type)
    before = dict(world.store.objects)
    for folder in ("publisher", "online"):
        kept = world.keys.folder / folder
        kept.rename(world.folder / folder)
        keys = KeyFolder(world.keys.folder, secret)
        missing = OwnerMetadata(world.store, keys, lambda: world.owners_time)
        with pytest.raises(KeysError, match=f"{folder}: 0 of the 1 keys"):
            missing.check_keys(state)
        with pytest.raises(KeysError, match=f"{folder}: 0 of the 1 keys"):
            missing.write(state, DAYS)
        if folder == "publisher":
            state.changed.clear()
            with pytest.raises(KeysError, match=f"{folder}: 0 of the 1 keys"):
                missing.check_keys(state, "south/manifest.json")
            missing.check_keys(state)
            state.changed.add(Targets.type)
        (world.folder / folder).rename(kept)
    assert world.store.objects == before


def test_a_list_that_cannot_be_trusted_stays_named_while_the_online_key_stays(
    world: World, north: World
) -> None:
    """Devices are told why, and the channel goes on once its key is revoked."""
    target = TargetFile.from_data("south/manifest.json", b"{}", ["sha256"])
    sign_as(north, lambda listed: listed.targets.update({target.path: target}))
    world.owners_time += timedelta(hours=1)
    for again in (
        lambda: world.publish("two", "south"),
        lambda: world.publisher().refresh(DAYS),
        lambda: without(world, "publisher").publisher().refresh(DAYS),
    ):
        again()
        with pytest.raises(WrongChannelError, match="which it may not"):
            world.look("north")


@pytest.mark.parametrize("has_publisher", [True, False])
def test_after_a_theft_of_the_online_key_lists_that_cannot_be_trusted_are_named_no_more(
    world: World, north: World, has_publisher: bool, caplog: pytest.LogCaptureFixture
) -> None:
    owner(world).delegate("south", DAYS)
    world.tamper(
        snapshot=lambda signed: signed.meta.update({"channel-north.json": MetaFile(10**300)})
    )
    world.keys = world.keys.rotate({"online"})
    mine = world if has_publisher else without(world, "publisher")
    mine.owners_time += timedelta(hours=1)
    mine.publisher().refresh(DAYS)
    newest = world.signed("timestamp.json", Timestamp).snapshot_meta.version
    named = world.signed(f"{newest}.snapshot.json", Snapshot).meta
    assert set(named) == {"targets.json", "channel-south.json"}
    assert "channel-north.json is published no more" in caplog.text
    assert world.look("south") == 1


def test_what_was_delegated_in_another_way_is_said(
    world: World, north: World, caplog: pytest.LogCaptureFixture
) -> None:
    def add(listed: Targets) -> None:
        assert listed.delegations is not None
        assert listed.delegations.roles is not None
        role = listed.delegations.roles["channel-north"]
        listed.delegations.roles["others"] = replace_name(role, "others")

    world.tamper(targets=add)
    world.owners_time += timedelta(hours=1)
    world.publisher().refresh(DAYS)
    assert "the list delegated ['others'], which this program never does" in caplog.text
    assert world.look("north") == 2


def replace_name(role: Any, name: str) -> Any:
    other = type(role).from_dict(role.to_dict())
    other.name = name
    return other


# going on after a theft of the online key


def stolen(world: World) -> None:
    """A state that nobody can go on from, and the owner's new online key."""
    world.tamper(timestamp=lambda signed: signed.unrecognized_fields.update(issued="never"))
    world.keys = world.keys.rotate({"online"})
    world.owners_time += timedelta(hours=1)


def test_an_online_key_is_replaced_until_the_new_one_has_signed(world: World) -> None:
    world.publish("one", "south")
    signed = world.store.objects["metadata/timestamp.json"]
    altered = signed.replace(b'"version":1}', b'"version":2}')
    assert altered != signed
    assert not is_replaced(altered, world.keys), "it is the key that it was"
    world.keys = world.keys.rotate({"online"})
    assert is_replaced(signed, world.keys)
    world.publish("two", "south")
    assert not is_replaced(world.store.objects["metadata/timestamp.json"], world.keys)


def test_after_a_theft_of_both_keys_a_refresh_signs_the_list_anew(world: World) -> None:
    world.publish("one", "south")
    metadata(world).read()
    stolen(world)
    world.keys = world.keys.rotate({"publisher"})
    world.publisher().refresh(DAYS)
    assert world.look("south") == 1


def test_a_channel_is_taken_back_after_a_theft_and_its_numbers_go_on(
    world: World, north: World
) -> None:
    assert north.publish("three", "north").release == 3
    world.owners_time = north.owners_time
    assert world.look("north") == 3
    owner(world).channels()
    stolen(world)
    owner(world).revoke("north", DAYS)
    assert world.publish("four", "north").release == 4
    assert world.look("north") == 4


def test_versions_go_on_far_above_those_that_a_thief_may_have_signed(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.publish("one", "south")
    metadata(world).read()
    stolen(world)
    world.publish("two", "south")
    newest = world.signed("timestamp.json", Timestamp)
    assert newest.version > MARGIN
    assert newest.snapshot_meta.version > MARGIN
    assert "going on from list 1, after the online key" in caplog.text
    world.tamper(timestamp=lambda signed: signed.unrecognized_fields.update(issued="never"))
    with pytest.raises(TrustError):  # the new key was stolen, too
        world.publish("three", "south")


def _outside(world: World, north: World) -> None:
    target = TargetFile.from_data("x", b"{}", ["sha256"])
    sign_as(north, lambda listed: listed.targets.update(x=target))


def _unsigned(world: World, north: World) -> None:
    newest = newest_list(world)
    newest.version += 1
    online = world.keys.signers("online")
    world.store.objects[f"metadata/{newest.version}.channel-north.json"] = sign_with(newest, online)


def _nonsense(world: World, north: World) -> None:
    number = newest_list(world).version + 1
    world.store.objects[f"metadata/{number}.channel-north.json"] = b"{"


def _older(world: World, north: World) -> None:
    number = newest_list(world).version + 1
    first = world.store.objects["metadata/1.channel-north.json"]
    world.store.objects[f"metadata/{number}.channel-north.json"] = first


@pytest.mark.parametrize("left", [_outside, _unsigned, _nonsense, _older])
@pytest.mark.parametrize("newer", [False, True])
def test_lists_that_no_device_takes_are_passed_over(
    world: World,
    north: World,
    left: Callable[[World, World], None],
    newer: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert north.publish("three", "north").release == 3
    owner(world).channels()
    listed = newest_list(world)
    ids = list(Metadata[Targets].from_bytes(world.store.objects[newest_name(world)]).signatures)
    left(world, north)
    if newer:  # and one behind it is right
        listed.version += 2
        data = sign_with(listed, north.keys.channel_signers("north", ids))
        world.store.objects[f"metadata/{listed.version}.channel-north.json"] = data
    stolen(world)
    world.publisher().refresh(DAYS)
    is_told = ".channel-north.json is passed over: " in caplog.text
    assert is_told is (left in (_unsigned, _nonsense))
    assert world.look("north") == 3
    newest = world.signed("timestamp.json", Timestamp).snapshot_meta.version
    named = world.signed(f"{newest}.snapshot.json", Snapshot).meta["channel-north.json"]
    assert named.version == listed.version


def test_what_a_channel_s_key_signed_is_told_before_the_state_is_signed_anew(
    world: World, north: World
) -> None:
    north.publish("three", "north")
    before = owner(world).channels()
    stolen(world)
    assert owner(world).channels() == before


def test_a_publisher_who_lost_newer_lists_does_not_go_on(world: World) -> None:
    world.publish("one", "south")
    world.publish("two", "south")
    metadata(world).read()
    (seen,) = (world.keys.folder / "seen").iterdir()
    older = world.store.objects["metadata/1.targets.json"]
    del world.store.objects["metadata/2.targets.json"]
    stolen(world)
    (seen / "targets.json").write_bytes(older)
    with pytest.raises(ForgedError, match="A stolen online key"):
        world.publish("three", "south")
