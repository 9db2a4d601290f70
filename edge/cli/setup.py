"""``visual-search setup``: set this device up, by questions or from one file on a stick."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import click
import tomlkit
from tomlkit.items import Table

from catalog.core import durable
from catalog.core.errors import ContentError, SettingsError, SurroundingsError, VisualSearchError
from catalog.core.findings import show
from catalog.core.settings import SYSTEM_FILE, DeviceSettings, config_file, device_id, load
from edge.cameras.listing import list_cameras
from edge.cli.doctor import examine
from edge.settings import EdgeSettings
from edge.setup import services
from edge.setup.answers import Answers, answers_of, read_answers
from edge.setup.apply import apply, check_sealable, give_to_owner, label, seal
from edge.setup.first_catalogue import (
    beside_install,
    bundle_of,
    check_place,
    install_folders,
    is_install_folder,
)
from edge.web.languages import LANGUAGES
from edge.web.own_address import code_for_terminal
from edge.web.page_settings import PageSettings
from edge.web.staff.pin import StaffPin, new_pin
from sync.cli.device import has_work
from sync.settings import ProvisioningSettings

NAME = "visual-search.toml"
CATALOGUES = ("stick", "address", "none")
REPORTS = ("none", "file", "mqtt", "mqtt-by-claim")


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
    builds one. It checks the device, starts its services, and prints its label.
    It may be run again at any time. Run it as root where the package is installed.

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
        file = file / NAME if file.is_dir() else file
        answers, folder = read_answers(file, target.parent), file.parent
    else:
        text, folder = _ask(keeps_pin=_has_pin(config))
        answers = answers_of(text, folder / NAME, target.parent)
    _check_catalogue(answers, folder / NAME)
    managed, missing = services.present(), services.missing_for_screen()
    data = answers.device.folder
    with bundle_of(answers.catalogue, data, answers.settings) as bundle, services.stopped():
        identity = apply(answers, target, bundle)
        with suppress(click.exceptions.Exit):  # a finding stops nothing: it says what to mend
            show(examine(target), as_json=False)
        give_to_owner(data)
        if managed:
            services.start(link=has_work(target), screen=answers.setup.screen and not missing)
    if answers.setup.screen and missing:
        click.echo(
            f"the screen stays dark: run 'apt-get install {' '.join(missing)}', and this again"
        )
    if managed and (problem := services.page_answers(answers.edge.port)):
        raise SurroundingsError(f"the page does not answer: {problem}; see 'visual-search report'")
    _label(answers.device, answers.edge, answers.page, identity, file)


def _check_catalogue(answers: Answers, file: Path) -> None:
    if answers.catalogue is not None:
        try:
            check_place(answers.catalogue)
        except ContentError as error:
            raise SettingsError(f"{file}, [setup] catalogue: {error}") from error


def _seal(config: Path | None) -> None:
    device = load("device", DeviceSettings, config)
    provisioning = load("provisioning", ProvisioningSettings, config)
    check_sealable(device, provisioning)
    with services.stopped():
        removed = seal(device, provisioning)
    click.echo(f"removed: {', '.join(removed) or 'nothing, it had no identity'}")
    click.echo("next: shut this device down and clone its disk; each clone makes its own identity")


def _has_pin(config: Path | None) -> bool:
    """Whether the device has a PIN that can stay."""
    try:
        return bool(StaffPin(load("device", DeviceSettings, config).state).mark)
    except VisualSearchError:
        return False


def _ask(*, keeps_pin: bool) -> tuple[str, Path]:
    """Ask for everything; the text of a file to set up from, and the folder of its catalogue."""
    document = tomlkit.document()
    setup, edge, page = tomlkit.table(), tomlkit.table(), tomlkit.table()
    sync, outbox = tomlkit.table(), tomlkit.table()
    edge["camera"] = _camera()
    edge["lan"] = click.confirm("May phones and computers in the local network open the page?")
    if edge["lan"]:
        edge["name"] = click.prompt("Name in the network, as in http://NAME.local:8080/", "shop")
    page["name"] = click.prompt("The shop's name on the page", "", show_default=False)
    languages = ["browser", *LANGUAGES]
    language = click.prompt("The page's language", "browser", type=click.Choice(languages))
    page["language"] = "" if language == "browser" else language
    setup["screen"] = click.confirm("Show the page on this device's own screen?")
    empty = "empty keeps the one that is set" if keeps_pin else "empty for one that is made up"
    pin = click.prompt(f"The staff's PIN; {empty}", "", show_default=False)
    made_up = "" if pin or keeps_pin else new_pin()
    setup["pin"] = pin or made_up
    folder = Path.cwd()
    found = beside_install({Path.cwd(), *install_folders()})
    click.echo(
        "The catalogue: from a stick or this disk, where it lies, or photos or a table to build it "
        "of; from an address; or none yet."
    )
    kind = click.prompt(
        "Where does the catalogue come from?",
        "stick" if len(found) == 1 else "none",
        type=click.Choice(CATALOGUES),
    )
    if kind == "stick":
        place = _catalogue(found[0] if len(found) == 1 else None)
        folder, setup["catalogue"] = place.parent, place.name
    elif kind == "address":
        sync["source"] = click.prompt("Its address, s3://BUCKET/PREFIX or file:///FOLDER")
        root = Path(click.prompt("The owner's root.json")).expanduser().absolute()
        folder, sync["root"] = root.parent, root.name
    reports = click.prompt("Where do reports go?", "none", type=click.Choice(REPORTS))
    outbox["transport"] = reports.partition("-")[0]
    tables = {"setup": setup, "edge": edge, "page": page, "sync": sync, "outbox": outbox}
    if reports.startswith("mqtt"):
        outbox["endpoint"] = click.prompt("The broker's address")
    if reports == "mqtt-by-claim":
        tables |= _claim(folder)
    for name, table in tables.items():
        document[name] = table
    if made_up:
        click.echo(f"the staff's PIN is {made_up}; it is shown only here")
    return tomlkit.dumps(document), folder


def _catalogue(offered: Path | None) -> Path:
    """Ask for a bundle, or for what one is built from, until one is named that can be used."""

    def checked(answer: str) -> Path:
        place = Path(answer).expanduser().absolute()
        try:
            check_place(place)
        except ContentError as error:
            raise click.UsageError(str(error)) from error
        return place

    question = "Which? A catalogue's folder, a folder of photos, or a table"
    place: Path = click.prompt(question, offered and str(offered), value_proc=checked)
    return place


def _claim(folder: Path) -> dict[str, Table]:
    """Ask for what a device is provisioned with; files are named as they lie from `folder`."""
    device, provisioning = tomlkit.table(), tomlkit.table()
    provisioning["template"] = click.prompt("The provisioning template's name", "visual-search")
    for table, key, question in (
        (provisioning, "certificate", "The claim certificate's file"),
        (provisioning, "private_key", "The claim's private key"),
        (device, "ca", "Amazon's root certificate"),
    ):
        file = Path(click.prompt(question)).expanduser().absolute()
        table[key] = os.path.relpath(file, folder)
    return {"device": device, "provisioning": provisioning}


def _camera() -> str:
    """Ask which camera; the stable name of one of this machine's, or an address."""
    found = list_cameras()
    for number, camera in enumerate(found, 1):
        modes = ", ".join(str(mode) for mode in camera.modes[:3]) or camera.problem
        click.echo(f"  {number}  {camera.name} ({camera.path}; {modes})")
    answer: str = click.prompt(
        "Which camera? A number of this list, an rtsp:// or http:// address, a video file, or a "
        "folder of pictures",
        "1" if found else None,
    )
    if answer.isdigit() and 1 <= int(answer) <= len(found):
        camera = found[int(answer) - 1]
        return f"/dev/v4l/by-id/{camera.stable_name}" if camera.stable_name else camera.path
    path = Path(answer).expanduser()
    return str(path.absolute()) if path.exists() else answer  # services run elsewhere


