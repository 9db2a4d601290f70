"""A core of Greengrass V2 as far as publishing goes: event-stream messages on a Unix socket.

The framing is that of https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import struct
import threading
import zlib
from pathlib import Path

MESSAGE, ERROR, CONNECT, CONNECT_ACK = 0, 1, 4, 5
TERMINATE, ACCEPTED = 2, 1
INTEGER, TEXT = 4, 7
SHAPES = "aws.greengrass#"

Headers = dict[str, int | str]


class Core:
    """Answers at `path`; `denied` topics are refused, `hangs` answers nothing."""

    def __init__(self, path: Path, token: str = "secret") -> None:
        self.path = path
        self.token = token
        self.denied: set[str] = set()
        self.hangs = False
        self.published: list[tuple[str, bytes]] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        self.start()

    def start(self) -> None:
        """Listen, again."""
        self.path.unlink(missing_ok=True)
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self.path))
        self._server.listen()
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def stop(self) -> None:
        """Stop, and leave everybody."""
        for connection in (self._server, *self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._open.clear()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                opened, _ = server.accept()
            except OSError:
                return
            self._open.append(opened)
            threading.Thread(target=self._serve, args=(opened,), daemon=True).start()

    def _serve(self, opened: socket.socket) -> None:
        try:
            while True:
                headers, payload = read_message(opened)
                stream = headers[":stream-id"]
                if headers[":message-type"] == CONNECT:
                    good = json.loads(payload)["authToken"] == self.token
                    self.connections += good
                    opened.sendall(message(CONNECT_ACK, ACCEPTED if good else 0, 0))
                elif not self.hangs:
                    assert isinstance(stream, int)
                    opened.sendall(self._publish(stream, json.loads(payload)))
        except (OSError, EOFError):
            return

    def _publish(self, stream: int, asked: dict[str, str]) -> bytes:
        if asked["topicName"] in self.denied:
            said = json.dumps({"message": "not authorized"}).encode()
            return message(ERROR, TERMINATE, stream, "UnauthorizedError", said)
        self.published.append((asked["topicName"], base64.b64decode(asked["payload"])))
        return message(MESSAGE, TERMINATE, stream, "PublishToIoTCoreResponse", b"{}")


def message(kind: int, flags: int, stream: int, shape: str = "", payload: bytes = b"") -> bytes:
    """A message: prelude with checksum, headers, payload, checksum."""
    headers: Headers = {":message-type": kind, ":message-flags": flags, ":stream-id": stream}
    if shape:
        headers |= {":content-type": "application/json", "service-model-type": SHAPES + shape}
    packed = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack("!II", 16 + len(packed) + len(payload), len(packed))
    body = prelude + struct.pack("!I", zlib.crc32(prelude)) + packed + payload
    return body + struct.pack("!I", zlib.crc32(body))


def read_message(opened: socket.socket) -> tuple[Headers, bytes]:
    """The next message's headers and payload."""
    total, length = struct.unpack("!II", _exactly(opened, 12)[:8])
    body = _exactly(opened, total - 12)
    headers: Headers = {}
    at = 0
    while at < length:
        name = body[at + 1 : at + 1 + body[at]].decode()
        at += 1 + body[at]
        if body[at] == INTEGER:
            headers[name] = struct.unpack_from("!i", body, at + 1)[0]
            at += 5
        else:
            size = struct.unpack_from("!H", body, at + 1)[0]
            headers[name] = body[at + 3 : at + 3 + size].decode()
            at += 3 + size
    return headers, body[length:-4]


def _header(name: str, value: int | str) -> bytes:
    first = bytes([len(name)]) + name.encode()
    if isinstance(value, int):
        return first + struct.pack("!Bi", INTEGER, value)
    return first + struct.pack("!BH", TEXT, len(value)) + value.encode()


def _exactly(opened: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = opened.recv(count - len(found))
        if not part:
            raise EOFError
        found += part
    return found
