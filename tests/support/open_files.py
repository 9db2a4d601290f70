"""Which files this process has open."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def open_in(folder: Path) -> list[str]:
    """The names of the open files in a folder."""
    names = []
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            link = Path(os.readlink(f"/proc/self/fd/{number}"))
            names += [link.name] if link.parent == folder.resolve() else []
    return names
