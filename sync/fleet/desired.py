"""What the fleet's owner wants of this device, and the file that keeps it without a network."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from catalog.core import durable
from sync.errors import FleetError
from sync.fleet.messages import one_sentence
from sync.trust.release import CHANNEL

FILE = "desired.json"  # in the state folder
PIN = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,79}")
MAX_QUOTED = 60  # characters of what is wrong, in a sentence

log = logging.getLogger(__name__)


class Desired(BaseModel):
    """What is wanted of a device.

    Attributes:
        pin: The catalogue to stay with: its release's number, its bundle's id or the beginning of
            that, as ``sync pin`` takes it; None to follow the channel.
        channel: The channel to follow; None for the one in the settings.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    pin: int | str | None = None  # as it was desired: a shadow tells 7 from "7"
    channel: str | None = None

    def pins(self, bundle: str, release: int | None) -> bool:
        """Whether a bundle, which may be a release, is the pinned one."""
        wanted = "" if self.pin is None else str(self.pin)
        if wanted.isdecimal():
            return release is not None and int(wanted) == release
        return bool(wanted) and bundle.startswith(wanted)

    @field_validator("pin", mode="before")
    @classmethod
    def _number_or_name(cls, value: Any) -> Any:
        fits = isinstance(value, int | str) and not isinstance(value, bool)
        if value is not None and not (fits and PIN.fullmatch(str(value))):
            raise ValueError("the number of a release, or the id of a bundle, is wanted")
        return value

    @field_validator("channel", mode="before")
    @classmethod
    def _channel_name(cls, value: Any) -> Any:
        if value is not None and not (isinstance(value, str) and CHANNEL.fullmatch(value)):
            raise ValueError("the name of a channel is wanted")
        return value


NOTHING = Desired()


def parse_desired(document: Any) -> Desired:
    """Read what a shadow's document desires; the whole is refused where a part is wrong.

    Raises:
        FleetError: It is wrong; says what, in a sentence.
    """
    if not isinstance(document, dict):
        raise FleetError("desired: an object is wanted")
    for name in document:
        if name not in Desired.model_fields:
            quoted = one_sentence(name, MAX_QUOTED)
            raise FleetError(f"desired.{quoted}: only pin and channel can be desired")
    try:
        return Desired.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        wanted = first["msg"].removeprefix("Value error, ")
        quoted = one_sentence(str(document[name]), MAX_QUOTED)
        raise FleetError(f"desired.{name}: {quoted}: {wanted}") from error


def read_desired(folder: Path) -> Desired | None:
    """Read what was desired last; None where that is not known, or the file cannot be read."""
    file = folder / FILE
    try:
        return Desired.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        log.error("%s: cannot be read; the shadow will say it again: %s", file, error)
        return None


def keep_desired(folder: Path, desired: Desired) -> bool:
    """Keep what is desired, so that it outlives a power cut; whether it is something new.

    Raises:
        OSError: The state folder cannot be written.
    """
    former = read_desired(folder)
    if former == desired:
        return False
    durable.make_private_folder(folder)
    durable.write(folder / FILE, desired.model_dump_json().encode() + b"\n", durable.PRIVATE)
    return (former or NOTHING) != desired
