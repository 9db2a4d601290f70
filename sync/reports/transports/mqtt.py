"""MQTT 5 over mutual TLS, straight to AWS IoT Core or to any broker of one's own.

paho-mqtt is used for what it is good at, one connection, and for nothing else: its queue is
never filled while there is no connection, it never reconnects, and what a PUBACK says is
read in ``on_publish``, since ``is_published()`` is true after a refusal too.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from sync.errors import TransportError
from sync.reports.transports import faults
from sync.reports.transports.base import Refusal, TransportCallbacks

ALPN = "x-amzn-mqtt-ca"  # IoT Core's name for MQTT at port 443
ALPN_PORT = 443
KEEPALIVE_S = 30  # IoT Core's least
UNANSWERED_S = 15  # a pulled cable is noticed after so long
PATIENCE_S = 10  # for a connection, and for each answer while it is being made
MOST_UNANSWERED = 100  # IoT Core's limit for a connection

REFUSALS = {  # MQTT 5, table 2-6; any other is a fault over there
    0x87: Refusal.TOPIC,  # not authorized
    0x90: Refusal.MESSAGE,  # topic name invalid
    0x95: Refusal.MESSAGE,  # packet too large
    0x99: Refusal.MESSAGE,  # payload format invalid
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BrokerAddress:
    """Where the broker is, and with what this device shows who it is."""

    endpoint: str
    port: int
    thing: str  # the client's id too
    certificate: Path
    private_key: Path
    ca: Path | None  # the system's where None

    def __str__(self) -> str:
        return f"{self.endpoint}:{self.port}"

    def context(self) -> ssl.SSLContext:
        """TLS with this device's certificate.

        Raises:
            TransportError: A file is missing or wrong, or its time is not now.
        """
        faults.check_certificate(self.certificate)
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError) as error:
            raise TransportError(f"{self.ca}: not a file of CA certificates: {error}") from error
        try:
            self.private_key.open("rb").close()
            context.load_cert_chain(self.certificate, self.private_key, password=lambda: b"")
        except ssl.SSLError as error:
            raise TransportError(
                f"{self.private_key}: not the private key of {self.certificate}, or one with a "
                f"passphrase, which a device cannot be asked for: {error}"
            ) from error
        except OSError as error:
            raise TransportError(
                f"{self.private_key}: this device's private key cannot be read: {error.strerror}"
            ) from error
        if self.port == ALPN_PORT:
            context.set_alpn_protocols([ALPN])
        return context


class MqttTransport:
    """A connection at a time. A message is accepted when its PUBACK says so."""

    name = "mqtt"

    def __init__(self, address: BrokerAddress, commands: str | None = None) -> None:
        """Nothing is connected yet.

        Args:
            commands: The topic to hear commands from.
        """
        self.window = MOST_UNANSWERED
        self.deaf = ""  # why no commands are heard
        self._address = address
        self._commands = commands
        self._client: paho.Client | None = None
        self._listener: TransportCallbacks | None = None
        self._hearing: TransportCallbacks | None = None  # for commands, which come with the SUBACK
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._tokens: dict[int, int] = {}
        self._early: dict[int, ReasonCode] = {}  # answered before `send` knew the number
        self._connected = threading.Event()  # or never will be
        self._subscribed = threading.Event()
        self._gone = threading.Event()
        self._greeted = False
        self._refused = ""
        self._last_error = ""

    def open(self, listener: TransportCallbacks) -> None:
        """Connect, and hear commands where that is allowed.

        Raises:
            TransportError: Says which of the many things that can be wrong it is.
        """
        self.deaf = ""
        self._connect()
        if self._commands is not None:
            self._hearing = listener
            self._subscribe(self._commands)
        with self._lock:
            if self._gone.is_set():
                raise TransportError(self._farewell())
            self._listener = listener

    def _connect(self) -> None:
        self._forget()
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._address.thing,
            protocol=paho.MQTTv5,
            reconnect_on_failure=False,
        )
        client.tls_set_context(self._address.context())
        client.suppress_exceptions = True  # else one of them ends the network thread unheard
        client.max_inflight_messages_set(MOST_UNANSWERED)
        client.connect_timeout = PATIENCE_S
        client.on_socket_open = self._on_socket_open
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        client.on_log = self._on_log
        self._client = client
        try:
            client.connect(
                self._address.endpoint,
                self._address.port,
                KEEPALIVE_S,
                clean_start=True,
            )
        except (OSError, ValueError) as error:
            raise faults.unreachable(error, self._address.endpoint, self._address.port) from error
        client.loop_start()
        try:
            self._await(self._connected, "the broker did not answer the greeting")
        except TransportError:
            self.close()
            raise

    def _subscribe(self, commands: str) -> None:
        """CommandHandler are a comfort: where they are not to be had, connect again without."""
        assert self._client is not None
        self._client.subscribe(commands, qos=1)
        answered = self._subscribed.wait(PATIENCE_S)
        if self._gone.is_set() or not answered:
            why = "the connection ended then" if self._gone.is_set() else "no answer came"
            self.close()
            self._connect()
            self.deaf = f"{commands}: no commands are heard: {why}"
        if self.deaf:
            log.warning("%s; the policy must allow iot:Subscribe and iot:Receive for it", self.deaf)

    def send(self, token: int, topic: str, payload: bytes) -> None:
        """Publish with QoS 1.

        Raises:
            TransportError: There is no connection, or the topic cannot be one.
        """
        assert self._client is not None
        if self._gone.is_set():
            raise TransportError(self._farewell())
        try:
            sent = self._client.publish(topic, payload, qos=1)
        except ValueError as error:
            raise TransportError(f"{topic}: not a topic to publish to: {error}") from error
        if sent.rc != paho.MQTT_ERR_SUCCESS:  # it lies in the client's queue now
            raise TransportError(f"{self._address}: {paho.error_string(sent.rc)}")
        with self._lock:
            answer = self._early.pop(sent.mid, None)
            if answer is None:
                self._tokens[sent.mid] = token
        if answer is not None:
            self._tell(token, answer)

    def close(self) -> None:
        """Say goodbye; a link that does not take it is cut."""
        client, self._client = self._client, None
        with self._lock:
            self._listener = self._hearing = None
        if client is None:
            return
        with contextlib.suppress(Exception):
            client.disconnect()
            self._gone.wait(0.3)
        opened = self._socket
        if opened is not None:
            with contextlib.suppress(OSError):  # wakes the network thread, whatever it waits for
                socket.socket.shutdown(opened, socket.SHUT_RDWR)
        with contextlib.suppress(Exception):
            client.loop_stop()
        self._socket = None

    def _await(self, event: threading.Event, otherwise: str) -> None:
        answered = event.wait(PATIENCE_S)
        if self._refused:
            raise TransportError(self._refused)
        if self._gone.is_set():
            said = self._alert() if not self._greeted else self._last_error
            raise faults.turned_away(said, self._address.endpoint, self._address.port)
        if not answered:
            raise TransportError(f"{self._address}: {otherwise}")

    def _alert(self) -> str:
        """Ask again by TLS 1.2: it tells in the handshake that a certificate is refused."""
        context = self._address.context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        address = (self._address.endpoint, self._address.port)
        try:
            with (
                socket.create_connection(address, PATIENCE_S) as plain,
                context.wrap_socket(plain, server_hostname=self._address.endpoint),
            ):
                return self._last_error
        except ssl.SSLError as error:
            return error.reason or self._last_error
        except OSError:
            return self._last_error

    def _farewell(self) -> str:
        return f"{self._address}: the connection is gone; {self._last_error}"

    # The rest is called on paho's thread.

    def _on_socket_open(self, client: paho.Client, data: Any, opened: Any) -> None:
        self._socket = opened
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_S * 1000)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _on_connect(
        self, client: paho.Client, data: Any, flags: Any, reason: ReasonCode, properties: Any
    ) -> None:
        self._greeted = True
        if reason.is_failure:
            self._refused = faults.not_let_in(reason.value, str(reason), self._address.thing)
        else:
            most = getattr(properties, "ReceiveMaximum", MOST_UNANSWERED)
            self.window = min(MOST_UNANSWERED, most)
        self._connected.set()

    def _on_subscribe(
        self, client: paho.Client, data: Any, mid: int, reasons: list[ReasonCode], properties: Any
    ) -> None:
        if reasons and reasons[0].is_failure:
            self.deaf = f"{self._commands}: no commands are heard: {reasons[0]}"
        self._subscribed.set()

    def _on_publish(
        self, client: paho.Client, data: Any, mid: int, reason: ReasonCode, properties: Any
    ) -> None:
        with self._lock:
            token = self._tokens.pop(mid, None)
            if token is None:
                self._early[mid] = reason
                return
        self._tell(token, reason)

    def _tell(self, token: int, reason: ReasonCode) -> None:
        listener = self._listener
        if listener is None:
            return
        if not reason.is_failure:
            listener.accepted(token)
            return
        refusal = REFUSALS.get(reason.value, Refusal.LATER)
        listener.refused(token, faults.refused(reason.value, str(reason)), refusal)

    def _on_message(self, client: paho.Client, data: Any, message: paho.MQTTMessage) -> None:
        hearing = self._hearing
        if hearing is not None:
            hearing.command(message.topic, bytes(message.payload))

    def _on_disconnect(
        self, client: paho.Client, data: Any, flags: Any, reason: ReasonCode, properties: Any
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._last_error = f"the broker closed it: {reason}"
        elif not self._last_error:
            self._last_error = "it was closed"
        with self._lock:
            self._gone.set()
            listener = self._listener
        self._connected.set()
        self._subscribed.set()
        if listener is not None:
            listener.lost(self._farewell())

    def _on_log(self, client: paho.Client, data: Any, level: int, text: str) -> None:
        if level == paho.MQTT_LOG_ERR and not self._last_error:
            self._last_error = text  # the first is the cause
