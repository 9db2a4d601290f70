"""Validate a bundle in a child process before this process opens it.

Annoy does not check its file, and a crafted or broken one crashes or hangs the process that
loads it. So the digests are checked first, in this process. Then a child process with limits
opens the bundle, answers its golden queries, and reads what it holds. Whatever happens to the
child, the bundle is accepted or a `BundleError` says why not.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from catalog.bundles.bundle import Bundle
from catalog.bundles.content_check import check_content
from catalog.bundles.golden_queries import check_golden_queries
from catalog.bundles.manifest import verify
from catalog.core.errors import (
    BundleError,
    MissingExtraError,
    SlowBundleError,
    SurroundingsError,
    VisualSearchError,
)
from catalog.core.worker import STOP_SIGNALS, prepare_trial

SECONDS = 120
FROM_OUTSIDE = (*STOP_SIGNALS, signal.SIGKILL)  # these say nothing of the bundle
BEGAN = "began"  # the child's first line; a failure after it is due to the bundle
PRINTED = 1 << 20  # bytes that the child may print
LONGEST_REASON = 1000  # characters
MEMORY = 6 << 30  # bytes of address space; onnxruntime and OpenVINO reserve generously


@dataclass(frozen=True)
class Validated:
    """What was measured of an accepted bundle; see `check_golden_queries`."""

    bundle: str
    engine: str
    cosine: float
    recall: float


def validate(path: Path, engine: str = "auto") -> Validated:
    """Check the digests of the bundle at `path`, then validate it in a child process.

    Raises:
        BundleError: It is damaged or did not pass; the message says why.
        MissingExtraError, SurroundingsError: As `validate_in_child`.
    """
    _, bundle = verify(path)
    return validate_in_child(path, bundle, engine)


def validate_in_child(path: Path, bundle: str, engine: str = "auto") -> Validated:
    """Validate the bundle at `path`, whose digests have just been checked.

    Args:
        path: Its folder.
        bundle: Its id.
        engine: Which engine runs its network.

    Raises:
        BundleError: It did not pass; the message says why.
        SlowBundleError: It did not answer in time, perhaps because this machine is busy.
        MissingExtraError: No engine is installed.
        SurroundingsError: The child could not start or was killed; that says nothing of the bundle.
    """
    # -P: the child must not import modules from the current folder.
    command = [
        sys.executable,
        "-P",
        "-m",
        "catalog.bundles.validator",
        str(path.absolute()),
        engine,
    ]
    try:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            child = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                timeout=SECONDS,
                start_new_session=True,  # Ctrl-C must not look like a failed check
            )
            printed, complaints = _content(out), _content(errors)
    except OSError as error:
        raise SurroundingsError(f"{path}: the check cannot be started: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise _too_slow(path) from error
    answer = _answer(child.returncode, printed, complaints, path)
    if "missing_extra" in answer:
        raise MissingExtraError("running a network", answer["missing_extra"])
    if "error" in answer:
        raise BundleError(answer["error"])
    return Validated(bundle, answer["engine"], answer["cosine"], answer["recall"])


def _content(file: IO[bytes]) -> str:
    """The text of a file; a network may have names that are no UTF-8, and an engine print them."""
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _answer(code: int, out: str, errors: str, path: Path) -> dict[str, Any]:
    """Return what a child printed that ended with `code`, or raise why it could not print it."""
    last = (errors.strip().splitlines() or ["no word"])[-1][:LONGEST_REASON]
    if code < 0:
        killer = signal.Signals(-code)
        last = killer.name
        if killer in FROM_OUTSIDE:
            raise SurroundingsError(
                f"{path}: the check was killed ({last}), perhaps for want of memory; try again"
            )
        if killer == signal.SIGILL:
            raise SurroundingsError(
                f"{path}: cannot be checked: this machine's processor lacks an instruction that "
                "an installed package uses (SIGILL)"
            )
    if not out.startswith(BEGAN):
        raise SurroundingsError(f"{path}: the check cannot begin on this machine: {last}")
    if -code == signal.SIGXCPU:
        raise _too_slow(path)
    if code < 0:
        raise BundleError(f"{path}: the bundle crashes whoever opens it ({last})")
    try:
        answer: dict[str, Any] = json.loads(out.splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise BundleError(f"{path}: the bundle cannot be opened: {last}") from error
    return answer


def _too_slow(path: Path) -> SlowBundleError:
    return SlowBundleError(f"{path}: the bundle did not answer within {SECONDS} s")


def _child(path: Path, engine: str) -> dict[str, object]:
    prepare_trial()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 5))  # SIGXCPU, not SIGKILL
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (PRINTED, PRINTED))
    try:
        with Bundle.open(path, engine, verified=True) as bundle:
            answers = check_golden_queries(bundle)
            check_content(bundle)
            return {"engine": bundle.featurizer.engine, **answers}
    except MissingExtraError as error:
        return {"missing_extra": error.extra}
    except VisualSearchError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": f"{path}: the bundle wants more than {MEMORY >> 30} GiB of memory"}


if __name__ == "__main__":
    print(BEGAN, flush=True)
    print(json.dumps(_child(Path(sys.argv[1]), sys.argv[2])))
