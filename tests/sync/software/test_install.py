"""Versions are installed into real environments, and started as real processes."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import chdir
from pathlib import Path

import httpx
import pytest

from catalog.core.errors import SurroundingsError
from sync.errors import ReleaseError
from sync.software import appliance, proof
from sync.software.install import PROGRAM, install, target, wheels_of
from sync.software.proof import prove
from sync.trust.keys import KeyFolder
from tests.support.repository import secret
from tests.support.stub_release import PROGRAM as STUB
from tests.support.stub_release import write_release


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory, key_folder: Path) -> KeyFolder:
    folder = tmp_path_factory.mktemp("install") / "keys"
    return KeyFolder(Path(shutil.copytree(key_folder, folder)), secret)


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory, keys: KeyFolder) -> Path:
    """An installed version; its stub may be changed."""
    folder = tmp_path_factory.mktemp("version")
    found = write_release(folder / "release", "9.0.0", keys)
    wheels = {name: folder / "release" / name for name in wheels_of(found)}
    (folder / "venv.py").write_text("raise SystemExit('imported from the current folder')")
    with chdir(folder):
        install(found, wheels, folder / "version")
    return folder / "version"


def behave(version: Path, how: str) -> None:
    stub = next(version.glob("lib/*/site-packages/visual_search_stub.py"))
    stub.write_text(STUB.format(how=how))


@pytest.mark.slow
def test_a_version_is_an_environment_of_its_own(version: Path) -> None:
    behave(version, "well")
    assert (version / "installed.json").is_file()
    assert not (version / "wheels").exists()
    done = subprocess.run([version / PROGRAM, "sync", "status"], capture_output=True, text=True)
    assert done.stdout == "{}\n", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "bundle", "reason"),
    [
        ("well", True, ""),
        ("other", False, ""),  # without a catalogue nothing is asked for
        ("ends", True, "it ended with 1: error: this version cannot start"),
        ("other", True, "none of 1 items is found by its own photo"),
        ("silent", True, "it was not healthy within 1 s; /healthz says: .*refused"),
    ],
)
def test_a_version_is_proven_over_http(
    version: Path, tmp_path: Path, how: str, reason: str, *, bundle: bool
) -> None:
    behave(version, how)
    catalogue = tmp_path if bundle else None
    patience_s = 1.0 if how == "silent" else 60.0
    if reason:
        with pytest.raises(ReleaseError, match=reason):
            prove(version, None, catalogue, patience_s)
    else:
        prove(version, None, catalogue, patience_s)
    left = subprocess.run(["pgrep", "-f", str(version)], capture_output=True, text=True).stdout
    assert left == "", "what was started has ended"


@pytest.mark.slow
def test_what_pip_refuses_is_no_version(keys: KeyFolder, tmp_path: Path) -> None:
    found = write_release(tmp_path / "release", "9.0.0", keys)
    wheel = next((tmp_path / "release").rglob("*.whl"))
    wheel.write_bytes(b"no wheel")
    with pytest.raises(SurroundingsError, match="the release cannot be installed"):
        install(found, {f"wheels/{target()}/{wheel.name}": wheel}, tmp_path / "version")
    assert not (tmp_path / "version" / "installed.json").exists()


@pytest.mark.slow
def test_a_process_that_runs_from_the_versions_is_known(version: Path) -> None:
    behave(version, "well")
    with (
        proof._appliance([str(version / PROGRAM)], None) as (process, address, log),
        httpx.Client(base_url=address, trust_env=False, timeout=60) as client,
    ):
        proof._wait(client, process, log, 60.0, healthy=True)
        assert appliance.runs_from(version.parent, process.pid)
        assert not appliance.runs_from(version.parent / "another", process.pid)
    assert not appliance.runs_from(version.parent, process.pid), "it has ended"
    assert not appliance.runs_from(version.parent, os.getpid())
