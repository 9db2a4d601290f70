"""Read the rows of a CSV table, and go on after a row that is wrong."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence

from catalog.core.errors import TableError
from catalog.core.terminal import counted
from catalog.sources.rows import Table, TableRow, distinct_names
from catalog.sources.source import ColumnMap, Remarks
from catalog.sources.tables.header import SEARCHED, find_header, known_names

DELIMITERS = ",;\t|"
LONGEST_CELL = 1 << 20  # characters
SEPARATOR_LINE = re.compile(r'^"?sep=(.)"?$', re.IGNORECASE)  # how Excel is told the delimiter


def read_csv(text: str, chosen: ColumnMap, remarks: Remarks) -> Table:
    """Return a table whose rows are read when they are asked for.

    Raises:
        TableError: It has no first line, or the quotes in that do not match.
    """
    csv.field_size_limit(LONGEST_CELL)
    lines = list(io.StringIO(text))
    first, delimiters = 0, DELIMITERS
    if lines and (separator := SEPARATOR_LINE.match(lines[0].rstrip("\n"))):
        first, delimiters = 1, separator[1]
    while first < len(lines) and not lines[first].strip():
        first += 1
    if first == len(lines):
        raise TableError(f"{remarks.table}, line {first or 1}: no column named sku: it is empty")
    tops = [number for number in range(first, len(lines)) if lines[number].strip()][:SEARCHED]
    delimiter, header = _find_header([lines[number] for number in tops], delimiters, chosen)
    if header:
        remarks.note(
            f"the names of the columns are in line {tops[header] + 1}; "
            "the lines above were not used"
        )
    first = tops[header]
    try:
        cells = next(csv.reader(lines[first:], delimiter=delimiter, strict=True))
    except csv.Error as error:
        fault = _fault(error, lines[first])
        raise TableError(f"{remarks.table}, line {first + 1}: {fault}") from error
    names = distinct_names(cells)
    rest = first + 1 + sum(cell.count("\n") for cell in cells)
    return Table(names, _rows(lines, rest, names, delimiter, remarks), f"line {first + 1}")


def _find_header(lines: Sequence[str], delimiters: str, chosen: ColumnMap) -> tuple[str, int]:
    """Return the delimiter, and which of the lines names the columns."""
    for number, line in enumerate(lines):
        delimiter = max(delimiters, key=lambda sign: _fitness(line, sign, chosen))
        if find_header([_cells(line, delimiter)], chosen) is not None:
            return delimiter, number
    return max(delimiters, key=lambda sign: _fitness(lines[0], sign, chosen)), 0


def _fitness(line: str, delimiter: str, chosen: ColumnMap) -> tuple[int, int]:
    """Return how many names are known where this delimiter stands between them, and how many."""
    cells = _cells(line, delimiter)
    return known_names(cells, chosen), len(cells)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:  # a cell that is too long
        return []


def _rows(
    lines: Sequence[str], first: int, names: Sequence[str], delimiter: str, remarks: Remarks
) -> Iterator[TableRow]:
    longer = []
    for number, cells in _records(lines, first, len(names), delimiter, remarks):
        where = f"line {number}"
        surplus = cells[len(names) :]
        if any(cell.strip() for cell in surplus):
            remarks.leave_out(where, f"{len(cells)} columns, the first line names {len(names)}")
            continue
        if len(cells) == 1 < len(names) and cells[0].strip():
            remarks.leave_out(where, f"1 column, the first line names {len(names)}")
            continue
        if surplus:
            longer.append(where)
        row: dict[str, object] = {
            name: cell for name, cell in zip(names, cells, strict=False) if name and cell.strip()
        }
        if row:
            yield where, row
    if longer:
        remarks.note(
            f"{counted(len(longer), 'row ends', 'rows end')} with empty cells that the first line "
            f"does not name ({longer[0]} is the first); such cells were passed over"
        )


def _records(
    lines: Sequence[str], first: int, width: int, delimiter: str, remarks: Remarks
) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each record's first line, from 1, and its cells.

    After a line whose quotes do not match, reading goes on with the next line.
    """
    begin = first
    while begin < len(lines):
        reader = csv.reader(
            (lines[number] for number in range(begin, len(lines))),
            delimiter=delimiter,
            strict=True,
        )
        start = begin
        try:
            for cells in reader:
                end = start + reader.line_num
                if end - begin > 1 and _are_rows(lines[begin + 1 : end], width, delimiter):
                    raise csv.Error("a quoted cell goes on over whole rows")
                yield begin + 1, cells
                begin = end
            return
        except csv.Error as error:
            remarks.leave_out(f"line {begin + 1}", _fault(error, lines[begin]))
            begin += 1


def _fault(error: csv.Error, line: str) -> str:
    """Return what is wrong with a row that begins with this line."""
    if "field limit" in str(error) and len(line) > LONGEST_CELL:
        return f"a cell of more than {LONGEST_CELL} characters"
    return f"{error}: its quotes do not match"


def _are_rows(lines: Sequence[str], width: int, delimiter: str) -> bool:
    """Return whether each line is a whole row, which a quoted cell hardly ever holds."""
    return width > 1 and all(
        len(cells) == width for cells in csv.reader(lines, delimiter=delimiter)
    )
