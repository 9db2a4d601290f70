"""Tell addresses of the local network from those of the internet, and choose the proxy."""

from __future__ import annotations

import ipaddress
import socket
import urllib.request

OWN_DOMAINS = (".local", ".localhost", ".lan", ".home", ".internal", ".home.arpa", ".fritz.box")


def is_local(host: str) -> bool:
    """Whether a host is this machine or in its local network; a name may be looked up.

    Args:
        host: A name or an IP address, without port and brackets.
    """
    if is_surely_local(host):
        return True
    try:
        found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
        addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    except (OSError, ValueError):
        return False
    return bool(addresses) and all(not address.is_global for address in addresses)


def is_surely_local(host: str) -> bool:
    """The same, by the host's name alone: no answer of a name server can make it so."""
    name = host.rstrip(".").lower()
    try:
        return not ipaddress.ip_address(name.partition("%")[0]).is_global
    except ValueError:
        return "." not in name or name.endswith(OWN_DOMAINS)


def proxy_for(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for a host; None for hosts of the local network.

    Args:
        scheme: "http" or "https".
        host: A name or an IP address, without port and brackets.
    """
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    # The local network is asked last, because that may look the name up.
    if not proxy or urllib.request.proxy_bypass(host) or is_local(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
