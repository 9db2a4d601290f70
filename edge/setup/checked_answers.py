"""Take an answer only where it can be used; else it is asked for again, with the reason."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click
from pydantic import ValidationError

from catalog.core.errors import ContentError, SettingsError
from catalog.core.settings import Section
from edge.cameras.choice import check_source
from edge.errors import CameraError
from edge.setup.first_catalogue import check_whole
from edge.web.staff.pin import checked_pin
from sync.stores.choice import check_address


def valid(model: type[Section], key: str) -> Callable[[str], str]:
    """What takes an answer where the settings would, and has it asked for again where not."""

    def checked(answer: str) -> str:
        try:
            return str(getattr(model.model_validate({key: answer}), key))
        except ValidationError as error:
            reason = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise click.UsageError(reason) from error

    return checked


def file_there(question: str, default: str | None = None) -> Path:
    """Ask for a file, until one is named that is there."""

    def checked(answer: str) -> Path:
        file = Path(answer).expanduser().absolute()
        if not file.is_file():
            raise click.UsageError(f"there is no file {file}")
        return file

    file: Path = click.prompt(question, default, value_proc=checked)
    return file


def source_of_camera(answer: str) -> str:
    """Take a camera that is there, or that may only be unplugged or switched off."""
    path = Path(answer).expanduser()
    source = str(path.absolute()) if path.exists() else answer  # services run elsewhere
    try:
        check_source(source)
    except CameraError as error:
        raise click.UsageError(str(error)) from error
    return source


def address_of_store(answer: str) -> str:
    """Take the address of a store with catalogues."""
    try:
        check_address(answer)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    return answer


def pin_or_nothing(answer: str) -> str:
    """Take a new PIN, or an empty answer."""
    try:
        return answer and checked_pin(answer)
    except ContentError as error:
        raise click.UsageError(str(error)) from error


def hidden_pin(question: str) -> str:
    """Ask for a new PIN, or an empty answer: in a terminal unseen, and twice.

    By `click.prompt` alone nobody would be told why a PIN is refused that is typed unseen.
    """
    if not _is_terminal():
        pin: str = click.prompt(question, "", show_default=False, value_proc=pin_or_nothing)
        return pin
    while True:
        pin = click.prompt(f"{question}; it is not shown", "", show_default=False, hide_input=True)
        try:
            pin = pin_or_nothing(pin)
            again = pin and pin_or_nothing(
                click.prompt("The same PIN again", "", show_default=False, hide_input=True)
            )
        except click.UsageError as error:
            click.echo(f"Error: {error}")
            continue
        if again == pin:
            return pin
        click.echo("Error: these two PINs differ; type the PIN again, and then once more")


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def place_of_catalogue(offered: Path | None) -> Path:
    """Ask for a bundle, or for what one is built from, until one is named that can be used."""

    def checked(answer: str) -> Path:
        place = Path(answer).expanduser().absolute()
        try:
            check_whole(place)
        except ContentError as error:
            raise click.UsageError(str(error)) from error
        return place

    question = "Which? A catalogue's folder, a folder of photos, or a table"
    place: Path = click.prompt(question, offered and str(offered), value_proc=checked)
    return place
