"""The owner's side: keys, publish, refresh and rotate, also when they are killed."""

from __future__ import annotations

import errno
import json
import shutil
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import DelegatedRole, Metadata, Snapshot, TargetFile, Targets, Timestamp

from catalog.bundles.manifest import (
    MANIFEST,
    FileEntry,
    file_digest,
    parse_manifest,
    verify,
    write_local_index,
)
from catalog.bundles.records import KINDS
from catalog.core.errors import (
    BundleError,
    SettingsError,
    ShelfError,
    SurroundingsError,
    VisualSearchError,
)
from catalog.core.settings import DeviceSettings
from sync.cli.keys import keys as keys_command
from sync.errors import (
    ForgedError,
    KeysError,
    NotInStoreError,
    NotPublishedError,
    RolledBackError,
    StoreConflictError,
    StoreRefusedError,
    StoreTooLargeError,
    StoreUnreachableError,
    TooLargeError,
    TrustError,
)
from sync.settings import SyncSettings
from sync.stores.base import MinimumSpeed, Store
from sync.stores.choice import open_store
from sync.trust import changes_maker
from sync.trust.changes import parse_changes
from sync.trust.delegations import ChannelList
from sync.trust.key_files import MIN_PASSPHRASE, make_keys, open_key, read_passphrase
from sync.trust.keys import KeyFolder, expiry
from sync.trust.opening import configured_store
from sync.trust.owner_metadata import OwnerMetadata
from sync.trust.publish import ReleasePublisher, _field
from sync.trust.renewal import SignatureExpiry, command
from sync.trust.root import factory_root, read_root, root_in
from sync.trust.signed_state import SignedState
from sync.trust.trust import Trust
from tests.conftest import Surroundings, sign_again
from tests.support.faulty_proxy import Fault, FaultyProxy, How
from tests.support.repository import World, secret, write_hollow_bundle
from tests.support.s3_server import S3Server
from tests.support.stub_release import write_release


def _settings(**values: object) -> SyncSettings:
    return SyncSettings.model_validate(values)


@pytest.fixture
def keys(key_folder: Path, tmp_path: Path) -> KeyFolder:
    return KeyFolder(Path(shutil.copytree(key_folder, tmp_path / "keys")), secret)


# publish


@pytest.mark.slow
def test_a_published_bundle_can_be_fetched(
    store: Store, keys: KeyFolder, small_bundle: Path, tmp_path: Path
) -> None:
    sent: list[int] = []
    totals: list[int] = []

    def start_upload(total: int) -> Any:
        totals.append(total)
        return sent.append

    done = ReleasePublisher(store, keys).publish(small_bundle, "stable", start_upload=start_upload)
    manifest, identity = verify(small_bundle)
    size = sum(entry.bytes for entry in manifest.files.values())
    assert (done.release, done.bundle, done.files) == (1, identity, len(manifest.files))
    assert done.bytes == done.bytes_sent == sum(sent) == totals[0] == size
    device = Trust(tmp_path / "trust", keys.roots[1], store)
    device.refresh()
    newest = device.newest("stable")
    assert newest.bundle == identity
    copy = tmp_path / "copy"
    for name, entry in parse_manifest(newest.manifest, "newest").files.items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(store.read(f"files/{entry.sha256}", entry.bytes))
    (copy / MANIFEST).write_bytes(newest.manifest)
    assert verify(copy)[1] == identity


def test_a_file_that_the_store_has_is_not_sent_again(
    faulty: FaultyProxy, s3_source: str, keys: KeyFolder, own_bundle: Path
) -> None:
    store = open_store(s3_source, endpoint_url=faulty.address)
    publisher = ReleasePublisher(store, keys)
    publisher.publish_validated(own_bundle, "stable")
    faulty.requests.clear()
    sign_again(own_bundle, title="Newer")
    done = publisher.publish_validated(own_bundle, "stable")
    assert (done.release, done.sent, done.bytes_sent) == (2, 0, 0)
    done = publisher.publish_validated(own_bundle, "store-42")
    assert (done.release, done.sent) == (1, 0)
    assert not [
        request
        for request in faulty.requests
        if request.method == "PUT" and "/files/" in request.path
    ]
    (own_bundle / "items.db").write_bytes(b"changed")
    sign_again(own_bundle)
    done = publisher.publish_validated(own_bundle, "stable")
    assert (done.release, done.sent, done.bytes_sent) == (3, 1, 7)


def test_the_timestamp_is_written_last(world: World) -> None:
    world.publish()
    names: list[str] = []
    world.store.written = names.append
    world.publish("two")
    kinds = [name.partition("/")[0] for name in names]
    assert kinds == ["files"] * 7 + ["targets"] + ["metadata"] * 3
    assert names[-3:] == [
        "metadata/2.targets.json",
        "metadata/2.snapshot.json",
        "metadata/timestamp.json",
    ]


