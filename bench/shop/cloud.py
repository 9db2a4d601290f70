"""What the owner has in the cloud: a store, a broker with TLS, and the reports that arrived."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import paho.mqtt.client as paho

from tests.support.brokers import BrokerCertificates, Consumer, Mosquitto
from tests.support.certificates import Authority


class Reports(Consumer):
    """The reports that arrived, once each.

    Attributes:
        sequences: The numbers of the reports of each stream.
        kinds: How many of each kind arrived.
    """

    def __init__(self, port: int, certificates: BrokerCertificates) -> None:
        self.sequences: dict[str, set[int]] = defaultdict(set)
        self.kinds: dict[str, int] = defaultdict(int)
        self.dropped = 0
        super().__init__(port, certificates)

    @property
    def missing(self) -> int:
        """Reports that a device wrote and that did not arrive, nor were said to be dropped."""
        gaps = sum(max(found) - len(found) for found in self.sequences.values())
        return gaps - self.dropped

    def _record(self, client: paho.Client, data: object, message: paho.MQTTMessage) -> None:
        event = json.loads(message.payload)
        if event.get("id") in self.ids or "sequence" not in event:
            return
        self.ids.add(event["id"])
        self.sequences[event["stream"]].add(event["sequence"])
        self.kinds[event["kind"]] += 1
        if event.get("what") == "dropped":
            self.dropped += sum(event["details"].values())


def certificates_for(folder: Path, days: int) -> BrokerCertificates:
    """Make the certificates of a broker that is trusted for so many days."""
    authority = Authority(folder)
    broker = authority.issue("localhost", end=timedelta(days=days))
    return BrokerCertificates(authority, broker, authority.issue("owner"))


def open_broker(folder: Path, certificates: BrokerCertificates) -> tuple[Mosquitto, Reports]:
    """Start a broker, and somebody who takes all reports."""
    broker = Mosquitto(folder, certificates)
    return broker, Reports(broker.port, certificates)
