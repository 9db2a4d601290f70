"""Measure catalogues of 1,000, 10,000 and 100,000 photos in the memory of an 8 GB device.

    python -m bench.sizes [NUMBER OF PHOTOS...]

The pictures are the demonstration's drawings, and their thumbnails are real. The vectors are
synthetic: five around each item's vector, which lies around the embedded network's vector of a
drawing. They are put into the build's cache, so that all of a build runs but the network. Each
step is a process of its own whose address space is limited to 8 GiB. Results are written to
bench-results/.
"""

from __future__ import annotations

import hashlib
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from bench.building import catalogue_photos
from catalog.building.build import build
from catalog.building.cache import FeatureCache, PhotoFeature
from catalog.building.stage import THUMBNAIL
from catalog.bundles import validator
from catalog.bundles.bundle import Bundle
from catalog.bundles.manifest import read_manifest
from catalog.core.photos import encode_jpeg
from catalog.core.vectors import Vectors
from catalog.networks.featurizer import Featurizer
from catalog.recognition.index import noisy_queries
from catalog.sources.read import read_source

RESULTS = Path("bench-results")
SIZES = (1_000, 10_000, 100_000)
MEMORY = 8 << 30  # bytes
PHOTOS_AN_ITEM = 5
ITEM_COSINE, PHOTO_COSINE = 0.7, 0.9  # of an item to its drawing, of a photo to its item
QUERIES = 400
AT_ONCE = 1000  # photos made at a time

Figures = dict[str, float]


def photos_of(folder: Path, count: int) -> None:
    """Write `count` different photos into `folder`, and their features into the build's cache."""
    featurizer = Featurizer.open()
    drawn = sorted(catalogue_photos(RESULTS).rglob("*.jpg"))
    files = [photo.read_bytes() for photo in drawn]
    pictures = [np.asarray(cv2.imread(str(photo)), np.uint8) for photo in drawn]
    thumbnails = [encode_jpeg(picture, THUMBNAIL) for picture in pictures]
    seen = np.concatenate([featurizer.embed([picture]) for picture in pictures])
    random = np.random.default_rng(count)
    cache = FeatureCache(folder / "cache")
    for first in range(0, count, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, count))
        features = []
        of_drawings = [number // PHOTOS_AN_ITEM % len(drawn) for number in numbers]
        items = around(seen[of_drawings[::PHOTOS_AN_ITEM]], ITEM_COSINE, random)
        vectors = around(items.repeat(PHOTOS_AN_ITEM, 0), PHOTO_COSINE, random)
        for number, first_drawing, vector in zip(numbers, of_drawings, vectors, strict=True):
            # Each photo of an item is another drawing: copies would count as one photo.
            drawing = (first_drawing + number % PHOTOS_AN_ITEM) % len(drawn)
            item = folder / "photos" / f"item-{number // PHOTOS_AN_ITEM:05}"
            item.mkdir(parents=True, exist_ok=True)
            data = files[drawing] + number.to_bytes(
                4, "big"
            )  # decoders ignore what follows a JPEG's end
            (item / f"{number}.jpg").write_bytes(data)
            height, width = pictures[drawing].shape[:2]
            sha256 = hashlib.sha256(data).hexdigest()
            features.append(PhotoFeature(sha256, vector, width, height, thumbnails[drawing]))
        cache.put(features, featurizer.network_id)
    cache.close()


def around(centres: Vectors, cosine: float, random: np.random.Generator) -> Vectors:
    """Unit vectors (n, d), each at `cosine` to its centre."""
    noise = random.standard_normal(centres.shape, dtype=np.float32)
    noise -= (noise * centres).sum(1, keepdims=True) * centres
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    return np.asarray(cosine * centres + np.sqrt(1 - cosine**2) * noise, np.float32)


def build_figures(folder: Path) -> Figures:
    """Build the bundle; measure seconds by part, and the peak memory."""
    ends = {}

    def note(what: str, done: int, total: int) -> None:
        ends[what if done else f"before {what}"] = time.perf_counter()

    featurizer = Featurizer.open()
    start, begun = time.perf_counter(), time.process_time()
    entries = read_source(folder / "photos").items
    listed = time.perf_counter()
    build(entries, folder / "bundle", featurizer, folder / "cache", "sizes", progress=note)
    end = time.perf_counter()
    return {
        "build: listing the folder, s": listed - start,
        "build: photos out of the cache, s": ends["photos"] - listed,
        "build: calibration, s": ends["before index"] - ends["photos"],
        "build: index and probes, s": ends["index"] - ends["before index"],
        "build: items, digests, flushing, s": end - ends["index"],
        "build: all, s": end - start,
        "build: processor time of it, s": time.process_time() - begun,
        "build: most memory, MB": most_memory(),
    }


def open_figures(folder: Path) -> Figures:
    """Open the bundle and search it; measure seconds, milliseconds and memory."""
    before = psutil.Process().memory_info()
    start = time.perf_counter()
    bundle = Bundle.open(folder / "bundle", verified=True)
    opened = time.perf_counter() - start
    queries = noisy_queries(bundle.vectors(), QUERIES, 3)
    annoy = search_ms(bundle, queries, exact=False)
    memory = psutil.Process().memory_info()
    exact = search_ms(bundle, queries, exact=True)
    return {
        "open, digests known: s": opened,
        "search, Annoy: ms, median": float(np.median(annoy)),
        "search, Annoy: ms, 99 %": float(np.quantile(annoy, 0.99)),
        "search, exact: ms, median": float(np.median(exact)),
        "search, exact: ms, 99 %": float(np.quantile(exact, 0.99)),
        "memory of Python and its packages, MB": before.rss / 1e6,
        "memory with the bundle open, MB": memory.rss / 1e6,
        "of it mapped files, MB": memory.shared / 1e6,
        "memory when searching exactly, MB": psutil.Process().memory_info().rss / 1e6,
    }


def search_ms(bundle: Bundle, queries: Vectors, *, exact: bool) -> list[float]:
    """Milliseconds of each of the queries (q, d); the first, which warms up, is left out."""
    took = []
    for query in queries:
        start = time.perf_counter()
        bundle.search(query, 5, exact=exact)
        took.append((time.perf_counter() - start) * 1000)
    return took[1:]


def gate_figures(folder: Path) -> Figures:
    """Validate the bundle, as activation does."""
    start = time.perf_counter()
    passed = validator.validate(folder / "bundle")
    seconds = time.perf_counter() - start
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "gate: all, s": seconds,
        "gate: processor time of its child, s": children.ru_utime + children.ru_stime,
        "gate: most memory, MB": children.ru_maxrss / 1e3,
        "gate: recall": passed.recall,
    }


