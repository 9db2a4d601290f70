"""A small broker that behaves as AWS IoT Core does where mosquitto does not.

It closes the connection on a topic that the policy denies, throttles, leaves PUBACKs out,
and has written a message to disk before it acknowledges it. MQTT 5, QoS 1, TLS, no sessions.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
import ssl
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.support.ports import free_port

PUBLISH, PUBACK = 3, 4
NOT_AUTHORIZED, QUOTA_EXCEEDED = 0x87, 0x97
TAKEN_OVER = 0x8E  # another client has connected with the same id

Result = TypeVar("Result")


@dataclass
class Behaviour:
    """How the broker treats its clients; may change at any time.

    Attributes:
        closes_for: Topics, or parts of payloads, that make it close the connection.
        refuses: Reason codes of PUBACKs by topic.
        refuses_connections: Reason code of the CONNACK; 0 accepts every client.
        swallows: The share of PUBACKs that it leaves out.
        pace_s: How long it takes over each message.
        quota: How many more messages it takes before it throttles; None for no end.
        silent: It reads on and answers nothing.
        subscriptions: Are ``granted``, ``ignored``, or ``close`` the connection.
        takes_over_after: With so many messages taken, a connection is taken over; None for never.
    """

    closes_for: list[bytes] = field(default_factory=list)
    refuses: dict[str, int] = field(default_factory=dict)
    refuses_connections: int = 0
    swallows: float = 0.0
    pace_s: float = 0.0
    quota: int | None = None
    silent: bool = False
    subscriptions: str = "granted"
    receive_maximum: int = 100
    takes_over_after: int | None = None


@dataclass(frozen=True)
class Received:
    """A message as it was written to the record."""

    topic: str
    payload: bytes


class IotCore:
    """The broker, on a thread of its own; `record` holds what it has acknowledged, and more."""

    def __init__(self, record: Path, context: ssl.SSLContext, seed: int = 1) -> None:
        self.behaviour = Behaviour()
        self.record = record
        self.subscribed: set[str] = set()
        self.connections = 0
        self.swallowed = 0
        self.most_unanswered = 0
        self._context = context
        self._random = random.Random(seed)
        self._writers: dict[asyncio.StreamWriter, set[str]] = {}
        self._taken: dict[asyncio.StreamWriter, int] = {}
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = free_port()
        self._file = record.open("ab", buffering=0)
        self.start()

    def start(self) -> None:
        """Listen, again."""
        self._do(self._start())

    def stop(self) -> None:
        """Stop listening, and cut who is connected."""
        self._do(self._stop())

    def cut(self) -> None:
        """Reset every connection."""
        self._do(self._cut())

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._file.close()

    def command(self, topic: str, payload: bytes) -> None:
        """Publish to who has subscribed."""
        self._do(self._command(topic, payload))

    def received(self) -> list[Received]:
        """Everything on record, oldest first."""
        return read_record(self.record)

    def _do(self, what: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(60)

    async def _start(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(
                self._serve, "127.0.0.1", self.port, ssl=self._context, reuse_address=True
            )

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut()

    async def _cut(self) -> None:
        for writer in list(self._writers):
            opened = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):  # a reset, not a farewell
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def _command(self, topic: str, payload: bytes) -> None:
        for writer, topics in self._writers.items():
            if topic in topics:
                writer.write(packet(PUBLISH << 4, text(topic) + b"\0" + payload))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers[writer] = set()
        self.connections += 1
        try:
            while await self._answer(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            del self._writers[writer]
            self._taken.pop(writer, None)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, body = await read_packet(reader)
        if writer.is_closing():
            return False
        if self.behaviour.silent:
            return True
        match first >> 4:
            case 1:  # CONNECT
                most = struct.pack("!BH", 0x21, self.behaviour.receive_maximum)
                writer.write(
                    packet(0x20, bytes([0, self.behaviour.refuses_connections, len(most)]) + most)
                )
                return not self.behaviour.refuses_connections
            case 3:  # PUBLISH
                return await self._publish(first, body, writer)
            case 8:  # SUBSCRIBE
                topics, rest = [], body[3 + body[2] :]
                while rest:
                    length = struct.unpack_from("!H", rest)[0]
                    topics.append(rest[2 : 2 + length].decode())
                    rest = rest[3 + length :]
                if self.behaviour.subscriptions != "granted":
                    return self.behaviour.subscriptions == "ignored"
                if any(topic.encode() in self.behaviour.closes_for for topic in topics):
                    return False
                self.subscribed.update(topics)
                self._writers[writer].update(topics)
                writer.write(packet(0x90, body[:2] + b"\0" + b"\1" * len(topics)))
            case 12:  # PINGREQ
                writer.write(packet(0xD0, b""))
            case 14:  # DISCONNECT
                return False
        return True

    async def _publish(self, first: int, body: bytes, writer: asyncio.StreamWriter) -> bool:
        length = struct.unpack_from("!H", body)[0]
        topic = body[2 : 2 + length].decode()
        number = body[2 + length : 4 + length]
        payload = body[5 + length + body[4 + length] :]
        if any(part == topic.encode() or part in payload for part in self.behaviour.closes_for):
            return False
        if self.behaviour.pace_s:
            await asyncio.sleep(self.behaviour.pace_s)
            if writer.is_closing():
                return False
        reason = self.behaviour.refuses.get(topic, 0)
        if self.behaviour.quota is not None and not reason:
            self.behaviour.quota -= 1
            reason = QUOTA_EXCEEDED if self.behaviour.quota < 0 else 0
        if not reason:
            line = json.dumps({"topic": topic, "payload": payload.decode("latin-1")})
            self._file.write(line.encode() + b"\n")
            os.fdatasync(self._file.fileno())
        if self._random.random() < self.behaviour.swallows:
            self.swallowed += 1
            return True
        writer.write(packet(PUBACK << 4, number + bytes([reason])))
        if self.behaviour.takes_over_after is not None:
            self._taken[writer] = self._taken.get(writer, 0) + 1
            if self._taken[writer] >= self.behaviour.takes_over_after:
                writer.write(packet(0xE0, bytes([TAKEN_OVER, 0])))
                await writer.drain()
                return False
        return True


def read_record(record: Path) -> list[Received]:
    """What a broker has written down."""
    lines = [json.loads(line) for line in record.read_bytes().splitlines()]
    return [Received(line["topic"], line["payload"].encode("latin-1")) for line in lines]


def packet(first: int, body: bytes) -> bytes:
    """A packet: its first byte, its length (7 bits a byte), its body."""
    length, size = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        size.append(digit | (128 if length else 0))
        if not length:
            return bytes([first]) + bytes(size) + body


def text(value: str) -> bytes:
    """A string as MQTT writes it."""
    encoded = value.encode()
    return struct.pack("!H", len(encoded)) + encoded


async def read_packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The first byte of the next packet, and its body."""
    first = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        digit = (await reader.readexactly(1))[0]
        length |= (digit & 127) << shift
        shift += 7
        if digit < 128:
            return first, await reader.readexactly(length)


def server_context(certificate: Path, key: Path, ca: Path) -> ssl.SSLContext:
    """TLS that asks for a certificate signed by `ca`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context
