"""TLS for the page, on the same port as plain HTTP: a connection's first byte says which it is.

The device's own screen and programs on the device go on with plain HTTP at localhost.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from flask import Flask, Response, request
from werkzeug.wrappers import Response as AnyResponse

from catalog.core.errors import VisualSearchError
from edge.settings import EdgeSettings
from edge.web.connections import Channel, Listener
from edge.web.problems import ProblemError
from edge.web.proxies import HOST_OF_PROXY, client_address

HANDSHAKE = b"\x16"  # the first byte of TLS; no method of HTTP begins with it
LONGEST_RECORD = 16_384  # bytes; a shorter read would leave some where poll does not see them
LOOK_SECONDS = 5.0  # between two looks whether the certificate is still right

log = logging.getLogger(__name__)


class Certificate(Protocol):
    """A certificate that may be renewed while the page is served."""

    @property
    def authority(self) -> bytes:
        """The device's own authority in PEM; empty where it has none."""
        ...

    def renew(self, now: datetime) -> bool:
        """Whether there is a new one, so that `context` must be called again."""
        ...

    def context(self) -> ssl.SSLContext:
        """What the server answers TLS with."""
        ...


class Tls:
    """What new connections are encrypted with; it follows the certificate.

    Attributes:
        context: Used for the next connection.
    """

    def __init__(self, certificate: Certificate) -> None:
        self.certificate = certificate
        self.context = certificate.context()
        self._next_look = time.monotonic() + LOOK_SECONDS
        self._is_due = False
        self._complaint = ""

    def look(self) -> None:
        """Renew the certificate where that is due; looks every few seconds at most."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_SECONDS
        try:
            self._is_due |= self.certificate.renew(datetime.now(UTC))
            if self._is_due:
                self.context = self.certificate.context()
            self._is_due, self._complaint = False, ""
        except Exception as error:  # the old one is used on, and the server's loop must not end
            if str(error) != self._complaint:
                expected = isinstance(error, OSError | VisualSearchError)
                log.warning(
                    "the page's certificate cannot be renewed: %s", error, exc_info=not expected
                )
            self._complaint = str(error)


def open_tls(
    settings: EdgeSettings, folder: Path, announced: Callable[[], list[str]]
) -> Tls | None:
    """What the settings want: the owner's certificate, one of this device's own, or no TLS.

    Args:
        settings: ``[edge]``.
        folder: Where the device keeps its own certificate.
        announced: Gives the host names that are announced now.

    Raises:
        SettingsError: The given certificate cannot be used.
        ShelfError: The folder cannot be used.
    """
    if not settings.tls:
        return None
    from edge.web.certificates import GivenCertificate, OwnCertificate, own_names

    if settings.certificate is not None and settings.key is not None:
        files = settings.certificate.expanduser(), settings.key.expanduser()
        return Tls(GivenCertificate(*files))
    return Tls(OwnCertificate(folder, lambda: [*own_names(settings), *announced()]))


class TlsChannel(Channel):
    """One connection, by TLS or by plain HTTP."""

    def __init__(self, server: TlsListener, *given: Any, **named: Any) -> None:
        self._tls = server.tls
        self._has_begun = False
        self.socket: socket.socket
        self._using = threading.Lock()  # one thread at a time may use a TLS connection
        super().__init__(server, *given, **named)

    def handle_read(self) -> None:
        """Read what has come; the handshake is a part of that."""
        if not self._has_begun and not self._begin():
            return
        if self.scheme == "http":
            super().handle_read()
            return
        try:
            with self._using:
                data = self.socket.recv(LONGEST_RECORD)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            data = b""
        if data:
            self.received(data)
        else:
            self.handle_close()

    def send(self, data: bytes, do_close: bool = True) -> int:  # noqa: FBT001, FBT002 - waitress'
        """Send what fits; the rest later."""
        if self.scheme == "http":
            sent: int = super().send(data, do_close)
            return sent
        try:
            with self._using:
                return int(self.socket.send(data))
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except OSError:
            if do_close:
                self.handle_close()
            return 0

    def handle_close(self) -> None:
        """Close, and tell a TLS client that nothing is missing."""
        with self.outbuf_lock:  # nobody sends between the end of TLS and that of the connection
            if isinstance(self.socket, ssl.SSLSocket):
                with self._using, suppress(OSError, ValueError):
                    self.socket.unwrap()
            super().handle_close()

    def _begin(self) -> bool:
        """Find out how the client begins; whether there is something to read."""
        try:
            first = self.socket.recv(1, socket.MSG_PEEK)
            if first == HANDSHAKE:
                self.socket = self._tls.context.wrap_socket(
                    self.socket, server_side=True, do_handshake_on_connect=False
                )
                self.scheme = "https"
                # Of what is sent at once nothing counts before a client has taken nearly all of it.
                self.sendbuf_len = LONGEST_RECORD
        except BlockingIOError:
            return False
        except OSError:
            first = b""
        self._has_begun = bool(first)
        if not first:
            self.handle_close()
        return self._has_begun


class TlsListener(Listener):
    """Accepts connections by TLS and by plain HTTP."""

    channel_class = TlsChannel

    def __init__(self, tls: Tls, *given: Any, **named: Any) -> None:
        self.tls = tls
        super().__init__(*given, **named)

    def maintenance(self, now: float) -> None:
        """Close late connections, and keep the certificate right."""
        super().maintenance(now)
        self.tls.look()


def require_tls(app: Flask) -> None:
    """Send visitors from plain HTTP to TLS.

    Not sent are the device's own screen, and those who come through a trusted proxy.
    """

    def send_to_tls() -> AnyResponse | None:
        client = client_address(request.remote_addr or "")
        if (
            request.scheme == "https"
            or request.endpoint == "authority"
            or HOST_OF_PROXY in request.environ
            or (client is not None and client.is_loopback)
        ):
            return None
        location = request.url.replace("http://", "https://", 1)
        return Response(status=308, headers={"Location": location})

    app.before_request(send_to_tls)


def add_authority(app: Flask, tls: Tls | None) -> None:
    """Serve the certificate of the device's own authority, for phones that are to trust it."""

    def authority() -> Response:
        if tls is None or not tls.certificate.authority:
            raise ProblemError(404, "This device has no certificate authority of its own.")
        return Response(tls.certificate.authority, content_type="application/x-x509-ca-cert")

    app.add_url_rule("/authority.crt", view_func=authority)
