"""Decide which column of a table is taken for which field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.core.errors import ContentError, TableError
from catalog.sources.source import FIELDS, ColumnMap
from catalog.sources.tables.column_names import field_of, plain


@dataclass(frozen=True)
class Columns:
    """The columns of a table, by what they are taken for.

    Attributes:
        fields: The column of "sku", "title", "price", "url" and "location", where there is one.
        photos: The columns with photos.
        others: The columns that become attributes.
    """

    fields: dict[str, str]
    photos: tuple[str, ...]
    others: tuple[str, ...]

    def sentence(self, fallback: str | None = None) -> str:
        """Say what was taken for what; `fallback` is used where a row has no sku."""
        parts = [
            f"{field} from {self.fields[field]!r}"
            + (
                f", else {fallback!r}"
                if field == "sku" and fallback not in (None, self.fields["sku"])
                else ""
            )
            for field in FIELDS
            if field in self.fields
        ]
        parts.append(f"photos from {_listed(self.photos)}" if self.photos else "no photos")
        sentence = ", ".join(parts)
        if self.others:
            count = len(self.others)
            rest = f"the other {count} columns become attributes"
            sentence += f"; {rest if count > 1 else f'{self.others[0]!r} becomes an attribute'}"
        return sentence


def take(names: Sequence[str], chosen: ColumnMap, counts: Sequence[str] = ()) -> Columns:
    """Take each column for what `chosen` says, or else for what its name means.

    A column may be chosen for several fields. One that is chosen still counts by its name for the
    sku or the photos where no other column does, since no table can do without these. `counts`
    are columns whose names say photo, and which hold none.

    Raises:
        TableError: `chosen` names a column that the table does not have.
    """
    fields: dict[str, tuple[int, str]] = {}
    photos, files = [], []
    for name in names:
        field, rank = ("", 0) if name in counts else field_of(name) or ("", 0)
        if field == "photo":
            photos.append(name)
        elif field == "file":
            files.append(name)
        elif field and (field not in fields or rank < fields[field][0]):
            fields[field] = rank, name
    taken = {field: name for field, (_, name) in fields.items()}
    photos = photos or files
    found = {
        field: [_column(column, names) for column in columns_for(field, chosen)] for field in chosen
    }
    gone = {name for columns in found.values() for name in columns}
    taken = {field: name for field, name in taken.items() if field == "sku" or name not in gone}
    taken |= {field: columns[0] for field, columns in found.items() if field != "photo"}
    photos = found.get("photo") or [name for name in photos if name not in gone] or photos
    used = {*taken.values(), *photos}
    return Columns(taken, tuple(photos), tuple(name for name in names if name not in used))


def columns_for(field: str, chosen: ColumnMap) -> Sequence[str]:
    """Return the columns that `chosen` names for a field.

    Raises:
        TableError: There is no such field.
    """
    if field not in FIELDS:
        raise TableError(f"no field is named {field!r}; the fields are {', '.join(FIELDS)}")
    columns = chosen[field]
    return (columns,) if isinstance(columns, str) else columns


def parse_column_map(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the columns that words such as ``title=Name,photo="Image Src"`` choose.

    Raises:
        ContentError: A word is something else, or names a field that there is not.
    """
    chosen: dict[str, tuple[str, ...]] = {}
    for word in (part for text in words for part in _split(text)):
        field, equals, column = (part.strip() for part in word.partition("="))
        if field not in FIELDS or not equals or not column:
            raise ContentError(
                f"--map {word.strip()}: wanted is FIELD=COLUMN, where FIELD is one of "
                f"{', '.join(FIELDS)}"
            )
        if field in chosen and field != "photo":
            raise ContentError(f"--map {word.strip()}: {field} is given twice")
        chosen[field] = (*chosen.get(field, ()), column)
    return chosen


def _split(text: str) -> list[str]:
    """Split at commas outside of double quotes, and drop the quotes."""
    parts, quoted = [""], False
    for letter in text:
        if letter == '"':
            quoted = not quoted
        elif letter == "," and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _column(wanted: str, names: Sequence[str]) -> str:
    if wanted in names:
        return wanted
    for name in names:
        if plain(name) == plain(wanted):
            return name
    raise TableError(f"no column is named {wanted!r}; the columns are {_listed(names)}")


def _listed(names: Sequence[str]) -> str:
    quoted = [repr(name) for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)
