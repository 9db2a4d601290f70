"""Read a catalogue from a table: CSV, JSON lines, a feed, a workbook, or the sample's files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from catalog.bundles.item_codes import holds_codes
from catalog.core.errors import TableError
from catalog.sources.rows import Table
from catalog.sources.sample_files import is_title_line, metadata, title_lines
from catalog.sources.source import FIELDS, ColumnMap, Remarks, Source, SourceItem
from catalog.sources.tables.columns import Columns, take
from catalog.sources.tables.counts import find_counts
from catalog.sources.tables.csv_rows import read_csv
from catalog.sources.tables.encoding import decode
from catalog.sources.tables.entries import read_entries
from catalog.sources.tables.exports import find_export
from catalog.sources.tables.feed import read_feed
from catalog.sources.tables.header import place_among
from catalog.sources.tables.items import merge
from catalog.sources.tables.json_rows import read_json_lines, read_json_list
from catalog.sources.tables.likely_mistakes import columns_meant, without_currency
from catalog.sources.tables.products import put_together
from catalog.sources.tables.ruined_numbers import watch
from catalog.sources.tables.workbook import is_workbook, read_workbook

WORKBOOKS = (".xlsx", ".xlsm", ".xls")
TABLES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".xml", *WORKBOOKS)  # suffixes


def read_table(path: Path, chosen: ColumnMap) -> Source:
    """Read a table by its suffix, which is one of `TABLES`.

    Args:
        path: The file.
        chosen: The columns of fields that their names do not tell.

    Raises:
        TableError: It cannot be read, or no row of it can be used; the message names the line.
        MissingExtraError: It is an Excel workbook, and openpyxl is not installed.
    """
    remarks = Remarks(path)
    table = _open(path, chosen, remarks)
    table, counts = find_counts(table, chosen, path.parent)
    columns = _columns(table, chosen, counts, remarks)
    entries = watch(read_entries(table, columns, path.parent, remarks), remarks)
    export = find_export(table.columns)
    if export is not None:
        remarks.note(f"a table of {export.name}'s: {export.rule}")
    remarks.note(table.meaning or columns.sentence(export.key if export else None))
    if export is not None:
        entries = put_together(export.gather(entries, export.key.lower()), remarks)
    items = merge(entries, remarks)
    if not items:
        raise TableError(_nothing(table, remarks))
    _doubt(columns, items, remarks)
    return Source(items, tuple(remarks.left_out), tuple(remarks.notes), tuple(remarks.warnings))


def _doubt(columns: Columns, items: list[SourceItem], remarks: Remarks) -> None:
    """Say what its owner perhaps meant otherwise; no warning, because it may be meant so."""
    for sentence in columns_meant(columns.others, columns.fields):
        remarks.note(sentence)
    if sentence := without_currency(items):
        remarks.note(sentence)


def _open(path: Path, chosen: ColumnMap, remarks: Remarks) -> Table:
    suffix = path.suffix.lower()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TableError(f"{path}: cannot be read: {error.strerror}") from error
    if is_workbook(data) or suffix in WORKBOOKS:
        return read_workbook(data, chosen, remarks)
    if suffix == ".xml":
        return read_feed(data, remarks)
    text = decode(data, remarks)
    if suffix in (".jsonl", ".ndjson"):
        return read_json_lines(text, remarks)
    if suffix == ".json":
        return read_json_list(text, remarks) if chosen else metadata(text, remarks)
    if is_title_line(text.partition("\n")[0]):
        return title_lines(text, remarks)
    return read_csv(text, chosen, remarks)


def _columns(table: Table, chosen: ColumnMap, counts: Sequence[str], remarks: Remarks) -> Columns:
    """Return what the columns are taken for.

    Raises:
        TableError: There is no column with skus, or none by which items can be found, or `chosen`
            is wrong.
    """
    names = [name for name in table.columns if name]
    try:
        columns = take(names, chosen, counts)
    except TableError as error:
        raise TableError(f"{remarks.table}: {error}") from error
    if table.header is None:
        return columns
    if (place := place_among(names)) is not None:
        raise TableError(
            f"{remarks.table}, {table.header}: looks like a product, not like names of columns "
            f"({place!r}); add a line above it with names, such as sku, title, photo"
        )
    for name in counts:
        remarks.note(
            f"{name!r} holds numbers, no files; where they are names of files, say so by "
            f'--map photo="{name}"'
        )
    unpictured = not columns.photos and not counts and _can_be_read(columns)
    if unpictured:
        remarks.warn(
            "no column named photo, so only a code or the words on a thing find these items; "
            'where a column holds photos, say which by --map photo="COLUMN"'
        )
    has_photos = bool(columns.photos) or unpictured
    for field, found in (("sku", "sku" in columns.fields), ("photo", has_photos)):
        if not found:
            numbers = (
                f" ({counts[0]!r} holds numbers, no files)" if counts and field == "photo" else ""
            )
            raise TableError(
                f"{remarks.table}, {table.header}: no column named {field}{numbers}; wanted are "
                f"{', '.join(FIELDS)}, or their usual names; say which column it is by "
                f'--map {field}="COLUMN"; the columns are {", ".join(map(repr, names))}'
            )
    return columns


def _can_be_read(columns: Columns) -> bool:
    """Return whether there are titles, or codes, by which items without a photo can be found."""
    return "title" in columns.fields or any(map(holds_codes, columns.others))


def _nothing(table: Table, remarks: Remarks) -> str:
    if not remarks.left_out:
        missing = "no items in it" if table.header is None else "no rows below the first line"
        return f"{remarks.table}: {missing}"
    more = len(remarks.left_out) - 1
    return remarks.left_out[0] + (f"; {more} more rows cannot be used either" if more else "")
