"""Who this device is for AWS IoT: as the settings say, or as it was provisioned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from catalog.core.settings import DeviceSettings, device_id

FOLDER = "identity"  # in the data folder
CURRENT = "current"  # in that: a link to the folder of the identity that is in use
CERTIFICATE, PRIVATE_KEY, DESCRIPTION = "device.pem", "device.key", "identity.json"


class Provisioned(BaseModel):
    """What AWS IoT made of this device.

    Attributes:
        thing: The thing's name.
        serial: The serial number that this device named.
        certificate_id: AWS IoT's name of the certificate.
        former: Of the certificate before it; empty for the first.
    """

    model_config = ConfigDict(frozen=True)

    thing: str
    serial: str
    certificate_id: str
    former: str = ""


@dataclass(frozen=True)
class Identity:
    """The name of this device, and the files that prove it.

    Attributes:
        thing: The IoT thing's name; the device's id where it has no other.
        certificate, private_key: PEM files; None where there are none.
    """

    thing: str
    certificate: Path | None = None
    private_key: Path | None = None


def identity_of(device: DeviceSettings) -> Identity:
    """The identity of this device; certificates in the settings go before provisioned ones.

    Raises:
        ShelfError: The data folder cannot be used.
    """
    folder = (device.folder / FOLDER / CURRENT).resolve()  # once: it may be exchanged meanwhile
    by_hand = device.certificate is not None or device.private_key is not None
    if not by_hand and (provisioned := read_provisioned(folder)) is not None:
        return Identity(provisioned.thing, folder / CERTIFICATE, folder / PRIVATE_KEY)
    return Identity(
        device.thing or device_id(device.folder),
        device.certificate.expanduser() if device.certificate else None,
        device.private_key.expanduser() if device.private_key else None,
    )


def read_provisioned(folder: Path) -> Provisioned | None:
    """Read the description of an identity in its folder; None where there is none."""
    try:
        return Provisioned.model_validate_json((folder / DESCRIPTION).read_bytes())
    except (OSError, ValidationError):
        return None
