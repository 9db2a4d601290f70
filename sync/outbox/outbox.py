"""The outbox: events wait here, on disk, until the other side has acknowledged them.

`Outbox.put` returns at once; a thread writes the events that have come since its last transaction
in the next one. Several processes may use one file, each with an `Outbox` of its own.
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
from sync.outbox import counting, rows
from sync.outbox.clock import timestamp
from sync.outbox.database import OutboxDatabase
from sync.outbox.events import Event
from sync.outbox.fresh import Entry, counters_of
from sync.outbox.integrity import REASONS
from sync.outbox.kinds import Kind
from sync.outbox.reading import read_oldest
from sync.outbox.stored import Counters, StoredEvent
from sync.outbox.writer import Ticket, Writer
from sync.settings import OutboxSettings

__all__ = ["REASONS", "Counters", "Outbox", "StoredEvent", "Ticket"]

POLL_S = 0.5  # between two checks for events of another process
COUNTERS_TIMEOUT_S = 2.0  # while another thread reads the counters
# That counts wait for a transaction: each flushes some 16 KB to a memory card, and a device may be
# offline for weeks.
MAX_PENDING_S = 600.0
NEARLY_FULL = 0.8  # of the limit; less than what dropping shrinks the outbox to

log = logging.getLogger(__name__)


@dataclass
class _PendingCounts:
    """What the reporter has counted and no transaction has written yet."""

    sums: dict[str, float] = field(default_factory=dict)
    error: str = ""
    error_at: str = ""
    since: float = field(default_factory=time.monotonic)

    def count(self, name: str, number: float) -> None:
        self.sums[name] = self.sums.get(name, 0) + number

    def write(self, database: sqlite3.Connection) -> None:
        for name, value in self.sums.items():
            counting.count(database, name, value)
        if self.error:
            counting.put_counter(database, "last_error", self.error)
            counting.put_counter(database, "last_error_at", self.error_at)


class Outbox:
    """The outbox in `file`, as one process uses it.

    Args:
        file: ``<data_dir>/outbox.db``; made when it is missing.
        settings: ``[outbox]``.
        device: This device's id, for the documents.
    """

    def __init__(self, file: Path, settings: OutboxSettings, device: str) -> None:
        self.file = file
        self._nearly_full = NEARLY_FULL * settings.max_mb * 1e6  # bytes
        self._database = OutboxDatabase(file)
        self._database_lock = threading.RLock()
        # `counters` has a connection of its own: it must not wait for the reporter.
        self._counters_database = OutboxDatabase(file)
        self._counters_lock = threading.Lock()
        self._pending = _PendingCounts()
        self._pending_lock = threading.Lock()
        self._last_error = ""
        self._seen = ("", 0)  # stream and sequence of the newest event that `oldest` has returned
        self._writer = Writer(file, settings, device)

    def put(self, event: Event) -> Ticket:
        """Take an event; returns at once, whatever disk and network do."""
        return self._writer.put(event)

    def dropped(self, kind: Kind) -> None:
        """Count an event that its maker dropped because memory was full."""
        self._writer.count_drop(kind)

    def close(self, timeout: float = 5.0) -> None:
        """Write the events that were put so far, and stop; give up after `timeout` seconds."""
        if not self._writer.close(timeout):
            return  # the disk hangs; closing the connections could hang too
        try:
            self._change(lambda database: None)  # the fresh entries come into the database, too
        except OutboxError as error:
            log.warning("%s", error)
        with self._database_lock:
            self._database.close()
        with self._counters_lock:
            self._counters_database.close()

    # For the reporter; from one thread.

    def oldest(self, count: int, after: StoredEvent | None = None) -> list[StoredEvent]:
        """The oldest events, at most `count`; with `after`, those that came after it.

        Damaged ones are set aside and counted as dropped.

        Raises:
            OutboxError: The outbox cannot be read now.
        """

        position = None if after is None else (after.stream, after.sequence)
        with self._database_lock:
            batch = read_oldest(self._database, count, position)
        last = batch.last
        self._seen = max(self._seen, last) if self._seen[0] == last[0] else last
        if batch.damaged:
            number, problem = len(batch.damaged), batch.damaged[0].problem
            events = "event was" if number == 1 else "events were"
            self.note(error=f"{number} damaged {events} set aside: {problem}")
        return batch.events

    def acknowledge(self, events: Iterable[StoredEvent]) -> None:
        """Remove events that the other side has acknowledged; durable when this returns.

        Raises:
            OutboxError: They could not be removed; unless this is repeated, they are sent again.
        """
        acknowledged = list(events)
        self._change(lambda database: rows.acknowledge(database, acknowledged), tuple(acknowledged))

    def failed(self, events: Iterable[StoredEvent], reason: str) -> None:
        """Count a failed attempt to send events; see `StoredEvent.attempts`.

        Raises:
            OutboxError: It could not be written.
        """
        failed = list(events)
        self.note(error=reason)
        self._change(lambda database: rows.count_attempt(database, failed))

    def set_aside(self, event: StoredEvent, reason: str) -> None:
        """Set an event aside that is never accepted, so that it is not sent again.

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
        """Count what the reporter did; written with its next transaction, or within ten minutes.

        An error that differs from the one before is written at once.

        Args:
            sent: Messages handed to the transport.
            offline_s: Seconds without a connection.
            latencies_s: Seconds from sending to acknowledgement, of each event.
            error: The newest error, a sentence.
        """
        latencies = list(latencies_s)
        with self._pending_lock:
            self._pending.count("sent", sent)
            self._pending.count("offline_s", offline_s)
            self._pending.count("latency_s", sum(latencies))
            self._pending.count("latencies", len(latencies))
            due = time.monotonic() - self._pending.since > MAX_PENDING_S
            if error:
                self._pending.error, self._pending.error_at = error, timestamp(time.time())
                due = due or error != self._last_error
                self._last_error = error
        if due:
            self._write_pending()

    def is_nearly_full(self) -> bool:
        """Whether events may soon be dropped for lack of room; False where it cannot be read."""
        try:
            with self._database_lock:
                size = self._database.look(
                    lambda database, fresh: (
                        counting.counter(database, "bytes") + (fresh.size if fresh else 0)
                    )
                )
        except OutboxError:
            return False
        return size >= self._nearly_full

    def wait(self, timeout: float) -> bool:
        """Wait until there are events that `oldest` has not returned yet, of any process.

        Returns:
            Whether there are; False after `timeout` seconds, or when the outbox is closing.
        """
        deadline = time.monotonic() + timeout
        writer = self._writer
        while not writer.closing:
            commits = writer.commits
            if self._has_new_events():
                return True
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            with writer.changed:
                if not writer.closing and writer.commits == commits:
                    writer.changed.wait(min(POLL_S, remaining))
        return False

    # From any thread.

    def counters(self) -> Counters:
        """Read the state of the outbox.

        Raises:
            OutboxError: It cannot be read now.
        """
        if not self._counters_lock.acquire(timeout=COUNTERS_TIMEOUT_S):
            raise OutboxError(f"{self.file}: the disk does not answer")
        try:
            found = self._counters_database.look(counters_of)
        finally:
            self._counters_lock.release()
        waiting, dropped, (error, error_at) = self._writer.state()
        found = replace(found, dropped=dict(dropped + Counter(found.dropped)), waiting=waiting)
        return replace(found, last_error=error, last_error_at=error_at) if error else found

    def _has_new_events(self) -> bool:
        try:
            with self._database_lock:
                stream, sequence = self._database.look(
                    lambda database, fresh: (
                        (fresh.stream, fresh.newest) if fresh else rows.newest_sequence(database)
                    )
                )
        except OutboxError:
            return False
        return sequence > (self._seen[1] if stream == self._seen[0] else 0)

    def _change(
        self,
        work: Callable[[sqlite3.Connection], None],
        removed: tuple[StoredEvent, ...] | None = None,
    ) -> None:
        """Run `work` and write the pending counts, in one transaction.

        Where that only removes events, those in `removed`, a fresh entry may say the same.
        """
        with self._pending_lock:
            pending, self._pending = self._pending, _PendingCounts()

        def both(database: sqlite3.Connection) -> None:
            work(database)
            pending.write(database)

        try:
            with self._database_lock:
                if removed is None or pending.error:
                    self._database.write(both)
                else:
                    self._database.note(Entry((), removed, pending.sums), both)
        except OutboxError:
            with self._pending_lock:
                for name, value in pending.sums.items():
                    self._pending.count(name, value)
                if not self._pending.error:
                    self._pending.error, self._pending.error_at = pending.error, pending.error_at
            raise

    def _write_pending(self) -> None:
        try:
            self._change(lambda database: None, ())
        except OutboxError as error:
            log.warning("%s", error)
