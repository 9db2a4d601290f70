"""Measure what local features, metric and calibration gain on real photos.

    python -m bench.evidence [--networks embedded,efficientnet_lite0,mobilenet_v2]
                             [--clean] [--each 5] [--produce-each 5]

Builds catalogues from the Grocery Store Dataset as an owner would, and queries them with the
labelled test photos: by vectors alone (before), with all that sight compares (after) and, with the
extra `text`, with the words on them, too (read). ``--clean`` asks only the catalogues that have one
clean picture of each item, and ``--each`` asks only so many photos of each item of them;
``--produce-each`` of fruit and vegetables, which take longest.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.materials import materials
from catalog.building.build import BuildOptions, build
from catalog.bundles.bundle import Bundle
from catalog.evaluation.evaluate import Evaluation, evaluate
from catalog.networks.featurizer import Featurizer
from catalog.networks.network import Descriptor, Network
from catalog.networks.text_reader import open_reader
from catalog.recognition.calibration import OutcomeShares
from catalog.sources.read import read_source

RESULTS = Path("bench-results")
SHARES = ("before", "after", "read")
RANDOM_HALVES = 4  # of the catalogue, beside the half that is every other item
CACHE = RESULTS / "evidence-cache"


def networks(root: Path) -> dict[str, Featurizer]:
    """The networks that are measured, by name."""
    models = root / "models"
    lite = Descriptor(
        "efficientnet_lite0",
        "efficientnet_lite0.onnx",
        None,
        224,
        mean=(127.0,) * 3,
        std=(128.0,) * 3,
    )
    return {
        "embedded": Featurizer.open(),
        "efficientnet_lite0": Featurizer(Network(models, lite)),
        "mobilenet_v2": Featurizer(
            Network(models, Descriptor("mobilenet_v2", "mobilenet_v2_1.0_224.onnx", None, 224))
        ),
    }


def made(
    source: Path,
    featurizer: Featurizer,
    skus: Collection[str] | None = None,
    *,
    read: bool = False,
) -> Bundle:
    """Build a bundle of a folder's items: all of them, or those in `skus`."""
    entries = [
        entry for entry in read_source(source).items if skus is None or entry.item.sku in skus
    ]
    out = Path(tempfile.mkdtemp()) / "bundle"
    build(entries, out, featurizer, CACHE, source.name, BuildOptions(read_text=read))
    return Bundle.open(out)


def of_kind(grocery: Path, kinds: Collection[str], folder: Path, each: int | None) -> Path:
    """Make a folder with links to the queries of some kinds of goods, or to `each` of an item."""
    with (grocery / "items.csv").open(encoding="utf-8") as file:
        chosen = [row["sku"] for row in csv.DictReader(file) if row["super"] in kinds]
    for sku in chosen:
        link_photos(grocery / "queries" / sku, folder / sku, each)
    return folder


def link_photos(source: Path, folder: Path, most: int | None = None) -> None:
    """Make a folder with links to the photos of another: a link to a folder is not followed."""
    folder.mkdir(parents=True)
    for photo in sorted(source.iterdir())[:most]:
        (folder / photo.name).symlink_to(photo.resolve())


def before_and_after(bundle: Bundle, queries: Path) -> dict[str, float]:
    """The share of first answers that are right: by vectors alone, by sight, and with words."""
    plain, _ = evaluate(bundle, queries, CACHE, vectors_only=True)
    full, _ = evaluate(bundle, queries, CACHE)
    shares: dict[str, float] = {"photos": plain.queries, "before": plain.top1, "after": full.top1}
    reader = open_reader(keep_open=True)
    if reader is not None:
        read, _ = evaluate(bundle, queries, CACHE, reader=reader)
        shares["read"] = read.top1
    return shares


