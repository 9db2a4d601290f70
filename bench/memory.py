"""Measure what memory, threads and file descriptors a device needs after a day of use.

    python -m bench.memory [--uploads 2000] [--viewers 20] [--showings 300] [--changes 20]

`visual-search edge run` recognizes drawn things in a video, while photos are uploaded, viewers come
and go, and the catalogue changes. Fails where the resident memory at the end is above 1.25 times
that before the first upload, or where more files are open after 200 changes than after one.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil

from bench.building import large_bundle
from bench.changes import descriptors
from bench.process import PROGRAM, free_port, newest, until
from bench.use import Client, Use, using, write_video
from bench.versions import two_versions, without_local_features
from catalog.core.settings import CatalogSettings
from catalog.networks.models import open_model
from edge.cli.demo import prepare

RESULTS = Path("bench-results")
MOST_GROWTH = 1.25  # times the memory before the first upload
UPLOAD_SIDE, PHOTOS = 640, 60  # pixels; different photos
READINGS = 15  # one a second
SETTLE_S, REPORT_S = 12.0, 15.0  # freed memory is given back every two seconds


@dataclass(frozen=True)
class Reading:
    """What a process needs: MB resident, MB of it in no file, threads, file descriptors."""

    resident: float
    anonymous: float
    threads: int
    descriptors: int


def read(process: int) -> Reading:
    """Read what a process needs now."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1000 * 1.024 for line in lines}
    watched = psutil.Process(process)
    return Reading(sizes["Rss"], sizes["Anonymous"], watched.num_threads(), watched.num_fds())


def settled(process: int) -> Reading:
    """The median of what a process needs in some seconds: what it recognizes comes and goes."""
    readings = []
    for _ in range(READINGS):
        readings.append(astuple(read(process)))
        time.sleep(1.0)
    resident, anonymous, threads, files = np.median(readings, axis=0).tolist()
    return Reading(resident, anonymous, int(threads), int(files))


