"""Find this machine's addresses, without sending anything."""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import socket
import struct

GET_INTERFACE_ADDRESS = 0x8915  # Linux: SIOCGIFADDR
DOCUMENTATION_ADDRESS = "192.0.2.1"  # reserved by RFC 5737; no machine has it


def lan_addresses() -> list[str]:
    """The IPv4 addresses that others can open, the one of the default route first."""
    found = [_routed_address(), *_interface_addresses()]
    usable = dict.fromkeys(
        address for address in found if address and not ipaddress.ip_address(address).is_loopback
    )
    return list(usable)


def is_own_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether `address` is one of this machine's; only such an address can be bound."""
    if address.is_loopback:
        return True
    if address.is_unspecified or address.is_multicast:
        return False
    if address == ipaddress.IPv4Address("255.255.255.255"):
        return False
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
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


def _interface_addresses() -> list[str]:
    """The first IPv4 address of each interface."""
    addresses = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(probe.fileno(), GET_INTERFACE_ADDRESS, request)
            except OSError:  # an interface without IPv4
                continue
            addresses.append(socket.inet_ntoa(answer[20:24]))
    return addresses
