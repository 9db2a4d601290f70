"""Run every network by every engine: do they agree, how fast are they, how often right.

    python -m bench.networks

Agreement is the largest difference of any number of the normalised vectors from those of ONNX
Runtime, over real photos. The engine awscam is a stand-in here, so only its agreement counts.
A network that an engine cannot read, or an engine that is not installed, has no row.
"Right first" is the share of the Grocery Store Dataset's test photos whose first answer is right.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.materials import materials
from bench.timing import median_ms
from catalog.core.errors import FeaturizerError, MissingExtraError
from catalog.core.photos import Picture, decode
from catalog.evaluation.compare import compare
from catalog.networks.engines.checkpoint import has_checkpoint
from catalog.networks.engines.choice import CHOICES
from catalog.networks.featurizer import Featurizer
from catalog.networks.importing.importer import import_model
from catalog.networks.models import Preprocessing
from catalog.networks.network import EMBEDDED
from catalog.networks.zoo import EFFICIENTNET, ensure_installed
from catalog.sources.read import read_source

RESULTS = Path("bench-results")
STAND_INS = Path(__file__).parents[1] / "tests" / "support" / "deeplens"
PHOTOS = 20
PUBLIC = {
    "mobilenet_v2_1.0_224.onnx": Preprocessing(),
    "efficientnet_lite0.onnx": Preprocessing(mean="127", std="128"),
    "mobilenet_v1_0.5_160.onnx": Preprocessing(size=160, mean="128", std="128"),
    "mobilenet_v1_0.25_128.onnx": Preprocessing(size=128, mean="128", std="128"),
    "squeezenet1_0.onnx": Preprocessing(227, "bgr", "104,117,123", "1"),
    "mxnet/squeezenet_v1.0-0000.params": Preprocessing(227, "bgr", "104,117,123", "1"),
}


def main() -> None:
    """Measure every pair and print one table."""
    cv2.setNumThreads(1)
    root = materials()
    if root is None:
        sys.exit("error: the photos are not here; name their folder in VISUAL_SEARCH_MATERIALS")
    sys.path.append(str(STAND_INS))
    grocery = root / "data" / "grocery"
    labelled, asking = read_source(grocery / "photos").items, read_source(grocery / "queries").items
    photos = sorted((grocery / "queries").rglob("*.webp"))[::124][:PHOTOS]
    pictures = [decode(photo.read_bytes(), photo.name) for photo in photos]
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["VISUAL_SEARCH_CATALOG__CACHE_DIR"] = name  # for the networks of awscam
        networks = {"embedded": EMBEDDED, EFFICIENTNET: ensure_installed(EFFICIENTNET, folder)}
        for file, preprocessing in PUBLIC.items():
            networks[file] = folder / file.replace("/", "-")
            import_model(root / "models" / file, networks[file], preprocessing)
        for network, path in networks.items():
            first = Featurizer.open(path, CHOICES[0])
            expected = first.embed(pictures)
            found = compare(network, first, labelled, asking, folder / "cache")
            own = ("mxnet", "awscam") if has_checkpoint(first.networks[0].path) else ()
            for engine in (*CHOICES, "opencv", *own):
                try:
                    row = _measure(path, engine, pictures, expected)
                except (FeaturizerError, MissingExtraError) as error:
                    print(error, file=sys.stderr)
                    continue
                right = {"right_first": found.top1, "among_five": found.top5}
                rows.append({"network": network, "engine": engine, **row, **right})
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "networks.json").write_text(json.dumps(rows, indent=1))
    _print(rows)


def _measure(
    path: Path,
    engine: str,
    pictures: list[Picture],
    expected: np.ndarray[tuple[int, int], np.dtype[np.float32]],
) -> dict[str, float | None]:
    Featurizer.open(path, engine)  # imports and optimises what is done only once
    start = time.perf_counter()
    featurizer = Featurizer.open(path, engine)
    opened = 1000 * (time.perf_counter() - start)
    agreement = float(np.abs(featurizer.embed(pictures) - expected).max())
    (opened_network,) = featurizer.networks
    if engine == "awscam":
        return {
            "agreement": agreement,
            "ms": None,
            "start_ms": None,
            "megabytes": featurizer.megabytes,
        }
    tensor = opened_network.preprocess(pictures[:1])
    each = median_ms(lambda: opened_network.run(tensor), 60)
    return {
        "agreement": agreement,
        "ms": each,
        "start_ms": opened,
        "megabytes": featurizer.megabytes,
    }


def _print(rows: list[dict[str, object]]) -> None:
    table = Table(title="one photo at a time, one thread")
    for column in ("network", "engine", "agreement", "ms", "start, ms", "MB", "right first, %"):
        table.add_column(column, justify="left" if column in ("network", "engine") else "right")
    for row in rows:
        table.add_row(
            str(row["network"]),
            str(row["engine"]),
            f"{row['agreement']:.1e}",
            "" if row["ms"] is None else f"{row['ms']:.1f}",
            "" if row["start_ms"] is None else f"{row['start_ms']:.0f}",
            f"{row['megabytes']:.1f}",
            f"{100 * float(str(row['right_first'])):.1f}",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
