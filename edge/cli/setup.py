"""``visual-search setup``: set this device up, by questions or from one file on a stick."""

from __future__ import annotations

import shlex
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click
import tomlkit
from rich.console import Console

from catalog.bundles.shelf import Shelf
from catalog.core import durable
from catalog.core.errors import ContentError, SettingsError, SurroundingsError, VisualSearchError
from catalog.core.findings import show
from catalog.core.settings import SYSTEM_FILE, DeviceSettings, config_file, device_id, load
from catalog.core.terminal import code_for_terminal
from edge.cli.doctor import examine
from edge.settings import EdgeSettings
from edge.setup import services
from edge.setup.answers import Answers, answers_of, read_answers, settings_there
from edge.setup.apply import apply, check_sealable, give_to_owner, seal
from edge.setup.first_catalogue import (
    DEMONSTRATION,
    DRAWN,
    bundle_of,
    check_whole,
    current_folder,
    is_install_folder,
)
from edge.setup.first_check import first_check
from edge.setup.label import Label
from edge.setup.questions import Present, ask
from edge.web.page_settings import PageSettings
from edge.web.staff.pin import StaffPin, checked_pin
from sync.catalogues.progress import show_progress
from sync.cli.device import has_work
from sync.settings import ProvisioningSettings, SyncSettings

NAME = "visual-search.toml"


@click.command()
@click.option(
    "--from",
    "file",
    type=click.Path(path_type=Path),
    help=f"Ask nothing: a file, or a folder or stick with a {NAME}.",
)
@click.option(
    "--seal", "sealing", is_flag=True, help="Remove this device's identity, to clone its disk."
)
@click.option(
    "--label", "printing", is_flag=True, help="Print the label of a device that is set up again."
)
@click.pass_obj
def setup(config: Path | None, file: Path | None, *, sealing: bool, printing: bool) -> None:
    """Set this device up: camera, names, PIN, catalogue, reports and screen.

    It asks, or takes a file that says it all (docs/install.md). Files that it names lie beside it,
    and so does the catalogue: a bundle, or a folder of photos or a table, of which the device then
    builds one. Without photos of one's own there is the demonstration, whose goods the device
    draws. It checks the device, starts its services, and prints its label. It may be run again at
    any time: each question offers what holds now, and Enter keeps it. Run it as root where the
    package is installed.

    \b
    Examples:
      sudo visual-search setup
      sudo visual-search setup --from /media/stick
      sudo visual-search setup --label
      sudo visual-search setup --seal
    """
    if sealing:
        _seal(config)
        return
    target = config_file(config) or SYSTEM_FILE
    if printing:
        device = load("device", DeviceSettings, config)
        edge, page = load("edge", EdgeSettings, config), load("page", PageSettings, config)
        _label(device, edge, page, device_id(device.folder, make=False), file)
        return
    if file is not None:
        file = _file_in(file)
        answers = read_answers(file, target.parent)
        _check(answers, file)
        again = f"visual-search setup --from {shlex.quote(str(file.absolute()))}"
    else:  # each answer was checked where it was given
        text, folder = ask(_present(target, config))
        answers, again = answers_of(text, folder / NAME, target.parent), "visual-search setup"
    managed, missing = services.present(), services.missing_for_screen()
    data = answers.device.folder
    with bundle_of(answers.catalogue, data, answers.settings) as bundle, services.stopped():
        identity = apply(answers, target, bundle)
        findings = examine(target)
        with suppress(click.exceptions.Exit):  # a finding stops nothing: it says what to mend
            show(findings, as_json=False)
        give_to_owner(data)
        started = datetime.now(UTC)
        if managed:
            services.start(link=has_work(target), screen=answers.setup.screen and not missing)
    if answers.setup.screen and missing:
        click.echo(
            f"the screen stays dark: run 'sudo apt-get install {' '.join(missing)}' and then "
            f"'sudo {again}' again"
        )
    if managed and (problem := services.page_answers(answers.edge.own_page)):
        raise SurroundingsError(f"the page does not answer: {problem}; see 'visual-search report'")
    _label(answers.device, answers.edge, answers.page, identity, file)
    if answers.catalogue == DEMONSTRATION:
        click.echo(
            f"this catalogue is the demonstration; {_what_to_show(answers)}. When you have photos "
            "of your own, run 'sudo visual-search setup' again, and answer stick where it asks for "
            "the catalogue: yours takes its place"
        )
    source = load("sync", SyncSettings, target).source
    if source and answers.catalogue is None:
        _tell_of_first_check(source, answers.device.state, started, managed=managed)
    for finding in findings:  # once more, as the last word
        if finding.state == "wrong":
            click.echo(f"still wrong, {finding.subject}: {finding.message}")


