"""MQTT over mutual TLS, to a real mosquitto and to a stand-in of IoT Core."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from paho.mqtt.subscribe import simple

from catalog.core.locks import locked
from sync.errors import TransportError
from sync.reports.checks import checks
from sync.reports.home_assistant import announcements
from sync.reports.reporter import LOCK
from sync.reports.topics import Topics
from sync.reports.transports.base import Refusal
from sync.reports.transports.broker_address import ALPN, BrokerAddress
from sync.reports.transports.mqtt import MqttTransport
from tests.support.brokers import THING, BrokerCertificates, Mosquitto, RecordedCallbacks, until
from tests.support.certificates import DAY, Authority
from tests.support.iot_core import NOT_AUTHORIZED, IotCore, server_context

TOPIC = f"visual-search/{THING}/sightings"
COMMANDS = f"visual-search/{THING}/commands"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> BrokerCertificates:
    return BrokerCertificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def mosquitto(
    tmp_path_factory: pytest.TempPathFactory, certificates: BrokerCertificates
) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto"), certificates)
    yield broker
    broker.stop()


@pytest.fixture
def iot_core(tmp_path: Path, certificates: BrokerCertificates) -> Iterator[IotCore]:
    broker = certificates.iot_core(tmp_path / "record")
    yield broker
    broker.close()


@pytest.fixture
def recorded() -> RecordedCallbacks:
    return RecordedCallbacks()


def fault(address: BrokerAddress, commands: str | None = None) -> str:
    """The error with which the transport does not connect."""
    mqtt = MqttTransport(address, commands)
    with pytest.raises(TransportError) as caught:
        mqtt.open(RecordedCallbacks())
    mqtt.close()
    return str(caught.value)


def test_mosquitto_accepts_and_refuses_by_topic(
    mosquitto: Mosquitto, certificates: BrokerCertificates, recorded: RecordedCallbacks
) -> None:
    """A good publish is accepted (also without subscribers), another thing's topic is refused."""
    mqtt = MqttTransport(certificates.address(mosquitto.port), COMMANDS)
    mqtt.open(recorded)
    mqtt.send(1, TOPIC, b"{}")
    recorded.wait(lambda: recorded.accepted_tokens)
    mqtt.send(2, "visual-search/another/sightings", b"{}")
    recorded.wait(lambda: recorded.refusals)
    mqtt.close()
    assert recorded.accepted_tokens == [1]
    [(token, reason, refusal)] = recorded.refusals
    assert (token, refusal) == (2, Refusal.TOPIC)
    assert "iot:Publish" in reason
    assert mqtt.window == 20  # what mosquitto announces


def test_home_assistant_finds_the_device_at_the_broker(
    tmp_path: Path, certificates: BrokerCertificates, recorded: RecordedCallbacks
) -> None:
    """Who asks later gets the descriptions; a broker that refuses them still takes reports."""
    found: dict[str, bytes] = {}
    topics = Topics(THING)
    retained = announcements(topics, 300.0)
    for allowed in (False, True):
        broker = Mosquitto(tmp_path / str(allowed), certificates, "homeassistant/#" * allowed)
        sent = dict(retained)
        if not allowed:  # mosquitto ends the connection in which it refused something
            refused = MqttTransport(certificates.address(broker.port), COMMANDS, sent)
            with contextlib.suppress(TransportError):
                refused.open(RecordedCallbacks())
            refused.close()
            assert sent == {}
        mqtt = MqttTransport(certificates.address(broker.port), COMMANDS, sent)
        mqtt.open(recorded)
        mqtt.send(1, TOPIC, b"{}")
        recorded.wait(lambda: recorded.accepted_tokens)
        recorded.accepted_tokens.clear()
        mqtt.close()
        if allowed:
            certificate, key = certificates.authority.issue("consumer")
            found = {
                message.topic: message.payload
                for message in simple(  # type: ignore[no-untyped-call]
                    "homeassistant/#",
                    msg_count=len(retained),
                    hostname="localhost",
                    port=broker.port,
                    tls={
                        "ca_certs": str(certificates.authority.file),
                        "certfile": str(certificate),
                        "keyfile": str(key),
                    },
                )
            }
        broker.stop()
    assert found == retained
    seen = json.loads(found[f"homeassistant/sensor/{THING}/seen/config"])
    assert seen["state_topic"] == TOPIC
    camera = json.loads(found[f"homeassistant/binary_sensor/{THING}/camera/config"])
    assert camera["expire_after"] == 900
    assert seen["device"] == camera["device"]
    assert seen["unique_id"] != camera["unique_id"]


