"""The settings that a shop changes on its page: checked, written crash-safely, and undone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from pydantic import Field

from catalog.core import durable
from catalog.core.errors import SettingsError
from catalog.core.settings import Section
from edge.settings import EdgeSettings
from edge.shop_settings import ShopSettings
from edge.web.page_settings import PageSettings

MODELS: dict[str, type[Section]] = {"edge": EdgeSettings, "page": PageSettings}
NAMES = ("edge.camera", "edge.foreign_share", "page.name", "page.language", "page.accent")
TEXT = """\
# of the shop in the old town
[edge]
port = 8081  # the printer has 8080
camera = "rtsp://user:geheim@192.168.1.9/stream"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "device.toml"
    file.write_text(TEXT)
    file.chmod(0o600)
    return file


def opened(file: Path, **fixed: str) -> ShopSettings:
    return ShopSettings(file, file.parent / "state", MODELS, NAMES, fixed)


def values(settings: ShopSettings) -> dict[str, object]:
    return {setting.name: setting.value for setting in settings.settings()}


def test_a_change_keeps_the_rest_of_the_file_and_can_be_undone(file: Path) -> None:
    settings = opened(file)
    assert (settings.can_undo, settings.needs_restart) == (False, False)
    shown = values(settings)
    assert shown["edge.camera"] == "rtsp://192.168.1.9/stream"
    settings.change({**shown, "page.name": " Café “Süd” ", "edge.foreign_share": 0.35})
    assert file.read_text() == TEXT + 'foreign_share = 0.35\n\n[page]\nname = "Café “Süd”"\n'
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (settings.can_undo, settings.needs_restart) == (True, True)
    again = opened(file)  # the device has started again
    assert (again.can_undo, again.needs_restart) == (True, False)
    again.undo()
    assert file.read_text() == TEXT
    again.undo()  # the undoing, too
    assert 'name = "Café “Süd”"' in file.read_text()


def test_a_number_comes_with_its_bounds(file: Path) -> None:
    class Counted(Section):
        bounded: float = Field(0.5, ge=0, le=9)
        free: float = 0.5

    settings = ShopSettings(
        file, file.parent / "state", {"outbox": Counted}, ("outbox.bounded", "outbox.free"), {}
    )
    found = {setting.name: (setting.least, setting.most) for setting in settings.settings()}
    assert found == {"outbox.bounded": (0, 9), "outbox.free": (None, None)}


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"page.accent": "green"}, "[page] accent: 'green' is not a colour"),
        ({"page.language": "tlh"}, "[page] language: the page does not speak 'tlh'"),
        ({"page.name": "x" * 61}, "[page] name:"),
        ({"page.name": "two\nlines"}, "page.name: a text has at most 500 characters in one line"),
        ({"edge.foreign_share": 2}, "[edge] foreign_share:"),
        ({"edge.foreign_share": 10**400}, "edge.foreign_share: "),
        ({"edge.foreign_share": True}, "edge.foreign_share: 'True' is no value for it"),
        ({"edge.foreign_share": float("nan")}, "foreign_share"),
        ({"edge.port": 80}, "edge.port: no such setting here"),
        ({"edge.camera": "/srv/nothing"}, "camera '/srv/nothing': no such device, video file or"),
        ({"edge.camera": "ftp://camera/a"}, "camera ftp://camera/a: addresses begin with rtsp://"),
        ({"edge.camera": "simulated:x"}, "the seed must be a whole number"),
        ({"edge.camera": ""}, "camera '': no such device"),
        ({"page.name": "ok", "page.accent": "#12"}, "[page] accent:"),
    ],
)
def test_what_the_device_would_not_start_with_is_not_written(
    file: Path, wanted: dict[str, object], reason: str
) -> None:
    settings = opened(file)
    with pytest.raises(SettingsError) as error:
        settings.change(wanted)
    assert reason in str(error.value)
    assert file.read_text() == TEXT
    assert not settings.can_undo


