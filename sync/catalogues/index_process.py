"""Build an index of a bundle's vectors in a child process with limits on memory and time.

So whatever the vectors make of the build, the process that follows the channel goes on, and fetches
the owner's index instead.
"""

from __future__ import annotations

import ctypes
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
from catalog.core.worker import PR_SET_PDEATHSIG, STOP_SIGNALS
from catalog.recognition.index import build_annoy

SECONDS = 60  # of processor time, and those that photos and trees take on the slowest device
PHOTO_TREES_PER_SECOND = 2000
PATIENCE = 10  # times the processor time, by the clock: the machine may be busy
LIBRARIES = 1 << 30  # bytes of address space that a process takes before it does anything
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # each reserves address space
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
        memory: Bytes that building may take.

    Raises:
        IndexNotBuiltError: The child failed, took too much, or could not start.
        IndexStoppedError: It was asked to stop, which says nothing of the build.
    """
    trees = manifest.index.n_trees
    seconds = SECONDS + manifest.photos * trees // PHOTO_TREES_PER_SECOND
    numbers = [manifest.photos, trees, LIBRARIES + memory, seconds]
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
                env=os.environ | ONE_THREAD,
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
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # the child ends with its parent
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (memory, memory))
    vectors = arrays.read(folder / VECTORS_FILE, np.float16, (photos, None))
    build_annoy(vectors, folder / INDEX, trees)


if __name__ == "__main__":
    try:
        _child(Path(sys.argv[1]), *map(int, sys.argv[2:]))
    except (BundleError, MemoryError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
