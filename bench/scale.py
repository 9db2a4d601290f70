"""Measure bundles that are assembled of a large feature store.

    python -m bench.scale [PHOTOS [ASSORTMENTS]]

The store holds the records of many photos, five an item: thumbnails, colours and local features are
those of the demonstration's drawings, the vectors are synthetic, as in `bench.sizes`. So no network
has to run for hours first. Assortments of 5,000 random items' photos are assembled of it, each by
the code of ``visual-search catalog assemble``. Results are written to bench-results/.
"""

from __future__ import annotations

import hashlib
import json
import resource
import shutil
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.building import catalogue_photos
from bench.sizes import ITEM_COSINE, PHOTO_COSINE, PHOTOS_AN_ITEM, RESULTS, around
from catalog.building.assemble import Assembler
from catalog.building.cache import FeatureCache
from catalog.building.calibration_queries import QueryRecord
from catalog.building.distractors import drawn_raw
from catalog.building.feature_store import FeatureStore
from catalog.building.save import QUERIES
from catalog.building.stage import PhotoRecord, PhotoStage
from catalog.building.stored_catalogue import Shared, StoredItem, save_catalogue
from catalog.building.stored_records import AT_ONCE, QueryTable, RecordTable
from catalog.bundles.items import Item, Photo
from catalog.core.photos import decode
from catalog.core.worker import one_thread_each
from catalog.networks.featurizer import Featurizer
from catalog.recognition.descriptors import Descriptors, extract_descriptors
from catalog.recognition.local_features.extract import PER_PHOTO, PER_QUERY

PHOTOS, ASSORTMENTS = 100_000, 5
OF_ASSORTMENT = 5_000  # photos
LOOK_COSINE = 0.85  # of a calibration query to its photo
SEED = 11
Figures = dict[str, float]


def fill(store: FeatureStore, folder: Path, count: int) -> float:
    """Write the records, queries and items of `count` photos.

    Returns:
        Milliseconds of a core for the record of a drawing.
    """
    featurizer = Featurizer.open()
    stage = PhotoStage(featurizer, PER_PHOTO)
    files = [file.read_bytes() for file in sorted(catalogue_photos(RESULTS).rglob("*.jpg"))]
    begun = time.process_time()
    drawn = [stage.record(data, "drawing", PhotoRecord(stage.key(data))) for data in files]
    each = 1000 * (time.process_time() - begun) / len(files)
    pictures = [decode(data, "drawing") for data in files]
    looks = [extract_descriptors(picture, PER_QUERY) for picture in pictures]
    network = featurizer.network_id
    seen = featurizer.vectors(np.stack([record.outputs[network] for record in drawn]))
    random = np.random.default_rng(SEED)
    records, queries = RecordTable(store, stage), QueryTable(store, featurizer.id)
    photos: list[Photo] = []
    for first in range(0, count, AT_ONCE * PHOTOS_AN_ITEM):
        numbers = np.arange(first, min(first + AT_ONCE * PHOTOS_AN_ITEM, count))
        drawings = numbers // PHOTOS_AN_ITEM % len(drawn)
        items = around(seen[drawings[::PHOTOS_AN_ITEM]], ITEM_COSINE, random)
        vectors = around(items.repeat(PHOTOS_AN_ITEM, 0)[: len(numbers)], PHOTO_COSINE, random)
        asked = around(vectors, LOOK_COSINE, random)
        part: list[PhotoRecord] = []
        looked: list[QueryRecord] = []
        for number, drawing, vector, query in zip(
            numbers.tolist(), drawings.tolist(), vectors, asked, strict=True
        ):
            record = drawn[(drawing + number % PHOTOS_AN_ITEM) % len(drawn)]
            look = looks[(drawing + number % PHOTOS_AN_ITEM) % len(drawn)]
            key = hashlib.sha256(str(number).encode()).hexdigest()
            part.append(
                PhotoRecord(
                    key,
                    record.width,
                    record.height,
                    record.thumbnail,
                    {network: vector},
                    _shaken(record.descriptors, random),
                )
            )
            sku = f"item-{number // PHOTOS_AN_ITEM:06}"
            photos.append(Photo(number, sku, f"{number}.jpg", record.width, record.height, key))
            if int(key[:8], 16) < 2**32 // QUERIES:
                looked.append(
                    QueryRecord(
                        key, None, augmented=True, raw=query, descriptors=_shaken(look, random)
                    )
                )
        for at in range(0, len(part), AT_ONCE):
            records.append(part[at : at + AT_ONCE])
        records.compact()
        queries.append(looked)
    store.compact(records.name, all_of_it=True)
    with_photos = [
        StoredItem(
            Item(group[0].sku, f"Thing {group[0].sku}", "1.00"),
            tuple(group),
        )
        for group in (photos[at : at + PHOTOS_AN_ITEM] for at in range(0, count, PHOTOS_AN_ITEM))
    ]
    golden = pictures[:6]
    distractors = drawn_raw(featurizer, FeatureCache(folder / "cache"), lambda *_: None)
    shared = Shared(golden, featurizer.embed(golden), distractors)
    save_catalogue(store, "Scale", featurizer, with_photos, shared)
    return each


