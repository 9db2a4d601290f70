"""Which message makes the other side hang up? Found by sending one at a time.

After a loss, everything that was under way is suspected, and sent one at a time, oldest first.
A message that fails twice alone lets others go first. It is tried again as soon as one of them
got through on the same connection, while there are others left: a message that is alone in the
outbox can never be found guilty. A message is only found guilty after others of its topic went
through between its failures; where nothing of its topic does, the topic is what is not wanted,
and it is left in peace for a while. Who got an answer, be it a no, is no suspect. A network
that loses every tenth message would convict one in ten million.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from sync.outbox.outbox import StoredEvent

FAILURES_BEFORE_YIELDING = 2  # failures alone, then others go first
MIN_STRIKES = 5  # strikes: failures after others got through; with the two before, seven in a row
MAX_LOSSES_ON_TOPIC = 3  # losses in a row on one topic

Key = tuple[str, int]  # stream and sequence


class FailureAction(Enum):
    """What is to be done about a message that failed."""

    RETRY = "retry"
    SET_ASIDE = "set aside"
    COOL_DOWN_TOPIC = "cool down its topic"


def key(event: StoredEvent) -> Key:
    """What an event is known by."""
    return event.stream, event.sequence


@dataclass
class _Record:
    """How often a message failed alone, and how many had got through at its last failure."""

    failures: int = 0
    strikes: int = 0
    through: int = -1


class Quarantine:
    """Messages that were under way when a connection was lost, and how often."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Key, StoredEvent] = OrderedDict()
        self._records: dict[Key, _Record] = {}
        self._through = 0  # messages that were accepted, ever
        self._shunned: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, event: StoredEvent) -> bool:
        return key(event) in self._waiting

    def suspect(self, events: Iterable[StoredEvent]) -> None:
        """These were under way together."""
        for event in events:
            self._waiting[key(event)] = event

    def next(self, *, controlled: bool) -> StoredEvent | None:
        """Who is to be tried next: the oldest, or the stubborn right after something else.

        Args:
            controlled: Whether something else got through on this connection before.
        """
        waiting = self._waiting.values()
        preferred = (event for event in waiting if self.is_stubborn(event) is controlled)
        return next(preferred, next(iter(waiting), None))

    def is_stubborn(self, event: StoredEvent) -> bool:
        """Whether something else should get through before this is tried."""
        record = self._records.get(key(event))
        return record is not None and record.failures >= FAILURES_BEFORE_YIELDING

    def accepted(self, event: StoredEvent, topic: str) -> None:
        """It is innocent, and its topic is wanted."""
        self._through += 1
        self.forget(event)
        self._shunned.pop(topic, None)

    def failed(self, event: StoredEvent, topic: str, controlled: bool) -> FailureAction:
        """The connection ended while this message alone was under way.

        Args:
            controlled: Whether something else got through on this connection before.
        """
        record = self._records.setdefault(key(event), _Record())
        record.failures += 1
        self._waiting[key(event)] = event
        if record.failures >= FAILURES_BEFORE_YIELDING:
            self._waiting.move_to_end(key(event))
        self._shunned[topic] = self._shunned.get(topic, 0) + 1
        if self._shunned[topic] >= MAX_LOSSES_ON_TOPIC:
            return FailureAction.COOL_DOWN_TOPIC
        if controlled and record.through != self._through:
            record.strikes += 1
        record.through = self._through
        return FailureAction.SET_ASIDE if record.strikes >= MIN_STRIKES else FailureAction.RETRY

    def release(self, topic: str, topic_of: Callable[[StoredEvent], str]) -> None:
        """Those of a topic are not tried any more."""
        for name, event in list(self._waiting.items()):
            if topic_of(event) == topic:
                del self._waiting[name]

    def forget(self, event: StoredEvent) -> None:
        """It is gone."""
        self._waiting.pop(key(event), None)
        self._records.pop(key(event), None)
