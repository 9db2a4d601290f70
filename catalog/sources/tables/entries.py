"""Turn a table's rows into entries: fields, attributes and places of photos."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from catalog.sources.plain_text import plain_text
from catalog.sources.rows import Table
from catalog.sources.source import FIELDS, Remarks, as_text
from catalog.sources.tables.columns import Columns
from catalog.sources.tables.photo_cell import photo_places

AS_THEY_ARE = ("sku", "url")  # fields that are no text for people


GUARDED = re.compile(r'="(.*)"|\'(\d+)')  # against spreadsheet programs: ="007", '007


@dataclass(frozen=True)
class Entry:
    """A row of a table, or several that are one item.

    Attributes:
        where: Where it is in the file, such as "line 3".
        fields: Its filled fields, and its attributes by the small letters of their columns.
        photos: The places of its photos by column; a column without any is left out.
    """

    where: str
    fields: dict[str, str]
    photos: dict[str, tuple[str, ...]]

    @property
    def places(self) -> tuple[str, ...]:
        """Return the places of all its photos."""
        return tuple(place for places in self.photos.values() for place in places)


def read_entries(table: Table, columns: Columns, folder: Path, remarks: Remarks) -> Iterator[Entry]:
    """Yield the entries of a table; leave out a row whose photos cannot be told."""
    fields_of = defaultdict(list)
    for field, name in columns.fields.items():
        fields_of[name].append(field)
    for name in columns.others:
        small = name.lower()
        fields_of[name].append(f"{small} (2)" if small in FIELDS else small)
    for where, row in table.rows:
        fields = {}
        for name, value in row.items():
            text = _unguarded(as_text(value)) if name in fields_of else ""
            if text:
                for field in fields_of[name]:
                    fields[field] = text if field in AS_THEY_ARE else plain_text(text)
        try:
            photos = {
                name: tuple(photo_places(row[name], folder))
                for name in columns.photos
                if name in row
            }
        except ValueError as error:
            remarks.leave_out(where, str(error))
            continue
        yield Entry(where, fields, {name: places for name, places in photos.items() if places})


def _unguarded(text: str) -> str:
    """Return text without what keeps a spreadsheet program from taking it for a number."""
    found = GUARDED.fullmatch(text) if text[:1] in ("=", "'") else None
    return (found[1] or found[2] or "").strip() if found else text
