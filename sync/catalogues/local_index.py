"""Build a new catalogue's index on the device, of its signed vectors, instead of fetching it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import numpy as np

from catalog.bundles.manifest import (
    INDEX,
    FileEntry,
    Manifest,
    file_digest,
    local_files,
    read_manifest,
    write_local_index,
)
from catalog.bundles.records import VECTORS_FILE
from catalog.core import arrays
from catalog.core.errors import BundleError
from catalog.recognition.index import SEED, build_annoy

ROOM = 2  # times the index's bytes of memory that building it takes, its vectors included
RESERVE = 64 << 20  # bytes of memory that stay free
MEMORY = Path("/proc/meminfo")


def can_build(manifest: Manifest) -> bool:
    """Return whether this device can build a bundle's index now."""
    entry = manifest.index
    if entry.kind != "annoy" or entry.seed != SEED:
        return False
    return ROOM * manifest.files[INDEX].bytes + RESERVE <= _available_memory()


def make_index(folder: Path, manifest: Manifest, base: Path | None) -> None:
    """Write the index of the bundle in `folder`, which is complete but for it.

    Args:
        folder: The bundle's folder.
        manifest: Its manifest.
        base: A version on the shelf, whose index serves if it was built of the same vectors.

    Raises:
        BundleError: The bundle's vectors cannot be read.
        OSError: The index cannot be written.
    """
    if base is None or not _link_index(folder, manifest, base):
        vectors = arrays.read(folder / VECTORS_FILE, np.float16, (None, None))
        build_annoy(vectors, folder / INDEX, manifest.index.n_trees)
    made = FileEntry(bytes=(folder / INDEX).stat().st_size, sha256=file_digest(folder / INDEX))
    if made != manifest.files[INDEX]:
        write_local_index(folder, made)


def _link_index(folder: Path, manifest: Manifest, base: Path) -> bool:
    """Link the index that was built on this device of the same vectors in the same way."""
    with suppress(BundleError, OSError):
        own, former = local_files(base).get(INDEX), read_manifest(base)[0]
        same = former.files[VECTORS_FILE] == manifest.files[VECTORS_FILE]
        if own is None or not same or former.index.n_trees != manifest.index.n_trees:
            return False
        if file_digest(base / INDEX) == own.sha256:
            os.link(base / INDEX, folder / INDEX)
            return True
    return False


def _available_memory() -> int:
    """Return the bytes of memory that programs can still get; 0 where that is not known."""
    with suppress(OSError, ValueError, IndexError):
        for line in MEMORY.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0
