"""How the program and what it needs are installed: never by a name that anybody may register."""

from __future__ import annotations

import base64
import hashlib
import re
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
# As a requirement the name stands alone or with extras; in a path or a command it does not.
BY_NAME = re.compile(
    r"visual-search\[|(?:pip3?|pipx|uvx?)\W.*\b(?:install|download|wheel|run)\b.*"
    r"[\s'\"]visual-search(?:[<>=~!;,'\"\s]|$)"
)
LOCKS = sorted((ROOT / "locks").glob("*.txt"))


def texts() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    named = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in named if path != Path(__file__) and path.is_file()]


def test_nothing_says_to_install_the_program_by_its_name() -> None:
    found = []
    for path in texts():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # a picture, or a network
        found += [f"{path.relative_to(ROOT)}: {line}" for line in lines if BY_NAME.search(line)]
    assert found == []


@pytest.mark.parametrize(
    ("line", "is_name"),
    [
        ("pip install visual-search", True),
        ("run pip install 'visual-search[s3]'", True),
        ("pip download --dest wheels visual-search==0.2.0", True),
        ("uv pip install visual-search", True),
        ("visual-search/bin/pip install --no-index wheels/visual_search-0.2.0.whl", False),
        ("python3 -m venv visual-search && visual-search catalog build photos", False),
    ],
)  # fmt: skip
def test_the_rule_above_knows_a_name(line: str, is_name: bool) -> None:
    assert bool(BY_NAME.search(line)) == is_name


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_each_package_of_a_lock_has_one_version_and_hashes(lock: Path) -> None:
    entries = re.split(r"\n(?=[a-z])", re.sub(r"^#.*\n", "", lock.read_text(), flags=re.M))
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9.-]+(\[[a-z,]+\])?==\S+( ;.*)?( \\)?\n", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry


def given_to_setup() -> dict[str, Any]:
    """What setup.py tells setuptools."""
    given: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", lambda **arguments: given.update(arguments))
        runpy.run_path(str(ROOT / "setup.py"))
    return given


def declared() -> dict[str, list[str]]:
    """What setup.py declares, by extra; the base by the empty name."""
    given = given_to_setup()
    return {"": given["install_requires"], **given["extras_require"]}


def test_each_folder_of_the_program_is_installed() -> None:
    """A folder that setup.py does not name is missing wherever a wheel is installed."""
    program = ("catalog", "edge", "sync", "visual_search")
    folders = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for package in program
        for file in (ROOT / package).rglob("__init__.py")
    }
    assert folders <= set(given_to_setup()["packages"])


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("test", "test"), ("demo", "onnxruntime demo streams"), ("docs", "docs"), ("mxnet", "mxnet"),
     ("pretrained", "onnxruntime demo pretrained"),
     ("device", "onnxruntime demo greengrass s3 xlsx"),
     ("streams", "streams")],
)  # fmt: skip
def test_a_lock_has_what_is_declared(lock: str, extras: str) -> None:
    """Else run `make lock`."""
    text = (ROOT / "locks" / f"{lock}.txt").read_text()
    pinned: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)(?:\[.*\])?==(\S+)", text, re.M):
        pinned.setdefault(name, []).append(version)
    named = declared()
    base = [] if lock in ("mxnet", "streams") else named[""]  # others have the base
    for line in [*base, *(line for extra in extras.split() for line in named[extra])]:
        wanted = Requirement(line)
        versions = pinned.get(canonicalize_name(wanted.name))
        assert versions, f"{line} is not locked"
        assert all(wanted.specifier.contains(version) for version in versions), line


def write_wheel(folder: Path, content: bytes) -> Path:
    """A wheel of one module, always the same bytes for the same content."""
    wheel = folder / "example_part-1.0-py3-none-any.whl"
    metadata = "example_part-1.0.dist-info"
    files = {
        "example_part.py": content,
        f"{metadata}/METADATA": b"Metadata-Version: 2.1\nName: example-part\nVersion: 1.0\n",
        f"{metadata}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()},"
        for name, data in files.items()
    ]
    files[f"{metadata}/RECORD"] = "\n".join([*record, f"{metadata}/RECORD,,", ""]).encode()
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return wheel


@pytest.mark.slow
def test_a_wheel_with_one_changed_byte_is_refused(tmp_path: Path) -> None:
    """By the options with which the Makefile installs what the lock names."""
    wheel = write_wheel(tmp_path, b"right = True\n")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = tmp_path / "lock.txt"
    lock.write_text(f"example-part==1.0 \\\n    --hash=sha256:{digest}\n")
    makefile = (ROOT / "Makefile").read_text()
    options = re.search(r"^LOCKED = \$\(PIP\) install (.*) -r$", makefile, re.M)
    assert options is not None
    install = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check",
               "--no-index", "--find-links", tmp_path, "--target", tmp_path / "site",
               *options[1].split(), "-r", lock]  # fmt: skip
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    whole = wheel.read_bytes()
    for at in (whole.index(b"right"), len(whole) - 1):
        wheel.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr
        assert "example-part==1.0" in done.stderr