def size_figures(folder: Path) -> Figures:
    """Megabytes of each file, and how the bundle is searched."""
    manifest = read_manifest(folder / "bundle")[0]
    sizes = {f"{name}, MB": file.bytes / 1e6 for name, file in manifest.files.items()}
    index = manifest.index
    return {
        "items": manifest.items,
        "Annoy trees": index.n_trees,
        "Annoy search_k": index.search_k,
        "recall@10 at build": index.recall,
        **{name: size for name, size in sizes.items() if not name.startswith("featurizer/")},
        "all files, MB": sum(sizes.values()),
    }


def most_memory() -> float:
    """Megabytes that this process had in memory at its largest."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


STEPS: dict[str, Callable[[Path], Figures]] = {
    "build": build_figures,
    "size": size_figures,
    "open": open_figures,
    "gate": gate_figures,
}


def step(name: str, folder: Path) -> Figures:
    """Run one step in a process of its own."""
    command = [sys.executable, "-m", "bench.sizes", name, str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: Figures = json.loads(done.stdout)
    return found


def main(sizes: list[int]) -> None:
    """Measure each size and print a table."""
    results: dict[int, Figures] = {}
    console = Console(width=110)
    for size in sizes:
        folder = RESULTS / "sizes" / str(size)
        shutil.rmtree(folder, ignore_errors=True)
        with console.status(f"{size:,} photos"):
            photos_of(folder, size)
            results[size] = {
                key: value for name in STEPS for key, value in step(name, folder).items()
            }
        (RESULTS / "sizes.json").write_text(json.dumps(results, indent=1))
        shutil.rmtree(folder)
    table = Table(title="catalogues by their number of photos")
    table.add_column("")
    for size in results:
        table.add_column(f"{size:,}", justify="right")
    for name in results[sizes[0]]:
        table.add_row(name, *(f"{found[name]:,.3g}" if found[name] < 100 else f"{found[name]:,.0f}"
                              for found in results.values()))  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in STEPS:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        print(json.dumps(STEPS[sys.argv[1]](Path(sys.argv[2]))))
    else:
        main([int(size) for size in sys.argv[1:]] or list(SIZES))
