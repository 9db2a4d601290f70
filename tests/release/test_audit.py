"""The audit fails on what is wrong, and on what it could not audit."""

from __future__ import annotations

import base64
import hashlib
import sys
import tomllib
from pathlib import Path

import pytest

from release.audit import RULES, Rules, audit, locked_versions, too_old

FILES = {
    "part_of_test.py": b"right = True\n",
    "part_of_test.libs/libfirst.so.1.2.3": b"",
    "part_of_test-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: part-of-test\n"
    b"Version: 1.0\nLicense-Expression: MIT\n",
}
ALLOWED = Rules(
    licences=frozenset(["MIT"]),
    interfaces=frozenset(),
    parts=frozenset(["libfirst"]),
    minimum={},
    accepted={},
)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one installed package."""
    lines = []
    for name, data in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        lines.append(f"{name},sha256={digest},{len(data)}\n")
    record = "part_of_test-1.0.dist-info/RECORD"
    (tmp_path / record).write_text("".join([*lines, f"{record},,\n"]))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


def failures(version: str = "1.0", **changes: object) -> list[str]:
    return audit(ALLOWED.model_copy(update=changes), {"part-of-test": version}).failures


def test_what_is_allowed_passes(site: Path) -> None:
    assert failures() == []


def test_a_changed_file_is_named(site: Path) -> None:
    (site / "part_of_test.py").write_bytes(b"right = Frue\n")
    assert failures() == ["part-of-test 1.0: part_of_test.py: is not what its wheel brought"]


def test_a_file_that_is_gone_is_named(site: Path) -> None:
    (site / "part_of_test.py").unlink()
    assert failures() == ["part-of-test 1.0: part_of_test.py: is missing"]


def test_a_file_without_a_digest_could_not_be_audited(site: Path) -> None:
    record = site / "part_of_test-1.0.dist-info/RECORD"
    record.write_text(record.read_text() + "more.py,,\n")
    assert failures() == ["part-of-test 1.0: more.py: has no sha256, so it could not be audited"]


def test_another_version_than_the_locks_is_named(site: Path) -> None:
    assert failures("2.0") == ["part-of-test 2.0: 1.0 is installed"]


def test_what_is_not_installed_could_not_be_audited() -> None:
    done = audit(ALLOWED, {"no-such-package": "1.0"})
    assert done.failures == ["no-such-package 1.0: is not installed, so it could not be audited"]


def test_a_licence_has_to_be_allowed(site: Path) -> None:
    (failure,) = failures(licences=frozenset(["BSD"]))
    assert "its licence, 'MIT', is not among those" in failure


def test_an_old_package_and_an_old_library_name_their_weaknesses(site: Path) -> None:
    minimum = {"part-of-test": ("1.0.1", "CVE-1"), "libfirst": ("1.10", "CVE-2")}
    assert failures(minimum=minimum) == [
        "part-of-test 1.0: part-of-test 1.0: is older than 1.0.1: CVE-1",
        "part-of-test 1.0: libfirst 1.2.3: is older than 1.10: CVE-2",
    ]
    assert failures(minimum={"libfirst": ("1.2.3", "CVE-2")}) == []
    accepted = {"libfirst 1.2.3": "it is never loaded"}
    assert failures(minimum={"libfirst": ("1.10", "CVE-2")}, accepted=accepted) == []


def test_a_library_that_nobody_named_could_not_be_audited(site: Path) -> None:
    (failure,) = failures(parts=frozenset())
    assert "libfirst 1.2.3: is not named in audit.toml, so it could not be audited" in failure


def test_a_library_without_a_version_could_not_be_compared() -> None:
    rules = ALLOWED.model_copy(update={"minimum": {"libfirst": ("1.0", "CVE-2")}})
    assert list(too_old([{"name": "libfirst"}], rules)) == [
        "libfirst: says no version, so it could not be audited (CVE-2)"
    ]


def test_an_interfaces_version_is_not_compared_with_a_releases() -> None:
    rules = ALLOWED.model_copy(
        update={"interfaces": frozenset(["libwebp"]), "minimum": {"libwebp": ("1.3.2", "CVE-3")}}
    )
    library = {"name": "libwebp", "version": "7.2.0"}
    assert list(too_old([library], rules)) == []
    listed = {"name": "libwebp", "version": "1.3.1", "purl": "pkg:generic/libwebp@1.3.1"}
    assert list(too_old([listed], rules)) == ["libwebp 1.3.1: is older than 1.3.2: CVE-3"]


def test_the_rules_and_the_locks_can_be_read() -> None:
    rules = Rules.model_validate(tomllib.loads(RULES.read_text("utf-8")))
    assert "PNG" in rules.minimum
    locked = locked_versions()
    assert {"numpy", "annoy", "av", "boto3"} <= set(locked)
    assert "pip" not in locked
