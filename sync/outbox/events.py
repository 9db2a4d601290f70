"""The events that are reported: one JSON document each, described by ``event.schema.json``.

    python -m sync.outbox.events   prints the schema

A document has the fields of an envelope (the device, the time, the position in the stream) and
those of its kind of event. The models are in this module; the committed schema is made from them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import uuid6
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from sync.errors import EventError
from sync.outbox.clock import Moment, now
from sync.outbox.kinds import Kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VERSION = 1
SCHEMA_VERSION = "1.2"  # the second number grows with each new field
MAX_BYTES = 5000  # of a document, with its position in the stream; IoT Core bills by 5 KB
MOST_THINGS = 9  # that lie before a camera
LONGEST_TEXT = 500  # characters of the words on a thing
MAX_FEATURES_BYTES = 40_000  # 2,048 numbers need about 20,000
MAX_THUMBNAIL_BYTES = 3000  # of JPEG; a third more as base64
POSITION_BYTES = 100  # reserved for stream and sequence

Detail = str | int | float | bool | None


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Item(_Part):
    """A catalogue item that the thing may be; similarity is the cosine, sure a probability."""

    sku: str
    title: str
    similarity: float = Field(ge=-1.001, le=1.001)
    sure: float = Field(default=0.0, ge=0, le=1)


class Timings(_Part):
    """Milliseconds spent in each stage."""

    capture: float = 0.0
    look: float = 0.0
    embed: float = 0.0
    search: float = 0.0
    verify: float = 0.0
    code: float = 0.0
    text: float = 0.0
    show: float = 0.0


class Place(_Part):
    """Where a thing lies in the frame, as shares of the frame's width and height."""

    left: float = Field(ge=0, le=1)
    top: float = Field(ge=0, le=1)
    width: float = Field(ge=0, le=1)
    height: float = Field(ge=0, le=1)


class Thing(_Part):
    """A thing that lies before the camera."""

    box: Place | None = Field(default=None, description="missing where that is not known")
    verdict: Literal["match", "one_of", "unknown"] | None = Field(
        default=None, description="missing as long as it is looked at"
    )
    sku: str | None = Field(default=None, description="of the item that it is said to be")


class Sighting(_Part):
    """A changed verdict; `item` is the best one, `others` come next.

    An unknown thing may have guesses, which claim nothing.
    """

    verdict: Literal["match", "one_of", "unknown", "nothing"]
    item: Item | None = None
    others: tuple[Item, ...] = Field(default=(), max_length=4)
    guesses: tuple[Item, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=3,
        description="what an unknown thing perhaps is, best first; missing where there are none",
    )
    things: tuple[Thing, ...] = Field(
        default=(),
        max_length=MOST_THINGS,
        description="that lie there; the event is about the first",
    )
    code: str | None = Field(default=None, max_length=200, description="that named the item")
    unknown_gtin: str | None = Field(
        default=None, max_length=14, description="that was read, and that no item has"
    )
    text: str | None = Field(
        default=None,
        max_length=LONGEST_TEXT,
        description="that was read on the thing; only where that is asked for",
    )
    bundle: str
    timings_ms: Timings
    thumbnail: str | None = Field(
        default=None, description="JPEG, base64; only where that is asked for"
    )


class Status(_Part):
    """Something happened to the device: `what` for programs, `message` for people."""

    what: str = Field(pattern="^[a-z][a-z0-9_]{0,39}$", examples=["started", "camera_offline"])
    message: str = ""
    details: dict[str, Detail] = Field(default_factory=dict, max_length=20)


class Heartbeat(_Part):
    """How the device is; what it cannot measure is left out."""

    uptime_s: float = Field(ge=0)
    rss_bytes: int = Field(ge=0)
    disk_free_bytes: int = Field(ge=0)
    temperature_c: float | None = None
    outbox_length: int = Field(ge=0)
    outbox_oldest_s: float | None = None
    camera: Literal["starting", "online", "offline"] | None = None
    bundle: str | None = None
    sightings: int | None = Field(default=None, ge=0, description="since the process started")


class _Envelope(_Part):
    version: Literal[1]
    id: str = Field(pattern=r"^[0-9a-f-]{36}$", description="UUIDv7; the same in a duplicate")
    device: str
    boot: str = Field(description="the kernel's id of the boot")
    at: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
    clock_trusted: bool = Field(description="whether the device's clock was synchronized")
    stream: str = Field(description="id of the outbox; sequence counts inside it")
    sequence: int = Field(ge=1)


