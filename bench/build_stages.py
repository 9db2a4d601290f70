"""Measure the processor time of a build by stage, and its memory, on one core.

    python -m bench.build_stages [PHOTOS [FOLDER]]

The photos are taken from FOLDER, as many of each item as of the others. Without a folder small
packages are drawn (`bench.small_drawings`). The build cache is empty, so every photo is looked at.
Results are written to bench-results/.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.small_drawings import draw_packages
from catalog.building.build import build
from catalog.networks.featurizer import Featurizer
from catalog.sources.read import read_source
from catalog.sources.source import SourceItem

RESULTS = Path("bench-results")
PHOTOS = 1000
STAGES = {
    "photos": "records: network, local features, colours, thumbnail",
    "cut": "trying whether cutting pays",
    "surroundings": "calibration: queries",
    "as seen": "calibration: queries",
    "learning": "calibration: scoring and fitting",
    "index": "index and golden queries",
}
REST = "items, words, digests"


def spread(items: Sequence[SourceItem], count: int) -> list[SourceItem]:
    """Return items with `count` photos together, as many of each as of the others."""
    each, total = 0, 0
    while total < count and any(each < len(item.photos) for item in items):
        each += 1
        total = sum(min(each, len(item.photos)) for item in items)
    left = count
    chosen = []
    for item in items:
        photos = item.photos[: min(each, left)]
        left -= len(photos)
        if photos:
            chosen.append(replace(item, photos=photos))
    return chosen


def measure(photos: Path, count: int) -> dict[str, float]:
    """Build of the photos in a folder; seconds of a core by stage, and megabytes."""
    items = spread(read_source(photos).items, count)
    figures = dict.fromkeys([*STAGES.values(), REST], 0.0)
    featurizer = Featurizer.open()
    before = begun = time.process_time()

    def note(stage: str, _done: int, _total: int) -> None:
        nonlocal before
        now = time.process_time()
        figures[STAGES.get(stage, REST)] += now - before
        before = now

    with tempfile.TemporaryDirectory(dir=RESULTS) as folder:
        here = Path(folder)
        report = build(items, here / "bundle", featurizer, here / "cache", "bench", progress=note)
    figures[REST] += time.process_time() - before
    return {
        "photos": report.photos,
        "with local features": report.printed,
        **figures,
        "all": time.process_time() - begun,
        "most memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }


def main(arguments: Sequence[str]) -> None:
    """Measure in a process of its own, which one core is all it sees."""
    count = int(arguments[0]) if arguments else PHOTOS
    RESULTS.mkdir(exist_ok=True)
    if len(arguments) > 1:
        photos = Path(arguments[1])
    else:
        photos = RESULTS / f"packages-{count}"
        draw_packages(photos, count)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    command = [sys.executable, "-m", "bench.build_stages", "--here", str(count), str(photos)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    (RESULTS / f"build-stages-{count}.json").write_text(json.dumps(found, indent=1) + "\n")
    table = Table("stage", "seconds of a core")
    for name, value in found.items():
        table.add_row(name, f"{value:,.1f}" if isinstance(value, float) else str(value))
    Console().print(table)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        print(json.dumps(measure(Path(sys.argv[3]), int(sys.argv[2]))))
    else:
        main(sys.argv[1:])
