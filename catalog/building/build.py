"""Photos to a bundle: incremental, interruptible, never half."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog.building.cache import FeatureCache
from catalog.building.calibration_queries import (
    LOOK_SIDE,
    Progress,
    Row,
    drawn_looks,
    known_looks,
    picture,
    spread,
)
from catalog.building.features import Skipped, featurize
from catalog.building.negatives import photo_looks
from catalog.building.sources import Entry
from catalog.bundles.golden_queries import LOOKS, make_golden_queries, write_golden_queries
from catalog.bundles.items import Photo, write_items, write_thumbnails
from catalog.bundles.manifest import (
    MANIFEST,
    FeaturizerEntry,
    IndexEntry,
    LocalFeaturesEntry,
    Manifest,
    ProjectionEntry,
    bundle_id,
    describe_files,
    is_bundle,
)
from catalog.core import durable
from catalog.core.errors import BundleError, ContentError, FeaturizerError, ShelfError
from catalog.core.photos import shrink
from catalog.core.vectors import Vectors, normalised
from catalog.networks.featurizer import Featurizer, write_descriptor
from catalog.networks.projection import MOST_DIMENSIONS, Loss, fit, measure, read
from catalog.recognition.calibration import FOREIGN_NAMED, Calibration, Learned, calibrate
from catalog.recognition.colours import DIMENSIONS as COLOURS
from catalog.recognition.colours import FILE as COLOURS_FILE
from catalog.recognition.cross_fitting import Catalogue
from catalog.recognition.index import Annoy, Exact, Index, choose_index
from catalog.recognition.local_features.extract import OF_PHOTO
from catalog.recognition.local_features.store import FOLDER as PRINTED
from catalog.recognition.local_features.store import LocalFeatureStore, LocalFeatureWriter
from catalog.recognition.wccn import FILE as METRIC

FEW_PHOTOS = 3


@dataclass(frozen=True)
class BuildReport:
    """What a build made and what it left out."""

    bundle: str
    path: str
    items: int
    photos: int
    reused: int
    skipped: tuple[Skipped, ...]
    without_photos: tuple[str, ...]
    few_photos: tuple[str, ...]
    index: IndexEntry
    projection: Loss | None
    calibration: Calibration
    printed: bool
    photos_per_second: float
    seconds: float


@dataclass
class _Collected:
    """What became of the photos.

    `raw`, float32 (n, network dimensions), and `colours`, uint8 (n, 256), have a row for each
    of `rows`.

    Thumbnails and local features are not here but in the workspace: of 100,000 photos they are
    a gigabyte and more each.
    """

    rows: list[Row]
    raw: Vectors
    colours: NDArray[np.uint8]
    skipped: list[Skipped]
    reused: int
    features: int  # local ones of all photos


def build(
    entries: list[Entry],
    out: Path,
    featurizer: Featurizer,
    cache_folder: Path,
    title: str,
    progress: Progress = lambda what, done, total: None,
    on_skip: Callable[[Skipped], None] = lambda skipped: None,
    refit_projection: bool = False,
    foreign_named: float = FOREIGN_NAMED,
    strict: bool = False,
) -> BuildReport:
    """Build a bundle of `entries` at `out`.

    `out` must be absent or one of our bundles, which then is exchanged in one step. An
    interruption at any time leaves it as it was; the next build reuses finished features.
    Vectors too long for Annoy are projected as in the bundle before, unless `refit_projection`.
    `foreign_named` is the share of the shipped foreign things that the device may name.

    Raises:
        BundleError: `out` is something else.
        ContentError: No photo could be used; or, where it is `strict`, not every one.
        ShelfError: Another build of `out` is running, or there is no room.
    """
    start = time.monotonic()
    if (out.exists() or out.is_symlink()) and not is_bundle(out):
        raise BundleError(f"{out}: exists and is not a bundle; choose another --out")
    addresses = cache_folder / "addresses"
    target = out.resolve()  # a link to a bundle stays one
    with closing(FeatureCache(cache_folder)) as cache, _workspace(target) as folder:
        made = _collect(entries, featurizer, cache, addresses, folder, progress, on_skip)
        if not made.rows:
            raise ContentError("none of the photos could be used; nothing was built")
        counts = Counter(row.entry.item.sku for row in made.rows)
        bare = tuple(one.item.sku for one in entries if counts[one.item.sku] == 0)
        if strict and (made.skipped or bare):
            raise ContentError(
                f"nothing was built, as --strict says: {len(made.skipped)} photos "
                f"cannot be used, and {len(bare)} items have none"
            )
        per_second = sum(len(entry.photos) for entry in entries) / (time.monotonic() - start)
        skus = [row.entry.item.sku for row in made.rows]
        featurizer = _projected(featurizer, made.raw, target, refit_projection)
        vectors = featurizer.vectors(made.raw)
        lost = measure(normalised(made.raw), vectors, skus) if featurizer.projection else None
        stored = vectors.astype(np.float16)
        raw = made.raw if featurizer.projection else None
        del vectors, made.raw  # the index needs the room
        printed = LocalFeatureStore(folder, len(made.rows)) if made.features else None
        learned = _learned(
            stored, raw, made, printed, featurizer, cache, addresses, progress, foreign_named
        )
        del raw
        np.save(folder / COLOURS_FILE, made.colours)
        if learned.metric is not None:
            np.save(folder / METRIC, learned.metric)
        if not learned.print_helps:
            shutil.rmtree(folder / PRINTED)
        progress("index", 0, 1)
        index = _write_vectors(stored, featurizer, made.rows, addresses, folder)
        progress("index", 1, 1)
        _write_metadata(entries, made.rows, folder)
        _write_featurizer(featurizer, folder / "featurizer")
        manifest = Manifest(
            format=1,
            created=datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"),
            title=title,
            items=len(set(skus)),
            photos=len(skus),
            featurizer=FeaturizerEntry(
                id=featurizer.id,
                network=featurizer.network_id,
                name=featurizer.descriptor.name,
                dimensions=featurizer.dimensions,
                size=featurizer.descriptor.size,
                projection=ProjectionEntry(**asdict(lost)) if lost else None,
            ),
            index=index,
            calibration=learned.calibration,
            printed=_kept_print(folder) if learned.print_helps else None,
            files=describe_files(folder),
        )
        identity = _write_manifest(folder, manifest)
        _publish(folder, target)
    return BuildReport(
        bundle=identity,
        path=str(out),
        items=manifest.items,
        photos=manifest.photos,
        reused=made.reused,
        skipped=tuple(made.skipped),
        without_photos=bare,
        few_photos=tuple(sku for sku, count in counts.items() if count < FEW_PHOTOS),
        index=index,
        projection=lost,
        calibration=learned.calibration,
        printed=learned.print_helps,
        photos_per_second=round(per_second, 1),
        seconds=round(time.monotonic() - start, 2),
    )


def _projected(
    featurizer: Featurizer, raw: Vectors, out: Path, refit_projection: bool
) -> Featurizer:
    """Shorten vectors that are too long for Annoy; by what the bundle at `out` did, if it did."""
    if featurizer.network_dimensions <= MOST_DIMENSIONS:
        return featurizer
    if refit_projection:
        return featurizer.projected(fit(normalised(raw), featurizer.network_id))
    if featurizer.projection is not None:
        return featurizer
    try:
        kept = read(out / "featurizer", featurizer.network_id)
    except FeaturizerError:  # of another network, or damaged
        kept = None
    return featurizer.projected(kept or fit(normalised(raw), featurizer.network_id))


def _collect(
    entries: list[Entry],
    featurizer: Featurizer,
    cache: FeatureCache,
    addresses: Path,
    folder: Path,
    progress: Progress,
    on_skip: Callable[[Skipped], None],
) -> _Collected:
    """Features of all photos; thumbnails and local features go below `folder` as they come."""
    places = [(entry, place) for entry in entries for place in entry.photos]
    raw = np.empty((len(places), featurizer.network_dimensions), np.float32)
    made = _Collected([], raw, np.empty((len(places), COLOURS), np.uint8), [], 0, 0)
    printed = LocalFeatureWriter(folder)

    def thumbnails() -> Iterator[tuple[int, bytes]]:
        results = featurize((place for _, place in places), featurizer, cache, addresses, OF_PHOTO)
        progress("photos", 0, len(places))
        for done, ((entry, place), result) in enumerate(zip(places, results, strict=True), 1):
            if isinstance(result, Skipped):
                made.skipped.append(result)
                on_skip(result)
            else:
                one, number = result.feature, len(made.rows)
                assert result.details is not None
                assert result.details.description is not None
                raw[number], made.colours[number] = one.vector, result.details.colours
                printed.add(result.details.description)
                made.rows.append(Row(entry, place, one.sha256, one.width, one.height))
                made.reused += result.reused
                yield number, one.thumbnail
            progress("photos", done, len(places))

    write_thumbnails(folder / "pictures.db", thumbnails())
    made.features = printed.finish()
    made.raw, made.colours = raw[: len(made.rows)], made.colours[: len(made.rows)]
    return made


def _learned(
    stored: NDArray[np.float16],
    raw: Vectors | None,
    made: _Collected,
    printed: LocalFeatureStore | None,
    featurizer: Featurizer,
    cache: FeatureCache,
    addresses: Path,
    progress: Progress,
    foreign_named: float,
) -> Learned:
    skus = np.array([row.entry.item.sku for row in made.rows], object)
    catalogue = Catalogue(
        stored,
        np.unique(skus, return_inverse=True)[1].astype(np.int64),
        made.colours,
        printed,
        raw,
    )
    return calibrate(
        catalogue,
        known_looks(made.rows, featurizer, cache, addresses, progress),
        [drawn_looks(featurizer, cache, progress), photo_looks(featurizer)],
        lambda done, total: progress("learning", done, total),
        foreign_named,
    )


def _kept_print(folder: Path) -> LocalFeaturesEntry:
    return LocalFeaturesEntry(features=len(np.load(folder / PRINTED / "photos.npy", mmap_mode="r")))


def _write_vectors(
    stored: NDArray[np.float16],
    featurizer: Featurizer,
    rows: list[Row],
    addresses: Path,
    folder: Path,
) -> IndexEntry:
    """Write vectors, index and probes; returns how they are to be searched."""
    np.save(folder / "vectors.npy", stored)
    path = folder / "index.ann"
    choice = choose_index(stored, path)
    index: Index = (
        Annoy(path, featurizer.dimensions, choice.search_k)
        if choice.kind == "annoy"
        else Exact(stored)
    )
    looks = [
        shrink(picture(rows[number], addresses), LOOK_SIDE) for number in spread(len(rows), LOOKS)
    ]
    probes = make_golden_queries(looks, featurizer.embed(looks), stored, index)
    write_golden_queries(probes, folder / "probes.npz")
    return IndexEntry(**asdict(choice))


def _write_metadata(entries: list[Entry], rows: list[Row], folder: Path) -> None:
    owners = {row.entry.item.sku for row in rows}
    photos = (
        Photo(
            number,
            row.entry.item.sku,
            Path(row.place).name,
            row.width,
            row.height,
            row.sha256,
        )
        for number, row in enumerate(rows)
    )
    items = (entry.item for entry in entries if entry.item.sku in owners)
    write_items(folder / "items.db", items, photos)


def _write_featurizer(featurizer: Featurizer, folder: Path) -> None:
    folder.mkdir()
    for file in featurizer.files:
        shutil.copyfile(file, folder / file.name)
    write_descriptor(featurizer.descriptor, folder)
    if featurizer.projection is not None:
        featurizer.projection.write(folder)


def _write_manifest(folder: Path, manifest: Manifest) -> str:
    data = (manifest.model_dump_json(indent=1) + "\n").encode()
    durable.write(folder / MANIFEST, data)
    return bundle_id(manifest, data)


@contextmanager
def _workspace(out: Path) -> Iterator[Path]:
    """A folder beside `out`, held by one build at a time; what a dead one left is swept."""
    folder = out.with_name(f".{out.name}.building")
    lock = out.with_name(f".{out.name}.lock")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        held = lock.open("w")
    except OSError as error:
        raise ShelfError(f"{out.parent}: cannot be written: {error.strerror}") from error
    with held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ShelfError(f"{out}: another build of it is running; wait for it") from error
        if not lock.exists() or not os.path.samestat(os.fstat(held.fileno()), lock.stat()):
            raise ShelfError(f"{out}: another build of it has just ended; try again")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        except (OSError, sqlite3.OperationalError) as error:
            raise ShelfError(f"{folder}: cannot be written: {error}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            lock.unlink(missing_ok=True)


def _publish(folder: Path, out: Path) -> None:
    """Flush the finished bundle, then name it `out`; an older one lands in `folder`."""
    durable.flush_tree(folder)
    if out.exists():
        durable.exchange(folder, out)
    else:
        folder.rename(out)
        durable.flush_folder(out.parent)
