"""Write events to disk from a thread of its own, many in one transaction."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import Counter, deque
from pathlib import Path

from catalog.core.state import boot_id
from sync.errors import EventError, OutboxError
from sync.outbox import counting, rows
from sync.outbox.clock import now, timestamp
from sync.outbox.database import OutboxDatabase
from sync.outbox.events import Event, render, status
from sync.outbox.fresh import Entry, FreshEntries
from sync.outbox.kinds import PRIORITY, Kind
from sync.outbox.stored import RenderedEvent
from sync.settings import OutboxSettings

MAX_WAITING = 2000  # events in memory while the disk cannot be written
MAX_BATCH = 500  # events in one transaction
HOUSEKEEPING_S = 600.0  # between two checks for events that are too old; each wears the disk
MAX_DETAILS = 20  # of a status event
REPORT_DROPS_S = 300.0  # between two reports of dropped events, at least
RETRY_S = (0.1, 5.0)  # first and longest pause while the disk cannot be written

log = logging.getLogger(__name__)


class Ticket:
    """Says when an event is durable.

    Attributes:
        durable: Whether the event is on disk; None until that is known, False for a dropped event.
    """

    __slots__ = ("_changed", "durable")

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self.durable: bool | None = None  # None while it is not known

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the event is on disk, where it survives a power cut.

        Returns:
            Whether it is; False after `timeout` seconds, or at once where it was dropped.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.durable is not None, timeout)
            return self.durable is True


class Writer:
    """Writes events to the outbox in `file` from a thread of its own.

    Attributes:
        changed: Notified after each transaction, and when the thread ends.
        commits: Transactions so far.
        closing: Set by `close`.
    """

    def __init__(self, file: Path, settings: OutboxSettings, device: str) -> None:
        self.changed = threading.Condition()
        self.commits = 0
        self.closing = False
        self._settings = settings
        self._device = device
        self._boot = boot_id()
        self._file = OutboxDatabase(file)
        self._work = threading.Condition()
        self._waiting: deque[tuple[Event, Ticket]] = deque()
        self._batch_size = 0  # so many of the first ones are in the current transaction
        self._dropped: Counter[tuple[str, str]] = Counter()  # (reason, kind), not in the file yet
        self._error = ("", "")  # a sentence, and its time; empty while the disk can be written
        self._cleaned_at = -HOUSEKEEPING_S
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def put(self, event: Event) -> Ticket:
        """Take an event; returns at once."""
        ticket = Ticket(self.changed)
        with self._work:
            if self.closing:
                ticket.durable = False
                return ticket
            self._waiting.append((event, ticket))
            full = len(self._waiting) > MAX_WAITING
            dropped = self._drop_lowest() if full else None
            self._work.notify()
        if dropped is not None:
            self._resolve([dropped], durable=False)
        return ticket

    def count_drop(self, kind: Kind) -> None:
        """Count an event that was dropped before it came here, because memory was full."""
        with self._work:
            self._dropped["memory", kind] += 1

    def state(self) -> tuple[int, Counter[str], tuple[str, str]]:
        """The number of events in memory, the drops by reason that are not on disk yet, the error.

        The error is a sentence and its time; both are empty while the disk can be written.
        """
        with self._work:
            dropped: Counter[str] = Counter()
            for (reason, _), number in self._dropped.items():
                dropped[reason] += number
            return len(self._waiting), dropped, self._error

    def close(self, timeout: float) -> bool:
        """Write the waiting events and stop; False where that takes more than `timeout` seconds."""
        with self._work:
            self.closing = True
            self._work.notify()
        self._thread.join(timeout)
        with self._work:
            left = [ticket for _, ticket in self._waiting]
        if left:
            log.error(
                "%d events could not be written: %s", len(left), self._error[0] or "no answer"
            )
        self._resolve(left, durable=False)
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause = RETRY_S[0]
        batch = self._next()
        while batch is not None:
            try:
                self._commit(batch)
            except Exception as error:  # the thread must go on after any error
                if not isinstance(error, OutboxError):
                    log.exception("the outbox's thread failed")
                if not self._error[0]:
                    log.error("events cannot be written: %s", error)
                with self._work:
                    self._error, self._batch_size = (str(error), timestamp(time.time())), 0
                if self._stopping_after(pause):
                    break
                pause = min(2 * pause, RETRY_S[1])
            else:
                if self._error[0]:
                    log.info("events can be written again")
                pause, self._error = RETRY_S[0], ("", "")
            batch = self._next()
        self._file.close()
        with self.changed:
            self.changed.notify_all()

    def _next(self) -> list[tuple[Event, Ticket]] | None:
        """Wait for the next batch: empty where housekeeping is due; None to end the thread."""
        with self._work:
            due = self._cleaned_at + HOUSEKEEPING_S
            self._work.wait_for(
                lambda: self._waiting or self.closing, max(0.0, due - time.monotonic())
            )
            if self.closing and not self._waiting:
                return None
            self._batch_size = min(len(self._waiting), MAX_BATCH)
            return [self._waiting[index] for index in range(self._batch_size)]

    def _stopping_after(self, pause: float) -> bool:
        with self._work:
            return self._work.wait_for(lambda: self.closing, pause)

    def _commit(self, batch: list[tuple[Event, Ticket]]) -> None:
        prepared, unfit = self._render(batch)
        with self._work:
            dropped = Counter(self._dropped)
        expiring = time.monotonic() - self._cleaned_at >= HOUSEKEEPING_S
        if prepared or dropped or unfit or expiring:
            lost = dropped + unfit
            self._file.note(
                Entry(tuple(prepared)),
                lambda database: self._write(database, prepared, lost, expiring=expiring),
                lambda database, fresh: (
                    not lost and self._is_plain(database, fresh, prepared, expiring=expiring)
                ),
            )
        if expiring:
            self._cleaned_at = time.monotonic()
        refused = {event.id for event, _ in batch} - {row.id for row in prepared}
        with self._work:
            self._dropped -= dropped
            for _ in batch:
                self._waiting.popleft()
            self._batch_size = 0
            self.commits += 1
        self._resolve([ticket for event, ticket in batch if event.id in refused], durable=False)
        self._resolve([ticket for event, ticket in batch if event.id not in refused], durable=True)

    def _is_plain(
        self,
        database: sqlite3.Connection,
        fresh: FreshEntries,
        prepared: list[RenderedEvent],
        *,
        expiring: bool,
    ) -> bool:
        """Whether there is nothing to do but to add the events."""
        size = counting.counter(database, "bytes") + fresh.size + sum(row.size for row in prepared)
        if size > self._settings.max_mb * 1e6 or fresh.lost or counting.unreported_damage(database):
            return False
        if _may_report_drops(database) and counting.unreported_drops(database):
            return False
        moment, days = now(), self._settings.max_age_days
        return not expiring or not (
            rows.has_expired(database, moment, days) or fresh.has_expired(moment, days)
        )

    def _write(
        self,
        database: sqlite3.Connection,
        prepared: list[RenderedEvent],
        dropped: Counter[tuple[str, str]],
        *,
        expiring: bool,
    ) -> None:
        rows.append(database, prepared)
        counting.count_drops(database, dropped)
        if expiring:
            rows.expire(database, now(), self._settings.max_age_days)
        rows.shrink(database, int(self._settings.max_mb * 1e6))
        self._report_losses(database)

    def _report_losses(self, database: sqlite3.Connection) -> None:
        """Add status events about damage and drops, in the same transaction."""
        reports = []
        if damage := counting.unreported_damage(database):
            reports.append(status("outbox_damaged", f"A new outbox was begun: {damage}"))
            counting.mark_damage_reported(database)
        if _may_report_drops(database) and (drops := counting.unreported_drops(database)):
            details = {f"{reason}_{kind}": number for (reason, kind), number in drops.items()}
            if len(details) > MAX_DETAILS:
                reasons = Counter[str]()
                for (reason, _), number in drops.items():
                    reasons[reason] += number
                details = dict(reasons)
            number = sum(drops.values())
            reports.append(
                status("dropped", f"events that will never be sent: {number}", **details)
            )
            counting.mark_drops_reported(database)
        if reports:
            rows.append(database, [self._row(event) for event in reports])

    def _render(
        self, batch: list[tuple[Event, Ticket]]
    ) -> tuple[list[RenderedEvent], Counter[tuple[str, str]]]:
        prepared, unfit = [], Counter[tuple[str, str]]()
        for event, _ in batch:
            try:
                prepared.append(self._row(event))
            except (EventError, ValueError, TypeError) as error:
                log.error("%s", error)
                unfit["unfit", event.kind] += 1
        return prepared, unfit

    def _row(self, event: Event) -> RenderedEvent:
        payload = render(event, self._device, self._boot)
        return RenderedEvent(event.id, event.kind, PRIORITY[event.kind], event.moment, payload)

    def _drop_lowest(self) -> Ticket:
        """Drop the oldest event of the lowest priority that is not in the current transaction."""
        priorities = [PRIORITY[event.kind] for event, _ in self._waiting]
        index = priorities.index(min(priorities[self._batch_size :]), self._batch_size)
        event, ticket = self._waiting[index]
        del self._waiting[index]
        self._dropped["memory", event.kind] += 1
        return ticket

    def _resolve(self, tickets: list[Ticket], *, durable: bool) -> None:
        with self.changed:
            for ticket in tickets:
                ticket.durable = durable
            self.changed.notify_all()


def _may_report_drops(database: sqlite3.Connection) -> bool:
    """Whether the last report of dropped events is long enough ago."""
    return abs(time.time() - counting.counter(database, "drops_told_at")) >= REPORT_DROPS_S
