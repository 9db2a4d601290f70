"""A device without services, a stick, and `visual-search setup`."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from catalog.core.findings import Finding
from edge.cli import setup as module
from edge.setup import catalogue_question, first_catalogue, questions
from edge.setup.first_check import first_check
from visual_search.command import command

PIN = "481526"
STOPPED = "--quiet stop " + " ".join(
    f"visual-search-{name}.service" for name in ("kiosk", "edge", "sync")
)


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A device without services, whose settings and data lie in this folder."""
    monkeypatch.delenv("VISUAL_SEARCH_DEVICE__DATA_DIR", raising=False)
    monkeypatch.setenv(
        "VISUAL_SEARCH_CONFIG", str(tmp_path / "etc" / "visual-search" / "visual-search.toml")
    )
    monkeypatch.setattr("edge.setup.services.UNIT", tmp_path / "no-unit")
    monkeypatch.setattr(module, "examine", lambda config: [Finding("camera", "ok", "it is there")])
    monkeypatch.setattr(questions, "list_cameras", list)
    monkeypatch.setattr(catalogue_question, "install_folders", list)
    return tmp_path


@pytest.fixture
def stick(device: Path) -> Path:
    folder = device / "stick"
    folder.mkdir()
    (folder / "root.json").write_text("{}")
    (folder / "device.key").write_text("a key")
    (folder / "device.pem").write_text("a certificate")
    (folder / "visual-search.toml").write_text(
        f"""
# The shop at the corner.
[setup]
pin = "{PIN}"
screen = true

[device]
data_dir = "{device / "data"}"
certificate = "device.pem"
private_key = "device.key"

[edge]
camera = "rtsp://user:secret@camera/stream"
lan = true
name = "corner"
port = 8099

[page]
name = "Corner shop"
language = "de"

[sync]
source = "s3://bucket/catalogues"
root = "root.json"
"""
    )
    return folder


def run(*arguments: str | Path, answers: str = "") -> Result:
    return CliRunner().invoke(command, ["setup", *map(str, arguments)], input=answers)


@pytest.fixture
def builder(device: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that draws a table, and builds the same bundle of all.

    The file keeps what it was asked.
    """
    asked = device / "asked-to-build"
    program = device / "program"
    program.write_text(
        f'#!/bin/sh\n[ "$2" = draw ] && mkdir -p "$3" && : > "$3/items.csv" && exit\n'
        f'cat "$2" > {asked}; echo "$@" >> {asked}\n'
        f'[ -e "$5" ] && cp -r {small_bundle} "$7" && echo \'{{"items": 6, "photos": 24}}\'\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(first_catalogue, "program", lambda: [str(program)])
    return asked


def photos_in(folder: Path) -> Path:
    """A folder of photos, which nobody opens."""
    photos = folder / "photos"
    for name in ("cup", "bolt"):
        (photos / name).mkdir(parents=True)
        (photos / name / "1.jpg").touch()
    return photos


@pytest.fixture
def systemd(device: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with what systemctl was asked, where the package's services are installed.

    They fetch nothing, and no time passes while the setup waits for the first check.
    """
    asked = device / "asked"
    (device / "bin").mkdir()
    systemctl = device / "bin" / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{device / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr("edge.setup.services.RUNNING", device)
    monkeypatch.setattr("edge.setup.services.UNIT", systemctl)
    monkeypatch.setattr("edge.setup.services.page_answers", lambda address: "")
    monkeypatch.setattr(module, "first_check", partial(first_check, pause=lambda seconds: None))
    return asked
