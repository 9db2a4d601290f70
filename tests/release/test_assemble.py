"""A release is assembled of what the locks name, or the one before stays."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from release import assemble
from sync.trust import software
from sync.trust.keys import KeyFolder
from tests.release.test_sbom import write_wheel
from tests.support.repository import secret

OWN, ANNOY = "visual_search-1.0.0-py3-none-any.whl", "annoy-1.0-cp311-cp311-linux_x86_64.whl"


@pytest.fixture
def place(tmp_path: Path, key_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with locks and texts, the owner's keys, and a wheelhouse."""
    shutil.copytree(key_folder, tmp_path / "keys")
    for folder in ("locks", "wheelhouse"):
        (tmp_path / folder).mkdir()
    for name in (OWN, ANNOY, "part-1.0-py3-none-any.whl"):
        package = name.partition("-")[0]
        wheel = write_wheel(tmp_path / "wheelhouse", package, f"Name: {package}\nVersion: 1.0\n")
        wheel.rename(tmp_path / "wheelhouse" / name)
    digest = hashlib.sha256((tmp_path / "wheelhouse/part-1.0-py3-none-any.whl").read_bytes())
    (tmp_path / "locks/device.txt").write_text(f"part==1.0 --hash=sha256:{digest.hexdigest()}\n")
    (tmp_path / "locks/streams.txt").write_text("")
    for name in assemble.TEXTS:
        (tmp_path / name).write_text("## 1.0.0\n")
    (tmp_path / "passphrase").write_bytes(secret("publisher", new=False))
    (tmp_path / "passphrase").chmod(0o600)
    monkeypatch.setattr(assemble, "ROOT", tmp_path)
    return tmp_path


def make(place: Path, keys: str = "keys") -> Result:
    arguments = [place / "out", place / "wheelhouse", "--keys", place / keys]
    words = [*map(str, arguments), "--passphrase-file", str(place / "passphrase")]
    return CliRunner().invoke(assemble.main, words)


def test_a_release_replaces_the_one_before(place: Path) -> None:
    for _ in range(2):
        done = make(place)
        assert done.exit_code == 0, done.output
    root = KeyFolder(place / "keys", secret).roots[1]
    found = software.verify(place / "out", root)
    assert len(found.wheels) == 3
    assert not list(place.glob(".out*"))


@pytest.mark.parametrize(
    ("broken", "keys", "said"),
    [
        ("part-1.0-py3-none-any.whl", "keys", "part-1.0-py3-none-any.whl: is not what locks/ name"),
        ("foreign-1.0-py3-none-any.whl", "keys", "foreign-1.0-py3-none-any.whl: is not what"),
        ("", "no-keys", "no-keys"),
    ],
)
def test_what_cannot_be_assembled_is_said_and_the_one_before_stays(
    place: Path, broken: str, keys: str, said: str
) -> None:
    assert make(place).exit_code == 0
    before = (place / "out" / software.LIST).read_bytes()
    if broken:
        (place / "wheelhouse" / broken).write_bytes(b"another program")
    done = make(place, keys)
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert done.output.startswith("Error: ")
    assert said in done.output
    assert (place / "out" / software.LIST).read_bytes() == before
    assert not list(place.glob(".out*"))
