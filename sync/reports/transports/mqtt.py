"""MQTT 5 over mutual TLS, to AWS IoT Core or to a broker of one's own.

paho-mqtt holds one connection and does nothing else: nothing is put into its queue while there is
no connection, and it never reconnects. The answer in a PUBACK is read in ``on_publish``, because
``is_published()`` is true after a refusal too.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Sequence
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from sync.errors import TransportError
from sync.reports.transports import faults
from sync.reports.transports.base import Refusal, TransportCallbacks
from sync.reports.transports.broker_address import BrokerAddress

KEEPALIVE_S = 30  # the shortest that IoT Core allows
TCP_TIMEOUT_S = 15  # without a TCP acknowledgement; a pulled cable is noticed then
CONNECT_TIMEOUT_S = 10  # for a connection, and for each answer while it is being made
MAX_UNANSWERED = 100  # IoT Core's limit for a connection
MAX_SUBSCRIPTIONS = 8  # IoT Core's limit for a request
TAKEN_OVER = 0x8E  # in a DISCONNECT: another client has connected with the same id

REFUSALS = {  # MQTT 5, table 2-6; any other code is a fault of the broker
    0x87: Refusal.TOPIC,  # not authorized
    0x90: Refusal.MESSAGE,  # topic name invalid
    0x95: Refusal.MESSAGE,  # packet too large
    0x99: Refusal.MESSAGE,  # payload format invalid
}

log = logging.getLogger(__name__)


class MqttTransport:
    """One connection at a time. A message is accepted when its PUBACK says so.

    Attributes:
        window: As the broker allows.
        unheard: Why nothing is received on a topic, by the topic.
    """

    name = "mqtt"

    def __init__(
        self,
        address: BrokerAddress,
        commands: str | None = None,
        retained: dict[str, bytes] | None = None,
        answers: Sequence[tuple[str, ...]] = (),
    ) -> None:
        """Store the address; `open` connects.

        Args:
            address: The broker's.
            commands: The topic to receive commands from; None to receive none.
            retained: Messages by topic that the broker keeps, sent with each connection; emptied
                where it refuses one.
            answers: Further topics whose messages are received as commands are; those that are
                useless without each other in one group of at most `MAX_SUBSCRIPTIONS`.
        """
        self.window = MAX_UNANSWERED
        self.unheard: dict[str, str] = {}
        self._address = address
        self._groups = (*(((commands,),) if commands is not None else ()), *answers)
        self._retained = retained if retained is not None else {}
        self._client: paho.Client | None = None
        self._callbacks: TransportCallbacks | None = None
        self._command_callbacks: TransportCallbacks | None = None  # set before the SUBACK comes
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._reset()

    def _reset(self) -> None:
        self._tokens: dict[int, int] = {}  # by packet id
        self._early: dict[int, ReasonCode] = {}  # answers that came before `send` had the packet id
        self._connected = threading.Event()  # set too when it never will be
        self._subscribed = threading.Event()
        self._subscribing: tuple[str, ...] = ()
        self._gone = threading.Event()
        self._acknowledged = False
        self._refused = ""
        self._last_error = ""
        self._taken_over = False

    def open(self, callbacks: TransportCallbacks) -> None:
        """Connect, and subscribe to what the policy allows.

        Raises:
            TransportError: It could not connect; the message says why and what to do.
        """
        self.unheard.clear()
        self._connect()
        self._subscribe(self._groups, callbacks)
        self._send_retained()
        with self._lock:
            if self._gone.is_set():
                raise TransportError(self._loss_reason())
            self._callbacks = callbacks

    def _connect(self) -> None:
        self._reset()
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._address.thing,
            protocol=paho.MQTTv5,
            reconnect_on_failure=False,
        )
        client.tls_set_context(self._address.context())
        client.suppress_exceptions = True  # else an exception ends the network thread silently
        client.max_inflight_messages_set(MAX_UNANSWERED)
        client.connect_timeout = CONNECT_TIMEOUT_S
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

    def _subscribe(self, groups: Sequence[tuple[str, ...]], callbacks: TransportCallbacks) -> None:
        """Subscribe to groups of topics; one that ends the connection is left out of the next."""
        for group in groups:
            assert self._client is not None
            self._command_callbacks = callbacks
            self._subscribing = group
            self._subscribed.clear()
            self._client.subscribe([(topic, 1) for topic in group])
            answered = self._subscribed.wait(CONNECT_TIMEOUT_S)
            ended = self._gone.is_set()
            if ended or not answered:
                why = "the connection ended then" if ended else "no answer came"
                self.unheard |= dict.fromkeys(group, why)
            refused = [topic for topic in group if topic in self.unheard]
            if refused:
                log.warning(
                    "%s: nothing is heard: %s; the policy must allow iot:Subscribe and "
                    "iot:Receive for it",
                    ", ".join(refused),
                    self.unheard[refused[0]],
                )
            if ended or not answered:
                self.close()
                self._connect()
                others = [other for other in groups if other is not group]
                self._subscribe(others, callbacks)
                return

    def send(self, token: int, topic: str, payload: bytes) -> None:
        """Publish with QoS 1.

        Raises:
            TransportError: There is no connection, or the topic cannot be one.
        """
        assert self._client is not None
        if self._gone.is_set():
            raise TransportError(self._loss_reason())
        try:
            sent = self._client.publish(topic, payload, qos=1)
        except ValueError as error:
            raise TransportError(f"{topic}: not a topic to publish to: {error}") from error
        # Where the connection is gone by now, the message may have been written, and even be the
        # cause; `lost` is its answer. After any other error the message is in the client's queue.
        if sent.rc not in (
            paho.MQTT_ERR_SUCCESS,
            paho.MQTT_ERR_NO_CONN,
            paho.MQTT_ERR_CONN_LOST,
        ):
            raise TransportError(f"{self._address}: {paho.error_string(sent.rc)}")
        with self._lock:
            answer = self._early.pop(sent.mid, None)
            if answer is None:
                self._tokens[sent.mid] = token
        if answer is not None:
            self._answer(token, answer)

    def _send_retained(self) -> None:
        """Send what the broker keeps; where it does not, the log says so and reports go on."""
        assert self._client is not None
        for topic, payload in tuple(self._retained.items()):
            sent = self._client.publish(topic, payload, qos=1, retain=True)
            with contextlib.suppress(RuntimeError, ValueError):  # the connection is lost
                sent.wait_for_publish(CONNECT_TIMEOUT_S)
            answer = self._early.pop(sent.mid, None)
            if answer is None or answer.is_failure:
                log.warning("%s: the broker does not keep it: %s", topic, answer or "no answer")
                self._retained.clear()  # mosquitto ends the connection then; the next one goes on
                return

    def close(self) -> None:
        """Disconnect; where the link does not take that, shut the socket down."""
        client, self._client = self._client, None
        with self._lock:
            self._callbacks = self._command_callbacks = None
        if client is None:
            return
        with contextlib.suppress(Exception):
            client.disconnect()
            self._gone.wait(0.3)
        opened = self._socket
        if opened is not None:
            with contextlib.suppress(OSError):  # wakes the network thread
                socket.socket.shutdown(opened, socket.SHUT_RDWR)
        with contextlib.suppress(Exception):
            client.loop_stop()
        self._socket = None

    def _await(self, event: threading.Event, otherwise: str) -> None:
        answered = event.wait(CONNECT_TIMEOUT_S)
        if self._refused:
            raise TransportError(self._refused)
        if self._gone.is_set():
            reason = self._tls_alert() if not self._acknowledged else self._last_error
            raise faults.closed_early(reason, self._address.endpoint, self._address.port)
        if not answered:
            raise TransportError(f"{self._address}: {otherwise}")

    def _tls_alert(self) -> str:
        """Why the connection was closed: with TLS 1.2 a refused certificate fails the handshake."""
        context = self._address.context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        address = (self._address.endpoint, self._address.port)
        try:
            with (
                socket.create_connection(address, CONNECT_TIMEOUT_S) as plain,
                context.wrap_socket(plain, server_hostname=self._address.endpoint),
            ):
                return self._last_error
        except ssl.SSLError as error:
            return error.reason or self._last_error
        except OSError:
            return self._last_error

    def _loss_reason(self) -> str:
        return f"{self._address}: the connection is gone; {self._last_error}"

    # paho calls the rest on its own thread.

    def _on_socket_open(self, client: paho.Client, data: Any, opened: Any) -> None:
        self._socket = opened
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_TIMEOUT_S * 1000)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _on_connect(
        self, client: paho.Client, data: Any, flags: Any, reason: ReasonCode, properties: Any
    ) -> None:
        self._acknowledged = True
        if reason.is_failure:
            self._refused = faults.connection_refused(
                reason.value, str(reason), self._address.thing
            )
        else:
            most = getattr(properties, "ReceiveMaximum", MAX_UNANSWERED)
            self.window = min(MAX_UNANSWERED, most)
        self._connected.set()

    def _on_subscribe(
        self, client: paho.Client, data: Any, mid: int, reasons: list[ReasonCode], properties: Any
    ) -> None:
        for topic, reason in zip(self._subscribing, reasons, strict=False):
            if reason.is_failure:
                self.unheard[topic] = str(reason)
        self._subscribed.set()

    def _on_publish(
        self, client: paho.Client, data: Any, mid: int, reason: ReasonCode, properties: Any
    ) -> None:
        with self._lock:
            token = self._tokens.pop(mid, None)
            if token is None:
                self._early[mid] = reason
                return
        self._answer(token, reason)

    def _answer(self, token: int, reason: ReasonCode) -> None:
        callbacks = self._callbacks
        if callbacks is None:
            return
        if not reason.is_failure:
            callbacks.accepted(token)
            return
        refusal = REFUSALS.get(reason.value, Refusal.LATER)
        callbacks.refused(token, faults.publish_refused(reason.value, str(reason)), refusal)

    def _on_message(self, client: paho.Client, data: Any, message: paho.MQTTMessage) -> None:
        callbacks = self._command_callbacks
        if callbacks is not None:
            callbacks.command(message.topic, bytes(message.payload))

    def _on_disconnect(
        self, client: paho.Client, data: Any, flags: Any, reason: ReasonCode, properties: Any
    ) -> None:
        if flags.is_disconnect_packet_from_server and reason.value == TAKEN_OVER:
            self._taken_over = True
            self._last_error = faults.taken_over(self._address.thing)
        elif flags.is_disconnect_packet_from_server:
            self._last_error = f"the broker closed it: {reason}"
        elif not self._last_error:
            self._last_error = "it was closed"
        with self._lock:
            self._gone.set()
            callbacks = self._callbacks
        self._connected.set()
        self._subscribed.set()
        if callbacks is not None:
            callbacks.lost(self._loss_reason(), taken_over=self._taken_over)

    def _on_log(self, client: paho.Client, data: Any, level: int, text: str) -> None:
        if level == paho.MQTT_LOG_ERR and not self._last_error:
            self._last_error = text  # the first error is the cause
