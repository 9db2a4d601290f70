"""One archive of what makes this device itself, to put onto a new one.

Inside it are the settings, the device's id, the staff's PIN as a hash, what staff taught, what the
device learned, and public keys. The catalogue comes again from where it came; private keys stay
where they are, and are named when the archive is restored. Of a settings' folder that is not this
program's own, as ``/etc``, only the settings are read and written. Root reads and writes through no
symbolic link, because the device's own user could make one to any file.
"""

from __future__ import annotations

import io
import json
import os
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from catalog.core import durable
from catalog.core.errors import ContentError, ShelfError
from catalog.core.settings import DeviceSettings
from edge.setup.apply import give_to_owner, is_own, refuse_links, write_for_owner
from edge.upkeep.archive import new_archive

FORMAT, ABOUT = 1, "backup.json"
LARGEST = 4 << 30  # bytes of one file in an archive
STATE = ("staff-pin", "foreign-share.json", "judgements.db")
ROOT = "data/trust/root.json"
PRIVATE_KEY = b"PRIVATE KEY-----"


@dataclass(frozen=True)
class Restored:
    """What was put back.

    Attributes:
        files: The names of what was put back.
        left: Of what was not, because the folder of the settings is not this program's own.
        missing: The private keys that the settings name and that are not here.
        screen: Whether the own screen of the device that was backed up showed the page; None where
            an earlier version, which did not note that, made the archive.
    """

    files: tuple[str, ...]
    left: tuple[str, ...]
    missing: tuple[str, ...]
    screen: bool | None = None


def back_up(
    device: DeviceSettings, settings_file: Path, archive: Path, *, screen: bool = False
) -> list[str]:
    """Write the archive, which only its owner can read; returns the names of what is in it.

    The device may run meanwhile: databases are copied as they are at one moment.

    Args:
        device: The device's section.
        settings_file: Where its settings are.
        archive: The file to write, which must not be there.
        screen: Whether the device's own screen shows the page, which the archive notes.

    Raises:
        ContentError: The archive is there already, or a symbolic link is where a file should be.
        ShelfError: A file cannot be read, or the archive cannot be written.
    """
    names: list[str] = []
    try:
        with new_archive(archive) as target:
            try:
                with tarfile.open(fileobj=target, mode="w:gz") as out:
                    about = {"format": FORMAT, "made": int(time.time()), "screen": screen}
                    _add(out, ABOUT, json.dumps(about).encode())
                    for name, content in _content(device, settings_file):
                        _add(out, name, content)
                        names.append(name)
                target.flush()
            except BaseException:
                archive.unlink()  # half an archive must not be taken for a backup
                raise
    except OSError as error:
        raise ShelfError(f"{error.filename or archive}: {error.strerror}") from error
    return names


def restore(device: DeviceSettings, settings_file: Path, archive: Path) -> Restored:
    """Put back what `back_up` wrote, in place of what is here.

    Raises:
        ContentError: It is no such archive, or holds what no backup holds, or a symbolic link is
            where a file belongs; nothing was written.
        ShelfError: A folder cannot be written.
    """
    found = dict(_read(archive))
    screen = json.loads(found.pop(ABOUT)).get("screen")
    places = {name: _place(name, device.folder, settings_file) for name in found}
    left = [] if is_own(settings_file.parent) else _beside_settings(places, settings_file)
    for name in left:
        del found[name]
    for name, path in places.items():
        if name in found:  # the newest root is itself a link, which is replaced and not followed
            refuse_links(path.parent if name == ROOT else path, device.folder)
    try:
        for name, content in found.items():
            durable.make_private_folder(places[name].parent)
            for ending in ("-wal", "-shm"):  # of the database that is replaced
                places[name].with_name(places[name].name + ending).unlink(missing_ok=True)
            write_for_owner(places[name], content)
    except OSError as error:
        raise ShelfError(f"{error.filename}: cannot be written: {error.strerror}") from error
    give_to_owner(device.folder)
    return Restored(tuple(found), tuple(left), tuple(_missing(settings_file)), screen)


