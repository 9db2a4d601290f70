"""Assemble bundles of a feature store: of all its items, or of some, without running a network."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from catalog.building import write
from catalog.building.build import embed_raw, photo_vectors
from catalog.building.cache import FeatureCache
from catalog.building.calibration_queries import QueryRecord
from catalog.building.collect import BundlePhoto, CollectedPhotos, StageProgress
from catalog.building.distractors import drawn_queries, photo_distractors
from catalog.building.feature_store import FeatureStore
from catalog.building.features import known_record
from catalog.building.stage import PhotoStage
from catalog.building.stored_catalogue import StoredItem, open_catalogue, open_shared
from catalog.building.stored_featurizer import open_featurizer
from catalog.building.stored_records import QueryTable, RecordTable, fetch_records
from catalog.building.workspace import publish, workspace
from catalog.bundles.items import write_thumbnails
from catalog.bundles.manifest import IndexEntry, is_bundle
from catalog.core.errors import BundleError, ContentError
from catalog.core.vectors import Vectors
from catalog.core.worker import one_thread_each, prepare_worker
from catalog.recognition.calibrate import calibrate
from catalog.recognition.calibration import Calibration
from catalog.recognition.colours import DIMENSIONS as COLOURS
from catalog.recognition.local_features.extract import PER_PHOTO
from catalog.recognition.local_features.store import LocalFeatureWriter
from catalog.recognition.rejection import FALSE_ACCEPT_RATE
from catalog.recognition.scored_queries import CalibrationQuery
from catalog.sources.source import SourceItem

QUERIES = 96  # of a bundle's photos at most that it is calibrated with


@dataclass(frozen=True)
class AssembleReport:
    """What was assembled."""

    bundle: str
    path: str
    items: int
    photos: int
    queries: int
    index: IndexEntry
    calibration: Calibration
    printed: bool
    seconds: float


@dataclass(frozen=True)
class Wanted:
    """A bundle that is wanted: its items, its place, and what to call it."""

    items: Sequence[StoredItem]
    out: Path
    title: str


class Assembler:
    """Assembles bundles of a catalogue in a store.

    Args:
        address: The store's.
        cache_folder: The build cache; the records of the bundles' photos are fetched into it.
        engine: Which engine opens the networks, see `Featurizer.open`.
        progress: Called with what is done.
        name: The catalogue's name; empty for the newest.
    """

    def __init__(
        self,
        address: str,
        cache_folder: Path,
        engine: str = "auto",
        progress: StageProgress = lambda stage, done, total: None,
        name: str = "",
    ) -> None:
        self._store, self._cache_folder = FeatureStore(address), cache_folder
        self._progress = progress
        self.catalogue = open_catalogue(self._store, name)
        self._featurizer = open_featurizer(
            self._store, self.catalogue.featurizer, cache_folder, engine
        )
        self._shared = open_shared(self._store, self.catalogue.name)
        self._stage = PhotoStage(self._featurizer, PER_PHOTO)
        self._records = RecordTable(self._store, self._stage)
        self._queries = QueryTable(self._store, self._featurizer.id)
        self._with_query = self._queries.keys()
        self._distractors = [
            drawn_queries(self._shared.drawn, self._featurizer),
            photo_distractors(self._featurizer),
        ]

    def fetch(self, items: Iterable[StoredItem]) -> None:
        """Bring the records of the items' photos into the build cache, as far as it lacks them.

        Raises:
            ContentError: The store lacks some of them.
        """
        keys = {photo.sha256 for stored in items for photo in stored.photos}
        with closing(FeatureCache(self._cache_folder, limit=None)) as cache:
            fetch_records(self._records, self._stage, keys, cache, self._progress)

    def assemble(
        self,
        items: Sequence[StoredItem],
        out: Path,
        title: str,
        false_accept_rate: float = FALSE_ACCEPT_RATE,
    ) -> AssembleReport:
        """Assemble a bundle of items, which were fetched, at `out`.

        It must be absent or a bundle, which then is exchanged in one step.

        Raises:
            BundleError: `out` is something else.
            ContentError: None of the items has a photo, or a record is not in the build cache.
            ShelfError: Another build of `out` is running, or there is no room.
        """
        start = time.monotonic()
        if (out.exists() or out.is_symlink()) and not is_bundle(out):
            raise BundleError(f"{out}: exists and is not a bundle; choose another --out")
        if not any(stored.photos for stored in items):
            raise ContentError(f"{out}: no item of {len(items)} has a photo")
        featurizer, shared, target = self._featurizer, self._shared, out.resolve()
        opened = FeatureCache(self._cache_folder, limit=None)
        with closing(opened) as cache, workspace(target) as folder:
            collected, raw = self._collect(items, cache, folder)
            stored, loss = embed_raw(featurizer, raw, collected.skus)
            queries = self._own_queries(collected.photos)
            learned = calibrate(
                photo_vectors(stored, collected, raw if featurizer.projection else None, folder),
                queries,
                self._distractors,
                lambda done, total: self._progress("learning", done, total),
                false_accept_rate,
            )
            del raw
            write.write_learned(folder, collected.colours, learned)
            write.write_cut(folder, collected.photos)
            index = write.write_vectors(folder, stored, shared.pictures, shared.vectors)
            sources = [SourceItem(entry.item, ()) for entry in items if entry.photos]
            unpictured = [entry.item for entry in items if not entry.photos]
            lines = {entry.item.sku: entry.lines for entry in items}
            write.write_metadata(folder, sources, collected.photos, unpictured, lines)
            featurizer.write(folder / "featurizer")
            manifest, identity = write.write_manifest(
                folder,
                title,
                collected.skus,
                len(unpictured),
                featurizer,
                loss,
                index,
                learned.calibration,
            )
            publish(folder, target)
        return AssembleReport(
            bundle=identity,
            path=str(out),
            items=manifest.items,
            photos=manifest.photos,
            queries=len(queries),
            index=index,
            calibration=learned.calibration,
            printed=learned.local_features_help,
            seconds=round(time.monotonic() - start, 2),
        )

    def _collect(
        self, items: Sequence[StoredItem], cache: FeatureCache, folder: Path
    ) -> tuple[CollectedPhotos, Vectors]:
        """Write thumbnails and local features, and return the rest; see `collect.collect`."""
        photos = [
            BundlePhoto(entry.item, photo.source, photo.sha256, photo.width, photo.height)
            for entry in items
            for photo in entry.photos
        ]
        raw = np.empty((len(photos), self._featurizer.network_dimensions), np.float32)
        colours = np.empty((len(photos), COLOURS), np.uint8)
        local_features = LocalFeatureWriter(folder)

        def thumbnails() -> Iterable[tuple[int, bytes]]:
            for number, photo in enumerate(photos):
                record = known_record(photo.key, self._stage, cache)
                if not self._stage.is_complete(record):
                    raise ContentError(f"{photo.key}: left the build cache meanwhile; try again")
                outputs = [record.outputs[network.id] for network in self._featurizer.networks]
                raw[number] = self._featurizer.join([output[None] for output in outputs])[0]
                assert record.descriptors is not None
                assert record.descriptors.local_features is not None
                colours[number] = record.descriptors.colours
                local_features.add(record.descriptors.local_features)
                yield number, record.thumbnail
                self._progress("photos", number + 1, len(photos))

        write_thumbnails(folder / "pictures.db", thumbnails())
        count = local_features.finish()
        return CollectedPhotos(photos, colours, [], [], [], len(photos), count), raw

    def _own_queries(self, photos: Sequence[BundlePhoto]) -> list[CalibrationQuery]:
        """Return the stored queries that were made of some of the photos."""
        numbers = {photo.key: number for number, photo in enumerate(photos)}
        chosen = sorted(self._with_query & numbers.keys())[:QUERIES]
        found: list[QueryRecord] = self._queries.fetch(chosen)
        return [
            record.query(
                numbers[record.photo],
                None if record.behind is None else numbers.get(record.behind),
                self._featurizer,
            )
            for record in found
        ]


def assemble_many(
    address: str,
    name: str,
    cache_folder: Path,
    engine: str,
    wanted: Sequence[Wanted],
    progress: StageProgress = lambda stage, done, total: None,
) -> list[AssembleReport]:
    """Assemble bundles whose items were fetched, with one process on each core.

    Args:
        address: The store's.
        name: The name of the catalogue that the items are of; a newer one may come meanwhile.
        cache_folder: The build cache.
        engine: Which engine opens the networks.
        wanted: The bundles.
        progress: Called with each bundle.
    """
    processes = min(len(wanted), len(os.sched_getaffinity(0)))
    fresh = get_context("spawn")  # a fork would inherit the locks of threads
    reports = []
    with (
        one_thread_each(),
        ProcessPoolExecutor(processes, fresh, _open, (address, name, cache_folder, engine)) as pool,
    ):
        for done, report in enumerate(pool.map(_assemble, wanted), 1):
            reports.append(report)
            progress("bundles", done, len(wanted))
    return reports


_opened: list[Assembler] = []  # of a process of the pool: one


def _open(address: str, name: str, cache_folder: Path, engine: str) -> None:
    prepare_worker()
    _opened.append(Assembler(address, cache_folder, engine, name=name))


def _assemble(wanted: Wanted) -> AssembleReport:
    return _opened[0].assemble(wanted.items, wanted.out, wanted.title)
