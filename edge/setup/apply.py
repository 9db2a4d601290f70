"""Set a device up from checked answers, seal it for cloning, and make its label."""

from __future__ import annotations

import html
import os
import shutil
from pathlib import Path

import segno

from catalog.bundles.shelf import Shelf
from catalog.core import durable
from catalog.core.errors import ContentError, ShelfError
from catalog.core.settings import DeviceSettings, device_id
from edge.setup.answers import Answers
from edge.web.staff.pin import StaffPin

KIOSK_FILE = "kiosk.env"  # beside the settings; the kiosk's unit reads it
KEPT_BY_CLONES = ("shelf", "software", "trust")  # of the data folder; all else is one device's own


def apply(answers: Answers, settings_file: Path) -> str:
    """Do what the answers say; returns the id of the device.

    The catalogue and the PIN come first, so that nothing is changed where they cannot be used.
    It may be done again.

    Raises:
        VisualSearchError: The catalogue or the PIN cannot be used, or a folder cannot be written.
    """
    device = answers.device
    if answers.bundle is not None:
        Shelf(device.shelf).activate(answers.bundle)
    if answers.setup.pin:
        StaffPin(device.state).set(answers.setup.pin, replace=True)
    folder = settings_file.parent
    try:
        durable.make_private_folder(folder)
        for name, source in answers.files.items():
            durable.write(folder / name, source.read_bytes(), durable.PRIVATE)
        page = f"http://localhost:{answers.edge.port}{answers.edge.prefix}/"
        durable.write(folder / KIOSK_FILE, f"PAGE={page}\n".encode(), durable.PRIVATE)
        durable.write(settings_file, answers.settings.encode(), durable.PRIVATE)
    except OSError as error:
        raise ShelfError(f"{folder}: cannot be written: {error}") from error
    identity = device_id(device.folder)
    give_to_owner(device.folder)
    give_to_owner(folder)
    return identity


def give_to_owner(folder: Path) -> None:
    """Give everything in a folder to the folder's owner; only root can, and only root need."""
    if os.geteuid() != 0 or not folder.exists():
        return
    owner = folder.stat()
    for root, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            os.chown(Path(root, name), owner.st_uid, owner.st_gid, follow_symlinks=False)


def seal(device: DeviceSettings) -> list[str]:
    """Remove all that makes this device itself, so that its disk may be cloned.

    The settings and the catalogues stay; each clone makes an identity when it first starts.

    Returns:
        What was removed, relative to the data folder.

    Raises:
        ContentError: The settings name a certificate or a thing, which every clone would share.
        ShelfError: The data folder cannot be written.
    """
    for value, key in (
        (device.thing, "thing"),
        (device.certificate, "certificate"),
        (device.private_key, "private_key"),
    ):
        if value:
            raise ContentError(
                f"[device] {key} is set, and every clone would have the same; take it out of the "
                "settings, and set it on each device"
            )
    removed = []
    try:
        for path in sorted(device.folder.iterdir()) if device.folder.exists() else []:
            if path.name in KEPT_BY_CLONES:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            removed.append(path.name)
    except OSError as error:
        raise ShelfError(f"{device.folder}: cannot be written: {error}") from error
    return removed


def label(name: str, identity: str, addresses: list[str]) -> str:
    """A page to print and stick onto the device: its name, addresses, QR code and id."""
    address = addresses[0] if addresses else ""
    code = segno.make_qr(address).svg_inline(scale=4) if address else ""
    lines = "".join(f"<p>{html.escape(text)}</p>" for text in addresses)
    return (
        '<!doctype html><meta charset="utf-8"><title>Label</title>'
        "<style>body{font:14pt sans-serif;width:8cm;margin:1cm}p{margin:.2em 0}"
        "small{font-size:7pt;color:#444}</style>"
        f"<h1>{html.escape(name)}</h1>{code}{lines}<small>{html.escape(identity)}</small>\n"
    )