def test_each_file_is_sent_once_under_its_digest_and_again_where_it_was_cut(world: World) -> None:
    done = world.publish()
    files = {name: data for name, data in world.store.objects.items() if name.startswith("files/")}
    assert done.sent == len(files) == 7
    assert {name: f"files/{sha256(data).hexdigest()}" for name, data in files.items()} == {
        name: name for name in files
    }
    name = next(iter(files))
    for content, sent in ((files[name], 0), (files[name][:-1], 1)):
        world.store.objects[name] = content
        assert world.publish().sent == sent
        assert world.store.objects[name] == files[name]


def test_a_bundle_without_its_manifest_or_with_an_index_of_a_device_is_not_published(
    world: World,
) -> None:
    bundle = write_hollow_bundle(world.folder / "one", world.like, "one")
    write_local_index(bundle, FileEntry(bytes=1, sha256="0" * 64))
    with pytest.raises(BundleError, match="its index was built on this device"):
        world.publisher().publish_validated(bundle, "stable")
    (bundle / MANIFEST).unlink()
    with pytest.raises(BundleError, match=r"manifest\.json: cannot be read"):
        world.publisher().publish_validated(bundle, "stable")
    assert world.store.objects == {}


def test_an_older_program_is_not_published_over_a_newer_one(world: World, tmp_path: Path) -> None:
    world.publish()
    for version, allowed in (("0.2.0", True), ("0.2.0", True), ("0.1.9", False), ("0.3.0", True)):
        release = tmp_path / "release"
        shutil.rmtree(release, ignore_errors=True)
        write_release(release, version, world.keys)
        world.owners_time += timedelta(hours=1)
        if allowed:
            world.publisher().publish_software(release, "stable")
        else:
            with pytest.raises(RolledBackError, match=r"0\.1\.9 is older than 0\.2\.0"):
                world.publisher().publish_software(release, "stable")


def test_a_root_is_written_before_what_its_keys_sign(world: World) -> None:
    world.publish()
    world.keys = world.keys.rotate({"online"})
    names: list[str] = []
    world.store.written = names.append
    world.publish("two")
    assert names[-2:] == ["metadata/2.root.json", "metadata/timestamp.json"]


@pytest.mark.slow
@pytest.mark.parametrize("last", range(10))
def test_a_killed_publish_leaves_the_old_release(last: int, world: World) -> None:
    """It is killed before each of its ten writes; the next publish then succeeds."""
    world.publish()
    writes: list[str] = []

    def die(name: str) -> None:
        if len(writes) == last:
            raise StoreUnreachableError("the cable is out")
        writes.append(name)

    world.store.written = die
    with pytest.raises(StoreUnreachableError):
        world.publish("two")
    assert len(writes) == last
    assert world.look() == 1
    world.store.written = lambda name: None
    assert world.publish("two").release == 2
    assert world.look() == 2


def test_of_two_at_once_one_fails(world: World) -> None:
    world.publish()
    meanwhile: list[object] = []

    def somebody_else(name: str) -> None:
        if name == "metadata/timestamp.json" and not meanwhile:
            meanwhile.append(name)
            meanwhile.append(world.publish("theirs"))

    world.store.written = somebody_else
    with pytest.raises(StoreConflictError, match="somebody else published at the same time"):
        world.publish("ours")
    device = world.device()
    device.refresh()
    newest = device.newest("stable")
    assert newest.number == 2
    assert b'"theirs"' in newest.manifest
    assert world.publish("ours").release == 3
    assert world.look() == 3


def test_of_two_at_once_one_fails_with_a_real_store(
    store: Store, keys: KeyFolder, small_bundle: Path, tmp_path: Path
) -> None:
    one = write_hollow_bundle(tmp_path / "one", small_bundle, "one")
    two = write_hollow_bundle(tmp_path / "two", small_bundle, "two")
    ReleasePublisher(store, keys).publish_validated(one, "stable")

    class Between(ReleasePublisher):
        def _send_files(self, *args: Any) -> None:
            ReleasePublisher(store, keys).publish_validated(two, "stable")
            super()._send_files(*args)

    with pytest.raises(StoreConflictError, match="try again"):
        Between(store, keys).publish_validated(one, "stable")
    device = Trust(tmp_path / "trust", keys.roots[1], store)
    device.refresh()
    assert device.newest("stable").number == 2


def test_a_write_whose_answer_was_lost_is_no_conflict(
    faulty: FaultyProxy, s3_source: str, keys: KeyFolder, small_bundle: Path, tmp_path: Path
) -> None:
    """The store replaced the timestamp and answered 503: the second attempt finds the first."""
    bundle = write_hollow_bundle(tmp_path / "one", small_bundle)
    store = open_store(s3_source, endpoint_url=faulty.address)
    ReleasePublisher(store, keys).publish_validated(bundle, "stable")
    faulty.faults.append(Fault("timestamp.json", "busy", times=1, methods="PUT"))
    assert ReleasePublisher(store, keys).publish_validated(bundle, "stable").release == 2
    faulty.faults.append(Fault("snapshot.json", "busy", times=1, methods="PUT"))
    assert ReleasePublisher(store, keys).publish_validated(bundle, "stable").release == 3
    device = Trust(tmp_path / "trust", keys.roots[1], store)
    device.refresh()
    assert device.newest("stable").number == 3


