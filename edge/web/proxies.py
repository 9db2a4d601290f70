"""Behind a reverse proxy: which client and which host name a request is really from.

A proxy says that in headers, and so can any client. Only a proxy that the settings name is
believed; from all others the headers are dropped.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any

from waitress.proxy_headers import PROXY_HEADERS, proxy_headers_middleware

from edge.web.addresses import Address

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
WsgiApp = Callable[..., Iterable[bytes]]

HOST_OF_PROXY = "visual_search.host_of_proxy"  # in a request's environment
WAS_FORWARDED = "visual_search.was_forwarded"  # there, whether a proxy, or a client, says so
FORWARDED = frozenset(("forwarded",))
X_FORWARDED = frozenset(
    ("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port")
)


class TrustedProxies:
    """Put what trusted proxies say into a request's environment: client, host, port, scheme.

    The Host header that the proxy itself sent stays under `HOST_OF_PROXY`.

    Args:
        app: The WSGI application.
        networks: Where the trusted proxies are.
    """

    def __init__(self, app: WsgiApp, networks: Iterable[Network]) -> None:
        self._app = app
        self._networks = tuple(networks)
        self._translated = {
            headers: proxy_headers_middleware(
                app, trusted_proxy="*", trusted_proxy_headers=headers, clear_untrusted=True
            )
            for headers in (FORWARDED, X_FORWARDED)
        }

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        environ[WAS_FORWARDED] = any(f"HTTP_{header}" in environ for header in PROXY_HEADERS)
        if not is_in(client_address(environ["REMOTE_ADDR"]), self._networks):
            for header in PROXY_HEADERS:
                environ.pop(f"HTTP_{header}", None)
            return self._app(environ, start_response)
        environ[HOST_OF_PROXY] = environ.get("HTTP_HOST", "")
        # Where a proxy writes the X-Forwarded headers, Forwarded may come from its client.
        has_x = any(f"HTTP_{name.upper().replace('-', '_')}" in environ for name in X_FORWARDED)
        answer: Iterable[bytes] = self._translated[X_FORWARDED if has_x else FORWARDED](
            environ, start_response
        )
        return answer


def client_address(text: str) -> Address | None:
    """A client's address, without a zone; None where it is no address, as "unknown"."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (getattr(address, "ipv4_mapped", None) or address) if address.version == 6 else address


def client_name(text: str | None) -> str:
    """What a client is counted by: its address, whichever way that is written.

    Not by its network, which in IPv6 all of a local network's clients share.
    """
    return str(client_address(text or "") or "unknown")


def is_in(address: Address | None, networks: Iterable[Network]) -> bool:
    """Whether an address is in one of the networks."""
    return address is not None and any(address in network for network in networks)
