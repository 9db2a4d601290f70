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

from sync.outbox.outbox import Stored

STUBBORN = 2  # failures alone, then others go first
GUILTY = 5  # strikes: failures after others got through; with the two before, seven in a row
SHUNNED = 3  # losses in a row on one topic

Key = tuple[str, int]  # stream and sequence


class Verdict(Enum):
    """What is to be done about a message that failed."""

    AGAIN = "again"
    ASIDE = "aside"
    HOLD = "hold its topic"


def key(event: Stored) -> Key:
    """What an event is known by."""
    return event.stream, event.sequence


@dataclass
class _Record:
    """How often a message failed alone, and how many had got through at its last failure."""

    failures: int = 0
    strikes: int = 0
    through: int = -1


class Suspects:
    """Messages that were under way when a connection was lost, and how often."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Key, Stored] = OrderedDict()
        self._records: dict[Key, _Record] = {}
        self._through = 0  # messages that were accepted, ever
        self._shunned: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, event: Stored) -> bool:
        return key(event) in self._waiting

    def suspect(self, events: Iterable[Stored]) -> None:
        """These were under way together."""
        for event in events:
            self._waiting[key(event)] = event

    def next(self, *, controlled: bool) -> Stored | None:
        """Who is to be tried next: the oldest, or the stubborn right after something else.

        Args:
            controlled: Whether something else got through on this connection before.
        """
        waiting = self._waiting.values()
        preferred = (event for event in waiting if self.is_stubborn(event) is controlled)
        return next(preferred, next(iter(waiting), None))

    def is_stubborn(self, event: Stored) -> bool:
        """Whether something else should get through before this is tried."""
        record = self._records.get(key(event))
        return record is not None and record.failures >= STUBBORN

    def accepted(self, event: Stored, topic: str) -> None:
        """It is innocent, and its topic is wanted."""
        self._through += 1
        self.forget(event)
        self._shunned.pop(topic, None)

    def failed(self, event: Stored, topic: str, controlled: bool) -> Verdict:
        """The connection ended while this message alone was under way.

        Args:
            controlled: Whether something else got through on this connection before.
        """
        record = self._records.setdefault(key(event), _Record())
        record.failures += 1
        self._waiting[key(event)] = event
        if record.failures >= STUBBORN:
            self._waiting.move_to_end(key(event))
        self._shunned[topic] = self._shunned.get(topic, 0) + 1
        if self._shunned[topic] >= SHUNNED:
            return Verdict.HOLD
        if controlled and record.through != self._through:
            record.strikes += 1
        record.through = self._through
        return Verdict.ASIDE if record.strikes >= GUILTY else Verdict.AGAIN

    def release(self, topic: str, topic_of: Callable[[Stored], str]) -> None:
        """Those of a topic are not tried any more."""
        for name, event in list(self._waiting.items()):
            if topic_of(event) == topic:
                del self._waiting[name]

    def forget(self, event: Stored) -> None:
        """It is gone."""
        self._waiting.pop(key(event), None)
        self._records.pop(key(event), None)
