"""A table as every reader hands it over: names of columns, and rows by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TableRow = tuple[str, dict[str, object]]  # where it is in the file, and its filled cells by column


@dataclass(frozen=True)
class Table:
    """The columns and rows of a table.

    Attributes:
        columns: Their names, each once; empty for a column without a name.
        rows: The rows, read when they are asked for.
        header: Where the columns are named, such as "line 1"; None where each row does so.
        meaning: What was taken for what, where the names of columns do not say it.
    """

    columns: Sequence[str]
    rows: Iterable[TableRow]
    header: str | None
    meaning: str = ""


def table_of(rows: Iterable[TableRow], meaning: str = "") -> Table:
    """Return a table of rows that name their columns themselves."""
    spellings: dict[str, str] = {}  # by small letters: rows may write a name differently
    listed = [
        (where, {spellings.setdefault(name.lower(), name): cell for name, cell in row.items()})
        for where, row in rows
    ]
    return Table(list(spellings.values()), listed, None, meaning)


def distinct_names(cells: Sequence[str]) -> list[str]:
    """Return the names of columns; one that comes again, in letters of any size, gets a number."""
    names: list[str] = []
    seen: set[str] = set()
    for cell in cells:
        name, number = cell.strip(), 2
        while name and name.lower() in seen:
            name, number = f"{cell.strip()} ({number})", number + 1
        seen.add(name.lower())
        names.append(name)
    return names


def fault_of(row: dict[str, object]) -> str | None:
    """Return why a row cannot be stored as JSON in UTF-8, or None."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "holds half a character"
    except RecursionError:
        return "is nested too deeply"
    return None
