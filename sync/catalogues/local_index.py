"""Build a new catalogue's index on the device, of its signed vectors, instead of fetching it."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PurePosixPath

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
from catalog.core import durable
from catalog.core.errors import BundleError
from catalog.recognition.index import SEED
from sync.catalogues.index_process import IndexStoppedError, build_in_child

ROOM = 3  # times the index's bytes of memory that building it takes, its vectors included
PROCESS = 80 << 20  # bytes of memory that the building process takes for itself
MOST_TREES = 100  # an index of more is fetched
TREE = 16  # bytes that a tree takes for each photo
RESERVE = 64 << 20  # bytes of memory that stay free
MEMORY = Path("/proc/meminfo")
CGROUP = Path("/proc/self/cgroup")
CGROUPS = Path("/sys/fs/cgroup")


def can_build(manifest: Manifest, incoming: Path) -> bool:
    """Return whether this device can build a bundle's index now.

    It cannot where it began to once and did not end: it may have lacked the memory.
    """
    entry = manifest.index
    if entry.kind != "annoy" or entry.seed != SEED or entry.n_trees > MOST_TREES:
        return False
    if _mark(incoming, manifest).exists():
        return False
    return _needed_memory(manifest) + RESERVE <= _available_memory()


def make_index(folder: Path, manifest: Manifest, base: Path | None) -> None:
    """Write the index of the bundle in `folder`, which is complete but for it.

    Args:
        folder: The bundle's folder, in `incoming`.
        manifest: Its manifest.
        base: A version on the shelf, whose index serves if it was built of the same vectors.

    Raises:
        IndexNotBuiltError: It could not be built, and will not be tried again.
        IndexStoppedError: The build was stopped; the next try may build it.
        OSError: The index cannot be written.
    """
    if base is None or not _link_index(folder, manifest, base):
        with _marked(_mark(folder.parent, manifest)):
            build_in_child(folder, manifest, _needed_memory(manifest))
    made = FileEntry(bytes=(folder / INDEX).stat().st_size, sha256=file_digest(folder / INDEX))
    if made != manifest.files[INDEX]:
        write_local_index(folder, made)


@contextmanager
def _marked(mark: Path) -> Iterator[None]:
    """Leave `mark` behind if the build fails or this process is killed, not if either is stopped.

    When the process stops, its main thread does not wait for the build.
    """
    remove = partial(mark.unlink, missing_ok=True)
    atexit.register(remove)
    try:
        durable.write(mark, b"")  # in here, as the process may be stopped right behind it
        yield
    except (IndexStoppedError, KeyboardInterrupt):
        remove()
        raise
    else:
        remove()
    finally:
        atexit.unregister(remove)


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


def _needed_memory(manifest: Manifest) -> int:
    """Return how many bytes of memory the process takes that builds a bundle's index."""
    vectors = 2 * manifest.files[VECTORS_FILE].bytes  # float16 in the file, float32 in the index
    trees = TREE * manifest.photos * manifest.index.n_trees
    return PROCESS + ROOM * max(manifest.files[INDEX].bytes, vectors + trees)


def _mark(incoming: Path, manifest: Manifest) -> Path:
    """Return the file that is there while an index is built, and after a build that did not end."""
    return incoming / f"{manifest.files[INDEX].sha256}.tried"


def _available_memory() -> int:
    """Return the bytes of memory that this process can still get; 0 where that is not known."""
    with suppress(OSError, ValueError, IndexError):
        for line in MEMORY.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return min([int(line.split()[1]) * 1024, *_left_by_cgroups()])
    return 0


def _left_by_cgroups() -> Iterator[int]:
    """Yield the bytes of memory that each limited cgroup (version 2) of this process has left."""
    with suppress(OSError):
        for line in CGROUP.read_text().splitlines():
            if line.startswith("0::/"):
                path = PurePosixPath(line.removeprefix("0::/"))
                for folder in (path, *path.parents):
                    with suppress(OSError, ValueError):  # no limit: "max", or no such file
                        limit = int((CGROUPS / folder / "memory.max").read_text())
                        used = int((CGROUPS / folder / "memory.current").read_text())
                        yield limit - used + _unused_pages(CGROUPS / folder)


def _unused_pages(cgroup: Path) -> int:
    """Return the bytes of a cgroup's file pages that the kernel gives up first."""
    for line in (cgroup / "memory.stat").read_text().splitlines():
        if line.startswith("inactive_file "):
            return int(line.split()[1])
    return 0
