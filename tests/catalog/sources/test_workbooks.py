"""Workbooks of spreadsheet programs as tables of items."""

from __future__ import annotations

import io
import sys
import zipfile
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest

from catalog.bundles.items import Item
from catalog.core.errors import MissingExtraError, TableError
from tests.support.tables import photos_of, read


def workbook(*sheets: list[list[object]]) -> bytes:
    """An Excel workbook with these sheets."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet(f"Sheet {number}")
        for row in rows:
            sheet.append(row)
        for row in sheet.iter_rows():
            for cell in row:
                if cell.value == 42:
                    cell.number_format = "00000000"
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


@pytest.mark.parametrize("name", ["items.xlsx", "items.csv"])
def test_an_excel_workbook_is_read(tmp_path: Path, name: str) -> None:
    """Numbers in full, dates as dates; a row is named where it is in the sheet."""
    rows: list[list[object]] = [
        ["Preisliste 2026"],
        [],
        ["Artikel-Nr.", "Bezeichnung", "Preis", "Bild 1", "Bild 2", "Stand", "Neu", "EAN"],
        [4006381333931, "Größe", 12.5, "a.jpg", "b.jpg", datetime(2026, 1, 2), True, 42],
        [],
        [None, "Summe", 12.5],
        ["B", "b", 3.0, "c.jpg", None, None, None, None, "beside"],
        ["C", "c", 0.1 + 0.2, "d.jpg"],
    ]
    source = read(tmp_path, workbook([["Legend"]], rows), name)
    assert photos_of(source) == {"4006381333931": ["a.jpg", "b.jpg"], "C": ["d.jpg"]}
    assert source.items[0].item == Item(
        "4006381333931", "Größe", "12.5",
        attributes={"stand": "2026-01-02", "neu": "true", "ean": "00000042"},
    )  # fmt: skip
    assert source.items[1].item.price == "0.3"
    assert [line.partition(f"{name}, ")[2] for line in source.left_out] == [
        "row 6: no sku",
        "row 7: has 'beside' beside the last named column",
    ]
    assert source.notes[:2] == (
        f"{name}: only the sheet 'Sheet 1' of 2 was read",
        f"{name}: the names of the columns are in row 3; the rows above were not used",
    )


def test_a_workbook_without_usable_columns_is_refused_by_its_row(tmp_path: Path) -> None:
    with pytest.raises(
        TableError, match=r"items\.xlsx, row 1: no column named sku; .* are 'A', 'B'"
    ):
        read(tmp_path, workbook([["A", "B"], [1, 2]]), "items.xlsx")
    with pytest.raises(TableError, match=r"items\.xlsx: no column named sku: it is empty"):
        read(tmp_path, workbook([]), "items.xlsx")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x", "not an Excel workbook that can be read"),
        (b"PK\x03\x04 cut short", "not an Excel workbook that can be read"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an Excel file of the old kind, or one with a password"),
    ],
)
def test_what_is_no_workbook_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(TableError, match=rf"items\.xlsx: {message}"):
        read(tmp_path, content, "items.xlsx")


def test_a_workbook_with_a_row_beyond_the_last_one_is_refused(tmp_path: Path) -> None:
    """Every missing row before it would be gone through."""
    content = workbook([["sku", "photo"], ["A", "a.jpg"]])
    copy = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(copy, "w") as changed:
        for name in archive.namelist():
            part = archive.read(name).replace(b'r="2"', b'r="2000000"')
            changed.writestr(name, part.replace(b'r="A2"', b'r="A2000000"'))
    with pytest.raises(TableError, match=r"items\.xlsx: has a row below 1048576, Excel's last"):
        read(tmp_path, copy.getvalue(), "items.xlsx")


def test_a_workbook_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.sources.tables.workbook.LARGEST", 4 << 20)
    content = io.BytesIO(workbook([["sku", "photo"], ["A", "a.jpg"]]))
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/more.xml", bytes(5 << 20))
    with pytest.raises(TableError, match=r"5 MiB when unpacked, and at most 4 are read"):
        read(tmp_path, content.getvalue(), "items.xlsx")


def test_without_openpyxl_the_command_that_helps_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[xlsx\]'"):
        read(tmp_path, b"PK\x03\x04", "items.xlsx")
