"""A thin link between two networks of this machine: packets pass so fast, and so much later.

A thread that calls `open_far_end` is at the far end; all others stay at the near one. The packets
pass through this process by two TUN devices, so TCP sees such a link as it sees a real one. That
needs a network namespace: `in_own_network` runs the program again in one.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import queue
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

TUN = "/dev/net/tun"
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
LONGEST_PACKET = 2048  # bytes
INSIDE = "BENCH_IN_OWN_NETWORK"


@dataclass(frozen=True)
class Link:
    """How a link is.

    Attributes:
        rate: Bytes a second to the far end; the other way has no limit.
        delay: Seconds to the far end; half of that back.
        queue: Bytes that wait before it; what comes then is lost, as in a router.
    """

    rate: float
    delay: float
    queue: int


def in_own_network() -> None:
    """Run this program in a network of its own, unless it does already."""
    if INSIDE not in os.environ:
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        module = ["-m", sys.modules["__main__"].__spec__.name]  # type: ignore[union-attr]
        command = ["unshare", "--net", *user, sys.executable, *module, *sys.argv[1:]]
        done = subprocess.run(command, env={**os.environ, INSIDE: "yes"}, check=False)
        sys.exit(done.returncode)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def open_far_end(link: Link, number: int) -> str:
    """Take this thread to the far end of a new link; gives the near end's address.

    Threads that it starts are there as well. `number` is that of the link, below 250.
    """
    near = _device(f"near{number}", f"10.9.{number}.1/30")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "no network of its own can be made")
    far = _device(f"far{number}", f"10.9.{number}.2/30")
    _pass_on(near, far, link)
    _pass_on(far, near, Link(float("inf"), link.delay / 2, link.queue))
    return f"10.9.{number}.1"


def _device(name: str, address: str) -> int:
    """Make a network device of this thread's network; gives the file of its packets."""
    device = os.open(TUN, os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH14x", name.encode(), IFF_TUN | IFF_NO_PI))
    subprocess.run(["ip", "address", "add", address, "dev", name], check=True)
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
    return device


def _pass_on(source: int, target: int, link: Link) -> None:
    """Pass packets on, on two threads."""
    under_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

    def take() -> None:
        free_at = 0.0  # when the link has passed on all that was given to it
        while True:
            packet, now = os.read(source, LONGEST_PACKET), time.monotonic()
            if (free_at - now) * link.rate > link.queue:
                continue
            free_at = max(now, free_at) + len(packet) / link.rate
            under_way.put((free_at + link.delay, packet))

    def give() -> None:
        while True:
            due, packet = under_way.get()
            time.sleep(max(0.0, due - time.monotonic()))
            os.write(target, packet)

    for task in (take, give):
        threading.Thread(target=task, daemon=True).start()
