"""Record what became of each message: in the outbox, in its counters, and in the journal."""

from __future__ import annotations

import time

from sync.errors import OutboxError
from sync.outbox.outbox import Outbox, StoredEvent
from sync.reports.journal import Journal

RETRY_S = 0.25  # before the outbox is used again after it could not be written


class DeliveryRecord:
    """Counts and notes deliveries; `commit` removes accepted events from the outbox."""

    def __init__(self, outbox: Outbox, journal: Journal) -> None:
        self._outbox = outbox
        self._journal = journal
        self._sent = 0
        self._latencies_s: list[float] = []
        self._accepted: list[StoredEvent] = []  # and still in the outbox
        self._accepted_at = 0.0  # the first of them, in monotonic seconds

    def sent(self, event: StoredEvent, topic: str) -> None:
        """An event is being handed to the transport."""
        self._sent += 1
        self._journal.note("sent", event, topic)

    def accepted(self, event: StoredEvent, latency_s: float) -> None:
        """The other side has the event, `latency_s` seconds after it was sent."""
        self._accepted_at = self._accepted_at if self._accepted else time.monotonic()
        self._accepted.append(event)
        self._latencies_s.append(latency_s)
        self._journal.note("acknowledged", event)

    def refused(self, event: StoredEvent, topic: str, reason: str) -> None:
        """The other side refused the event.

        Raises:
            OutboxError: The attempt could not be counted.
        """
        self._journal.note("refused", event, reason)
        self._outbox.failed([event], f"{topic}: {reason}")

    def answer_refused(self, topic: str, reason: str) -> None:
        """The other side refused the answer to a command; whoever asked may ask again."""
        self._journal.note("refused", detail=f"{topic}: {reason}")
        self._journal.flush()

    def command_received(self, payload: bytes) -> None:
        """A command came in."""
        self._journal.note("command", detail=payload.decode("utf-8", "replace")[:200])

    def connection_lost(self, under_way: int, reason: str) -> None:
        """The connection ended while so many events were under way."""
        self._journal.note("lost", detail=f"{under_way} under way: {reason}")

    def attempt_failed(self, event: StoredEvent, reason: str) -> None:
        """The event got no answer before the connection ended.

        Raises:
            OutboxError: The attempt could not be counted.
        """
        self._outbox.failed([event], reason)

    def set_aside(self, event: StoredEvent, reason: str) -> None:
        """The event will not be sent any more.

        Raises:
            OutboxError: It could not be set aside.
        """
        self._outbox.set_aside(event, reason)
        self._journal.note("aside", event, reason)

    @property
    def has_accepted(self) -> bool:
        """Whether the outbox still holds accepted events."""
        return bool(self._accepted)

    def age_s(self) -> float:
        """Seconds since the oldest event was accepted that is still in the outbox; 0 for none."""
        return time.monotonic() - self._accepted_at if self._accepted else 0.0

    def count(self) -> None:
        """Hand the counters to the outbox, which writes them with its next transaction."""
        if self._sent or self._latencies_s:
            self._outbox.note(sent=self._sent, latencies_s=self._latencies_s)
            self._sent = 0
            self._latencies_s.clear()

    def commit(self) -> list[StoredEvent]:
        """Count, remove accepted events from the outbox, and return these.

        Where the outbox cannot be written, nothing is returned and the next call tries again.
        """
        self.count()
        if not self._accepted:
            return []
        try:
            self._outbox.acknowledge(self._accepted)
        except OutboxError as error:
            self._outbox.note(error=str(error))
            time.sleep(RETRY_S)
            return []
        removed, self._accepted = self._accepted, []
        return removed

    def flush(self, *, now: bool = True) -> None:
        """Let who follows the journal read it, at once or soon."""
        self._journal.flush_for_followers(now=now)
