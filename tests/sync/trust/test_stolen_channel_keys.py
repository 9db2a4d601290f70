"""What a thief of a channel's key, or of the online key, can sign, and how the owner ends it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tuf.api.metadata import DelegatedRole, Metadata, MetaFile, Snapshot, TargetFile, Targets

from sync.errors import (
    ForgedError,
    KeysError,
    NotInStoreError,
    NotPublishedError,
    RolledBackError,
    TrustError,
)
from sync.trust.keys import KeyFolder
from sync.trust.release import LARGEST_COUNTED, LARGEST_NUMBER
from sync.trust.rollback_protection import ListsSeen, NewestSeen
from tests.support.channel_key import DAYS, edit, hand_over, newest_list, owner, sign_as
from tests.support.repository import MemoryStore, World, secret

DAY = timedelta(days=1)
PATH = "north/manifest.json"
GOOD: dict[str, Any] = {"channel": "north", "release": 3, "bundle": "20261122T120000Z-0123456789ab"}


def _said(fields: object) -> Callable[[Targets], object]:
    return lambda listed: listed.targets[PATH].unrecognized_fields.update(custom=fields)


def _hashed(kinds: list[str]) -> Callable[[Targets], object]:
    target = TargetFile.from_data(PATH, b"{}", kinds)
    target.unrecognized_fields["custom"] = dict(GOOD)
    return lambda listed: listed.targets.update({PATH: target})


BAD = [
    _said("a word"),
    _said(["a", "list"]),
    _said(None),
    _said(GOOD | {"channel": ["north"]}),
    _said(GOOD | {"release": "3"}),
    _said(GOOD | {"release": True}),
    _said(GOOD | {"release": 0}),
    _said(GOOD | {"release": LARGEST_NUMBER + 1}),
    _said(GOOD | {"release": 10**4299}),
    _said(GOOD | {"bundle": "\x1b[2J"}),
    _said(GOOD | {"bundle": {}}),
    _hashed(["sha512"]),
    _hashed(["sha256", "sha512"]),
]


def test_a_release_that_is_not_of_its_kind_is_refused_and_revoked(
    world: World, north: World
) -> None:
    for change in BAD:
        sign_as(north, change)
        with pytest.raises(ForgedError, match=r"has signed at north/manifest\.json has no"):
            world.look("north")
        (found,) = owner(world).channels()
        assert (found.release, found.bundle) == (0, "")
        assert "has signed at north/manifest.json has no" in found.problem
    assert world.look("south") == 1
    owner(world).revoke("north", DAYS)
    assert world.publish("the owner's", "north").release == 4, "the last one said 3"
    assert world.look("north") == 4


def test_the_owners_own_list_with_such_a_release_is_read(world: World) -> None:
    world.publish("one", "north")
    for fields in ("a word", ["a", "list"], GOOD | {"release": 10**4299}):
        world.tamper(targets=_said(fields))
        with pytest.raises(TrustError):
            world.look("north")
        owner(world).delegate("north", DAYS)
        owner(world).revoke("north", DAYS)
        assert world.publish("again", "north").release == 1
    assert world.look("north") == 1


def test_the_largest_number_leaves_the_owner_numbers(world: World, north: World) -> None:
    sign_as(north, edit(PATH, release=LARGEST_NUMBER))
    assert world.look("north") == LARGEST_NUMBER
    owner(world).revoke("north", DAYS)
    assert world.publish("the owner's", "north").release == 3
    assert world.look("north") == 3
    owner(world).delegate("north", DAYS)
    last = hand_over(world)
    sign_as(last, edit(PATH, release=LARGEST_COUNTED))
    assert world.look("north") == LARGEST_COUNTED
    owner(world).revoke("north", DAYS)
    assert world.publish("the owner's", "north").release == LARGEST_COUNTED + 1
    assert world.look("north") == LARGEST_COUNTED + 1


def test_numbers_of_a_list_that_says_too_much_are_not_used_again(
    world: World, north: World
) -> None:
    sign_as(north, edit(PATH, release=70))
    assert world.look("north") == 70
    sign_as(north, lambda listed: listed.targets.update({"x": TargetFile.from_data("x", b"")}))
    owner(world).revoke("north", DAYS)
    assert world.publish("the owner's", "north").release == 71


# what was revoked stays revoked


def _older_list(world: World, version: int) -> None:
    """Name an older list of the owner's as the newest, as a thief of the online key can."""
    world.tamper(
        snapshot=lambda signed: signed.meta.update({"targets.json": MetaFile(version)}),
        keys=world.keys,
    )


