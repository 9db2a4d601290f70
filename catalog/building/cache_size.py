"""Tell how large the build cache is, and remove what no build used for the longest time."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

TABLES = {  # of the cache's database, and what is counted of a row
    "features": "length(vector) + length(thumbnail)",
    "details": "length(details)",
    "printed": "length(lines)",
}
CONTENT = {
    "features": "vectors and thumbnails",
    "details": "colours and local features",
    "printed": "printed words",
}
ADDRESSES = "fetched photos"
OVERHEAD = 200  # bytes of a row that are not its content
DAY = 86_400  # seconds


@dataclass(frozen=True)
class CachePart:
    """A part of the build cache.

    Attributes:
        content: What it holds.
        made_by: The id of the network, or the versions, that its rows were made with.
        entries: How many there are.
        bytes: How much they take.
        used: The last day of a build that used any of them; None where it is not known.
    """

    content: str
    made_by: str
    entries: int
    bytes: int
    used: date | None


@dataclass(frozen=True)
class _Entry:
    """A row or a file that may leave; `day` is that of its last use, since 1970."""

    day: int
    bytes: int
    table: str
    key: str


def today() -> int:
    """Return the number of today, since 1970."""
    return (datetime.now(UTC).date() - date(1970, 1, 1)).days


def note_use(database: sqlite3.Connection, used: Mapping[str, Collection[str]]) -> None:
    """Note that rows, by table and key, were used today."""
    rows = [(table, key, today()) for table, keys in used.items() for key in keys]
    with database:
        database.executemany("insert or replace into used values (?, ?, ?)", rows)


def parts(database: sqlite3.Connection, addresses: Path) -> list[CachePart]:
    """Return the parts of the cache."""
    found: dict[tuple[str, str], list[_Entry]] = {}
    for entry in _entries(database, addresses):
        content = CONTENT.get(entry.table, ADDRESSES)
        made_by = entry.key.partition("-")[2] if entry.table in CONTENT else ""
        if entry.table == "features":  # the key of a query names its photo, too
            made_by = entry.key.rsplit("-", 2)[-2]
        elif entry.table == "details":
            made_by = "-".join(entry.key.rsplit("-", 4)[-4:])
        found.setdefault((content, made_by), []).append(entry)
    return [
        CachePart(
            content,
            made_by,
            len(entries),
            sum(entry.bytes for entry in entries),
            _date(max(entry.day for entry in entries)),
        )
        for (content, made_by), entries in sorted(found.items())
    ]


def prune(
    database: sqlite3.Connection,
    addresses: Path,
    limit: int,
    keep: Mapping[str, Collection[str]] | None = None,
) -> int:
    """Remove what was not used for the longest time until the rest has `limit` bytes at most.

    Args:
        database: The cache's.
        addresses: The folder of fetched photos.
        limit: In bytes.
        keep: Rows, by table and key, that stay in any case.

    Returns:
        How many bytes were removed.
    """
    entries = sorted(_entries(database, addresses), key=lambda entry: entry.day)
    excess = sum(entry.bytes for entry in entries) - limit
    kept = {table: set(keys) for table, keys in (keep or {}).items()}
    leaving: list[_Entry] = []
    removed = 0
    for entry in entries:
        if removed >= excess:
            break
        if entry.key not in kept.get(entry.table, ()):
            leaving.append(entry)
            removed += entry.bytes
    with database:
        for table in TABLES:
            keys = [(entry.key,) for entry in leaving if entry.table == table]
            database.executemany(f"delete from {table} where key = ?", keys)  # noqa: S608
            database.executemany(f"delete from used where tab = '{table}' and key = ?", keys)  # noqa: S608
    for entry in leaving:
        if entry.table == ADDRESSES:
            for file in (addresses / entry.key, addresses / f"{entry.key}.json"):
                file.unlink(missing_ok=True)
    return removed


def _entries(database: sqlite3.Connection, addresses: Path) -> list[_Entry]:
    found = [
        _Entry(day or 0, size + OVERHEAD, table, key)
        for table, content in TABLES.items()
        for key, size, day in database.execute(
            f"select {table}.key, {content}, day from {table} "  # noqa: S608
            f"left join used on tab = '{table}' and used.key = {table}.key"
        )
    ]
    for file in addresses.iterdir() if addresses.is_dir() else ():
        if not file.suffix and not file.name.startswith("."):
            status = file.stat()
            found.append(_Entry(int(status.st_mtime) // DAY, status.st_size, ADDRESSES, file.name))
    return found


def _date(day: int) -> date | None:
    return date.fromordinal(date(1970, 1, 1).toordinal() + day) if day else None
