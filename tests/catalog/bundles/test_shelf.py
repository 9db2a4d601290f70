"""The shelf: which catalogue is active, whatever happens."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.bundles.bundle import Bundle
from catalog.bundles.content_check import check_content
from catalog.bundles.deployment_state import MOST_REJECTED, DeploymentState
from catalog.bundles.manifest import (
    INDEX,
    MANIFEST,
    FileEntry,
    file_digest,
    verify,
    write_local_index,
)
from catalog.bundles.shelf import Shelf, unwritable
from catalog.core import durable
from catalog.core.errors import BundleError, DiskFullError, ShelfError, SlowBundleError
from catalog.core.state import (
    SyncState,
    Version,
    edge_state,
    read_edge_state,
    read_sync_state,
    write_edge_state,
    write_sync_state,
)
from catalog.networks.engines.checkpoint import PARAMETERS_FILE, SYMBOL_FILE
from tests.conftest import Surroundings, sign_again


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


@pytest.fixture
def newer(small_bundle: Path, tmp_path: Path) -> Path:
    """Another bundle, by its title."""
    bundle = Path(shutil.copytree(small_bundle, tmp_path / "newer.bundle"))
    sign_again(bundle, title="Newer")
    return bundle


def names(folder: Path) -> set[str]:
    """Names in a folder."""
    return {path.name for path in folder.iterdir()}


def test_a_shelf_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ShelfError, match="cannot be written"), Shelf(tmp_path / "file").changing():
        pytest.fail("there is no folder to change")


def test_an_empty_shelf_has_nothing_active(shelf: Shelf) -> None:
    assert shelf.active() is None
    assert shelf.previous() is None


@pytest.mark.slow
def test_activation_copies_the_bundle_and_names_it(shelf: Shelf, own_bundle: Path) -> None:
    done = shelf.activate(own_bundle)
    active = shelf.active()
    assert active is not None
    assert active.name == done.bundle == verify(own_bundle)[1]
    assert (done.previous, shelf.previous()) == (None, None)
    shutil.rmtree(own_bundle)
    assert verify(active)[1] == done.bundle


@pytest.mark.usefixtures("unvalidated")
def test_only_listed_files_are_copied(shelf: Shelf, own_bundle: Path) -> None:
    (own_bundle / "notes.txt").write_text("x")
    (own_bundle / "items.db-wal").write_text("x")
    shelf.activate(own_bundle)
    active = shelf.active()
    assert active is not None
    assert names(active) == names(own_bundle) - {"notes.txt", "items.db-wal"}


@pytest.mark.usefixtures("unvalidated")
def test_the_former_bundle_is_the_previous_one(
    shelf: Shelf, small_bundle: Path, newer: Path
) -> None:
    first = shelf.activate(small_bundle).bundle
    second = shelf.activate(newer)
    active, previous = shelf.active(), shelf.previous()
    assert active is not None
    assert previous is not None
    assert (active.name, previous.name) == (second.bundle, first)
    assert second.previous == first


@pytest.mark.usefixtures("unvalidated")
def test_activating_again_changes_nothing(shelf: Shelf, small_bundle: Path, newer: Path) -> None:
    first = shelf.activate(small_bundle).bundle
    for _ in range(2):
        second = shelf.activate(newer).bundle
    active, previous = shelf.active(), shelf.previous()
    assert active is not None
    assert previous is not None
    assert (active.name, previous.name) == (second, first)
    assert names(shelf.versions) == {first, second}


@pytest.mark.usefixtures("unvalidated")
def test_a_damaged_source_leaves_the_active_one(
    shelf: Shelf, small_bundle: Path, newer: Path
) -> None:
    first = shelf.activate(small_bundle).bundle
    with (newer / "pictures.db").open("ab") as file:
        file.write(b"x")
    with pytest.raises(BundleError, match=r"pictures\.db is damaged"):
        shelf.activate(newer)
    active = shelf.active()
    assert active is not None
    assert active.name == first
    assert names(shelf.versions) == {first}


@pytest.mark.slow
def test_a_bundle_that_fails_validation_leaves_the_active_one(
    shelf: Shelf, small_bundle: Path, newer: Path
) -> None:
    first = shelf.activate(small_bundle).bundle
    (newer / "index.ann").write_bytes(os.urandom(20_000))
    sign_again(newer)
    with pytest.raises(BundleError, match=r"newer\.bundle"):
        shelf.activate(newer)
    active = shelf.active()
    assert active is not None
    assert active.name == first


@pytest.mark.slow
def test_a_manifest_that_leaves_the_network_out_is_refused(
    shelf: Shelf, small_bundle: Path, newer: Path
) -> None:
    """What is proved is the copy that is kept, which has only what the manifest lists."""
    first = shelf.activate(small_bundle).bundle
    manifest = json.loads((newer / MANIFEST).read_bytes())
    del manifest["files"]["featurizer/network.onnx"]
    (newer / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"newer\.bundle/featurizer/network\.onnx"):
        shelf.activate(newer)
    active = shelf.active()
    assert active is not None
    assert active.name == first
    assert names(shelf.versions) == {first}


def test_a_manifest_that_leaves_a_file_of_the_network_out_is_not_published(newer: Path) -> None:
    for name in (SYMBOL_FILE, PARAMETERS_FILE):
        (newer / "featurizer" / name).write_bytes(b"x")
    with Bundle.open(newer) as bundle, pytest.raises(BundleError, match="lists no featurizer/"):
        check_content(bundle)


def test_other_users_cannot_read_the_state(shelf: Shelf, own_bundle: Path) -> None:
    with shelf.changing():
        shelf.save_state(DeploymentState())
    write_sync_state(shelf.folder / "state", SyncState())
    for folder in (shelf.folder, shelf.folder / "state"):
        assert folder.stat().st_mode & 0o777 == 0o700
    for file in (shelf.folder / "ledger.json", shelf.folder / "state" / "sync.json"):
        assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("unvalidated")
def test_a_version_damaged_on_the_shelf_is_replaced(shelf: Shelf, own_bundle: Path) -> None:
    shelf.activate(own_bundle)
    active = shelf.active()
    assert active is not None
    (active / "items.db").write_bytes(b"rotten")
    shelf.activate(own_bundle)
    assert shelf.active() == active
    verify(active)
    assert names(shelf.versions) == {active.name}


def test_a_shelf_that_is_locked_for_a_moment_is_waited_for(shelf: Shelf) -> None:
    with ThreadPoolExecutor() as pool:
        with shelf.changing():
            waiting = pool.submit(lambda: ExitStack().enter_context(Shelf(shelf.folder).changing()))
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
        waiting.result(30)


def test_what_a_killed_process_left_beside_the_links_is_swept(shelf: Shelf) -> None:
    shelf.folder.mkdir(exist_ok=True)
    (shelf.folder / ".active.0123abcd").symlink_to("versions/x")
    (shelf.folder / ".ledger.json.0123abcd").write_text("{")
    with shelf.changing():
        pass
    assert not [name for name in names(shelf.folder) if name.startswith(".")]


@pytest.mark.usefixtures("unvalidated")
def test_a_shelf_locked_by_another_process_is_an_error(
    shelf: Shelf, small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.bundles.shelf.LOCK_TIMEOUT_S", 0.1)
    with (
        Shelf(shelf.folder).changing(),
        pytest.raises(ShelfError, match="another process is changing the shelf; try again"),
    ):
        shelf.activate(small_bundle)


def test_many_activations_at_once_leave_one_sound_bundle_active(
    surroundings: Surroundings, small_bundle: Path, newer: Path
) -> None:
    started = [
        surroundings.start("catalog", "activate", bundle) for bundle in (small_bundle, newer) * 2
    ]
    errors = [process.communicate(timeout=120)[1] for process in started]
    codes = [process.returncode for process in started]
    assert 0 in codes
    for code, error in zip(codes, errors, strict=True):
        assert code == 0 or "another process is changing the shelf" in error
    active = Shelf(surroundings.data / "shelf").active()
    assert active is not None
    verify(active)


COPYING = """
import sys
from pathlib import Path
from catalog.bundles.shelf import Shelf

