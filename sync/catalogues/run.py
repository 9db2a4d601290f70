"""``sync run``: workers on threads of their own, each of which fails alone."""

from __future__ import annotations

import logging
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from catalog.bundles.shelf import unwritable
from catalog.core import durable
from catalog.core.errors import ShelfBusy, ShelfError, VisualSearchError
from catalog.core.locks import locked
from catalog.core.state import SyncState
from sync.backoff import Backoff
from sync.catalogues.follower import ChannelFollower
from sync.catalogues.progress import log_progress

# Works until the first event is set. The second asks whoever pulls to check now; it is set too
# when the first is.
Worker = Callable[[threading.Event, threading.Event], None]

FIRST_S, LONGEST_S = 15.0, 3600.0  # of the waits after failures
LONGEST_RESTART_S = 300.0  # before a worker that failed is started again
LOOK_S = 1.0  # between two looks at edge
GLANCE_S = 1.0  # more than `is_running` holds the lock that it looks at
LEAVE_S = 1.0  # for all workers together

log = logging.getLogger(__name__)


class PullInterrupted(BaseException):
    """The process is to stop in the middle of a pull; what was fetched is kept.

    As with `KeyboardInterrupt`, nothing went wrong, and nobody but the worker catches it.
    """


def run(workers: Mapping[str, Worker], wake: threading.Event | None = None) -> None:
    """Run the workers until SIGINT or SIGTERM; those that do not leave at once are left behind.

    Args:
        workers: By name.
        wake: Asks the pull to check now.
    """
    stopping = threading.Event()
    wake = wake or threading.Event()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    threads = [
        threading.Thread(
            target=supervise, args=(name, worker, stopping, wake), name=name, daemon=True
        )
        for name, worker in workers.items()
    ]
    with suppress(KeyboardInterrupt):
        for thread in threads:
            thread.start()
        threading.Event().wait()  # a signal's exception ends it
    stopping.set()
    wake.set()
    deadline = time.monotonic() + LEAVE_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def supervise(name: str, worker: Worker, stopping: threading.Event, wake: threading.Event) -> None:
    """Run one worker, again after a while when it failed, until `stopping` is set."""
    backoff = Backoff(FIRST_S, LONGEST_RESTART_S)
    while not stopping.is_set():
        began = time.monotonic()
        try:
            worker(stopping, wake)
            return
        except VisualSearchError as error:
            log.error("%s: %s", name, error)
        except Exception:
            log.exception("%s failed", name)
        if time.monotonic() - began > LONGEST_RESTART_S:
            backoff.succeeded()
        stopping.wait(backoff.pause_s())


def pull_worker(device: ChannelFollower, chance: Callable[[], float] = random.random) -> Worker:
    """The worker that checks for newer releases."""

    def work(stopping: threading.Event, wake: threading.Event) -> None:
        backoff, wait = Backoff(FIRST_S, LONGEST_S, chance), 0.0
        show = log_progress()

        def progress(here: int, total: int) -> None:
            if stopping.is_set():
                raise PullInterrupted
            show(here, total)

        def next_check(state: SyncState) -> datetime:
            return datetime.now(UTC) + timedelta(seconds=pause(not state.failed))

        def pause(good: bool) -> float:
            nonlocal wait
            if good:
                backoff.succeeded()
                wait = device.settings.interval_s * (0.9 + 0.2 * chance())
            else:
                wait = backoff.pause_s()
            return wait

        while not stopping.is_set():
            wake.clear()
            try:
                state = device.check(progress, next_check)
                log.log(
                    logging.ERROR if state.failed else logging.INFO,
                    "%s: %s; next check in %.0f s", state.outcome, state.message, wait,
                )  # fmt: skip
            except PullInterrupted:
                return
            except ShelfError as error:  # another process is at it, or the disk is full
                log.error("%s; next check in %.0f s", error, pause(False))
            if not stopping.is_set():
                wake.wait(wait)

    return work


def probation_worker(device: ChannelFollower) -> Worker:
    """The worker that watches edge live with what was installed."""

    def work(stopping: threading.Event, wake: threading.Event) -> None:
        said = ""
        while not stopping.wait(LOOK_S):
            try:
                if device.watch() == "bad":
                    log.error("%s: %s", device.state().outcome, device.state().message)
                said = ""
            except ShelfBusy as error:
                log.debug("%s", error)  # look again
            except ShelfError as error:  # as a full disk: look again, but say it
                if str(error) != said:
                    said = str(error)
                    log.error("%s", error)

    return work


@contextmanager
def run_lock(device: ChannelFollower) -> Iterator[None]:
    """One ``sync run`` on a device.

    Raises:
        ShelfError: Another is running.
    """
    try:
        durable.make_folder(device.shelf.folder)
        with locked(device.shelf.folder / "run.lock", wait_s=GLANCE_S):
            yield
    except BlockingIOError as error:
        raise ShelfError(
            f"{device.shelf.folder}: another 'visual-search sync run' is running; stop it first"
        ) from error
    except OSError as error:
        raise unwritable(device.shelf.folder, error) from error


def is_running(device: ChannelFollower) -> bool:
    """Whether a ``sync run`` is running here."""
    try:
        with locked(device.shelf.folder / "run.lock"):
            return False
    except BlockingIOError:
        return True
    except OSError:  # there is no shelf yet
        return False
