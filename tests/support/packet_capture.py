"""Prints each packet that leaves by an interface; not what the kernel itself sends over IPv6.

python packet_capture.py INTERFACE
"""

from __future__ import annotations

import socket
import sys

EVERY_PROTOCOL = 0x0003  # ETH_P_ALL of packet(7)
IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD
NEXT_HEADER, HOP_BY_HOP, ICMPV6 = 6, 0, 58  # of an IPv6 packet; the kernel finds neighbours so


def described(protocol: int, packet: bytes) -> str | None:
    """What a packet is, or None for those that an idle interface sends as well."""
    if protocol == IPV4:
        return f"IPv4 to {socket.inet_ntoa(packet[16:20])}, protocol {packet[9]}"
    if protocol == ARP:
        return f"ARP for {socket.inet_ntoa(packet[24:28])}"
    if protocol == IPV6 and packet[NEXT_HEADER] not in (HOP_BY_HOP, ICMPV6):
        return f"IPv6 to {socket.inet_ntop(socket.AF_INET6, packet[24:40])}"
    return None


def main() -> None:
    """Print until killed."""
    protocol_of_all = socket.htons(EVERY_PROTOCOL)
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, protocol_of_all) as capture:
        capture.bind((sys.argv[1], EVERY_PROTOCOL))
        print("listening", flush=True)
        while True:
            packet, (_, protocol, *_) = capture.recvfrom(2048)
            line = described(protocol, packet)
            if line is not None:
                print(line, flush=True)


if __name__ == "__main__":
    main()
