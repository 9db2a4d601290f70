"""Find the poison message: the one that makes the other side close the connection.

When a connection is lost, every message that was under way goes into quarantine. From then on
these messages are sent one at a time, oldest first. A message that fails alone
`FAILURES_BEFORE_YIELDING` times lets others go first. It is tried again as soon as another message
is accepted on the same connection, while there are others left: a message that is alone in the
outbox is never set aside.

A failure is a strike if other messages were accepted before it, on the same connection and since
the message's last failure. A message with `MAX_STRIKES` strikes is set aside. If
`MAX_LOSSES_ON_TOPIC` connections in a row are lost with messages of one topic and none of its
messages is accepted between, the topic is the cause, and the topic is paused instead. A message
that gets an answer, also a refusal, leaves the quarantine.

A network that loses every tenth message would set aside one good message in ten million.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from sync.outbox.outbox import StoredEvent

FAILURES_BEFORE_YIELDING = 2  # failures alone; then other messages go first
MAX_STRIKES = 5  # with the two failures before, seven in a row
MAX_LOSSES_ON_TOPIC = 3  # lost connections in a row with messages of one topic

Key = tuple[str, int]  # stream and sequence


class FailureAction(Enum):
    """What to do with a message that was alone under way when the connection was lost."""

    RETRY = "retry"
    SET_ASIDE = "set aside"
    COOL_DOWN_TOPIC = "cool down its topic"


def key(event: StoredEvent) -> Key:
    """What identifies an event."""
    return event.stream, event.sequence


@dataclass
class _Failures:
    """How often a message failed alone.

    Attributes:
        count: All failures.
        strikes: Failures that speak against the message; see above.
        accepted_before: How many messages were accepted, ever, at its last failure.
    """

    count: int = 0
    strikes: int = 0
    accepted_before: int = -1


class Quarantine:
    """Messages that were under way when a connection was lost, oldest first."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Key, StoredEvent] = OrderedDict()
        self._failures: dict[Key, _Failures] = {}
        self._accepted = 0  # messages that were accepted, ever
        self._losses: dict[str, int] = {}  # in a row, by topic

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, event: StoredEvent) -> bool:
        return key(event) in self._waiting

    def add(self, events: Iterable[StoredEvent]) -> None:
        """Add messages that were under way together."""
        for event in events:
            self._waiting[key(event)] = event

    def next(self, *, others_accepted: bool) -> StoredEvent | None:
        """The message to try next: the oldest, or one that yields right after another message.

        Args:
            others_accepted: Whether other messages were accepted on this connection before.
        """
        waiting = self._waiting.values()
        preferred = (event for event in waiting if self.must_yield(event) is others_accepted)
        return next(preferred, next(iter(waiting), None))

    def must_yield(self, event: StoredEvent) -> bool:
        """Whether another message should be accepted before this one is tried."""
        failures = self._failures.get(key(event))
        return failures is not None and failures.count >= FAILURES_BEFORE_YIELDING

    def accepted(self, event: StoredEvent, topic: str) -> None:
        """A message, of the quarantine or not, was accepted: it and its topic are in order."""
        self._accepted += 1
        self.remove(event)
        self._losses.pop(topic, None)

    def failed(self, event: StoredEvent, topic: str, *, others_accepted: bool) -> FailureAction:
        """The connection was lost while this message alone was under way.

        Args:
            event: The message.
            topic: Its topic.
            others_accepted: Whether other messages were accepted on this connection before.
        """
        failures = self._failures.setdefault(key(event), _Failures())
        failures.count += 1
        self._waiting[key(event)] = event
        if failures.count >= FAILURES_BEFORE_YIELDING:
            self._waiting.move_to_end(key(event))
        self._losses[topic] = self._losses.get(topic, 0) + 1
        if self._losses[topic] >= MAX_LOSSES_ON_TOPIC:
            return FailureAction.COOL_DOWN_TOPIC
        if others_accepted and failures.accepted_before != self._accepted:
            failures.strikes += 1
        failures.accepted_before = self._accepted
        if failures.strikes >= MAX_STRIKES:
            return FailureAction.SET_ASIDE
        return FailureAction.RETRY

    def remove_topic(self, topic: str, topic_of: Callable[[StoredEvent], str]) -> None:
        """Release the messages of a topic; their failures stay counted."""
        for event_key, event in list(self._waiting.items()):
            if topic_of(event) == topic:
                del self._waiting[event_key]

    def remove(self, event: StoredEvent) -> None:
        """Release a message and forget its failures."""
        self._waiting.pop(key(event), None)
        self._failures.pop(key(event), None)
