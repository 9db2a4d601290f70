"""Set a device up from checked answers, and seal it for cloning."""

from __future__ import annotations

import os
import shutil
from fnmatch import fnmatchcase
from pathlib import Path

from catalog.bundles.shelf import Shelf
from catalog.core import durable
from catalog.core.errors import ContentError, ShelfError
from catalog.core.settings import DeviceSettings, device_id
from edge.setup.answers import Answers
from edge.web.staff.pin import StaffPin
from sync.settings import ProvisioningSettings

KIOSK_FILE = "kiosk.env"  # beside the settings; the kiosk's unit reads it
OWN_FOLDER = "visual-search"  # the name of a settings' folder in which all is this program's
KEPT_BY_CLONES = ("shelf", "software", "trust", "lost+found")  # of the data folder
# What in the data folder is one device's own. All else may be its owner's: photos, or a catalogue.
OWN_PARTS = (
    "device-id identity state tls doctor label.html demo root.json "
    "outbox.* outbox-*.db outbox-*.db-* reports shared sharing-key.pem "
    "first-catalogue.bundle .*.lock .*.building .*.????????"
).split()


def apply(answers: Answers, settings_file: Path, bundle: Path | None = None) -> str:
    """Do what the answers say; returns the id of the device.

    The catalogue and the PIN come first, so that nothing is changed where they cannot be used.
    It may be done again.

    Args:
        answers: The answers.
        settings_file: Where the settings are kept.
        bundle: The catalogue to begin with; None for none.

    Raises:
        ContentError: A file would take the place of one that is not this program's, or a symbolic
            link is in the place of the state.
        VisualSearchError: The catalogue or the PIN cannot be used, or a folder cannot be written.
    """
    device, folder = answers.device, settings_file.parent
    written = _named_files(answers, folder)
    refuse_links(device.state, device.folder)
    if bundle is not None:
        Shelf(device.shelf).activate(bundle)
    if answers.setup.pin:
        StaffPin(device.state).set(answers.setup.pin, replace=True)
    if is_own(folder):
        written[folder / KIOSK_FILE] = f"PAGE={answers.edge.own_page}\n".encode()
    written[settings_file] = answers.settings.encode()
    try:
        durable.make_private_folder(folder)
        for path, content in written.items():
            write_for_owner(path, content)
    except OSError as error:
        raise ShelfError(f"{folder}: cannot be written: {error}") from error
    identity = device_id(device.folder)
    give_to_owner(device.folder)
    return identity


def is_own(folder: Path) -> bool:
    """Whether all in a folder of settings is this program's, as it is not in ``/etc`` itself."""
    return folder.resolve().name == OWN_FOLDER


def _named_files(answers: Answers, folder: Path) -> dict[Path, bytes]:
    """The files that the settings name, by where they go; checks what is there already."""
    found = {}
    for name, source in answers.files.items():
        path = folder / name
        try:
            found[path] = source.read_bytes()
            if not is_own(folder) and os.path.lexists(path) and path.read_bytes() != found[path]:
                raise ContentError(
                    f"{path} is there already, and may not be visual-search's; give the file on "
                    "the stick another name, there and in the settings"
                )
        except OSError as error:
            raise ShelfError(f"{error.filename}: cannot be read: {error.strerror}") from error
    return found


def refuse_links(path: Path, data: Path) -> None:
    """Refuse a link at `path`, and between it and the data folder where it lies in that.

    Raises:
        ContentError: There is one; the device's own user could point it at any file of the system.
    """
    for part in (path, *path.parents) if path.is_relative_to(data) else (path,):
        if part == data:
            break
        if part.is_symlink():
            raise ContentError(f"{part} is a symbolic link; put what it points to in its place")


def write_for_owner(path: Path, content: bytes) -> None:
    """Write a private file, and give it to the owner of its folder."""
    durable.write(path, content, durable.PRIVATE)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def give_to_owner(folder: Path) -> None:
    """Give what root wrote in a data folder to the folder's owner; all else stays whose it is."""
    if os.geteuid() != 0 or not folder.exists():
        return
    # By descriptors, the first one too: no link leads out of it, and none takes its place.
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        owner = os.stat(top)
        if owner.st_uid == 0:
            return
        for _, folders, names, opened in os.fwalk(".", dir_fd=top):
            for name in [*folders, *names]:
                if os.stat(name, dir_fd=opened, follow_symlinks=False).st_uid == 0:
                    os.chown(name, owner.st_uid, owner.st_gid, dir_fd=opened, follow_symlinks=False)
    finally:
        os.close(top)


def check_sealable(device: DeviceSettings, provisioning: ProvisioningSettings) -> None:
    """Check that a device can be sealed; nothing is changed.

    Raises:
        ContentError: The settings name a certificate, a thing or a serial number, which every
            clone would share, or a claim that is gone, or the data folder is not this program's,
            or holds what is not.
        ShelfError: The data folder cannot be read.
    """
    for value, key in (
        (device.thing, "[device] thing"),
        (device.certificate, "[device] certificate"),
        (device.private_key, "[device] private_key"),
        (provisioning.serial, "[provisioning] serial"),
    ):
        if value:
            raise ContentError(
                f"{key} is set, and every clone would have the same; take it out of the "
                "settings, and set it on each device"
            )
    for file in (provisioning.certificate, provisioning.private_key):
        if provisioning.template and file is not None and not file.expanduser().exists():
            raise ContentError(
                f"{file}: the claim is gone, with which each clone would get a certificate; bring "
                "it back, and set [provisioning] erase_claim on the clones alone"
            )
    folder = device.folder
    if _own_parts(device) and not ((folder / "device-id").is_file() or device.shelf.is_dir()):
        raise ContentError(
            f"{folder} holds neither a device-id nor a shelf, so it may not be "
            "visual-search's, and nothing is removed; look at [device] data_dir"
        )
    others = [path.name for path in _own_parts(device) if not _is_own_part(path)]
    if others:
        raise ContentError(
            f"{folder} also holds {', '.join(others)}, which visual-search does not know, and "
            "nothing is removed; move that to another folder, or remove it"
        )


def _own_parts(device: DeviceSettings) -> list[Path]:
    """What in the data folder is one device's own."""
    try:
        found = sorted(device.folder.iterdir()) if device.folder.exists() else []
    except OSError as error:
        raise ShelfError(f"{device.folder}: cannot be read: {error}") from error
    return [path for path in found if path.name not in KEPT_BY_CLONES]


def _is_own_part(path: Path) -> bool:
    return any(fnmatchcase(path.name, pattern) for pattern in OWN_PARTS)


def seal(device: DeviceSettings, provisioning: ProvisioningSettings | None = None) -> list[str]:
    """Remove all that makes this device itself, so that its disk may be cloned.

    The settings and the catalogues stay; each clone makes an identity when it first starts.

    Returns:
        What was removed, relative to the data folder.

    Raises:
        ContentError: `check_sealable` refuses.
        ShelfError: The data folder cannot be written.
    """
    check_sealable(device, provisioning or ProvisioningSettings())
    removed = []
    try:
        for path in _own_parts(device):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            removed.append(path.name)
    except OSError as error:
        raise ShelfError(f"{device.folder}: cannot be written: {error}") from error
    return removed
