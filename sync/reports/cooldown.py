"""Pause topics that the other side refuses, so that events of other topics go on."""

from __future__ import annotations

import time

from sync.backoff import Backoff

FIRST_COOLDOWN = 5  # times the reporter's first pause; each further cooldown is longer
MAX_COOLDOWN_S = 300.0


class TopicCooldowns:
    """Which topics nothing is sent to now.

    Args:
        first_pause_s: The reporter's first pause after a failure, in seconds.
    """

    def __init__(self, first_pause_s: float) -> None:
        self._first_s = FIRST_COOLDOWN * first_pause_s
        self._until: dict[str, float] = {}
        self._backoffs: dict[str, Backoff] = {}

    def start(self, topic: str) -> None:
        """Pause a topic, longer each time; one that is paused already stays as it is."""
        if topic in self._until:
            return
        backoff = self._backoffs.setdefault(topic, Backoff(self._first_s, MAX_COOLDOWN_S))
        self._until[topic] = time.monotonic() + backoff.pause_s()

    def reset(self, topic: str) -> None:
        """End a topic's pause and begin with short ones again: a message was accepted."""
        self._backoffs.pop(topic, None)
        self._until.pop(topic, None)

    def __contains__(self, topic: str) -> bool:
        return topic in self._until

    def holds(self, prefix: str) -> bool:
        """Whether a topic that begins so is paused."""
        return any(topic.startswith(prefix) for topic in self._until)

    def expire(self) -> bool:
        """End the pauses whose time is over; whether there were any."""
        over = [topic for topic, until in self._until.items() if until <= time.monotonic()]
        for topic in over:
            del self._until[topic]
        return bool(over)
