"""The devices of a fleet, as the owner sees them: what each last said, the worst first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from catalog.core.state import GOOD
from sync.errors import FleetError
from sync.fleet.messages import one_sentence

SILENT_AFTER = timedelta(hours=24)
MAX_AHEAD = timedelta(minutes=5)  # of our clock: a later time is wrong
MANY_EVENTS = 1000  # that wait: more than an ordinary link leaves

Text = Field(default=None, max_length=2000)


class Reported(BaseModel):
    """What a device reports; see `sync.fleet.device_state`. Other fields are ignored."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)

    catalogue: str | None = Text
    release: int | None = None
    newest: int | None = None
    channel: str | None = Text
    pin: str | None = Text
    software: str | None = Text
    outcome: str | None = Text
    message: str | None = Text
    checked_at: AwareDatetime | None = None
    outbox: int | None = None
    camera: str | None = Text
    refused: str | None = Text


@dataclass(frozen=True)
class Device:
    """One device.

    Attributes:
        name: Its thing's name, or its id.
        reported: What it last said.
        seen: When it said that; None where that is not known.
        connected: Whether it is connected now; None where that is not known.
        unmet: What is desired and not, or not so, reported: names and values.
    """

    name: str
    reported: Reported
    seen: datetime | None = None
    connected: bool | None = None
    unmet: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Judged:
    """A device and what is wrong with it.

    Attributes:
        device: The device.
        behind: Releases between its catalogue and its channel's newest; None where that is not
            known.
        troubles: What is wrong, the worst first, a few words each.
    """

    device: Device
    behind: int | None
    troubles: tuple[str, ...]


def device_of(name: str, shadow: Any, connectivity: Any = None) -> Device:
    """Read a shadow's document: as AWS IoT's index has it, or as ``get-thing-shadow`` writes it.

    Raises:
        FleetError: It is no such document.
    """
    state = shadow.get("state", shadow) if isinstance(shadow, dict) else None
    if not isinstance(state, dict):
        raise FleetError("not the document of a shadow")
    try:
        reported = Reported.model_validate(state.get("reported") or {})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise FleetError(f"reported.{where}: {first['msg']}") from error
    desired = state.get("desired") or {}
    if not isinstance(desired, dict):
        raise FleetError("desired: not an object")
    known = reported.model_dump()
    nested = dict.fromkeys(
        (name for name in desired if isinstance(desired[name], dict | list)), "…"
    )
    unmet = {
        name: value
        for name, value in {**desired, **nested}.items()
        if str(value) != str(known.get(name))
    }
    connected = connectivity.get("connected") if isinstance(connectivity, dict) else None
    if not isinstance(connected, bool):
        connected = None
    return Device(name, reported, _seen(shadow, connectivity), connected, unmet)


def newest_releases(devices: Iterable[Device]) -> dict[str, int]:
    """The newest release of each channel that any of the devices has or knows of."""
    newest: dict[str, int] = {}
    for device in devices:
        found = max(device.reported.release or 0, device.reported.newest or 0)
        channel = device.reported.channel or ""
        newest[channel] = max(newest.get(channel, 0), found)
    return newest


def worst_first(
    devices: Iterable[Device],
    newest: Mapping[str, int],
    now: datetime,
    silent_after: timedelta = SILENT_AFTER,
) -> list[Judged]:
    """Judge devices and sort them.

    Those that were never seen or are silent come first, then those whose last check failed, that
    do not what is desired, that have no camera, that are behind, and that have much to send.

    Args:
        devices: The devices.
        newest: The newest release of each channel.
        now: The time.
        silent_after: How long a device may say nothing.
    """
    ranked = []
    for device in devices:
        said = device.reported
        top = newest.get(said.channel or "", 0)
        behind = max(0, top - said.release) if said.release is not None and top else None
        silent = _silence(device, now, silent_after)
        failed = said.outcome is not None and said.outcome not in GOOD
        differs = said.refused or ", ".join(
            f"{name} {value} is desired" for name, value in (device.unmet or {}).items()
        )
        camera = said.camera in ("offline", "stopped")
        many = (said.outbox or 0) >= MANY_EVENTS
        troubles = [
            silent,
            f"{said.outcome}: {said.message}" if failed else "",
            differs,
            f"camera {said.camera}" if camera else "",
            f"{behind} behind" if behind else "",
            f"{said.outbox} events wait" if many else "",
        ]
        words = tuple(one_sentence(trouble, 200) for trouble in troubles if trouble)
        never = device.seen is None and bool(silent)
        ranks = [not never, *(not trouble for trouble in troubles[:4])]
        key = (*ranks, -(behind or 0), -(said.outbox or 0), device.name)
        ranked.append((key, Judged(device, behind, words)))
    return [judged for _, judged in sorted(ranked, key=lambda pair: pair[0])]


def _silence(device: Device, now: datetime, after: timedelta) -> str:
    if device.connected:
        return ""
    if device.seen is None:
        return "never seen"
    past = now - device.seen
    return f"silent for {in_words(past)}" if past > after else ""


def in_words(past: timedelta) -> str:
    """A time in its largest unit: 5 s, 3 min, 2 h, 4 d."""
    seconds = max(0, round(past.total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _seen(shadow: Mapping[str, Any], connectivity: Any) -> datetime | None:
    """When a device last said something: by the times of what it reported, or its connection's."""
    metadata = shadow.get("metadata")
    said = metadata.get("reported") if isinstance(metadata, dict) else None
    entries = list(said.values()) if isinstance(said, dict) else []
    times = [_time(entry, 1.0) for entry in entries] + [_time(connectivity, 1000.0)]
    latest = datetime.now(UTC) + MAX_AHEAD
    return max((time for time in times if time is not None and time <= latest), default=None)


def _time(entry: Any, per_second: float) -> datetime | None:
    """The ``timestamp`` of an entry; None where it has none that can be."""
    found = entry.get("timestamp") if isinstance(entry, dict) else None
    try:
        return datetime.fromtimestamp(found / per_second, UTC) if found is not None else None
    except (TypeError, OverflowError, ValueError, OSError):
        return None
