"""The messages under way on one connection, at most as many as the window has places.

A message is unanswered from its sending until the other side accepts or refuses it. An event keeps
its place in the window longer: until it is removed from the outbox on disk, or was refused.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass

from sync.errors import TransportError
from sync.outbox.outbox import StoredEvent
from sync.reports.quarantine import Key, key
from sync.reports.transports.base import Transport

OVERTAKEN = 5  # answer time-outs for a message while others get their answers

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sent:
    """An unanswered message.

    Attributes:
        event: The event; None for the answer to a command.
        topic: Its topic.
        at: When it was sent, monotonic seconds.
    """

    event: StoredEvent | None
    topic: str
    at: float


class SendWindow:
    """Sends messages through a transport and knows those under way.

    Args:
        transport: Open.
        size: How many places there are.

    Attributes:
        answered_at: When the last answer came, or when a message was sent into the empty window;
            monotonic seconds.
    """

    def __init__(self, transport: Transport, size: int) -> None:
        self._transport = transport
        self._size = size
        self._token = 0
        self._unanswered: dict[int, Sent] = {}
        self._occupied: set[Key] = set()
        self.answered_at = time.monotonic()

    def __contains__(self, event: StoredEvent) -> bool:
        """Whether an event has a place."""
        return key(event) in self._occupied

    @property
    def is_empty(self) -> bool:
        """Whether no event has a place."""
        return not self._occupied

    @property
    def is_full(self) -> bool:
        """Whether there is no place for another event."""
        return len(self._occupied) >= self._size

    @property
    def unanswered(self) -> list[Sent]:
        """The messages without an answer, oldest first."""
        return list(self._unanswered.values())

    @property
    def can_answer_command(self) -> bool:
        """Whether the answer to a command, which needs no place, may be sent."""
        return len(self._unanswered) < self._size

    def send(self, topic: str, payload: bytes, event: StoredEvent | None) -> None:
        """Send a message.

        Raises:
            TransportError: It was not sent; after any other error of the transport it counts as
                unanswered, because it may be the cause.
        """
        self._token += 1
        if not self._unanswered:
            self.answered_at = time.monotonic()
        self._unanswered[self._token] = Sent(event, topic, time.monotonic())
        if event is not None:
            self._occupied.add(key(event))
        try:
            self._transport.send(self._token, topic, payload)
        except TransportError:
            del self._unanswered[self._token]
            if event is not None:
                self.release([event])
            raise
        except Exception as error:  # of a library that the transport uses
            log.exception("a message cannot be sent")
            problem = f"{type(error).__name__}: {error}"
            raise TransportError(
                f"{self._transport.name}: a message cannot be sent: {problem}"
            ) from error

    def answered(self, token: int) -> Sent | None:
        """The message with this token, which has got its answer; None where it had one before."""
        sent = self._unanswered.pop(token, None)
        if sent is not None:
            self.answered_at = time.monotonic()
        return sent

    def release(self, events: Iterable[StoredEvent]) -> None:
        """Free the places of events."""
        self._occupied.difference_update(key(event) for event in events)

    def check_timeout(self, timeout_s: float) -> None:
        """Raise where an answer does not come.

        Raises:
            TransportError: No answer came for `timeout_s` seconds, or one message has none
                after `OVERTAKEN` times that.
        """
        if not self._unanswered:
            return
        now = time.monotonic()
        waited_s = now - next(iter(self._unanswered.values())).at
        if now - self.answered_at > timeout_s or waited_s > OVERTAKEN * timeout_s:
            raise TransportError(
                f"{self._transport.name}: no answer to a message for {waited_s:.0f} s"
            )
