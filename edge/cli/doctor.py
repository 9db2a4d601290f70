"""``visual-search doctor``: check this machine, and say how to mend what is wrong."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import click
import numpy as np

from catalog.core.access import require_access
from catalog.core.errors import SettingsError, SurroundingsError, VisualSearchError, how_to_add
from catalog.core.findings import Finding, show
from catalog.core.services import service_runs
from catalog.core.settings import CatalogSettings, DeviceSettings, config_file, load
from catalog.core.state import read_edge_state
from catalog.core.terminal import as_json, counted
from catalog.networks.engines.choice import CHECKPOINT_ENGINES
from edge.cameras.deeplens import STREAM
from edge.cli.camera_check import check_camera
from edge.errors import PortError
from edge.health import LEAST_ROOM
from edge.settings import EdgeSettings
from edge.web.page_settings import PageSettings
from sync.settings import OutboxSettings, ProvisioningSettings, SyncSettings


@click.command()
@as_json
@click.pass_obj
def doctor(config: Path | None, *, as_json: bool) -> None:
    """Check this machine: packages, engines, settings, disk, catalogue, cameras, port, certificate.

    Opens the camera that is set, says how large its pictures are and how many come, and keeps
    one of them in the data folder. Exits 1 when something is wrong.

    \b
    Example:
      visual-search doctor
    """
    show(examine(config), as_json=as_json)


def examine(config: Path | None) -> Iterator[Finding]:
    """Check everything, one subject after the other; only a picture of the camera is written."""
    yield _python()
    yield from _packages()
    yield from _engines()
    yield _text()
    yield from _deeplens()
    yield _settings(config)
    try:
        device = load("device", DeviceSettings, config)
        edge = load("edge", EdgeSettings, config)
        load("page", PageSettings, config)
    except VisualSearchError:
        return  # the finding about the settings says what is wrong
    yield _disk(device.folder)
    yield _catalogue(device)
    yield _sync(device)
    yield from _outbox(config)
    yield from _cameras(edge)
    state = read_edge_state(device.state)
    runs = state is not None and (state.alive or service_runs())
    yield check_camera(edge, device.folder, appliance_runs=runs)
    yield _port(edge, appliance_runs=runs)
    yield from _certificate(edge)
    yield from _look(load("page", PageSettings, config))


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
    """Check that no other package installs an import name of ours, or another OpenCV."""
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
    cv = sorted({owner for owner in owners.get("cv2", []) if owner.startswith("opencv")})
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
    from catalog.networks.engines.choice import CHOICES, installed
    from catalog.networks.featurizer import Featurizer

    found = installed()
    checkpoints = list(_checkpoint_engines())
    yield from checkpoints
    if not found and any(finding.state == "ok" for finding in checkpoints):
        yield Finding(
            "engines",
            "note",
            "none for any ONNX network is installed; imported checkpoints and the networks that "
            "ship with this program run",
            "build catalogues with one of these; see docs/deeplens.md",
        )
    elif not found:
        yield Finding(
            "engines",
            "note",
            "none for any ONNX network is installed; opencv runs those that ship with this "
            "program, slower",
            how_to_add("onnxruntime"),
        )
    for name in found or ("opencv",):
        try:
            Featurizer.open(engine=name)
            yield Finding("engines", "ok", f"{name} runs the embedded network")
        except VisualSearchError as error:
            yield Finding("engines", "wrong", f"{name}: {error}", f"reinstall {name}")
    for name in CHOICES:
        if found and name not in found:
            yield Finding("engines", "ok", f"{name} is not installed (optional)")


def _text() -> Finding:
    """Say whether the words on things are read."""
    from catalog.networks.text_reader import open_reader

    try:
        reader = open_reader()
        if reader is not None:
            reader.read(np.full((32, 96, 3), 255, np.uint8))
            return Finding("labels", "ok", "the words on things are read")
    except Exception as error:  # a library that it needs may be missing or too new
        return Finding(
            "labels", "note", f"the words on things cannot be read: {error}",
            how_to_add("text", " --force-reinstall"),
        )  # fmt: skip
    return Finding(
        "labels",
        "ok",
        "the words on things are not read (optional): they would tell apart what only its label "
        f"tells apart, and find items without a photo; that takes {how_to_add('text')}",
    )


def _checkpoint_engines() -> Iterator[Finding]:
    """Check MXNet and a DeepLens' own library, where they are installed."""
    for name in CHECKPOINT_ENGINES:
        if importlib.util.find_spec(name) is None:
            continue
        try:
            importlib.import_module(f"catalog.networks.engines.{name}")
            yield Finding("engines", "ok", f"{name} runs imported checkpoints")
        except Exception as error:  # a library that it needs may be missing or too new
            yield Finding(
                "engines", "note", f"{name} is installed and cannot be imported: {error}",
                "for mxnet: sudo apt-get install -y libgomp1 libquadmath0",
            )  # fmt: skip


def _deeplens() -> Iterator[Finding]:
    """Say whether this is a DeepLens, or has a Greengrass V1 core."""
    if importlib.util.find_spec("awscam") or STREAM.exists():
        yield Finding("deeplens", "ok", 'this is a DeepLens; [edge] camera may be "deeplens"')
    if importlib.util.find_spec("greengrass_common") is None:
        return
    if importlib.util.find_spec("greengrasssdk") is None:
        yield Finding(
            "greengrass",
            "note",
            "the modules of a Greengrass V1 core are here, its SDK is not",
            how_to_add("deeplens"),
        )
    else:
        yield Finding(
            "greengrass", "ok", "the modules of a Greengrass V1 core and its SDK are here"
        )


