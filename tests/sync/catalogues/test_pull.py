"""Releases are installed complete, verified and validated, or not at all, with an error each."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from catalog.bundles import validator
from catalog.bundles.bundle import Bundle
from catalog.bundles.manifest import MANIFEST, verify
from catalog.bundles.validator import Validated
from catalog.core.errors import BundleError, ShelfError
from catalog.core.locks import locked
from catalog.core.state import (
    UNPINNED,
    Fetching,
    SyncState,
    Version,
    edge_state,
    read_sync_state,
    write_edge_state,
)
from sync.catalogues import follower
from sync.catalogues.fleet_pin import FLEET
from sync.catalogues.follower import ChannelFollower
from sync.catalogues.pull import OPEN_TIMEOUT_S
from sync.fleet.desired import NOTHING, Desired, keep_desired
from sync.stores.choice import open_store
from sync.trust.keys import KeyFolder
from sync.trust.publish import ReleasePublisher
from tests.conftest import sign_again
from tests.support.brokers import until
from tests.support.faulty_proxy import Fault, FaultyProxy
from tests.support.following import Following, passphrase, variant
from tests.support.s3_server import S3Server

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, small_bundle: Path) -> Following:
    """A device with release 1 installed; read only, for changes see `following`."""
    following = Following.create(tmp_path_factory.mktemp("first") / "world")
    following.publish(small_bundle)
    assert following.device().check().outcome == "installed"
    return following


@pytest.fixture
def following(first: Following, tmp_path: Path) -> Following:
    """A copy of it for one test."""
    return first.copy(tmp_path / "world")


@pytest.fixture
def newer(small_bundle: Path, tmp_path: Path) -> Path:
    """Another bundle: another title, other pictures."""
    bundle = Path(shutil.copytree(small_bundle, tmp_path / "newer.bundle"))
    with (bundle / "pictures.db").open("ab") as file:
        file.write(os.urandom(3_000_000))
    sign_again(bundle, title="Newer")
    return bundle


def in_store(following: Following, bundle: Path, name: str) -> Path:
    """A bundle's file as it lies in the store."""
    digest = json.loads((bundle / MANIFEST).read_bytes())["files"][name]["sha256"]
    return following.store / "files" / str(digest)


def refused(following: Following, state: SyncState, outcome: str) -> str:
    """Check the outcome; the first release stays active and nothing unfinished is left."""
    assert state.outcome == outcome, state.message
    assert read_sync_state(following.data / "state") == state
    active = following.shelf.active()
    assert active is not None
    assert following.shelf.state().releases[active.name] == 1
    verify(active)
    for name in following.incoming():
        assert name.partition(".")[0] == name[:64], "only what can be resumed"
    return state.message


# What goes well


def test_the_first_boot_needs_a_root_and_a_source_alone(
    first: Following, small_bundle: Path, tmp_path: Path
) -> None:
    following = first.copy(tmp_path / "world")
    shutil.rmtree(following.data)
    totals: set[int] = set()
    state = following.device().check(lambda _, total: totals.add(total))
    assert totals == {state.bytes_fetched}
    assert (state.outcome, state.message) == (
        "installed",
        f"release 1, {verify(small_bundle)[1]}, is active",
    )
    assert following.active() == verify(small_bundle)[1]
    assert following.incoming() == []
    assert state.bytes_fetched == sum(
        entry.bytes for entry in verify(small_bundle)[0].files.values()
    )
    (following.folder / "keys" / "root.json").unlink()
    assert following.device().check().outcome == "up-to-date", "the root was kept"
    assert following.device(root=None).check().outcome == "up-to-date"


@pytest.mark.slow
def test_a_newer_release_takes_over_and_what_is_here_is_linked(
    following: Following, newer: Path
) -> None:
    before = following.active()
    done = following.publish(newer)
    state = following.device().check()
    assert state.outcome == "installed"
    assert following.active() == done.bundle
    assert state.active is not None
    assert state.previous is not None
    assert (state.active.release, state.previous.release) == (2, 1)
    assert state.bytes_fetched == (newer / "pictures.db").stat().st_size
    assert state.bytes_fetched_ever > state.bytes_fetched
    versions = following.shelf.versions
    assert os.path.samefile(versions / before / "index.ann", versions / done.bundle / "index.ann")
    assert following.incoming() == []
    again = following.device().check()
    assert (again.outcome, again.bytes_fetched) == ("up-to-date", 0)