def test_nothing_is_sent_of_a_damaged_bundle(world: World, own_bundle: Path) -> None:
    (own_bundle / "index.ann").write_bytes(b"0" * 9000)
    with pytest.raises(BundleError, match=r"index\.ann is damaged"):
        world.publisher().publish(own_bundle, "stable")
    sign_again(own_bundle)
    with pytest.raises(BundleError):  # whole, and the gate says no
        world.publisher().publish(own_bundle, "stable")
    assert world.store.objects == {}


def test_a_bundle_that_is_rebuilt_meanwhile_does_not_spoil_the_store(world: World) -> None:
    """A file is stored under its digest for good, so it must have these bytes."""
    bundle = write_hollow_bundle(world.folder / "one", world.like, "one")

    def rebuild(total: int) -> Any:
        write_hollow_bundle(world.folder / "one", world.like, "another")
        return lambda count: None

    with pytest.raises(BundleError, match="changed while it was published"):
        world.publisher().publish_validated(bundle, "stable", start_upload=rebuild)
    assert world.store.objects == {}


@pytest.mark.usefixtures("unvalidated")
def test_what_was_validated_is_published_as_it_was_asked(world: World, small_bundle: Path) -> None:
    totals: list[int] = []
    sent: list[int] = []

    def start(total: int) -> Any:
        totals.append(total)
        return sent.append

    first = world.publisher().publish(small_bundle, "stable", 10, start_upload=start)
    assert (first.release, first.channel) == (1, "stable")
    assert totals == [sum(sent)]
    world.owners_time += timedelta(hours=1)
    again = world.publisher().publish(small_bundle, "stable", start_upload=start, again=True)
    assert (again.release, again.bundle, totals) == (2, first.bundle, [totals[0]] * 2)
    assert world.look() == 2


def test_devices_may_build_the_index_unless_it_is_shipped(
    world: World, small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes_maker, "SMALL", 0)
    for is_shipped in (False, True):
        world.owners_time += timedelta(hours=1)
        world.publisher().publish_validated(small_bundle, "stable", 400, ship_index=is_shipped)
        device = world.device()
        device.refresh()
        changes = parse_changes(device.newest("stable").changes, verify(small_bundle)[1])
        assert changes.local_index is not is_shipped


def test_a_time_of_expiry_has_whole_seconds() -> None:
    moment = datetime(2026, 11, 30, 12, 0, 1, 500_000, tzinfo=UTC)
    assert expiry(1, moment) == datetime(2026, 12, 1, 12, 0, 1, tzinfo=UTC)
    assert expiry(1).microsecond == 0


def test_a_wrong_name_of_a_channel_is_refused_before_a_bundle_is_looked_at(world: World) -> None:
    with pytest.raises(NotPublishedError, match="no name for a channel"):
        world.publisher().publish(world.folder / "absent.bundle", "../stable")


def test_an_owner_does_not_sign_what_others_put_there(world: World) -> None:
    world.publish()
    stranger = KeyFolder.create(world.folder / "stranger", secret)
    world.tamper(targets=lambda signed: None, keys=stranger)
    with pytest.raises(ForgedError, match="keys this store's key folder"):
        world.publish("two")


def test_an_owner_gives_up_where_the_next_numbers_are_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.publish("one")
    before, write = dict(world.store.objects), world.store.write

    def taken(name: str, *arguments: Any, **options: Any) -> object:
        if name.endswith(".targets.json"):
            raise StoreConflictError(f"{name} is there")
        return write(name, *arguments, **options)

    monkeypatch.setattr(world.store, "write", taken)
    with pytest.raises(StoreConflictError, match="the next 100 versions are all taken"):
        world.publish("two")
    signed = ("metadata/timestamp.json", "metadata/1.snapshot.json")
    assert [world.store.objects.get(name) for name in signed] == [before.get(n) for n in signed]


def test_what_is_signed_and_no_root_is_named(world: World, tmp_path: Path) -> None:
    world.publish("one")
    file = tmp_path / "root.json"
    file.write_bytes(world.keys.roots[1])
    assert read_root(file) == world.keys.roots[1]
    file.write_bytes(world.store.objects["metadata/timestamp.json"])
    with pytest.raises(SettingsError, match=r"root.json: is a signed timestamp, no root"):
        read_root(file)
    with pytest.raises(SettingsError, match=r"\[sync\] root: is a signed timestamp, no root"):
        factory_root(_settings(root=file), tmp_path / "data")
    assert not (tmp_path / "data").exists(), "no copy of it is kept"
    with pytest.raises(SettingsError, match="cannot be read"):
        read_root(tmp_path / "absent.json")


