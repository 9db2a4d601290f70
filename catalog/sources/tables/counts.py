"""Find columns that are called photos and hold how many there are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

from catalog.sources.rows import Table
from catalog.sources.source import ColumnMap
from catalog.sources.tables.column_names import field_of

LOOKED_AT = 100  # rows


def find_counts(table: Table, chosen: ColumnMap, folder: Path) -> tuple[Table, Sequence[str]]:
    """Return the columns that only their names say hold photos, and whose cells are whole numbers.

    The first rows tell it, and only as many are read as it takes; the table is returned with all
    its rows. A number that is the name of a file in `folder` is a photo.
    """
    if "photo" in chosen or table.header is None:
        return table, ()
    open_columns = {
        name for name in table.columns if (field_of(name) or ("",))[0] in ("photo", "file")
    }
    counts: set[str] = set()
    rows = iter(table.rows)
    seen = []
    for where, row in islice(rows, LOOKED_AT):
        seen.append((where, row))
        for name in open_columns & row.keys():
            cell = str(row[name]).strip()
            if cell.isdecimal() and not os.path.isfile(folder / cell):
                counts.add(name)
            else:
                open_columns.remove(name)
                counts.discard(name)
        if not open_columns:
            break
    found = [name for name in table.columns if name in counts]
    return replace(table, rows=chain(seen, rows)), found
