"""``visual-search edge``: run the appliance, and take own photos of things."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from catalog.core.allocator import bound_memory
from catalog.core.errors import ContentError, SurroundingsError, VisualSearchError
from catalog.core.settings import CatalogSettings, DeviceSettings, load
from catalog.core.terminal import as_json, counted, print_json
from edge.settings import EdgeSettings
from edge.web.page_settings import PageSettings
from sync.settings import OutboxSettings, SyncSettings

if TYPE_CHECKING:
    from edge.appliance.controls import Controls
    from edge.web.interfaces import DeviceSetup

camera_option = click.option(
    "--camera",
    metavar="CAMERA",
    help="/dev/video0 or a by-id name, an rtsp:// or http:// address, a video file, "
    "a folder of pictures, 'libcamera', 'deeplens' or 'simulated'.",
)
port_option = click.option("--port", type=click.IntRange(0, 65535), help="The page's port [8080].")
lan_option = click.option(
    "--lan", is_flag=True, default=None, help="Offer the page to the LAN, and announce it."
)

tls_option = click.option(
    "--tls", is_flag=True, default=None, help="Encrypt the page, with a certificate of its own."
)


def edge_settings(config: Path | None, **given: Any) -> EdgeSettings:
    """``[edge]``, overridden by the options that were given on the command line."""
    settings = load("edge", EdgeSettings, config)
    changes = {name: value for name, value in given.items() if value is not None}
    return EdgeSettings.model_validate(settings.model_dump() | changes)


@click.group()
def edge() -> None:
    """The device: look, recognize, show."""


@edge.command()
@click.option(
    "--bundle", type=click.Path(path_type=Path), help="Serve this instead of the shelf's."
)
@camera_option
@port_option
@lan_option
@tls_option
@click.pass_obj
def run(
    config: Path | None,
    bundle: Path | None,
    camera: str | None,
    port: int | None,
    *,
    lan: bool | None,
    tls: bool | None,
) -> None:
    """Run the appliance: camera, search and page.

    Serves the catalogue that is active on this device, and a newer one from the next frame
    after it is activated. Where there is none yet, the page says what it waits for. With
    --lan, browsers in the same network may look and search; they find it by its name. With
    --tls they do so by https; docs/lan.md says how a phone comes to trust the device.

    \b
    Examples:
      visual-search edge run
      visual-search edge run --camera rtsp://user:password@camera/stream --lan
      visual-search edge run --bundle shop.bundle --camera pictures/ --port 8081
    """
    bound_memory()
    import logging

    from catalog.bundles.shelf import Shelf
    from edge.appliance.controls import Controls
    from edge.appliance.event_recorder import open_recorder
    from edge.appliance.opening import open_bundle
    from edge.appliance.run import OnAddresses, starting
    from edge.appliance.run import run as run_appliance
    from edge.appliance.shelf_watcher import FollowedShelf
    from edge.log_lines import LogLines, is_no_answer

    for handler in logging.getLogger().handlers:
        if not sys.stderr.isatty():
            handler.addFilter(is_no_answer)
    log_lines = LogLines()
    logging.getLogger().addHandler(log_lines)
    settings = edge_settings(config, camera=camera, port=port, lan=lan, tls=tls)
    device = load("device", DeviceSettings, config)
    look = load("page", PageSettings, config)
    outbox = load("outbox", OutboxSettings, config)
    link = load("sync", SyncSettings, config)
    engine = load("catalog", CatalogSettings, config).engine
    followed = FollowedShelf(Shelf(device.shelf), engine, link.source)
    with starting(settings, device.state):
        recorder = open_recorder(device, outbox)
        try:
            opened = open_bundle(bundle, followed.shelf, device.state, engine, recorder)
        except VisualSearchError:
            if recorder is not None:
                recorder.stop()
            raise
        fixed = {} if camera is None else {"edge.camera": "the command line"}
        controls = Controls(config, device.state, log_lines, follows=bundle is None, fixed=fixed)
        setup = None
        if bundle is None and followed.shelf.active() is None:
            setup = fresh_setup(config, controls, fixed, device.state)
        run_appliance(
            settings,
            opened,
            followed if bundle is None else None,
            device.state,
            device.folder / "tls",
            OnAddresses(print_addresses, print_announced),
            recorder,
            look,
            controls,
            device.shared if link.share else None,
            setup,
        )


@edge.command()
@click.argument("photos", type=click.Path(path_type=Path, file_okay=False))
@click.option("--sku", required=True, help="The item's stock keeping unit: its folder's name.")
@click.option("--title", default="", help="The item's title.")
@click.option(
    "--count",
    default=5,
    show_default=True,
    type=click.IntRange(1, 50),
    help="How many photos to take.",
)
@click.option(
    "--timeout",
    default=60,
    show_default=True,
    type=click.IntRange(1, 3600),
    help="Seconds to wait for views.",
)
@camera_option
@as_json
@click.pass_obj
def capture(
    config: Path | None,
    photos: Path,
    sku: str,
    title: str,
    count: int,
    timeout: int,
    camera: str | None,
    *,
    as_json: bool,
) -> None:
    """Photograph a thing with the device's camera into PHOTOS/SKU.

    Hold the thing before the camera and turn it slowly; a few sharp, different views are
    kept. Three to five own photos help more than any better network.

    \b
    Example:
      visual-search edge capture photos/ --sku 4711 --title "Hex bolt M8"
    """
    from edge.cli.capture import CaptureProgress
    from edge.cli.capture import capture as capture_views

    words = {
        "clear": "take everything away from the camera",
        "show": "hold the thing before the camera",
        "turn": "turn it a little",
        "done": "done",
    }
    last_line = None
    whole = 0

    def tell(progress: CaptureProgress) -> None:
        nonlocal last_line, whole
        whole += progress.whole
        line = f"{progress.taken} of {progress.wanted}: {words[progress.stage]}"
        if line != last_line:
            click.echo(line, err=True)
        last_line = line

    settings = edge_settings(config, camera=camera)
    paths = capture_views(
        settings.camera,
        settings.camera_settings(),
        photos,
        sku,
        title,
        count,
        timeout,
        tell,
        background=settings.background,
    )
    if as_json:
        print_json({"sku": sku, "photos": [str(path) for path in paths], "whole": whole})
        return
    click.echo(
        f"{counted(len(paths), 'photo')} in {photos / sku}, {len(paths) - whole} cut to the thing"
    )
    if whole:
        click.echo(
            f"{whole} of {len(paths)} photos show the whole picture, because no thing was surely "
            "found in it: unless the thing fills it, they find their item less often. Take them "
            "again: with more light, on a plain ground, nearer, and with nothing else beside it"
        )


@edge.command()
@click.option("--choose", is_flag=True, help="Ask for the PIN instead of making one up.")
@click.pass_obj
def pin(config: Path | None, *, choose: bool) -> None:
    """Set a new PIN for the staff's area of the page, /staff.

    Prints it once; the device keeps only a hash of it. Whoever is signed in there is signed out,
    and a lock-out after wrong PINs ends.

    \b
    Examples:
      visual-search edge pin
      visual-search edge pin --choose
    """
    from edge.web.staff.pin import StaffPin, new_pin

    device = load("device", DeviceSettings, config)
    chosen = click.prompt("PIN", hide_input=True, confirmation_prompt=True) if choose else new_pin()
    StaffPin(device.state).set(chosen, replace=True)
    if choose:
        click.echo("the staff's PIN is set")
    else:
        click.echo(f"the staff's PIN is now {chosen}; it is shown only here")


@edge.command()
@as_json
@click.pass_obj
def forget(config: Path | None, *, as_json: bool) -> None:
    """Forget what this device has learned of the share of foreign things.

    That is what it counted from what it saw, and what staff said about its answers. A running
    device begins anew within seconds, with the share of the settings.

    \b
    Example:
      visual-search edge forget
    """
    from edge.appliance.judgements import FILE as JUDGEMENTS
    from edge.appliance.share_learner import FILE as SHARE

    folder = load("device", DeviceSettings, config).state
    files = [folder / name for name in (SHARE, JUDGEMENTS) if (folder / name).exists()]
    for file in files:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise SurroundingsError(f"{file}: cannot be removed: {error.strerror}") from error
    if as_json:
        print_json({"forgotten": [str(file) for file in files]})
    else:
        click.echo("\n".join(f"forgotten: {file}" for file in files) or "nothing was learned yet")


@edge.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@as_json
@click.pass_obj
def export(config: Path | None, folder: Path, *, as_json: bool) -> None:
    """Write what the staff taught this device into FOLDER, for 'catalog build'.

    A table, items.csv, with a row for each photo, and the photos. When a catalogue that was built
    from it becomes active, the device uses that in place of its own items.

    \b
    Examples:
      visual-search edge export taught/
      visual-search catalog build taught/items.csv --out taught.bundle
    """
    from edge.taught.export import export_folder
    from edge.taught.store import FILE, TaughtStore

    taught = load("device", DeviceSettings, config).state / "taught"
    if not (taught / FILE).exists():
        raise ContentError("nothing was taught on this device yet")
    store = TaughtStore(taught)
    photos = export_folder(store, folder)
    store.close()
    if as_json:
        print_json({"folder": str(folder), "photos": photos})
    else:
        click.echo(f"{counted(photos, 'photo')} and items.csv in {folder}")


def fresh_setup(
    config: Path | None, controls: Controls, fixed: dict[str, str], state: Path
) -> DeviceSetup:
    """What sets a device without a catalogue up; says how, where nobody has begun."""
    from edge.setup.on_page import PageSetup
    from edge.web.staff.pin import StaffPin

    setup = PageSetup(config, controls.restart if controls.supervisor else None, fixed)
    if not StaffPin(state).mark:
        half = len(setup.code) // 2
        code = f"{setup.code[:half]} {setup.code[half:]}"
        click.echo(
            f"this device is not set up: open its page, here or elsewhere with the code {code}"
        )
    return setup


def print_addresses(addresses: list[str]) -> None:
    """Print where the page is."""
    click.echo(f"the page: {'   '.join(addresses)}   (Ctrl-C stops)")


def print_announced(addresses: list[str]) -> None:
    """Print where others find the page, in a terminal with a QR code for a phone's camera."""
    from catalog.core.terminal import code_for_terminal
    from edge.web.addresses import address_for_phones

    click.echo(f"others in this network open it at: {'   '.join(addresses)}")
    if sys.stdout and sys.stdout.isatty() and sys.stdout.encoding.lower() == "utf-8":
        address = address_for_phones(addresses)
        click.echo(f"{code_for_terminal(address)}{address}")
