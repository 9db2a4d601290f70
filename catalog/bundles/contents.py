"""Open the files of a bundle, and check that they fit each other.

::

    manifest.json   counts, featurizer, index, calibration, each file's bytes and sha256
    vectors.npy     float16 (photos, d); row = photo number
    index.ann       Annoy, angular, of those rows
    colours.npy     uint8 (photos, 256): colour histograms
    metric.npy      float32 (d, d): the WCCN transform, where it could be learned
    cut.npy         bool (photos,): whether it may be cut to the thing, where any is
    printed/        the photos' local features, where they help
    items.db        SQLite: items, photos
    words.db        SQLite: the words of the items and those printed on them, for the text search
    pictures.db     SQLite: thumbnails
    featurizer/     descriptor.json, the network, and the projection of its vectors, if any
    probes.npz      golden queries: pictures and vectors with the answers that were right at build
"""

from __future__ import annotations

import fcntl
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.items import Items
from catalog.bundles.manifest import CUT, MANIFEST, FileEntry, Manifest, expected_files
from catalog.bundles.text_search import FILE as WORDS_FILE
from catalog.core import arrays
from catalog.core.errors import BundleError
from catalog.networks.featurizer import Featurizer
from catalog.recognition import wccn
from catalog.recognition.colours import DIMENSIONS as COLOURS
from catalog.recognition.colours import FILE as COLOURS_FILE
from catalog.recognition.index import Annoy
from catalog.recognition.local_features.store import LocalFeatureStore


@dataclass(frozen=True)
class Contents:
    """What the files of a bundle hold; arrays are mapped from their files.

    Attributes:
        files: The size and digest of each file.
        items: The metadata.
        featurizer: Turns pictures into vectors of this bundle's kind.
        vectors: float16 (photos, d).
        colours: uint8 (photos, 256).
        cut: bool (photos,), or None where no photo may be cut to the thing.
        annoy: The index; None where every vector is compared.
        local_features: Those of the photos, or None.
        transform: The WCCN transform float32 (d, d), or None.
        names: The skus of the items that have photos, ascending.
        owners: The place in `names` of each photo's item, int64 (photos,).
    """

    files: dict[str, FileEntry]
    items: Items
    featurizer: Featurizer
    vectors: NDArray[np.float16]
    colours: NDArray[np.uint8]
    cut: NDArray[np.bool_] | None
    annoy: Annoy | None
    local_features: LocalFeatureStore | None
    transform: NDArray[np.float32] | None
    names: list[str]
    owners: NDArray[np.int64]


def open_contents(path: Path, manifest: Manifest, engine: str, opened: ExitStack) -> Contents:
    """Open the files of the bundle at `path`, and hold a lock on it.

    Arrays are mapped once: the folder may be exchanged for another bundle's while it is open.

    Args:
        path: The bundle's folder.
        manifest: Its manifest.
        engine: Which engine runs its network.
        opened: Closes the files that can be closed, and releases the lock.

    Raises:
        BundleError: It is being removed, or its files do not fit each other.
        FeaturizerError, MissingExtraError: Its network cannot be run here.
    """
    opened.enter_context(_lock(path / MANIFEST))
    vectors = _open_vectors(path, manifest)
    items = open_items(path, manifest)
    opened.callback(items.close)
    names, owners = np.unique(np.array(items.skus, object), return_inverse=True)
    has_cut, has_transform = CUT in manifest.files, wccn.FILE in manifest.files
    dimensions = manifest.featurizer.dimensions
    contents = Contents(
        files=expected_files(path, manifest),
        items=items,
        featurizer=Featurizer.open(path / "featurizer", engine),
        vectors=vectors,
        colours=arrays.read(path / COLOURS_FILE, np.uint8, (manifest.photos, COLOURS)),
        cut=arrays.read(path / CUT, np.bool_, (manifest.photos,)) if has_cut else None,
        annoy=_open_annoy(path, manifest) if manifest.index.kind == "annoy" else None,
        local_features=_open_local_features(path, manifest),
        transform=wccn.read(path / wccn.FILE, dimensions) if has_transform else None,
        names=names.tolist(),
        owners=owners.astype(np.int64),
    )
    _check(contents, path, manifest)
    return contents


def open_items(path: Path, manifest: Manifest) -> Items:
    """Open the metadata of the bundle at `path`; close it after use.

    Raises:
        BundleError: It cannot be opened.
    """
    words = path / WORDS_FILE if WORDS_FILE in manifest.files else None
    return Items(path / "items.db", path / "pictures.db", words)


def _lock(manifest: Path) -> BinaryIO:
    """Hold a shared flock, so that the shelf does not remove this bundle while it is open."""
    try:
        file = manifest.open("rb")
    except OSError as error:
        raise BundleError(f"{manifest}: cannot be opened: {error}") from error
    with suppress(OSError):  # some network file systems know no locks, nor are they a shelf
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise BundleError(f"{manifest.parent}: is being removed from the shelf") from error
    return file


def _open_vectors(path: Path, manifest: Manifest) -> NDArray[np.float16]:
    vectors: NDArray[np.float16] = arrays.read(path / "vectors.npy", np.float16, (None, None))
    expected = (manifest.photos, manifest.featurizer.dimensions)
    if vectors.shape != expected:
        raise BundleError(f"{path}: vectors are float16 {vectors.shape}, not {expected}")
    return vectors


def _open_annoy(path: Path, manifest: Manifest) -> Annoy:
    index = Annoy(path / "index.ann", manifest.featurizer.dimensions, manifest.index.search_k)
    if len(index) != manifest.photos:
        raise BundleError(f"{path}: index.ann holds {len(index)} vectors, not {manifest.photos}")
    return index


def _open_local_features(path: Path, manifest: Manifest) -> LocalFeatureStore | None:
    entry = manifest.local_features
    if entry is None:
        return None
    store = LocalFeatureStore(path, manifest.photos)
    if entry.features != len(store):
        raise BundleError(f"{path}: holds {len(store)} local features, not {entry.features}")
    return store


def _check(contents: Contents, path: Path, manifest: Manifest) -> None:
    if len(contents.items.skus) != manifest.photos or contents.items.count() != manifest.items:
        raise BundleError(f"{path}: items.db does not hold what the manifest says")
    if contents.featurizer.id != manifest.featurizer.id:
        raise BundleError(
            f"{path}: its network is {contents.featurizer.id}, "
            f"the vectors were made with {manifest.featurizer.id}"
        )
