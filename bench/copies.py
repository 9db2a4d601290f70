"""Measure what copies of the same photo change: what a catalogue promises, and what comes.

    python -m bench.copies

Builds catalogues of 10 and of 40 items of the Grocery Store Dataset with one photo each: alone,
with two copies of it byte for byte, and with two smaller ones, as shops make thumbnails. Each is
queried with the labelled test photos of its items. Copies must change nothing.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.evidence import CACHE, RESULTS, link_photos, made
from bench.materials import materials
from catalog.core.photos import decode, encode_jpeg
from catalog.evaluation.evaluate import evaluate
from catalog.networks.featurizer import Featurizer
from catalog.recognition.calibration import OutcomeShares

COUNTS = (10, 40)
THUMBNAILS = (100, 150)  # pixels, longer side
WITHIN = 2.0  # points by which copies may change a share


def byte_copies(photo: Path, folder: Path) -> None:
    """Write the photo twice more."""
    for number in (1, 2):
        shutil.copy(photo, folder / f"{number}.webp")


def smaller_ones(photo: Path, folder: Path) -> None:
    """Write the photo twice more, smaller; by name they come first."""
    picture = decode(photo.read_bytes(), photo.name)
    for side in THUMBNAILS:
        (folder / f"0-{side}.jpg").write_bytes(encode_jpeg(picture, side))


CATALOGUES: dict[str, Callable[[Path, Path], None]] = {
    "one photo": lambda photo, folder: None,
    "and two byte copies": byte_copies,
    "and two smaller copies": smaller_ones,
}


def measured(
    grocery: Path, skus: list[str], add_copies: Callable[[Path, Path], None], featurizer: Featurizer
) -> dict[str, object]:
    """Build a catalogue of one photo of each item, with its copies, and query it."""
    with tempfile.TemporaryDirectory() as name:
        photos, queries = Path(name, "photos"), Path(name, "queries")
        for sku in skus:
            (photos / sku).mkdir(parents=True)
            photo = sorted((grocery / "photos" / sku).iterdir())[0]
            shutil.copy(photo, photos / sku / "0.webp")
            add_copies(photo, photos / sku)
            link_photos(grocery / "queries" / sku, queries / sku)
        bundle = made(photos, featurizer)
        found, _ = evaluate(bundle, queries, CACHE)
    assert found.known is not None
    return {
        "items": len(skus),
        "photos": bundle.manifest.photos,
        "queries": found.queries,
        "promised": _per_cent(bundle.manifest.calibration.expected_in_catalogue),
        "came": _per_cent(found.known),
    }


def _per_cent(shares: OutcomeShares) -> list[float]:
    """Right, one of these, unknown, wrong."""
    return [round(100 * getattr(shares, name), 1) for name in OutcomeShares.model_fields]


def main() -> None:
    """Measure and print a table; exit with 1 if copies change a share."""
    root = materials()
    if root is None:
        sys.exit("error: the photos are not here; name their folder in VISUAL_SEARCH_MATERIALS")
    cv2.setNumThreads(1)
    RESULTS.mkdir(exist_ok=True)
    grocery, featurizer = root / "data" / "grocery", Featurizer.open()
    skus = sorted(folder.name for folder in (grocery / "photos").iterdir())
    table = Table(title="right, one of these, among the guesses, unknown, wrong: per cent")
    for column in ("items", "catalogue", "photos", "queries", "promised", "came"):
        table.add_column(column, justify="left" if column == "catalogue" else "right")
    found, largest = [], 0.0
    for count in COUNTS:
        chosen = [skus[number] for number in np.linspace(0, len(skus) - 1, count).astype(int)]
        rows = {
            name: measured(grocery, chosen, add_copies, featurizer)
            for name, add_copies in CATALOGUES.items()
        }
        alone = rows["one photo"]
        for name, row in rows.items():
            shares = {key: np.array(row[key]) for key in ("promised", "came")}
            changes = [np.abs(shares[key] - np.array(alone[key])).max() for key in shares]
            largest = max(largest, *changes)
            cells = (" ".join(f"{share:.0f}" for share in shares[key]) for key in shares)
            table.add_row(str(count), name, str(row["photos"]), str(row["queries"]), *cells)
            found.append({"catalogue": name, **row})
    (RESULTS / "copies.json").write_text(json.dumps(found, indent=1))
    Console(width=110).print(table)
    print(f"largest change by copies: {largest:.1f} points; target: {WITHIN:g}")
    sys.exit(largest > WITHIN)


if __name__ == "__main__":
    main()
