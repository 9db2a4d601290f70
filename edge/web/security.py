"""Which requests are answered, and what browsers may do with the answers."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from flask import Flask, Response, request

from edge.web.addresses import is_own_address
from edge.web.problems import ProblemError
from edge.web.proxies import HOST_OF_PROXY

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "manifest-src 'self'",
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
    names: Iterable[str] = (),
    announced: Callable[[], str] = str,
    *,
    lan: bool,
) -> None:
    """Refuse foreign hosts and origins, and send the security headers with every answer.

    Args:
        app: The application to protect.
        names: Further host names and addresses of this device, as of a reverse proxy in front.
        announced: Gives the host name that is announced now; empty where none is.
        lan: Whether the machine's own LAN addresses are valid hosts, too.
    """
    named = frozenset(names)

    def refuse_others() -> None:
        host = request.headers.get("Host", "")
        # A client can send a proxy what this one passes on: each name must be known.
        for asked in (host, request.environ.get(HOST_OF_PROXY, host)):
            if not is_known_host(asked, named | {announced()}, lan=lan):
                raise ProblemError(400, _unknown_host(asked))
        if request.method in HARMLESS_METHODS or request.endpoint in FOR_ALL_SITES:
            return
        origin = request.headers.get("Origin")
        if request.headers.get("Sec-Fetch-Site", "none") not in OWN_SITES or not (
            origin is None or _is_own_origin(origin, host, named)
        ):
            raise ProblemError(403, _foreign_site(origin))

    def add_headers(response: Response) -> Response:
        has_own_policy = "Content-Security-Policy" in response.headers  # with its own frames
        for name, value in HEADERS:
            if has_own_policy and name == "X-Frame-Options":
                continue
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


def _is_own_origin(origin: str, host: str, named: frozenset[str]) -> bool:
    """Whether a page at `origin` is this device's own.

    The scheme is not compared, because behind a reverse proxy it is https. A proxy may also hide
    the host name or the port that the browser used, so a name of the settings is enough.
    """
    netloc = origin.partition("://")[2].lower()
    return netloc == host.lower() or host_name(netloc) in named


def _unknown_host(host: str) -> str:
    name = host_name(host)
    if not name:
        return f"{host[:100]!r} is not a host name; open this device by localhost."
    return (
        f"This device does not answer to the host name {name}. If it is one of this device's "
        f'names, add it to the device\'s settings: [edge] names = ["{name}"]; '
        "else open it by localhost or by the address that it printed when it started."
    )


def _foreign_site(origin: str | None) -> str:
    name = host_name((origin or "").partition("://")[2])
    refused = "Another website may not send this; open the device's own page instead."
    if not name:
        return refused
    return f'{refused} If that is at {name}, add it to the settings: [edge] names = ["{name}"].'
