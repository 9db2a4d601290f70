"""The signed list of what a device shares.

::

    shared/<device>/listing.json     the list, signed by the device
    shared/<device>/files/<sha256>   the files that it names, each stored once

A device has a key of its own for that. It cannot sign a catalogue with it: what it shares becomes
part of one only when the owner builds and signs it.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from catalog.core import durable
from catalog.core.errors import ShelfError
from catalog.core.settings import DeviceSettings, device_id
from sync.errors import ForgedListingError
from sync.identity import identity_of

SHARED, LISTING, FILES = "shared", "listing.json", "files"
KEY_FILE = "sharing-key.pem"
TABLE = "items.csv"
PHOTO = re.compile(r"photos/[0-9a-f]{64}\.jpg")
DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_-]{0,127}")
MOST_FILES, LARGEST_FILE, LARGEST_LISTING = 5001, 16_000_000, 4_000_000  # bytes
MOST_BYTES = 2_000_000_000  # of a device


def _check_name(name: str) -> str:
    if name != TABLE and not PHOTO.fullmatch(name):
        raise ValueError(f"{name[:80]!r} is no name of a shared file")
    return name


class SharedFile(BaseModel):
    """A shared file's digest and size in bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(ge=0, le=LARGEST_FILE)


class Listing(BaseModel):
    """What a device shares: its files by their names in the export."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    device: str = Field(pattern=f"^{DEVICE.pattern}$")
    files: dict[Annotated[str, AfterValidator(_check_name)], SharedFile] = Field(
        max_length=MOST_FILES
    )


class SignedListing(BaseModel):
    """A list with the key and the signature of its device; both in hexadecimal digits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    signed: Listing
    key: str = Field(pattern="^[0-9a-f]{64}$")
    signature: str = Field(pattern="^[0-9a-f]{128}$")


def list_folder(folder: Path, device: str) -> Listing | None:
    """List an exported folder; None where nothing is in it.

    Raises:
        ShelfError: It cannot be read.
    """
    try:
        if not (folder / TABLE).exists():
            return None
        photos = sorted(f"photos/{file.name}" for file in (folder / "photos").glob("*"))
        names = [TABLE, *filter(PHOTO.fullmatch, photos)]  # no file that is being written
        files = {name: _described(folder / name) for name in names[:MOST_FILES]}
    except OSError as error:
        raise ShelfError(f"{folder}: cannot be read: {error.strerror}") from error
    return Listing(device=device, files=files)


def sign(listing: Listing, key: Ed25519PrivateKey) -> bytes:
    """Sign a list; returns the content of `LISTING`."""
    public = key.public_key().public_bytes_raw().hex()
    signature = key.sign(_canonical(listing)).hex()
    signed = SignedListing(signed=listing, key=public, signature=signature)
    return signed.model_dump_json().encode()


def verify(content: bytes, device: str) -> tuple[Listing, str]:
    """Return a list that its device signed, and the key, in hexadecimal digits.

    Raises:
        ForgedListingError: It is none, or its signature does not hold.
    """
    try:
        found = SignedListing.model_validate_json(content)
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(found.key))
        key.verify(bytes.fromhex(found.signature), _canonical(found.signed))
    except (ValidationError, ValueError, InvalidSignature) as error:
        raise ForgedListingError(
            f"{device}: its list of shared files is not signed by it"
        ) from error
    if sum(file.bytes for file in found.signed.files.values()) > MOST_BYTES:
        raise ForgedListingError(f"{device}: shares more than {MOST_BYTES / 1e9:g} GB")
    if found.signed.device != device:
        raise ForgedListingError(f"{device}: holds the list of {found.signed.device}")
    return found.signed, found.key


def device_key(folder: Path) -> Ed25519PrivateKey:
    """This device's key, which is made once and kept in the data folder.

    Raises:
        ShelfError: It cannot be read or written.
    """
    file = folder / KEY_FILE
    try:
        if not file.exists():
            key = Ed25519PrivateKey.generate()
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            durable.make_private_folder(folder)
            durable.write(file, pem, durable.PRIVATE)
        loaded = load_pem_private_key(file.read_bytes(), None)
    except (OSError, ValueError) as error:
        raise ShelfError(f"{file}: cannot be used: {error}") from error
    if not isinstance(loaded, Ed25519PrivateKey):
        raise ShelfError(f"{file}: is no key of this device's")
    return loaded


def device_name(device: DeviceSettings) -> str:
    """The name under which a device shares: its thing's name where that can be one, else its id."""
    thing = identity_of(device).thing
    return thing if DEVICE.fullmatch(thing) else device_id(device.folder)


def place(device: str, name: str) -> str:
    """Where an object of a device lies in the store."""
    return str(PurePosixPath(SHARED, device, name))


def _described(file: Path) -> SharedFile:
    content = file.read_bytes()
    return SharedFile(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def _canonical(listing: Listing) -> bytes:
    return json.dumps(listing.model_dump(), sort_keys=True, separators=(",", ":")).encode()
