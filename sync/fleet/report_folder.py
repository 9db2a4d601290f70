"""Read a fleet's devices from a folder: documents of shadows, results of a search, and reports.

What a file is, its content says: a shadow's document as ``aws iot-data get-thing-shadow`` writes it
(the file is named by the thing), things as ``aws iot search-index`` writes them, one event, or
lines of events as transport ``file`` writes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

from sync.errors import FleetError
from sync.fleet.devices import MAX_AHEAD, Device, Reported, device_of
from sync.fleet.index import named_shadow
from sync.outbox.kinds import PRIORITY

MAX_FILE_BYTES = 64_000_000  # of a file that is read as a whole
MAX_LINE_BYTES = 1_000_000


@dataclass(frozen=True)
class Problem:
    """A file, or a line of one, that cannot be used."""

    file: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.message}"


@dataclass(frozen=True, order=True)
class _When:
    """When something was said; a clock that is not trusted counts less than any that is."""

    is_trusted: bool
    at: datetime


UNKNOWN = _When(
    is_trusted=False, at=datetime.min.replace(tzinfo=UTC)
)  # of a report from the future


@dataclass
class _History:
    """What the events of one device say: of each field the newest value."""

    values: dict[str, tuple[_When, Any]] = field(default_factory=dict)
    latest: _When = UNKNOWN

    def add(self, when: _When, **values: Any) -> None:
        """Take values.

        Raises:
            ValidationError: One of them is damaged; none is taken.
        """
        Reported.model_validate(values)
        self.latest = max(self.latest, when)
        for name, value in values.items():
            if value is not None and (name not in self.values or self.values[name][0] <= when):
                self.values[name] = (when, value)

    @property
    def seen(self) -> datetime | None:
        """When the device said something last; None where that is not known."""
        return self.latest.at if self.latest != UNKNOWN else None


class ReportFolder:
    """Reads all files below a folder; one that is damaged is named and the others are read.

    Attributes:
        devices: By name.
        problems: What could not be used.
    """

    def __init__(self, folder: Path) -> None:
        self.devices: dict[str, Device] = {}
        self.problems: list[Problem] = []
        self._histories: dict[str, _History] = {}
        if not folder.is_dir():
            raise FleetError(f"{folder}: there is no such folder")
        files = sorted(file for file in folder.rglob("*.json*") if file.is_file())
        for file in files:
            name = str(file.relative_to(folder))
            try:
                if file.suffix == ".jsonl":
                    self._read_lines(file, name)
                elif file.suffix == ".json":
                    self._read_document(file)
            except (FleetError, ValidationError) as error:
                self.problems.append(Problem(name, _first(error)))
            except OSError as error:
                self.problems.append(Problem(name, f"cannot be read: {error.strerror}"))
        for device, history in self._histories.items():
            values = {name: value for name, (_, value) in history.values.items()}
            self._take(Device(device, Reported.model_validate(values), history.seen))

    def _read_document(self, file: Path) -> None:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise FleetError(f"larger than {MAX_FILE_BYTES // 1_000_000} MB")
        document = _parse(file.read_bytes())
        if isinstance(document, dict) and isinstance(document.get("things"), list):
            self._read_things(document["things"], file.name)
        elif isinstance(document, dict) and "kind" in document:
            self._read_event(document)
        elif isinstance(document, dict) and isinstance(document.get("state"), dict):
            self._take(device_of(file.stem, document))
        else:
            raise FleetError("neither a shadow's document nor a report")

    def _read_things(self, things: list[Any], name: str) -> None:
        for number, thing in enumerate(things):
            try:
                if not isinstance(thing, dict) or not isinstance(thing.get("thingName"), str):
                    raise FleetError("a thing without a thingName")
                shadow = named_shadow(thing)
                if shadow is not None:
                    self._take(device_of(thing["thingName"], shadow, thing.get("connectivity")))
            except FleetError as error:
                self.problems.append(Problem(f"{name}, thing {number + 1}", str(error)))

    def _read_lines(self, file: Path, name: str) -> None:
        with file.open("rb") as lines:
            for number, line in enumerate(_whole_lines(lines), 1):
                try:
                    if line is None:
                        raise FleetError(f"longer than {MAX_LINE_BYTES // 1_000_000} MB")
                    document = _parse(line)
                    payload = document.get("payload") if isinstance(document, dict) else None
                    if isinstance(payload, dict):  # the AWS sample's messages are texts
                        self._read_event(payload)
                    elif not isinstance(payload, str):
                        raise FleetError("not a report")
                except (FleetError, ValidationError) as error:
                    self.problems.append(Problem(f"{name}, line {number}", _first(error)))

    def _read_event(self, event: dict[str, Any]) -> None:
        """Take what an event says of its device."""
        kind = event.get("kind")
        if not isinstance(kind, str):
            raise FleetError("a report without a kind")
        if kind not in PRIORITY:
            return  # as of kind "doctor"
        device, at = event.get("device"), event.get("at")
        try:
            moment = datetime.fromisoformat(at) if isinstance(at, str) else None
        except ValueError:
            moment = None
        if not isinstance(device, str) or moment is None or moment.tzinfo is None:
            raise FleetError("a report without a device and a time")
        if moment > datetime.now(UTC) + MAX_AHEAD:
            when = UNKNOWN
        else:
            when = _When(event.get("clock_trusted") is not False, moment)
        history = self._histories.setdefault(device, _History())
        details = event.get("details") if isinstance(event.get("details"), dict) else {}
        assert isinstance(details, dict)
        match kind, event.get("what"):
            case "heartbeat", _:
                history.add(
                    when,
                    outbox=event.get("outbox_length"),
                    camera=event.get("camera"),
                    catalogue=event.get("bundle"),
                )
            case "status", "sync":
                history.add(
                    when,
                    outcome=details.get("outcome"),
                    message=event.get("message"),
                    channel=details.get("channel"),
                    release=details.get("release") or None,
                )
            case "status", "started":
                history.add(when, software=details.get("version"))
            case "status", "stopped":
                history.add(when, camera="stopped")
            case "status", ("camera_online" | "camera_offline") as what:
                history.add(when, camera=str(what).removeprefix("camera_"))
            case _:
                history.add(when)

    def _take(self, device: Device) -> None:
        """Keep what is newest of each device."""
        former = self.devices.get(device.name)
        if former is None or former.seen is None or (device.seen or former.seen) >= former.seen:
            self.devices[device.name] = device


def _whole_lines(file: BinaryIO) -> Iterator[bytes | None]:
    """Yield the lines of a file but one that is being written; None for one that is too long."""
    while line := file.readline(MAX_LINE_BYTES):
        is_long = len(line) == MAX_LINE_BYTES
        while line and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_BYTES)
        if not line:
            return
        yield None if is_long else line


def _parse(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise FleetError(f"no JSON: {error}") from error
    except RecursionError:
        raise FleetError("no JSON: too deep") from None


def _first(error: FleetError | ValidationError) -> str:
    if isinstance(error, FleetError):
        return str(error)
    found = error.errors()[0]
    return f"{'.'.join(str(part) for part in found['loc'])}: {found['msg']}"
