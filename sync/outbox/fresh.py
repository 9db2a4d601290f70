"""The newest entries of an outbox, in a file beside its database: less of them wears a memory card.

A transaction of SQLite writes several pages to its log, the same pages to the database later, and
an index of the log. Here a new entry is one line, and most often one block of the disk. The lines
come into the database once the file is full, or something else changes there; events that were sent
by then never do. Until then whoever reads brings them in, and rolls back.

The file keeps its size, so that a flush writes no more than the block. A *generation* of lines
begins at its beginning. The database says which generation it has taken in last: the lines of the
next one count, all others will be overwritten.

All of this happens in a transaction that has the database's write lock, but for who only looks.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from catalog.core import durable
from sync.outbox import counting, rows
from sync.outbox.clock import Moment, now
from sync.outbox.fresh_lines import LONGEST, Line, line_at, newest_generation, written
from sync.outbox.integrity import UNKNOWN_KIND
from sync.outbox.rows import DAY_S
from sync.outbox.stored import Counters, RenderedEvent, StoredEvent

ENDING = "-fresh"  # of the file's name, behind the database's
BLOCK = 4096  # bytes that are written at least
BYTES = 16 * BLOCK  # of the file
MOST = BYTES // 64  # events of lost lines: more do not fit, so the database's number is wrong

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """What is to be remembered: new events, removed ones, what counters gain."""

    events: tuple[RenderedEvent, ...] = ()
    removed: tuple[StoredEvent, ...] = ()
    counts: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing."""
        return not (self.events or self.removed or any(self.counts.values()))


class FreshEntries:
    """The entries in `file`, which `make` has made, that are not in its database yet.

    Attributes:
        stream: The database's.
        events: Those that are still needed, by their number.
        counts: What they add to counters.
        lost: Numbers of events whose line is damaged.

    Raises:
        OSError: The file cannot be used.
    """

    def __init__(self, file: Path) -> None:
        self._path = file
        self._file = _opened(file)
        self.stream = ""
        self._next: int | None = None  # the number of the next event; None where it is not known
        self._begin(0)

    def _begin(self, generation: int) -> None:
        self._generation: int = generation
        self._content: bytes = b""
        self._end: int = 0
        self._failed: bool = False
        self.counts = Counter[str]()
        self.events: dict[int, RenderedEvent] = {}
        self.lost: set[int] = set()

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def content(self) -> bytes:
        """The content of the file.

        Raises:
            OSError: It cannot be read.
        """
        return os.pread(self._file, BYTES, 0)

    def read(self, stream: str, newest: int | None, generation: int, content: bytes) -> None:
        """Read what has come into this generation since the last time.

        Args:
            stream: The database's.
            newest: The database's newest number, behind which they begin; None: it is not known.
            generation: Of the entries that are read.
            content: Of the file.
        """
        if generation != self._generation:
            self._begin(generation)
        if self.is_empty:
            self.stream, self._next = stream, None if newest is None else newest + 1
        if content != self._content:
            while self._end < len(content):
                line, end = line_at(content, self._end, generation)
                if line is None:  # the end, or half written when the power was cut
                    break
                self._take(line)
                self._end = end
            self._content = content

    @property
    def is_empty(self) -> bool:
        """Whether there is no entry."""
        return not self._end

    @property
    def newest(self) -> int:
        """The newest number, of the database too."""
        return (self._next or 1) - 1

    @property
    def size(self) -> int:
        """Bytes of the events that count against the outbox's limit."""
        return sum(event.size for event in self.events.values())

    def has_expired(self, now: Moment, max_days: float) -> bool:
        """Whether there are events older than `max_days`, by clocks that are trusted."""
        moments = [event.moment for event in self.events.values() if event.moment.trusted]
        return now.trusted and any(then.at < now.at - max_days * DAY_S for then in moments)

    def line_of(self, entry: Entry) -> bytes:
        """The line that says it; empty where it must go to the database at once."""
        if self._failed or not all(self._has(event) for event in entry.removed):
            return b""
        assert self._next is not None
        numbers = [event.sequence for event in entry.removed]
        line = written(Line(self._generation, self._next, entry.events, numbers, entry.counts))
        return line if len(line) <= LONGEST and self._end + len(line) < BYTES else b""

    def append(self, line: bytes) -> None:
        """Write a line; it is durable when this returns.

        Raises:
            OSError: It could not be written. All that follows goes to the database then: another
                attempt to flush might succeed without having written it. The line may be read,
                so what it adds to counters may be counted twice; its events are the same ones.
        """
        data = line + bytes(-(self._end + len(line)) % BLOCK or BLOCK)
        try:
            if os.pwrite(self._file, data, self._end) < len(data):
                raise OSError(f"{self._path}: only a part could be written")
            os.fdatasync(self._file)
        except OSError:
            self._failed = True
            raise

    def bring_in(self, database: sqlite3.Connection) -> None:
        """Bring all entries into the database; they are no fresh ones when that is committed."""
        if self.is_empty and not self._failed:
            return
        rows.append(database, list(self.events.values()), list(self.events))
        assert self._next is not None
        rows.raise_newest_sequence(database, self._next - 1)
        for name, number in self.counts.items():
            counting.count(database, name, number)
        if self.lost:
            counting.count_drops(database, {("damage", UNKNOWN_KIND): len(self.lost)})
        rows.mark_taken_in(database, self._generation)

    def _has(self, event: StoredEvent) -> bool:
        own = self.events.get(event.sequence) if event.stream == self.stream else None
        return own is not None and own.id == event.id

    def _take(self, line: Line) -> None:
        if self._next is not None and line.first > self._next:
            log.error("%s: %d events are damaged", self._path, line.first - self._next)
            self.lost |= set(range(max(self._next, line.first - MOST), line.first))
        self.events |= dict(enumerate(line.events, line.first))
        self._next = line.first + len(line.events)
        for number in line.removed:
            if self.events.pop(number, None) or number in self.lost:
                self.lost.discard(number)
                self.counts["acknowledged"] += 1
        self.counts.update(line.counts)