def test_an_owner_does_not_read_what_was_altered(world: World) -> None:
    world.publish("one")
    metadata = OwnerMetadata(world.store, world.keys, lambda: world.owners_time)
    target = metadata.read().targets.targets["stable/manifest.json"]
    data = metadata.read_target(target, target.length)
    assert len(data) == target.length
    (name,) = [name for name in world.store.objects if name.endswith(".manifest.json")]
    world.store.objects[name] = data.replace(b"Hollow", b"Hallow").replace(b"1", b"2", 1)
    assert len(world.store.objects[name]) == target.length
    with pytest.raises(RepositoryError):
        metadata.read_target(target, target.length)


def test_an_owner_notices_a_store_that_went_back(world: World) -> None:
    world.publish()
    old = dict(world.store.objects)
    world.publish("two")
    world.publish("three")
    world.store.objects = old
    with pytest.raises(TrustError):
        world.publish("four")


def test_an_owner_does_not_begin_anew_in_an_emptied_store(world: World) -> None:
    world.publish()
    world.publish("two")
    world.store.objects.clear()
    with pytest.raises(TrustError, match="it is gone"):
        world.publish("three")


def test_an_older_copy_of_the_keys_is_not_used(world: World) -> None:
    world.publish()
    older = shutil.copytree(world.keys.folder, world.folder / "copy")
    world.keys = world.keys.rotate({"online"})
    world.publish("two")
    world.keys = KeyFolder(older, secret)
    with pytest.raises(KeysError, match="newest root is 1, the store's is 2"):
        world.publish("three")


def test_what_has_expired_can_be_published_again(world: World) -> None:
    world.publish()
    world.owners_time += timedelta(days=4000)
    world.keys = world.keys.rotate(set())
    world.publish("two")
    assert world.look() == 2


def test_an_owners_clock_that_is_behind_is_noticed(world: World) -> None:
    world.owners_time += timedelta(days=3000)
    world.publish()
    world.owners_time -= timedelta(days=3000)
    with pytest.raises(SurroundingsError, match=r"signed last at 2035.*clock says 2026"):
        world.publish("two")
    world.devices_time = world.owners_time
    world.keys = world.keys.rotate({"online"})  # devices forget the wrong time with its key
    world.publish("two")
    assert world.look() == 2


def test_the_time_of_issue_always_grows(world: World) -> None:
    world.publish()
    device = world.device()
    device.refresh()
    first = device.issued
    assert first is not None
    world.owners_time -= timedelta(minutes=90)
    world.publish("two")
    device.refresh()
    assert device.issued == first + timedelta(seconds=1)


