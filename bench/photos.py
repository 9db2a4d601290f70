"""Measure how often the device is right about real photos.

    python -m bench.photos

Builds a catalogue from the reference photos of the Grocery Store Dataset, and one from its clean
pictures, and queries both with the labelled test photos, by the commands that an owner uses: with
the embedded network, and with pretrained ones given as ONNX files.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.histogram import colour_histogram
from bench.materials import materials
from catalog.core.photos import Picture, decode
from catalog.sources.read import read_source

PROGRAM = Path(sys.executable).with_name("visual-search")
NETWORKS: dict[str, tuple[list[str], float | None, float | None]] = {
    # options; then top-1 with own photos and with clean pictures, as measured elsewhere
    "embedded": ([], None, None),
    "MobileNetV2 224": (
        ["models/mobilenet_v2_1.0_224.onnx", "--mean", "127.5", "--std", "127.5"], 60.3, 31.1,
    ),
    "EfficientNet-Lite0 224": (
        ["models/efficientnet_lite0.onnx", "--mean", "127", "--std", "128"], 61.3, 29.1,
    ),
}  # fmt: skip


def measure(photos: Path, queries: Path, model: list[str], folder: Path) -> dict[str, float]:
    """Build and evaluate by command.

    Returns:
        The evaluation, and ``photos_per_second`` of the build.
    """
    bundle = folder / "bundle"
    built = _run("catalog", "build", str(photos), "--out", str(bundle), "--json", *model)
    answer = _run("catalog", "evaluate", str(bundle), str(queries), "--json")
    return {**answer, "photos_per_second": built["photos_per_second"]}


def histogram_cells(grocery: Path) -> list[str]:
    """The table's cells for a colour histogram in the place of a network."""
    cells = []
    asked = labelled(grocery / "queries")
    questions = np.stack([colour_histogram(picture) for _, picture in asked])
    for folder, reference in (("photos", "39.1"), ("iconic", "8.9")):
        catalogue = labelled(grocery / folder)
        skus = [sku for sku, _ in catalogue]
        stored = np.stack([colour_histogram(picture) for _, picture in catalogue])
        found = [skus[row] for row in (questions @ stored.T).argmax(1)]
        right = [answer == sku for answer, (sku, _) in zip(found, asked, strict=True)]
        cells += [f"{np.mean(right):.1%}", "", reference]
    return cells


def labelled(folder: Path) -> list[tuple[str, Picture]]:
    """Every picture of a catalogue's folder with its sku."""
    return [
        (entry.item.sku, decode(Path(place).read_bytes(), place))
        for entry in read_source(folder).items
        for place in entry.photos
    ]


def main() -> None:
    """Measure every network and print a table."""
    root = materials()
    if root is None:
        sys.exit("error: the photos are not here; name their folder in VISUAL_SEARCH_MATERIALS")
    grocery = root / "data" / "grocery"
    table = Table(title="Grocery Store Dataset, 81 items, 2,485 test photos, right in per cent")
    for column in ("network", "own photos @1", "@5", "reference", "clean @1", "@5", "reference"):
        table.add_column(column, justify="left" if column == "network" else "right")
    with tempfile.TemporaryDirectory() as folder:
        table.add_row("colour histogram", *histogram_cells(grocery))
        for name, (given, own_reference, clean_reference) in NETWORKS.items():
            model = ["--model", str(root / given[0]), *given[1:]] if given else []
            cells = []
            for photos, reference in (
                (grocery / "photos", own_reference),
                (grocery / "iconic", clean_reference),
            ):
                found = measure(photos, grocery / "queries", model, Path(folder))
                expected = "" if reference is None else f"{reference}"
                cells += [f"{found['top1']:.1%}", f"{found['top5']:.1%}", expected]
            table.add_row(name, *cells)
    Console(width=110).print(table)


def _run(*arguments: str) -> dict[str, float]:
    done = subprocess.run([PROGRAM, *arguments], stdout=subprocess.PIPE, check=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


if __name__ == "__main__":
    main()
