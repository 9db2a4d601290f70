"""Read the rows of a table of JSON lines, or of a JSON list."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator

from catalog.core.errors import TableError
from catalog.sources.rows import Table, TableRow, fault_of, table_of
from catalog.sources.source import Remarks


def read_json_lines(text: str, remarks: Remarks) -> Table:
    """Return a table with the names that any line has; a wrong line is left out."""
    return table_of(_rows(_values(text, remarks), remarks))


def read_json_list(text: str, remarks: Remarks) -> Table:
    """Return a table with the names that any record of a JSON list has; a wrong one is left out.

    Raises:
        TableError: It is no JSON list.
    """
    try:
        records = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TableError(f"{remarks.table}: not JSON: {error}") from error
    if not isinstance(records, list):
        raise TableError(f"{remarks.table}: wanted is a JSON list of records")
    return table_of(
        _rows(((f"record {number}", row) for number, row in enumerate(records, 1)), remarks)
    )


def _values(text: str, remarks: Remarks) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(io.StringIO(text), 1):
        if not line.strip():
            continue
        try:
            yield f"line {number}", json.loads(line)
        except (ValueError, RecursionError) as error:
            remarks.leave_out(f"line {number}", f"not JSON: {error}")


def _rows(values: Iterable[tuple[str, object]], remarks: Remarks) -> Iterator[TableRow]:
    for where, row in values:
        if not isinstance(row, dict):
            remarks.leave_out(where, "not a JSON object")
        elif fault := fault_of(row):
            remarks.leave_out(where, fault)
        else:
            yield where, {name.strip(): value for name, value in row.items()}
