"""Measure how long `catalog build --dry-run` takes for a table of 10,000 rows.

    python -m bench.dry_run [--rows 10000] [--photos 3]

Each row names photos of 12 megapixels, drawn once and linked under each name.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

COMMAND = [sys.executable, "-m", "visual_search", "catalog", "build", "items.csv", "--dry-run"]
WIDTH, HEIGHT = 4000, 3000


def draw(folder: Path, rows: int, photos: int) -> None:
    """Write ``items.csv`` and the photos that its rows name."""
    blots = np.random.default_rng(1).integers(0, 256, (30, 40, 3), np.uint8)
    cv2.imwrite(str(folder / "photo.jpg"), cv2.resize(blots, (WIDTH, HEIGHT)))
    lines = ["sku,title,photo"]
    for row in range(rows):
        names = [f"{row}-{photo}.jpg" for photo in range(photos)]
        for name in names:
            os.link(folder / "photo.jpg", folder / name)
        lines.append(f"S{row},Thing {row},{'|'.join(names)}")
    (folder / "items.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--photos", type=int, default=3, help="of each row")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), options.rows, options.photos)
        start = time.monotonic()
        subprocess.run(COMMAND, cwd=folder, check=True)
        seconds = time.monotonic() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{options.rows} rows of {options.photos} photos: {seconds:.1f} s, "
        f"{used.ru_utime + used.ru_stime:.1f} s of a core, {used.ru_maxrss >> 10} MB"
    )


if __name__ == "__main__":
    main()
