"""Write the files of a bundle into the workspace."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog.building.addresses import AddressCache
from catalog.building.calibration_queries import LONGER_SIDE, evenly_spread, read_picture
from catalog.building.collect import BundlePhoto
from catalog.bundles.golden_queries import (
    PICTURES,
    make_golden_queries,
    write_golden_queries,
)
from catalog.bundles.items import Item, Photo, write_items
from catalog.bundles.manifest import (
    CUT,
    FORMAT,
    MANIFEST,
    FeaturizerEntry,
    IndexEntry,
    LocalFeaturesEntry,
    Manifest,
    ProjectionEntry,
    bundle_id,
    describe_files,
)
from catalog.core import durable
from catalog.core.photos import Picture, shrink
from catalog.core.vectors import Vectors
from catalog.networks.featurizer import Featurizer
from catalog.networks.projection import Loss
from catalog.recognition.calibrate import CalibrationResult
from catalog.recognition.calibration import Calibration
from catalog.recognition.colours import FILE as COLOURS
from catalog.recognition.index import Annoy, Exact, Index, choose_index
from catalog.recognition.local_features.store import FOLDER as LOCAL_FEATURES
from catalog.recognition.wccn import FILE as WCCN
from catalog.sources.source import SourceItem


def write_vectors(
    folder: Path, stored: NDArray[np.float16], pictures: list[Picture], embedded: Vectors
) -> IndexEntry:
    """Write vectors, index and golden queries; return how the vectors are to be searched.

    Args:
        folder: The workspace.
        stored: The vectors (n, d).
        pictures: Pictures that golden queries ask with.
        embedded: Their embeddings, float32 (m, d).
    """
    np.save(folder / "vectors.npy", stored)
    path = folder / "index.ann"
    choice = choose_index(stored, path)
    index: Index = (
        Annoy(path, stored.shape[1], choice.search_k) if choice.kind == "annoy" else Exact(stored)
    )
    golden_queries = make_golden_queries(pictures, embedded, stored, index)
    write_golden_queries(golden_queries, folder / "probes.npz")
    return IndexEntry(**asdict(choice))


def golden_pictures(photos: Sequence[BundlePhoto], addresses: AddressCache) -> list[Picture]:
    """Return some of the photos, evenly spread, as pictures that golden queries ask with."""
    return [
        shrink(read_picture(photos[number], addresses), LONGER_SIDE)
        for number in evenly_spread(len(photos), PICTURES)
    ]


def remove_collected(folder: Path) -> None:
    """Remove what `collect` wrote, so that it can collect again."""
    (folder / "pictures.db").unlink()
    shutil.rmtree(folder / LOCAL_FEATURES)


def write_learned(folder: Path, colours: NDArray[np.uint8], learned: CalibrationResult) -> None:
    """Write the colours and the WCCN transform; remove local features that do not help."""
    np.save(folder / COLOURS, colours)
    if learned.transform is not None:
        np.save(folder / WCCN, learned.transform)
    if not learned.local_features_help:
        shutil.rmtree(folder / LOCAL_FEATURES)


def write_cut(folder: Path, photos: Sequence[BundlePhoto]) -> None:
    """Write which photos may be cut to the thing, where any are."""
    cut = np.array([photo.may_be_cut for photo in photos])
    if cut.any():
        np.save(folder / CUT, cut)


def write_metadata(
    folder: Path,
    items: Sequence[SourceItem],
    photos: Sequence[BundlePhoto],
    unpictured: Sequence[Item],
    lines: Mapping[str, Sequence[str]],
) -> None:
    """Write ``items.db`` and ``words.db``.

    Args:
        folder: The workspace.
        items: All items of the source; those that have photos are written.
        photos: The photos.
        unpictured: The items without a photo that are written, too.
        lines: The lines that were read on the photos of each item, by its sku.
    """
    present = {photo.item.sku for photo in photos}
    rows = (
        Photo(
            number,
            photo.item.sku,
            Path(photo.place).name,
            photo.width,
            photo.height,
            photo.sha256,
        )
        for number, photo in enumerate(photos)
    )
    pictured = [source.item for source in items if source.item.sku in present]
    write_items(folder, [*pictured, *unpictured], rows, lines)


def write_manifest(
    folder: Path,
    title: str,
    skus: Sequence[str],
    unpictured: int,
    featurizer: Featurizer,
    loss: Loss | None,
    index: IndexEntry,
    calibration: Calibration,
) -> tuple[Manifest, str]:
    """Write ``manifest.json``, the last of the files; return it and the bundle's id."""
    manifest = Manifest(
        format=FORMAT,
        created=datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"),
        title=title,
        items=len(set(skus)) + unpictured,
        photos=len(skus),
        featurizer=FeaturizerEntry(
            id=featurizer.id,
            network=featurizer.network_id,
            name=featurizer.name,
            dimensions=featurizer.dimensions,
            size=featurizer.size,
            projection=ProjectionEntry(**asdict(loss)) if loss else None,
        ),
        index=index,
        calibration=calibration,
        printed=_local_features(folder),
        files=describe_files(folder),
    )
    data = (manifest.model_dump_json(indent=1) + "\n").encode()
    durable.write(folder / MANIFEST, data)
    return manifest, bundle_id(manifest, data)


def _local_features(folder: Path) -> LocalFeaturesEntry | None:
    file = folder / LOCAL_FEATURES / "photos.npy"
    if not file.exists():
        return None
    return LocalFeaturesEntry(features=len(np.load(file, mmap_mode="r")))
