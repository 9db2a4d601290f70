"""The sightings on the disk: ``history.db`` in the state folder, an SQLite database.

What was named is kept for a year. What it looked like is kept only where the settings allow it,
for fewer days, in a bounded room. What comes within five minutes shares a transaction, because
each one wears the disk: a power cut, or a kill, may take these minutes.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.core.errors import ShelfError
from edge.sighting import Sighting
from edge.state_database import open_database
from sync.outbox import clock
from sync.outbox.clock import Moment

FILE = "history.db"
MOST = 100_000  # sightings
LONGEST_DAYS = 365.0
DAY_S = 86_400.0
PAGE = 500  # rows that are read at a time
GATHER_S = 300.0  # from the first of the sightings that share a transaction to its end
TIDIED = 20  # sightings from one removal of what is too old or too much to the next

SCHEMA = """
pragma secure_delete = on;
create table if not exists sightings (
    number integer primary key autoincrement, id text unique not null, at real not null,
    answer text not null, sku text not null, title text not null, sure real not null,
    others text not null, code text not null, unknown_gtin text not null, bundle text not null,
    chosen text not null default '', wanted integer not null default 0);
create index if not exists sightings_by_time on sightings (at);
create table if not exists looks (
    id text primary key references sightings (id) on delete cascade, at real not null,
    size integer not null, jpeg blob not null, network text not null, features blob not null);
create index if not exists looks_by_time on looks (at, size);
"""
COLUMNS = (
    "number, sightings.id, sightings.at, answer, sku, title, sure, others, code, unknown_gtin, "
    "bundle, chosen, wanted, looks.id is not null"
)


@dataclass(frozen=True)
class Retention:
    """Which looks are kept.

    Attributes:
        looks: Whether any are.
        days: For how many days.
        megabytes: How much room they may take.
    """

    looks: bool = False
    days: float = 30.0
    megabytes: float = 200.0


@dataclass(frozen=True)
class Filters:
    """Which sightings are asked for; the empty ones leave nothing out.

    Attributes:
        answer: "match", "one_of", "perhaps" or "unknown".
        text: Part of a title, a sku or a code.
        since, until: Between two times, in Unix seconds.
        asked: Only those of which a visitor told the staff, or chose an item.
    """

    answer: str = ""
    text: str = ""
    since: float = 0.0
    until: float = float("inf")
    asked: bool = False


@dataclass(frozen=True)
class Entry:
    """A sighting that was kept.

    Attributes:
        number: Its running number.
        id: The sighting's id.
        at: When, in Unix seconds.
        answer: "match", "one_of", "perhaps" or "unknown".
        sku, title: The item that came first; empty where none was shown.
        sure: The confidence in it.
        others: The titles of the further items that were shown.
        code: The code that named the item; empty where none did.
        unknown_gtin: The product number that was read and that no item has; empty for none.
        bundle: The catalogue that was asked.
        chosen: The sku of the item that a visitor chose of those shown; empty for none.
        wanted: Whether a visitor asked to tell the staff.
        has_look: Whether its look is kept.
    """

    number: int
    id: str
    at: float
    answer: str
    sku: str
    title: str
    sure: float
    others: tuple[str, ...]
    code: str
    unknown_gtin: str
    bundle: str
    chosen: str
    wanted: bool
    has_look: bool


@dataclass(frozen=True)
class KeptLook:
    """An entry's look as the network saw it: its raw output, float32 (d,)."""

    entry: Entry
    features: NDArray[np.float32]


