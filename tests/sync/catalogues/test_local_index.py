"""When the index of another version may be taken, and what a build that ends leaves behind."""

from __future__ import annotations

import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from catalog.bundles.manifest import INDEX, FileEntry, file_digest, read_manifest, write_local_index
from sync.catalogues.index_process import IndexNotBuiltError, IndexStoppedError, _limit
from sync.catalogues.local_index import _link_index, _marked


@pytest.fixture
def base(own_bundle: Path) -> Path:
    """A version whose index was built here."""
    index = own_bundle / INDEX
    write_local_index(own_bundle, FileEntry(bytes=index.stat().st_size, sha256=file_digest(index)))
    return own_bundle


def test_an_index_of_the_same_vectors_is_linked(base: Path, tmp_path: Path) -> None:
    folder, (manifest, _) = tmp_path / "newer", read_manifest(base)
    folder.mkdir()
    assert _link_index(folder, manifest, base)
    assert (folder / INDEX).samefile(base / INDEX)


def test_an_index_that_was_not_built_here_is_not(base: Path, tmp_path: Path) -> None:
    manifest, _ = read_manifest(base)
    (base / "local.json").unlink()
    assert not _link_index(tmp_path, manifest, base)
    assert not _link_index(tmp_path, manifest, tmp_path / "absent")
    assert not (tmp_path / INDEX).exists()


def test_an_index_of_other_vectors_or_trees_or_a_damaged_one_is_not(
    base: Path, tmp_path: Path
) -> None:
    manifest, _ = read_manifest(base)
    trees = manifest.index.model_copy(update={"n_trees": manifest.index.n_trees + 1})
    other = manifest.files | {"vectors.npy": manifest.files["colours.npy"]}
    for changed in ({"index": trees}, {"files": other}):
        assert not _link_index(tmp_path, manifest.model_copy(update=changed), base)
    with (base / INDEX).open("ab") as index:
        index.write(b"x")
    assert not _link_index(tmp_path, manifest, base)
    assert not (tmp_path / INDEX).exists()


@pytest.mark.parametrize(
    ("highest", "expected"), [(resource.RLIM_INFINITY, (5, 9)), (7, (5, 7)), (3, (3, 3))]
)
def test_no_limit_is_set_above_the_highest(
    highest: int, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (highest, highest))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limit: limits.append(limit))
    _limit(resource.RLIMIT_CPU, 5, 9)
    assert limits == [expected]


# Two processes end while a thread builds: the one as at Ctrl-C, the other as if it was killed.
LEAVING = """
import os, sys, threading
from pathlib import Path
from sync.catalogues import local_index

def build():
    with local_index._marked(Path(leave.__name__)):
        began.set()
        threading.Event().wait()

for leave in (sys.exit, os._exit):
    if os.fork() == 0:
        began = threading.Event()
        threading.Thread(target=build, daemon=True).start()
        began.wait()
        leave(0)
    os.wait()
"""


def test_a_process_that_is_stopped_while_it_builds_did_not_fail(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", LEAVING], check=True, cwd=tmp_path, timeout=60)
    assert [mark.name for mark in tmp_path.iterdir()] == ["_exit"]


@pytest.mark.parametrize(
    ("end", "is_left"),
    [
        (None, False),
        (IndexStoppedError("stopped"), False),
        (KeyboardInterrupt(), False),
        (IndexNotBuiltError("it takes too much"), True),
    ],
)
def test_a_mark_stays_of_a_build_that_failed_alone(
    tmp_path: Path, end: BaseException | None, *, is_left: bool
) -> None:
    mark = tmp_path / "mark"
    with suppress(IndexStoppedError, IndexNotBuiltError, KeyboardInterrupt), _marked(mark):
        assert mark.exists(), "so that a process that is killed leaves it"
        if end is not None:
            raise end
    assert mark.exists() is is_left
