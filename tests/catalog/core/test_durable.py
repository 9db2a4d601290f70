"""Files that survive a power cut: what is flushed, in which order, and who may read them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from catalog.core import durable


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What was flushed so far, in order."""
    found: list[Path] = []
    flush = os.fsync

    def noted(handle: int) -> None:
        found.append(Path(os.readlink(f"/proc/self/fd/{handle}")))
        flush(handle)

    monkeypatch.setattr(os, "fsync", noted)
    return found


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_file_is_flushed_under_another_name_and_then_its_folder(
    tmp_path: Path, flushed: list[Path]
) -> None:
    file = tmp_path / "state.json"
    file.write_text("old")
    durable.write(file, b"new", durable.PRIVATE)
    assert file.read_bytes() == b"new"
    assert mode_of(file) == 0o600
    assert [path.parent for path in flushed] == [tmp_path, tmp_path.parent]
    assert flushed[0].name.startswith(".state.json.")
    assert flushed[1] == tmp_path


def test_a_file_keeps_its_mode_though_the_umask_would_take_some(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("old")
    file.chmod(0o646)
    durable.write(file, b"new", durable.PRIVATE, file.stat())
    assert (file.read_bytes(), mode_of(file)) == (b"new", 0o646)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        durable.write(tmp_path / "folder", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize(
    ("make", "mode"), [(durable.make_folder, 0o755), (durable.make_private_folder, 0o700)]
)
def test_each_new_folder_is_flushed_by_its_name(
    tmp_path: Path, flushed: list[Path], make: object, mode: int
) -> None:
    assert callable(make)
    tmp_path.chmod(0o751)
    before = os.umask(0o022)
    try:
        make(tmp_path / "one" / "two")
    finally:
        os.umask(before)
    assert flushed == [tmp_path, tmp_path / "one"]
    assert [mode_of(path) for path in (tmp_path / "one", tmp_path / "one" / "two")] == [mode] * 2
    make(tmp_path / "one" / "two")
    assert flushed == [tmp_path, tmp_path / "one"]
    assert mode_of(tmp_path) == 0o751


def test_a_tree_is_flushed_from_the_inside(tmp_path: Path, flushed: list[Path]) -> None:
    inner = tmp_path / "bundle" / "inner"
    inner.mkdir(parents=True)
    (inner / "file").write_text("x")
    (tmp_path / "bundle" / "file").write_text("x")
    durable.flush_tree(tmp_path / "bundle")
    outer = tmp_path / "bundle"
    assert flushed == [inner / "file", inner, outer / "file", outer]


def test_a_link_points_elsewhere_in_one_step(tmp_path: Path, flushed: list[Path]) -> None:
    link = tmp_path / "active"
    for target in ("one", "two"):
        durable.point(link, target)
        assert str(link.readlink()) == target
    assert flushed == [tmp_path, tmp_path]
    assert list(tmp_path.iterdir()) == [link]


def test_two_folders_change_their_names(tmp_path: Path, flushed: list[Path]) -> None:
    first, second = tmp_path / "a" / "first", tmp_path / "b" / "second"
    for folder in (first, second):
        folder.mkdir(parents=True)
        (folder / "name").write_text(folder.name)
    durable.exchange(first, second)
    assert ((first / "name").read_text(), (second / "name").read_text()) == ("second", "first")
    assert flushed == [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(FileNotFoundError, match="absent"):
        durable.exchange(first, tmp_path / "absent")
