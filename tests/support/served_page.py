"""A running server of the page, what is asked of it, and what it answers."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import cv2
import httpx
import numpy as np

from edge.web.app import create_app
from edge.web.server import Server
from edge.web.tls import Tls
from tests.support.web_stand_in import (
    CUP,
    StandInDevice,
    draw_look,
)

WAIT = 60.0  # seconds until an awaited thing counts as missing


@dataclass
class Web:
    """A running server with the device behind it."""

    device: StandInDevice
    server: Server
    thread: threading.Thread

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(self.url + path, timeout=WAIT, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return httpx.post(self.url + path, timeout=WAIT, **options)

    def stop(self) -> None:
        """Stop and wait for the end."""
        self.server.close()
        self.thread.join(WAIT)
        assert not self.thread.is_alive()


@contextlib.contextmanager
def serving(
    device: StandInDevice, port: int = 0, tls: Tls | None = None, **options: Any
) -> Iterator[Web]:
    app = create_app(device, tls=tls, **options)
    server = Server(app, "127.0.0.1", port, device.stopping, tls=tls)
    thread = threading.Thread(target=server.serve)
    thread.start()
    web = Web(device, server, thread)
    try:
        yield web
    finally:
        web.stop()


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until another thread has brought about a condition that nothing announces."""
    deadline = time.monotonic() + WAIT
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def is_problem(answer: httpx.Response, status: int) -> str:
    """Check that the answer is a problem document and return its detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    words = problem.pop("words", None)
    assert words is None or set(words) == {"sentence", "values"}
    assert set(problem) == {"type", "title", "status", "detail"}
    assert problem["type"] == "about:blank"
    assert problem["status"] == status
    assert problem["title"] == HTTPStatus(status).phrase
    detail = problem["detail"]
    assert isinstance(detail, str)
    assert "Traceback" not in detail
    return detail


def search(
    web: Web, data: bytes | None = None, headers: dict[str, str] | None = None, query: str = ""
) -> httpx.Response:
    photo = draw_look(CUP) if data is None else data
    return web.post(
        f"/api/search{query}",
        content=photo,
        headers={"Content-Type": "image/jpeg"} | (headers or {}),
    )


def decode(jpeg: bytes) -> Any:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def png(width: int, height: int) -> bytes:
    return cv2.imencode(".png", np.full((height, width, 3), 90, np.uint8))[1].tobytes()


def bomb(width: int, height: int) -> bytes:
    """A small PNG whose header claims width x height pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def raw_get(
    web: Web, path: str, host: str, header: str = "Accept: */*"
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Send a GET whose path and Host header no client library corrects."""
    with socket.create_connection(("127.0.0.1", web.server.port), WAIT) as connection:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{header}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        received = b""
        while part := connection.recv(65_536):
            received += part
    reader = io.BytesIO(received)
    status = int(reader.readline().split()[1])
    return status, http.client.parse_headers(reader), reader.read()


@contextlib.contextmanager
def open_stream(
    web: Web, path: str, headers: Mapping[str, str] | None = None
) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", web.server.port, timeout=WAIT)
    connection.request("GET", path, headers=dict(headers or {}))
    response = connection.getresponse()
    try:
        assert response.status == 200
        yield response
    finally:
        response.close()
        connection.close()


def read_events(stream: http.client.HTTPResponse) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    while line := stream.readline():
        if line.startswith(b"event: "):
            name = line[7:].strip().decode()
        elif line.startswith(b"data: "):
            yield name, json.loads(line[6:])


def read_part(stream: http.client.HTTPResponse) -> bytes:
    assert stream.readline() == b"--frame\r\n"
    assert stream.readline() == b"Content-Type: image/jpeg\r\n"
    length = int(stream.readline().removeprefix(b"Content-Length: "))
    assert stream.readline() == b"\r\n"
    jpeg = stream.read(length)
    assert stream.readline() == b"\r\n"
    return jpeg
