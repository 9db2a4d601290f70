"""Measure what a device fetches of a newer catalogue, and the processor time that it takes.

    python -m bench.wire [PHOTOS]

The catalogue is the demonstration's, with drawn photos added until there are PHOTOS. The newer ones
have a new price of every item, other photos in the place of 1 % of them, and 10 % more photos, of
new items. Each is published after the catalogue and pulled by a device that has it, and by a fresh
device, which fetches whole files. The store is a folder: the network is left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from catalog.bundles.manifest import read_manifest
from catalog.core.settings import CatalogSettings
from edge.cli.demo import prepare
from tests.support.edited_bundle import Edit, edit_bundle
from tests.support.following import Following

RESULTS = Path("bench-results")
PHOTOS = 20_000
PULL = """
import re, resource, sys
from pathlib import Path
from tests.support.following import Following
state = Following(Path(sys.argv[1])).device().check()
assert state.outcome == "installed", state.message
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
most = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1)
print(state.bytes_fetched, sum(u.ru_utime + u.ru_stime for u in used), int(most) / 1e3)
"""


@dataclass(frozen=True)
class Pulled:
    """What a pull took: bytes, processor seconds with the validation's, seconds, megabytes."""

    bytes: int
    processor_s: float
    seconds: float
    memory_mb: float


def edits(photos: int) -> dict[str, Edit]:
    """The newer catalogues, by what the table calls them."""
    replaced = np.random.default_rng(5).choice(photos, photos // 100, replace=False)
    return {
        "price of every item": Edit(price="12.50"),
        "1 % of the photos": Edit(replaced=replaced.tolist(), seed=2),
        "10 % more items": Edit(added=photos // 10, seed=3),
    }


def pull(following: Following) -> Pulled:
    """Let a device check once, in a process of its own."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", PULL, str(following.folder)],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    count, processor_s, memory = done.stdout.split()
    return Pulled(int(count), float(processor_s), time.perf_counter() - began, float(memory))


def size(bundle: Path) -> int:
    """Bytes of a bundle."""
    return sum(entry.bytes for entry in read_manifest(bundle)[0].files.values())


def main() -> None:
    """Measure and print a table."""
    photos = int(sys.argv[1]) if len(sys.argv) > 1 else PHOTOS
    table = Table(title=f"{photos:,} photos")
    for column in ("what is new", "fetched, MB", "of a full pull", "processor, s",
                   "of a full pull's", "seconds", "memory, MB"):  # fmt: skip
        table.add_column(column, justify="left" if column == "what is new" else "right")

    def add(what: str, found: Pulled, whole: Pulled) -> None:
        table.add_row(
            what,
            f"{found.bytes / 1e6:.3f}",
            f"{100 * found.bytes / whole.bytes:.2f} %",
            f"{found.processor_s:.1f}",
            f"{found.processor_s / whole.processor_s:.2f}",
            f"{found.seconds:.1f}",
            f"{found.memory_mb:.0f}",
        )

    with tempfile.TemporaryDirectory(prefix="wire-", dir=RESULTS) as name:
        folder = Path(name).absolute()
        drawn = prepare(RESULTS / "demonstration", CatalogSettings(), "embedded")
        more = photos - read_manifest(drawn)[0].photos
        base = edit_bundle(drawn, folder / "base", Edit(added=more))
        first = Following.create(folder / "first")
        first.publish(base)
        add("everything", whole := pull(first), whole)
        for what, edit in edits(photos).items():
            newer = edit_bundle(base, folder / "newer", edit)
            following = first.copy(folder / "following")
            following.publish(newer)
            changed = pull(following)
            shutil.rmtree(following.data)
            add(what, changed, pull(following))
            shutil.rmtree(following.folder)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