def test_an_older_list_of_the_owners_does_not_bring_a_revoked_key_back(
    world: World, north: World
) -> None:
    delegated = _newest_version(world)
    assert world.look("north") == 2
    owner(world).revoke("north", DAYS)
    with pytest.raises(NotPublishedError):
        world.look("north")
    world.keys = world.keys.rotate({"online"})
    assert world.publish("the owner's", "north").release == 3
    north.keys = _with_new_online(north, world)
    sign_as(north, edit(PATH, release=77))
    _older_list(world, delegated)
    for lost in (False, True):
        if lost:
            _lose_all_but_the_floors(world)
        with pytest.raises(RolledBackError, match=f"list {delegated} is the owner's newest"):
            world.look("north")


def test_a_device_with_its_floors_alone_takes_no_older_release(world: World) -> None:
    for title in ("one", "two"):
        world.publish(title, "north")
    older = _newest_version(world)
    assert world.look("north") == 2
    owner(world).delegate("north", DAYS)
    north = hand_over(world)
    for title in ("three", "four", "five"):
        north.publish(title, "north")
    assert world.look("north") == 5
    world.owners_time = north.owners_time
    _lose_all_but_the_floors(world)
    _older_list(world, older)
    with pytest.raises(RolledBackError, match=f"this device has seen list {older + 1}"):
        world.look("north")


def test_with_a_new_publishers_key_the_lists_begin_anew(world: World) -> None:
    seen = ListsSeen(given="").under(world.keys.root).model_copy(update={"targets": 10**9})
    assert seen.under(world.keys.rotate({"online"}).root).targets == 10**9
    assert seen.under(world.keys.rotate({"publisher"}).root).targets == 0


def test_an_earlier_program_reads_what_was_seen(world: World, north: World) -> None:
    north.publish("three", "north")
    assert world.look("north") == 3
    seen = NewestSeen.model_validate_json((world.state / "floor").read_bytes())
    first = {"given", "root", "timestamp_keys", "issued", "targets_keys", "releases"}
    assert set(seen.model_dump()) == first, "it forbids further fields"


def test_a_channels_key_does_not_go_below_the_owner(world: World) -> None:
    for title in ("one", "two"):
        world.publish(title, "north")
    assert world.look("north") == 2
    owner(world).delegate("north", DAYS)
    sign_as(hand_over(world), edit(PATH, release=1))
    with pytest.raises(RolledBackError, match="seen release 2"):
        world.look("north")


# the online key alone


def test_a_list_at_a_number_that_no_list_has(world: World, north: World) -> None:
    world.tamper(
        snapshot=lambda signed: signed.meta.update({"channel-north.json": MetaFile(10**300)})
    )
    with pytest.raises(ForgedError, match="at a number that no list has"):
        world.look("north")
    (found,) = owner(world).channels()
    assert "at a number that no list has" in found.problem
    owner(world).revoke("north", DAYS)
    with pytest.raises(ForgedError, match="keys rotate DIR --replace online"):
        owner(world).delegate("north", DAYS)
    world.keys = world.keys.rotate({"online"})
    owner(world).delegate("north", DAYS)
    assert owner(world).channels()[0].problem == ""
    assert newest_list(world).version < 10


@pytest.mark.parametrize(
    "stolen",
    [
        lambda signed: signed.meta.pop("channel-north.json"),
        lambda signed: signed.meta.update({"channel-north.json": MetaFile(1)}),
        lambda signed: signed.meta.update({"targets.json": MetaFile(1)}),
        lambda signed: signed.meta.update({"targets.json": MetaFile(10**300)}),
        None,
    ],
    ids=["no list", "older list", "owner's older list", "no such list", "no time"],
)
def test_the_owner_goes_on_after_a_new_online_key(
    stolen: Callable[[Snapshot], object] | None, world: World, north: World
) -> None:
    assert north.publish("three", "north").release == 3
    world.owners_time = north.owners_time
    assert world.publish("two", "south").release == 2
    assert (world.look("north"), world.look("south")) == (3, 2)
    assert world.publish("three", "south").release == 3
    if stolen is None:
        world.tamper(timestamp=lambda signed: signed.unrecognized_fields.update(issued="never"))
    else:
        world.tamper(snapshot=stolen)
    for _ in range(2):
        with pytest.raises((TrustError, NotInStoreError)):
            world.publish("four", "south")
        with pytest.raises((TrustError, NotInStoreError)):
            world.look("south")
    world.keys = world.keys.rotate({"online"})
    assert world.publish("four", "south").release == 4
    assert (world.look("north"), world.look("south")) == (3, 4)
    north.keys, north.owners_time = _with_new_online(north, world), world.owners_time
    assert north.publish("four", "north").release == 4
    assert [found.problem for found in owner(world).channels()] == [""]
    assert world.look("north") == 4


