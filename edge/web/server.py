"""The HTTP server: waitress on a listening socket of our own."""

from __future__ import annotations

import errno
import ipaddress
import socket
import threading
import time
from collections.abc import Iterable
from typing import Any

from flask import Flask
from waitress import wasyncore

from edge.errors import PortError
from edge.web.addresses import in_url, lan_addresses
from edge.web.app import THREADS
from edge.web.bodies import LARGEST_BODY
from edge.web.connections import Listener
from edge.web.proxies import Network
from edge.web.tls import Tls, TlsListener

UNSENT_BYTES = 16_384  # wait here and in the kernel; more would be old when a slow client gets it
GONE_CLIENT_MS = 15_000  # a client that acknowledges no data for so long is gone
STREAMS_GRACE_SECONDS = 0.4
THREADS_GRACE_SECONDS = 0.4
OPTIONS: dict[str, Any] = {
    "threads": THREADS,
    "outbuf_high_watermark": UNSENT_BYTES,
    "recv_bytes": 65_536,  # waitress' own 8192 take twice the time for a photo of a phone
    "cleanup_interval": 1,  # seconds between two looks for late clients
    "channel_request_lookahead": 1,  # without it, only writing to a client shows that it is gone
    "connection_limit": 500,
    "max_request_header_size": 16_384,
    "max_request_body_size": LARGEST_BODY,
    "asyncore_use_poll": True,
    "clear_untrusted_proxy_headers": False,  # edge.web.proxies does that
    "ident": None,
}


class Server:
    """Serves an app until it is stopped.

    Args:
        app: The application.
        host: The address to listen on: 127.0.0.1 for this machine alone, :: for all
            (IPv4 as well as IPv6), 0.0.0.0 for all by IPv4.
        port: The port; 0 takes a free one.
        stopping: Set when the server stops, for streams to end at once.
        prefix: The path that the page is served below, as "/search", and without it, too: a
            reverse proxy may remove it.
        trusted: Where reverse proxies are.
        tls: What connections of others than this machine are encrypted with; None for plain HTTP.

    Raises:
        PortError: The address cannot be listened on.
    """

    def __init__(
        self,
        app: Flask,
        host: str,
        port: int,
        stopping: threading.Event,
        *,
        prefix: str = "",
        trusted: Iterable[Network] = (),
        tls: Tls | None = None,
    ) -> None:
        self._stopping = stopping
        self._asked_to_stop = threading.Event()
        self._serving = threading.Lock()
        self._closing = threading.RLock()  # reentrant: a signal handler may call stop meanwhile
        self._socket = _listen(host, port)
        self.host = host
        self.address, self.port = self._socket.getsockname()[:2]
        options = OPTIONS | {"url_prefix": prefix}
        given = (app, self._socket, options, trusted)
        self._waitress = Listener(*given) if tls is None else TlsListener(tls, *given)
        self._scheme = "http" if tls is None else "https"

    def serve(self) -> None:
        """Answer requests until `stop`, or until an exception (as of a signal) ends it."""
        with self._serving:
            try:
                while not self._asked_to_stop.is_set():
                    self._turn(1.0)
            finally:
                self._finish()

    def stop(self) -> None:
        """Ask `serve` to return, from any thread or signal handler; does not wait."""
        self._stopping.set()
        self._asked_to_stop.set()
        with self._closing:  # once closed, its descriptor's number may be another file's
            if not self._waitress.trigger._closed:
                self._waitress.pull_trigger()

    def close(self) -> None:
        """Stop and wait until nothing is served and the port is free, under a second."""
        self.stop()
        with self._serving:
            self._finish()

    def addresses(self, *, lan: bool) -> list[str]:
        """Where the page can be opened; with `lan` also from a phone in the same network."""
        found = {"localhost": f"http://localhost:{self.port}/"}
        for host in (lan_addresses() if _is_everywhere(self.host) else [self.host]) if lan else ():
            found.setdefault(host, f"{self._scheme}://{in_url(host)}:{self.port}/")
        return list(found.values())

    def _turn(self, timeout: float) -> None:
        wasyncore.loop(timeout=timeout, use_poll=True, map=self._waitress._map, count=1)

    def _finish(self) -> None:
        """Let streams end, then close whatever is still open. A second call does nothing."""
        if self._waitress.trigger._closed:
            return
        self._stopping.set()
        self._waitress.accepting = False
        deadline = time.monotonic() + STREAMS_GRACE_SECONDS
        while time.monotonic() < deadline and self._is_busy():
            self._turn(0.05)
        for channel in list(self._waitress.active_channels.values()):
            channel.handle_close()  # wakes a thread that waits for a slow client
        self._waitress.task_dispatcher.shutdown(timeout=THREADS_GRACE_SECONDS)
        with self._closing:
            wasyncore.close_all(self._waitress._map)
            self._waitress.close()

    def _is_busy(self) -> bool:
        channels = self._waitress.active_channels.values()
        return any(channel.requests or channel.total_outbufs_len for channel in list(channels))


def check_port(host: str, port: int) -> None:
    """Check, before long work, that an address can be listened on.

    Raises:
        PortError: It cannot.
    """
    _listen(host, port).close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise PortError(_what_to_do(host, port, error)) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and _is_everywhere(host):
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # accepted connections inherit these options
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_CLIENT_MS)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise PortError(_what_to_do(host, port, error)) from error
    return listener


def _is_everywhere(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:  # a host name
        return False


def _what_to_do(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        other = port + 1 if port < 65_535 else 8080
        return f"port {port} is in use; choose another with --port {other} (make demo PORT={other})"
    if error.errno == errno.EACCES:
        return f"port {port} needs more rights; choose one above 1023, as with --port 8080"
    return (
        f"{host} port {port} cannot be listened on ({error.strerror}); "
        "set [edge] host to an address of this machine, as 127.0.0.1"
    )
