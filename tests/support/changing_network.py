"""Announces a page while the network changes; run it in a network namespace of its own."""

from __future__ import annotations

import logging
import queue
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from zeroconf import ServiceInfo, Zeroconf

from edge.web import announcement

PATIENCE_S = 60.0


def ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)


@contextmanager
def rival() -> Iterator[None]:
    """Another machine that took the same host name, as while both were cut off from each other."""
    claim = ServiceInfo(
        "_ssh._tcp.local.",
        "rival._ssh._tcp.local.",
        port=22,
        server="shop.local.",
        parsed_addresses=["fec0::1"],
    )
    network = Zeroconf(interfaces=["10.9.0.7"])
    network.register_service(claim)
    yield
    network.close()


def main() -> None:
    """Take the port of multicast DNS away, give it back, change the address, and claim the name."""
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
        ip("link set eth1 up")
        ip("link set eth0 up")
        assert told.get(timeout=PATIENCE_S) == ["http://10.9.0.2:8080/"]
    assert told.get(timeout=PATIENCE_S) == ["http://shop.local:8080/", "http://10.9.0.2:8080/"]
    ip("address delete 10.9.0.2/24 dev eth0")
    ip("address add 10.9.0.7/24 dev eth0")
    while told.get(timeout=PATIENCE_S) != ["http://shop.local:8080/", "http://10.9.0.7:8080/"]:
        pass
    with rival():
        expected = ["http://shop-2.local:8080/", "http://10.9.0.7:8080/"]
        while told.get(timeout=PATIENCE_S) != expected:
            pass
    announced.stop()
    announced.join(PATIENCE_S)


if __name__ == "__main__":
    main()