def _content(device: DeviceSettings, settings_file: Path) -> Iterator[tuple[str, bytes]]:
    """Everything that is backed up: its name in the archive, and its bytes."""
    if settings_file.exists():
        yield "settings/visual-search.toml", _bytes(settings_file, device.folder)
        for file in sorted(settings_file.parent.iterdir()) if is_own(settings_file.parent) else []:
            if file == settings_file or not file.is_file():
                continue
            content = _bytes(file, device.folder)
            if PRIVATE_KEY not in content:
                yield f"settings/{file.name}", content
    if (device.folder / "device-id").exists():
        yield "data/device-id", _bytes(device.folder / "device-id", device.folder)
    for path in [device.state / name for name in STATE] + _files(device.state / "taught"):
        if path.is_file():
            name = path.relative_to(device.folder).as_posix()
            yield f"data/{name}", _bytes(path, device.folder)
    if (root := device.folder / "trust" / "root.json").exists():
        newest = root.parent / "root_history" / root.readlink().name if root.is_symlink() else root
        yield ROOT, _bytes(newest, device.folder)


def _files(folder: Path) -> list[Path]:
    ending = ("-wal", "-shm", ".lock")
    return sorted(path for path in folder.rglob("*") if not path.name.endswith(ending))


def _beside_settings(places: dict[str, Path], settings_file: Path) -> list[str]:
    """The names of what an archive puts beside the settings."""
    return [
        name
        for name, path in places.items()
        if PurePosixPath(name).parts[0] == "settings" and path != settings_file
    ]


def _bytes(path: Path, data: Path) -> bytes:
    """The content of a file; of a database, as it is at this moment."""
    refuse_links(path, data)
    if path.suffix != ".db":
        with open(path, "rb", opener=_without_link) as file:
            return file.read()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, path.name)
        source, target = sqlite3.connect(path), sqlite3.connect(copy)
        try:
            source.backup(target)
        except sqlite3.Error as error:
            raise ShelfError(f"{path}: cannot be read: {error}") from error
        finally:
            target.close()
            source.close()
        return copy.read_bytes()


def _without_link(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NOFOLLOW)


def _add(out: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(content), 0o600, int(time.time())
    out.addfile(entry, io.BytesIO(content))


def _read(archive: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(archive, "r:gz") as source:
            entries = source.getmembers()
            if not entries or entries[0].name != ABOUT:
                raise ContentError(f"{archive}: is no backup of a device")
            for entry in entries:
                content = source.extractfile(entry) if entry.isreg() else None
                if content is None or entry.size > LARGEST:
                    raise ContentError(f"{archive}: {entry.name} is in no backup of a device")
                read = content.read()
                if entry.name == ABOUT and json.loads(read).get("format") != FORMAT:
                    raise ContentError(f"{archive}: was made by a newer version")
                yield entry.name, read
    except FileNotFoundError as error:
        raise ContentError(f"{archive}: there is no such file") from error
    except (OSError, EOFError, tarfile.TarError, ValueError) as error:
        raise ContentError(f"{archive}: is no backup of a device: {error}") from error


def _place(name: str, data: Path, settings_file: Path) -> Path:
    """Where a file of the archive belongs on this device."""
    kind, *parts = PurePosixPath(name).parts
    safe = bool(parts) and not name.startswith("/") and ".." not in parts
    if safe and kind == "settings" and len(parts) == 1:
        is_settings = parts[0] == "visual-search.toml"
        return settings_file if is_settings else settings_file.parent / parts[0]
    if (
        safe
        and kind == "data"
        and (
            parts in (["device-id"], ["trust", "root.json"])
            or (parts[0] == "state" and (parts[1:2] == ["taught"] or "/".join(parts[1:]) in STATE))
        )
    ):
        return data.joinpath(*parts)
    raise ContentError(f"{name} is in no backup of a device")


def _missing(settings_file: Path) -> Iterator[str]:
    """The private keys that the settings name and that are not on this device."""
    import tomllib

    settings = tomllib.loads(settings_file.read_text()) if settings_file.exists() else {}
    for section, key in (("device", "private_key"), ("edge", "key")):
        named = settings.get(section, {}).get(key)
        if named and not os.path.exists(os.path.expanduser(named)):
            yield f"[{section}] {key}: {named}"