def _shaken(descriptors: Descriptors | None, random: np.random.Generator) -> Descriptors:
    """Return descriptors whose local features differ a little from those of other photos."""
    assert descriptors is not None
    local = descriptors.local_features
    assert local is not None
    noise = random.integers(-6, 7, local.codes.shape)
    codes = np.clip(local.codes + noise, -127, 127).astype(np.int8)
    return Descriptors(descriptors.colours, type(local)(codes, local.places))


def assemble(count: int, assortments: int) -> Figures:
    """Assemble assortments of the store with `count` photos, and measure them."""
    folder = RESULTS / f"scale-{count}"
    store = FeatureStore(str(folder / "store"))
    figures: Figures = {"store, MB": sum(size.bytes for size in store.sizes()) / 1e6}
    assembler = Assembler(str(folder / "store"), folder / "cache")
    items = assembler.catalogue.items
    random = np.random.default_rng(SEED)
    begun, start = time.process_time(), time.perf_counter()
    assembler.fetch(items)
    figures["fetching all records into the cache, s"] = time.perf_counter() - start
    figures["of it processor, s"] = time.process_time() - begun
    seconds, processor = [], []
    for number in range(assortments):
        some = random.choice(len(items), OF_ASSORTMENT // PHOTOS_AN_ITEM, replace=False)
        chosen = [items[place] for place in sorted(some.tolist())]
        begun, start = time.process_time(), time.perf_counter()
        assembler.assemble(chosen, folder / f"{number}.bundle", f"Assortment {number}")
        seconds.append(time.perf_counter() - start)
        processor.append(time.process_time() - begun)
    figures[f"assembling {OF_ASSORTMENT} photos, median, s"] = float(np.median(seconds))
    figures["of it processor, median, s"] = float(np.median(processor))
    figures["most memory, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return figures


def filled(count: int) -> Figures:
    """Fill the store with `count` photos, unless it is there."""
    folder = RESULTS / f"scale-{count}"
    if FeatureStore(str(folder / "store")).names("items"):
        return {}
    shutil.rmtree(folder, ignore_errors=True)
    begun = time.process_time()
    each = fill(FeatureStore(str(folder / "store")), folder, count)
    return {
        "a record, ms of a core": each,
        "filling the store, processor s": time.process_time() - begun,
    }


def main() -> None:
    """Fill a store, assemble assortments of it, and print and write the figures.

    Each is done by a process of its own on one thread, as by the workers of `assemble --each`.
    """
    count = int(sys.argv[1]) if len(sys.argv) > 1 else PHOTOS
    assortments = int(sys.argv[2]) if len(sys.argv) > 2 else ASSORTMENTS
    figures: Figures = {"photos": count}
    with (
        one_thread_each(),
        ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as process,
    ):
        figures |= process.submit(filled, count).result()
        figures |= process.submit(assemble, count, assortments).result()
    for name, value in figures.items():
        Console().print(f"{name}: {value:,.1f}", highlight=False)
    (RESULTS / f"scale-{count}.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
