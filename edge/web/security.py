"""Which requests are answered, and what browsers may do with the answers."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from flask import Flask, Response, request

from edge.web.addresses import is_own_address
from edge.web.problems import ProblemError

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

HEADERS = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)

HARMLESS_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
FOR_ALL_SITES = frozenset(("matches",))  # views that only read; pages of all sites may ask them
OWN_SITES = frozenset(("same-origin", "none"))


def protect(
    app: Flask,
    hosts: Iterable[str] = (),
    announced: Callable[[], str] = str,
    *,
    lan: bool,
) -> None:
    """Refuse foreign hosts and origins, and send the security headers with every answer.

    Args:
        app: The application to protect.
        hosts: Further host names, for a reverse proxy in front.
        announced: Gives the host name that is announced now; empty where none is.
        lan: Whether the machine's own LAN addresses are valid hosts, too.
    """
    allowed = frozenset(host.lower() for host in hosts)

    def refuse_others() -> None:
        host = request.headers.get("Host", "")
        if not is_known_host(host, allowed | {announced()}, lan=lan):
            raise ProblemError(
                400,
                f"This device does not answer to the host name {host_name(host) or host!r}; "
                "open it by localhost or by the address that it printed when it started.",
            )
        if request.method in HARMLESS_METHODS or request.endpoint in FOR_ALL_SITES:
            return
        if not _is_from_own_page(host):
            raise ProblemError(
                403, "Another website may not send this; open the device's own page instead."
            )

    def add_headers(response: Response) -> Response:
        for name, value in HEADERS:
            response.headers.setdefault(name, value)
        if "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        return response

    app.before_request(refuse_others)
    app.after_request(add_headers)


def host_name(header: str) -> str:
    """The name in a Host header, in lower case, without port and brackets; empty for a bad one."""
    try:
        parts = urlsplit(f"//{header}")
        _ = parts.port  # raises when it is not a number
    except ValueError:
        return ""
    if parts.path or parts.query or parts.fragment or parts.username is not None:
        return ""
    return (parts.hostname or "").removesuffix(".")


def is_known_host(header: str, allowed: frozenset[str] = frozenset(), *, lan: bool) -> bool:
    """Whether a Host header names this machine; another name may be DNS rebinding."""
    name = host_name(header)
    if not name:
        return False
    machine = socket.gethostname().lower()
    short = machine.partition(".")[0]
    if name in ("localhost", machine, short) or name in allowed:
        return True
    if lan and name == f"{short}.local":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or (lan and is_own_address(address))


def _is_from_own_page(host: str) -> bool:
    """Whether the request comes from this device's own page, or from no page at all."""
    if request.headers.get("Sec-Fetch-Site", "none") not in OWN_SITES:
        return False
    origin = request.headers.get("Origin")
    # only the host is compared: behind a reverse proxy the page's scheme is https
    try:
        return origin is None or urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False