def test_mosquitto_stops(
    mosquitto: Mosquitto, certificates: BrokerCertificates, recorded: RecordedCallbacks
) -> None:
    """A broker that stops is noticed; a message that is sent then raises and is not queued."""
    mqtt = MqttTransport(certificates.address(mosquitto.port))
    mqtt.open(recorded)
    mosquitto.stop()
    try:
        recorded.wait(lambda: recorded.losses)
        with pytest.raises(TransportError, match="gone"):
            mqtt.send(1, TOPIC, b"{}")
    finally:
        mosquitto.start()
        mqtt.close()


def test_commands_are_received(
    iot_core: IotCore, certificates: BrokerCertificates, recorded: RecordedCallbacks
) -> None:
    mqtt = MqttTransport(certificates.address(iot_core.port), COMMANDS)
    mqtt.open(recorded)
    iot_core.command(COMMANDS, b'{"id": "1"}')
    recorded.wait(lambda: recorded.commands)
    mqtt.close()
    assert recorded.commands == [(COMMANDS, b'{"id": "1"}')]


@pytest.mark.parametrize("subscriptions", ["close", "ignored"])
def test_reports_go_on_where_commands_are_not_allowed(
    iot_core: IotCore,
    certificates: BrokerCertificates,
    recorded: RecordedCallbacks,
    subscriptions: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sync.reports.transports.mqtt.CONNECT_TIMEOUT_S", 2)
    iot_core.behaviour.subscriptions = subscriptions
    mqtt = MqttTransport(certificates.address(iot_core.port), COMMANDS)
    mqtt.open(recorded)
    mqtt.send(1, TOPIC, b"{}")
    recorded.wait(lambda: recorded.accepted_tokens)
    assert COMMANDS in mqtt.unheard
    mqtt.close()
    assert recorded.losses == []


def test_topics_that_are_not_allowed_take_no_others_with_them(
    iot_core: IotCore, certificates: BrokerCertificates, recorded: RecordedCallbacks
) -> None:
    """IoT Core ends the connection for them; the others are subscribed to over the next one."""
    iot_core.behaviour.closes_for = [b"shadow/get"]
    answers = [("shadow/get", "shadow/update"), ("jobs/next",)]
    mqtt = MqttTransport(certificates.address(iot_core.port), COMMANDS, answers=answers)
    mqtt.open(recorded)
    assert set(mqtt.unheard) == {"shadow/get", "shadow/update"}
    assert iot_core.connections == 2
    for topic in (COMMANDS, "jobs/next"):
        iot_core.command(topic, b"{}")
    recorded.wait(lambda: len(recorded.commands) == 2)
    mqtt.close()
    assert recorded.losses == []


def test_a_key_that_is_missing_or_has_a_passphrase_is_said(
    certificates: BrokerCertificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The passphrase is not asked for."""
    monkeypatch.setattr("getpass.getpass", None)
    address = certificates.address(1)
    missing = tmp_path / "missing.key"
    assert fault(replace(address, private_key=missing)) == (
        f"{missing}: this device's private key cannot be read: No such file or directory"
    )
    key = load_pem_private_key(address.private_key.read_bytes(), None)
    locked_key = tmp_path / "locked.key"
    locked_key.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )
    assert "passphrase" in fault(replace(address, private_key=locked_key))


def test_it_is_on_disk_when_it_is_accepted(
    iot_core: IotCore, certificates: BrokerCertificates, recorded: RecordedCallbacks
) -> None:
    mqtt = MqttTransport(certificates.address(iot_core.port))
    mqtt.open(recorded)
    for token in range(50):
        mqtt.send(token, TOPIC, str(token).encode())
    recorded.wait(lambda: len(recorded.accepted_tokens) == 50)
    mqtt.close()
    assert [int(message.payload) for message in iot_core.received()] == list(range(50))


def test_an_answer_that_is_left_out_is_no_acceptance(
    iot_core: IotCore, certificates: BrokerCertificates, recorded: RecordedCallbacks
) -> None:
    iot_core.behaviour.swallows = 1.0
    mqtt = MqttTransport(certificates.address(iot_core.port))
    mqtt.open(recorded)
    mqtt.send(1, TOPIC, b"{}")
    until(lambda: iot_core.swallowed)
    iot_core.behaviour.swallows = 0.0
    mqtt.send(2, TOPIC, b"{}")
    recorded.wait(lambda: recorded.accepted_tokens)
    mqtt.close()
    assert recorded.accepted_tokens == [2]


def test_a_stalled_connection_is_closed_within_a_second(
    iot_core: IotCore, certificates: BrokerCertificates, recorded: RecordedCallbacks
) -> None:
    """Also with messages under way, for which paho's own end would wait."""
    mqtt = MqttTransport(certificates.address(iot_core.port))
    mqtt.open(recorded)
    iot_core.behaviour.silent = True
    mqtt.send(1, TOPIC, b"{}")
    closing = threading.Thread(target=mqtt.close)
    closing.start()
    closing.join(5)
    assert not closing.is_alive()
    assert recorded.accepted_tokens == []


def test_closes_on_a_denied_topic(
    iot_core: IotCore, certificates: BrokerCertificates, recorded: RecordedCallbacks
) -> None:
    iot_core.behaviour.closes_for = [TOPIC.encode()]
    mqtt = MqttTransport(certificates.address(iot_core.port))
    mqtt.open(recorded)
    mqtt.send(1, TOPIC, b"{}")
    recorded.wait(lambda: recorded.losses)
    mqtt.close()
    assert recorded.accepted_tokens == []


def test_a_message_that_ends_the_connection_before_publish_returns_counts_as_sent(
    iot_core: IotCore, certificates: BrokerCertificates, recorded: RecordedCallbacks
) -> None:
    """Else it is never suspected. paho says then that there is no connection."""
    iot_core.behaviour.closes_for = [TOPIC.encode()]
    mqtt = MqttTransport(certificates.address(iot_core.port))
    mqtt.open(recorded)
    assert mqtt._client is not None
    publish = mqtt._client.publish

    def publish_slowly(*words: Any, **named: Any) -> paho.MQTTMessageInfo:
        sent = publish(*words, **named)
        recorded.wait(lambda: recorded.losses)
        sent.rc = paho.MQTT_ERR_NO_CONN
        return sent

    mqtt._client.publish = publish_slowly  # type: ignore[method-assign]
    mqtt.send(1, TOPIC, b"{}")
    with pytest.raises(TransportError, match="the connection is gone"):
        mqtt.send(2, TOPIC, b"{}")
    mqtt.close()


def test_alpn_at_port_443(certificates: BrokerCertificates) -> None:
    """IoT Core distinguishes MQTT from HTTPS at port 443 by this name only."""
    context = server_context(*certificates.broker, certificates.authority.file)
    context.set_alpn_protocols([ALPN])
    ours, theirs = socket.socketpair()
    chosen: list[str | None] = []

    def serve() -> None:
        with context.wrap_socket(theirs, server_side=True) as served:
            chosen.append(served.selected_alpn_protocol())

    serving = threading.Thread(target=serve)
    serving.start()
    with certificates.address(443).context().wrap_socket(ours, server_hostname="localhost"):
        serving.join()
    assert chosen == [ALPN]


class TestFaults:
    """Every fault has an error of its own."""

    def test_all_differ(
        self,
        mosquitto: Mosquitto,
        iot_core: IotCore,
        certificates: BrokerCertificates,
        tmp_path: Path,
    ) -> None:
        good = certificates.address(mosquitto.port)
        stranger = Authority(tmp_path, "stranger")

        def mine(certificate: tuple[Path, Path]) -> BrokerAddress:
            return BrokerAddress(
                good.endpoint, good.port, THING, *certificate, certificates.authority.file
            )

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            dead = free.getsockname()[1]
        foreign = BrokerAddress(
            good.endpoint, good.port, THING, *certificates.device, stranger.file
        )
        said = {
            "name": fault(certificates.address(mosquitto.port, "no-such-host.invalid")),
            "dead port": fault(certificates.address(dead)),
            "wrong CA": fault(foreign),
            "refused": fault(mine(stranger.issue(THING))),
            "expired": fault(mine(certificates.authority.issue("old", -3 * DAY, -DAY))),
            "clock": fault(mine(certificates.authority.issue("new", DAY, 2 * DAY))),
            "other host": fault(certificates.address(mosquitto.port, "127.0.0.2")),
        }
        iot_core.behaviour.refuses_connections = NOT_AUTHORIZED
        said["policy"] = fault(certificates.address(iot_core.port))
        assert len(set(said.values())) == len(said)
        for name, words in {
            "name": "name is not known",
            "dead port": "nothing listens",
            "wrong CA": "[device] ca",
            "refused": "refuses this device's certificate",
            "expired": "expired on",
            "clock": "set the clock",
            "other host": "nothing listens",
            "policy": "iot:Connect",
        }.items():
            assert words in said[name], said

    @pytest.mark.parametrize(
        ("start", "end", "words"),
        [
            (-3 * DAY, -DAY, "its certificate expired, by this device's clock"),
            (DAY, 2 * DAY, "is younger; set the clock"),
        ],
    )
    def test_the_broker_and_the_clock(
        self,
        certificates: BrokerCertificates,
        tmp_path: Path,
        start: timedelta,
        end: timedelta,
        words: str,
    ) -> None:
        """A clock that is behind, and a certificate of the broker that has ended."""
        server = certificates.authority.issue(f"localhost-{start.days}", start, end)
        broker = IotCore(tmp_path / "record", server_context(*server, certificates.authority.file))
        try:
            assert words in fault(certificates.address(broker.port))
        finally:
            broker.close()

    def test_refused_certificate_by_tls_1_2(
        self, certificates: BrokerCertificates, tmp_path: Path
    ) -> None:
        """With TLS 1.2 the handshake itself fails."""
        context = server_context(*certificates.broker, certificates.authority.file)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        stranger = Authority(tmp_path, "stranger").issue(THING)
        with socket.create_server(("127.0.0.1", 0)) as server:

            def refuse() -> None:
                with pytest.raises(ssl.SSLError):
                    context.wrap_socket(server.accept()[0], server_side=True)

            refusing = threading.Thread(target=refuse)
            refusing.start()
            port = server.getsockname()[1]
            address = BrokerAddress(
                "localhost", port, THING, *stranger, certificates.authority.file
            )
            assert "refuses this device's certificate" in fault(address)
            refusing.join()

    def test_another_name(self, certificates: BrokerCertificates, tmp_path: Path) -> None:
        server = certificates.authority.issue("elsewhere")
        broker = IotCore(tmp_path / "record", server_context(*server, certificates.authority.file))
        try:
            assert "for another name" in fault(certificates.address(broker.port))
        finally:
            broker.close()

    def test_own_files(self, certificates: BrokerCertificates, tmp_path: Path) -> None:
        """A missing file, no certificate, another key: found before a connection is tried."""
        certificate, key = certificates.device
        text = tmp_path / "text"
        text.write_text("hello")
        ca = certificates.authority.file
        assert "cannot be read" in fault(BrokerAddress("x", 1, THING, tmp_path / "no", key, ca))
        assert "not a certificate" in fault(BrokerAddress("x", 1, THING, text, key, ca))
        assert "not the private key" in fault(
            BrokerAddress("x", 1, THING, certificate, certificates.broker[1], ca)
        )
        assert "CA certificates" in fault(BrokerAddress("x", 1, THING, certificate, key, text))

    def test_no_tls(self, certificates: BrokerCertificates) -> None:
        """Another service listens there."""
        with socket.create_server(("127.0.0.1", 0)) as server:

            def greet() -> None:
                opened, _ = server.accept()
                with opened:
                    opened.recv(1000)
                    opened.sendall(b"220 mail.example ESMTP\r\n")
                    opened.shutdown(socket.SHUT_WR)

            greeting = threading.Thread(target=greet)
            greeting.start()
            assert "no TLS there" in fault(certificates.address(server.getsockname()[1]))
            greeting.join()

    def test_hangs_up(self, certificates: BrokerCertificates) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:

            def hang_up() -> None:
                server.accept()[0].close()

            hanging = threading.Thread(target=hang_up)
            hanging.start()
            said = fault(certificates.address(server.getsockname()[1]))
            hanging.join()
            assert "cut while it was being made" in said or "no TLS there" in said


class TestDoctor:
    """Certificate, endpoint, permission and topics, one by one."""

    @pytest.fixture
    def config(
        self,
        tmp_path: Path,
        certificates: BrokerCertificates,
        iot_core: IotCore,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Path:
        monkeypatch.delenv("VISUAL_SEARCH_DEVICE__DATA_DIR", raising=False)
        certificate, key = certificates.device
        file = tmp_path / "settings.toml"
        file.write_text(
            f'[device]\ndata_dir = "{tmp_path / "data"}"\nthing = "{THING}"\n'
            f'certificate = "{certificate}"\nprivate_key = "{key}"\n'
            f'ca = "{certificates.authority.file}"\n'
            f'[outbox]\nendpoint = "localhost"\nport = {iot_core.port}\n'
        )
        return file

    def test_all_well(self, config: Path, iot_core: IotCore) -> None:
        found = list(checks(config))
        assert {finding.subject for finding in found if finding.state == "ok"} == {
            "reporting", "endpoint", "commands", "topic"
        }  # fmt: skip
        assert [finding.message for finding in found if finding.subject == "topic"] == [
            f"visual-search/{THING}/{name}"
            for name in ("sightings", "status", "heartbeat", "answers")
        ]
        [certificate] = [finding for finding in found if finding.subject == "certificate"]
        assert certificate.state == "note"  # it is valid for a day
        assert len(iot_core.received()) == 4

    @pytest.mark.parametrize("closes", [False, True])
    def test_a_missing_permission(self, config: Path, iot_core: IotCore, *, closes: bool) -> None:
        """The topic and what would allow it are named; the other topics are still tried."""
        topic = f"visual-search/{THING}/status"
        if closes:
            iot_core.behaviour.closes_for = [topic.encode()]
        else:
            iot_core.behaviour.refuses = {topic: NOT_AUTHORIZED}
        found = [finding for finding in checks(config) if finding.subject == "topic"]
        assert [finding.state for finding in found] == ["ok", "wrong", "ok", "ok"]
        assert found[1].remedy == (
            f"allow iot:Publish for topic {topic} in the certificate's policy"
        )

    def test_nobody_there(self, config: Path, iot_core: IotCore) -> None:
        iot_core.stop()
        [wrong] = [finding for finding in checks(config) if finding.state == "wrong"]
        assert wrong.subject == "endpoint"
        assert "nothing listens" in wrong.message

    def test_somebody_is_reporting(self, config: Path, tmp_path: Path) -> None:
        """IoT Core disconnects the first of two clients with one name."""
        (tmp_path / "data" / "state").mkdir(parents=True)
        with locked(tmp_path / "data" / "state" / LOCK):
            last = list(checks(config))[-1]
        assert (last.subject, last.state) == ("endpoint", "note")
