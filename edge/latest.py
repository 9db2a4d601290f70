"""The latest sightings, in memory; whoever waits for a change is woken."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace

from edge.sighting import Sighting


class Latest:
    """Holds the newest sightings. Any thread may use it.

    One of them leads: it is about the thing that the device answers about. The others that lie
    beside it have sightings of their own.

    `version` counts every change that a viewer should hear of: a new sighting, or a call of
    `notify` (the camera went away, the catalogue changed).

    Args:
        capacity: How many sightings it holds.
    """

    def __init__(self, capacity: int = 100) -> None:
        self._sightings: deque[Sighting] = deque(maxlen=capacity)  # the newest last
        self._leading: Sighting | None = None
        self._changed = threading.Condition()
        self._version = 0

    @property
    def version(self) -> int:
        """Number of changes so far."""
        return self._version

    def publish(self, sighting: Sighting, *, leads: bool = True) -> None:
        """Add a sighting and wake all who wait."""
        with self._changed:
            self._sightings.append(sighting)
            if leads:
                self._leading = sighting
            self._version += 1
            self._changed.notify_all()

    def lead(self, sighting: Sighting) -> None:
        """Let a sighting that was published before lead, with what has changed of it."""
        with self._changed:
            if not self._replace(sighting):
                self._sightings.append(sighting)  # it had been the oldest of too many
            self._leading = sighting
            self._version += 1
            self._changed.notify_all()

    def extend(self, seen_until: float) -> None:
        """Let the leading sighting, and those beside it, last until `seen_until` (Unix seconds).

        Wakes nobody.
        """
        with self._changed:
            if self._leading is None:
                return
            self._leading = replace(self._leading, seen_until=seen_until)
            self._replace(self._leading)
            beside = {other.sighting for other in self._leading.others}
            for sighting in [known for known in self._sightings if known.id in beside]:
                self._replace(replace(sighting, seen_until=seen_until))

    def notify(self) -> None:
        """Wake all who wait, without a new sighting."""
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    def leading(self) -> Sighting | None:
        """The sighting that leads, or None before the first."""
        with self._changed:
            return self._leading

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

    def _replace(self, sighting: Sighting) -> bool:
        """Put a newer form of a sighting in its place; whether it is still held."""
        for place, known in enumerate(self._sightings):
            if known.id == sighting.id:
                self._sightings[place] = sighting
                return True
        return False
