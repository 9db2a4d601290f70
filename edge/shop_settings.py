"""The few settings that a shop changes on its page: read, checked, written and undone.

They stand in the settings file among all others. Comments and order of the file stay. The file is
replaced in one step, after the new one was read as the device reads it when it starts. How it was
before is kept in ``settings-before.json`` in the state folder, until the next change.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from catalog.core import durable
from catalog.core.errors import SettingsError, ShelfError
from catalog.core.locks import locked
from catalog.core.settings import PREFIX, SYSTEM_FILE, Section, config_file, load
from edge.cameras.choice import check_source
from edge.cameras.source_names import public_name
from edge.errors import CameraError

BEFORE, CANDIDATE, LOCK = "settings-before.json", "settings-candidate.toml", "settings.lock"
LONGEST = 500  # characters of a value
CAMERA = "edge.camera"
NEW_FILE = 0o640  # mode of a settings file that is made here

Value = str | float | bool
Values = Mapping[str, Value]  # by "section.name"


@dataclass(frozen=True)
class ShopSetting:
    """A setting as the page shows it.

    Attributes:
        name: Its section and name, as "page.name".
        value: What it will be when the device starts again.
        fixed_by: What decides it in place of the file; empty where the file does.
        least, most: The bounds of a number; None where it has none.
    """

    name: str
    value: Value
    fixed_by: str = ""
    least: float | None = None
    most: float | None = None


class _Before(BaseModel):
    """The file before the last change; None where there was none, and what it is since."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path
    content: str | None
    digest: str


