"""The outbox: every event that is to be reported, kept on disk until the other side has it.

`Outbox.put` returns at once; a thread of the outbox's own writes what has come meanwhile in one
transaction. Two processes may use one file, each with an `Outbox` of its own.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from sync.errors import OutboxError
from sync.outbox import rows
from sync.outbox.clock import now, timestamp
from sync.outbox.database import OutboxDatabase
from sync.outbox.events import Event, Kind
from sync.outbox.rows import REASONS, Counters, StoredEvent
from sync.outbox.writer import Ticket, Writer
from sync.settings import OutboxSettings

__all__ = ["FILE", "REASONS", "Counters", "Outbox", "StoredEvent", "Ticket"]

FILE = "outbox.db"  # in the data folder
POLL_S = 0.5  # how soon the other process's events are noticed
PATIENCE_S = 2.0  # of who wants to know, while another is being told
NOTES_S = 30.0  # how long the reporter's counts may wait for a transaction

log = logging.getLogger(__name__)


@dataclass
class _Notes:
    """What the reporter has counted and no transaction has taken yet."""

    sums: dict[str, float] = field(default_factory=dict)
    error: str = ""
    error_at: str = ""
    since: float = field(default_factory=time.monotonic)

    def count(self, name: str, number: float) -> None:
        self.sums[name] = self.sums.get(name, 0) + number

    def write(self, database: sqlite3.Connection) -> None:
        for name, value in self.sums.items():
            rows.count(database, name, value)
        if self.error:
            rows.put_counter(database, "last_error", self.error)
            rows.put_counter(database, "last_error_at", self.error_at)


class Outbox:
    """The outbox in `file`, as one process uses it.

    Args:
        file: ``<data_dir>/outbox.db``; made when it is missing.
        settings: ``[outbox]``.
        device: This device's id, for the documents.
    """

    def __init__(self, file: Path, settings: OutboxSettings, device: str) -> None:
        self.file = file
        self._reader = OutboxDatabase(file)
        self._reading = threading.RLock()
        self._watch = OutboxDatabase(file)  # for `counters`, which must not wait for the reporter
        self._watching = threading.Lock()
        self._notes = _Notes()
        self._noting = threading.Lock()
        self._last_error = ""
        self._seen = ("", 0)  # stream and sequence up to which `oldest` has looked
        self._writer = Writer(file, settings, device)

    def put(self, event: Event) -> Ticket:
        """Take an event; returns at once, whatever disk and network do."""
        return self._writer.put(event)

    def dropped(self, kind: Kind) -> None:
        """Count an event that found no room in memory on its way here."""
        self._writer.count_drop(kind)

    def close(self, timeout: float = 5.0) -> None:
        """Write what was put so far and stop; gives up after `timeout` seconds."""
        if not self._writer.close(timeout):
            return  # the disk hangs, and whoever asks it again hangs too
        self._write_notes()
        with self._reading:
            self._reader.close()
        with self._watching:
            self._watch.close()

    # For the reporter, from one thread.

    def oldest(self, count: int, after: StoredEvent | None = None) -> list[StoredEvent]:
        """The oldest events, at most `count`; with `after`, those that came after it.

        Raises:
            OutboxError: The outbox cannot be read now.
        """

        def read(database: sqlite3.Connection) -> tuple[list[StoredEvent], tuple[str, int]]:
            found = rows.oldest(database, count, after)
            if len(found) == count:
                return found, (found[-1].stream, found[-1].sequence)
            return found, rows.newest_sequence(database)  # there is nothing behind them

        with self._reading:
            found, last = self._reader.read(read)
        self._seen = max(self._seen, last) if self._seen[0] == last[0] else last
        return found

    def acknowledge(self, events: Iterable[StoredEvent]) -> None:
        """Remove events that the other side has taken; durable when this returns.

        Raises:
            OutboxError: They could not be removed; do it again, or they are sent again.
        """
        taken = list(events)
        self._change(lambda database: rows.acknowledge(database, taken))

    def failed(self, events: Iterable[StoredEvent], reason: str) -> None:
        """Count an attempt to send that came to nothing; see `StoredEvent.attempts`.

        Raises:
            OutboxError: It could not be written.
        """
        tried = list(events)
        self.note(error=reason)
        self._change(lambda database: rows.count_attempt(database, tried))

    def set_aside(self, event: StoredEvent, reason: str) -> None:
        """Take a message that nobody accepts out of the way; it is counted and kept aside.

        Raises:
            OutboxError: It could not be written.
        """
        self.note(error=f"event {event.id} was set aside: {reason}")
        self._change(lambda database: rows.set_aside(database, event, reason))

    def note(
        self,
        sent: int = 0,
        offline_s: float = 0.0,
        latencies_s: Iterable[float] = (),
        error: str = "",
    ) -> None:
        """Count what the reporter saw; written with its next transaction, or within 30 seconds.

        A sentence that differs from the one before is written at once.

        Args:
            sent: Messages handed to the transport.
            offline_s: Seconds without a connection.
            latencies_s: Seconds from sending to acknowledgement, of each event.
            error: The newest trouble, a sentence.
        """
        latencies = list(latencies_s)
        with self._noting:
            self._notes.count("sent", sent)
            self._notes.count("offline_s", offline_s)
            self._notes.count("latency_s", sum(latencies))
            self._notes.count("latencies", len(latencies))
            due = time.monotonic() - self._notes.since > NOTES_S
            if error:
                self._notes.error, self._notes.error_at = error, timestamp(time.time())
                due = due or error != self._last_error
                self._last_error = error
        if due:
            self._write_notes()

    def wait(self, timeout: float) -> bool:
        """Wait until there are events that `oldest` has not returned yet, of either process.

        Returns:
            Whether there are; False after `timeout` seconds, or when the outbox is closing.
        """
        deadline = time.monotonic() + timeout
        writer = self._writer
        while not writer.closing:
            commits = writer.commits
            if self._has_news():
                return True
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            with writer.changed:
                if not writer.closing and writer.commits == commits:
                    writer.changed.wait(min(POLL_S, remaining))
        return False

    # For whoever wants to know, from any thread.

    def counters(self) -> Counters:
        """How the outbox is.

        Raises:
            OutboxError: It cannot be read now.
        """
        if not self._watching.acquire(timeout=PATIENCE_S):
            raise OutboxError(f"{self.file}: the disk does not answer")
        try:
            found = self._watch.read(lambda database: rows.counters(database, now()))
        finally:
            self._watching.release()
        waiting, lost, (error, error_at) = self._writer.state()
        found = replace(found, dropped=dict(lost + Counter(found.dropped)), waiting=waiting)
        return replace(found, last_error=error, last_error_at=error_at) if error else found

    def _has_news(self) -> bool:
        try:
            with self._reading:
                stream, sequence = self._reader.read(rows.newest_sequence)
        except OutboxError:
            return False
        return sequence > (self._seen[1] if stream == self._seen[0] else 0)

    def _change(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Change rows, and write down what was noted, in one transaction."""
        with self._noting:
            notes, self._notes = self._notes, _Notes()

        def both(database: sqlite3.Connection) -> None:
            work(database)
            notes.write(database)

        try:
            with self._reading:
                self._reader.write(both)
        except OutboxError:
            with self._noting:
                for name, value in notes.sums.items():
                    self._notes.count(name, value)
                if not self._notes.error:
                    self._notes.error, self._notes.error_at = notes.error, notes.error_at
            raise

    def _write_notes(self) -> None:
        try:
            self._change(lambda database: None)
        except OutboxError as error:
            log.warning("%s", error)
