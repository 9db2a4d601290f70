"""``visual-search doctor``: look at this machine and say what to do about what is wrong."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Literal

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from catalog.errors import VisualSearchError
from catalog.settings import CatalogSettings, DeviceSettings, config_file, load
from edge.settings import EdgeSettings
from sync.settings import OutboxSettings

LEAST_ROOM = 1 << 30  # bytes
SIGNS = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "wrong": "[red]wrong[/]"}


@dataclass(frozen=True)
class Finding:
    """One thing looked at: "ok", worth a "note", or "wrong", and what to do about it."""

    subject: str
    state: Literal["ok", "note", "wrong"]
    message: str
    remedy: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_obj
def doctor(config: Path | None, as_json: bool) -> None:
    """Check this machine: packages, engines, settings, disk, catalogue, cameras, port.

    Exits 1 when something is wrong.

    \b
    Example:
      visual-search doctor
    """
    findings = list(examine(config))
    if as_json:
        click.echo(json.dumps([asdict(one) for one in findings], indent=2, ensure_ascii=False))
    else:
        table = Table(box=None, show_header=False)
        for one in findings:
            remedy = f"\n[dim]→ {escape(one.remedy)}[/]" if one.remedy else ""
            table.add_row(SIGNS[one.state], one.subject, escape(one.message) + remedy)
        Console().print(table)
    if any(one.state == "wrong" for one in findings):
        raise click.exceptions.Exit(1)


def examine(config: Path | None) -> Iterator[Finding]:
    """Look at everything, one thing after the other; nothing is changed."""
    yield _python()
    yield from _packages()
    yield from _engines()
    yield _settings(config)
    try:
        device = load("device", DeviceSettings, config)
        edge = load("edge", EdgeSettings, config)
    except VisualSearchError:
        return  # the settings are wrong, and said to be
    yield _disk(device.folder)
    yield _catalogue(device)
    yield from _cameras(edge)
    yield _port(edge)


def _python() -> Finding:
    here = f"Python {platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores"
    if sys.prefix == sys.base_prefix:
        return Finding(
            "python",
            "note",
            f"{here}, outside a virtual environment",
            "install into one of its own: python3 -m venv .venv",
        )
    return Finding("python", "ok", here)


def _packages() -> Iterator[Finding]:
    """The import names catalog, edge and sync are common words: nobody else may own them."""
    owners = packages_distributions()
    others = {
        name: sorted(set(owners.get(name, [])) - {"visual-search"})
        for name in ("catalog", "edge", "sync", "visual_search")
    }
    clashes = {name: found for name, found in others.items() if found}
    for name, found in clashes.items():
        yield Finding(
            "packages",
            "wrong",
            f"{', '.join(found)} also installs a package named {name}",
            f"pip uninstall {' '.join(found)}, or give visual-search its own environment",
        )
    cv = sorted({one for one in owners.get("cv2", []) if one.startswith("opencv")})
    if len(cv) > 1:
        yield Finding(
            "packages",
            "wrong",
            f"{' and '.join(cv)} overwrite each other's cv2",
            f"pip uninstall {' '.join(cv)}; pip install opencv-python-headless",
        )
    if not clashes and len(cv) < 2:
        yield Finding("packages", "ok", "nothing clashes")


def _engines() -> Iterator[Finding]:
    from catalog.engines.engine import CHOICES, installed
    from catalog.featurizer import Featurizer

    found = installed()
    if not found:
        yield Finding(
            "engines",
            "wrong",
            "none is installed; no network can run",
            "pip install 'visual-search[onnxruntime]'",
        )
    for name in found:
        try:
            Featurizer.open(engine=name)
            yield Finding("engines", "ok", f"{name} runs the embedded network")
        except VisualSearchError as error:
            yield Finding("engines", "wrong", f"{name}: {error}", f"reinstall {name}")
    for name in CHOICES:
        if found and name not in found:
            yield Finding("engines", "ok", f"{name} is not installed (optional)")


def _settings(config: Path | None) -> Finding:
    try:
        file = config_file(config)
        load("device", DeviceSettings, config)
        load("catalog", CatalogSettings, config)
        load("edge", EdgeSettings, config).camera_settings()
        load("outbox", OutboxSettings, config)
    except VisualSearchError as error:
        return Finding("settings", "wrong", str(error), "mend it; see docs/settings.md")
    return Finding("settings", "ok", str(file) if file else "no file, all as delivered")


def _disk(folder: Path) -> Finding:
    existing = folder
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    room = f"{folder}: {free / 1e9:.1f} GB free"
    if not os.access(existing, os.W_OK):
        return Finding(
            "disk",
            "wrong",
            f"{folder}: cannot be written by this user",
            "set [device] data_dir, or change the folder's owner",
        )
    if free < LEAST_ROOM:
        return Finding("disk", "wrong", room, "make room; a new catalogue needs it beside the old")
    return Finding("disk", "ok", room)


def _catalogue(device: DeviceSettings) -> Finding:
    from catalog.bundle import verify
    from catalog.shelf import Shelf

    active = Shelf(device.shelf).active()
    if active is None:
        return Finding(
            "catalogue",
            "note",
            "none is active",
            "visual-search catalog build PHOTOS --out BUNDLE; "
            "visual-search catalog activate BUNDLE",
        )
    try:
        manifest, identity = verify(active)
    except VisualSearchError as error:
        return Finding("catalogue", "wrong", str(error), "activate a bundle again")
    return Finding("catalogue", "ok", f"{identity}: {manifest.items} items, undamaged")


def _cameras(settings: EdgeSettings) -> Iterator[Finding]:
    from edge.camera import list_cameras

    found = list_cameras()
    for camera in found:
        modes = ", ".join(str(mode) for mode in camera.modes[:6]) or "modes not told"
        yield Finding("cameras", "ok", f"{camera.name} ({camera.path}): {modes}")
    if not found:
        yield Finding(
            "cameras",
            "note",
            "no V4L2 camera is connected",
            "plug one in, or set camera to an rtsp:// address, a folder or 'simulated'",
        )
    if settings.camera.startswith("/dev/") and not Path(settings.camera).exists():
        yield Finding(
            "cameras",
            "note",
            f"the camera that is set, {settings.camera}, is not there",
            "set [edge] camera, best to a stable name of /dev/v4l/by-id",
        )


def _port(settings: EdgeSettings) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            return Finding(
                "port",
                "note",
                f"{settings.host}:{settings.port}: {error.strerror}",
                "perhaps the appliance is running already; else set [edge] port",
            )
    return Finding("port", "ok", f"{settings.host}:{settings.port} is free")
