"""Ask a running ``sync run`` for a check now, from another process: by a file in the state folder.

The file is made by whoever asks, and removed by ``sync run`` when it begins to check.
"""

from __future__ import annotations

import threading
from pathlib import Path

from catalog.bundles.shelf import unwritable
from catalog.core import durable

FILE = "check-now"
LOOK_S = 1.0  # between two looks for the file


def ask(folder: Path) -> None:
    """Ask for a check.

    Raises:
        ShelfError: The state folder cannot be written.
    """
    try:
        durable.make_private_folder(folder)
        durable.write(folder / FILE, b"", durable.PRIVATE)
    except OSError as error:
        raise unwritable(folder, error) from error


def take(folder: Path) -> bool:
    """Whether somebody asked since the last call."""
    try:
        (folder / FILE).unlink()
    except OSError:
        return False
    return True


def watch(folder: Path, stopping: threading.Event, wake: threading.Event) -> None:
    """Set `wake` whenever somebody asks, until `stopping` is set."""
    while not stopping.wait(LOOK_S):
        if take(folder):
            wake.set()
