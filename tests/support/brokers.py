"""Brokers for tests: mosquitto with client certificates and topics by thing, and IoT Core's."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from sync.reports.transports.base import Refusal
from sync.reports.transports.broker_address import BrokerAddress
from tests.support.certificates import Authority
from tests.support.iot_core import IotCore, server_context
from tests.support.ports import free_port

THING = "shelf-1"
MOSQUITTO = "/usr/sbin/mosquitto"


def until(holds: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


@dataclass
class RecordedCallbacks:
    """Callbacks of a transport that record every call."""

    accepted_tokens: list[int] = field(default_factory=list)
    refusals: list[tuple[int, str, Refusal]] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    commands: list[tuple[str, bytes]] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def accepted(self, token: int) -> None:
        self._note(self.accepted_tokens, token)

    def refused(self, token: int, reason: str, refusal: Refusal = Refusal.MESSAGE) -> None:
        self._note(self.refusals, (token, reason, refusal))

    def lost(self, reason: str, *, taken_over: bool = False) -> None:
        self._note(self.losses, reason)

    def command(self, topic: str, payload: bytes) -> None:
        self._note(self.commands, (topic, payload))

    def wait(self, until: Callable[[], object], seconds: float = 60.0) -> None:
        """Wait until a condition holds; it is checked after each call."""
        with self._changed:
            assert self._changed.wait_for(lambda: bool(until()), seconds), self

    def _note(self, where: list[Any], what: object) -> None:
        with self._changed:
            where.append(what)
            self._changed.notify_all()


@dataclass(frozen=True)
class BrokerCertificates:
    """A certificate authority, and the certificates of a broker and of a device, by it."""

    authority: Authority
    broker: tuple[Path, Path]
    device: tuple[Path, Path]

    @classmethod
    def make(cls, folder: Path) -> BrokerCertificates:
        authority = Authority(folder)
        return cls(authority, authority.issue("localhost"), authority.issue(THING))

    def address(self, port: int, endpoint: str = "localhost", thing: str = THING) -> BrokerAddress:
        """The address of a broker on this machine."""
        return BrokerAddress(endpoint, port, thing, *self.device, self.authority.file)

    def iot_core(self, record: Path) -> IotCore:
        """A broker of IoT Core's kind."""
        return IotCore(record, server_context(*self.broker, self.authority.file))


class Mosquitto:
    """A real mosquitto that requires client certificates; each thing may use its own topics."""

    def __init__(
        self,
        folder: Path,
        certificates: BrokerCertificates,
        also_write: str = "",
        rights: str = "",
        revoked: Path | None = None,
    ) -> None:
        """Start it.

        Args:
            folder: Where its files lie.
            certificates: Its own, and the authority whose certificates it takes.
            also_write: A topic that each thing may write to.
            rights: More lines of its access control.
            revoked: A list of revoked certificates, PEM.
        """
        folder.mkdir(exist_ok=True)
        self.port = free_port()
        certificate, key = certificates.broker
        (folder / "acl").write_text(
            f"pattern write {also_write or 'visual-search/%u/#'}\n"
            "pattern write visual-search/%u/#\n"
            "pattern read visual-search/%u/commands\n"
            f"{rights}user consumer\ntopic read #\n"
        )
        self._settings = folder / "mosquitto.conf"
        self._settings.write_text(
            f"listener {self.port} 127.0.0.1\ncafile {certificates.authority.file}\n"
            f"certfile {certificate}\nkeyfile {key}\nrequire_certificate true\n"
            f"use_identity_as_username true\nacl_file {folder / 'acl'}\nuser root\n"
            f"persistence true\npersistence_location {folder}/\nautosave_interval 1\n"
            "max_queued_messages 0\nset_tcp_nodelay true\n"
            + (f"crlfile {revoked}\n" if revoked is not None else "")
        )
        self.log = folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, again."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [MOSQUITTO, "-c", self._settings], stdout=log, stderr=log
            )
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < until, self.log.read_text()
                time.sleep(0.02)

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None


class Consumer:
    """A subscriber in the cloud: records the ids of all events, across restarts of mosquitto."""

    def __init__(self, port: int, certificates: BrokerCertificates) -> None:
        self.ids: set[str] = set()
        certificate, key = certificates.authority.issue("consumer")
        client = paho.Client(
            CallbackAPIVersion.VERSION2, "consumer", clean_session=False, protocol=paho.MQTTv311
        )  # a session that mosquitto keeps on its disk
        client.tls_set(str(certificates.authority.file), str(certificate), str(key))
        client.reconnect_delay_set(1, 1)
        client.on_message = self._record
        subscribed = threading.Event()
        client.on_subscribe = lambda *_: subscribed.set()
        client.connect("localhost", port)
        client.loop_start()
        client.subscribe("visual-search/#", qos=1)
        assert subscribed.wait(60)
        self._client = client

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _record(self, client: paho.Client, data: object, message: paho.MQTTMessage) -> None:
        found = json.loads(message.payload)
        if "id" in found:  # not every message is an event
            self.ids.add(found["id"])
