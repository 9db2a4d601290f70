"""What a device is set up from: one file, ``visual-search.toml``, that may lie on a stick.

It holds the settings, and a section ``[setup]`` for what is no setting. Files that it names
without a folder lie beside it, and are copied to the device.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import tomlkit
from pydantic import ValidationError
from tomlkit import TOMLDocument
from tomlkit.exceptions import TOMLKitError

from catalog.core.errors import SettingsError
from catalog.core.settings import CatalogSettings, DeviceSettings, Section, load, read_toml
from edge.settings import EdgeSettings
from edge.setup.first_catalogue import DEMONSTRATION, Origin
from edge.web.page_settings import PageSettings
from sync.settings import OutboxSettings, ProvisioningSettings, SyncSettings

DEFAULT_DATA = str(DeviceSettings.model_fields["data_dir"].default)  # of who runs the setup
FILES = (  # the settings that name a file
    ("device", "certificate"),
    ("device", "private_key"),
    ("device", "ca"),
    ("edge", "certificate"),
    ("edge", "key"),
    ("page", "logo"),
    ("provisioning", "certificate"),
    ("provisioning", "private_key"),
    ("sync", "root"),
)


class SetupSection(Section):
    """``[setup]``: what is done once.

    Attributes:
        pin: The staff's PIN; empty to leave it as it is.
        catalogue: What the first catalogue is, or is built from, beside the file: a bundle, a
            folder of photos, or a table; or `DEMONSTRATION`; empty for none.
        screen: Whether the device's own screen shows the page.
    """

    pin: str = ""
    catalogue: str = ""
    screen: bool = False


@dataclass(frozen=True)
class Answers:
    """All that a device is set up from, checked.

    Attributes:
        setup: ``[setup]``.
        settings: The text of the settings file.
        files: The files to copy: where each lies, by its name on the device.
        folder: Where the file lay.
        device, edge, page: These sections.
    """

    setup: SetupSection
    settings: str
    files: dict[str, Path]
    folder: Path
    device: DeviceSettings
    edge: EdgeSettings
    page: PageSettings

    @property
    def catalogue(self) -> Origin | None:
        """The bundle to begin with, or what one is built from; None for none."""
        if self.setup.catalogue == DEMONSTRATION:
            return DEMONSTRATION
        return self.folder / self.setup.catalogue if self.setup.catalogue else None


def read_answers(file: Path, target: Path) -> Answers:
    """Read and check a file to set up from; nothing is written.

    Args:
        file: The file.
        target: The folder on the device to which files are copied that it names.

    Raises:
        SettingsError: It cannot be read, a name or value is wrong, or a file is missing.
    """
    try:
        content = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: not TOML: {error}") from error
    return answers_of(content, file, target)


def settings_there(file: Path) -> TOMLDocument:
    """The settings that a device has, to ask what changes; without a file, no settings.

    Raises:
        SettingsError: They cannot be read, or a name or value is wrong.
    """
    try:
        text = file.read_text(encoding="utf-8")
        read_toml(text, file)
        document = tomlkit.parse(text)
    except FileNotFoundError:
        return tomlkit.document()
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, TOMLKitError) as error:
        raise SettingsError(f"{file}: not TOML: {error}") from error
    _checked(SetupSection(), tomlkit.dumps(document), {}, file)
    for section, key in FILES:  # named from there, there or not: else another folder's were taken
        value = document.get(section, {}).get(key)
        if _is_beside(value):
            document[section][key] = str((file.parent / value).absolute())
    return document


def answers_of(content: str, file: Path, target: Path) -> Answers:
    """Check the text of such a file, as `read_answers` does.

    Raises:
        SettingsError: A name or value is wrong, or a file is missing.
    """
    read_toml(content, file)
    try:
        document: dict[str, Any] = tomlkit.parse(content)
    except TOMLKitError as error:
        raise SettingsError(f"{file}: not TOML: {error}") from error
    setup = _setup(document.pop("setup", {}), file)
    document.setdefault("device", tomlkit.table()).setdefault("data_dir", DEFAULT_DATA)
    if setup.screen:
        document.setdefault("edge", tomlkit.table()).setdefault("kiosk", True)
    files = _files(document, file, target)
    return _checked(setup, tomlkit.dumps(document), files, file)


def _setup(values: object, file: Path) -> SetupSection:
    try:
        return SetupSection.model_validate(tomlkit.item(values).unwrap())
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{file}, [setup] {key}: {first['msg']}") from error


def _is_beside(value: object) -> TypeGuard[str]:
    """Whether a setting names a file from the folder of the settings."""
    return isinstance(value, str) and bool(value) and not Path(value).expanduser().is_absolute()


def _files(document: dict[str, Any], file: Path, target: Path) -> dict[str, Path]:
    """The files that the settings name beside `file`; each setting then names its copy."""
    found: dict[str, Path] = {}
    for section, key in FILES:
        value = document.get(section, {}).get(key)
        if not _is_beside(value):
            continue
        source, name = file.parent / value, Path(value).name
        if not source.is_file():
            raise SettingsError(f"{file}, [{section}] {key}: there is no file {source}")
        if found.setdefault(name, source) != source:
            raise SettingsError(f"{file}, [{section}] {key}: two files are called {name}")
        document[section][key] = str(target / name)
    return found


def _checked(setup: SetupSection, text: str, files: dict[str, Path], file: Path) -> Answers:
    """The answers, once each section was read from `text` as the device will read it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "visual-search.toml")
        copy.write_text(text, encoding="utf-8")
        try:
            load("catalog", CatalogSettings, copy)
            load("outbox", OutboxSettings, copy)
            load("provisioning", ProvisioningSettings, copy)
            load("sync", SyncSettings, copy)
            device = load("device", DeviceSettings, copy)
            edge = load("edge", EdgeSettings, copy)
            page = load("page", PageSettings, copy)
        except SettingsError as error:
            raise SettingsError(str(error).replace(str(copy), str(file))) from error
    if setup.screen and not edge.own_page.startswith("http://localhost:"):
        raise SettingsError(
            f"{file}, [edge] host: at {edge.host} the device's own screen does not find its page; "
            "leave host out, and set lan = true for others in the network"
        )
    return Answers(setup, text, files, file.parent, device, edge, page)
