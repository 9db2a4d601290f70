"""Prepare a process that works for another one, or that is to tidy up when it is stopped."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1  # prctl(2)
# Whoever sends these wants a process to stop: they say nothing of its work.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
OOM_SCORE = Path("/proc/self/oom_score_adj")
HIGHEST_OOM_SCORE = "1000"

# Of numpy's products. Where cores have other work, a thread burns its time waiting for the others.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let the processes that are started meanwhile compute on one thread each."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def prepare_worker() -> None:
    """Ignore Ctrl-C, which the parent handles, and end when the parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def prepare_trial() -> None:
    """Prepare a process that tries what may fail: it is killed with its parent, and before others.

    Where memory is short, the kernel ends it first, unless the system does not let it ask for that.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    with suppress(OSError):
        OOM_SCORE.write_text(HIGHEST_OOM_SCORE)


@contextmanager
def tidy_when_stopped() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end what is inside as Ctrl-C does: by a `KeyboardInterrupt`.

    A signal that is ignored, as SIGHUP is under nohup, stays ignored.
    """
    former = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    changed = [number for number, handler in former.items() if handler is signal.SIG_DFL]
    for number in changed:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, former[number])
