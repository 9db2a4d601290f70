"""Read the outbox's events for sending: in order, in batches, and again from the start."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from sync.outbox.outbox import Outbox, StoredEvent

BATCH = 100  # events read from the outbox at once


class EventReader:
    """A position in the outbox; an event that was returned comes again only after `rewind`.

    Attributes:
        at_end: Whether the last `wait` found nothing new.
        skipped: Set by the reader's user when an event that was returned must be sent later.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._batch: deque[StoredEvent] = deque()
        self._last: StoredEvent | None = None
        self.at_end = False
        self.skipped = False

    def __iter__(self) -> Iterator[StoredEvent]:
        """The next events, without waiting for any.

        Raises:
            OutboxError: The outbox cannot be read now.
        """
        while True:
            if not self._batch:
                self._batch.extend(self._outbox.oldest(BATCH, self._last))
                if not self._batch:
                    return
                self._last = self._batch[-1]
            yield self._batch.popleft()

    @property
    def has_batch(self) -> bool:
        """Whether events were read from the outbox that were not returned yet."""
        return bool(self._batch)

    def rewind(self) -> None:
        """Begin at the oldest event again."""
        self._batch.clear()
        self._last, self.at_end, self.skipped = None, False, False

    def wait(self, seconds: float) -> None:
        """Look for new events; wait for them only where the last look found none."""
        self.at_end = not self._outbox.wait(seconds if self.at_end else 0.0)