def counters_of(database: sqlite3.Connection, fresh: FreshEntries | None) -> Counters:
    """The counters of an outbox, with what its fresh entries add."""
    if fresh is None:
        return counting.counters(database, now())
    gained = {**fresh.counts, "length": len(fresh.events), "bytes": fresh.size}
    first = next((event.moment for event in fresh.events.values()), None)
    return counting.counters(database, now(), gained, first, len(fresh.lost))


def not_taken_in(
    database: Path, newest: int | None, taken_in: int | None
) -> tuple[list[RenderedEvent], int]:
    """The fresh events of a damaged database that has such a file, and how many of them are lost.

    Args:
        database: The file.
        newest: The newest number in it; None where that is not known.
        taken_in: The newest generation that it has taken in; None likewise.

    Raises:
        OSError: They cannot be read, or are missing.
    """
    file = Path(f"{database}{ENDING}")
    # Where a flipped bit hides the only line of the next generation, reading that mends it.
    generation = max(generation_in(file), (taken_in or 0) + 1)
    with closing(FreshEntries(file)) as entries:
        entries.read("", newest, generation, entries.content())
    return list(entries.events.values()), len(entries.lost)


def generation_in(file: Path) -> int:
    """The newest generation that has a line in a file; 0 where there is none.

    Raises:
        OSError: It cannot be read.
    """
    opened = _opened(file)
    try:
        return newest_generation(os.pread(opened, BYTES, 0))
    finally:
        os.close(opened)


def make(file: Path) -> None:
    """Make a file without entries; all but its name is durable when this returns.

    Raises:
        OSError: It cannot be made.
    """
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, durable.PRIVATE)
    try:
        # One by one: of blocks that were written together, the kernel may keep one large page, and
        # then it writes all of them whenever one has changed.
        for start in range(os.fstat(opened).st_size, BYTES, BLOCK):
            os.pwrite(opened, bytes(BLOCK), start)
        os.fsync(opened)
    finally:
        os.close(opened)


def is_whole(file: Path) -> bool:
    """Whether the file is there with its size.

    Raises:
        OSError: That cannot be told.
    """
    try:
        return file.stat().st_size >= BYTES
    except FileNotFoundError:
        return False


def _opened(file: Path) -> int:
    opened = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    try:
        # What is read ahead together, the kernel counts as one when a part of it is written.
        os.posix_fadvise(opened, 0, BYTES, os.POSIX_FADV_RANDOM)
    except OSError:
        os.close(opened)
        raise
    return opened
