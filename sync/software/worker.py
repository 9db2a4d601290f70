"""The worker of ``sync run`` that keeps the program itself up to date."""

from __future__ import annotations

import logging
import os
import random
import signal
import threading
from collections.abc import Callable
from datetime import datetime

from catalog.core.errors import ShelfBusyError
from sync.backoff import Backoff
from sync.software.updater import SoftwareUpdater, is_under
from sync.window import is_open, seconds_until

MIN_RETRY_S, MAX_RETRY_S = 60.0, 3600.0
WATCH_S = 2.0  # between two looks at the appliance during a trial
QUIET = ("up-to-date", "waiting", "not-published", "rejected")  # no news, or logged before

log = logging.getLogger(__name__)


def software_worker(
    updater: SoftwareUpdater,
    rand: Callable[[], float] = random.random,
    local_time: Callable[[], datetime] = datetime.now,
) -> Callable[[threading.Event, threading.Event], None]:
    """The worker that checks for newer releases of the program; they take over in the window.

    Without ``[sync] source`` it watches the trials of versions that are installed by hand.

    When a trial has ended well, or an update needed none, it ends this process, so that the service
    starts the new version.
    """

    def work(stopping: threading.Event, wake: threading.Event) -> None:
        backoff, wait = Backoff(MIN_RETRY_S, MAX_RETRY_S, rand), 0.0
        while not stopping.wait(wait):
            wait = WATCH_S
            try:
                status = updater.watch()
            except ShelfBusyError:
                continue
            if status == "waiting":
                continue
            if status == "bad":
                log.error("%s", updater.versions.state().message)
            if status == "good" and _restart_self(updater):
                return
            if not updater.settings.source:  # somebody brings new versions by hand
                wait = MIN_RETRY_S
                continue
            state = updater.check(may_switch=is_open(updater.settings.window, local_time()))
            level = logging.INFO if state.outcome in ("installed", *QUIET) else logging.ERROR
            log.log(level, "software: %s: %s", state.outcome, state.message)
            if state.outcome in QUIET:
                backoff.succeeded()
                wait = updater.settings.interval_s * (0.9 + 0.2 * rand())
                if state.outcome == "waiting":
                    wait = min(wait, seconds_until(updater.settings.window, local_time()))
            elif state.outcome == "installed":  # the next look watches its trial
                if state.trial is None and _restart_self(updater):
                    return
            else:
                wait = backoff.pause_s()

    return work


def _restart_self(updater: SoftwareUpdater) -> bool:
    """End this process if a service will start it anew; returns whether that is so."""
    if not is_under(updater.versions):
        return False
    log.info("this process ends, so that its service starts the new version")
    os.kill(os.getpid(), signal.SIGTERM)
    return True
