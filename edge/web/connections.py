"""The server's connections: waitress with limits for each client, and answers in our own words."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
import time
from collections.abc import Iterable
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, WSGITask

from edge.web.addresses import Address
from edge.web.bodies import MOST_OF_ALL as MOST_BYTES
from edge.web.bodies import MOST_OF_CLIENT as MOST_BYTES_OF_CLIENT
from edge.web.bodies import Parser
from edge.web.dispatcher import Dispatcher
from edge.web.problems import MEDIA_TYPE, problem_body
from edge.web.proxies import Network, WsgiApp, client_address, is_in
from edge.web.security import HEADERS
from edge.web.streams import UNACKNOWLEDGED

MOST_OF_CLIENT = 50  # connections; a browser makes six
IDLE_SECONDS = 30.0  # without a request
HEAD_SECONDS = 10.0  # for a request's first line and headers
BODY_SECONDS = 20.0  # for a request's body, and longer while it comes:
LEAST_RATE = 4_000  # bytes a second of it, with a pause of IDLE_SECONDS at most

INT = struct.Struct("i")  # of C


class ProblemTask(ErrorTask):  # type: ignore[misc]
    """Answers requests that waitress itself refuses with a problem document, as the app does."""

    def execute(self) -> None:
        """Write the answer."""
        error = self.request.error
        body = problem_body(error.code, f"The request cannot be served: {error.body}.")
        self.status = f"{error.code} {error.reason}"
        self.response_headers.extend([("Content-Type", MEDIA_TYPE), *HEADERS])
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Task(WSGITask):  # type: ignore[misc]
    """Answers a request by the app."""

    def get_environment(self) -> dict[str, Any]:
        """Waitress' environment, and what tells how much the client has acknowledged."""
        environ: dict[str, Any] = super().get_environment()
        environ[UNACKNOWLEDGED] = self.channel.unacknowledged
        environ["wsgi.url_scheme"] = self.channel.scheme
        return environ

    def set_close_on_finish(self) -> None:
        """Keep the connection after an answer without a body, which waitress takes for endless."""
        closing = self.request.headers.get("CONNECTION", "").lower() == "close"
        if self.has_body or closing or self.version != "1.1":
            super().set_close_on_finish()


class Channel(HTTPChannel):  # type: ignore[misc]
    """One connection."""

    task_class = Task
    error_task_class = ProblemTask
    scheme = "http"

    def __init__(self, server: Any, sock: socket.socket, addr: Any, *given: Any, **named: Any):
        self.client = client_address(addr[0])
        self._incoming: Parser | None = None  # the request that comes in
        # By the steady clock: a device's own clock may jump by years at its start.
        self._began = self._idle_since = self._taken_at = self._body_due = time.monotonic()
        self._sent = self._sent_before = 0  # how often something could be sent
        super().__init__(server, sock, addr, *given, **named)

    def parser_class(self, adjustments: Adjustments) -> Parser:
        """What reads the next request."""
        return Parser(adjustments, lambda: self.server.is_full(self.client))

    def received(self, data: bytes) -> bool:
        """Take what the client sent, and note until when more of it must come."""
        taken: bool = super().received(data)
        now = time.monotonic()
        if self.request is not self._incoming:
            self._incoming, self._began = self.request, now
            self._body_due = now + BODY_SECONDS
        else:
            self._body_due = min(self._body_due + len(data) / LEAST_RATE, now + IDLE_SECONDS)
        return taken

    def body_bytes(self) -> int:
        """How many bytes of bodies are kept for this connection."""
        requests = [*self.requests, self.request]
        return sum(request.body_bytes_received for request in requests if request is not None)

    def service(self) -> None:
        """Answer a request."""
        self._idle_since = time.monotonic()
        super().service()
        self._idle_since = time.monotonic()

    def is_late(self, now: float) -> bool:
        """Whether the client has had enough time for what it should do next.

        What it sends drop by drop gives it no more time, and neither do empty lines. Whether it
        takes what is sent shows from one call to the next.
        """
        if self._sent != self._sent_before or not self.total_outbufs_len:
            self._sent_before, self._taken_at = self._sent, now
        if self.total_outbufs_len:
            return now - self._taken_at > IDLE_SECONDS
        if self.requests:
            return False
        idle = now - self._idle_since
        if (incoming := self._incoming) is None:
            return idle > IDLE_SECONDS
        if not incoming.headers_finished:
            return now - self._began > HEAD_SECONDS or idle > IDLE_SECONDS + HEAD_SECONDS
        return now > self._body_due

    def _flush_some(self, do_close: bool = True) -> bool:  # noqa: FBT001, FBT002 - waitress'
        flushed: bool = super()._flush_some(do_close)
        self._sent += flushed
        return flushed

    def unacknowledged(self) -> int:
        """How many bytes of what was written the client has not acknowledged; 0 if it has left."""
        try:
            queued = fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(INT.size))
        except (OSError, ValueError):  # it was closed
            return 0
        return int(self.total_outbufs_len) + int(INT.unpack(queued)[0])


class Listener(TcpWSGIServer):  # type: ignore[misc]
    """Accepts connections, not too many of one client, and closes those that are late.

    Args:
        app: The application.
        listening: The listening socket.
        options: Waitress' options.
        trusted: Where reverse proxies are; they may have all connections.
    """

    channel_class = Channel
    next_channel_cleanup: float  # waitress', by the device's clock

    def __init__(
        self,
        app: WsgiApp,
        listening: socket.socket,
        options: dict[str, Any],
        trusted: Iterable[Network] = (),
    ) -> None:
        self._trusted = tuple(trusted)
        adjustments = Adjustments(sockets=[listening], **options)
        super().__init__(
            app,
            {},
            _sock=listening,
            dispatcher=Dispatcher(adjustments.threads),
            adj=adjustments,
            sockinfo=(listening.family, listening.type, listening.proto, listening.getsockname()),
            bind_socket=False,
        )

    def accept(self) -> tuple[socket.socket, Any] | None:
        """The next connection, or None; one too many of its client is closed."""
        accepted: tuple[socket.socket, Any] | None = super().accept()
        if accepted is None:
            return None
        connection, address = accepted
        client = client_address(address[0])
        if not is_in(client, self._trusted):
            channels = self.active_channels.values()
            if sum(channel.client == client for channel in channels) >= MOST_OF_CLIENT:
                connection.close()
                return None
        return connection, address

    def is_full(self, client: Address | None) -> bool:
        """Whether the bodies of a client's requests, or of all clients', are too many bytes."""
        channels = list(self.active_channels.values())
        if sum(each.body_bytes() for each in channels) > MOST_BYTES:
            return True
        if is_in(client, self._trusted):
            return False
        own: int = sum(each.body_bytes() for each in channels if each.client == client)
        return own > MOST_BYTES_OF_CLIENT

    def readable(self) -> bool:
        """Whether to accept; waitress calls `maintenance` here, by a clock that may be set back."""
        latest = time.time() + self.adj.cleanup_interval
        self.next_channel_cleanup = min(self.next_channel_cleanup, latest)
        accepts: bool = super().readable()
        return accepts

    def maintenance(self, now: float) -> None:
        """Close the connections of clients that are late, and stop threads that nobody needs."""
        self.task_dispatcher.stop_surplus()
        for channel in list(self.active_channels.values()):
            if channel.is_late(time.monotonic()):
                channel.will_close = True
                channel.handle_close()  # a client that takes nothing would delay a polite end
