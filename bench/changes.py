"""Count the file descriptors of a device whose catalogue changes again and again.

The device runs in a process of its own, without the validator, which would take two seconds for
each change.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.versions import two_versions
from catalog.bundles import validator
from catalog.bundles.shelf import Shelf
from edge.appliance import shelf_watcher
from edge.appliance.appliance import Appliance
from edge.appliance.opening import open_bundle
from edge.appliance.shelf_watcher import FollowedShelf
from edge.settings import EdgeSettings

SETTLE_S = 1.0  # after a change, for the thread that noticed it to end its turn


def descriptors(bundle: Path, changes: int) -> dict[str, int]:
    """How many files a process has open after one change and after many, by "after N"."""
    command = [sys.executable, "-m", "bench.changes", str(bundle.absolute()), str(changes)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, int] = json.loads(done.stdout)
    return found


def count(bundle: Path, changes: int, folder: Path) -> dict[str, int]:
    """Run a device in this process, change its catalogue, and count its open files."""
    shelf = two_versions(bundle, folder)
    appliance = _device(shelf, folder)
    appliance.start()
    counts = {}
    try:
        for number in range(1, changes + 1):
            _change(appliance, shelf)
            if number in (1, changes):
                time.sleep(SETTLE_S)
                counts[f"after {number}"] = len(list(Path("/proc/self/fd").iterdir()))
    finally:
        appliance.stop()
    return counts


def _device(shelf: Shelf, folder: Path) -> Appliance:
    shelf_watcher.INTERVAL_S = 0.02
    validator.validate = lambda *_: None  # type: ignore[assignment]
    settings = EdgeSettings.model_validate({"camera": "simulated:1"})
    opened = open_bundle(None, shelf, folder / "state", "auto")
    return Appliance(settings, opened.hand_over(), FollowedShelf(shelf), folder / "state")


def _change(appliance: Appliance, shelf: Shelf) -> None:
    other = shelf.previous()
    assert other is not None
    with shelf.changing():
        shelf.switch(other.name)
    deadline = time.monotonic() + 60
    while appliance.catalogue.id != other.name:
        assert time.monotonic() < deadline, "the device did not open the catalogue"
        time.sleep(0.01)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(count(Path(sys.argv[1]), int(sys.argv[2]), Path(place))))
