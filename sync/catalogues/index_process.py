"""Build an index of a bundle's vectors in a child process with limits on memory and time.

A build that takes more than it should fails, and the process that follows the channel fetches the
owner's index instead. The limit is on the child's address space alone: it reserves no memory, and
others may need the same memory meanwhile. Then the kernel ends the child before other processes,
unless the system does not let the child ask for that.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from catalog.bundles.manifest import INDEX, Manifest
from catalog.bundles.records import VECTORS_FILE
from catalog.core import arrays
from catalog.core.errors import BundleError, SurroundingsError
from catalog.core.mapped_files import SIZES
from catalog.core.worker import ONE_THREAD, STOP_SIGNALS, prepare_trial
from catalog.recognition.index import build_annoy

SECONDS = 60  # of processor time, and those that photos and trees take on the slowest device
PHOTO_TREES_PER_SECOND = 2000
PATIENCE = 10  # times the processor time, by the clock: the machine may be busy
# Each further thread, and each heap of its own, would reserve address space.
SPARING = ONE_THREAD | {"MALLOC_ARENA_MAX": "1"}
LONGEST_REASON = 300  # characters


class IndexNotBuiltError(SurroundingsError):
    """This machine could not build an index; the message says why."""


class IndexStoppedError(SurroundingsError):
    """The process that built an index was asked to stop, as when the machine restarts."""


def build_in_child(folder: Path, manifest: Manifest, memory: int) -> None:
    """Write the index of the bundle in `folder`.

    Args:
        folder: The bundle's folder, with its vectors.
        manifest: Its manifest.
        memory: Bytes that the child may take beyond what it has when it begins to build.

    Raises:
        IndexNotBuiltError: The child failed, took too much, or could not start.
        IndexStoppedError: It was asked to stop, which says nothing of the build.
    """
    trees = manifest.index.n_trees
    seconds = SECONDS + manifest.photos * trees // PHOTO_TREES_PER_SECOND
    numbers = [manifest.photos, trees, memory, seconds]
    # -P: the child must not import modules from the current folder.
    command = [sys.executable, "-P", "-m", "sync.catalogues.index_process", str(folder.absolute())]
    try:
        with tempfile.TemporaryFile() as errors:
            done = subprocess.run(
                [*command, *map(str, numbers)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                timeout=PATIENCE * seconds,
                env=os.environ | SPARING,
                start_new_session=True,  # Ctrl-C must not look like a failure
            )
            errors.seek(0)
            complaints = errors.read().decode("utf-8", "replace").strip().splitlines()
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IndexNotBuiltError(f"{folder}: its index was not built: {error}") from error
    if done.returncode:
        last = (complaints or ["no word"])[-1][:LONGEST_REASON]
        if done.returncode < 0:
            killer = signal.Signals(-done.returncode)
            last = killer.name
            if killer in STOP_SIGNALS:
                raise IndexStoppedError(f"{folder}: the build of its index was stopped ({last})")
        raise IndexNotBuiltError(f"{folder}: its index was not built: {last}")


def _child(folder: Path, photos: int, trees: int, memory: int, seconds: int) -> None:
    _limit_resources(memory, seconds)
    vectors = arrays.read(folder / VECTORS_FILE, np.float16, (photos, None))
    build_annoy(vectors, folder / INDEX, trees)


def _limit_resources(memory: int, seconds: int) -> None:
    """Limit what this process may take: `memory` bytes beyond what it has, and processor time."""
    prepare_trial()
    address_space = int(SIZES.read_text().split()[0]) * resource.getpagesize() + memory
    _limit(resource.RLIMIT_AS, address_space, address_space)
    _limit(resource.RLIMIT_CPU, seconds, seconds + 5)
    _limit(resource.RLIMIT_CORE, 0, 0)
    _limit(resource.RLIMIT_FSIZE, memory, memory)


def _limit(kind: int, soft: int, hard: int) -> None:
    """Set a limit, or the highest one that this process may set if that is lower."""
    highest = resource.getrlimit(kind)[1]
    if highest != resource.RLIM_INFINITY:
        soft, hard = min(soft, highest), min(hard, highest)
    resource.setrlimit(kind, (soft, hard))


if __name__ == "__main__":
    try:
        _child(Path(sys.argv[1]), *map(int, sys.argv[2:]))
    except (BundleError, MemoryError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