def test_the_same_bundle_again_is_a_newer_release_and_nothing_moves(
    following: Following, small_bundle: Path
) -> None:
    following.publish(small_bundle)
    before = following.shelf.activation()
    state = following.device().check()
    assert (state.outcome, state.bytes_fetched) == ("up-to-date", 0)
    assert state.active is not None
    assert state.active.release == 2
    assert following.shelf.activation() == before


@pytest.mark.usefixtures("unvalidated")
def test_a_file_damaged_on_the_shelf_is_fetched_not_linked(
    following: Following, newer: Path
) -> None:
    active = following.shelf.active()
    assert active is not None
    (active / "index.ann").write_bytes(b"x" * (active / "index.ann").stat().st_size)
    done, totals = following.publish(newer), set[int]()
    state = following.device().check(lambda _, total: totals.add(total))
    assert state.outcome == "installed"
    assert totals == {state.bytes_fetched}, "what is linked is not counted"
    assert verify(following.shelf.versions / done.bundle)[1] == done.bundle
    assert state.bytes_fetched == sum(
        (newer / name).stat().st_size for name in ("pictures.db", "index.ann")
    )


@pytest.mark.usefixtures("unvalidated")
def test_what_was_fetched_of_a_file_goes_where_the_shelf_has_it_by_now(
    following: Following, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    following.publish(newer)
    incoming, name = following.shelf.incoming, in_store(following, newer, "items.db").name
    incoming.mkdir(exist_ok=True)
    (incoming / f"{name}.part").write_bytes(bytes(1000))
    (incoming / f"{name}.journal").write_text('{"etag": "x", "bytes": 1000}')
    here: list[str] = []
    monkeypatch.setattr(
        "sync.catalogues.pull.Puller._check_free_space",
        lambda *_: here.extend(following.incoming()),
    )
    assert following.device().check().outcome == "installed"
    assert name in here
    assert f"{name}.part" not in here, "its room is free again"


@pytest.mark.usefixtures("unvalidated")
def test_channels_are_followed_apart(following: Following, newer: Path) -> None:
    done = following.publish(newer, "store-42")
    assert following.device().check().outcome == "up-to-date"
    assert following.device(channel="store-42").check().outcome == "installed"
    assert following.active() == done.bundle


@pytest.mark.usefixtures("unvalidated")
def test_an_interrupted_pull_goes_on_and_a_newer_release_keeps_what_it_shares(
    following: Following, newer: Path, tmp_path: Path
) -> None:
    class LeftError(Exception):
        pass

    def interrupt(here: int, total: int) -> None:
        if here > total * 0.9:
            raise LeftError

    following.publish(newer)
    with pytest.raises(LeftError):
        following.device().check(interrupt)
    assert following.incoming()
    done = following.publish(variant(newer, tmp_path / "newest.bundle", "Newest"))
    state = following.device().check()
    assert following.active() == done.bundle
    assert state.bytes_fetched < 0.2 * (newer / "pictures.db").stat().st_size
    assert following.incoming() == []


@pytest.mark.usefixtures("unvalidated")
def test_a_stick_installs_with_no_network(
    following: Following, newer: Path, tmp_path: Path
) -> None:
    following.publish(newer)
    stick = Path(shutil.copytree(following.store, tmp_path / "stick"))
    shutil.rmtree(following.store)
    message = refused(following, following.device().check(), "store-failed")
    assert "is the stick in and mounted?" in message
    assert following.device(source=stick.as_uri()).check().outcome == "installed"


# What the store, the disk and others do


def test_an_expired_stick_is_refused_with_its_dates(following: Following, newer: Path) -> None:
    done = following.publish(newer, days=10)
    following.pass_days(11)
    state = following.device().check()
    message = refused(following, state, "expired")
    assert f"{done.expires:%Y-%m-%d}" in message
    assert f"{following.clock():%Y-%m-%d}" in message
    assert "if that is wrong" in state.clock


@pytest.mark.usefixtures("unvalidated")
def test_a_clock_that_starts_in_1970_installs_and_is_said(
    following: Following, newer: Path
) -> None:
    following.publish(newer)
    following.time = datetime(1970, 1, 1, 0, 2, tzinfo=UTC)
    state = following.device().check()
    assert state.outcome == "installed"
    assert "clock says 1970-01-01 00:02 UTC" in state.clock
    following.time = None
    assert following.device().check().clock == ""


@pytest.mark.usefixtures("unvalidated")
def test_what_is_known_of_the_channel_stays_known_while_the_store_cannot_be_reached(
    following: Following, newer: Path, tmp_path: Path
) -> None:
    folder = following.data / "state"
    done, before = following.publish(newer), read_sync_state(folder)
    told: list[Fetching | None] = []
    state = following.device().check(lambda *_: told.append(read_sync_state(folder).fetching))
    assert told[0] is not None
    assert (told[0].bytes, told[0].total, state.fetching) == (0, state.bytes_fetched, None)
    assert state.bytes_fetched_ever - before.bytes_fetched_ever == state.bytes_fetched > 0
    known = (state.newest, state.expires_at, state.ends)
    assert state.newest == Version(bundle=done.bundle, release=2)
    assert (state.expires_at, state.ends) == (done.expires, done.ends)
    assert (state.source, state.channel) == (following.source, "stable")
    state = following.device(source=(tmp_path / "absent").as_uri()).check()
    assert state.outcome == "store-failed"
    assert (state.newest, state.expires_at, state.ends) == known


@pytest.mark.usefixtures("unvalidated")
def test_an_older_store_is_refused(following: Following, newer: Path, tmp_path: Path) -> None:
    older = Path(shutil.copytree(following.store, tmp_path / "older"))
    following.publish(newer)
    assert following.device().check().outcome == "installed"
    active = following.active()
    state = following.device(source=older.as_uri()).check()
    assert state.outcome == "rolled-back-metadata"
    assert following.active() == active


def test_what_others_signed_is_refused(following: Following, newer: Path, tmp_path: Path) -> None:
    other = Following.create(tmp_path / "other")
    other.publish(newer)
    refused(following, following.device(source=other.source).check(), "forged")


@pytest.mark.parametrize("name", ["pictures.db", "index.ann", "vectors.npy", "items.db"])
def test_a_flipped_bit_in_a_file_is_refused(following: Following, newer: Path, name: str) -> None:
    with (newer / name).open("ab") as file:
        file.write(b"padding")
    sign_again(newer, title="Flipped")
    following.publish(newer)
    there = in_store(following, newer, name)
    content = bytearray(there.read_bytes())
    content[len(content) // 2] ^= 4
    there.write_bytes(content)
    assert there.name in refused(following, following.device().check(), "forged")
    assert not any(name.startswith(there.name) for name in following.incoming())


def test_swapped_files_are_refused(following: Following, newer: Path, tmp_path: Path) -> None:
    with (newer / "items.db").open("ab") as file:
        file.write(b"x" * 10)
    shutil.copyfile(newer / "items.db", newer / "probes.npz")
    with (newer / "probes.npz").open("r+b") as file:
        file.write(b"y")
    sign_again(newer)
    following.publish(newer)
    one, two = (in_store(following, newer, name) for name in ("items.db", "probes.npz"))
    one.rename(tmp_path / "kept")
    two.rename(one)
    (tmp_path / "kept").rename(two)
    refused(following, following.device().check(), "forged")


def test_a_missing_file_is_named(following: Following, newer: Path) -> None:
    following.publish(newer)
    in_store(following, newer, "pictures.db").unlink()
    message = refused(following, following.device().check(), "not-in-store")
    assert "files/" in message


def test_a_shorter_file_is_refused_before_a_byte(following: Following, newer: Path) -> None:
    following.publish(newer)
    os.truncate(in_store(following, newer, "pictures.db"), 1000)
    state = following.device().check()
    refused(following, state, "too-large")
    assert state.bytes_fetched == 0


def test_nothing_published_in_a_channel_is_said(following: Following) -> None:
    message = refused(following, following.device(channel="stabel").check(), "not-published")
    assert "check its name" in message


def test_a_device_without_a_source_or_a_root_is_told_what_to_set(
    following: Following, tmp_path: Path
) -> None:
    assert "[sync] source" in following.device(source="").check().message
    (following.data / "root.json").unlink()
    state = following.device(root=None).check()
    assert (state.outcome, "[sync] root" in state.message) == ("not-set-up", True)
    state = following.device(root=tmp_path / "absent").check()
    assert (state.outcome, "absent" in state.message) == ("not-set-up", True)


def test_the_store_answers_and_refuses(
    following: Following,
    small_bundle: Path,
    newer: Path,
    s3_server: S3Server,
    s3_source: str,
    faulty: FaultyProxy,
) -> None:
    for bundle in (small_bundle, newer):
        following.publish(bundle, source=s3_source, endpoint_url=s3_server.address)
    device = following.device(source=s3_source, endpoint_url=faulty.address)
    outcomes = {}
    for status in (403, 404, 500, 503):
        faulty.faults[:] = [Fault("files/", "status", status=status)]
        outcomes[status] = device.check().outcome
    assert outcomes == {
        403: "store-refused",
        404: "not-in-store",
        500: "store-busy",
        503: "store-busy",
    }
    faulty.faults[:] = [Fault("", "status", status=403)]
    assert device.check().outcome == "store-refused"
    faulty.faults[:] = [Fault("files/", "truncate", after=100_000)]
    state = device.check()
    assert state.outcome == "installed"
    assert state.bytes_fetched < 1.1 * (newer / "pictures.db").stat().st_size + 100_000
    gone = following.device(source=s3_source, endpoint_url="http://127.0.0.1:9")
    assert gone.check().outcome == "offline"


@pytest.mark.usefixtures("unvalidated")
def test_a_bundle_larger_than_the_disk_is_refused_before_a_byte(
    following: Following, newer: Path
) -> None:
    following.publish(newer)
    state = following.device(reserve_mb=1_000_000_000).check()
    message = refused(following, state, "disk-full")
    assert "make room" in message
    assert state.bytes_fetched == 0
    assert following.shelf.state().rejected == {}
    assert following.device().check().outcome == "installed"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    subprocess.run(command, check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_on_the_way_is_named(
    following: Following, newer: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    following.publish(newer)
    shutil.move(following.data, small_disk / "data")
    following.data.symlink_to(small_disk / "data")
    state = following.device(reserve_mb=0).check()
    assert state.outcome == "disk-full"
    assert re.search(
        r"needs [\d,.]+ MB and 0\.0 MB are kept free, but only [\d.]+ MB", state.message
    )
    monkeypatch.setattr(
        "sync.catalogues.pull.Puller._check_free_space", lambda *_: None
    )  # somebody else wrote
    state = following.device(reserve_mb=0).check()
    assert state.outcome == "disk-full"
    assert following.incoming() == [], "who else writes needs the room"
    verify(following.shelf.versions / following.active())


def test_two_checks_at_once_the_second_says_so(following: Following) -> None:
    with (following.data / "shelf" / "pull.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ShelfError, match="another sync is at work"):
            following.device().check()


def test_a_data_folder_that_cannot_be_made_is_named(following: Following) -> None:
    shutil.rmtree(following.data)
    following.data.touch()
    with pytest.raises(ShelfError, match=rf"^{following.data / 'shelf'}: cannot be written: "):
        following.device().check()


def test_a_state_folder_that_cannot_be_written_is_named(following: Following) -> None:
    folder = following.data / "state"
    shutil.rmtree(folder)
    folder.touch()
    with pytest.raises(ShelfError, match=f"^{folder}: cannot be written: "):
        following.device().pin("1")


def test_two_changes_of_the_state_wait_for_each_other(following: Following) -> None:
    changing = threading.Thread(target=lambda: following.device().pin("1"))
    with locked(following.data / "state" / "sync.lock"):
        changing.start()
        until(lambda: following.shelf.state().pinned is not None)
        assert following.device().state().outcome == "installed"
    changing.join(60)
    assert following.device().state().outcome == "pinned"


# What proves itself, and what does not


def crafted(bundle: Path) -> Path:
    """A bundle with right digests whose index crashes every process that opens it."""
    index = bundle / "index.ann"
    nodes = np.frombuffer(index.read_bytes(), np.int32).reshape(-1, 3 + 48).copy()
    nodes[24:, 1:25] = 0x7FFFFF00  # the trees' children lie far outside the file
    index.write_bytes(nodes.tobytes())
    sign_again(bundle)
    return bundle


@pytest.mark.slow
def test_a_bundle_that_crashes_the_validator_is_rejected_once(
    following: Following, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = following.publish(crafted(newer))
    state = following.device().check()
    assert "crashes whoever opens it" in refused(following, state, "rejected")
    assert state.bytes_fetched > 0
    assert following.incoming() == []
    again = following.device().check()
    assert "is not tried again" in refused(following, again, "rejected")
    assert again.bytes_fetched == 0
    assert bad.bundle in following.shelf.state().rejected
    monkeypatch.setattr("importlib.metadata.version", lambda name: "99.0")
    assert following.shelf.state().rejection(bad.bundle, "auto") is None, (
        "a newer program may know it"
    )


@pytest.mark.slow
def test_a_bundle_of_the_wrong_featurizer_is_rejected(following: Following, newer: Path) -> None:
    file = newer / "featurizer" / "descriptor.json"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | {"channels": "bgr"}))
    sign_again(newer)
    following.publish(newer)
    refused(following, following.device().check(), "rejected")


@pytest.mark.slow
def test_an_index_cut_at_a_node_is_rejected(following: Following, newer: Path) -> None:
    index, node = newer / "index.ann", 4 * (3 + 48)
    os.truncate(index, index.stat().st_size // 4 // node * node)
    sign_again(newer)
    following.publish(newer)
    refused(following, following.device().check(), "rejected")


def test_a_bundle_that_fails_is_validated_once_and_rejected(
    following: Following, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = following.publish(newer)
    asked: list[str] = []

    def refuse(path: Path, bundle: str, engine: str = "auto") -> Validated:
        asked.append(bundle)
        if bundle == done.bundle:
            raise BundleError("it crashes")
        return Validated(bundle, engine, cosine=1.0, recall=1.0)

    monkeypatch.setattr(validator, "validate_in_child", refuse)
    message = refused(following, following.device().check(), "rejected")
    assert message == "release 2: it crashes"
    assert asked == [done.bundle, following.active()]
    assert following.incoming() == []


@pytest.mark.slow
def test_a_missing_engine_rejects_nothing_and_nothing_is_fetched_twice(
    following: Following, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    following.publish(newer)
    state = following.device(engine="awscam").check()
    assert "speaks against this device" in refused(following, state, "failed")
    assert following.shelf.state().rejected == {}
    assert following.incoming()
    state = following.device().check()
    assert (state.outcome, state.bytes_fetched) == ("installed", 0)


@pytest.mark.parametrize(
    "name", ["../../../escaped", "/tmp/escaped", "a/../../b", "manifest.json", "x" * 300, "a\x00b"]
)
def test_a_signed_manifest_with_a_path_outside_writes_nothing(
    following: Following, newer: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = newer / MANIFEST
    manifest = json.loads(file.read_bytes())
    manifest["files"][name] = manifest["files"]["items.db"]
    file.write_text(json.dumps(manifest))
    with monkeypatch.context() as patch:  # an owner whose own check was put out of order
        patch.setattr("catalog.bundles.manifest._check_names", lambda *_: None)
        patch.setattr("sync.trust.publish.ReleasePublisher._send_files", lambda *_: [])
        following.publish(newer)
    state = following.device().check()
    refused(following, state, "rejected")
    assert state.bytes_fetched == 0
    assert not list(following.folder.rglob("escaped"))


def test_a_link_in_the_store_leads_nowhere_new(following: Following, newer: Path) -> None:
    following.publish(newer)
    file = in_store(following, newer, "pictures.db")
    file.unlink()
    file.symlink_to("/etc/passwd")
    refused(following, following.device().check(), "too-large")


def test_the_appliance_has_longer_to_open_what_took_long_to_check(
    following: Following, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]

    def slow(path: Path, bundle: str, engine: str = "auto") -> Validated:
        now[0] += 10.0
        return Validated(bundle, engine, cosine=1.0, recall=1.0)

    monkeypatch.setattr(validator, "validate_in_child", slow)
    monkeypatch.setattr("sync.catalogues.pull.time", SimpleNamespace(monotonic=lambda: now[0]))
    following.publish(newer)
    assert following.device().check().outcome == "installed"
    trial = following.shelf.state().trial
    assert trial is not None
    assert trial.patience_s == OPEN_TIMEOUT_S + 20.0


def test_what_was_pinned_while_a_release_was_checked_stays(
    following: Following, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    active = following.active()

    def pinned(path: Path, bundle: str, engine: str = "auto") -> Validated:
        with following.shelf.changing():
            state = following.shelf.state().model_copy(update={"pinned": active})
            following.shelf.save_state(state)
        return Validated(bundle, engine, cosine=1.0, recall=1.0)

    monkeypatch.setattr(validator, "validate_in_child", pinned)
    following.publish(newer)
    assert f"{active} was pinned meanwhile" in refused(
        following, following.device().check(), "failed"
    )
    assert following.active() == active


@pytest.mark.usefixtures("unvalidated")
@pytest.mark.parametrize("interval", [0.0, 3600.0])
def test_a_release_is_not_installed_where_the_owner_changes_the_mind_meanwhile(
    following: Following, newer: Path, interval: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is noticed while a file comes, every few seconds, and before the switch at the latest."""
    monkeypatch.setattr(follower, "PROGRESS_INTERVAL_S", interval)
    following.publish(newer)
    keep_desired(following.data / "state", NOTHING)
    other = Desired(channel="north")
    state = following.device().check(lambda *_: keep_desired(following.data / "state", other))
    assert refused(following, state, "failed") == follower.CHANGED
    assert (state.bytes_fetched < 3_000_000) is (interval == 0)


@pytest.mark.usefixtures("unvalidated")
def test_a_release_that_the_owner_pins_is_pinned_as_soon_as_it_is_installed(
    following: Following, newer: Path
) -> None:
    """Its files may be folders deep."""
    (newer / "featurizer" / "two" / "layers").mkdir(parents=True)
    (newer / "featurizer" / "two" / "layers" / "one").write_bytes(b"x")
    sign_again(newer)
    done = following.publish(newer)
    keep_desired(following.data / "state", Desired(pin=2))
    state = following.device().check()
    assert (state.outcome, state.pinned) == ("installed", done.bundle)
    assert following.shelf.state().pinned_by == FLEET


@pytest.mark.usefixtures("unvalidated")
def test_a_version_that_is_here_is_pinned_also_without_a_network(
    following: Following, newer: Path, tmp_path: Path
) -> None:
    former = following.active()
    following.publish(newer)
    assert following.device().check().outcome == "installed"
    keep_desired(following.data / "state", Desired(pin=1))
    state = following.device(source=(tmp_path / "absent").as_uri()).check()
    assert (state.outcome, state.pinned, following.active()) == ("store-failed", former, former)


def test_what_a_check_brought_is_published_once(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    device = following.device()
    monkeypatch.setattr(device, "_publish", lambda state: told.append(state.outcome))
    for _ in range(2):
        assert device.check().outcome == "up-to-date"
    assert told == ["up-to-date"]


def test_a_fault_is_kept_in_the_state_and_published(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[SyncState] = []

    def fail(*_: object) -> None:
        raise ZeroDivisionError("nobody thought of it")

    device = following.device()
    monkeypatch.setattr(device, "_publish", told.append)
    monkeypatch.setattr(follower, "configured_store", fail)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            device.check()
    (state,) = told
    assert (state.outcome, state.message) == ("failed", "ZeroDivisionError: nobody thought of it")
    assert read_sync_state(following.data / "state").outcome == "failed"


def test_what_the_fleets_owner_wants_holds_though_the_settings_of_reports_are_wrong(
    following: Following, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(following.data))
    keep_desired(following.data / "state", Desired(channel="north"))
    channels = {}
    for shadow in ("true", "false", '"perhaps"'):
        config = tmp_path / "settings.toml"
        config.write_text(f"[outbox]\nshadow = {shadow}\n")
        device = ChannelFollower.from_settings(config, following.source)
        assert device.settings.source == following.source
        assert ChannelFollower.from_settings(config).settings.source == ""
        channels[shadow] = device.channel
    assert channels == {"true": "north", "false": "stable", '"perhaps"': "north"}


# Going back and staying


@pytest.mark.usefixtures("unvalidated")
def test_a_version_rolled_back_from_is_skipped_until_a_newer_release(
    following: Following, newer: Path, tmp_path: Path
) -> None:
    old = following.active()
    following.publish(newer)
    assert following.device().check().outcome == "installed"
    left = following.active()
    state = following.device().roll_back()
    assert following.active() == old
    assert (state.active is not None, state.previous is not None) == (True, True)
    assert following.device().check().outcome == "declined"
    with pytest.raises(ShelfError, match="was gone back from already"):
        following.device().roll_back()
    done = following.publish(variant(newer, tmp_path / "newest.bundle", "Newest"))
    assert following.device().check().outcome == "installed"
    assert following.active() == done.bundle != left
    assert following.shelf.state().declined is None


@pytest.mark.usefixtures("unvalidated")
def test_the_same_bundle_as_a_newer_release_is_not_skipped(
    following: Following, newer: Path
) -> None:
    following.publish(newer)
    following.device().check()
    following.device().roll_back()
    following.publish(newer)
    state = following.device().check()
    assert (state.outcome, state.bytes_fetched) == ("installed", 0)


@pytest.mark.usefixtures("unvalidated")
def test_unpin_returns_to_the_skipped_one_without_fetching(
    following: Following, newer: Path
) -> None:
    done = following.publish(newer)
    following.device().check()
    following.device().roll_back()
    following.device().unpin()
    state = following.device().check()
    assert (state.outcome, state.bytes_fetched) == ("installed", 0)
    assert following.active() == done.bundle


@pytest.mark.usefixtures("unvalidated")
def test_a_pinned_version_stays_until_unpinned(
    following: Following, newer: Path, tmp_path: Path
) -> None:
    first = following.active()
    following.publish(newer)
    following.device().check()
    following.device().pin("1")
    assert following.active() == first
    following.publish(variant(newer, tmp_path / "newest.bundle", "Newest"))
    state = following.device().check()
    assert (state.outcome, state.pinned, state.bytes_fetched) == ("pinned", first, 0)
    assert state.newest is not None
    assert state.newest.release == 3
    with pytest.raises(ShelfError, match="is pinned; first run"):
        following.device().roll_back()
    state = following.device().unpin()
    assert (state.outcome, state.message, state.pinned) == ("pinned", UNPINNED, None)
    state = following.device().check()
    assert state.outcome == "installed"
    assert following.device().unpin() == state, "nothing was pinned"


@pytest.mark.parametrize("wanted", ["2", "20", "20261129"])
def test_a_number_to_pin_is_a_release_never_the_beginning_of_an_id(
    following: Following, wanted: str
) -> None:
    assert following.active().startswith("20")
    with pytest.raises(
        ShelfError, match=rf"no release {wanted} .* {following.active()} \(release 1\)"
    ):
        following.device().pin(wanted)
    assert following.device().pin(following.active()[:9]).pinned == following.active()


@pytest.mark.slow
def test_a_network_with_names_that_are_no_text_is_rejected_and_remembered(
    following: Following, newer: Path
) -> None:
    network = newer / "featurizer" / "network.onnx"
    network.write_bytes(network.read_bytes().replace(b"embedding", b"\xff\xfebedding"))
    sign_again(newer)
    following.publish(newer)
    assert "release 2" in refused(following, following.device().check(), "rejected")
    assert "is not tried again" in following.device().check().message


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("", "'': several versions of that name on this device"),
        ("absent", "'absent': no version of that name on this device"),
        ("7", "no release 7 on this device"),
    ],
)
def test_only_a_version_on_the_shelf_can_be_pinned(
    following: Following, wanted: str, said: str
) -> None:
    with pytest.raises(ShelfError, match=f"^{said}; there are: {following.active()}"):
        following.device().pin(wanted)


@pytest.mark.usefixtures("unvalidated")
def test_a_version_that_is_open_is_not_removed(
    following: Following, newer: Path, tmp_path: Path
) -> None:
    active = following.shelf.active()
    assert active is not None
    opened = Bundle.open(active)
    for title in ("Two", "Three"):
        following.publish(variant(newer, tmp_path / title, title))
        assert following.device().check().outcome == "installed"
    assert verify(active)[1] == active.name
    assert opened.search(np.array(opened.vectors()[0], np.float32))
    del opened
    with (newer / "pictures.db").open("ab") as file:
        file.write(b"another picture")
    following.publish(variant(newer, tmp_path / "Four", "Four"))
    assert following.device(reserve_mb=1_000_000_000).check().outcome == "disk-full"
    assert not active.exists(), "its room counts for the next one"
    assert following.device().check().outcome == "installed"
    assert len(list(following.shelf.versions.iterdir())) == 2


# What this device mends by itself, or says


@pytest.mark.usefixtures("unvalidated")
def test_an_active_version_that_was_damaged_is_mended_with_the_bad_file_alone(
    following: Following,
) -> None:
    device = following.device()
    assert device.check().outcome == "up-to-date"
    active = following.shelf.active()
    assert active is not None
    file = active / "index.ann"
    size = file.stat().st_size
    file.write_bytes(bytes(size))
    assert device.check().outcome == "up-to-date", "it is looked at once"
    write_edge_state(following.data / "state", edge_state("failed", active.name, "damaged"))
    state = device.check()
    assert (state.outcome, state.bytes_fetched) == ("installed", size)
    assert verify(active)[1] == active.name
    file.write_bytes(bytes(size))
    (following.data / "state" / "edge.json").unlink()
    assert following.device().check().outcome == "installed", "a new process looks"
    assert verify(active)[1] == active.name


@pytest.mark.slow
def test_unpin_tries_again_what_was_rejected(following: Following, newer: Path) -> None:
    bad = following.publish(crafted(newer))
    device = following.device()
    assert device.check().outcome == "rejected"
    device.unpin()
    assert bad.bundle not in following.shelf.state().rejected
    assert device.check().bytes_fetched > 0


@pytest.mark.slow
def test_a_first_bundle_that_is_too_slow_is_tried_again(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(following.data)
    with monkeypatch.context() as patch:
        patch.setattr("catalog.bundles.validator.SECONDS", 0.01)
        state = following.device().check()
    assert state.outcome == "failed"
    assert "tried again" in state.message
    assert following.device().check().outcome == "installed"


def test_a_bad_root_is_named_and_does_not_replace_the_good_one(
    following: Following, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    state = following.device(root=wrong).check()
    assert state.outcome == "not-set-up"
    assert str(wrong) in state.message
    assert following.device(root=None).check().outcome == "up-to-date"


@pytest.mark.usefixtures("unvalidated")
def test_a_first_bundle_that_edge_cannot_open_is_said_to_stay(
    following: Following, small_bundle: Path
) -> None:
    shutil.rmtree(following.data)
    device = following.device()
    assert device.check().outcome == "installed"
    write_edge_state(following.data / "state", edge_state("failed", following.active(), "no"))
    assert device.check_probation() == "bad"
    assert "nothing to go back to, it stays active" in device.state().message


@pytest.mark.usefixtures("unvalidated")
def test_what_was_activated_by_hand_and_rolled_back_from_comes_with_a_newer_release(
    following: Following, newer: Path
) -> None:
    following.shelf.activate(newer)
    following.device().roll_back()
    following.publish(newer)
    assert following.device().check().outcome == "declined"
    following.publish(newer)
    assert following.device().check().outcome == "installed"


@pytest.mark.slow
def test_a_damaged_file_in_the_store_is_repaired_by_publishing_it_again(
    following: Following, newer: Path
) -> None:
    following.publish(newer)
    file = in_store(following, newer, "pictures.db")
    healthy = file.read_bytes()
    file.write_bytes(bytes(len(healthy)))
    assert "sync publish --again" in refused(following, following.device().check(), "forged")
    assert following.publish(newer).sent == 0
    keys = KeyFolder(following.folder / "keys", passphrase)
    publisher = ReleasePublisher(open_store(following.source), keys)
    assert publisher.publish(newer, "stable", again=True).sent > 0
    assert file.read_bytes() == healthy
    assert following.device().check().outcome == "installed"
