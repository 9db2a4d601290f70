"""What a session counts and removes, over a transport that refuses one topic."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sync.outbox.events import Event, Heartbeat, status
from sync.outbox.outbox import Outbox
from sync.reports.reporter import Reporter
from sync.reports.topics import Topics
from sync.reports.transports.base import Refusal
from sync.settings import OutboxSettings
from tests.proofs.damage.run import Collector
from tests.support.brokers import until

SETTINGS = OutboxSettings.model_validate({"rate": 1e6, "max_mb": 1})
EVENT_BYTES = 4000  # of a long event, at least
TOPICS = Topics("thing")


@dataclass
class NoStatus(Collector):
    """A transport to which a policy forbids the topic of status events."""

    def send(self, token: int, topic: str, payload: bytes) -> None:
        if topic == TOPICS.of("status"):
            assert self.callbacks is not None
            self.callbacks.refused(token, "not authorized", Refusal.TOPIC)
        else:
            super().send(token, topic, payload)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "outbox.db", SETTINGS, "device")
    yield outbox
    outbox.close()


def reporter(outbox: Outbox) -> Reporter:
    """A reporter whose pauses outlast the test."""
    state = outbox.file.parent / "state"
    return Reporter(outbox, NoStatus, TOPICS, SETTINGS, state, first_pause_s=60.0, removal_s=600.0)


def put(outbox: Outbox, events: list[Event]) -> None:
    tickets = [outbox.put(event) for event in events]
    assert all(ticket.wait(60) for ticket in tickets)


def long_events(number: int) -> list[Event]:
    return [status("started", "x" * EVENT_BYTES) for _ in range(number)]


def heartbeats(number: int) -> list[Event]:
    beat = Heartbeat(uptime_s=1, rss_bytes=1, disk_free_bytes=1, outbox_length=0, sightings=0)
    return [Event("heartbeat", beat) for _ in range(number)]


def test_a_full_outbox_drops_nothing_that_was_delivered(outbox: Outbox) -> None:
    """Removals do not wait where the outbox is nearly full: waiting events are dropped there."""
    put(outbox, long_events(230))
    assert 0.9e6 < outbox.counters().bytes < 1e6
    stopping = threading.Event()
    thread = threading.Thread(target=reporter(outbox).run, args=(stopping,))
    thread.start()
    try:
        for total in (1, 4):  # only the second removal has to wait where there is room
            put(outbox, heartbeats(total - outbox.counters().acknowledged))
            until(lambda total=total: outbox.counters().acknowledged == total, 60)  # type: ignore[misc]
        put(outbox, long_events(60))
    finally:
        stopping.set()
        thread.join(60)
    counters = outbox.counters()
    assert counters.acknowledged == 4
    assert counters.dropped["space"] > 0


def test_messages_count_as_sent_while_every_one_is_refused(outbox: Outbox) -> None:
    put(outbox, long_events(3))
    reporter(outbox).drain(10)
    counters = outbox.counters()
    assert (counters.sent, counters.acknowledged, counters.length) == (3, 0, 3)