@pytest.mark.parametrize(
    "case",
    [
        ("endless", TooLargeError),
        ("say less", ForgedError),
        ("say more", StoreUnreachableError),
        ("truncate", StoreUnreachableError),
        ("reset", StoreUnreachableError),
        ("trickle", StoreUnreachableError),
        ("silent", StoreUnreachableError),
        ("damage", ForgedError),
        ("status", StoreRefusedError),
    ],
)
@pytest.mark.parametrize("name", ["timestamp.json", "1.targets.json"])
def test_a_bad_store_is_named_and_a_good_one_works_again(
    name: str,
    case: tuple[How, type[VisualSearchError]],
    faulty: FaultyProxy,
    s3_source: str,
    keys: KeyFolder,
    small_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    how, kind = case
    monkeypatch.setattr("sync.stores.s3.READ_TIMEOUT_S", 0.5)
    store = open_store(s3_source, endpoint_url=faulty.address)
    ReleasePublisher(store, keys).publish_validated(
        write_hollow_bundle(tmp_path / "one", small_bundle), "stable"
    )
    faulty.faults.append(Fault(name, how, after=100, status=403))
    device = Trust(tmp_path / "trust", keys.roots[1], store)
    with monkeypatch.context() as patch:  # a busy machine may be slow, once the store is well
        patch.setattr(
            "sync.stores.base.MinimumSpeed", lambda: MinimumSpeed(bytes_per_s=100_000, window_s=0.3)
        )
        with pytest.raises(kind):
            device.refresh()
    faulty.faults.clear()
    device.refresh()
    assert device.newest("stable").number == 1


# refresh


def test_a_refresh_needs_the_online_key_alone(world: World) -> None:
    world.publish()
    for folder in ("offline", "publisher"):
        shutil.rmtree(world.keys.folder / folder)
    world.keys = KeyFolder(world.keys.folder, secret)
    world.owners_time += timedelta(days=300)
    expires = world.publisher().refresh(days=30).expires
    assert expires == world.owners_time + timedelta(days=30)
    world.devices_time = world.owners_time
    device = world.device()
    device.refresh()
    assert device.first_expiry.expires == expires
    assert device.newest("stable").number == 1
    with pytest.raises(KeysError, match="0 of the 1 keys that must sign are here"):
        world.publish("two")


def test_a_refresh_says_when_the_list_ends_first(world: World) -> None:
    done = world.publish(days=100)
    world.owners_time += timedelta(days=50)
    assert world.publisher().refresh(days=400) == SignatureExpiry("targets", done.expires)
    world.owners_time += timedelta(days=51)
    with pytest.raises(KeysError, match="publish a bundle again"):
        world.publisher().refresh()


def test_an_empty_store_cannot_be_refreshed(world: World) -> None:
    with pytest.raises(NotInStoreError, match="publish a bundle first"):
        world.publisher().refresh()


def test_a_refresh_signs_the_list_again_after_its_key_was_replaced(world: World) -> None:
    world.publish()
    world.keys = world.keys.rotate({"publisher", "online"})
    world.publisher().refresh()
    assert world.look() == 1


# keys


def test_keys_are_encrypted_and_only_readable_by_their_owner(
    keys: KeyFolder, tmp_path: Path
) -> None:
    KeyFolder.create(tmp_path / "new", secret)
    found = sorted((tmp_path / "new").glob("*/*.pem"))
    assert [file.parent.name for file in found] == ["offline"] * 3 + ["online", "publisher"]
    for file in found:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        with pytest.raises(TypeError, match="encrypted"):
            load_pem_private_key(file.read_bytes(), None)
        load_pem_private_key(file.read_bytes(), secret("", new=False))
    role = keys.root.roles["root"]
    assert (len(role.keyids), role.threshold) == (3, 2)
    years = (keys.root.expires - datetime.now(UTC)).days / 365
    assert 9.9 < years < 10.1


def test_keys_are_not_made_in_a_folder_that_is_not_empty(keys: KeyFolder) -> None:
    with pytest.raises(KeysError, match="not empty"):
        KeyFolder.create(keys.folder, secret)


def test_a_channel_gets_one_key(keys: KeyFolder) -> None:
    signer = keys.make_channel_key("north", "memory://store")
    (file,) = (keys.folder / "channels" / "north").iterdir()
    assert file.stem.endswith(signer.public_key.keyid[:8])


def test_a_channels_key_that_cannot_be_removed_is_named(keys: KeyFolder) -> None:
    signer = keys.make_channel_key("north", "memory://store")
    folder = keys.folder / "channels" / "north"
    (file,) = folder.iterdir()
    file.unlink()
    file.mkdir()
    with pytest.raises(KeysError, match=f"^{folder}: cannot be written: "):
        keys.remove_channel_keys("north", "memory://store", [signer.public_key.keyid])


def test_a_short_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="too short"):
        KeyFolder.create(tmp_path / "keys", lambda folder, new: b"secret")
    assert not list(tmp_path.rglob("*.pem"))


def test_a_passphrase_is_long_enough_or_not(tmp_path: Path) -> None:
    enough = b"x" * MIN_PASSPHRASE
    (made,) = make_keys(tmp_path / "keys", "keys", 1, lambda folder, new: enough)
    (file,) = (tmp_path / "keys").iterdir()
    assert open_key(file, enough).public_key == made.public_key
    with pytest.raises(KeysError, match="too short"):
        make_keys(tmp_path / "other", "other", 1, lambda folder, new: enough[1:])


def test_the_wrong_passphrase_is_named(keys: KeyFolder) -> None:
    wrong = KeyFolder(keys.folder, lambda folder, new: b"another one")
    with pytest.raises(KeysError, match="is the passphrase right"):
        wrong.signers("online")


@pytest.mark.parametrize("name", ["roots/1.root.json", "roots"])
def test_a_folder_without_roots_is_no_key_folder(name: str, keys: KeyFolder) -> None:
    path = keys.folder / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(KeysError, match="sync keys init DIR"):
        KeyFolder(keys.folder, secret)


def test_a_key_or_root_that_cannot_be_read_is_named(keys: KeyFolder) -> None:
    file = keys.folder / "online"
    with pytest.raises(KeysError, match=f"^{file}: cannot be read: Is a directory"):
        open_key(file, b"secret")
    for content in (b"{}", b"\xff"):
        (keys.folder / "roots" / "1.root.json").write_bytes(content)
        with pytest.raises(KeysError, match=f"^{keys.folder}: its roots cannot be read: "):
            KeyFolder(keys.folder, secret)


def test_a_key_that_is_damaged_is_named(keys: KeyFolder) -> None:
    file = next((keys.folder / "online").iterdir())
    file.write_bytes(b"x")
    with pytest.raises(KeysError, match=file.name):
        KeyFolder(keys.folder, secret).signers("online")


