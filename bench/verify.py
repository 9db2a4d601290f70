"""Measure what an answer for a thing at rest costs beyond the vector's: time and memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from bench.timing import median_ms, network_ms
from catalog.building.build import build
from catalog.bundles.bundle import Bundle
from catalog.core.photos import Picture, decode
from catalog.networks.featurizer import Featurizer
from catalog.sources.read import read_source
from catalog.synthetic.foreign import foreign_things
from catalog.synthetic.photos import studio
from catalog.synthetic.render import View, render

ITEMS, PHOTOS = 1000, 3
PACKED = ("other can", "other tin", "other carton", "other bag", "other jar", "other tube")
SEED = 60_001
CROPS = 60
RESIDENT = """
import sys
from pathlib import Path
import cv2
from catalog.bundles.bundle import Bundle
cv2.setNumThreads(1)
bundle = Bundle.open(Path(sys.argv[1]))
for row in range(0, bundle.manifest.photos, max(1, bundle.manifest.photos // 50)):
    crop = cv2.imread(sys.argv[2])
    vector = bundle.featurizer.embed([crop])[0]
    if sys.argv[3] == "with":
        bundle.identify(vector, bundle.describe(crop))
    else:
        bundle.search(vector)
print(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])
"""


def thousand_items(folder: Path, featurizer: Featurizer) -> Bundle:
    """A bundle of 1,000 drawn packages with three photos each."""
    photos = folder / "thousand"
    for thing in foreign_things(SEED, ITEMS, PACKED):
        place = photos / thing.sku
        for number, yaw in enumerate((0.0, 24.0, -24.0)):
            if not (place / f"{number}.jpg").exists():
                place.mkdir(parents=True, exist_ok=True)
                view = View(yaw=yaw, pitch=6.0, size=340, azimuth=-38, elevation=42)
                cv2.imwrite(
                    str(place / f"{number}.jpg"), studio(render(thing.drawing, view), number)
                )
    build(
        read_source(photos).items,
        folder / "thousand.bundle",
        featurizer,
        folder / "cache",
        "thousand",
    )
    return Bundle.open(folder / "thousand.bundle")


def verify_figures(bundle: Bundle) -> dict[str, float]:
    """Medians in ms of an answer for a thing at rest, on one thread, and of its parts."""
    crops = _crops(bundle)
    vectors = bundle.featurizer.embed(crops)
    turn = iter(range(1_000_000))

    def everything() -> None:
        at = next(turn) % CROPS
        bundle.identify(vectors[at], bundle.describe(crops[at]))

    def alone() -> None:
        bundle.search(vectors[next(turn) % CROPS])

    def reading() -> None:
        bundle.describe(crops[next(turn) % CROPS])

    rounds = 3 * CROPS
    with_all, vector_alone = median_ms(everything, rounds), median_ms(alone, rounds)
    return {
        "photos": bundle.manifest.photos,
        "local features": bundle.manifest.local_features.features
        if bundle.manifest.local_features
        else 0,
        "verify, ms beyond the vector's (target 60)": with_all - vector_alone,
        "of it extracting local features, ms": median_ms(reading, rounds),
        "the vector's search alone, ms": vector_alone,
        "bare network, ms": network_ms(bundle.featurizer),
    }


def memory_figures(bundle: Path, crop: Path) -> dict[str, float]:
    """Resident memory in MB of a process that has answered fifty crops."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def resident(how: str) -> float:
        command = [sys.executable, "-c", RESIDENT, str(bundle), str(crop), how]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        return int(done.stdout) / 1024

    return {
        "resident, answers with local features, MB (target 500)": resident("with"),
        "resident, plain neighbours, MB (target 300)": resident("without"),
    }


def _crops(bundle: Bundle) -> list[Picture]:
    """Pictures of 256 pixels like a bundle's own, a little blurred."""
    numbers = np.linspace(0, bundle.manifest.photos - 1, CROPS).astype(int).tolist()
    pictures = [decode(bundle.thumbnail(number) or b"", str(number)) for number in numbers]
    small = [cv2.resize(picture, (256, 256), interpolation=cv2.INTER_AREA) for picture in pictures]
    return [np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.8), np.uint8) for picture in small]