def _settings(config: Path | None) -> Finding:
    try:
        file = config_file(config)
        load("device", DeviceSettings, config)
        load("catalog", CatalogSettings, config)
        load("edge", EdgeSettings, config).camera_settings()
        load("page", PageSettings, config)
        load("outbox", OutboxSettings, config)
        load("provisioning", ProvisioningSettings, config)
        load("sync", SyncSettings, config)
    except VisualSearchError as error:
        return Finding("settings", "wrong", str(error), "mend it; see docs/settings.md")
    return Finding("settings", "ok", str(file) if file else "no file, all as delivered")


def _disk(folder: Path) -> Finding:
    existing = folder
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    room = f"{folder}: {free / 1e9:.1f} GB free"
    if not existing.is_dir() or not os.access(existing, os.W_OK):
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
    from catalog.bundles.manifest import verify
    from catalog.bundles.shelf import Shelf

    try:
        require_access(device.shelf)
    except SurroundingsError as error:
        return Finding("catalogue", "wrong", str(error))
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
    return Finding("catalogue", "ok", f"{identity}: {counted(manifest.items, 'item')}, undamaged")


def _sync(device: DeviceSettings) -> Finding:
    from catalog.core.state import read_sync_state

    try:
        require_access(device.state)
    except SurroundingsError as error:
        return Finding("sync", "wrong", str(error))
    state = read_sync_state(device.state)
    if state.checked_at is None:
        return Finding("sync", "ok", "never ran (optional)")
    last = f"{state.checked_at:%Y-%m-%d %H:%M} UTC: {state.outcome}: {state.message}"
    if state.failed:
        return Finding("sync", "note", last, "visual-search sync doctor")
    return Finding("sync", "ok", last)


def _outbox(config: Path | None) -> Iterator[Finding]:
    from sync.cli.outbox import outbox_findings

    yield from outbox_findings(config)


def _cameras(settings: EdgeSettings) -> Iterator[Finding]:
    from edge.cameras import list_cameras
    from edge.cameras.device import device_path

    found = list_cameras()
    for camera in found:
        name = f"{camera.name} ({camera.path})"
        if camera.problem:
            reason, _, remedy = camera.problem.partition("; ")
            yield Finding(
                "cameras", "note", f"{name} cannot be asked what it offers: {reason}", remedy
            )
            continue
        modes = ", ".join(str(mode) for mode in camera.modes[:6]) or "its modes are not known"
        yield Finding("cameras", "ok", f"{name}: {modes}")
    if not found and device_path(settings.camera.strip()) is not None:
        yield Finding(
            "cameras",
            "note",
            "no V4L2 camera is connected",
            "plug one in, or set camera to an rtsp:// address, a folder or 'simulated'",
        )


def _port(settings: EdgeSettings, *, appliance_runs: bool) -> Finding:
    from edge.setup.services import is_page_at
    from edge.web.server import check_port

    try:
        check_port(settings.listening_address, settings.port)
    except PortError as error:
        address = settings.own_page
        if not is_page_at(address):
            return Finding("port", "note", str(error), "end what uses it, or set [edge] port")
        if appliance_runs:
            return Finding("port", "ok", f"this device's appliance runs; its page: {address}")
        return Finding(
            "port",
            "note",
            f"another appliance uses port {settings.port}: {address}",
            "end it, or set [edge] port",
        )
    return Finding("port", "ok", f"port {settings.port} is free")


def _certificate(settings: EdgeSettings) -> Iterator[Finding]:
    """Check the certificate that the owner gives; the device's own is made when the page starts."""
    if not settings.tls or settings.certificate is None or settings.key is None:
        return
    from edge.web.certificates import server_context

    certificate = settings.certificate.expanduser()
    try:
        server_context(certificate, settings.key.expanduser())
    except SettingsError as error:
        yield Finding(
            "certificate", "wrong", str(error),
            "set [edge] certificate and key to PEM files that belong together; see docs/lan.md",
        )  # fmt: skip
    else:
        yield Finding("certificate", "ok", f"{certificate} and its key can be used for the page")


def _look(settings: PageSettings) -> Iterator[Finding]:
    """Check the shop's own colours and logo, where the owner gives them."""
    from edge.web.branding import read_logo
    from edge.web.colours import DARK_SURFACES, LEAST_CONTRAST, LIGHT_SURFACES, least_contrast

    for name, colour, surfaces in (
        ("accent", settings.accent, LIGHT_SURFACES),
        ("accent_dark", settings.accent_dark, DARK_SURFACES),
    ):
        if not colour:
            continue
        ratio = least_contrast(colour, surfaces)
        words = f"[page] {name} {colour} has a contrast of {ratio:.1f} to 1 to its ground"
        if ratio < LEAST_CONTRAST:
            yield Finding(
                "page", "wrong", f"{words}; words in it are hard to read",
                f"take a {'lighter' if name == 'accent_dark' else 'darker'} colour: at least "
                f"{LEAST_CONTRAST:g} to 1",
            )  # fmt: skip
        else:
            yield Finding("page", "ok", words)
    if settings.logo is not None:
        try:
            read_logo(settings.logo)
        except SettingsError as error:
            yield Finding("page", "wrong", str(error), "set [page] logo to a small SVG or PNG")
        else:
            yield Finding("page", "ok", f"{settings.logo} can be shown as the logo")
