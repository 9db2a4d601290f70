"""``sync run``: run the workers, each on a thread of its own; if one fails, the others go on."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from catalog.bundles.shelf import unwritable
from catalog.core import durable
from catalog.core.errors import ShelfBusyError, ShelfError, VisualSearchError
from catalog.core.locks import locked
from catalog.core.state import SyncState
from catalog.core.worker import tidy_when_stopped
from sync.backoff import Backoff
from sync.catalogues.follower import ChannelFollower
from sync.catalogues.progress import log_progress

# A worker returns when the first event is set. The second event makes the pull worker check at
# once; it is set together with the first one, too.
Worker = Callable[[threading.Event, threading.Event], None]

MIN_RETRY_S, MAX_RETRY_S = 15.0, 3600.0  # pauses after failed checks
MAX_RESTART_S = 300.0  # before a failed worker is started again
PROBATION_CHECK_S = 1.0  # between two checks of the appliance
LOCK_TIMEOUT_S = 1.0  # longer than `is_running` holds the lock
STOP_TIMEOUT_S = 1.0  # for all workers together

log = logging.getLogger(__name__)


class PullInterrupted(BaseException):
    """The process stops in the middle of a pull; the fetched bytes stay for the next one.

    No error, so it derives from `BaseException` like `KeyboardInterrupt`.
    """


@tidy_when_stopped()
def run(workers: Mapping[str, Worker], wake: threading.Event | None = None) -> None:
    """Run the workers until SIGINT, SIGTERM or SIGHUP; then wait `STOP_TIMEOUT_S` seconds for them.

    Args:
        workers: By name.
        wake: Makes the pull worker check at once.
    """
    stopping = threading.Event()
    wake = wake or threading.Event()
    threads = [
        threading.Thread(
            target=supervise, args=(name, worker, stopping, wake), name=name, daemon=True
        )
        for name, worker in workers.items()
    ]
    with suppress(KeyboardInterrupt):
        for thread in threads:
            thread.start()
        threading.Event().wait()  # until a signal raises KeyboardInterrupt
    stopping.set()
    wake.set()
    deadline = time.monotonic() + STOP_TIMEOUT_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def supervise(name: str, worker: Worker, stopping: threading.Event, wake: threading.Event) -> None:
    """Run one worker, and start it again after a pause when it fails, until `stopping` is set."""
    backoff = Backoff(MIN_RETRY_S, MAX_RESTART_S)
    while not stopping.is_set():
        began = time.monotonic()
        try:
            worker(stopping, wake)
            return
        except VisualSearchError as error:
            log.error("%s: %s", name, error)
        except Exception:
            log.exception("%s failed", name)
        if time.monotonic() - began > MAX_RESTART_S:
            backoff.succeeded()
        stopping.wait(backoff.pause_s())


def pull_worker(follower: ChannelFollower, rand: Callable[[], float] = random.random) -> Worker:
    """The worker that checks for newer releases and installs them."""

    def work(stopping: threading.Event, wake: threading.Event) -> None:
        backoff, wait = Backoff(MIN_RETRY_S, MAX_RETRY_S, rand), 0.0
        show = log_progress()

        def progress(here: int, total: int) -> None:
            if stopping.is_set():
                raise PullInterrupted
            show(here, total)

        def next_check(state: SyncState) -> datetime:
            return datetime.now(UTC) + timedelta(seconds=pause(state))

        def pause(state: SyncState | None) -> float:
            nonlocal wait
            if state is not None and not state.failed:
                backoff.succeeded()
                wait = follower.settings.interval_s * (0.9 + 0.2 * rand())
                if state.outcome == "waiting":
                    wait = min(wait, follower.seconds_until_window(rand()))
            else:
                wait = backoff.pause_s()
            return wait

        while not stopping.is_set():
            wake.clear()
            try:
                state = follower.check(progress, next_check)
                log.log(
                    logging.ERROR if state.failed else logging.INFO,
                    "%s: %s; next check in %.0f s", state.outcome, state.message, wait,
                )  # fmt: skip
            except PullInterrupted:
                return
            except ShelfError as error:  # another process is checking, or the disk is full
                log.error("%s; next check in %.0f s", error, pause(None))
            if not stopping.is_set():
                wake.wait(wait)

    return work


def probation_worker(follower: ChannelFollower) -> Worker:
    """The worker that watches the appliance with a bundle on probation."""

    def work(stopping: threading.Event, wake: threading.Event) -> None:
        logged = ""
        while not stopping.wait(PROBATION_CHECK_S):
            try:
                if follower.check_probation() == "bad":
                    log.error("%s: %s", follower.state().outcome, follower.state().message)
                logged = ""
            except ShelfBusyError:
                pass  # check again
            except ShelfError as error:  # such as a full disk: check again, log it once
                if str(error) != logged:
                    logged = str(error)
                    log.error("%s", error)

    return work


@contextmanager
def run_lock(follower: ChannelFollower) -> Iterator[None]:
    """Let no other ``sync run`` work on this device.

    Raises:
        ShelfError: Another is running.
    """
    try:
        durable.make_private_folder(follower.shelf.folder)
        with locked(follower.shelf.folder / "run.lock", wait_s=LOCK_TIMEOUT_S):
            yield
    except BlockingIOError as error:
        raise ShelfError(
            f"{follower.shelf.folder}: another 'visual-search sync run' is running; stop it first"
        ) from error
    except OSError as error:
        raise unwritable(follower.shelf.folder, error) from error
