"""Which bundles have passed the validator on this device."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from catalog.bundles.passed import FILE, MOST, has_passed, remember_passed


def test_a_bundle_has_passed_by_the_engine_that_ran_it(tmp_path: Path) -> None:
    assert not has_passed(tmp_path, "one", "auto")
    remember_passed(tmp_path, "one", "auto")
    assert has_passed(tmp_path, "one", "auto")
    assert not has_passed(tmp_path, "one", "onnxruntime")
    assert not has_passed(tmp_path, "another", "auto")
    remember_passed(tmp_path, "one", "onnxruntime")
    assert has_passed(tmp_path, "one", "onnxruntime")
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_the_first_bundle_is_remembered_in_a_folder_of_its_owner(tmp_path: Path) -> None:
    remember_passed(tmp_path / "data" / "state", "one", "auto")
    assert has_passed(tmp_path / "data" / "state", "one", "auto")
    assert (tmp_path / "data" / "state").stat().st_mode & 0o777 == 0o700


def test_the_newest_are_remembered(tmp_path: Path) -> None:
    for name in ("0", *map(str, range(1, MOST)), "0", "new"):
        remember_passed(tmp_path, name, "auto")
    kept = list(json.loads((tmp_path / FILE).read_bytes()))
    assert kept == [*map(str, range(2, MOST)), "0", "new"]


@pytest.mark.parametrize("content", [b"no JSON", b"[]", b"[" * 500_000], ids=["no", "list", "deep"])
def test_a_damaged_file_remembers_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert not has_passed(tmp_path, "one", "auto")
    remember_passed(tmp_path, "one", "auto")
    assert has_passed(tmp_path, "one", "auto")


def test_where_it_cannot_be_written_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_bytes(b"a file")
    remember_passed(tmp_path / "state", "one", "auto")
    assert "cannot be written" in caplog.text
    assert not has_passed(tmp_path / "state", "one", "auto")
