"""Flip one bit of an outbox's files, start again, report, and account for every event."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sync.outbox.database import FILE
from sync.outbox.events import Event, Heartbeat, Item, Sighting, Timings, features, message, status
from sync.outbox.fresh import ENDING
from sync.outbox.outbox import Outbox
from sync.reports.reporter import Reporter
from sync.reports.topics import SAMPLE, Topics
from sync.reports.transports.base import TransportCallbacks
from sync.settings import OutboxSettings

EVENTS, SENT = 400, 100  # that are written, and of these sent before the restart
GROUP = 10  # events in a transaction
FRESH, FRESH_SENT = 40, 10  # events at last, each alone, so that they are fresh; of these sent
DRAIN_S = 60.0
OWN_REPORTS = ("outbox_damaged", "dropped")
SETTINGS = OutboxSettings.model_validate({"rate": 1e6, "window": 1})


@dataclass
class Collector:
    """A transport that accepts every message and keeps it."""

    name: str = "collector"
    window: int = 100
    messages: list[tuple[str, bytes]] = field(default_factory=list)
    callbacks: TransportCallbacks | None = None

    def open(self, callbacks: TransportCallbacks) -> None:
        """See `Transport.open`."""
        self.callbacks = callbacks

    def send(self, token: int, topic: str, payload: bytes) -> None:
        """See `Transport.send`."""
        assert self.callbacks is not None
        self.messages.append((topic, payload))
        self.callbacks.accepted(token)

    def close(self) -> None:
        """See `Transport.close`."""


@dataclass(frozen=True)
class Written:
    """An outbox as a killed process left it.

    Attributes:
        folder: Its files.
        sent: What was sent and acknowledged, see `identity`.
    """

    folder: Path
    sent: frozenset[str]


@dataclass(frozen=True)
class Trial:
    """What became of an outbox with one flipped bit.

    Attributes:
        place: The bit.
        sent: How many different events were sent, before and after.
        kept: How many are still in the outbox.
        counted: How many it says are lost.
        invalid: How many messages were no JSON.
        alive: Whether an event that came afterwards was sent.
    """

    place: str
    sent: int
    kept: int
    counted: int
    invalid: int
    alive: bool

    @property
    def is_good(self) -> bool:
        """Whether every event is accounted for, and reporting goes on."""
        return self.sent + self.kept + self.counted == EVENTS and not self.invalid and self.alive


def write(folder: Path) -> Written:
    """Write events of every kind, send some, and copy the files as a kill would leave them."""
    outbox = Outbox(folder / "live" / FILE, SETTINGS, "device-1")
    events = list(_events())
    for first in range(0, EVENTS - FRESH, GROUP):
        if first == EVENTS // 2:  # from here on they are in the log alone
            with closing(sqlite3.connect(folder / "live" / FILE)) as database:
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        tickets = [outbox.put(event) for event in events[first : first + GROUP]]
        assert all(ticket.wait(20) for ticket in tickets)
    sent = outbox.oldest(SENT)
    outbox.acknowledge(sent)
    assert all(outbox.put(event).wait(20) for event in events[-FRESH:])
    sent += outbox.oldest(EVENTS)[-FRESH:][:FRESH_SENT]
    outbox.acknowledge(sent[-FRESH_SENT:])
    left = Path(shutil.copytree(folder / "live", folder / "left", symlinks=True))
    outbox.close()
    return Written(left, frozenset(identity(event.payload) for event in sent))


def flip(written: Written, folder: Path, seed: int) -> Trial:
    """Flip one random bit in a copy, and report what it holds."""
    random_ = random.Random(seed)
    data = Path(shutil.copytree(written.folder, folder, symlinks=True))
    database = (data / FILE).resolve()
    files = [database, *(database.with_name(database.name + end) for end in ("-wal", ENDING))]
    file = random_.choice(files)
    place, bit = random_.randrange(file.stat().st_size), random_.randrange(8)
    with file.open("r+b") as opened:
        opened.seek(place)
        (byte,) = opened.read(1)
        opened.seek(place)
        opened.write(bytes([byte ^ 1 << bit]))
    return report(written, data, f"{file.name.partition('.')[2]}, byte {place}, bit {bit}")


def report(written: Written, data: Path, place: str) -> Trial:
    """Report all that an outbox holds, and an event that comes later, and account for it."""
    outbox, collector = Outbox(data / FILE, SETTINGS, "device-1"), Collector()
    reporter = Reporter(outbox, lambda: collector, Topics("thing"), SETTINGS, data / "state")
    try:
        later = status("started", "after it")
        assert outbox.put(later).wait(20)
        reporter.drain(DRAIN_S)
        counters = outbox.counters()
    finally:
        outbox.close()
    own = {later.id}
    invalid = 0
    for topic, payload in collector.messages:
        document = _json(payload)
        if document is None and topic != Topics("thing").of(SAMPLE[1]):
            invalid += 1
        elif document is not None and document.get("what") in OWN_REPORTS:
            own.add(document["id"])
    arrived = {identity(payload) for _, payload in collector.messages}
    return Trial(
        place,
        len((arrived | written.sent) - own),
        counters.length,
        sum(counters.dropped.values()),
        invalid,
        later.id in arrived,
    )


def identity(payload: bytes) -> str:
    """What tells one event from another: its id, or its payload where it has none."""
    document = _json(payload)
    return str(document["id"]) if document and "id" in document else payload.decode()


def _json(payload: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(payload.decode(), parse_constant=_no_json)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _no_json(constant: str) -> float:
    raise ValueError(constant)


def _events() -> Iterator[Event]:
    item = Item(sku="GEAR/24", title="Spur gear, 24 teeth", similarity=0.9, sure=0.9)
    bundle = "20261122T090000Z-0123456789ab"
    makers: list[Callable[[int], Event]] = [
        lambda number: status("camera_online", f"number {number}", camera="/dev/video0"),
        lambda number: Event(
            "sighting",
            Sighting(verdict="match", item=item, bundle=bundle, timings_ms=Timings(look=number)),
        ),
        lambda number: Event(
            "heartbeat",
            Heartbeat(uptime_s=number, rss_bytes=1, disk_free_bytes=1, outbox_length=number),
        ),
        lambda number: features(np.arange(number, number + 200, dtype=np.float32)),
        lambda number: message(f"frame {number} retrieved {uuid.uuid4()}"),
    ]
    for number in range(EVENTS):
        yield makers[number % len(makers)](number)
