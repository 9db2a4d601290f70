"""What is in an outbox: events before and after they are stored, damaged rows, and its counters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sync.outbox.clock import Moment

ROW_BYTES = 150  # what SQLite needs for a row beside its payload, about

Position = tuple[str, int]  # stream and sequence
Drops = Mapping[tuple[str, str], int]  # (reason, kind): how many


@dataclass(frozen=True)
class RenderedEvent:
    """A rendered event, not yet in the outbox; see `events.Event` and `kinds.PRIORITY`."""

    id: str
    kind: str
    priority: int
    moment: Moment
    payload: bytes

    @property
    def size(self) -> int:
        """Bytes that count against the outbox's limit."""
        return len(self.payload) + ROW_BYTES


@dataclass(frozen=True)
class StoredEvent:
    """An event in the outbox.

    Attributes:
        stream, sequence: Its position: the outbox's id, and a number that counts up in it.
        id, kind: As of the `events.Event`.
        at: Unix seconds, when it happened.
        attempts: How often sending it failed.
        payload: What is sent.
    """

    stream: str
    sequence: int
    id: str
    kind: str
    at: float
    attempts: int
    payload: bytes


@dataclass(frozen=True)
class DamagedRow:
    """A row that is not as it was written, with what can be read of it.

    Attributes:
        stream, sequence: Where it is.
        kind, at, payload: As of a `StoredEvent`; what cannot be read is empty. A payload that
            cannot be unpacked is as it is stored.
        problem: What is wrong with it.
    """

    stream: str
    sequence: int
    kind: str
    at: float
    payload: bytes
    problem: str


@dataclass(frozen=True)
class Batch:
    """Rows that follow each other.

    Attributes:
        events: Those as they were written.
        damaged: The others.
        last: The position up to which there are no further events.
    """

    events: list[StoredEvent]
    damaged: list[DamagedRow]
    last: Position


@dataclass(frozen=True)
class Counters:
    """The state of the outbox, and its counters since it was made.

    Attributes:
        stream: Its id.
        length, bytes: Number and size of the events that wait to be sent.
        oldest_s: Age of the oldest event in seconds; None where there is none, or where its clock
            was not trusted.
        sent: Messages handed to a transport; each repetition counts.
        acknowledged: Events that the other side has acknowledged.
        dropped: Events that will never be sent, by reason.
        aside: Refused and damaged messages that were set aside and are still here.
        offline_s: Seconds without a connection while the reporter tried to have one.
        latency_s, latencies: Seconds from sending to acknowledgement, summed up, and of how many
            events.
        last_error, last_error_at: The newest error, and its time in RFC 3339.
        waiting: Events of this process that are in memory and not on disk yet.
    """

    stream: str = ""
    length: int = 0
    bytes: int = 0
    oldest_s: float | None = None
    sent: int = 0
    acknowledged: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    aside: int = 0
    offline_s: float = 0.0
    latency_s: float = 0.0
    latencies: int = 0
    last_error: str = ""
    last_error_at: str = ""
    waiting: int = 0
