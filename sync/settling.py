"""Removes from the outbox what was accepted, while others are being sent."""

from __future__ import annotations

import threading
from collections.abc import Callable

from catalog.errors import OutboxError
from sync.outbox import Outbox, Stored

AGAIN_S = 0.25  # after a failure


class Settler:
    """A thread of its own: each of its transactions takes all that has come meanwhile.

    Args:
        done: Called after each, on the thread.
    """

    def __init__(self, outbox: Outbox, done: Callable[[], None]) -> None:
        self._outbox = outbox
        self._done = done
        self._changed = threading.Condition()
        self._taken: list[Stored] = []
        self._settled: list[Stored] = []
        self._writing = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="settler", daemon=True)
        self._thread.start()

    def add(self, events: list[Stored]) -> None:
        """These were accepted."""
        with self._changed:
            self._taken += events
            self._changed.notify_all()

    def settled(self) -> list[Stored]:
        """What has left the outbox since this was last asked."""
        with self._changed:
            settled, self._settled = self._settled, []
            return settled

    def close(self, timeout: float) -> list[Stored]:
        """Finish what was begun, and stop; returns what has left the outbox meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._taken or self._writing), timeout)
            self._closing = True
            self._changed.notify_all()
        return self.settled()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._taken or self._closing)
                if self._closing:
                    return
                taken, self._taken = self._taken, []
                self._writing = True
            try:
                self._outbox.acknowledge(taken)
            except OutboxError as error:  # they stay in the window until it works
                self._outbox.note(error=str(error))
                with self._changed:
                    self._taken = taken + self._taken
                    self._writing = False
                    self._changed.wait_for(lambda: self._closing, AGAIN_S)
                continue
            with self._changed:
                self._settled += taken
                self._writing = False
                self._changed.notify_all()
            self._done()
