"""The thread that puts events on disk, many in one transaction, so that nobody waits for it."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import Counter, deque
from pathlib import Path

from catalog.core.state import boot_id
from sync.errors import EventError, OutboxError
from sync.outbox import rows
from sync.outbox.clock import now, timestamp
from sync.outbox.database import OutboxDatabase
from sync.outbox.events import WORTH, Event, Kind, render, status
from sync.outbox.rows import RenderedEvent
from sync.settings import OutboxSettings

MOST_WAITING = 2000  # events in memory, while the disk does not take them
MOST_AT_ONCE = 500  # events in one transaction
HOUSEKEEPING_S = 60.0  # between two looks for events that are too old and drops that are untold
MOST_DETAILS = 20  # of a status event
TELL_DROPS_S = 300.0  # at most one report of drops in so many seconds
RETRY_S = (0.1, 5.0)  # first and longest pause when the disk does not take events

log = logging.getLogger(__name__)


class Ticket:
    """Tells when an event is durable."""

    __slots__ = ("_changed", "durable")

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self.durable: bool | None = None  # None while that is open

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the disk; True when the event is on it and will survive a power cut.

        False after `timeout` seconds, or at once when the event was dropped.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.durable is not None, timeout)
            return self.durable is True


class Writer:
    """Writes events to the outbox in `file` from a thread of its own.

    Attributes:
        changed: Notified after each transaction, when `commits` has grown, and at the end.
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
        self._in_hand = 0  # the first so many of them are in the transaction under way
        self._lost: Counter[tuple[str, str]] = Counter()  # (reason, kind), not yet in the file
        self._error = ("", "")
        self._looked = -HOUSEKEEPING_S
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
            full = len(self._waiting) > MOST_WAITING
            dropped = self._drop_least() if full else None
            self._work.notify()
        if dropped is not None:
            self._settle([dropped], False)
        return ticket

    def count_drop(self, kind: Kind) -> None:
        """An event was dropped for want of memory before it came here."""
        with self._work:
            self._lost["memory", kind] += 1

    def state(self) -> tuple[int, Counter[str], tuple[str, str]]:
        """How many events wait in memory, drops that no transaction has counted, the trouble.

        The trouble is a sentence and its time, empty when the disk takes events.
        """
        with self._work:
            lost: Counter[str] = Counter()
            for (reason, _), number in self._lost.items():
                lost[reason] += number
            return len(self._waiting), lost, self._error

    def close(self, timeout: float) -> bool:
        """Write what is waiting and stop; False when that took more than `timeout` seconds."""
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
        self._settle(left, False)
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause = RETRY_S[0]
        batch = self._next()
        while batch is not None:
            try:
                self._commit(batch)
            except Exception as error:  # whatever it was, the thread must live on
                if not isinstance(error, OutboxError):
                    log.exception("the outbox's thread failed")
                if not self._error[0]:
                    log.error("events cannot be written: %s", error)
                with self._work:
                    self._error, self._in_hand = (str(error), timestamp(time.time())), 0
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
        """What waits, which may be nothing when it is time to look after the file; None to end."""
        with self._work:
            due = self._looked + HOUSEKEEPING_S
            self._work.wait_for(
                lambda: self._waiting or self.closing, max(0.0, due - time.monotonic())
            )
            if self.closing and not self._waiting:
                return None
            self._in_hand = min(len(self._waiting), MOST_AT_ONCE)
            return [self._waiting[place] for place in range(self._in_hand)]

    def _stopping_after(self, pause: float) -> bool:
        with self._work:
            return self._work.wait_for(lambda: self.closing, pause)

    def _commit(self, batch: list[tuple[Event, Ticket]]) -> None:
        prepared, unfit = self._render(batch)
        with self._work:
            lost = Counter(self._lost)
        expiring = time.monotonic() - self._looked >= HOUSEKEEPING_S
        if prepared or lost or unfit or expiring:
            self._file.write(
                lambda database: self._put_down(database, prepared, lost + unfit, expiring)
            )
        if expiring:
            self._looked = time.monotonic()
        refused = {event.id for event, _ in batch} - {row.id for row in prepared}
        with self._work:
            self._lost -= lost
            for _ in batch:
                self._waiting.popleft()
            self._in_hand = 0
            self.commits += 1
        self._settle([ticket for event, ticket in batch if event.id in refused], False)
        self._settle([ticket for event, ticket in batch if event.id not in refused], True)

    def _put_down(
        self,
        database: sqlite3.Connection,
        prepared: list[RenderedEvent],
        lost: Counter[tuple[str, str]],
        expiring: bool,
    ) -> None:
        rows.append(database, prepared)
        rows.count_drops(database, lost)
        if expiring:
            rows.expire(database, now(), self._settings.max_age_days)
        rows.thin(database, int(self._settings.max_mb * 1e6))
        self._tell(database)

    def _tell(self, database: sqlite3.Connection) -> None:
        """Report, in the same transaction, what was lost."""
        told = []
        if damage := rows.untold_damage(database):
            told.append(status("outbox_damaged", f"A new outbox was begun: {damage}"))
            rows.tell_damage(database)
        quiet_s = abs(time.time() - rows.counter(database, "drops_told_at"))
        if quiet_s >= TELL_DROPS_S and (drops := rows.untold_drops(database)):
            details = {f"{reason}_{kind}": number for (reason, kind), number in drops.items()}
            if len(details) > MOST_DETAILS:
                reasons = Counter[str]()
                for (reason, _), number in drops.items():
                    reasons[reason] += number
                details = dict(reasons)
            number = sum(drops.values())
            told.append(status("dropped", f"events that will never be sent: {number}", **details))
            rows.tell_drops(database)
        if told:
            rows.append(database, [self._row(event) for event in told])

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
        return RenderedEvent(event.id, event.kind, WORTH[event.kind], event.moment, payload)

    def _drop_least(self) -> Ticket:
        """Make room in memory: the oldest of the least worth goes."""
        worths = [WORTH[event.kind] for event, _ in self._waiting]
        place = worths.index(min(worths[self._in_hand :]), self._in_hand)
        event, ticket = self._waiting[place]
        del self._waiting[place]
        self._lost["memory", event.kind] += 1
        return ticket

    def _settle(self, tickets: list[Ticket], durable: bool) -> None:
        with self.changed:
            for ticket in tickets:
                ticket.durable = durable
            self.changed.notify_all()