@pytest.mark.parametrize("lost", ["first lists", "nothing"])
def test_the_owner_goes_on_with_what_is_left(world: World, north: World, lost: str) -> None:
    """A store may lack old lists."""
    for number in (3, 4):
        assert north.publish(f"number {number}", "north").release == number
    world.owners_time = north.owners_time
    assert world.publish("two", "south").release == 2
    assert owner(world).channels()
    newest = newest_list(world).version
    assert newest > 2
    world.tamper(snapshot=lambda signed: signed.meta.pop("channel-north.json"))
    if lost == "first lists":
        del world.store.objects["metadata/1.channel-north.json"]
        del world.store.objects["metadata/2.channel-north.json"]
    world.keys = world.keys.rotate({"online"})
    world.publisher().refresh(DAYS)
    assert (world.look("north"), world.look("south")) == (4, 2)
    assert newest_list(world).version == newest


def test_a_channel_without_any_list_is_taken_back(world: World, north: World) -> None:
    assert world.look("north") == 2
    owner(world).channels()
    world.tamper(snapshot=lambda signed: signed.meta.pop("channel-north.json"))
    for name in [name for name in world.store.objects if "channel-north" in name]:
        del world.store.objects[name]
    world.keys = world.keys.rotate({"online"})
    with pytest.raises(ForgedError, match="no list is left that it signed"):
        world.publish("the owner's", "north")
    owner(world).revoke("north", DAYS)
    assert world.publish("the owner's", "north").release == 3
    assert world.look("north") == 3


def test_who_has_seen_nothing_does_not_go_on(world: World, north: World) -> None:
    world.tamper(timestamp=lambda signed: signed.unrecognized_fields.update(issued="never"))
    world.keys = world.keys.rotate({"online"})
    shutil.rmtree(world.keys.folder / "seen")
    before = dict(world.store.objects)
    with pytest.raises(ForgedError, match="A stolen online key"):
        world.publish("two", "south")
    assert world.store.objects == before


@pytest.mark.parametrize(
    "seen",
    [
        lambda signed: signed.meta.pop("channel-north.json"),
        lambda signed: signed.meta.update({"channel-north.json": MetaFile(10**300)}),
        None,
    ],
    ids=["no list", "no such list", "no state"],
)
def test_the_owner_finds_a_list_whatever_was_seen_of_its_number(
    seen: Callable[[Snapshot], object] | None, world: World, north: World
) -> None:
    owner(world).channels()
    world.tamper(timestamp=lambda signed: signed.unrecognized_fields.update(issued="never"))
    world.keys = world.keys.rotate({"online"})
    (file,) = world.keys.folder.glob("seen/*/snapshot.json")
    if seen is None:
        file.unlink()
        file.with_name("timestamp.json").unlink()
    else:
        found = Metadata[Snapshot].from_bytes(file.read_bytes())
        seen(found.signed)
        file.write_bytes(found.to_bytes())
    world.publisher().refresh(DAYS)
    assert (world.look("north"), world.look("south")) == (2, 1)


# what the owner's list delegates


@pytest.mark.parametrize(
    "role",
    [
        DelegatedRole("channel-../publisher", ["0" * 64], 1, terminating=True, paths=["x"]),
        DelegatedRole("others", ["0" * 64], 1, terminating=False, paths=["*/manifest.json"]),
        DelegatedRole("channel-west", ["0" * 64], 1, terminating=True, paths=["*/manifest.json"]),
        DelegatedRole("channel-west", [], 1, terminating=True, path_hash_prefixes=[""]),
    ],
)
def test_a_foreign_delegation_is_named_and_ended_by_the_next_publish(
    role: DelegatedRole, world: World, north: World
) -> None:
    def add(listed: Targets) -> None:
        assert listed.delegations is not None
        assert listed.delegations.roles is not None
        listed.delegations.roles[role.name] = role

    world.tamper(targets=add)
    ours, other = owner(world).channels()
    assert (ours.channel, ours.problem) == ("north", "")
    assert (other.channel, "never delegates so" in other.problem) == (ascii(role.name), True)
    assert (other.software, other.release) == (False, 0)
    for change in (owner(world).revoke, owner(world).delegate):
        with pytest.raises(NotPublishedError, match="no name for a channel"):
            change("../publisher", DAYS)
    world.publish("two", "south")
    assert [found.channel for found in owner(world).channels()] == ["north"]
    assert world.look("north") == 2


