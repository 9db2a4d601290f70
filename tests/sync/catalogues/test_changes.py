"""A device makes a newer catalogue of what it has and few bytes, or fetches whole files."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from catalog.bundles.manifest import (
    INDEX,
    LOCAL,
    MANIFEST,
    Manifest,
    local_files,
    read_manifest,
    verify,
)
from catalog.bundles.records import KINDS, VECTORS_FILE
from catalog.bundles.shelf import Shelf
from catalog.bundles.validator import Validated
from catalog.core.errors import BundleError
from catalog.core.photos import decode
from catalog.recognition.index import build_annoy
from catalog.recognition.local_features.extract import extract_local_features
from catalog.recognition.local_features.store import LocalFeatureWriter
from sync.catalogues.changes import FileMaker
from sync.catalogues.index_process import IndexStoppedError, build_in_child
from sync.catalogues.local_index import RESERVE, _needed_memory, can_build
from sync.errors import StoreRefusedError
from sync.stores.fetch import FileFetcher, WantedFile
from sync.trust.changes import (
    parse_changes,
)
from tests.conftest import COMMAND, sign_again
from tests.support.brokers import until
from tests.support.edited_bundle import Edit, edit_bundle
from tests.support.following import Following, variant

ONE_PHOTO = Edit(replaced=[3])


@pytest.fixture(scope="module", autouse=True)
def small_is_large() -> Iterator[None]:
    """Treat the small files of a test's bundle as a catalogue's large ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sync.trust.changes_maker.SMALL", 0)
        patch.setattr("sync.catalogues.local_index.build_in_child", build_here)
        yield


def build_here(folder: Path, manifest: Manifest, memory: int) -> None:
    """Build an index without another process, which takes half a second."""
    build_annoy(vectors_of(folder), folder / INDEX, manifest.index.n_trees)


def vectors_of(folder: Path) -> np.ndarray:
    return np.asarray(np.load(folder / VECTORS_FILE))


@pytest.fixture(scope="module")
def printed_bundle(tmp_path_factory: pytest.TempPathFactory, small_bundle: Path) -> Path:
    """The small bundle with local features."""
    bundle = tmp_path_factory.mktemp("printed") / "bundle"
    shutil.copytree(small_bundle, bundle)
    writer = LocalFeatureWriter(bundle)
    for kind in KINDS:
        for jpeg in kind.read(bundle) if kind.name == "pictures" else ():
            writer.add(extract_local_features(decode(jpeg, "thumbnail"), 300))
    sign_again(bundle, printed={"features": writer.finish()})
    return bundle


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, printed_bundle: Path) -> Following:
    """A device with release 1 installed; read only, for changes see `following`."""
    following = Following.create(tmp_path_factory.mktemp("first") / "world")
    following.publish(printed_bundle)
    assert following.device().check().outcome == "installed"
    return following


@pytest.fixture
def following(first: Following, tmp_path: Path) -> Following:
    """A copy of it for one test."""
    return first.copy(tmp_path / "world")


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory, printed_bundle: Path) -> Path:
    """A bundle with one other photo."""
    return edit_bundle(printed_bundle, tmp_path_factory.mktemp("newer") / "bundle", ONE_PHOTO)


def size(bundle: Path) -> int:
    """Bytes of a bundle's files."""
    return sum(entry.bytes for entry in read_manifest(bundle)[0].files.values())


def install(following: Following, bundle: Path, **how: Any) -> int:
    """Publish a bundle, let the device install it, and return the bytes that it fetched."""
    done = following.publish(bundle, **how)
    return check(following, done.bundle, bundle)


def check(following: Following, identity: str, bundle: Path) -> int:
    """Let the device check; it must then have the bundle, byte for byte but for the index."""
    state = following.device().check()
    assert state.outcome == "installed", state.message
    assert following.active() == identity
    assert following.incoming() == []
    active = following.shelf.versions / identity
    verify(active)
    for name in set(read_manifest(bundle)[0].files) - {INDEX}:
        assert (active / name).read_bytes() == (bundle / name).read_bytes(), name
    return state.bytes_fetched