def _tell_of_first_check(source: str, state: Path, started: datetime, *, managed: bool) -> None:
    """Say where catalogues come from and, where a service fetches them, wait for the first one."""
    click.echo(f"catalogues come from {source}")
    later = "'visual-search sync status' says whether the newest one is here"
    if not managed:
        click.echo(later)
        return
    click.echo("looking for the newest one; Ctrl-C does not stop the device from that")
    try:
        with show_progress(Console(stderr=True)) as progress:
            checked = first_check(state, started, progress)
    except KeyboardInterrupt:  # what is still wrong is said all the same
        click.echo(later)
        return
    if checked is None:
        click.echo(f"nothing more was heard of it; {later}")
    elif checked.failed:
        click.echo(f"it did not come: {checked.message}; the device tries again by itself")
    else:
        click.echo(checked.message)


def _file_in(place: Path) -> Path:
    """The file to set up from: itself, or the one in a folder.

    Raises:
        SettingsError: The folder has none, and it says where one is, or what else to do; or it
            cannot be read.
    """
    try:
        if not place.is_dir() or (place / NAME).is_file():
            return place / NAME if place.is_dir() else place
        below = [folder for folder in sorted(place.glob("*/")) if (folder / NAME).is_file()]
    except OSError as error:
        raise SettingsError(f"{place}: cannot be read: {error.strerror}") from error
    way = f"name the folder {below[0]}, which has one" if below else (
        "run 'sudo visual-search setup' without --from, which asks for everything, or put one "
        "there, as docs/install.md shows it"
    )  # fmt: skip
    raise SettingsError(f"{place}: no file {NAME} is in it; {way}")


def _check(answers: Answers, file: Path) -> None:
    """Check PIN and catalogue, before a catalogue is built for minutes."""
    if answers.setup.pin:
        try:
            checked_pin(answers.setup.pin)
        except ContentError as error:
            raise SettingsError(f"{file}, [setup] pin: {error}") from error
    if isinstance(answers.catalogue, Path):
        try:
            check_whole(answers.catalogue)
        except ContentError as error:
            raise SettingsError(f"{file}, [setup] catalogue: {error}") from error


def _what_to_show(answers: Answers) -> str:
    """What a camera can see of the demonstration."""
    if answers.edge.camera.startswith("simulated"):
        return "the simulated camera shows its goods by itself"
    return f"show the camera the pictures of its goods in {answers.device.folder / DRAWN}"


def _seal(config: Path | None) -> None:
    device = load("device", DeviceSettings, config)
    provisioning = load("provisioning", ProvisioningSettings, config)
    check_sealable(device, provisioning)
    with services.stopped():
        removed = seal(device, provisioning)
    click.echo(f"removed: {', '.join(removed) or 'nothing, it had no identity'}")
    click.echo("next: shut this device down and clone its disk; each clone makes its own identity")


def _present(target: Path, config: Path | None) -> Present:
    """What the device has, so that the questions can offer it."""
    document = tomlkit.document()
    try:
        document = settings_there(target)
    except SettingsError as error:
        click.echo(
            f"of the settings that are there nothing is kept, as they are wrong: {error}; Ctrl-C "
            "leaves them as they are, to be mended first"
        )
    missing = tuple(services.missing_for_screen()) if services.present() else ()
    # Where the service of the screen can run and does not, `kiosk` is for a browser of one's own.
    may_wait = bool(missing) or not services.present()
    has_screen = services.shows_screen() or (
        may_wait and bool(document.get("edge", {}).get("kiosk"))
    )
    has_pin = has_catalogue = False
    with suppress(VisualSearchError):
        device = load("device", DeviceSettings, config)
        has_pin = bool(StaffPin(device.state).mark)
        has_catalogue = Shelf(device.shelf).active() is not None
    return Present(document, has_pin, has_catalogue, has_screen, missing)


def _label(
    device: DeviceSettings, edge: EdgeSettings, page: PageSettings, identity: str, file: Path | None
) -> None:
    """Print the label, and keep it beside the file, beside `install`, or in the data folder."""
    label = Label.of(edge, page, identity)
    here = current_folder()
    folders = [here] if is_install_folder(here) else []
    if file is not None:
        folders = [file if file.is_dir() else file.parent]
    kept = ""
    for folder in [*folders, device.folder]:
        try:
            durable.write(folder / "label.html", label.page().encode())  # follows no link
        except OSError:  # a stick may be read-only
            continue
        kept = f"; to print: {folder / 'label.html'}"
        break
    give_to_owner(device.folder)
    if edge.lan:
        with suppress(VisualSearchError, UnicodeEncodeError):
            click.echo(code_for_terminal(label.address))
    click.echo(f"{label.name}   {label.address}   {identity}{kept}")
    if not edge.lan:
        click.echo(
            "the label has no address and no QR code, because only this device itself opens its "
            "page; after [edge] lan = true, 'visual-search setup --label' makes one with both"
        )
