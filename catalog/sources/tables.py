"""Read a catalogue from a table: CSV, JSON lines, or a file of AWS's visual search sample."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from catalog.core.errors import TableError
from catalog.core.photos import is_address
from catalog.sources.sample_files import TableRow, is_title_line, metadata_rows, title_rows
from catalog.sources.source import FIELDS, Source, SourceItem, as_text, item_of

TABLES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson")  # suffixes
DELIMITERS = ",;\t|"


def read_table(path: Path) -> Source:
    """Read a table by its suffix, which is one of `TABLES`.

    Raises:
        TableError: It cannot be read; the message names the line.
    """
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        return _merge(_json_rows(path), path)
    if suffix == ".json":
        return _merge(metadata_rows("".join(_lines(path)), path), path)
    if is_title_line(next(_lines(path), "")):
        return _merge(title_rows(_lines(path), path), path)
    return _merge(_csv_rows(path), path)


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


def _merge(rows: Iterator[TableRow], path: Path) -> Source:
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
        sku = as_text(row.get("sku"))
        if not sku:
            raise TableError(f"{path}, {where}: no sku")
        if len(sku) > 200:
            raise TableError(f"{path}, {where}: the sku is longer than 200 characters")
        merged = fields.setdefault(sku, {"sku": sku})
        for key, value in row.items():
            if key != "photo" and as_text(value):
                merged.setdefault(key, value)
        for place in _places(row.get("photo"), path, where):
            place = place if is_address(place) else str(path.parent / place)
            photos.setdefault(sku, {})[place] = None
    if not fields:
        raise TableError(f"{path}: no rows below the first line")
    return Source(
        [SourceItem(item_of(merged), tuple(photos.get(sku, ()))) for sku, merged in fields.items()]
    )


def _places(cell: object, path: Path, where: str) -> list[str]:
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            cell = json.loads(cell)
            json.dumps(cell, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise TableError(f"{path}, {where}: photo is no JSON list: {error}") from error
    if isinstance(cell, list):
        return [as_text(place) for place in cell if as_text(place)]
    return [place.strip() for place in as_text(cell).split("|") if place.strip()]
