"""Measure what a device writes to its disk in a day, from minutes in true time.

Nothing is sped up: how much is written depends on how many events share a transaction. One device
stands idle and sends heartbeats; before the other a thing is put as often as in a busy shop.
"""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass

from bench.shop.counter import Counter
from bench.shop.kiosk import Kiosk
from bench.shop.story import hear
from catalog.synthetic.drawing import DrawnItem

DAY_S = 86_400.0
SETTLE_S = 60.0  # after its start a device writes what it writes once
WARM_UP = 12  # showings, of which each is written by itself
IDLE_MB, BUSY_MB = 20.0, 60.0  # a day, at most


@dataclass(frozen=True)
class Wear:
    """What a device wrote.

    Attributes:
        seconds: For so long it was measured.
        written: Bytes that its processes let the kernel write to the disk.
        showings: Things that were put before its camera.
    """

    seconds: float
    written: int
    showings: int

    @property
    def day_mb(self) -> float:
        """MB in a day of 24 such hours."""
        return self.written / self.seconds * DAY_S / 1e6


def busy_day_mb(idle: Wear, busy: Wear, showings: int) -> float:
    """MB in a day with so many showings: what an idle day writes, and so much for each showing."""
    more = busy.written / busy.seconds - idle.written / idle.seconds
    each = max(0.0, more) * busy.seconds / max(1, busy.showings)
    return idle.day_mb + each * showings / 1e6


class WornDevice:
    """A running device whose writing is measured from `begin` on.

    Args:
        kiosk: The device; it runs.
        counter: What its camera sees.
        things: What is put there.
        pause_s: Seconds from one thing to the next; 0 to put nothing there.
    """

    def __init__(
        self, kiosk: Kiosk, counter: Counter, things: list[DrawnItem], pause_s: float
    ) -> None:
        self._kiosk, self._counter, self._things = kiosk, counter, things
        self._pause_s, self._showings = pause_s, 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)
        self._before, self._began = 0, time.monotonic()

    def begin(self) -> None:
        """Begin to measure, after the device has settled; returns at once."""
        self._thread.start()

    def end(self) -> Wear:
        """Stop, and return what was written."""
        self._over.set()
        self._thread.join()
        seconds = time.monotonic() - self._began
        return Wear(seconds, self._written() - self._before, self._showings)

    def _show(self) -> None:
        self._over.wait(SETTLE_S)
        things = itertools.cycle(self._things)
        if self._pause_s:
            for thing in itertools.islice(things, WARM_UP):
                self._visit(thing)
        self._before, self._began = self._written(), time.monotonic()
        while self._pause_s and not self._over.is_set():
            began = time.monotonic()
            self._visit(next(things))
            self._showings += 1
            self._over.wait(max(0.0, self._pause_s - (time.monotonic() - began)))

    def _visit(self, thing: DrawnItem) -> None:
        hear(self._kiosk, self._counter.put(thing))
        self._counter.clear()

    def _written(self) -> int:
        found = [self._kiosk.usage(part) for part in ("edge", "sync")]
        return sum(usage.written for usage in found if usage is not None)