def measure(bundle: Path, use: Use, environment: dict[str, str]) -> dict[str, Any]:
    """Run a device with a catalogue, use it, and read what it needs before, meanwhile and after."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shelf, video = two_versions(bundle, folder), folder / "things.avi"
        say("drawing things to show")
        write_video(video)
        photos = upload_photos(bundle.parent)
        with device(folder, video, environment) as (process, client):
            until(lambda: newest(client.port).get("verdict") in ("match", "one_of", "unknown"))
            first = read(process)
            time.sleep(SETTLE_S)
            before = settled(process)
            say(f"before the first upload: {before}")
            most, started, reported = before.resident, time.monotonic(), 0.0
            cpu = processor_s(process)
            with using(client, use, photos, shelf):
                while not use.done:
                    time.sleep(0.5)
                    use.shown = client.showings()
                    most = max(most, read(process).resident)
                    if time.monotonic() - reported > REPORT_S:
                        reported = time.monotonic()
                        say(f"{use.progress()}; {read(process).resident:.0f} MB")
            took, cpu = time.monotonic() - started, processor_s(process) - cpu
            time.sleep(SETTLE_S)
            after = settled(process)
    return {
        "after the first answer": asdict(first),
        "before the first upload": asdict(before),
        "after the use": asdict(after),
        "most resident": most,
        "growth": after.resident / before.resident,
        "seconds": took,
        "processor seconds": cpu,
        "use": use.progress(),
    }


def hour_figures(bundle: Path) -> dict[str, float]:
    """MB resident before and after what a busy hour brings, in a few minutes, from five viewers."""
    use = Use(uploads=100, viewers=5, showings=60, changes=1)
    found = measure(bundle, use, {})
    row = "resident memory {}, MB"
    return {
        row.format("after the first answer"): found["after the first answer"]["resident"],
        row.format(f"after {use.progress()}"): found["after the use"]["resident"],
        "of it in no file": found["after the use"]["anonymous"],
    }


def processor_s(process: int) -> float:
    """Processor seconds that a process has used, without its children."""
    return float(sum(psutil.Process(process).cpu_times()[:2]))


@contextmanager
def device(folder: Path, video: Path, environment: dict[str, str]) -> Iterator[tuple[int, Client]]:
    """A device with its data in `folder`, and a video for a camera."""
    port = free_port()
    process = subprocess.Popen(
        [PROGRAM, "edge", "run", "--camera", video, "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("w"),
        env={**os.environ, "VISUAL_SEARCH_DEVICE__DATA_DIR": str(folder), **environment},
    )
    try:
        yield process.pid, Client(port)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def upload_photos(folder: Path) -> list[bytes]:
    """JPEGs of 640 pixels."""
    drawn = sorted(path for path in folder.rglob("*.jpg"))
    step = max(1, len(drawn) // PHOTOS)
    photos = []
    for path in drawn[::step][:PHOTOS]:
        image = cv2.resize(np.asarray(cv2.imread(str(path))), (UPLOAD_SIDE, UPLOAD_SIDE))
        photos.append(cv2.imencode(".jpg", image)[1].tobytes())
    return photos


def say(text: str) -> None:
    """Print progress."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--uploads", type=int, default=2000)
    parser.add_argument("--viewers", type=int, default=20)
    parser.add_argument("--showings", type=int, default=300)
    parser.add_argument("--changes", type=int, default=20)
    parser.add_argument(
        "--descriptor-changes", type=int, default=200, help="changes while open files are counted"
    )
    parser.add_argument(
        "--catalogue",
        choices=("demonstration", "large", "large-plain"),
        default="demonstration",
        help="the demonstration, or 10,000 photos with or without local features",
    )
    parser.add_argument(
        "--model", default="embedded", help="as for 'catalog build'; two with a plus sign between"
    )
    parser.add_argument(
        "--environment", nargs="*", default=[], metavar="NAME=VALUE", help="for the device"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    RESULTS.mkdir(exist_ok=True)
    bundle = catalogue(arguments.catalogue, arguments.model)
    use = Use(arguments.uploads, arguments.viewers, arguments.showings, arguments.changes)
    found = measure(bundle, use, dict(pair.split("=", 1) for pair in arguments.environment))
    say(f"{arguments.descriptor_changes} changes of the catalogue")
    found["descriptors"] = descriptors(bundle, arguments.descriptor_changes)
    (RESULTS / f"memory-{arguments.catalogue}.json").write_text(json.dumps(found, indent=1))
    if arguments.json:
        print(json.dumps(found, indent=1))
    else:
        show(found)
    before, after = found["descriptors"].values()
    if found["growth"] > MOST_GROWTH or after != before:
        sys.exit("error: memory or file descriptors grew more than they may")


def show(found: dict[str, Any]) -> None:
    """Print a table of what was measured."""
    print(found["use"])
    print(f"in {found['seconds']:.0f} s, {found['processor seconds']:.0f} s of processor time")
    print(f"{'':28}{'resident':>10}{'of it anonymous':>18}{'threads':>10}{'files':>8}")
    for name in ("after the first answer", "before the first upload", "after the use"):
        row = found[name]
        print(
            f"  {name:26}{row['resident']:7.0f} MB{row['anonymous']:15.0f} MB"
            f"{row['threads']:10}{row['descriptors']:8}"
        )
    print(f"  {'at most':26}{found['most resident']:7.0f} MB")
    print(f"after the use to before the first upload: {found['growth']:.2f} (target {MOST_GROWTH})")
    for name, files in found["descriptors"].items():
        print(f"files open {name} changes of the catalogue: {files} (target: equal)")


def catalogue(name: str, model: str) -> Path:
    """The bundle of a name, by the networks of `model`; made at its first use."""
    if name == "demonstration":
        return prepare(RESULTS / "demonstration", CatalogSettings(), model)
    large = RESULTS / ("bundle" if model == "embedded" else f"bundle-{model}")
    if not large.exists():
        large = large_bundle(RESULTS, open_model(model), large.name)
    if name == "large":
        return large
    return without_local_features(large, large.with_name(f"plain-{large.name}"))


if __name__ == "__main__":
    main()