class ShopSettings:
    """The settings that a shop changes. Any thread may use it.

    Args:
        config: The settings file that was named; None for the usual one.
        state_folder: Where the state before the last change is kept.
        models: The sections that hold the settings.
        names: The settings, as "page.name".
        fixed: What the command line decides, by the setting's name.
    """

    def __init__(
        self,
        config: Path | None,
        state_folder: Path,
        models: Mapping[str, type[Section]],
        names: tuple[str, ...],
        fixed: Mapping[str, str],
    ) -> None:
        self._config, self._folder = config, state_folder
        self._models, self._names, self._fixed = models, names, fixed
        self._at_start = self._values()

    def settings(self) -> list[ShopSetting]:
        """All of them, as they will be when the device starts again.

        Raises:
            SettingsError: The file cannot be read, or is wrong.
        """
        values = self._values()
        return [
            ShopSetting(name, _shown(name, values[name]), self._fixed_by(name), *self._bounds(name))
            for name in values
        ]

    @property
    def file(self) -> Path:
        """The settings file, which may not exist yet."""
        return (config_file(self._config) or SYSTEM_FILE).expanduser().resolve()

    @property
    def needs_restart(self) -> bool:
        """Whether the device runs with other values than the file has now."""
        return self._values() != self._at_start

    @property
    def can_undo(self) -> bool:
        """Whether the last change can be undone: the file is as that change left it."""
        before = self._before()
        return before is not None and _digest(self._content()) == before.digest

    def change(self, wanted: Mapping[str, object]) -> bool:
        """Write other values into the file.

        Args:
            wanted: The values, by the settings' names; others stay as they are.

        Returns:
            Whether the file was written; it is not where it has these values already.

        Raises:
            SettingsError: A name or a value is wrong, or the file cannot be written.
            ShelfError: The state folder cannot be written.
        """
        with self._changing():
            values = self._values()
            changes: dict[str, Value] = {}
            for name, value in wanted.items():
                if name not in values:
                    raise SettingsError(f"{name[:60]}: no such setting here")
                if value == _shown(name, values[name]):  # a hidden password stays, too
                    continue
                if reason := self._fixed_by(name):
                    raise SettingsError(f"{name}: {reason} decides it; change it there")
                changes[name] = _checked(name, value, values[name])
                if name == CAMERA:
                    _check_camera(str(changes[name]))
            if not changes:
                return False
            content = self._content()
            changed = _with_values(content or "", changes)
            self._check(changed)
            self._replace(content, changed)
            return True

    def undo(self) -> None:
        """Write the file as it was before the last change.

        Raises:
            SettingsError: Nothing can be undone, or the file cannot be written.
            ShelfError: The state folder cannot be written.
        """
        with self._changing():
            before, content = self._before(), self._content()
            if before is None or _digest(content) != before.digest:
                raise SettingsError("there is nothing to undo: the file was changed since")
            self._check(before.content or "")
            self._replace(content, before.content)

    def _values(self) -> dict[str, Value]:
        sections = {
            section: load(section, model, self._existing())
            for section, model in self._models.items()
        }
        values = {}
        for name in self._names:
            section, _, key = name.partition(".")
            values[name] = getattr(sections[section], key)
        return values

    def _existing(self) -> Path | None:
        return self.file if self.file.exists() else None

    def _bounds(self, name: str) -> tuple[float | None, float | None]:
        section, _, key = name.partition(".")
        found = self._models[section].model_fields[key].metadata  # as of Field(ge=..., le=...)
        least = next((bound.ge for bound in found if hasattr(bound, "ge")), None)
        most = next((bound.le for bound in found if hasattr(bound, "le")), None)
        return least, most

    def _fixed_by(self, name: str) -> str:
        section, _, key = name.partition(".")
        variable = f"{PREFIX}{section}__{key}".upper()
        known = {entry.upper(): entry for entry in os.environ}
        return self._fixed.get(name) or (
            f"the environment variable {known[variable]}" if variable in known else ""
        )

    def _content(self) -> str | None:
        """The file's text; None where there is no file."""
        try:
            return self.file.read_bytes().decode()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{self.file}: cannot be read: {error}") from error

    def _check(self, content: str) -> None:
        """Read a new file as the device would when it starts.

        Raises:
            SettingsError: The device would not start with it.
        """
        candidate = self._folder / CANDIDATE
        durable.write(candidate, content.encode(), durable.PRIVATE)
        try:
            for section, model in self._models.items():
                load(section, model, candidate)
        except SettingsError as error:
            raise SettingsError(str(error).replace(f"{candidate}, ", "")) from error
        finally:
            candidate.unlink(missing_ok=True)

    def _replace(self, content: str | None, changed: str | None) -> None:
        """Exchange the file, after how it was before is on the disk."""
        file, kept = self.file, self._folder / BEFORE
        earlier = kept.read_bytes() if kept.exists() else None
        before = _Before(file=file, content=content, digest=_digest(changed))
        durable.write(kept, before.model_dump_json().encode(), durable.PRIVATE)
        try:
            if changed is None:
                file.unlink(missing_ok=True)
                return
            former = file.stat() if content is not None else None
            mode = stat.S_IMODE(former.st_mode) if former is not None else NEW_FILE
            durable.write(file, changed.encode(), mode, former)
        except OSError as error:
            with suppress(OSError):  # the change before this one can still be undone
                if earlier is None:
                    kept.unlink()
                else:
                    durable.write(kept, earlier, durable.PRIVATE)
            raise SettingsError(
                f"{file}: this program may not write it ({error.strerror}); change it on the device"
            ) from error

    def _before(self) -> _Before | None:
        try:
            before = _Before.model_validate_json((self._folder / BEFORE).read_bytes())
        except (OSError, ValidationError):
            return None
        return before if before.file == self.file else None

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Let nobody else change the file meanwhile, in this process or another one."""
        try:
            durable.make_private_folder(self._folder)
            with locked(self._folder / LOCK, wait=True):
                yield
        except OSError as error:
            raise ShelfError(f"{self._folder}: cannot be written: {error.strerror}") from error


def _with_values(content: str, changes: Values) -> str:
    """A settings file with other values; comments and order stay.

    Raises:
        SettingsError: It is no TOML.
    """
    import tomlkit  # here, because settings are seldom changed
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(content)
        for name, value in changes.items():
            section, _, key = name.partition(".")
            if section not in document:
                document[section] = tomlkit.table()
            document[section][key] = value
        return tomlkit.dumps(document)
    except (TOMLKitError, TypeError) as error:
        raise SettingsError(f"the settings file cannot be changed: {error}") from error


def _checked(name: str, value: object, former: Value) -> Value:
    """A value of the former one's kind.

    Raises:
        SettingsError: It is of another kind, or a text that is no line.
    """
    if isinstance(former, bool) and isinstance(value, bool):
        return value
    if isinstance(former, float) and isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            return float(value)
    if isinstance(former, str) and isinstance(value, str):
        if len(value) <= LONGEST and (value.isprintable() or not value):
            return value.strip()
        raise SettingsError(f"{name}: a text has at most {LONGEST} characters in one line")
    raise SettingsError(f"{name}: {str(value)[:60]!r} is no value for it")


def _check_camera(source: str) -> None:
    """Refuse a camera that names nothing: staff would see it only after the restart.

    Raises:
        SettingsError: It is a folder or a file that is not there, or no source at all.
    """
    try:
        check_source(source)
    except CameraError as error:
        raise SettingsError(str(error)) from error


def _shown(name: str, value: Value) -> Value:
    """A value as a person may see it: a camera's address without its password."""
    return public_name(value) if name == CAMERA and isinstance(value, str) else value


def _digest(content: str | None) -> str:
    return "" if content is None else hashlib.sha256(content.encode()).hexdigest()
