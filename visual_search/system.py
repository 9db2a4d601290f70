"""The systems that this program runs on."""

from __future__ import annotations

import sys

from catalog.core.errors import SurroundingsError

WAYS = {
    "darwin": ("macOS", "a Linux virtual machine or container"),
    "win32": ("Windows", "WSL 2 (run 'wsl --install'), or a Linux container"),
}


def require_linux() -> None:
    """Check that this is Linux: locks, exchanged folders and states need its kernel.

    Raises:
        SurroundingsError: It is not; says where to run the program instead.
    """
    if sys.platform != "linux":
        name, way = WAYS.get(sys.platform, (sys.platform, "a Linux machine"))
        raise SurroundingsError(
            f"visual-search runs on Linux alone, and this is {name}: use {way}, or build the "
            "catalogue on the device itself"
        )
