"""Measure how soon a fresh device answers after sync has installed its first catalogue.

    python -m bench.fresh_device [--times 5]

``edge run`` and ``sync run`` are started together on an empty data folder; the catalogue is the
demonstration's, in a store in a folder, and the camera is a folder with one of its photos. The
time is counted from the moment in which the catalogue became active to the first answer.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from bench.process import free_port
from catalog.bundles.shelf import Shelf
from catalog.core.settings import CatalogSettings
from edge.cli.demo import prepare
from sync.stores.choice import open_store
from sync.trust.keys import KeyFolder
from sync.trust.publish import ReleasePublisher

COMMAND = [sys.executable, "-m", "visual_search"]
PATIENCE_S = 120.0


def measure(folder: Path, store: Path, root: Path, picture: Path) -> float:
    """Start a fresh device; return the seconds from its first catalogue to its first answer."""
    pictures, port = folder / "pictures", free_port()
    pictures.mkdir(parents=True)
    shutil.copy(picture, pictures)
    environment = {
        **os.environ,
        "VISUAL_SEARCH_DEVICE__DATA_DIR": str(folder / "data"),
        "VISUAL_SEARCH_SYNC__SOURCE": store.as_uri(),
        "VISUAL_SEARCH_SYNC__ROOT": str(root),
    }
    arguments = (["edge", "run", "--camera", str(pictures), "--port", str(port)], ["sync", "run"])
    processes = [
        subprocess.Popen([*COMMAND, *given], env=environment, stderr=subprocess.DEVNULL)
        for given in arguments
    ]
    try:
        answered = _first_answer(f"http://127.0.0.1:{port}/api/latest")
    finally:
        for process in processes:
            process.terminate()
            process.wait()
    activated = Shelf(folder / "data" / "shelf").activation()
    assert activated is not None
    return answered - activated / 1e9


def _first_answer(address: str) -> float:
    """Wait for the first answer; return when it was given, in Unix seconds."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            latest: dict[str, Any] = httpx.get(address, timeout=10).json()
        except httpx.TransportError:
            latest = {"sighting": None}
        if latest["sighting"] is not None and latest["sighting"]["verdict"] != "nothing":
            return datetime.fromisoformat(latest["sighting"]["at"]).timestamp()
        time.sleep(0.05)
    raise SystemExit(f"error: no answer within {PATIENCE_S:g} seconds")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--times", type=int, default=5)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = prepare(folder / "demonstration", CatalogSettings(), "embedded")
        keys = KeyFolder.create(folder / "keys", lambda folder, *, new: b"five words by chance")
        (folder / "store").mkdir()
        store = open_store((folder / "store").as_uri())
        ReleasePublisher(store, keys).publish_validated(bundle, "stable")
        picture = next((bundle.parent / "photos").rglob("*.jpg"))
        found = [
            measure(folder / str(turn), folder / "store", folder / "keys" / "root.json", picture)
            for turn in range(times)
        ]
    print(json.dumps({"seconds": [round(seconds, 2) for seconds in found]}))


if __name__ == "__main__":
    main()
