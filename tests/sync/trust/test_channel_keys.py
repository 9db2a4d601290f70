"""A channel with a key of its own: who may publish in it, and what devices refuse."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    MetaFile,
    Snapshot,
    TargetFile,
    Targets,
)

from catalog.bundles import validator
from sync.errors import (
    ExpiredError,
    ForgedError,
    KeysError,
    NotInStoreError,
    NotPublishedError,
    RolledBackError,
    TooLargeError,
    TrustError,
    WrongChannelError,
)
from sync.stores.choice import open_store
from sync.trust.delegations import LARGEST_LIST
from sync.trust.keys import KeyFolder
from sync.trust.publish import ReleasePublisher
from sync.trust.release import changes_path, manifest_path
from sync.trust.renewal import warning
from sync.trust.staged_releases import StagedReleases
from sync.trust.staging import ALL
from tests.support.channel_key import (
    DAYS,
    edit,
    hand_over,
    newest_list,
    newest_name,
    owner,
    sign_as,
)
from tests.support.following import PASSPHRASE, Following, passphrase, variant
from tests.support.repository import (
    TODAY,
    MemoryStore,
    World,
    secret,
    write_hollow_bundle,
)
from tests.support.stub_release import write_release
from visual_search.command import command

DAY = timedelta(days=1)


# publishing


def test_the_key_of_a_channel_publishes_in_it(world: World, north: World) -> None:
    assert world.look("north") == 2, "what was published stays published"
    before = {name for name in world.store.objects if name.endswith(".targets.json")}
    done = north.publish("from the north", "north")
    assert done.release == 3
    assert {name for name in world.store.objects if name.endswith(".targets.json")} == before
    device = world.device()
    device.refresh()
    found = device.newest("north")
    assert (found.number, found.bundle) == (3, done.bundle)
    assert world.publish("from the owner", "south").release == 2
    assert (world.look("north"), world.look("south")) == (3, 2)
    world.store.read_names.clear()
    assert world.look("north") == 3
    assert world.store.read_names == ["metadata/2.root.json", "metadata/timestamp.json"]


@pytest.mark.parametrize("has_key", [False, True])
def test_it_publishes_in_no_other(has_key: bool, world: World, north: World) -> None:
    if has_key:
        owner(world).delegate("south", DAYS)
    said = r"channels/south: .* has a key of its own, which is not here" if has_key else "publisher"
    before = dict(world.store.objects)
    with pytest.raises(KeysError, match=said):
        north.publish("of the north", "south")
    assert world.store.objects == before, "nothing was sent"


def test_the_owner_does_not_publish_where_another_key_does(world: World, north: World) -> None:
    with pytest.raises(KeysError, match=r"sync keys revoke SOURCE --channel north"):
        world.publish("from the owner", "north")
    with pytest.raises(NotPublishedError, match="nothing was published yet"):
        owner(replace(world, store=MemoryStore("memory://another"))).delegate("north", DAYS)
    with pytest.raises(NotPublishedError, match="no name for a channel"):
        owner(world).delegate("../north", DAYS)
    with pytest.raises(NotPublishedError, match="'south' has no key of its own"):
        owner(world).revoke("south", DAYS)


def test_who_lacks_the_publishers_key_makes_no_delegation(north: World) -> None:
    with pytest.raises(KeysError, match="publisher"):
        owner(north).delegate("south", DAYS)
    assert not (north.keys.folder / "channels" / "south").exists()


def test_who_lacks_the_online_key_makes_no_delegation(world: World) -> None:
    world.publish("first", "south")
    shutil.rmtree(world.keys.folder / "online")
    with pytest.raises(KeysError, match="online"):
        owner(world).delegate("south", DAYS)
    assert not (world.keys.folder / "channels" / "south").exists()


def test_who_lacks_the_online_key_takes_no_channel_back(world: World, north: World) -> None:
    shutil.rmtree(world.keys.folder / "online")
    world.keys = KeyFolder(world.keys.folder, secret)
    before = dict(world.store.objects)
    with pytest.raises(KeysError, match="online"):
        owner(world).revoke("north", DAYS)
    assert world.store.objects == before, "no list is written that nothing names"


def test_a_channel_has_one_key(world: World) -> None:
    world.publish("first", "south")
    for _ in range(2):
        made = owner(world).delegate("south", DAYS)
        (file,) = (world.keys.folder / "channels" / "south").iterdir()
        assert [file.stem.rpartition("-")[2]] == made.keys
        assert (made.release, made.software) == (1, False)
    assert "metadata/1.channel-south.json" in world.store.objects
    other = owner(world).delegate("east", DAYS, software=True)
    assert (other.release, other.bundle, other.software) == (0, "", True)
    owner(world).revoke("south", DAYS)
    assert list((world.keys.folder / "channels" / "south").iterdir()) == []


def test_who_signs_a_path_is_told(world: World, north: World) -> None:
    device = world.device()
    device.refresh()
    assert len(device.signers("north/manifest.json")) == 1
    assert device.signers("south/manifest.json") == []
    assert device.signers("east/manifest.json") == []


def test_staged_releases_and_changes_are_the_channels_too(
    world: World, north: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.trust.changes_maker.MadeChanges.content", b"{}")
    bundle = write_hollow_bundle(world.folder / "staged", world.like, "staged")
    staged = north.publisher().publish_validated(bundle, "north", DAYS, share=ALL - 1).bundle
    device = world.device()
    device.refresh()
    found = {device.newest("north", f"device {number}").bundle for number in range(20)}
    assert staged in found
    with pytest.raises(KeysError):
        StagedReleases(world.store, KeyFolder(world.keys.folder, secret)).take_back("north", DAYS)
    north.owners_time += timedelta(hours=1)
    releases = StagedReleases(north.store, north.keys, lambda: north.owners_time)
    releases.stop("north", DAYS)
    releases.raise_share("north", ALL, DAYS)
    device = world.device()
    device.refresh()
    release = device.newest("north")
    assert (release.bundle, release.number, release.changes) == (staged, 3, b"{}")
    assert sorted(newest_list(world).targets) == [changes_path("north"), manifest_path("north")]
    bundle = write_hollow_bundle(world.folder / "staged", world.like, "again")
    north.publisher().publish_validated(bundle, "north", DAYS, share=1)
    releases.take_back("north", DAYS)
    assert north.publish("after it", "north").release == 5


@pytest.mark.parametrize("software", [False, True])
def test_the_program_is_signed_by_the_owner_unless_he_says_otherwise(
    software: bool, world: World, tmp_path: Path
) -> None:
    world.publish("first", "north")
    release = tmp_path / "release"
    write_release(release, "0.2.0", world.keys)
    publish = world.publisher().publish_software
    assert publish(release, "north").release == 1
    made = owner(world).delegate("north", DAYS, software=software)
    assert made.software is software
    publisher = hand_over(world)
    signs, other = (publisher, world) if software else (world, publisher)
    signs.owners_time += timedelta(hours=1)
    with pytest.raises(KeysError):
        other.publisher().publish_software(release, "north")
    assert signs.publisher().publish_software(release, "north").release == 2
    device = world.device()
    device.refresh()
    assert device.newest_software("north").number == 2
    assert world.look("north") == 1
    owner(world).revoke("north", DAYS)
    world.owners_time += timedelta(hours=1)
    assert world.publisher().publish_software(release, "north").release == 3


def test_a_refresh_with_the_publishers_key_keeps_the_delegations_valid(
    world: World, north: World
) -> None:
    world.owners_time += 300 * DAY
    north.owners_time = world.devices_time = world.owners_time
    north.publisher().refresh(DAYS)
    north.publish("again", "north")
    world.publisher().refresh(DAYS)
    world.devices_time += 350 * DAY
    assert world.look("north") == 3


def test_what_ends_first_is_named(world: World, north: World) -> None:
    done = north.publish("short", "north", days=10)
    assert (done.ends, done.expires) == ("snapshot", north.owners_time + 10 * DAY)
    world.owners_time = north.owners_time
    world.publisher().refresh(DAYS)
    device = world.device()
    device.refresh()
    release = device.newest("north")
    assert release.ends == "channel-north"
    assert "sync publish --channel north" in warning(release.expires, release.ends, TODAY)
    assert device.newest("south").ends != "channel-north"


# attacks


def test_a_list_signed_with_another_channels_key_is_refused(world: World, north: World) -> None:
    owner(world).delegate("south", DAYS)
    sign_as(north, role="channel-south")
    with pytest.raises(ForgedError, match="'south' is not signed with the key that the owner gave"):
        world.look("south")
    assert world.look("north") == 2


def test_the_owners_list_signed_with_a_channels_key_is_refused(world: World, north: World) -> None:
    sign_as(north, role="targets")
    for channel in ("north", "south"):
        with pytest.raises(ForgedError, match="not signed by enough of the owner's keys"):
            world.look(channel)


@pytest.mark.parametrize(
    "path", ["south/manifest.json", "north/software.json", "north/../south/manifest.json", "x"]
)
def test_paths_outside_are_refused_with_all_that_the_key_signed(
    path: str, world: World, north: World
) -> None:
    target = TargetFile.from_data(path, b"{}", ["sha256"])
    target.unrecognized_fields["custom"] = {"channel": "south", "release": 9, "bundle": "x"}
    sign_as(north, lambda listed: listed.targets.update({path: target}))
    with pytest.raises(WrongChannelError, match=r"'north' has signed '.*', which it may not"):
        world.look("north")
    assert world.look("south") == 1
    device = world.device()
    device.refresh()
    assert device.target(path) is None or path == "south/manifest.json"
    (found,) = owner(world).channels()
    assert "'north' has signed" in found.problem


def test_a_release_for_another_channel_is_refused(world: World, north: World) -> None:
    sign_as(north, edit("north/manifest.json", channel="south"))
    with pytest.raises(WrongChannelError, match="'north' was signed for 'south'"):
        world.look("north")


def _delegate_further(listed: Targets) -> None:
    role = DelegatedRole("deeper", [], 1, terminating=False, paths=["north/manifest.json"])
    listed.delegations = Delegations({}, {"deeper": role})


@pytest.mark.parametrize(
    ("change", "listed", "error", "match"),
    [
        (_delegate_further, None, ForgedError, "hands its channel on to further keys"),
        (lambda listed: listed.unrecognized_fields.update(x="x" * LARGEST_LIST), None,
         TooLargeError, "channel-north"),
        (None, MetaFile(2, length=LARGEST_LIST + 1), TooLargeError, "65536 are allowed"),
        (None, MetaFile(2, length=LARGEST_LIST), ForgedError, "not what the owner signed"),
        (lambda listed: setattr(listed, "expires", TODAY - DAY), None, ExpiredError,
         r"signature \(channel-north\) was valid until .*sync publish --channel north"),
        (None, MetaFile(2, hashes={"sha256": "0" * 64}), ForgedError, "not what the owner signed"),
        (None, MetaFile(3), NotInStoreError, "3.channel-north.json"),
        (edit("north/manifest.json", release=1), None, RolledBackError, "seen release 2"),
    ],
)  # fmt: skip
def test_a_bad_list_is_refused_and_other_channels_go_on(
    change: Callable[[Targets], object] | None,
    listed: MetaFile | None,
    error: type[TrustError],
    match: str,
    world: World,
    north: World,
) -> None:
    assert world.look("north") == 2
    sign_as(north, change or (lambda listed: None), listed=listed)
    for _ in range(2):
        with pytest.raises(error, match=match):
            world.look("north")
    assert world.look("south") == 1
    owner(world).revoke("north", DAYS)
    assert world.publish("the owner's", "north").release >= 2
    assert world.look("north") >= 2


@pytest.mark.parametrize(
    "change",
    [
        lambda signed: signed.meta.pop("channel-north.json"),
        lambda signed: signed.meta.update({"channel-north.json": MetaFile(1)}),
    ],
)
def test_an_older_list_or_none_is_refused(
    change: Callable[[Snapshot], object], world: World, north: World
) -> None:
    north.publish("newer", "north")
    assert world.look("north") == 3
    north.tamper(snapshot=change)
    with pytest.raises((RolledBackError, ForgedError)):
        world.look("north")


def test_a_fresh_device_is_told_that_a_list_is_missing(world: World, north: World) -> None:
    north.tamper(snapshot=lambda signed: signed.meta.pop("channel-north.json"))
    with pytest.raises(ForgedError, match="'north' a key of its own, and the newest state has no"):
        world.look("north")
    assert world.look("south") == 1


@pytest.mark.parametrize("damage", [b"", b"{", None])
def test_a_device_that_lost_its_copy_fetches_it_again(
    damage: bytes | None, world: World, north: World
) -> None:
    world.look("north")
    copy = world.state / "channel-north.json"
    copy.unlink() if damage is None else copy.write_bytes(damage)
    assert world.look("north") == 2
    assert copy.read_bytes() == world.store.objects[newest_name(world)]


# revoking and replacing


def test_a_revoked_key_counts_no_more(world: World, north: World) -> None:
    asleep = replace(world, folder=world.folder / "asleep")
    assert (world.look("north"), asleep.look("north")) == (2, 2)
    for title in ("three", "four"):
        north.publish(title, "north")
    assert world.look("north") == 4
    owner(world).revoke("north", DAYS)
    north.owners_time = world.owners_time
    sign_as(north, edit("north/manifest.json", release=9))
    with pytest.raises(NotPublishedError):
        world.look("north")
    with pytest.raises(KeysError, match="publisher"):
        north.publish("five", "north")
    world.owners_time += timedelta(hours=1)
    assert world.publish("the owner's", "north").release == 5
    assert (world.look("north"), asleep.look("north")) == (5, 5)
    again = owner(world).delegate("north", DAYS)
    assert again.release == 5
    newer = hand_over(world)
    assert newer.publish("the new one's", "north").release == 6
    assert (world.look("north"), asleep.look("north")) == (6, 6)


def test_a_device_that_slept_while_a_channel_had_a_key_follows(world: World) -> None:
    for title in ("one", "two", "three"):
        world.publish(title, "north")
    assert world.look("north") == 3
    owner(world).delegate("north", DAYS)
    for name in [name for name in world.store.objects if "channel-north" in name]:
        del world.store.objects[name]
    owner(world).revoke("north", DAYS)
    assert world.publish("the owner's", "north").release == 4
    assert world.look("north") == 4


def test_replacing_a_key_keeps_the_release_and_forgets_what_was_counted_ahead(
    world: World, north: World
) -> None:
    made = owner(world).delegate("north", DAYS)
    assert (made.release, made.bundle != "") == (2, True)
    newer = hand_over(world)
    assert world.look("north") == 2
    with pytest.raises(KeysError, match="not here"):
        north.publish("by the former key", "north")
    sign_as(newer, edit("north/manifest.json", release=10**9))
    assert world.look("north") == 10**9
    owner(world).revoke("north", DAYS)
    owner(world).delegate("north", DAYS)
    last = hand_over(world)
    assert manifest_path("north") not in newest_list(world).targets
    assert last.publish("after the theft", "north").release == 10**9 + 1
    assert world.look("north") == 10**9 + 1


def test_a_new_publishers_key_leaves_the_channels_keys(world: World, north: World) -> None:
    assert world.look("north") == 2
    world.keys = world.keys.rotate({"publisher"})
    world.owners_time += timedelta(hours=1)
    world.publisher().refresh(DAYS)
    with pytest.raises(KeysError, match="its newest root is 1, the store's is 2"):
        north.publish("without the new root", "north")
    shutil.copytree(world.keys.folder / "roots", north.keys.folder / "roots", dirs_exist_ok=True)
    north.keys = KeyFolder(north.keys.folder, secret)
    assert north.publish("with it", "north").release == 3
    assert world.look("north") == 3


def _replaced(world: World) -> object:
    return owner(world).delegate("north", DAYS)


def _revoked(world: World) -> object:
    owner(world).revoke("north", DAYS)
    return None


@pytest.mark.parametrize(
    ("has_key", "change"), [(False, _replaced), (True, _replaced), (True, _revoked)]
)
def test_a_killed_change_leaves_the_former_state_and_is_done_again(
    has_key: bool,
    change: Callable[[World], object],
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _ in range(2):
        world.publish("first", "north")
    if has_key:
        owner(world).delegate("north", DAYS)
    written: list[str] = []
    world.store.written = written.append
    before, keys = dict(world.store.objects), world.folder / "kept"
    shutil.copytree(world.keys.folder, keys)
    change(world)
    points = len(written)
    assert points == (3 if change is _revoked else 4)
    for last in range(1, points + 2):  # the last is before the former key is removed
        world.store.objects = dict(before)
        shutil.rmtree(world.keys.folder)
        shutil.copytree(keys, world.keys.folder)
        shutil.rmtree(world.state, ignore_errors=True)
        count = 0

        def die(name: str, last: int = last) -> None:
            nonlocal count
            count += 1
            if count == last:
                raise KeyboardInterrupt

        world.store.written = die
        with monkeypatch.context() as patch:
            patch.setattr("sync.trust.keys.remove_others", lambda *_: die("a key"))
            with pytest.raises(KeyboardInterrupt):
                change(world)
        world.store.written = lambda name: None
        if change is _replaced or last <= points:
            assert world.look("north") == 2
            change(world)
        if change is _revoked:
            world.publish("the owner's", "north")
        else:
            assert len(list((world.keys.folder / "channels" / "north").glob("*.pem"))) == 1
            hand_over(world).publish("the channel's", "north")
        assert world.look("north") == 3


# where no channel has a key of its own


def test_without_delegations_all_is_as_it_was(world: World) -> None:
    world.publish("one", "north")
    owner(world).delegate("north", DAYS)
    owner(world).revoke("north", DAYS)
    world.publish("two", "south")
    newest = max(name for name in world.store.objects if name.endswith(".targets.json"))
    signed = json.loads(world.store.objects[newest])["signed"]
    assert "delegations" not in signed
    assert signed["numbered"] == {"north/manifest.json": 1}
    world.look("south")
    assert "signers" not in json.loads((world.state / "floor").read_bytes())


# the commands, and a stick


def test_the_commands_and_a_stick(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validator, "validate_in_child", lambda *_: None)
    following = Following.create(tmp_path / "world")
    following.publish(small_bundle, "north")
    file = tmp_path / "secret"
    file.write_bytes(PASSPHRASE)
    file.chmod(0o600)

    def run(*words: str, folder: Path = following.folder / "keys", code: int = 0) -> str:
        options = ["--keys", str(folder), "--passphrase-file", str(file)]
        done = CliRunner().invoke(command, ["sync", *words, *options])
        assert done.exit_code == code, done.output
        return done.stdout

    source = following.source
    assert "publisher/ signs all channels" in run("keys", "channels", source)
    said = run("keys", "delegate", source, "--channel", "north")
    assert "give whoever publishes in 'north' a folder with root.json, roots/, online/" in said
    given = tmp_path / "given"
    for name in ("roots", "online", "channels"):
        shutil.copytree(following.folder / "keys" / name, given / name)
    found: list[dict[str, Any]] = json.loads(run("keys", "channels", source, "--json"))
    assert [(channel["channel"], channel["release"]) for channel in found] == [("north", 1)]
    newer = variant(small_bundle, tmp_path / "newer", "Newer")
    publisher = ReleasePublisher(open_store(source), KeyFolder(given, passphrase))
    done = publisher.publish_validated(newer, "north", DAYS)
    assert done.release == 2
    stick = tmp_path / "stick"
    shutil.copytree(following.store, stick)
    device = following.device(source=stick.as_uri(), channel="north")
    assert device.check().outcome == "installed"
    assert following.active() == done.bundle
    assert "key " in run("keys", "channels", source)
    run("keys", "revoke", source, "--channel", "north")
    assert following.device(channel="north").check().outcome == "not-published"
    assert following.active() == done.bundle, "it goes on serving"
    following.publish(small_bundle, "north")
    assert following.device(channel="north").check().outcome == "installed"
    answer = json.loads(run("keys", "delegate", source, "--channel", "north", "--json"))
    assert answer["keys"] != found[0]["keys"]
    damaged = max(following.store.glob("metadata/*.channel-north.json"))
    damaged.write_bytes(b"{}")
    assert "refused: " in run("keys", "channels", source, code=1)
    assert json.loads(run("keys", "revoke", source, "--channel", "north", "--json"))["revoked"]


def test_a_passphrase_is_asked_for_the_new_key(tmp_path: Path) -> None:
    keys = KeyFolder.create(tmp_path / "keys", passphrase)
    asked: list[tuple[str, bool]] = []

    def ask(folder: str, *, new: bool) -> bytes:
        asked.append((folder, new))
        return PASSPHRASE

    keys = KeyFolder(keys.folder, ask)
    signer = keys.make_channel_key("north", "s3://b")
    again = KeyFolder(keys.folder, ask).channel_signers("north", [signer.public_key.keyid])
    assert asked == [("channels/north", True), ("channels/north", False)]
    assert again[0].public_key == signer.public_key
    with pytest.raises(KeysError, match="too short"):
        KeyFolder(keys.folder, lambda folder, *, new: b"short").make_channel_key("south", "s3://b")


def test_a_folder_that_takes_no_key_is_named(tmp_path: Path) -> None:
    keys = KeyFolder.create(tmp_path / "keys", passphrase)
    (keys.folder / "channels").write_bytes(b"")
    with pytest.raises(KeysError, match=r"keys/channels/north: cannot be written: "):
        keys.make_channel_key("north", "s3://b")


def test_the_list_of_a_channel_is_flushed_when_it_is_new(
    world: World, north: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda handle: flushed.append(os.readlink(f"/proc/self/fd/{handle}"))
    )
    device = world.device()
    device.refresh()
    flushed.clear()
    device.newest("north")
    assert any("channel-north.json" in path for path in flushed)
    assert str(world.state) in flushed
    flushed.clear()
    device.newest("north")
    assert not any("channel-north.json" in path for path in flushed)