class SightingDocument(_Envelope, Sighting):
    """A sighting as it is sent."""

    kind: Literal["sighting"]


class StatusDocument(_Envelope, Status):
    """A status as it is sent."""

    kind: Literal["status"]


class HeartbeatDocument(_Envelope, Heartbeat):
    """A heartbeat as it is sent."""

    kind: Literal["heartbeat"]


Document = Annotated[
    SightingDocument | StatusDocument | HeartbeatDocument, Field(discriminator="kind")
]
DOCUMENT: TypeAdapter[SightingDocument | StatusDocument | HeartbeatDocument] = TypeAdapter(Document)


def _new_id() -> str:
    return str(uuid6.uuid7())


@dataclass(frozen=True)
class Event:
    """An event to report.

    Attributes:
        kind: Its kind.
        body: A model of this module; or, for the kinds "features" and "message" of the AWS
            sample, bytes that are sent as they are.
        id: A UUIDv7; an event that is sent twice has the same id.
        moment: When it happened.
    """

    kind: Kind
    body: Sighting | Status | Heartbeat | bytes
    id: str = field(default_factory=_new_id)
    moment: Moment = field(default_factory=now)


def status(what: str, message: str = "", **details: Detail) -> Event:
    """A status event."""
    return Event("status", Status(what=what, message=message, details=details))


def features(numbers: NDArray[np.float32]) -> Event:
    """The network's raw output, float32 (d,), as the AWS sample's device sends it."""
    return Event("features", features_text(numbers).encode())


def features_text(numbers: NDArray[np.float32]) -> str:
    """Write numbers, float32 (d,), as the sample's device does: comma-separated, inside JSON.

    Each has as many digits as reading the same float32 again needs.
    """
    return '{ "features": "' + ",".join(str(number) for number in numbers) + '" }'


def message(text: str) -> Event:
    """A line of plain text, as the AWS sample's device sends it."""
    whole = text.encode("utf-8", "replace")[:MAX_BYTES]
    return Event("message", whole.decode("utf-8", "ignore").encode())


def render(event: Event, device: str, boot: str) -> bytes:
    """Make the event's document, without its position in the stream; too long texts are cut.

    Raises:
        EventError: The document is longer than allowed even then.
    """
    if isinstance(event.body, bytes):
        limit = MAX_FEATURES_BYTES if event.kind == "features" else MAX_BYTES
        if len(event.body) > limit:
            raise EventError(f"event {event.id}: {len(event.body)} bytes, {limit} are allowed")
        return event.body
    envelope = {
        "version": VERSION,
        "kind": event.kind,
        "id": event.id,
        "device": device,
        "boot": boot,
        "at": str(event.moment),
        "clock_trusted": event.moment.trusted,
    }
    body = event.body.model_dump(mode="json", exclude_none=True)
    for candidate in _shorter(body):
        data = json.dumps(
            envelope | candidate, ensure_ascii=False, separators=(",", ":"), allow_nan=False
        ).encode("utf-8", "replace")
        if len(data) <= MAX_BYTES - POSITION_BYTES:
            return data
    raise EventError(f"event {event.id}: {len(data)} bytes, {MAX_BYTES} are allowed")


def schema() -> dict[str, Any]:
    """The JSON Schema of all documents."""
    title = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:visual-search:event:{SCHEMA_VERSION}",
        "title": "visual-search event",
    }
    return title | DOCUMENT.json_schema()


def _shorter(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the body, then shorter ones: texts cut, no picture, no further fields."""
    yield body
    thumbnail = body.pop("thumbnail", None)
    for max_length in (400, 200, 100):
        yield _cut(body, max_length) | ({"thumbnail": thumbnail} if thumbnail else {})
    for max_length in (400, 200, 100):
        yield _cut(body, max_length)
    yield _cut(
        {key: body[key] for key in body if key not in ("others", "guesses", "things", "details")},
        100,
    )


def _cut(value: Any, max_length: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= max_length else value[: max_length - 1] + "…"
    if isinstance(value, dict):
        return {_cut(key, max_length): _cut(field, max_length) for key, field in value.items()}
    if isinstance(value, list):
        return [_cut(entry, max_length) for entry in value]
    return value


if __name__ == "__main__":
    print(json.dumps(schema(), indent=1))
