"""The latest sightings, in memory; whoever waits for a change is woken."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace

from edge.sighting import Sighting


class Latest:
    """Holds the newest sightings. Any thread may use it.

    `version` counts every change that a viewer should hear of: a new sighting, or a call of
    `notify` (the camera went away, the catalogue changed).

    Args:
        capacity: How many sightings it holds.
    """

    def __init__(self, capacity: int = 100) -> None:
        self._sightings: deque[Sighting] = deque(maxlen=capacity)  # the newest last
        self._changed = threading.Condition()
        self._version = 0

    @property
    def version(self) -> int:
        """Number of changes so far."""
        return self._version

    def publish(self, sighting: Sighting) -> None:
        """Add a sighting and wake all who wait."""
        with self._changed:
            self._sightings.append(sighting)
            self._version += 1
            self._changed.notify_all()

    def extend(self, seen_until: float) -> None:
        """Let the newest sighting last until `seen_until` (Unix seconds); wakes nobody."""
        with self._changed:
            if self._sightings:
                self._sightings[-1] = replace(self._sightings[-1], seen_until=seen_until)

    def notify(self) -> None:
        """Wake all who wait, without a new sighting."""
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    def newest(self) -> Sighting | None:
        """The newest sighting, or None before the first."""
        with self._changed:
            return self._sightings[-1] if self._sightings else None

    def all(self) -> tuple[Sighting, ...]:
        """All sightings that it holds, newest first."""
        with self._changed:
            return tuple(reversed(self._sightings))

    def find(self, sighting_id: str) -> Sighting | None:
        """The sighting with this id, or None when it is gone."""
        return next((sighting for sighting in self.all() if sighting.id == sighting_id), None)

    def wait(self, after: int, timeout: float) -> int:
        """Wait until `version` is greater than `after`, at most `timeout` seconds.

        Returns:
            The version.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._version > after, timeout)
            return self._version
