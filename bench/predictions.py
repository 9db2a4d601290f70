"""Measure whether a build's predictions come true, for catalogues of several kinds.

    python -m bench.predictions

The catalogues are of groceries, with queries of other days, of clothing and of Caltech-101, whose
photos all differ. These are development photos, by which settings may be chosen; the test photos
of `bench.evidence` judge those settings.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import cv2
from rich.console import Console
from rich.table import Table

from bench.evidence import made, networks
from bench.materials import materials
from catalog.bundles.bundle import Bundle
from catalog.evaluation.evaluate import evaluate
from catalog.networks.featurizer import Featurizer
from catalog.recognition.calibration import OutcomeShares

RESULTS = Path("bench-results")
CACHE = RESULTS / "evidence-cache"
NETWORK = "efficientnet_lite0"  # the embedded network has learned from these photos


def linked(photos: Iterable[Path], folder: Path) -> Path:
    """A folder for each item below `folder`, with links to its photos."""
    for photo in photos:
        (folder / photo.parent.name).mkdir(parents=True, exist_ok=True)
        (folder / photo.parent.name / photo.name).symlink_to(photo.resolve())
    return folder


def sets(data: Path, folder: Path) -> dict[str, tuple[Path, Path]]:
    """The folders of each catalogue's photos and of its queries, by name."""
    grocery = sorted((data / "grocery" / "photos").glob("*/*"))
    skus = sorted({photo.parent.name for photo in grocery})
    clothing = sorted((data / "clothing").glob("*/*"))
    train = [photo for photo in clothing if photo.name.startswith("train-")]
    caltech = sorted((data / "pool" / "caltech").glob("*/*"))
    kinds = set(sorted({photo.parent.name for photo in caltech})[::2])
    halves = (
        ("groceries, 1st, 3rd ... item", set(skus[::2])),
        ("groceries, 2nd, 4th ... item", set(skus[1::2])),
    )
    found = {
        name: (
            linked((photo for photo in grocery if photo.parent.name in chosen), folder / name),
            data / "grocery" / "dev",
        )
        for name, chosen in halves
    }
    found["clothing"] = (
        linked(train[::2], folder / "clothing"),
        linked((photo for photo in clothing if photo.name.startswith("dev-")), folder / "worn"),
    )
    found["Caltech-101, 1st, 3rd ... kind"] = (
        linked((photo for photo in caltech[::2] if photo.parent.name in kinds), folder / "caltech"),
        linked(caltech[1::4], folder / "others"),
    )
    return found


def measured(bundle: Bundle, queries: Path) -> dict[str, object]:
    """What the build predicted, and what was measured, in per cent."""
    expected = bundle.manifest.calibration
    full, _ = evaluate(bundle, queries, CACHE)
    return {
        "photos": full.queries,
        "own, expected": _per_cent(expected.expected_in_catalogue),
        "own, came": _per_cent(full.known),
        "relatives, expected": _per_cent(expected.expected_held_out),
        "relatives, came": _per_cent(full.foreign),
        "auroc": full.auroc,
        "calibration_error": full.calibration_error,
    }


def _per_cent(shares: OutcomeShares | None) -> str:
    """Right, one of these, unknown, wrong."""
    if shares is None:
        return ""
    return " ".join(f"{100 * getattr(shares, name):.0f}" for name in OutcomeShares.model_fields)


def of_all(featurizer: Featurizer, data: Path) -> dict[str, dict[str, object]]:
    """Measure every set, by name."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (photos, queries) in sets(data, Path(folder)).items():
            found[name] = measured(made(photos, featurizer), queries)
            print(f"{name}: {found[name]}", flush=True)
    return found


def main() -> None:
    """Measure and print a table."""
    root = materials()
    if root is None:
        sys.exit("error: the photos are not here; name their folder in VISUAL_SEARCH_MATERIALS")
    cv2.setNumThreads(1)
    RESULTS.mkdir(exist_ok=True)
    found = of_all(networks(root)[NETWORK], root / "data")
    (RESULTS / "predictions.json").write_text(json.dumps(found, indent=1))
    table = Table(title="right, one of these, among the guesses, unknown, wrong: per cent")
    columns = ("photos", "own, expected", "own, came", "relatives, expected", "relatives, came")
    for column in ("catalogue", *columns):
        table.add_column(column, justify="left" if column == "catalogue" else "right")
    for name, row in found.items():
        table.add_row(name, *(str(row[column]) for column in columns))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