def _label(
    device: DeviceSettings, edge: EdgeSettings, page: PageSettings, identity: str, file: Path | None
) -> None:
    """Print the label, and keep it beside the file, beside `install`, or in the data folder."""
    scheme = "https" if edge.tls else "http"
    host = f"{edge.network_name}.local" if edge.lan else "localhost"
    address = f"{scheme}://{host}:{edge.port}{edge.prefix}/"
    name = page.name or edge.network_name
    text = label(name, identity, [address])
    folders = [Path.cwd()] if is_install_folder(Path.cwd()) else []
    if file is not None:
        folders = [file if file.is_dir() else file.parent]
    kept = ""
    for folder in [*folders, device.folder]:
        try:
            durable.write(folder / "label.html", text.encode())  # follows no link
        except OSError:  # a stick may be read-only
            continue
        kept = f"; to print: {folder / 'label.html'}"
        break
    give_to_owner(device.folder)
    if edge.lan:
        with suppress(VisualSearchError, UnicodeEncodeError):
            click.echo(code_for_terminal(address))
    click.echo(f"{name}   {address}   {identity}{kept}")
    if not edge.lan:
        click.echo(
            "the label has no QR code, because only this device itself opens its page; after "
            "[edge] lan = true, 'visual-search setup --label' makes one with a code"
        )
