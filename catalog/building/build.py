"""Build a bundle from photos: incremental, interruptible, and never half finished."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from catalog.building import write
from catalog.building.cache import LIMIT, FeatureCache
from catalog.building.calibration_queries import photo_queries
from catalog.building.collect import CollectedPhotos, PhotoCopy, StageProgress, collect
from catalog.building.cutting import cutting_pays
from catalog.building.distractors import drawn_distractors, photo_distractors
from catalog.building.features import SkippedPhoto, featurize
from catalog.building.reading import read_photos
from catalog.building.weights import former_weights, weigh
from catalog.building.workspace import publish, workspace
from catalog.bundles.items import can_be_read
from catalog.bundles.manifest import IndexEntry, is_bundle
from catalog.core.errors import BundleError, ContentError, FeaturizerError
from catalog.core.terminal import counted
from catalog.core.vectors import Vectors, normalised
from catalog.networks import projection
from catalog.networks.featurizer import Featurizer
from catalog.networks.finder import open_finder
from catalog.networks.text_reader import CATALOGUE_SIDES, open_reader
from catalog.recognition.calibrate import calibrate
from catalog.recognition.calibration import Calibration
from catalog.recognition.cross_fitting import PhotoVectors
from catalog.recognition.local_features.extract import PER_PHOTO
from catalog.recognition.local_features.store import LocalFeatureStore
from catalog.recognition.rejection import FALSE_ACCEPT_RATE
from catalog.sources.source import Source, SourceItem

NO_PHOTO = (
    "no item has a photo, and at least one needs one: take it by visual-search edge capture, or "
    "add what devices were taught by --with"
)
if TYPE_CHECKING:
    from catalog.building.feature_store import FeatureStore

FEW_PHOTOS = 3


@dataclass(frozen=True)
class BuildOptions:
    """What an owner may choose.

    Attributes:
        refit_projection: Learn the weights of two networks and the projection of long vectors
            anew, even where the bundle that is replaced has them.
        false_accept_rate: Share of the shipped distractors that may be named.
        strict: Build nothing when a photo, row or file cannot be used, an item has no photo, or
            the source is warned of.
        read_text: Read what is printed on the photos, where the extra `text` is installed.
        keep_whole: Cut no photo to the thing that it shows.
        refetch: Fetch photos by address again, also where their servers did not say what tells
            whether they have changed.
        store: The feature store that keeps what was computed, for `assemble`; None for none.
        on: Where photos are looked at: on "threads" of this process, or on a "ray" cluster, whose
            records are in the store, or where none is given, in one beside the build cache.
        workers: How many processes look at photos on Ray; None for one on each core, less a share.
        cache_bytes: How large the build cache may be; see `FeatureCache`.
    """

    refit_projection: bool = False
    false_accept_rate: float = FALSE_ACCEPT_RATE
    strict: bool = False
    keep_whole: bool = False
    refetch: bool = False
    read_text: bool = False
    store: str | None = None
    on: Literal["threads", "ray"] = "threads"
    workers: int | None = None
    cache_bytes: int = LIMIT


@dataclass(frozen=True)
class BuildReport:
    """What a build made and what it left out.

    Attributes:
        photos: How many photos the bundle holds; copies of them are not counted.
        skipped: The photos that could not be used.
        unconfirmed: How many photos by address are as fetched earlier, because their servers did
            not answer or no longer have them.
        copies: The photos that are copies of others of their item, and are not in the bundle.
        cut: Whether photos with surroundings are cut to the thing that they show.
        weights: The names of two networks and how much each counts; empty where there is one.
        same_picture: The skus of different items that show the same picture, in groups.
        without_photos: The skus of the items that are left out, because they have no photo and
            neither a title of their own nor a code.
        only_by_reading: The skus of the items without a photo that are in the bundle; only a code
            or the words on a thing can find them.
        read: How many items have photos on which words were looked for.
        left_out: The rows and files of the source that were not used, as "PLACE: REASON".
        notes: What was taken for what in the source, in sentences.
        warnings: What is likely wrong with the source, in sentences.
    """

    bundle: str
    path: str
    items: int
    photos: int
    reused: int
    skipped: tuple[SkippedPhoto, ...]
    copies: tuple[PhotoCopy, ...]
    cut: bool
    same_picture: tuple[tuple[str, ...], ...]
    without_photos: tuple[str, ...]
    few_photos: tuple[str, ...]
    index: IndexEntry
    projection: projection.Loss | None
    calibration: Calibration
    printed: bool
    photos_per_second: float
    seconds: float
    unconfirmed: int = 0
    only_by_reading: tuple[str, ...] = ()
    read: int = 0
    weights: tuple[tuple[str, float], ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def build_source(
    source: Source,
    out: Path,
    featurizer: Featurizer,
    cache_folder: Path,
    title: str,
    options: BuildOptions = BuildOptions(),  # frozen
    progress: StageProgress = lambda stage, done, total: None,
    on_skip: Callable[[SkippedPhoto], None] = lambda photo: None,
) -> BuildReport:
    """Build a bundle of what was read of a source, as `build` does.

    Raises:
        ContentError: The options are strict, and a row or file of the source was left out, or
            there is a warning; or as `build` does.
    """
    if options.strict and source.left_out:
        raise ContentError(
            f"nothing was built, as --strict says: "
            f"{counted(len(source.left_out), 'row or file was', 'rows or files were')} left out, "
            f"the first is {source.left_out[0]}"
        )
    if options.strict and source.warnings:
        raise ContentError(f"nothing was built, as --strict says: {source.warnings[0]}")
    report = build(source.items, out, featurizer, cache_folder, title, options, progress, on_skip)
    return replace(report, left_out=source.left_out, notes=source.notes, warnings=source.warnings)


def build(
    items: Sequence[SourceItem],
    out: Path,
    featurizer: Featurizer,
    cache_folder: Path,
    title: str,
    options: BuildOptions = BuildOptions(),  # frozen
    progress: StageProgress = lambda stage, done, total: None,
    on_skip: Callable[[SkippedPhoto], None] = lambda photo: None,
) -> BuildReport:
    """Build a bundle of `items` at `out`.

    `out` must be absent or a bundle, which then is exchanged in one step. An interruption at any
    time leaves it as it was; the next build reuses finished features. Two networks are weighed, and
    vectors that are too long for Annoy are projected, as in the bundle that is replaced.

    Raises:
        BundleError: `out` is something else.
        ContentError: No photo could be used; or, where the options are strict, not every one.
        ShelfError: Another build of `out` is running, or there is no room.
    """
    start = time.monotonic()
    if (out.exists() or out.is_symlink()) and not is_bundle(out):
        raise BundleError(f"{out}: exists and is not a bundle; choose another --out")
    target = out.resolve()  # a link to a bundle stays one
    store = _open_store(cache_folder, options)
    with (
        closing(
            FeatureCache(cache_folder, refetch=options.refetch, limit=options.cache_bytes)
        ) as cache,
        workspace(target) as folder,
    ):
        places = [place for source in items for place in source.photos]
        if options.on == "ray":
            from catalog.building.on_ray import featurize_on_ray

            assert store is not None
            results = featurize_on_ray(
                places,
                featurizer,
                store,
                cache,
                options.workers,
                progress,
                refetch=options.refetch,
            )
        else:
            results = featurize(places, featurizer, cache, PER_PHOTO)
        collected, raw = collect(
            items, results, featurizer.network_dimensions, folder, progress, on_skip
        )
        finder = None if options.keep_whole else open_finder(featurizer.engine)
        whole = {place for item in items if item.keep_whole for place in item.photos}
        if finder and not cutting_pays(
            collected.photos, raw, whole, featurizer, cache, finder, progress
        ):
            finder = None
        if finder:
            results = featurize(
                places, featurizer, cache, PER_PHOTO, finder, cluttered_only=True, whole=whole
            )
            write.remove_collected(folder)
            collected, raw = collect(
                items, results, featurizer.network_dimensions, folder, progress, lambda photo: None
            )
        without_photos = _check_photos(items, collected, options)
        collecting = time.monotonic() - start
        former = None if options.refit_projection else former_weights(target, featurizer)
        featurizer = weigh(featurizer, raw, collected, former, cache, progress)
        featurizer = _with_projection(featurizer, raw, target, options)
        stored, loss = embed_raw(featurizer, raw, collected.skus)
        unprojected = raw if featurizer.projection else None
        del raw  # the index needs the memory
        catalogue = photo_vectors(stored, collected, unprojected, folder)
        learned = calibrate(
            catalogue,
            photo_queries(collected.photos, featurizer, cache, progress),
            [drawn_distractors(featurizer, cache, progress), photo_distractors(featurizer)],
            lambda done, total: progress("learning", done, total),
            options.false_accept_rate,
        )
        del catalogue, unprojected
        write.write_learned(folder, collected.colours, learned)
        write.write_cut(folder, collected.photos)
        progress("index", 0, 1)
        pictures = write.golden_pictures(collected.photos, cache.addresses)
        embedded = featurizer.embed(pictures)
        index = write.write_vectors(folder, stored, pictures, embedded)
        progress("index", 1, 1)
        reader = open_reader(CATALOGUE_SIDES, keep_open=True) if options.read_text else None
        lines = read_photos(collected.photos, reader, cache, progress) if reader else {}
        present = set(collected.skus)
        unpictured = [
            source.item
            for source in items
            if source.item.sku not in present and can_be_read(source.item)
        ]
        write.write_metadata(folder, items, collected.photos, unpictured, lines)
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
        if store is not None:
            from catalog.building.save import Built, save_build

            every = [*(source.item for source in items if source.item.sku in present), *unpictured]
            built = Built(title, featurizer, every, collected.photos, lines, pictures, embedded)
            save_build(store, built, cache, progress)
        publish(folder, target)
    counts = Counter(collected.skus)
    readable = {item.sku: None for item in unpictured}
    given = sum(len(source.photos) for source in items)
    return BuildReport(
        bundle=identity,
        path=str(out),
        items=manifest.items,
        photos=manifest.photos,
        reused=collected.reused,
        skipped=tuple(collected.skipped),
        copies=tuple(collected.copies),
        cut=finder is not None,
        same_picture=tuple(collected.same_picture),
        without_photos=tuple(sku for sku in without_photos if sku not in readable),
        only_by_reading=tuple(readable),
        read=len(lines),
        few_photos=tuple(sku for sku, count in counts.items() if count < FEW_PHOTOS),
        index=index,
        projection=loss,
        calibration=learned.calibration,
        printed=learned.local_features_help,
        photos_per_second=round(given / collecting, 1),
        seconds=round(time.monotonic() - start, 2),
        unconfirmed=cache.addresses.unconfirmed,
        weights=featurizer.shares if len(featurizer.networks) > 1 else (),
    )


def _open_store(cache_folder: Path, options: BuildOptions) -> FeatureStore | None:
    """Open the feature store that the options name, if any."""
    if options.store is None and options.on == "threads":
        return None
    from catalog.building.feature_store import FeatureStore

    return FeatureStore(options.store or str(cache_folder / "store"))


def _check_photos(
    items: Sequence[SourceItem], collected: CollectedPhotos, options: BuildOptions
) -> tuple[str, ...]:
    """Return the skus of the items that have no photo.

    Raises:
        ContentError: There is no photo at all; or, with strict options, a photo is missing.
    """
    if not any(source.photos for source in items):
        raise ContentError(f"{NO_PHOTO}; nothing was built")
    if not collected.photos:
        raise ContentError("none of the photos could be used; nothing was built")
    present = set(collected.skus)
    without = tuple(source.item.sku for source in items if source.item.sku not in present)
    if options.strict and (collected.skipped or without):
        raise ContentError(
            f"nothing was built, as --strict says: "
            f"{counted(len(collected.skipped), 'photo')} cannot be used, and "
            f"{counted(len(without), 'item has', 'items have')} none"
        )
    return without


def _with_projection(
    featurizer: Featurizer, raw: Vectors, out: Path, options: BuildOptions
) -> Featurizer:
    """Add a projection where the network's vectors are too long for Annoy.

    The projection of the bundle at `out` is used again if it is of the same network, so that the
    vectors of unchanged photos stay the same.
    """
    if featurizer.network_dimensions <= projection.MOST_DIMENSIONS:
        return featurizer
    if not options.refit_projection:
        if featurizer.projection is not None:
            return featurizer
        try:
            former = projection.read(out / "featurizer", featurizer.network_id)
        except FeaturizerError:  # of another network, or damaged
            former = None
        if former is not None:
            return featurizer.projected(former)
    return featurizer.projected(projection.fit(normalised(raw), featurizer.network_id))


def embed_raw(
    featurizer: Featurizer, raw: Vectors, skus: Sequence[str]
) -> tuple[NDArray[np.float16], projection.Loss | None]:
    """Return the vectors to store, (n, d), and what a projection lost."""
    vectors = featurizer.vectors(raw)
    loss = None
    if featurizer.projection is not None:
        loss = projection.measure(normalised(raw), vectors, skus)
    return vectors.astype(np.float16), loss


def photo_vectors(
    stored: NDArray[np.float16], collected: CollectedPhotos, raw: Vectors | None, folder: Path
) -> PhotoVectors:
    """Return what was computed of the photos, as calibration wants it."""
    local_features = (
        LocalFeatureStore(folder, len(collected.photos)) if collected.local_features else None
    )
    return PhotoVectors(stored, collected.owners, collected.colours, local_features, raw)