def test_one_root_key_may_be_lost_and_not_two(keys: KeyFolder) -> None:
    files = sorted((keys.folder / "offline").iterdir())
    files[0].unlink()
    keys = KeyFolder(keys.folder, secret).rotate({"offline"})
    assert keys.root.version == 2
    files = sorted((keys.folder / "offline").iterdir())
    assert len(files) == 3
    for file in files[:2]:
        file.unlink()
    with pytest.raises(KeysError, match="1 of the 2 keys that must sign are here"):
        KeyFolder(keys.folder, secret).rotate(set())


def test_a_killed_rotation_is_begun_again(keys: KeyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """New keys were made, and no root names them yet."""
    with monkeypatch.context() as patch:
        patch.setattr("sync.trust.keys._write_root", _die)
        with pytest.raises(KeysError, match="the disk is full"):
            keys.rotate({"online"})
    keys = KeyFolder(keys.folder, secret)
    assert len(keys.signers("online")) == 1
    keys = keys.rotate({"online"})
    assert len(list((keys.folder / "online").iterdir())) == 1
    assert len(keys.signers("online")) == 1


def _die(*_: object) -> None:
    raise OSError(28, "the disk is full")


def test_a_passphrase_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    with pytest.raises(KeysError, match="cannot be read"):
        read_passphrase(file)
    file.write_text("five words by chance\n")
    file.chmod(0o640)
    with pytest.raises(KeysError, match="chmod 600"):
        read_passphrase(file)
    file.chmod(0o600)
    assert read_passphrase(file) == b"five words by chance"
    file.write_text("\n")
    with pytest.raises(KeysError, match="empty"):
        read_passphrase(file)


# the commands


def test_the_owners_commands_work_together(
    surroundings: Surroundings, small_bundle: Path, s3_server: S3Server, s3_source: str
) -> None:
    file = surroundings.folder / "secret"
    file.write_text("five words by chance\n")
    file.chmod(0o600)
    words = ("--keys", "keys", "--passphrase-file", file, "--endpoint-url", s3_server.address)

    done = surroundings.run("sync", "keys", "init", "keys", "--passphrase-file", file)
    assert done.returncode == 0, done.stderr
    assert "offline/" in done.stdout
    assert "root.json    give it to every device" in done.stdout
    done = surroundings.run("sync", "publish", small_bundle, s3_source, *words, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["release"], told["channel"]) == (1, "stable")
    assert told["bundle"] == verify(small_bundle)[1]
    assert done.stderr == ""
    done = surroundings.run("sync", "publish", small_bundle, s3_source, *words)
    assert "release 2 of stable" in done.stdout
    assert "0 of 10 files sent" in done.stdout
    done = surroundings.run("sync", "keys", "rotate", "keys", "--passphrase-file", file)
    assert "root 2: valid until" in done.stdout
    done = surroundings.run("sync", "refresh", s3_source, *words)
    assert done.stdout.startswith("valid until 20")
    done = surroundings.run("sync", "refresh", s3_source, *words, "--expires-days", "30", "--json")
    left = datetime.fromisoformat(json.loads(done.stdout)["expires"]) - datetime.now(UTC)
    assert 29 <= left.days <= 30
    root = (surroundings.folder / "keys" / "roots" / "1.root.json").read_bytes()
    store = open_store(s3_source, endpoint_url=s3_server.address)
    device = Trust(surroundings.data / "trust", root, store)
    device.refresh()
    assert device.newest("stable").number == 2
    assert device.root.version == 2


def test_a_stick_is_written_like_a_bucket(
    surroundings: Surroundings, small_bundle: Path, key_folder: Path
) -> None:
    shutil.copytree(key_folder, surroundings.folder / "keys")
    (surroundings.folder / "secret").touch(0o600)
    (surroundings.folder / "secret").write_text("five words by chance")
    stick = surroundings.folder / "stick"
    words = ("--keys", "keys", "--passphrase-file", "secret")
    done = surroundings.run("sync", "publish", small_bundle, stick.as_uri(), *words)
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "is the stick in and mounted" in done.stderr
    stick.mkdir()
    done = surroundings.run("sync", "publish", small_bundle, stick.as_uri(), *words)
    assert done.returncode == 0, done.stderr
    manifest = parse_manifest((small_bundle / MANIFEST).read_bytes(), "it")
    for entry in manifest.files.values():
        assert file_digest(stick / "files" / entry.sha256) == entry.sha256


def test_a_passphrase_is_asked_for_each_folder(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    answers = [f"the passphrase of {folder}" for folder in ("offline", "publisher", "online")]
    said = CliRunner().invoke(
        keys_command,
        ["init", str(folder)],
        input="".join(f"{answer}\n{answer}\n" for answer in answers),
    )
    assert said.exit_code == 0, said.output
    assert "New passphrase for offline/" in said.output
    assert "the passphrase of" not in said.output
    keys = KeyFolder(folder, lambda name, new: f"the passphrase of {name}".encode())
    for name in ("offline", "publisher", "online"):
        assert keys.signers(name)


def test_an_error_is_one_sentence(surroundings: Surroundings, small_bundle: Path) -> None:
    words = ("sync", "publish", small_bundle, "file:///tmp", "--keys", "nowhere")
    done = surroundings.run(*words)
    assert done.returncode == 1
    assert done.stderr.startswith("error: nowhere: not a key folder")
    assert surroundings.run("sync", "publish", small_bundle, "file:///tmp").returncode == 2


def test_every_command_has_examples(surroundings: Surroundings) -> None:
    for words in ("keys init", "keys rotate", "publish", "refresh"):
        done = surroundings.run("sync", *words.split(), "--help")
        assert done.returncode == 0
        assert f"visual-search sync {words}" in done.stdout


def test_what_was_signed_with_a_target_has_its_type() -> None:
    def target(custom: object) -> Any:
        return SimpleNamespace(custom=custom)

    for custom in (None, {}, {"release": "3"}, {"release": None}):
        assert _field(target(custom), "release", 7) == 7
    assert _field(None, "release", 7) == 7
    assert _field(target({"release": 3}), "release", 7) == 3


def test_without_the_online_key_nothing_is_sent(world: World) -> None:
    """The publisher's key alone could sign the list, and no device would hear of it."""
    world.publish()
    before = dict(world.store.objects)
    for file in (world.keys.folder / "online").glob("*.pem"):
        file.unlink()
    without = replace(world, keys=KeyFolder(world.keys.folder, secret))
    sent: list[str] = []
    world.store.written = sent.append
    with pytest.raises(KeysError, match="online: 0 of the 1 keys that must sign are here"):
        without.publish("two")
    assert (sent, world.store.objects) == ([], before)


def test_a_bundle_that_changed_since_it_was_validated_is_not_published(world: World) -> None:
    bundle = write_hollow_bundle(world.folder / "hollow", world.like, "one")
    with pytest.raises(BundleError, match="changed while it was checked; try again"):
        world.publisher().publish_validated(bundle, "stable", 400, expected="another")
    assert world.store.objects == {}


@pytest.mark.parametrize(
    ("role", "says"),
    [
        ("timestamp", "sync refresh"),
        ("snapshot", "sync refresh"),
        ("targets", "sync "),
        ("root", "sync keys rotate"),
        ("channel-north", "--channel north"),
        ("nonsense", "sync refresh"),
    ],
)
def test_each_signature_has_a_command_that_renews_it(role: str, says: str) -> None:
    assert command(role).startswith("visual-search sync ")
    assert says in command(role)


def test_keys_that_cannot_be_written_are_no_keys(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeysError, match="keys: cannot be written: "):
        KeyFolder.create(tmp_path / "file" / "keys", secret)


def test_what_cannot_be_made_again_here_is_fetched_whole_and_said(
    small_bundle: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    kind = next(kind for kind in KINDS if kind.name == "pictures")
    monkeypatch.setattr(changes_maker, "SMALL", 0)
    manifest = parse_manifest((small_bundle / MANIFEST).read_bytes(), "manifest")
    assert changes_maker._can_be_made(kind, small_bundle, manifest)
    broken = replace(kind, write=full)
    assert not changes_maker._can_be_made(broken, small_bundle, manifest)
    said = "devices fetch the pictures whole, they cannot be made here"
    assert said in caplog.text


def test_each_state_has_the_next_number(world: World) -> None:
    for number in (1, 2, 3):
        world.publish(str(number))
        content = world.store.objects["metadata/timestamp.json"]
        timestamp = Metadata[Timestamp].from_bytes(content).signed
        assert (timestamp.version, timestamp.snapshot_meta.version) == (number, number)


def test_what_is_in_the_owners_list_stays_the_owners() -> None:
    """Though the channel has a key of its own by now, whose list covers the path."""
    role = DelegatedRole("channel-north", ["key"], 1, terminating=True, paths=["a", "b"])
    state = SignedState(
        None, None, Timestamp(), Snapshot(), Targets(), ChannelList(role, Targets())
    )
    target = TargetFile.from_data("a", b"content", ["sha256"])
    state.targets.targets["a"] = target
    assert [state.role_of(path) for path in ("a", "b", "c")] == [
        "targets", "channel-north", "targets",
    ]  # fmt: skip
    own = SignedState(None, None, Timestamp(), Snapshot(), Targets())
    assert own.role_of("a") == "targets"


def test_the_root_that_was_given_once_is_kept(world: World, tmp_path: Path) -> None:
    root = world.keys.folder / "root.json"
    with pytest.raises(SettingsError, match=r"\[sync\] root: not set"):
        factory_root(_settings(), tmp_path / "data")
    given, gone = (
        _settings(root=root),
        _settings(root=tmp_path / "pulled-out/root.json"),
    )
    assert factory_root(given, tmp_path / "data") == world.keys.roots[1]
    assert factory_root(_settings(), tmp_path / "data") == world.keys.roots[1]
    (tmp_path / "data" / "root.json").write_bytes(b"a former owner's")
    assert factory_root(given, tmp_path / "data") == world.keys.roots[1]
    assert (tmp_path / "data" / "root.json").read_bytes() == root.read_bytes()
    assert factory_root(gone, tmp_path / "data") == root.read_bytes()


def test_a_root_that_is_known_by_its_digest_comes_from_the_store_once(
    world: World, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    world.keys = world.keys.rotate(set())
    first, second = (
        _settings(root_sha256=sha256(world.keys.roots[version]).hexdigest()) for version in (1, 2)
    )
    with pytest.raises(NotInStoreError):
        factory_root(first, data, world.store)
    world.publish("one")
    with pytest.raises(SettingsError, match="was not fetched yet; run 'visual-search sync once'"):
        factory_root(first, data)
    assert factory_root(first, data, world.store) == world.keys.roots[1]
    assert factory_root(first, data) == world.keys.roots[1], "from then on it is here"
    assert factory_root(second, data, world.store) == world.keys.roots[2], "of another code"
    assert (data / "root.json").read_bytes() == world.keys.roots[2]
    assert factory_root(_settings(), data) == world.keys.roots[2]


def test_another_root_than_the_one_of_the_digest_is_not_trusted(
    world: World, tmp_path: Path
) -> None:
    """A store may say anything; S3 may say that an absent root is refused."""
    world.publish("one")
    digest = sha256(world.keys.roots[1]).hexdigest()
    name = "metadata/1.root.json"
    world.store.objects[name] += b" "
    with pytest.raises(ForgedError, match=r"the one that .* root_sha256 stands"):
        factory_root(_settings(root_sha256=digest), tmp_path / "data", world.store)
    assert not (tmp_path / "data").exists()
    world.store.objects[name] = bytes(512_001)
    with pytest.raises(StoreTooLargeError):
        factory_root(_settings(root_sha256=digest), tmp_path / "data", world.store)
    world.store.objects[name] = text = b"no root"
    with pytest.raises(SettingsError, match=r"1\.root\.json: is no root\.json"):
        factory_root(
            _settings(root_sha256=sha256(text).hexdigest()),
            tmp_path / "data",
            world.store,
        )
    file = world.keys.folder / "root.json"
    both = _settings(root=file, root_sha256=sha256(text).hexdigest())
    with pytest.raises(SettingsError, match="root and root_sha256 are not of one owner"):
        factory_root(both, tmp_path / "other")


def test_as_many_roots_are_looked_at_as_are_allowed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        world.keys = world.keys.rotate(set())
    world.publish("one")
    second, third = (sha256(world.keys.roots[version]).hexdigest() for version in (2, 3))
    assert root_in(world.store, third) == world.keys.roots[3]
    monkeypatch.setattr("sync.trust.root.MOST", 2)
    assert root_in(world.store, second) == world.keys.roots[2]
    with pytest.raises(ForgedError, match=r"none of its 2 root\.json"):
        root_in(world.store, third)


@pytest.mark.parametrize("refuses_from", [1, 2])
def test_s3_refuses_a_root_that_is_not_there(
    world: World, monkeypatch: pytest.MonkeyPatch, refuses_from: int
) -> None:
    world.publish("one")
    read = world.store.read

    def refusing(name: str, limit: int) -> bytes:
        if name >= f"metadata/{refuses_from}.root.json":
            raise StoreRefusedError(f"{name}: refused")
        return read(name, limit)

    monkeypatch.setattr(world.store, "read", refusing)
    expected = StoreRefusedError if refuses_from == 1 else ForgedError
    with pytest.raises(expected):
        root_in(world.store, "0" * 64)


def test_a_device_is_told_what_it_lacks(world: World, tmp_path: Path) -> None:
    absent = tmp_path / "absent.json"
    with pytest.raises(SettingsError, match=rf"^{absent}: \[sync\] root: No such file"):
        factory_root(_settings(root=absent), tmp_path / "data")
    world.publish()
    for content, said in (
        (b"{}", "is no root"),
        (world.store.objects["metadata/timestamp.json"], "is a signed timestamp, no root"),
    ):
        absent.write_bytes(content)
        with pytest.raises(SettingsError, match=said):
            factory_root(_settings(root=absent), tmp_path / "data")
    assert not (tmp_path / "data").exists()
    with pytest.raises(SettingsError, match=r"\[sync\] source: not set"):
        configured_store(_settings(), DeviceSettings())


def test_a_root_that_cannot_be_kept_is_said(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    root = world.keys.folder / "root.json"
    with pytest.raises(ShelfError, match=r"root\.json: cannot be used: "):
        factory_root(_settings(root=root), tmp_path / "file")
    world.publish("one")
    by_digest = SyncSettings.model_validate(
        {"root_sha256": sha256(world.keys.roots[1]).hexdigest()}
    )
    with pytest.raises(ShelfError, match=r"root\.json: cannot be used: "):
        factory_root(by_digest, tmp_path / "file", world.store)
