"""The last sightings, in memory, and the bell that wakes everyone who waits for news."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace

from edge.sighting import Sighting


class Latest:
    """Keeps the last `keep` sightings, newest last. Safe to use from many threads.

    `version` counts every change that a viewer should hear of: a new sighting, or a call
    of `ring` (the camera went away, the catalogue changed).
    """

    def __init__(self, keep: int = 100) -> None:
        self._sightings: deque[Sighting] = deque(maxlen=keep)
        self._changed = threading.Condition()
        self._version = 0

    @property
    def version(self) -> int:
        """Number of changes so far."""
        return self._version

    def push(self, sighting: Sighting) -> None:
        """Add a sighting and wake all who wait."""
        with self._changed:
            self._sightings.append(sighting)
            self._version += 1
            self._changed.notify_all()

    def extend(self, seen_until: float) -> None:
        """Let the newest sighting reach until `seen_until` (Unix seconds); wakes nobody."""
        with self._changed:
            if self._sightings:
                self._sightings[-1] = replace(self._sightings[-1], seen_until=seen_until)

    def ring(self) -> None:
        """Wake all who wait, without a new sighting."""
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    def newest(self) -> Sighting | None:
        """The newest sighting, or None before the first."""
        with self._changed:
            return self._sightings[-1] if self._sightings else None

    def all(self) -> tuple[Sighting, ...]:
        """All sightings kept, newest first."""
        with self._changed:
            return tuple(reversed(self._sightings))

    def find(self, sighting_id: str) -> Sighting | None:
        """The sighting with this id, or None when it is gone."""
        return next((one for one in self.all() if one.id == sighting_id), None)

    def wait(self, after: int, timeout: float) -> int:
        """Wait until `version` is beyond `after`, at most `timeout` seconds; returns it."""
        with self._changed:
            self._changed.wait_for(lambda: self._version > after, timeout)
            return self._version