def test_channels_names_what_devices_do_not_take(world: World, north: World) -> None:
    ends, now = newest_list(world).expires, world.owners_time
    for before, problem in ((1, ""), (0, "its signature was valid until")):
        world.owners_time = ends - timedelta(hours=1, seconds=before)  # an hour passes
        assert owner(world).channels()[0].problem.startswith(problem)
    world.owners_time = now
    world.owners_time += (DAYS + 1) * DAY
    (found,) = owner(world).channels()
    assert "its signature was valid until" in found.problem
    assert "sync publish --channel north" in found.problem
    newest = newest_list(world).targets[PATH]
    world.owners_time -= (DAYS + 1) * DAY
    world.tamper(targets=lambda listed: listed.targets.update({PATH: newest}))
    (found,) = owner(world).channels()
    assert f"the owner's list has {PATH} itself" in found.problem
    owner(world).delegate("north", DAYS)
    assert owner(world).channels()[0].problem == ""


# keys


def test_another_stores_key_of_the_channel_stays(world: World) -> None:
    world.publish("one", "north")
    other = replace(world, store=MemoryStore("memory://other"), folder=world.folder / "other")
    other.folder.mkdir()
    other.publish("one", "north")
    for one in (world, other, world):
        owner(one).delegate("north", DAYS)
    keys = KeyFolder(world.keys.folder, secret)
    for one in (replace(world, keys=keys), replace(other, keys=KeyFolder(keys.folder, secret))):
        assert one.publish("two", "north").release == 2
    owner(world).revoke("north", DAYS)
    assert len(list((keys.folder / "channels" / "north").glob("*.pem"))) == 1


def test_another_key_under_the_right_name_signs_nothing(world: World, north: World) -> None:
    (file,) = (north.keys.folder / "channels" / "north").glob("*.pem")
    (others,) = (north.keys.folder / "online").glob("*.pem")
    shutil.copy(others, file)
    before = dict(world.store.objects)
    with pytest.raises(KeysError, match="another key"):
        replace(north, keys=KeyFolder(north.keys.folder, secret)).publish("three", "north")
    (file,) = (world.keys.folder / "publisher").glob("*.pem")
    shutil.copy(others, file)
    with pytest.raises(KeysError, match="another key"):
        replace(world, keys=KeyFolder(world.keys.folder, secret)).publish("three", "south")
    assert world.store.objects == before


def test_a_refresh_that_cannot_open_the_publishers_key_renews_the_rest(
    world: World, north: World, caplog: pytest.LogCaptureFixture
) -> None:
    def cron(folder: str, *, new: bool) -> bytes:
        return secret(folder, new=new) if folder == "online" else b"another passphrase"

    lists = [name for name in world.store.objects if name.endswith(".targets.json")]
    world.owners_time += 100 * DAY
    scheduled = replace(world, keys=KeyFolder(world.keys.folder, cron))
    scheduled.publisher().refresh(DAYS)
    assert "is not renewed" in caplog.text
    assert lists == [name for name in world.store.objects if name.endswith(".targets.json")]
    assert world.look("north") == 2
    scheduled.owners_time += 400 * DAY
    with pytest.raises(KeysError, match="is the passphrase right"):
        scheduled.publisher().refresh(DAYS)


def _newest_version(world: World) -> int:
    return max(
        int(name.split("/")[1].partition(".")[0])
        for name in world.store.objects
        if name.endswith(".targets.json")
    )


def _with_new_online(thief: World, world: World) -> KeyFolder:
    for name in ("roots", "online"):
        shutil.rmtree(thief.keys.folder / name)
        shutil.copytree(world.keys.folder / name, thief.keys.folder / name)
    return KeyFolder(thief.keys.folder, secret)


def _lose_all_but_the_floors(world: World) -> None:
    for file in world.state.iterdir():
        if not file.name.startswith("floor"):
            shutil.rmtree(file) if file.is_dir() else file.unlink()
