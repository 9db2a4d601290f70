"""Measure how fast the outbox is emptied, beside the same client publishing from memory.

    python -m bench.reporting [--events 5000]

Both publish without a rate limit and with the same window, to a real mosquitto over mutual TLS.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console

from sync.outbox.events import status
from sync.outbox.outbox import Outbox, StoredEvent
from sync.reports.reporter import Reporter
from sync.reports.topics import Topics
from sync.reports.transports.base import Refusal
from sync.reports.transports.broker_address import BrokerAddress
from sync.reports.transports.mqtt import MqttTransport
from sync.settings import OutboxSettings
from tests.support.brokers import THING, BrokerCertificates, Mosquitto

ROUNDS = 5
AT_ONCE = 100
TARGET = 0.8  # of the rate from memory


class Counting:
    """A listener that limits the window and counts what was accepted."""

    def __init__(self, window: int) -> None:
        self.free = threading.Semaphore(window)
        self.accepted_count = 0

    def accepted(self, token: int) -> None:
        """Count one more, and free its place in the window."""
        self.accepted_count += 1
        self.free.release()

    def refused(self, token: int, reason: str, refusal: Refusal = Refusal.MESSAGE) -> None:
        """Fail: nothing may be refused."""
        raise AssertionError(reason)

    def lost(self, reason: str, *, taken_over: bool = False) -> None:
        """Do nothing: the connection ends when all is sent."""

    def command(self, topic: str, payload: bytes) -> None:
        """Do nothing: no commands are sent."""


def main() -> None:
    """Measure in turns and print the ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=5000, help="a multiple of 100")
    events: int = parser.parse_args().events
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificates = BrokerCertificates.make(folder)
        (folder / "mosquitto").mkdir()
        mosquitto = Mosquitto(folder / "mosquitto", certificates)
        address = certificates.address(mosquitto.port)
        try:
            rounds = [one_round(folder / str(n), address, events) for n in range(ROUNDS)]
        finally:
            mosquitto.stop()
    for memory, drained in rounds:
        console.print(
            f"from memory {memory:,.0f} events/s, from the outbox {drained:,.0f}: "
            f"ratio {drained / memory:.2f}"
        )
    ratio = statistics.median(drained / memory for memory, drained in rounds)
    console.print(f"median ratio {ratio:.2f} (target: at least {TARGET})")


def one_round(folder: Path, address: BrokerAddress, events: int) -> tuple[float, float]:
    """Events a second from memory, and from an outbox, of the same documents."""
    folder.mkdir()
    settings = OutboxSettings.model_validate({"rate": 1e9})
    outbox = Outbox(folder / "outbox.db", settings, "device")
    try:
        for start in range(0, events, AT_ONCE):
            tickets = [outbox.put(status("started", number=start + n)) for n in range(AT_ONCE)]
            assert all(ticket.wait(60) for ticket in tickets)
        stored = outbox.oldest(events)
        memory = from_memory(address, stored, settings.window)
        topics = Topics(THING)
        reporter = Reporter(outbox, lambda: MqttTransport(address), topics, settings, folder)
        began = time.perf_counter()
        drained = reporter.drain(300)
        seconds = time.perf_counter() - began
        assert drained.acknowledged == events
    finally:
        outbox.close()
    return memory, events / seconds


def from_memory(address: BrokerAddress, stored: list[StoredEvent], window: int) -> float:
    """Events a second, connecting included, as in a drain."""
    topics = Topics(THING)
    listener = Counting(window)
    began = time.perf_counter()
    mqtt = MqttTransport(address)
    mqtt.open(listener)
    for token, event in enumerate(stored):
        listener.free.acquire()
        mqtt.send(token, topics.of(event.kind), event.payload)
    for _ in range(window):
        listener.free.acquire()
    mqtt.close()
    assert listener.accepted_count == len(stored)
    return len(stored) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
