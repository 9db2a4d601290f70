"""What a catalogue is built from: items, and the places of their photos."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from catalog.bundles.items import Item

ItemFolders = Literal["leaf", "top"]
ColumnMap = Mapping[str, str | Sequence[str]]  # a field, and the column or columns for it
FIELDS = ("sku", "title", "price", "url", "location", "photo")
KEEP_WHOLE = "keep_whole"
NO = ("", "0", "n", "no", "false")


@dataclass(frozen=True)
class ReadOptions:
    """How to understand a source, where it does not tell so itself.

    Attributes:
        items: Which folders are items where folders lie in folders: "leaf", each that holds
            pictures; "top", each directly in the source's folder; None, as their names tell.
        columns: Which columns of a table are which of `FIELDS`, where their names do not tell:
            ``{"title": "Name", "photo": ["Front", "Back"]}``.
    """

    items: ItemFolders | None = None
    columns: ColumnMap = field(default_factory=dict)


DEFAULT_READING = ReadOptions()


@dataclass(frozen=True)
class SourceItem:
    """An item and its photos.

    Attributes:
        item: The item.
        photos: The places of its photos: file paths or http(s) addresses.
        keep_whole: Whether its photos are never cut to the thing.
    """

    item: Item
    photos: tuple[str, ...]
    keep_whole: bool = False


@dataclass(frozen=True)
class Source:
    """What was read of a folder or table.

    `left_out` names what was not used, as "PLACE: REASON"; `notes` are sentences for the person
    who builds, such as what was taken for what; `warnings` are sentences about what is likely
    wrong though it can be built.
    """

    items: list[SourceItem]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Remarks:
    """Collects what there is to say about a table while it is read."""

    table: Path
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def leave_out(self, where: str, reason: str) -> None:
        """Note that a row, such as "line 3", is not used."""
        self.left_out.append(f"{self.table}, {where}: {reason}")

    def note(self, sentence: str) -> None:
        """Note what was done with the table."""
        self.notes.append(f"{self.table.name}: {sentence}")

    def warn(self, sentence: str) -> None:
        """Note what is likely wrong with the table."""
        self.warnings.append(f"{self.table.name}: {sentence}")


def default_title(path: Path) -> str:
    """Return what to call a catalogue that is made from `path`: its name, without a suffix."""
    absolute = path.resolve()
    return absolute.name if path.is_dir() else absolute.stem


def source_item(fields: dict[str, object], photos: tuple[str, ...]) -> SourceItem:
    """Return the item of a row or a folder with its photos; `KEEP_WHOLE` is no attribute of it."""
    keep_whole = as_text(fields.get(KEEP_WHOLE)).lower() not in NO
    rest = {name: value for name, value in fields.items() if name != KEEP_WHOLE}
    return SourceItem(item_of(rest), photos, keep_whole)


def item_of(fields: dict[str, object]) -> Item:
    """Return the item of a row: what is not one of `FIELDS` becomes an attribute."""
    text = {key: as_text(value) for key, value in fields.items()}
    return Item(
        sku=text["sku"],
        title=text.get("title") or as_title(text["sku"]),
        price=text.get("price", ""),
        url=text.get("url", ""),
        location=text.get("location", ""),
        attributes={key: value for key, value in text.items() if key not in FIELDS and value},
    )


def as_title(name: str) -> str:
    """Return a file's or folder's name as a title."""
    return name.replace("_", " ").replace("-", " ").strip() or name


def as_text(value: object) -> str:
    """Return a cell's value as text; what is no text, as JSON."""
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
