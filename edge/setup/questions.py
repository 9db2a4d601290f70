"""Ask for all that a device is set up from; each question offers what holds now."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click
import tomlkit
from tomlkit import TOMLDocument

from edge.cameras.listing import list_cameras
from edge.cameras.source_names import public_name
from edge.settings import EdgeSettings
from edge.setup.catalogue_question import Table, ask_for_catalogue
from edge.setup.checked_answers import file_there, hidden_pin, source_of_camera, valid
from edge.web.languages import LANGUAGES
from edge.web.page_settings import PageSettings
from edge.web.staff.pin import new_pin

REPORTS = ("none", "file", "mqtt", "mqtt-by-claim")
SIMULATED_CAMERA = "simulated:6"
FIRST_CAMERA = str(EdgeSettings.model_fields["camera"].default)


@dataclass(frozen=True)
class Present:
    """What a device has before the questions, so that Enter keeps it.

    Attributes:
        document: Its settings; empty where there are none.
        has_pin: Whether it has a PIN that can stay.
        has_catalogue: Whether a catalogue is active on it.
        has_screen: Whether its own screen shows the page, or was to do so.
        missing: The packages that its screen needs and that are not installed.
    """

    document: TOMLDocument
    has_pin: bool
    has_catalogue: bool
    has_screen: bool
    missing: tuple[str, ...]


def ask(present: Present) -> tuple[str, Path]:
    """Ask for everything; the text of a file to set up from, and the folder of its catalogue."""
    document = present.document
    setup, edge, page = (_table(document, name) for name in ("setup", "edge", "page"))
    edge["camera"] = _camera(str(edge.get("camera", "")))
    former = EdgeSettings.model_validate(dict(edge)).network_name if edge.get("lan") else "shop"
    edge["lan"] = click.confirm(
        "May phones and computers in the local network open the page?", bool(edge.get("lan"))
    )
    if edge["lan"]:
        question = "Name in the network, as in http://NAME.local:8080/"
        edge["name"] = click.prompt(question, former, value_proc=valid(EdgeSettings, "name"))
    name = page.get("name", "")
    page["name"] = click.prompt(
        "The shop's name on the page",
        name,
        show_default=bool(name),
        value_proc=valid(PageSettings, "name"),
    )
    languages = ["browser", *LANGUAGES]
    language = click.prompt(
        "The page's language", page.get("language") or "browser", type=click.Choice(languages)
    )
    page["language"] = "" if language == "browser" else language
    _screen(setup, edge, present)
    made_up = _pin(setup, has_pin=present.has_pin)
    sync = _table(document, "sync")
    folder = ask_for_catalogue(setup, sync, edge, has_one=present.has_catalogue)
    _reports(document, folder)
    if made_up:
        click.echo(f"the staff's PIN is {made_up}; it is shown only here")
    return tomlkit.dumps(document), folder


def _table(document: TOMLDocument, name: str) -> Table:
    table: Table = document.setdefault(name, tomlkit.table())
    return table


def _camera(now: str) -> str:
    """Ask which camera; the stable name of one of this machine's, or an address."""
    found = list_cameras()
    sources = [
        f"/dev/v4l/by-id/{camera.stable_name}" if camera.stable_name else camera.path
        for camera in found
    ]
    offered = public_name(now)  # passwords are not shown
    for number, camera in enumerate(found, 1):
        modes = ", ".join(str(mode) for mode in camera.modes[:3]) or camera.problem
        click.echo(f"  {number}  {camera.name} ({camera.path}; {modes})")
        if now in (camera.path, sources[number - 1]):
            offered = str(number)
    others = "an rtsp:// or http:// address, a video file, or a folder of pictures"
    if found:
        question = f"Which camera? A number of this list, {others}"
    else:
        click.echo(
            f"no camera is connected to this machine now; the first one that is plugged in later "
            f"will be {FIRST_CAMERA}. {SIMULATED_CAMERA} draws the goods of the demonstration"
        )
        question = f"Which camera? {FIRST_CAMERA}, {others}"

    def checked(answer: str) -> str:
        if now and answer == offered:
            return now
        if answer.isdigit() and 1 <= int(answer) <= len(found):
            return sources[int(answer) - 1]
        return source_of_camera(answer)

    chosen: str = click.prompt(
        question, offered or ("1" if found else FIRST_CAMERA), value_proc=checked
    )
    return chosen


def _screen(setup: Table, edge: Table, present: Present) -> None:
    if present.missing:
        click.echo(
            f"the device's own screen needs Debian packages that are not installed: "
            f"{', '.join(present.missing)}. It can be switched on later, too: run 'sudo apt-get "
            f"install {' '.join(present.missing)}' and 'sudo visual-search setup', and answer y "
            "here; Enter keeps all other answers"
        )
    setup["screen"] = click.confirm(
        "Show the page on this device's own screen?", present.has_screen
    )
    if present.has_screen and not setup["screen"]:
        edge.pop("kiosk", None)


def _pin(setup: Table, *, has_pin: bool) -> str:
    """Ask for the staff's PIN; the one that was made up, empty where none was."""
    empty = "empty keeps the one that is set" if has_pin else "empty for one that is made up"
    pin = hidden_pin(f"The staff's PIN; {empty}")
    made_up = "" if pin or has_pin else new_pin()
    setup["pin"] = pin or made_up
    return made_up


def _reports(document: TOMLDocument, folder: Path) -> None:
    """Ask where reports go; files of a claim are named as they lie from `folder`."""
    outbox = _table(document, "outbox")
    now = str(outbox.get("transport", "none"))
    if now == "mqtt" and document.get("provisioning", {}).get("template"):
        now = "mqtt-by-claim"
    choices = click.Choice(list(dict.fromkeys((*REPORTS, now))))
    reports = click.prompt("Where do reports go?", now, type=choices)
    outbox["transport"] = "mqtt" if reports.startswith("mqtt") else reports
    if reports.startswith("mqtt"):
        outbox["endpoint"] = click.prompt("The broker's address", outbox.get("endpoint"))
    if reports == now:
        return
    if reports == "mqtt-by-claim":
        _claim(document, folder)
    else:
        document.pop("provisioning", None)


def _claim(document: TOMLDocument, folder: Path) -> None:
    """Ask for what a device is provisioned with."""
    device, provisioning = _table(document, "device"), _table(document, "provisioning")
    provisioning["template"] = click.prompt("The provisioning template's name", "visual-search")
    for table, key, question in (
        (provisioning, "certificate", "The claim certificate's file"),
        (provisioning, "private_key", "The claim's private key"),
        (device, "ca", "Amazon's root certificate"),
    ):
        table[key] = os.path.relpath(file_there(question), folder)
