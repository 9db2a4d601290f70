"""What is reported: one JSON document for each event, described by ``event.schema.json``.

    python -m sync.outbox.events   prints the schema

A document is an envelope (who, when, the place in the stream) and, beside it, what the kind
of event adds. Its models stand here; the committed schema is made from them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import uuid6
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from sync.errors import EventError
from sync.outbox.clock import Moment, now

Kind = Literal["sighting", "status", "heartbeat", "features", "message"]

VERSION = 1
LONGEST = 5000  # bytes of a document, its place in the stream included; IoT Core meters by 5 KB
LONGEST_FEATURES = 40_000  # bytes; 2,048 numbers need about 20,000
LONGEST_THUMBNAIL = 3000  # bytes of JPEG, a third more as base64
PLACE = 100  # bytes kept free for stream and sequence
WORTH: dict[Kind, int] = {"features": 0, "message": 0, "sighting": 1, "heartbeat": 2, "status": 3}
VERBATIM: frozenset[str] = frozenset(("features", "message"))  # sent without an envelope

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
    show: float = 0.0


class Sighting(_Part):
    """A changed verdict; `item` is the best one, `others` come next."""

    verdict: Literal["match", "one_of", "unknown", "nothing"]
    item: Item | None = None
    others: tuple[Item, ...] = Field(default=(), max_length=4)
    things: int = Field(default=1, ge=0, description="that lie there; the largest is meant")
    code: str | None = Field(default=None, max_length=200, description="that named the item")
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
    """Something to report.

    `body` is a model of this module, or bytes that are sent as they are (kinds features and
    message, for the cloud side of the AWS sample). The id stays with the event whatever happens.
    """

    kind: Kind
    body: Sighting | Status | Heartbeat | bytes
    id: str = field(default_factory=_new_id)
    moment: Moment = field(default_factory=now)


def status(what: str, message: str = "", **details: Detail) -> Event:
    """A status event."""
    return Event("status", Status(what=what, message=message, details=details))


def features(numbers: Iterable[float]) -> Event:
    """The network's raw output, float32 (d,), as the AWS sample's device sends it."""
    text = ",".join(f"{number:.6g}" for number in numbers)
    return Event("features", f'{{ "features": "{text}" }}'.encode())


def message(text: str) -> Event:
    """A line of plain text, as the AWS sample's device sends it."""
    return Event("message", text.encode("utf-8", "replace")[:LONGEST])


def render(event: Event, device: str, boot: str) -> bytes:
    """The event's bytes, without its place in the stream; shortened where it would be too long.

    Raises:
        EventError: It cannot be brought below the limit.
    """
    if isinstance(event.body, bytes):
        limit = LONGEST_FEATURES if event.kind == "features" else LONGEST
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
        if len(data) <= LONGEST - PLACE:
            return data
    raise EventError(f"event {event.id}: {len(data)} bytes, {LONGEST} are allowed")


def placed(payload: bytes, kind: str, stream: str, sequence: int) -> bytes:
    """A rendered event with its place in the stream: what is sent."""
    if kind in VERBATIM:
        return payload
    return payload[:-1] + f',"stream":"{stream}","sequence":{sequence}}}'.encode()


def schema() -> dict[str, Any]:
    """The JSON Schema of all documents."""
    title = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "visual-search event",
    }
    return title | DOCUMENT.json_schema()


def _shorter(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The body, then ever shorter ones: long texts first, then the picture, then what is beside."""
    yield body
    thumbnail = body.pop("thumbnail", None)
    for longest in (400, 200, 100):
        yield _cut(body, longest) | ({"thumbnail": thumbnail} if thumbnail else {})
    for longest in (400, 200, 100):
        yield _cut(body, longest)
    yield _cut({key: body[key] for key in body if key not in ("others", "details")}, 100)


def _cut(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= longest else value[: longest - 1] + "…"
    if isinstance(value, dict):
        return {_cut(key, longest): _cut(one, longest) for key, one in value.items()}
    if isinstance(value, list):
        return [_cut(one, longest) for one in value]
    return value


if __name__ == "__main__":
    print(json.dumps(schema(), indent=1))