class History:
    """The file in the state folder. Many threads may use it at once.

    Args:
        folder: The state folder.
        retention: Which looks are kept; what is kept beyond that is removed at once.

    Raises:
        ShelfError: The file cannot be opened or made.
    """

    def __init__(self, folder: Path, retention: Retention) -> None:
        self.path, self.retention = folder / FILE, retention
        self._lock = threading.RLock()
        self._connection = open_database(self.path, SCHEMA, alone=True)
        self._connection.create_function("folded", 1, str.casefold, deterministic=True)
        self._added = 0
        self._begun_at = 0.0  # the open transaction, in monotonic seconds
        self.forget_old(clock.now())
        self._overwrite()

    def close(self) -> None:
        """Write what was gathered, and close the file."""
        with self._lock:
            with suppress(ShelfError):  # the disk fails; what it has stays
                self.commit()
            self._connection.close()

    def commit(self) -> None:
        """Write what was gathered.

        Raises:
            ShelfError: It cannot be written, and is forgotten.
        """
        with self._lock:
            try:
                self._connection.commit()
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    self._connection.rollback()
                raise ShelfError(f"{self.path.name}: cannot be written: {error}") from error

    def add(self, sighting: Sighting, network: str, features: NDArray[np.float32] | None) -> None:
        """Keep a sighting, and its look where the settings allow it.

        Args:
            sighting: The sighting.
            network: The id of the network that saw it.
            features: The network's raw output, float32 (d,); None where it is not known.

        Raises:
            ShelfError: It cannot be written.
        """
        shown = sighting.matches or sighting.guesses
        first = shown[0] if shown else None
        row = (
            sighting.id,
            sighting.at,
            sighting.verdict.value,
            first.item.sku if first else "",
            first.item.title if first else "",
            first.confidence if first else 0.0,
            json.dumps([other.item.title for other in shown[1:]], ensure_ascii=False),
            sighting.code[:200],
            sighting.unknown_gtin,
            sighting.bundle,
        )
        names = "id, at, answer, sku, title, sure, others, code, unknown_gtin, bundle"
        self._write(f"insert or ignore into sightings ({names}) values ({_marks(row)})", row)  # noqa: S608 - constants
        if self.retention.looks and sighting.crop_jpeg:
            jpeg = sighting.crop_jpeg
            blob = b"" if features is None else np.asarray(features, np.float32).tobytes()
            look = (sighting.id, sighting.at, len(jpeg), jpeg, network, blob)
            self._write(f"insert or ignore into looks values ({_marks(look)})", look)  # noqa: S608 - a constant
        self._added += 1
        if self._added % TIDIED == 0:
            self.forget_old(Moment(sighting.at, clock.now().trusted))

    def choose(self, sighting: str, sku: str) -> None:
        """Note that a visitor chose an item of those shown."""
        self._write("update sightings set chosen = ? where id = ?", (sku, sighting))

    def want(self, sighting: str) -> None:
        """Note that a visitor asked to tell the staff."""
        self._write("update sightings set wanted = 1 where id = ?", (sighting,))

    def entries(self, filters: Filters, before: int, limit: int) -> list[Entry]:
        """Return sightings, the newest first.

        Args:
            filters: Which ones.
            before: Only those with a smaller number; 0 for all.
            limit: How many at most.
        """
        where = ["(number < ? or ? = 0)", "sightings.at >= ?", "sightings.at < ?"]
        values: list[object] = [before, before, filters.since, filters.until]
        if filters.answer:
            where.append("answer = ?")
            values.append(filters.answer)
        if filters.text:
            # SQLite's own lower() knows the letters of English alone
            words = "title || ' ' || sku || ' ' || code || ' ' || others"
            where.append(f"instr(folded({words}), ?) > 0")
            values.append(filters.text.casefold())
        if filters.asked:
            where.append("(wanted or chosen != '')")
        return self._entries(" and ".join(where), values, limit)

    def all(self, filters: Filters) -> Iterator[Entry]:
        """Yield all sightings that the filters leave, the newest first."""
        before = 0
        while rows := self.entries(filters, before, PAGE):
            yield from rows
            before = rows[-1].number

    def find(self, sighting: str) -> Entry | None:
        """The sighting with this id, or None."""
        return next(iter(self._entries("sightings.id = ?", (sighting,), 1)), None)

    def look(self, sighting: str) -> bytes | None:
        """The JPEG of a look, or None."""
        rows = self._rows("select jpeg from looks where id = ?", (sighting,))
        return bytes(rows[0][0]) if rows else None

    def unnamed(self, limit: int) -> list[Entry]:
        """Return the newest sightings of which nothing was named."""
        return self._entries("answer in ('unknown', 'perhaps')", (), limit)

    def unnamed_looks(self, network: str, limit: int) -> list[KeptLook]:
        """Return the newest looks of which nothing was named, as this network saw them."""
        rows = self._rows(
            f"select {COLUMNS}, features from sightings join looks using (id) "  # noqa: S608 - constants
            "where answer in ('unknown', 'perhaps') and network = ? and length(features) > 0 "
            "order by number desc limit ?",
            (network, limit),
        )
        return [KeptLook(_entry(row[:-1]), np.frombuffer(row[-1], np.float32)) for row in rows]

    def forget(self) -> None:
        """Remove everything."""
        self._write("delete from sightings")
        self._write("delete from looks")
        self._overwrite()

    def forget_old(self, now: Moment) -> None:
        """Remove what is too old or too much, counted from `now`.

        Sightings go by their age only where the clock is trusted: one start with a clock in the
        future would take all. Pictures go in any case, rather too early than too late.
        """
        days = self.retention.days if self.retention.looks else 0.0
        self._write("delete from looks where at < ? or ? = 0", (now.at - days * DAY_S, days))
        room = self.retention.megabytes * 1e6
        self._write(
            "delete from looks where id in (select id from (select id, "
            "sum(size) over (order by at desc, id desc) as together from looks) "
            "where together > ?)",
            (room,),
        )
        if now.trusted:
            self._write("delete from sightings where at < ?", (now.at - LONGEST_DAYS * DAY_S,))
        self._write(
            "delete from sightings where number <= (select max(number) from sightings) - ?", (MOST,)
        )

    def _overwrite(self) -> None:
        """Overwrite what was removed, in the file and in its log."""
        with self._lock:
            self.commit()
            try:
                self._connection.execute("pragma wal_checkpoint(truncate)")
            except sqlite3.Error as error:
                raise ShelfError(f"{self.path.name}: cannot be written: {error}") from error

    def _entries(self, where: str, values: Sequence[object], limit: int) -> list[Entry]:
        rows = self._rows(
            f"select {COLUMNS} from sightings left join looks using (id) where {where} "  # noqa: S608
            "order by number desc limit ?",
            (*values, limit),
        )
        return [_entry(row) for row in rows]

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        with self._lock:
            try:
                return self._connection.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise ShelfError(f"{self.path.name}: cannot be read: {error}") from error

    def _write(self, sql: str, values: Sequence[object] = ()) -> None:
        with self._lock:
            try:
                if not self._connection.in_transaction:
                    self._connection.execute("begin")
                    self._begun_at = time.monotonic()
                self._connection.execute(sql, values)
            except sqlite3.Error as error:
                raise ShelfError(f"{self.path.name}: cannot be written: {error}") from error
            if time.monotonic() - self._begun_at >= GATHER_S:
                self.commit()


def _entry(row: Sequence[Any]) -> Entry:
    number, id_, at, answer, sku, title, sure, others, code, gtin, bundle, chosen, wanted, look = (
        row
    )
    return Entry(
        number, id_, at, answer, sku, title, sure, tuple(json.loads(others)), code, gtin, bundle,
        chosen, bool(wanted), bool(look),
    )  # fmt: skip


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