def changes(following: Following) -> dict[str, Any]:
    """What the newest changes.json says."""
    files = (following.store / "targets" / "stable").glob("*.changes.json")
    newest = max(files, key=lambda file: file.stat().st_mtime_ns)
    found: dict[str, Any] = json.loads(newest.read_bytes())
    return found


def piece(following: Following, name: str) -> Path:
    """A piece of the newest changes, as it lies in the store."""
    found = changes(following)
    entries = {
        "table": found["table"],
        "pack": found["packs"][-1],
        "patch": found["patches"]["items.db"][0],
    }
    return following.store / "files" / str(entries[name]["sha256"])


# What goes well


def test_a_replaced_photo_moves_its_own_bytes(following: Following, newer: Path) -> None:
    fetched = install(following, newer)
    assert fetched < 0.25 * size(newer), "the network and 23 of 24 photos were here"


@pytest.mark.usefixtures("unvalidated")
def test_progress_is_that_of_the_bytes_that_are_fetched(following: Following, newer: Path) -> None:
    told: list[tuple[int, int]] = []
    following.publish(newer)
    state = following.device().check(lambda here, total: told.append((here, total)))
    assert told[-1] == (state.bytes_fetched, state.bytes_fetched)
    table = int(changes(following)["table"]["bytes"])
    assert told[:2] == [(0, table), (table, table)], "it says what the rest is"
    assert max(total for here, total in told) == state.bytes_fetched


@pytest.mark.usefixtures("unvalidated")
def test_photos_between_others_move_their_own_bytes(
    following: Following, printed_bundle: Path, tmp_path: Path
) -> None:
    newer = edit_bundle(printed_bundle, tmp_path / "more", Edit(added=3))
    assert install(following, newer) < 0.3 * size(newer)


@pytest.mark.usefixtures("unvalidated")
def test_a_changed_price_moves_its_row(
    following: Following, printed_bundle: Path, tmp_path: Path
) -> None:
    newer = edit_bundle(printed_bundle, tmp_path / "priced", Edit(price="12.50"))
    fetched = install(following, newer)
    assert fetched < 0.1 * (newer / "items.db").stat().st_size


@pytest.mark.usefixtures("unvalidated")
def test_a_device_that_missed_releases_takes_what_all_of_them_brought(
    following: Following, printed_bundle: Path, tmp_path: Path
) -> None:
    newest = printed_bundle
    for number in range(3):
        edit = Edit(replaced=[number], price=f"{number}.00", seed=number)
        newest = edit_bundle(newest, tmp_path / f"edited-{number}", edit)
        done = following.publish(newest)
    assert len(changes(following)["packs"]) == 3
    assert check(following, done.bundle, newest) < 0.5 * size(newest)


@pytest.mark.usefixtures("unvalidated")
def test_a_device_that_missed_a_change_takes_it_from_the_next_release(
    following: Following, printed_bundle: Path, tmp_path: Path
) -> None:
    priced = edit_bundle(printed_bundle, tmp_path / "priced", Edit(price="12.50"))
    following.publish(priced)
    newest = variant(priced, tmp_path / "newest", "Newest")
    assert install(following, newest) < 0.1 * (newest / "items.db").stat().st_size


