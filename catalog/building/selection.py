"""Select items of a stored catalogue by what is in their fields, in the words of SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from catalog.building.stored_catalogue import StoredItem
from catalog.core.errors import ContentError
from catalog.sources.source import Remarks
from catalog.sources.tables.csv_rows import read_csv
from catalog.sources.tables.encoding import decode

FIELDS = ("sku", "title", "price", "url", "location")
NUMBER = '" number"'  # no column of a table begins with a space
ALLOWED = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION)


class Selection:
    """The items of a catalogue as a table whose columns are their fields and attributes.

    Args:
        items: The items.
        assortments: A CSV table with the column sku and others, which are columns here, too. An
            item may be in many of its rows, or in none, and then is selected by none.
    """

    def __init__(self, items: Sequence[StoredItem], assortments: Path | None = None) -> None:
        self._items = items
        self._database = sqlite3.connect(":memory:")
        attributes = dict.fromkeys(
            name.lower() for stored in items for name in stored.item.attributes
        )
        columns = list(dict.fromkeys([*FIELDS, *attributes]))
        self._create("items", [NUMBER[1:-1], *columns], _cells(items, columns))
        self._source = "items"
        if assortments is not None:
            names, rows = _read(assortments)
            taken = set(names[1:]) & set(columns)
            if taken:
                raise ContentError(f"{assortments}: the items have a column {min(taken)}, too")
            self._create("assortments", names, rows)
            self._source = "items join assortments using (sku)"
            columns += names[1:]
        self.columns = columns
        self._database.set_authorizer(_authorize)

    def select(self, condition: str, value: str | None = None) -> list[StoredItem]:
        """Return the items for which a condition holds, in their order.

        Args:
            condition: An expression of SQLite over the columns, as "store = '42'".
            value: What stands for a question mark in it.

        Raises:
            ContentError: The condition cannot be understood, or holds for no item.
        """
        query = f"distinct {NUMBER} from {self._source} where ({condition})"
        numbers = self._ask(query, value)
        if not numbers:
            raise ContentError(f"{condition}: holds for none of the {len(self._items)} items")
        if any(number not in range(len(self._items)) for number in numbers):
            raise ContentError(f"select {query}: selects something else than items")
        return [self._items[number] for number in sorted(map(int, numbers))]

    def values(self, column: str) -> list[str]:
        """Return the different values of a column that are not empty, sorted.

        Raises:
            ContentError: There is no such column, or it is empty.
        """
        if column.lower() not in self.columns:
            raise ContentError(f"no column {column}; there are {', '.join(self.columns)}")
        found = self._ask(f"distinct {_quoted(column)} from {self._source}", None)
        values = sorted(value for value in found if value)
        if not values:
            raise ContentError(f"the column {column} is empty")
        return values

    def having(self, column: str, value: str) -> list[StoredItem]:
        """Return the items that have a value in a column."""
        return self.select(f"{_quoted(column)} = ?", value)

    def _create(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        names = ", ".join(map(_quoted, columns))
        places = ", ".join("?" * len(columns))
        self._database.execute(f"create table {table} ({names})")
        self._database.executemany(f"insert into {table} values ({places})", rows)  # noqa: S608
        self._database.execute(f"create index {table}_sku on {table} (sku)")

    def _ask(self, query: str, value: str | None) -> list[Any]:
        try:
            rows = self._database.execute(f"select {query}", () if value is None else (value,))
            return [row[0] for row in rows]
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            raise ContentError(
                f"select {query}: {error}; the columns are {', '.join(self.columns)}"
            ) from error


def _cells(items: Sequence[StoredItem], columns: Sequence[str]) -> Iterable[list[object]]:
    for number, stored in enumerate(items):
        cells = {name.lower(): text for name, text in stored.item.attributes.items()}
        cells |= {name: getattr(stored.item, name) for name in FIELDS}
        yield [number, *(cells.get(name, "") for name in columns)]


def _read(table: Path) -> tuple[list[str], list[list[object]]]:
    """Return the columns of a table of assortments, sku first, and its rows."""
    remarks = Remarks(table)
    try:
        text = decode(table.read_bytes(), remarks)
    except OSError as error:
        raise ContentError(f"{table}: cannot be read: {error.strerror}") from error
    read = read_csv(text, {}, remarks)
    spelled = {name.lower(): name for name in read.columns if name}
    if "sku" not in spelled:
        raise ContentError(f"{table}: no column named sku")
    names = ["sku", *(name for name in spelled if name != "sku")]
    rows = [[row.get(spelled[name], "") for name in names] for _, row in read.rows]
    if remarks.left_out:
        raise ContentError(remarks.left_out[0])
    return names, rows


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _authorize(action: int, argument: str | None, *_: object) -> int:
    """Let a condition read the tables, and do nothing else."""
    return sqlite3.SQLITE_OK if action in ALLOWED else sqlite3.SQLITE_DENY
