"""Announces a page while the network changes; run it in a network namespace of its own."""

from __future__ import annotations

import logging
import queue
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from zeroconf import AddressResolver, ServiceInfo, Zeroconf

from edge.web import announcement

PATIENCE_S = 60.0


def ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)


@contextmanager
def claimed(address: str) -> Iterator[None]:
    """Another program that publishes the same host name, with an address."""
    claim = ServiceInfo(
        "_ssh._tcp.local.",
        "claim._ssh._tcp.local.",
        port=22,
        server="shop.local.",
        parsed_addresses=[address],
    )
    network = Zeroconf(interfaces=["10.9.0.7"])
    network.register_service(claim)
    yield
    network.close()


def wait_until_published(addresses: set[str]) -> None:
    """Ask for the host's addresses until these are the answer."""
    deadline = time.monotonic() + PATIENCE_S
    found: set[str] = set()
    while found != addresses:
        assert time.monotonic() < deadline, found
        with closing(Zeroconf(interfaces=["10.9.0.7"])) as network:
            resolver = AddressResolver("shop.local.")
            resolver.request(network, 2000)
            found = set(resolver.parsed_addresses())


def main() -> None:
    """Take the port of multicast DNS away, give it back, change addresses, and claim the name."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("zeroconf").setLevel(logging.CRITICAL)  # as the command does
    announcement.QUESTION_MS = 300
    announcement.CHECK_SECONDS = announcement.RETRY_SECONDS = 0.1
    told: queue.Queue[list[str]] = queue.Queue()
    announced = announcement.Announcement("shop", told.put)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("", 5353))
        announced.start("::", 8080)
        ip("link add eth0 type veth peer name eth1")
        ip("address add 10.9.0.2/24 dev eth0")
        for end in ("eth0", "eth1"):  # else they have an IPv6 address after a second or two
            ip(f"link set {end} addrgenmode none")
        ip("address add fe80::2/64 dev eth0 nodad")
        ip("link set eth1 up")
        ip("link set eth0 up")
        assert told.get(timeout=PATIENCE_S) == ["http://10.9.0.2:8080/"]
    assert told.get(timeout=PATIENCE_S) == ["http://shop.local:8080/", "http://10.9.0.2:8080/"]
    ip("address delete 10.9.0.2/24 dev eth0")
    ip("address add 10.9.0.7/24 dev eth0")
    while told.get(timeout=PATIENCE_S) != ["http://shop.local:8080/", "http://10.9.0.7:8080/"]:
        pass
    with claimed("10.9.0.7"):  # as by Avahi on this machine
        ip("address add 10.9.0.8/24 dev eth0")
        numbers = ["http://10.9.0.7:8080/", "http://10.9.0.8:8080/"]
        while told.get(timeout=PATIENCE_S) != ["http://shop.local:8080/", *numbers]:
            pass
        wait_until_published({"10.9.0.7"})
    wait_until_published({"10.9.0.7", "10.9.0.8", "fe80::2"})
    with claimed("fec0::1"):  # by a machine that was cut off when it chose the name
        while told.get(timeout=PATIENCE_S) != ["http://shop-2.local:8080/", *numbers]:
            pass
    announced.stop()
    announced.join(PATIENCE_S)


if __name__ == "__main__":
    main()
