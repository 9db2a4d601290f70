"""Tell systemd that the device is ready, and that it is alive: sd_notify(3) and its watchdog.

Where no supervisor asked for it ($NOTIFY_SOCKET is unset), nothing is told.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

PARTS = 4  # a sign of life comes so many times in the time in which one is due


def tell(message: str) -> None:
    """Send `message`, as "READY=1", to the supervisor, where there is one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(address.replace("@", "\0", 1) if address[0] == "@" else address)
        sender.send(message.encode())


def due_s() -> float | None:
    """Within how many seconds the supervisor wants a sign of life; None where it wants none."""
    asked = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    due = os.environ.get("WATCHDOG_USEC", "")
    return int(due) / 1e6 if asked and due.isdigit() and int(due) > 0 else None


def keep_telling(is_alive: Callable[[], bool], stopping: threading.Event) -> None:
    """Give signs of life while `is_alive` says yes, until `stopping` is set."""
    due = due_s()
    while due is not None and not stopping.is_set():
        if is_alive():
            tell("WATCHDOG=1")
        stopping.wait(due / PARTS)
