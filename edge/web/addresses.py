"""Find this machine's addresses, without sending anything."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

INTERFACES = Path("/sys/class/net")
DOCUMENTATION_ADDRESS = "192.0.2.1"  # reserved by RFC 5737; no machine has it


@dataclass(frozen=True)
class Interface:
    """A network interface that others can reach.

    Attributes:
        index: Its number.
        addresses: Its addresses, without zones. Of each family, link-local ones (which routers do
            not forward) are left out where there are others.
        is_hardware: Whether a cable or a radio is behind it, not a tunnel or a container.
    """

    index: int
    addresses: tuple[Address, ...]
    is_hardware: bool


def interfaces() -> tuple[Interface, ...]:
    """This machine's interfaces that have a link and an address, without loopback.

    Raises:
        OSError: The system does not tell them.
    """
    import ifaddr  # here, because only a page for the LAN needs it

    found = []
    for adapter in ifaddr.get_adapters():
        index = adapter.index or 0
        listed = [
            ipaddress.ip_address(entry.ip if isinstance(entry.ip, str) else entry.ip[0])
            for entry in adapter.ips
        ]
        # An IPv6 address that the system is still checking for duplicates cannot be bound.
        usable = [
            address for address in listed if not address.is_loopback and _can_bind(address, index)
        ]
        routable = {address.version for address in usable if not address.is_link_local}
        chosen = tuple(
            address
            for address in usable
            if not address.is_link_local or address.version not in routable
        )
        if chosen and _has_link(adapter.name):
            found.append(Interface(index, chosen, _is_hardware(adapter.name)))
    return tuple(found)


def reachable(found: Iterable[Interface]) -> tuple[Interface, ...]:
    """Leave out tunnels and containers, whose addresses visitors cannot reach.

    Where there is no hardware all interfaces stay: a container's own are none.
    """
    every = tuple(found)
    return tuple(interface for interface in every if interface.is_hardware) or every


def lan_addresses() -> list[str]:
    """The addresses that visitors can open, the one of the default route first.

    IPv6 addresses are listed only where there are no IPv4 ones: they are hard to type. Link-local
    IPv6 addresses never are, because browsers do not open them. Where the system does not tell its
    interfaces, as in a sandbox without netlink sockets, the default route's address is all.
    """
    routed = _routed_address()
    try:
        found = reachable(interfaces())
    except OSError:
        return [routed] if routed else []
    addresses = [address for interface in found for address in interface.addresses]
    usable = [str(address) for address in addresses if address.version == 4] or [
        str(address) for address in addresses if not address.is_link_local
    ]
    return sorted(dict.fromkeys(usable), key=lambda address: address != routed)


def is_own_address(address: Address) -> bool:
    """Whether `address` is one of this machine's; only such an address can be bound.

    A zone, as in ``fe80::1%eth0``, is ignored: it names an interface of the machine that asks.
    """
    if address.is_loopback:
        return True
    if address.is_unspecified or address.is_multicast:
        return False
    if address == ipaddress.IPv4Address("255.255.255.255"):
        return False
    if isinstance(address, ipaddress.IPv6Address):
        address = ipaddress.IPv6Address(int(address))
        if address.is_link_local:
            with suppress(OSError):  # the system does not tell its interfaces
                return any(_can_bind(address, index) for index, _ in socket.if_nameindex())
            return False
    return _can_bind(address)


def in_url(host: str) -> str:
    """A host as it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def address_for_phones(addresses: Sequence[str]) -> str:
    """The one of the page's addresses to put into a QR code; empty where there is none.

    It is a number where there is one, because old phones find no name that ends in .local.
    """
    for address in addresses:
        with suppress(ValueError):
            ipaddress.ip_address(urlsplit(address).hostname or "")
            return address
    return next(iter(addresses), "")


def _is_hardware(name: str) -> bool:
    """Whether an interface is hardware, or a bridge, bond or VLAN over hardware."""
    folder = INTERFACES / name
    return (folder / "device").exists() or any(
        _is_hardware(lower.name.removeprefix("lower_")) for lower in folder.glob("lower_*")
    )


def _has_link(name: str) -> bool:
    """Whether an interface is on, and has a cable or a network of its radio."""
    try:
        return (INTERFACES / name / "carrier").read_text() != "0\n"
    except OSError as error:
        return error.errno != errno.EINVAL  # turned off; after other errors nobody knows


def _can_bind(address: Address, interface: int = 0) -> bool:
    is_ipv4 = address.version == 4
    zone = interface if address.is_link_local else 0
    try:
        with socket.socket(
            socket.AF_INET if is_ipv4 else socket.AF_INET6, socket.SOCK_DGRAM
        ) as probe:
            probe.bind((str(address), 0) if is_ipv4 else (str(address), 0, 0, zone))
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return True


def _routed_address() -> str | None:
    """The address that packets to the outside would carry; connecting a UDP socket sends none."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((DOCUMENTATION_ADDRESS, 9))
            return str(probe.getsockname()[0])
    except OSError:  # no default route, as in an isolated LAN
        return None
