"""Read the settings: one TOML file with sections, overridden by environment variables.

The file is ``--config``, else ``$VISUAL_SEARCH_CONFIG``, else ``/etc/visual-search.toml``.
``VISUAL_SEARCH_EDGE__PORT=8081`` overrides ``port`` of ``[edge]``. An unknown name is refused,
and the message names the most similar setting.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from catalog.core import durable
from catalog.core.errors import SettingsError, ShelfError

SYSTEM_FILE = Path("/etc/visual-search.toml")
PREFIX = "VISUAL_SEARCH_"
SECTIONS = ("device", "catalog", "edge", "outbox", "provisioning", "sync", "page")
OTHER_VARIABLES = ("VISUAL_SEARCH_CONFIG", "VISUAL_SEARCH_MATERIALS")

Settings = TypeVar("Settings", bound="Section")


def _check_user(path: Path) -> Path:
    try:
        path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path}: there is no such user") from error
    return path


UserPath = Annotated[Path, AfterValidator(_check_user)]  # may begin with ~ or ~user


class Section(BaseModel):
    """A section of the settings, which refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class DeviceSettings(Section):
    """``[device]``: where this device stores its data, and who it is for AWS."""

    data_dir: UserPath = (
        Path("/var/lib/visual-search")
        if os.geteuid() == 0
        else Path("~/.local/share/visual-search")
    )

    thing: str = ""  # AWS IoT thing name; the device id where empty
    certificate: UserPath | None = None  # X.509, PEM; for IoT Core and the credentials endpoint
    private_key: UserPath | None = None
    ca: UserPath | None = None  # Amazon's root CA; the system's where absent

    @property
    def folder(self) -> Path:
        """Return the data folder, ``~`` resolved."""
        return self.data_dir.expanduser()

    @property
    def shelf(self) -> Path:
        """Return the folder of the shelf."""
        return self.folder / "shelf"

    @property
    def state(self) -> Path:
        """Return the folder of the small state files."""
        return self.folder / "state"

    @property
    def shared(self) -> Path:
        """Return the folder of what was taught here; the appliance writes it, `sync` sends it."""
        return self.folder / "shared"


class CatalogSettings(Section):
    """``[catalog]``: how bundles are built and searched."""

    cache_dir: UserPath = Path("~/.cache/visual-search")
    engine: Literal[
        "auto", "onnxruntime", "openvino", "openvino:GPU", "opencv", "mxnet", "awscam"
    ] = "auto"
    device: Literal["CPU", "GPU"] = "CPU"  # of openvino
    read_text: bool = True  # what is printed on photos, at build, with the extra `text`
    cache_gb: Annotated[float, Field(gt=0)] = 20.0  # of the build cache, after each build

    @model_validator(mode="before")
    @classmethod
    def _engine_with_device(cls, values: Any) -> Any:
        """Append the device to the engine's name, so that the name says both."""
        if isinstance(values, dict) and values.get("device", "CPU") == "GPU":
            if values.get("engine", "auto") not in ("auto", "openvino"):
                raise ValueError("device GPU goes with engine openvino")
            return {**values, "engine": "openvino:GPU"}
        return values

    @property
    def cache(self) -> Path:
        """Return the folder of the build cache, ``~`` resolved."""
        return self.cache_dir.expanduser()

    @property
    def cache_bytes(self) -> int:
        """Return how many bytes the build cache may have."""
        return int(self.cache_gb * 1e9)


def load(section: str, model: type[Settings], config: Path | None = None) -> Settings:
    """Read one section.

    Raises:
        SettingsError: The file, a name or a value is wrong; the message says which and where.
    """
    file = config_file(config)
    values = dict(_read(file).get(section, {})) if file else {}
    origin = {key: f"{file}, [{section}] {key}" for key in values}
    for variable, key in _variables(section).items():
        values[key] = os.environ[variable]
        origin[key] = variable
    for key in values:
        if key not in model.model_fields:
            hint = _nearest(key, list(model.model_fields))
            raise SettingsError(f"{origin[key]}: no such setting{hint}")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else section
        reason = first["msg"].removeprefix("Value error, ")  # pydantic's words before ours
        raise SettingsError(f"{origin.get(key, section)}: {reason}") from error


def config_file(config: Path | None = None) -> Path | None:
    """Return the settings file to read, or None."""
    if config is not None:
        return config
    named = os.environ.get("VISUAL_SEARCH_CONFIG")
    if named:
        return Path(named)
    return SYSTEM_FILE if SYSTEM_FILE.exists() else None


def device_id(folder: Path, *, make: bool = True) -> str:
    """Return this device's id, a UUID that is made once and stored in the data folder.

    Args:
        folder: The data folder.
        make: Whether an id is made where there is none.

    Raises:
        ShelfError: The data folder cannot be used, or there is no id and none is made.
    """
    import uuid

    file = folder / "device-id"
    try:
        if not file.exists():
            if not make:
                raise ShelfError(f"{folder}: no device is set up here: run 'visual-search setup'")
            durable.make_private_folder(folder)
            durable.write(file, f"{uuid.uuid4()}\n".encode(), durable.PRIVATE)
        return file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ShelfError(f"{folder}: the data folder cannot be used: {error}") from error


def _read(file: Path) -> dict[str, Any]:
    try:
        content = read_toml(file.read_bytes().decode(), file)
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: not TOML: {error}") from error
    for name, values in content.items():
        if name not in SECTIONS:
            raise SettingsError(f"{file}: no section [{name}]{_nearest(name, list(SECTIONS))}")
        if not isinstance(values, dict):
            raise SettingsError(f"{file}: {name} must be a section, [{name}]")
    return content


def read_toml(text: str, file: Path) -> dict[str, Any]:
    """Read the text of a settings file.

    Raises:
        SettingsError: It is no TOML; says where in `file`, and how it is written.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: not TOML: {error}{_toml_hint(text, str(error))}") from error


def _toml_hint(text: str, reason: str) -> str:
    """Name the key on the line that `reason` names, and the usual mistake; no value is shown."""
    line = re.search(r"\(at line (\d+)", reason)
    key, equals, value = text.split("\n")[int(line[1]) - 1].partition("=") if line else ("", "", "")
    named = f"; look at {key.strip()}" if equals else ""
    if reason.startswith("Cannot overwrite a value"):
        return f"{named}: each key may stand once in its section"
    if reason.startswith("Invalid value"):
        if re.match(r"\s*(yes|no|on|off|true|false)\s*(#.*)?$", value, re.IGNORECASE):
            return f"{named}: write true or false"
        return f"{named}: text stands in quotation marks"
    return named


def _variables(section: str) -> dict[str, str]:
    """Return the keys of a section's environment variables; check those of all sections."""
    found = {}
    for variable in os.environ:
        if not variable.startswith(PREFIX) or variable in OTHER_VARIABLES:
            continue
        name, _, key = variable.removeprefix(PREFIX).lower().partition("__")
        if name not in SECTIONS or not key:
            known = [
                *OTHER_VARIABLES,
                *(f"{PREFIX}{known_section.upper()}__..." for known_section in SECTIONS),
            ]
            raise SettingsError(f"{variable}: no such setting{_nearest(variable, known)}")
        if name == section:
            found[variable] = key
    return found


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1, 0.5)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"
