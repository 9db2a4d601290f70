"""Read a sheet of an Excel workbook."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from itertools import islice
from typing import TYPE_CHECKING, Any

from catalog.core.errors import MissingExtraError, TableError
from catalog.sources.rows import Table, TableRow, distinct_names, fault_of
from catalog.sources.source import ColumnMap, Remarks
from catalog.sources.tables.header import SEARCHED, find_header

if TYPE_CHECKING:
    from openpyxl.workbook.workbook import Workbook

LARGEST = 512 << 20  # bytes, unpacked: a small file may claim far more
LAST_ROW = 1_048_576  # of Excel's; a small file may claim one far below
OLD_EXCEL = b"\xd0\xcf\x11\xe0"  # how .xls files begin, and those with a password
PADDED = re.compile(r"0+")  # a number format that only adds zeros before a number

Cells = list[str]


def is_workbook(data: bytes) -> bool:
    """Return whether a file begins as an Excel workbook, whatever its name."""
    return data.startswith((b"PK\x03\x04", OLD_EXCEL))


def read_workbook(data: bytes, chosen: ColumnMap, remarks: Remarks) -> Table:
    """Return the first sheet that has a column of skus; its rows are read when asked for.

    Raises:
        TableError: It is no workbook that can be read, or an old or protected one.
        MissingExtraError: openpyxl is not installed.
    """
    if data.startswith(OLD_EXCEL):
        raise TableError(
            f"{remarks.table}: an Excel file of the old kind, or one with a password; "
            "save it as .xlsx without a password, or as CSV"
        )
    workbook = _open(data, remarks)
    sheets = [sheet for sheet in workbook.worksheets if any(_rows(workbook, sheet.title, remarks))]
    if not sheets:
        raise TableError(f"{remarks.table}: no column named sku: it is empty")
    name, header = sheets[0].title, None
    for sheet in sheets:
        first_rows = [cells for _, cells in islice(_rows(workbook, sheet.title, remarks), SEARCHED)]
        if (found := find_header(first_rows, chosen)) is not None:
            name, header = sheet.title, found
            break
    if len(sheets) > 1:
        remarks.note(f"only the sheet {name!r} of {len(sheets)} was read")
    rows = islice(_rows(workbook, name, remarks), header or 0, None)
    number, cells = next(rows)
    if header:
        remarks.note(f"the names of the columns are in row {number}; the rows above were not used")
    names = distinct_names(cells)
    return Table(names, _named(names, rows, remarks), f"row {number}")


def _open(data: bytes, remarks: Remarks) -> Workbook:
    try:
        import openpyxl
    except ImportError as error:
        raise MissingExtraError(f"{remarks.table}: reading an Excel workbook", "xlsx") from error
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > LARGEST:
            raise TableError(
                f"{remarks.table}: {size >> 20} MiB when unpacked, and at most {LARGEST >> 20} "
                "are read; save it as CSV"
            )
        return openpyxl.load_workbook(
            io.BytesIO(data), read_only=True, data_only=True, keep_links=False
        )
    except TableError:
        raise
    except Exception as error:  # a crafted file can make the parsers raise anything
        raise TableError(f"{remarks.table}: not an Excel workbook that can be read") from error


def _rows(workbook: Workbook, sheet: str, remarks: Remarks) -> Iterator[tuple[int, Cells]]:
    """Yield the number and texts of each row that is not empty."""
    opened: Any = workbook[sheet]
    opened.reset_dimensions()  # some programs write wrong ones
    try:
        for number, row in enumerate(opened.iter_rows(), 1):  # also what is not in the file
            if number > LAST_ROW:
                raise TableError(
                    f"{remarks.table}: has a row below {LAST_ROW}, Excel's last; not an Excel "
                    "workbook that can be read"
                )
            cells = [_text(cell) for cell in row]
            if any(cells):
                yield number, cells
    except TableError:
        raise
    except Exception as error:  # as in _open
        raise TableError(f"{remarks.table}: not an Excel workbook that can be read") from error


def _named(
    names: Sequence[str], rows: Iterator[tuple[int, Cells]], remarks: Remarks
) -> Iterator[TableRow]:
    for number, cells in rows:
        where = f"row {number}"
        surplus = [cell for cell in cells[len(names) :] if cell]
        row: dict[str, object] = {
            name: cell for name, cell in zip(names, cells, strict=False) if name and cell
        }
        if surplus:
            remarks.leave_out(where, f"has {surplus[0]!r} beside the last named column")
        elif fault := fault_of(row):
            remarks.leave_out(where, fault)
        elif row:
            yield where, row


def _text(cell: Any) -> str:
    """Return a cell as a person sees it, but a number in full."""
    value = cell.value
    if value is None or cell.data_type == "e":  # an error such as #N/A
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        value = int(value) if value.is_integer() else f"{value:.15g}"
    if isinstance(value, int) and PADDED.fullmatch(cell.number_format or ""):
        return str(value).zfill(len(cell.number_format))
    if isinstance(value, datetime) and value.time() == time():
        value = value.date()
    return value.isoformat() if isinstance(value, date | time) else str(value).strip()