def test_what_something_else_decides_stays(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL_SEARCH_PAGE__NAME", "Of the environment")
    settings = opened(file, **{"edge.camera": "the command line"})
    fixed = {setting.name: setting.fixed_by for setting in settings.settings()}
    assert fixed["edge.camera"] == "the command line"
    assert fixed["page.name"] == "the environment variable VISUAL_SEARCH_PAGE__NAME"
    for name in ("edge.camera", "page.name"):
        with pytest.raises(SettingsError, match="decides it"):
            settings.change({name: "another"})


def test_a_file_that_was_changed_since_is_not_undone(file: Path) -> None:
    settings = opened(file)
    settings.change({"page.name": "Corner shop"})
    file.write_text(f"{file.read_text()}welcome = 'Hello'\n")
    assert not settings.can_undo
    with pytest.raises(SettingsError, match="changed since"):
        settings.undo()


def test_a_missing_file_is_made_and_removed_again(tmp_path: Path) -> None:
    settings = opened(tmp_path / "none.toml")
    settings.change({"page.language": "de"})
    assert (tmp_path / "none.toml").read_text() == '[page]\nlanguage = "de"\n'
    settings.undo()
    assert not (tmp_path / "none.toml").exists()


def test_a_link_stays_a_link(file: Path) -> None:
    link = file.with_name("link.toml")
    link.symlink_to(file)
    opened(link).change({"page.name": "Corner shop"})
    assert link.is_symlink()
    assert "Corner shop" in file.read_text()


def test_a_change_that_cannot_be_written_leaves_the_one_before_to_undo(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, real = opened(file), durable.write

    def write(path: Path, data: bytes, mode: int, *former: os.stat_result | None) -> None:
        if path == file:
            raise PermissionError(13, "Permission denied")
        real(path, data, mode, *former)

    for name in ("", "Corner shop"):
        if name:
            settings.change({"page.name": name})
        with monkeypatch.context() as patched:
            patched.setattr(durable, "write", write)
            with pytest.raises(SettingsError, match="may not write it"):
                settings.change({"page.name": "Another shop"})
        assert settings.can_undo == bool(name)
    settings.undo()
    assert file.read_text() == TEXT


def test_a_file_keeps_its_mode_whatever_the_umask(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the moment on at which it has its name: there may be a power cut right after."""
    file.chmod(0o644)
    named, replace = [], Path.replace

    def watched(path: Path, target: Path) -> Path:
        named.append((target, stat.S_IMODE(path.stat().st_mode)))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", watched)
    umask = os.umask(0o077)
    try:
        opened(file).change({"page.name": "Corner shop"})
    finally:
        os.umask(umask)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert (file, 0o644) in named


def test_a_power_cut_leaves_the_old_file_or_the_new_one(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever write is the last one, the device starts with one of the two files."""
    real, writes = durable.write, 0
    while True:
        file.write_text(TEXT)
        left = writes

        def write(path: Path, data: bytes, mode: int, *former: os.stat_result | None) -> None:
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            real(path, data, mode, *former)

        with monkeypatch.context() as cut:
            cut.setattr(durable, "write", write)
            try:
                opened(file).change({"page.name": "Corner shop"})
                break
            except KeyboardInterrupt:
                pass
        assert file.read_text() == TEXT
        assert not opened(file).can_undo
        writes += 1
    assert writes == 3
    assert "Corner shop" in file.read_text()


@pytest.mark.parametrize(
    "camera",
    ["77", "/dev/video77", "usb-Absent_Camera", "rtsp://10.9.9.9/a", "libcamera:9", "simulated:3"],
)
def test_a_camera_that_may_only_be_away_is_taken(file: Path, camera: str) -> None:
    settings = opened(file)
    assert settings.change({"edge.camera": camera})
    assert values(settings)["edge.camera"] == camera


def test_a_folder_of_pictures_is_taken_as_the_camera(file: Path, tmp_path: Path) -> None:
    settings = opened(file)
    assert settings.change({"edge.camera": str(tmp_path)})
    assert values(settings)["edge.camera"] == str(tmp_path)