shelf = Shelf(Path(sys.argv[1]))
print(flush=True)
with shelf.changing():
    shelf._copy(Path(sys.argv[2]), sys.argv[3])
"""


@pytest.mark.slow
def test_a_kill_while_copying_leaves_the_active_one_and_the_next_try_succeeds(
    shelf: Shelf, small_bundle: Path, newer: Path
) -> None:
    first, second = shelf.activate(small_bundle).bundle, verify(newer)[1]
    with (newer / "pictures.db").open("ab") as file:  # long enough to be caught at it
        file.write(os.urandom(40_000_000))
    sign_again(newer)
    second = verify(newer)[1]
    killed = 0
    for delay in (0.0, 0.01, 0.02, 0.04, 0.08):
        child = subprocess.Popen(
            [sys.executable, "-c", COPYING, shelf.folder, newer, second], stdout=subprocess.PIPE
        )
        assert child.stdout
        child.stdout.readline()
        time.sleep(delay)
        child.kill()
        killed += child.wait() == -signal.SIGKILL
        child.stdout.close()
        active = shelf.active()
        assert active is not None
        assert active.name == first
        for version in shelf.versions.iterdir():
            verify(version)
    assert killed
    assert shelf.activate(newer).bundle == second
    assert verify(shelf.versions / second)[1] == second


@pytest.mark.usefixtures("unvalidated")
def test_a_shelf_that_cannot_be_written_is_told(small_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ShelfError, match="cannot be written"):
        Shelf(tmp_path / "file").activate(small_bundle)


def test_a_link_that_leads_to_no_version_is_nothing_active(shelf: Shelf, tmp_path: Path) -> None:
    shelf.versions.mkdir(parents=True)
    for target in ("versions/absent", str(tmp_path)):
        link = shelf.folder / "active"
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        assert shelf.active() is None


def test_the_edge_state_comes_back_as_written(tmp_path: Path) -> None:
    state = edge_state("failed", "20261122T090000Z-0123456789ab", "no camera")
    write_edge_state(tmp_path / "state", state)
    assert read_edge_state(tmp_path / "state") == state
    assert state.pid == os.getpid()


def test_an_unreadable_edge_state_is_none(tmp_path: Path) -> None:
    assert read_edge_state(tmp_path) is None
    for content in (b"", b"{", b'{"phase": "dancing"}', b"\xff"):
        (tmp_path / "edge.json").write_bytes(content)
        assert read_edge_state(tmp_path) is None


@pytest.mark.usefixtures("unvalidated")
def test_what_is_being_fetched_is_left_alone(shelf: Shelf, own_bundle: Path) -> None:
    shelf.incoming.mkdir(parents=True)
    (shelf.incoming / f"{'0' * 64}.part").write_bytes(b"half")
    shelf.activate(own_bundle)
    assert names(shelf.incoming) == {f"{'0' * 64}.part"}


@pytest.mark.usefixtures("unvalidated")
def test_leftovers_of_a_copy_are_swept(shelf: Shelf, own_bundle: Path) -> None:
    (shelf.folder / "scratch" / "half").mkdir(parents=True)
    shelf.activate(own_bundle)
    assert names(shelf.folder) == {"active", "lock", "versions"}


def test_a_bundle_that_changed_after_its_check_is_not_copied(
    shelf: Shelf, small_bundle: Path
) -> None:
    with (
        shelf.changing(),
        pytest.raises(BundleError, match="changed after it was checked; try again"),
    ):
        shelf._copy(small_bundle, "20261101T000000Z-0123456789ab")
    assert names(shelf.versions) == set()


@pytest.mark.usefixtures("unvalidated")
def test_a_version_is_flushed_before_and_after_it_gets_its_name(
    shelf: Shelf, own_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, bool]] = []
    version = shelf.versions / verify(own_bundle)[1]
    for name in ("flush_tree", "flush_folder", "point"):
        done = getattr(durable, name)

        def noted(*given: Any, name: str = name, done: Callable[..., None] = done) -> None:
            steps.append((name, version.exists()))
            done(*given)

        monkeypatch.setattr(durable, name, noted)
    shelf.activate(own_bundle)
    before, after, switched = (
        steps.index(step)
        for step in (("flush_tree", False), ("flush_folder", True), ("point", True))
    )
    assert before < after < switched


@pytest.mark.usefixtures("unvalidated")
def test_a_bundle_that_changes_while_it_is_copied_is_not_taken(
    shelf: Shelf, own_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copyfile

    def exchanged(source: Path, target: Path) -> None:
        if source.name == MANIFEST:
            sign_again(own_bundle, title="Exchanged")
        copy(source, target)

    monkeypatch.setattr("catalog.bundles.shelf.shutil.copyfile", exchanged)
    with pytest.raises(BundleError, match=f"^{own_bundle}: changed while it was copied"):
        shelf.activate(own_bundle)
    assert shelf.active() is None


@pytest.mark.usefixtures("unvalidated")
def test_an_index_that_was_built_on_another_device_is_not_taken(
    shelf: Shelf, own_bundle: Path
) -> None:
    index = own_bundle / INDEX
    write_local_index(own_bundle, FileEntry(bytes=index.stat().st_size, sha256=file_digest(index)))
    with pytest.raises(BundleError, match="its index was built on another device"):
        shelf.activate(own_bundle)


def test_a_bundle_that_fails_is_named_and_not_its_copy(
    shelf: Shelf, own_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, bundle: str, engine: str) -> None:
        raise SlowBundleError(f"{path}: too slow")

    monkeypatch.setattr("catalog.bundles.shelf.validator.validate_in_child", fail)
    with pytest.raises(SlowBundleError, match=f"^{own_bundle}: too slow$"):
        shelf.activate(own_bundle)
    assert names(shelf.versions) == set()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_is_told_from_one_that_cannot_be_written(tmp_path: Path, number: int) -> None:
    error = unwritable(tmp_path, OSError(number, os.strerror(number)))
    full = number != errno.EROFS
    assert isinstance(error, DiskFullError) is full
    assert str(error).startswith(f"{tmp_path}: ")
    assert ("the disk is full" in str(error)) is full


@pytest.mark.usefixtures("unvalidated")
def test_an_open_bundle_is_not_removed_until_it_is_closed(
    shelf: Shelf, small_bundle: Path, newer: Path, tmp_path: Path
) -> None:
    first = shelf.activate(small_bundle).bundle
    opened = Bundle.open(shelf.versions / first)
    shelf.activate(newer)
    third = Path(shutil.copytree(newer, tmp_path / "third.bundle"))
    sign_again(third, title="Third")
    shelf.activate(third)
    assert verify(shelf.versions / first)[1] == first
    del opened
    shelf.activate(third)
    assert first not in names(shelf.versions)


@pytest.mark.usefixtures("unvalidated")
def test_a_bundle_that_was_exchanged_while_open_holds_what_it_opened(
    shelf: Shelf, own_bundle: Path
) -> None:
    shelf.activate(own_bundle)
    active = shelf.active()
    assert active is not None
    opened = Bundle.open(active)
    found = opened.vectors().copy()
    (active / "items.db").write_bytes(b"rotten")
    shelf.activate(own_bundle)
    assert np.array_equal(opened.vectors(), found)
    verify(active)


@pytest.mark.usefixtures("unvalidated")
def test_a_bundle_that_is_being_removed_is_not_opened(shelf: Shelf, small_bundle: Path) -> None:
    shelf.activate(small_bundle)
    active = shelf.active()
    assert active is not None
    with (active / MANIFEST).open("rb") as manifest:
        fcntl.flock(manifest, fcntl.LOCK_EX)
        with pytest.raises(BundleError, match="is being removed"):
            Bundle.open(active)


@pytest.mark.usefixtures("unvalidated")
def test_a_pinned_version_is_not_removed(
    shelf: Shelf, small_bundle: Path, newer: Path, tmp_path: Path
) -> None:
    first = shelf.activate(small_bundle).bundle
    with shelf.changing():
        shelf.save_state(DeploymentState(pinned=first))
    shelf.activate(newer)
    third = Path(shutil.copytree(newer, tmp_path / "third.bundle"))
    sign_again(third, title="Third")
    shelf.activate(third)
    assert first in names(shelf.versions)
    with shelf.changing():
        shelf.save_state(DeploymentState())
        shelf.prune()
    assert first not in names(shelf.versions)


@pytest.mark.usefixtures("unvalidated")
def test_going_back_keeps_or_drops_what_it_leaves(
    shelf: Shelf, small_bundle: Path, newer: Path
) -> None:
    first, second = shelf.activate(small_bundle).bundle, shelf.activate(newer).bundle
    with shelf.changing():
        shelf.roll_back(keep=True)
    assert [str(version and version.name) for version in (shelf.active(), shelf.previous())] == [
        first,
        second,
    ]
    with shelf.changing():
        shelf.roll_back(keep=False)
    assert [str(version and version.name) for version in (shelf.active(), shelf.previous())] == [
        second,
        "None",
    ]
    with shelf.changing(), pytest.raises(ShelfError, match="no version to go back to"):
        shelf.roll_back(keep=True)


@pytest.mark.usefixtures("unvalidated")
def test_the_state_remembers_releases_of_bundles_on_the_shelf(
    shelf: Shelf, small_bundle: Path
) -> None:
    first = shelf.activate(small_bundle).bundle
    with shelf.changing():
        shelf.save_state(DeploymentState(releases={first: 3, "gone": 2}))
    assert shelf.state().releases == {first: 3}


def test_the_state_keeps_the_newest_rejections(shelf: Shelf) -> None:
    ledger = DeploymentState()
    for number in range(MOST_REJECTED + 5):
        ledger = ledger.with_rejected(f"bundle {number}", "why", "auto")
    assert len(ledger.rejected) == MOST_REJECTED
    assert ledger.rejection("bundle 4", "auto") is None
    assert ledger.rejection(f"bundle {MOST_REJECTED + 4}", "auto") == "why"
    assert ledger.rejection(f"bundle {MOST_REJECTED + 4}", "openvino") is None


def test_the_sync_state_comes_back_as_written(tmp_path: Path) -> None:
    assert read_sync_state(tmp_path).outcome == "never"
    state = SyncState(
        outcome="installed",
        active=Version(bundle="a", release=7),
        checked_at=datetime(2026, 11, 22, tzinfo=UTC),
    )
    write_sync_state(tmp_path / "state", state)
    assert read_sync_state(tmp_path / "state") == state
    (tmp_path / "state" / "sync.json").write_bytes(b"{")
    assert read_sync_state(tmp_path / "state").outcome == "never"
