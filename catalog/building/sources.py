"""Read the source of a catalogue: a folder for each item, a flat folder, or a table."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from catalog.building.sample_files import (
    TableRow,
    file_name,
    is_title_line,
    metadata_rows,
    title_rows,
)
from catalog.bundles.items import Item
from catalog.bundles.manifest import MANIFEST
from catalog.core.errors import ContentError, TableError
from catalog.core.photos import is_address, is_photo_name

FIELDS = ("sku", "title", "price", "url", "location", "photo")
DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class SourceItem:
    """An item and the places of its photos: file paths or http(s) addresses."""

    item: Item
    photos: tuple[str, ...]


def default_title(path: Path) -> str:
    """Return what to call a catalogue that is made from `path`: its name, without a suffix."""
    absolute = path.resolve()
    return absolute.name if path.is_dir() else absolute.stem


def read_source(path: Path) -> list[SourceItem]:
    """Read a catalogue's source: a folder, or a table by its suffix.

    Raises:
        TableError: The table cannot be read; the message names the line.
        ContentError: The folder or table does not exist, or is empty.
    """
    if path.is_dir():
        items = _read_folder(path)
        if not items:
            raise ContentError(
                f"{path}: no pictures in it; wanted are a folder for each item, "
                "pictures named by their sku, or a CSV or JSONL table"
            )
        return items
    if not path.exists():
        raise ContentError(f"{path}: no such file or folder")
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        return _merge(_json_rows(path), path)
    if path.suffix.lower() == ".json":
        return _merge(metadata_rows("".join(_lines(path)), path), path)
    if path.suffix.lower() in (".csv", ".tsv", ".txt"):
        if is_title_line(next(_lines(path), "")):
            return _merge(title_rows(_lines(path), path), path)
        return _merge(_csv_rows(path), path)
    raise ContentError(f"{path}: wanted is a folder, a .csv or .jsonl table, or a metadata.json")


def photos_in(folder: Path, items: list[SourceItem]) -> list[SourceItem]:
    """Return the same items, with each photo's address replaced by a file in `folder`.

    The file is found by the file name at the end of the address.

    Raises:
        ContentError: There is no such folder, or no photo has an address.
    """
    if not folder.is_dir():
        raise ContentError(f"{folder}: no such folder of photos")
    if not any(is_address(place) for source in items for place in source.photos):
        raise ContentError(f"{folder}: no photo is named by its address; leave --photos out")
    return [
        replace(source, photos=tuple(_place_in(folder, place) for place in source.photos))
        for source in items
    ]


def _place_in(folder: Path, place: str) -> str:
    if not is_address(place):
        return place
    decoded = folder / file_name(place, place)
    # Some programs save a file under its name as it is written in the address.
    as_written = folder / place.partition("?")[0].rpartition("/")[2]
    return str(as_written if as_written.is_file() else decoded)


def _read_folder(folder: Path) -> list[SourceItem]:
    items: dict[str, SourceItem] = {}
    for child in sorted(folder.iterdir()):
        if child.name.startswith(".") or (child / MANIFEST).exists():
            continue  # a bundle that was built here is no item
        if child.is_dir():
            photos = tuple(
                str(file)
                for file in sorted(child.rglob("*"))
                if file.is_file() and file.name != "item.json" and not file.name.startswith(".")
            )
            source = SourceItem(_folder_item(child), photos)
        elif is_photo_name(child.name):
            source = SourceItem(Item(child.stem, _as_title(child.stem)), (str(child),))
        else:
            continue
        for name in (child.name, *source.photos):
            _check_name(name)
        first = items.get(source.item.sku)  # bolt.jpg beside bolt.png, or beside a folder bolt
        items[source.item.sku] = (
            SourceItem(first.item, first.photos + source.photos) if first else source
        )
    return list(items.values()) if any(source.photos for source in items.values()) else []


def _check_name(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ContentError(f"{os.fsencode(name)!r}: the name is not UTF-8; rename it") from error


def _folder_item(folder: Path) -> Item:
    """Return the item of a folder: its name is the sku, ``item.json`` in it holds the rest."""
    file = folder / "item.json"
    if not file.exists():
        return Item(folder.name, _as_title(folder.name))
    try:
        fields = json.loads(file.read_text(encoding="utf-8-sig"))
        json.dumps(fields, ensure_ascii=False).encode()  # a lone surrogate cannot be stored
        return _item({"title": _as_title(folder.name)} | fields | {"sku": folder.name})
    except (ValueError, TypeError, OSError, RecursionError) as error:
        raise ContentError(f"{file}: not a JSON object in UTF-8: {error}") from error


def _as_title(name: str) -> str:
    return name.replace("_", " ").replace("-", " ").strip() or name


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a table with their line ends, without a byte-order mark."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise TableError(
                    f"{path}, line {number}: not UTF-8 ({error.reason}); save the table as UTF-8"
                ) from error


def _csv_rows(path: Path) -> Iterator[TableRow]:
    lines = _lines(path)
    header = next(lines, "")
    for delimiter in DELIMITERS:
        cells = next(csv.reader([header], delimiter=delimiter), [])
        names = [cell.strip().lower() for cell in cells]
        if "sku" in names:
            break
    else:
        raise TableError(f"{path}, line 1: no column named sku; wanted are {', '.join(FIELDS)}")
    if len(set(names) - {""}) < len([name for name in names if name]):
        raise TableError(f"{path}, line 1: a column is named twice")
    if "photo" not in names:
        raise TableError(f"{path}, line 1: no column named photo")
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(names):
                raise TableError(
                    f"{path}, line {reader.line_num + 1}: {len(cells)} columns, "
                    f"the first line names {len(names)}"
                )
            yield f"line {reader.line_num + 1}", dict(zip(names, cells, strict=False))
    except csv.Error as error:
        raise TableError(f"{path}, line {reader.line_num + 1}: {error}") from error


def _json_rows(path: Path) -> Iterator[TableRow]:
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise TableError(f"{path}, line {number}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise TableError(f"{path}, line {number}: not a JSON object")
        yield f"line {number}", {str(key).strip().lower(): value for key, value in row.items()}


def _merge(rows: Iterator[TableRow], path: Path) -> list[SourceItem]:
    """Merge the rows of each sku: the first value of a field counts, the photos add up."""
    fields: dict[str, dict[str, object]] = {}
    photos: dict[str, dict[str, None]] = {}  # ordered sets, since an item may have very many photos
    for where, row in rows:
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise TableError(f"{path}, {where}: holds half a character") from error
        except RecursionError as error:
            raise TableError(f"{path}, {where}: is nested too deeply") from error
        sku = _text(row.get("sku"))
        if not sku:
            raise TableError(f"{path}, {where}: no sku")
        if len(sku) > 200:
            raise TableError(f"{path}, {where}: the sku is longer than 200 characters")
        merged = fields.setdefault(sku, {"sku": sku})
        for key, value in row.items():
            if key != "photo" and _text(value):
                merged.setdefault(key, value)
        for place in _places(row.get("photo"), path, where):
            place = place if is_address(place) else str(path.parent / place)
            photos.setdefault(sku, {})[place] = None
    if not fields:
        raise TableError(f"{path}: no rows below the first line")
    return [SourceItem(_item(merged), tuple(photos.get(sku, ()))) for sku, merged in fields.items()]


def _places(cell: object, path: Path, where: str) -> list[str]:
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            cell = json.loads(cell)
            json.dumps(cell, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise TableError(f"{path}, {where}: photo is no JSON list: {error}") from error
    if isinstance(cell, list):
        return [_text(place) for place in cell if _text(place)]
    return [place.strip() for place in _text(cell).split("|") if place.strip()]


def _item(fields: dict[str, object]) -> Item:
    text = {key: _text(value) for key, value in fields.items()}
    return Item(
        sku=text["sku"],
        title=text.get("title") or _as_title(text["sku"]),
        price=text.get("price", ""),
        url=text.get("url", ""),
        location=text.get("location", ""),
        attributes={key: value for key, value in text.items() if key not in FIELDS and value},
    )


def _text(value: object) -> str:
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
