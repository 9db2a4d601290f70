"""An index is built by a process that cannot take more than it may."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from catalog.bundles.manifest import INDEX, read_manifest
from catalog.bundles.records import VECTORS_FILE
from sync.catalogues import index_process
from sync.catalogues.index_process import IndexNotBuiltError, IndexStoppedError, build_in_child
from sync.catalogues.local_index import make_index


def test_it_builds_what_the_owner_built(small_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / VECTORS_FILE).symlink_to(small_bundle / VECTORS_FILE)
    build_in_child(tmp_path, read_manifest(small_bundle)[0], 100 << 20)
    assert (tmp_path / INDEX).read_bytes() == (small_bundle / INDEX).read_bytes()


@pytest.mark.parametrize(("memory", "reason"), [(0, ""), (100 << 20, "Command .* timed out")])
def test_it_ends_where_it_takes_too_much(
    small_bundle: Path,
    tmp_path: Path,
    memory: int,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "timed out" in reason:
        monkeypatch.setattr(index_process, "SECONDS", 0)
    (tmp_path / VECTORS_FILE).symlink_to(small_bundle / VECTORS_FILE)
    with pytest.raises(IndexNotBuiltError, match=rf"{tmp_path}: .* was not built: {reason}"):
        build_in_child(tmp_path, read_manifest(small_bundle)[0], memory)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL"])
def test_a_child_that_is_stopped_did_not_fail(
    small_bundle: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = f"""
import os, signal
if signal.{name} != signal.SIGKILL:
    signal.signal(signal.{name}, signal.SIG_DFL)
os.kill(os.getpid(), signal.{name})
"""
    (tmp_path / "sitecustomize.py").write_text(ending)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("sync.catalogues.local_index.build_in_child", build_in_child)
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    error = IndexNotBuiltError if name == "SIGKILL" else IndexStoppedError
    with pytest.raises(error, match=name):
        make_index(incoming / "bundle", read_manifest(small_bundle)[0], None)
    assert len(list(incoming.iterdir())) == (name == "SIGKILL")


def test_a_child_has_more_time_for_more_photos_and_a_session_of_its_own(
    small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[list[str], dict[str, Any]]] = []

    def run(command: list[str], **options: Any) -> SimpleNamespace:
        asked.append((command, options))
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr("sync.catalogues.index_process.subprocess.run", run)
    manifest = read_manifest(small_bundle)[0]
    for photos in (manifest.photos, 10_000_000):
        build_in_child(small_bundle, manifest.model_copy(update={"photos": photos}), 7)
    (few, options), (many, _) = asked
    assert int(few[-1]) >= index_process.SECONDS
    assert int(many[-1]) > int(few[-1])
    assert few[-2] == "7"
    assert options["start_new_session"], "Ctrl-C must not look like a failure"


LIMITED = """
import json, resource
from pathlib import Path
from sync.catalogues import index_process

resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 200 << 20))
resource.setrlimit(resource.RLIMIT_CPU, (50, 60))
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
index_process._limit_resources(100 << 20, 300)
names = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_CORE", "RLIMIT_FSIZE")
limits = [resource.getrlimit(getattr(resource, name)) for name in names]
print(json.dumps([size, Path("/proc/self/oom_score_adj").read_text(), *limits]))
"""


def test_the_child_limits_what_it_takes_further_and_keeps_lower_limits() -> None:
    command = [sys.executable, "-c", LIMITED]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    size, score, address_space, processor, core, printed = json.loads(done.stdout)
    assert 99 << 20 < address_space[0] - size < 102 << 20
    assert processor == [60, 60]
    assert core == [0, 0]
    assert printed == [100 << 20, 100 << 20]
    assert int(score) == 1000


def test_vectors_that_are_none_build_no_index(small_bundle: Path, tmp_path: Path) -> None:
    manifest = read_manifest(small_bundle)[0]
    (tmp_path / VECTORS_FILE).write_bytes(b"none")
    with pytest.raises(IndexNotBuiltError, match=rf"BundleError: .*{VECTORS_FILE}"):
        build_in_child(tmp_path, manifest, 1 << 30)
