"""Ask where the catalogue of a device comes from."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import click

from catalog.core.errors import VisualSearchError
from edge.settings import EdgeSettings
from edge.setup import services
from edge.setup.checked_answers import address_of_store, file_there, place_of_catalogue
from edge.setup.first_catalogue import (
    DEMONSTRATION,
    beside_install,
    current_folder,
    install_folders,
)
from edge.setup.owner_code_reading import code_before
from sync.owner_code import KEYS, NEEDED

CATALOGUES = ("stick", "code", "address", DEMONSTRATION, "none")
REPLACED = {  # keys of [sync], by the way that was chosen
    "stick": ("root", *NEEDED),
    "code": ("root", *KEYS),
    DEMONSTRATION: ("root", *NEEDED),
    "none": ("root", *NEEDED),
}

Table = MutableMapping[str, Any]


def ask_for_catalogue(setup: Table, sync: Table, edge: Table, *, has_one: bool) -> Path:
    """Ask where the catalogue comes from; the folder in which named files lie.

    Args:
        setup, sync: These sections, into which the answer goes.
        edge: The section of the camera by which a code is read.
        has_one: Whether a catalogue is active.
    """
    folder = current_folder()
    found = beside_install({folder, *install_folders()})
    source = str(sync.get("source", ""))
    kept = "the one that is there stays" if has_one else "it goes on coming from its address"
    keeps = has_one or bool(source)
    click.echo(
        f"The catalogue: {f'keep, and {kept}; ' if keeps else ''}from a stick or this disk, where "
        "it lies, or photos or a table to build it of; from where its owner's QR code says, held "
        "before the camera; from an address; the demonstration, which is of drawn goods, to try "
        "this device without photos of your own; or none yet."
    )
    kind, code = _way(
        ["keep", *CATALOGUES] if keeps else [*CATALOGUES],
        "keep" if keeps else "stick" if len(found) == 1 else "none",
        edge,
    )
    for key in REPLACED.get(kind, ()):
        sync.pop(key, None)
    sync.update(code)
    if kind == "stick":
        place = place_of_catalogue(found[0] if len(found) == 1 else None)
        folder, setup["catalogue"] = place.parent, f"./{place.name}"
    elif kind == DEMONSTRATION:
        setup["catalogue"] = DEMONSTRATION
    elif kind == "address":
        question = "Its address, s3://BUCKET/PREFIX or file:///FOLDER"
        sync["source"] = click.prompt(question, source or None, value_proc=address_of_store)
        if sync.pop("root_sha256", "") and sync["source"] != source:  # all of that code goes
            for key in KEYS[len(NEEDED) :]:
                sync.pop(key, None)
        known = sync.get("root")
        root = file_there("The owner's root.json", known)
        if str(root) != known:  # what the settings name already is not copied as root
            folder, sync["root"] = root.parent, root.name
    return folder


def _way(choices: list[str], default: str, edge: Table) -> tuple[str, dict[str, str]]:
    """Ask for one of the ways to a catalogue, and what the owner's code says where it is that."""
    while True:
        kind: str = click.prompt(
            "Where does the catalogue come from?", default, type=click.Choice(choices)
        )
        code = _code(edge) if kind == "code" else {}
        if code or kind != "code":
            return kind, code


def _code(edge: Table) -> dict[str, str]:
    """Let the owner's code be held before the camera; none where it was not read."""
    settings = EdgeSettings.model_validate(dict(edge))
    click.echo("Hold the owner's QR code before the camera. That takes a minute at most.")
    try:
        with services.paused():
            code = code_before(settings.camera, settings.camera_settings(), click.echo)
    except VisualSearchError as error:
        click.echo(f"no code was read: {error}")
        return {}
    click.echo(f"read: catalogues come from {code['source']}")
    return code
