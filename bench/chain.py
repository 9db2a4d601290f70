"""Take many photos the whole way: draw, build into a feature store, assemble the shops' bundles.

    python -m bench.chain [PHOTOS [SHOPS [ITEMS]]]

Nothing is synthetic but the packages, which are small drawings (`bench.small_drawings`), so a
hundred thousand are drawn in minutes. Each of SHOPS has ITEMS items of five photos, drawn by
chance, and all its bundles are assembled by one command. What is there stays: started again, it
goes on. Results are written to bench-results/.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.small_drawings import PHOTOS_AN_ITEM, draw_packages, sku_of

RESULTS = Path("bench-results")
PHOTOS, SHOPS, ITEMS = 100_000, 400, 1000
SEED = 7
Figures = dict[str, float]


def run(figures: Figures, name: str, *arguments: str) -> None:
    """Run a command of `visual-search`; note its seconds and its megabytes."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "visual_search", "catalog", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    figures[f"{name}, s of a core"] = round(used, 1)
    figures[f"{name}, s"] = round(time.monotonic() - start, 1)
    figures[f"{name}, most memory of a process so far, MB"] = round(after.ru_maxrss / 1e3, 1)


def write_assortments(path: Path, shops: int, items: int, of: int) -> None:
    """Write a table with one row for each shop and item that it has."""
    random = np.random.default_rng(SEED)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["sku", "shop"])
        for shop in range(shops):
            chosen = sorted(random.choice(of, min(items, of), replace=False).tolist())
            table.writerows((sku_of(item), f"shop-{shop:03}") for item in chosen)


def main(arguments: Sequence[str]) -> None:
    """Do all of it; print and write the figures after each step."""
    given = [int(number) for number in arguments]
    photos, shops, items = (*given, *(PHOTOS, SHOPS, ITEMS)[len(given) :])
    here = RESULTS / f"chain-{photos}"
    here.mkdir(parents=True, exist_ok=True)
    os.environ["VISUAL_SEARCH_CATALOG__CACHE_DIR"] = str((here / "cache").resolve())
    os.environ["VISUAL_SEARCH_CATALOG__READ_TEXT"] = "false"  # half a second of a core for a photo
    figures: Figures = {"photos": photos, "shops": shops, "items of a shop": items}
    begun = time.process_time()
    draw_packages(here / "photos", photos)
    figures["drawing, s of a core"] = round(time.process_time() - begun, 1)
    store, table = str(here / "store"), here / "shops.csv"
    source = [str(here / "photos"), "--keep-whole", "--store", store]
    run(figures, "build", "build", *source, "--out", str(here / "all.bundle"))
    size = sum(file.stat().st_size for file in Path(store).rglob("*") if file.is_file())
    figures["store, MB"] = round(size / 1e6, 1)
    _write(here, figures)
    write_assortments(table, shops, items, -(-photos // PHOTOS_AN_ITEM))
    out = ["--out", str(here / "bundles"), "--each", "shop", "--assortments", str(table)]
    run(figures, "assemble", "assemble", store, *out)
    figures["assemble, s of a core for a bundle"] = round(
        figures["assemble, s of a core"] / shops, 2
    )
    _write(here, figures)
    for name, value in figures.items():
        Console().print(f"{name}: {value:,}", highlight=False)


def _write(here: Path, figures: Figures) -> None:
    (RESULTS / f"{here.name}.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
