"""Write sightings into the history on a thread of its own, so that no frame waits for a disk."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog.core.errors import ShelfError
from catalog.recognition.decision import Verdict
from edge.history.store import GATHER_S, History, Retention
from edge.sighting import Sighting

MOST_WAITING = 200  # further ones are dropped
STOP_TIMEOUT_S = 1.0

log = logging.getLogger(__name__)


class HistoryRecorder:
    """Keeps what was seen and what visitors said of it. Any thread may use it.

    Attributes:
        history: Where it is kept.

    Args:
        history: The history; closed by `stop`.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self._tasks: queue.Queue[Callable[[], None] | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._thread.start()

    def sighting(
        self, sighting: Sighting, network: str, features: NDArray[np.float32] | None
    ) -> None:
        """Keep a sighting, unless nothing was there; see `History.add`."""
        if sighting.verdict is not Verdict.NOTHING:
            self._enqueue(lambda: self.history.add(sighting, network, features))

    def choose(self, sighting: str, sku: str) -> None:
        """Note that a visitor chose an item of those shown."""
        self._enqueue(lambda: self.history.choose(sighting, sku))

    def want(self, sighting: str) -> None:
        """Note that a visitor asked to tell the staff."""
        self._enqueue(lambda: self.history.want(sighting))

    def flush(self, timeout: float) -> bool:
        """Wait until what was said before is kept; whether that came in time."""
        done = threading.Event()
        self._enqueue(done.set)
        return done.wait(timeout)

    def stop(self) -> None:
        """Write what waits, and close the history; gives up soon where the disk hangs."""
        with suppress(queue.Full):
            self._tasks.put_nowait(None)
            self._thread.join(STOP_TIMEOUT_S)
        if not self._thread.is_alive():
            self.history.close()

    def _enqueue(self, task: Callable[[], None]) -> None:
        with suppress(queue.Full):  # the disk hangs; the device goes on
            self._tasks.put_nowait(task)

    def _next(self) -> Callable[[], None] | None:
        """Wait for the next task; where none comes, it is to write what was gathered."""
        try:
            return self._tasks.get(timeout=GATHER_S)
        except queue.Empty:
            return self.history.commit

    def _run(self) -> None:
        failed = ""
        while (task := self._next()) is not None:
            try:
                task()
                failed = ""
            except ShelfError as error:
                if str(error) != failed:
                    log.warning("the history is not kept: %s", error)
                failed = str(error)
            except Exception:
                log.exception("a sighting is not kept in the history")


def open_history(state_folder: Path | None, retention: Retention) -> HistoryRecorder | None:
    """Open the history; None where it cannot be kept, which must not stop the device."""
    if state_folder is None:
        return None
    try:
        return HistoryRecorder(History(state_folder, retention))
    except ShelfError as error:
        log.error("no history is kept: %s", error)
        return None