def real_photos(
    root: Path,
    chosen: Collection[str],
    *,
    clean: bool,
    each: int | None,
    produce_each: int | None,
) -> dict[str, object]:
    """Measure every row on the Grocery Store Dataset."""
    grocery = root / "data" / "grocery"
    found = _PrintedRows()
    with tempfile.TemporaryDirectory() as name:
        cartons = of_kind(grocery, ("Packages",), Path(name, "cartons"), each)
        produce = of_kind(grocery, ("Fruit", "Vegetables"), Path(name, "produce"), produce_each)
        skus = sorted(path.name for path in (grocery / "photos").iterdir())
        for network, featurizer in networks(root).items():
            if network not in chosen:
                continue
            iconic = made(grocery / "iconic", featurizer, read=True)
            found[f"cartons, one clean picture, {network}"] = before_and_after(iconic, cartons)
            found[f"produce, one clean picture, {network}"] = before_and_after(iconic, produce)
            if clean:
                continue
            if network == "embedded":
                own = made(grocery / "photos", featurizer)
                found["own photos, embedded"] = before_and_after(own, grocery / "queries")
            if network != "mobilenet_v2":
                half = made(grocery / "photos", featurizer, skus[::2])
                full, _ = evaluate(half, grocery / "queries", CACHE)
                found[f"known and foreign mixed, {network}"] = mixed(half, full)
            if network == "efficientnet_lite0":
                drawn = [
                    np.random.default_rng(seed).choice(skus, len(skus[::2]), replace=False)
                    for seed in range(RANDOM_HALVES)
                ]
                found[f"the same, halves drawn at random, {network}"] = averaged(
                    [
                        mixed(half, evaluate(half, grocery / "queries", CACHE)[0])
                        for half in (
                            made(grocery / "photos", featurizer, set(chosen_skus))
                            for chosen_skus in drawn
                        )
                    ]
                )
    return found


class _PrintedRows(dict[str, object]):
    """Rows that are printed as they come, because the whole takes long."""

    def __setitem__(self, name: str, row: object) -> None:
        super().__setitem__(name, row)
        print(f"{name}: {row}", flush=True)


def mixed(bundle: Bundle, full: Evaluation) -> dict[str, Any]:
    """AUROC, calibration error, and predicted minus measured shares in points."""
    expected = bundle.manifest.calibration
    assert full.known is not None
    assert full.foreign is not None
    assert expected.expected_held_out is not None

    def apart(predicted: OutcomeShares, measured: OutcomeShares) -> dict[str, float]:
        return {
            name: round(100 * (getattr(predicted, name) - getattr(measured, name)), 1)
            for name in OutcomeShares.model_fields
        }

    return {
        "auroc": full.auroc,
        "calibration_error": full.calibration_error,
        "known": full.known.model_dump(),
        "foreign": full.foreign.model_dump(),
        "predicted minus measured, known, points": apart(
            expected.expected_in_catalogue, full.known
        ),
        "predicted minus measured, foreign, points": apart(
            expected.expected_held_out, full.foreign
        ),
    }


def averaged(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The mean of each number of rows that `mixed` made."""
    return {
        name: averaged([row[name] for row in rows])
        if isinstance(value, dict)
        else round(float(np.mean([row[name] for row in rows])), 4)
        for name, value in rows[0].items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--networks", default="embedded,efficientnet_lite0,mobilenet_v2")
    parser.add_argument("--clean", action="store_true", help="only catalogues of clean pictures")
    parser.add_argument("--each", type=int, help="photos of each item; all by default")
    parser.add_argument("--produce-each", type=int, help="of produce; as --each by default")
    arguments = parser.parse_args()
    root = materials()
    if root is None:
        sys.exit("error: the photos are not here; name their folder in VISUAL_SEARCH_MATERIALS")
    cv2.setNumThreads(1)
    RESULTS.mkdir(exist_ok=True)
    chosen = arguments.networks.split(",")
    found = real_photos(
        root,
        chosen,
        clean=arguments.clean,
        each=arguments.each,
        produce_each=arguments.produce_each or arguments.each,
    )
    (RESULTS / "evidence.json").write_text(json.dumps(found, indent=1))
    table = Table(
        title="Grocery Store Dataset, right first: by vectors alone, by sight, with words"
    )
    for column in ("what", "photos", *SHARES):
        table.add_column(column, justify="left" if column == "what" else "right")
    for what, row in found.items():
        if isinstance(row, dict) and "before" in row:
            shares = (f"{row[name]:.1%}" if name in row else "" for name in SHARES)
            table.add_row(what, str(row["photos"]), *shares)
    Console(width=110).print(table)
    for what, row in found.items():
        if isinstance(row, dict) and "before" not in row:
            print(what)
            for name, value in row.items():
                print(f"  {name}: {value}")


if __name__ == "__main__":
    main()
