"""A proxy on loopback that lets a real store fail in the ways that stores and links do."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.s3_server import ACCESS, SECRET

CHUNK = 1 << 16
LIE = 1000  # bytes
OWN_HEADERS = ("content-length", "transfer-encoding", "connection", "date", "server")

How = Literal[
    "status",  # answers `status` instead
    "busy",  # the answer is lost on its way back: the store did it, and says 503
    "ignore conditions",  # drops If-Match and If-None-Match
    "ignore ranges",  # drops Range
    "truncate",  # closes after `after` bytes of the body
    "reset",  # the same, with a RST
    "trickle",  # after `after` bytes, one byte every `seconds`
    "silent",  # after `after` bytes, nothing
    "say less",  # gives a length that is too small, and ends there
    "say more",  # gives a length that is too large
    "endless",  # says no length and never ends
    "endless refusal",  # the same, with `status`
    "slow headers",  # one byte of a header every `seconds`, without an end
    "damage",  # turns the byte at `after` around
]


@dataclass
class Fault:
    """What goes wrong.

    Attributes:
        name: A part of the paths that it happens to.
        how: See `How`.
        times: How often; -1 is always.
        methods: Of the requests that it happens to.
        after: Bytes of the body that are right.
        status: For ``status``.
        seconds: For ``trickle``.
    """

    name: str
    how: How
    times: int = -1
    methods: str = "GET"
    after: int = 0
    status: int = 503
    seconds: float = 0.05


@dataclass
class Request:
    """What was asked for, how it was answered, and with how many bytes until now.

    Attributes:
        ended: Whether nothing more is sent.
    """

    method: str
    path: str
    range: str | None
    status: int | None = None
    bytes: int = 0
    ended: bool = False


class FaultyProxy:
    """Stands before the store at `upstream`.

    Attributes:
        address: Where to ask.
        faults: What goes wrong; the first that fits, happens.
        requests: What was asked, from the moment on when it arrived. An answer that a former
            test left unread is sent to its end, so it may end when the next test is under way.
        dropped: While it is set nothing passes any more, as in a network that is gone: no
            connection is closed.
    """

    def __init__(self, upstream: str) -> None:
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.upstream = urlsplit(upstream).netloc
        self.closing = threading.Event()
        self.dropped = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop, also what is under way."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fault(self, method: str, path: str) -> Fault | None:
        """What is to go wrong with this request; counted."""
        if self.dropped.is_set():
            return Fault("", "silent")
        with self._lock:
            for fault in self.faults:
                if fault.times and method in fault.methods.split() and fault.name in path:
                    fault.times -= 1
                    return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    """Passes one request on, with the fault that the proxy has for it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, proxy: FaultyProxy, *connection: Any) -> None:
        self._proxy = proxy
        super().__init__(*connection)

    def _pass(self) -> None:
        self._request = Request(self.command, self.path, self.headers.get("Range"))
        self._proxy.requests.append(self._request)
        try:
            self._pass_on()
        finally:
            self._request.ended = True

    def _pass_on(self) -> None:
        fault = self._proxy.fault(self.command, self.path)
        how = fault.how if fault else ""
        length = int(self.headers.get("Content-Length") or 0)
        sent = self.rfile.read(length)
        if fault and how == "status":
            self._plain(fault.status)
            return
        if fault and how == "endless refusal":
            self._refuse_endlessly(fault)
            return
        if fault and how == "slow headers":
            self._trickle_headers(fault)
            return
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in ("expect", "connection")
        }
        if how in ("ignore conditions", "ignore ranges"):
            headers = self._signed_without(how, headers)
        upstream = http.client.HTTPConnection(self._proxy.upstream, timeout=60)
        try:
            upstream.request(self.command, self.path, body=sent or None, headers=headers)
            self._answer(upstream.getresponse(), fault)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        finally:
            upstream.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass  # noqa: N815  # http.server's names

    def _signed_without(self, how: str, headers: dict[str, str]) -> dict[str, str]:
        """What shall be ignored is left out, and the rest is signed again."""
        kept = {
            name: value
            for name, value in headers.items()
            if not (name.lower().startswith("if-") and how == "ignore conditions")
            and not (name.lower() == "range" and how == "ignore ranges")
            and name.lower() not in ("authorization", "x-amz-date")
        }
        url = f"http://{self.headers['Host']}{self.path}"
        request = AWSRequest(self.command, url, kept)
        S3SigV4Auth(Credentials(ACCESS, SECRET), "s3", "us-east-1").add_auth(request)
        return dict(request.headers.items())

    def _plain(self, status: int) -> None:
        self._request.status = status
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _refuse_endlessly(self, fault: Fault) -> None:
        self._request.status = fault.status
        self.send_response(fault.status)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        while not self._proxy.closing.is_set():
            self._send(bytes(CHUNK))

    def _trickle_headers(self, fault: Fault) -> None:
        self.close_connection = True
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Filler: ")
        while not self._proxy.closing.wait(fault.seconds):
            self.wfile.write(b"x")

    def _answer(self, answer: http.client.HTTPResponse, fault: Fault | None) -> None:
        how = fault.how if fault else ""
        if how == "busy":
            answer.read()
            self._plain(503)
            return
        length = int(answer.headers.get("Content-Length") or 0)
        said = {"say less": max(0, length - LIE), "say more": length + LIE}.get(how, length)
        self._request.status = answer.status
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in OWN_HEADERS:
                self.send_header(name, value)
        if how == "endless" or answer.length is None:
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(said))
        self.end_headers()
        for chunk in () if self.command == "HEAD" else self._body(answer, said, fault):
            self._send(chunk)
        if how not in ("", "ignore conditions", "ignore ranges", "damage"):
            self.close_connection = True
        if how == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()

    def _body(
        self, answer: http.client.HTTPResponse, said: int, fault: Fault | None
    ) -> Iterator[bytes]:
        how = fault.how if fault else ""
        if not fault or how in ("ignore conditions", "ignore ranges", "say more"):
            while chunk := answer.read1(CHUNK):
                if self._proxy.dropped.is_set():
                    self._proxy.closing.wait()
                yield chunk
        elif how == "say less":
            yield answer.read(said)
        elif how == "endless":
            while not self._proxy.closing.is_set():
                yield answer.read(CHUNK) or bytes(CHUNK)
        elif how == "damage":
            content = bytearray(answer.read())
            content[fault.after] ^= 0xFF
            yield bytes(content)
        else:
            yield answer.read(fault.after)
            if how == "silent":
                self._proxy.closing.wait()
            if how == "trickle":
                while (byte := answer.read(1)) and not self._proxy.closing.is_set():
                    yield byte
                    time.sleep(fault.seconds)

    def _send(self, chunk: bytes) -> None:
        self._request.bytes += len(chunk)  # before who asked can look
        self.wfile.write(chunk)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, OSError, ValueError):
            super().handle()

    def log_message(self, *_: object) -> None:
        pass