@pytest.mark.usefixtures("unvalidated")
def test_a_release_of_other_photos_is_fetched_whole(
    following: Following, printed_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.trust.changes_maker.WORTH", 0.1)  # few bytes are of photos here
    newer = edit_bundle(printed_bundle, tmp_path / "other", Edit(replaced=range(24)))
    install(following, newer)
    assert changes(following)["packs"] == []


@pytest.mark.usefixtures("unvalidated")
def test_the_first_release_with_changes_follows_one_without(
    following: Following, newer: Path, printed_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("sync.trust.changes_maker.MadeChanges.content", b"")
        install(following, variant(printed_bundle, following.folder / "plain", "Plain"))
    install(following, newer)
    assert changes(following)["packs"] == []


@pytest.mark.usefixtures("unvalidated")
def test_an_interrupted_pull_goes_on(following: Following, newer: Path) -> None:
    class LeftError(Exception):
        pass

    def leave(here: int, total: int) -> None:
        if here > 0.8 * total:
            raise LeftError

    done = following.publish(newer)
    with pytest.raises(LeftError):
        following.device().check(leave)
    before = sum(file.stat().st_size for file in following.shelf.incoming.iterdir())
    fetched = check(following, done.bundle, newer)
    assert fetched < 0.3 * size(newer)
    assert before > 0


# What the store and the disk do


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "flipped": flip,
    "missing": Path.unlink,
    "cut": lambda file: os.truncate(file, file.stat().st_size // 2),
    "longer": lambda file: file.write_bytes(file.read_bytes() + b"more"),
}


@pytest.mark.usefixtures("unvalidated")
@pytest.mark.parametrize("what", ["table", "pack", "patch"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_whole_files_are_fetched_where_a_piece_is_damaged(
    following: Following, newer: Path, what: str, damage: str
) -> None:
    done = following.publish(newer)
    DAMAGES[damage](piece(following, what))
    check(following, done.bundle, newer)


@pytest.mark.usefixtures("unvalidated")
@pytest.mark.parametrize("what", ["table", "pack", "patch"])
def test_whole_files_are_fetched_where_the_store_refuses_what_is_absent(
    following: Following, newer: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = following.publish(newer)
    absent, fetch = piece(following, what).name, FileFetcher.fetch

    def refuse(fetcher: FileFetcher, file: WantedFile, *progress: Any) -> Path:
        if file.sha256 == absent:
            raise StoreRefusedError("403")
        return fetch(fetcher, file, *progress)

    monkeypatch.setattr(FileFetcher, "fetch", refuse)
    check(following, done.bundle, newer)


@pytest.mark.usefixtures("unvalidated")
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_whole_files_are_fetched_where_the_disk_has_no_room_for_pieces(
    following: Following,
    newer: Path,
    printed_bundle: Path,
    when: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    former = read_manifest(printed_bundle)[0].files.values()
    whole = sum(entry.bytes for entry in set(read_manifest(newer)[0].files.values()) - set(former))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if when == "before":
        usage = SimpleNamespace(free=whole + 1_000_000)  # with what is kept free
        monkeypatch.setattr("sync.catalogues.pull.shutil.disk_usage", lambda _: usage)
    else:
        monkeypatch.setattr(FileMaker, "_patch", full)
    here: list[str] = []  # while the last file comes
    following.publish(newer, ship_index=True)
    state = following.device().check(lambda *_: here.__setitem__(slice(None), following.incoming()))
    assert (state.outcome, state.bytes_fetched >= whole) == ("installed", True)
    pieces = parse_changes(json.dumps(changes(following)).encode(), following.active()).pieces()
    assert pieces.keys().isdisjoint(here), "they would take the room of whole files"
    assert "without room for pieces, files are fetched whole: " in caplog.text


def test_a_disk_that_fails_while_a_file_is_made_is_named(
    following: Following, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    before = following.active()
    monkeypatch.setattr(FileMaker, "_patch", fail)
    following.publish(newer)
    state = following.device().check()
    assert (state.outcome, following.active()) == ("failed", before)
    assert "cannot be written: [Errno 5] Input/output error" in state.message


@pytest.mark.usefixtures("unvalidated")
@pytest.mark.parametrize("name", ["pictures.db", "vectors.npy", "printed/codes.npy", "items.db"])
def test_whole_files_are_fetched_where_the_base_is_damaged(
    following: Following, newer: Path, name: str
) -> None:
    active = following.shelf.active()
    assert active is not None
    flip(active / name)
    install(following, newer)


@pytest.mark.usefixtures("unvalidated")
@pytest.mark.parametrize("name", ["printed/rows.npy", "printed/words.npy", MANIFEST, "pictures.db"])
def test_a_base_that_names_what_does_not_exist_is_done_without(
    following: Following, newer: Path, name: str
) -> None:
    active = following.shelf.active()
    assert active is not None
    content = (active / name).read_bytes()
    (active / name).write_bytes(content[:200] + b"\x7f" * (len(content) - 200))
    install(following, newer)


@pytest.mark.usefixtures("unvalidated")
@pytest.mark.parametrize("name", ["head", "table"])
def test_what_becomes_another_file_than_was_signed_is_fetched_whole(
    following: Following, newer: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        if name == "head":
            patch.setattr("sync.trust.changes_maker.read_head", lambda bundle: bytes(100))
            patch.setattr("sync.trust.changes_maker._can_be_made", lambda *_: True)
        else:
            patch.setattr("sync.trust.changes_maker.key", lambda record: 7)
        done = following.publish(newer)
    check(following, done.bundle, newer)


@pytest.mark.usefixtures("unvalidated")
def test_changes_that_are_not_in_the_store_are_done_without(
    following: Following, newer: Path
) -> None:
    done = following.publish(newer)
    for file in (following.store / "targets" / "stable").glob("*.changes.json"):
        file.unlink()
    check(following, done.bundle, newer)


@pytest.mark.usefixtures("unvalidated")
def test_the_changes_of_another_release_are_not_used(
    following: Following, newer: Path, tmp_path: Path
) -> None:
    """As the owner's program of an earlier version leaves them behind."""
    following.publish(newer)
    newest = variant(newer, tmp_path / "newest", "Newest")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sync.trust.publish.changes_path", lambda channel: f"{channel}/other.json")
        done = following.publish(newest)
    check(following, done.bundle, newest)


@pytest.mark.usefixtures("unvalidated")
def test_changes_of_another_form_are_not_used_and_logged(
    following: Following,
    newer: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("sync.trust.changes_maker.MadeChanges.content", b"{}")
    assert install(following, newer) > (newer / "pictures.db").stat().st_size
    assert "all files are fetched whole: " in caplog.text


# The index


def other_index(folder: Path, manifest: Manifest, memory: int) -> None:
    """Build an index of other bytes, as another processor may."""
    build_annoy(vectors_of(folder), folder / INDEX, manifest.index.n_trees + 1)


def test_an_index_of_other_bytes_is_used_and_linked_by_the_next_release(
    following: Following, newer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("sync.catalogues.local_index.build_in_child", other_index)
        install(following, newer)
    active = following.shelf.active()
    assert active is not None
    made = local_files(active)[INDEX]
    assert made != read_manifest(active)[0].files[INDEX]
    assert made.bytes == (active / INDEX).stat().st_size

    priced = edit_bundle(newer, tmp_path / "priced", Edit(price="9.99"))
    assert install(following, priced) < 0.1 * (priced / "items.db").stat().st_size
    now = following.shelf.active()
    assert now is not None
    assert os.path.samefile(active / INDEX, now / INDEX)
    with pytest.raises(BundleError, match="built on this device"):
        following.publish(now)
    elsewhere = Shelf(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="built on another device"):
        elsewhere.activate(now)
    assert following.shelf.activate(now).bundle == now.name

    (now / LOCAL).write_text("{}")
    with pytest.raises(BundleError, match=r"local\.json"):
        verify(now)


def test_an_index_that_does_not_serve_is_fetched(
    following: Following,
    newer: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def wrong(folder: Path, manifest: Manifest, memory: int) -> None:
        build_annoy(vectors_of(folder)[::-1], folder / INDEX, manifest.index.n_trees)

    monkeypatch.setattr("sync.catalogues.local_index.build_in_child", wrong)
    assert install(following, newer) > (newer / INDEX).stat().st_size
    active = following.shelf.active()
    assert active is not None
    assert (active / INDEX).read_bytes() == (newer / INDEX).read_bytes()
    assert local_files(active) == {}
    assert "the index that was built here does not serve, so it is fetched: " in caplog.text


def test_a_bundle_that_fails_with_either_index_is_rejected(
    following: Following, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own: list[bool] = []  # whether the index was built here

    def refuse(path: Path, bundle: str, engine: str = "auto") -> Validated:
        if bundle != done.bundle:
            return Validated(bundle, engine, cosine=1.0, recall=1.0)
        own.append(bool(local_files(path)))
        raise BundleError("it crashes")

    done, before = following.publish(newer), following.active()
    monkeypatch.setattr("catalog.bundles.validator.validate_in_child", refuse)
    monkeypatch.setattr("sync.catalogues.local_index.build_in_child", other_index)
    state = following.device().check()
    assert (state.outcome, following.active()) == ("rejected", before)
    assert own == [True, False]


@pytest.mark.usefixtures("unvalidated")
@pytest.mark.parametrize("why", ["shipped", "no memory", "memory not known", "limited"])
def test_the_index_is_fetched_where_it_is_not_to_be_built(
    following: Following, newer: Path, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: object) -> None:
        raise AssertionError("nothing is built")

    monkeypatch.setattr("sync.catalogues.local_index.build_in_child", build)
    memory = tmp_path / "meminfo"
    much = "MemAvailable: 9999999 kB"
    memory.write_text({"shipped": much, "limited": much, "no memory": "MemAvailable: 9 kB"}
                      .get(why, ""))  # fmt: skip
    monkeypatch.setattr("sync.catalogues.local_index.MEMORY", memory)
    if why == "limited":
        limit_memory(tmp_path, monkeypatch, limit=100_000_000, used=60_000_000)
    fetched = install(following, newer, ship_index=why == "shipped")
    assert fetched > (newer / INDEX).stat().st_size


def limit_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch, limit: int, used: int, cache: int = 0
) -> None:
    """Limit the memory of the unit's slice, not that of the unit."""
    folder.mkdir(exist_ok=True)
    (folder / "cgroup").write_text("1:cpu:/\n0::/apps.slice/sync.service\n")
    unit = folder / "apps.slice" / "sync.service"
    unit.mkdir(parents=True, exist_ok=True)
    for place, most in (unit, "max"), (unit.parent, limit):
        (place / "memory.max").write_text(f"{most}\n")
        (place / "memory.current").write_text(f"{used}\n")
        (place / "memory.stat").write_text(f"anon 1\ninactive_file {cache}\n")
    monkeypatch.setattr("sync.catalogues.local_index.CGROUP", folder / "cgroup")
    monkeypatch.setattr("sync.catalogues.local_index.CGROUPS", folder)


def test_an_index_is_built_where_the_memory_just_suffices(
    newer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = read_manifest(newer)[0]
    least = math.ceil((_needed_memory(manifest) + RESERVE) / 1024)  # kB
    monkeypatch.setattr("sync.catalogues.local_index.CGROUP", tmp_path / "none")
    monkeypatch.setattr("sync.catalogues.local_index.MEMORY", tmp_path / "meminfo")
    for free, suffices in ((least, True), (least - 1, False)):
        (tmp_path / "meminfo").write_text(f"MemTotal: 99999999 kB\nMemAvailable: {free} kB\n")
        assert can_build(manifest, tmp_path) is suffices


def test_an_index_takes_memory_for_its_vectors_and_trees(
    newer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = read_manifest(newer)[0]
    limit_memory(tmp_path / "little", monkeypatch, limit=500_000_000, used=380_000_000)
    assert not can_build(manifest, tmp_path)  # the process alone would take too much
    limit_memory(tmp_path, monkeypatch, limit=500_000_000, used=480_000_000, cache=400_000_000)
    assert can_build(manifest, tmp_path)
    (tmp_path / "apps.slice" / "memory.stat").write_text("anon 1\n")  # of an older kernel
    assert not can_build(manifest, tmp_path)
    limit_memory(tmp_path, monkeypatch, limit=500_000_000, used=480_000_000, cache=400_000_000)
    for index, photos in (
        (manifest.index.model_copy(update={"n_trees": 101}), manifest.photos),
        (manifest.index.model_copy(update={"n_trees": 100}), 1_000_000),
    ):
        large = manifest.model_copy(update={"index": index, "photos": photos})
        assert not can_build(large, tmp_path)
    vectors = manifest.files[VECTORS_FILE].model_copy(update={"bytes": 60_000_000})
    large = manifest.model_copy(update={"files": manifest.files | {VECTORS_FILE: vectors}})
    assert not can_build(large, tmp_path)


@pytest.mark.usefixtures("unvalidated")
def test_an_index_whose_build_did_not_end_is_fetched(
    following: Following, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("sync.catalogues.local_index.build_in_child", build)
    done = following.publish(newer)
    with pytest.raises(MemoryError):
        following.device().check()
    assert check(following, done.bundle, newer) >= (newer / INDEX).stat().st_size


@pytest.mark.usefixtures("unvalidated")
@pytest.mark.parametrize("limit", ["none", "memory"])
def test_an_index_is_built_by_a_process_with_limits(
    following: Following,
    newer: Path,
    limit: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("sync.catalogues.local_index.build_in_child", build_in_child)
    if limit == "memory":
        monkeypatch.setattr("sync.catalogues.local_index._needed_memory", lambda _: 0)
    done = following.publish(newer)
    check(following, done.bundle, newer)
    is_fetched = "the owner's index is fetched" in caplog.text
    assert is_fetched is (limit != "none"), caplog.text
    active = following.shelf.active()
    assert active is not None
    assert (active / INDEX).read_bytes() == (newer / INDEX).read_bytes()


@pytest.mark.usefixtures("unvalidated")
def test_an_index_whose_build_was_stopped_is_built_after_the_restart(
    following: Following, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise IndexStoppedError("stopped")

    done = following.publish(newer)
    with monkeypatch.context() as patch:
        patch.setattr("sync.catalogues.local_index.build_in_child", stop)
        state = following.device().check()
    assert (state.outcome, state.message) == ("failed", "stopped")
    assert check(following, done.bundle, newer) < (newer / INDEX).stat().st_size


WAITING = """
import os, sys, time
parent = os.getppid()
if "sync.catalogues.index_process" in sys.orig_argv:
    for _ in range(1000):  # until the command has ended, if it does not end this process itself
        if os.getppid() != parent:
            break
        time.sleep(0.05)
    os._exit(1)
"""


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_stopped_while_an_index_is_built_leaves_no_mark(
    following: Following, newer: Path, tmp_path: Path, asked: signal.Signals
) -> None:
    following.publish(newer)
    (tmp_path / "sitecustomize.py").write_text(WAITING)
    device = following.device()
    settings = {
        "PYTHONPATH": str(tmp_path),
        "VISUAL_SEARCH_DEVICE__DATA_DIR": str(following.data),
        "VISUAL_SEARCH_SYNC__SOURCE": device.settings.source,
        "VISUAL_SEARCH_SYNC__ROOT": str(device.settings.root),
        "VISUAL_SEARCH_SYNC__RESERVE_MB": "1",
    }
    process = subprocess.Popen(
        [COMMAND, "sync", "once"], env=os.environ | settings, stderr=subprocess.PIPE, text=True
    )
    try:
        until(lambda: list(following.shelf.incoming.glob("*.tried")))
        process.send_signal(asked)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, said.splitlines()[-1]) == (1, "stopped")
    assert not list(following.shelf.incoming.glob("*.tried"))


def test_no_bundle_may_name_a_local_file(own_bundle: Path) -> None:
    (own_bundle / LOCAL).write_text("{}")
    sign_again(own_bundle)
    with pytest.raises(BundleError, match="is no name for a file"):
        read_manifest(own_bundle)


@pytest.mark.usefixtures("unvalidated")
def test_a_bundle_without_local_features_is_made_too(
    following: Following, small_bundle: Path, tmp_path: Path
) -> None:
    install(following, small_bundle)
    newer = edit_bundle(small_bundle, tmp_path / "newer", ONE_PHOTO)
    assert install(following, newer) < 0.3 * size(newer)
