"""Read the catalogue files of AWS's visual search sample.

The sample's notebook reads lines of ``title, address`` and writes ``metadata.json``, a JSON list
of records with ``id``, ``title`` and ``url``, the address of the photo
(github.com/awslabs/visual-search, notebooks/visual-search-feature-generation.ipynb).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from catalog.core.errors import TableError
from catalog.core.photos import is_address
from catalog.sources.rows import Table, TableRow, fault_of, table_of
from catalog.sources.source import Remarks

FEATURES = "features"  # some files also hold the vectors of the sample's own network


def is_title_line(line: str) -> bool:
    """Return whether a table that begins with this line has titles and addresses."""
    title, _, address = line.rpartition(",")
    return bool(title.strip()) and is_address(address.strip())


def title_lines(text: str, remarks: Remarks) -> Table:
    """Read lines of ``title, address``, split at the last comma.

    The sku is the name of the photo's file without its suffix. A line that is something else, or
    whose address ends in another photo's file name, is left out.
    """
    meaning = "lines of title and address; the sku is the name of the photo's file"
    return table_of(_title_rows(text, remarks), meaning)


def _title_rows(text: str, remarks: Remarks) -> Iterator[TableRow]:
    known: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"line {number}"
        if not is_title_line(line):
            remarks.leave_out(where, "wanted is a title, a comma and the photo's http(s) address")
            continue
        title, _, address = line.rpartition(",")
        try:
            yield where, _row({"title": title, "url": address.strip()}, known)
        except ValueError as error:
            remarks.leave_out(where, str(error))


def metadata(text: str, remarks: Remarks) -> Table:
    """Read ``metadata.json``, a JSON list of records.

    The sku is the id, or else the name of the photo's file without its suffix. A wrong record is
    left out.

    Raises:
        TableError: It is something else.
    """
    try:
        records = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TableError(f"{remarks.table}: not JSON: {error}") from error
    if not isinstance(records, list) or not records:
        raise TableError(
            f"{remarks.table}: wanted is a JSON list of records with id, title and url"
        )
    meaning = (
        "sku from 'id', else the name of the photo's file, title from 'title', photos from 'url'"
    )
    return table_of(_metadata_rows(records, remarks), meaning)


def _metadata_rows(records: list[object], remarks: Remarks) -> Iterator[TableRow]:
    known: dict[str, str] = {}
    for number, record in enumerate(records, 1):
        where = f"record {number}"
        if not isinstance(record, dict):
            remarks.leave_out(where, "not a JSON object")
            continue
        row = {str(key).strip().lower(): value for key, value in record.items()}
        if fault := fault_of(row):
            remarks.leave_out(where, fault)
            continue
        try:
            yield where, _row(row, known)
        except ValueError as error:
            remarks.leave_out(where, str(error))


def _row(record: dict[str, object], known: dict[str, str]) -> dict[str, object]:
    """Return a record as a row of our own tables.

    `known` holds the address of each file name so far, and is updated.

    Raises:
        ValueError: It cannot be used; says why.
    """
    address = record.pop("url", None)
    if not isinstance(address, str) or not address.strip():
        raise ValueError("no url, the photo's address")
    row: dict[str, object] = {"photo": [address.strip()]}
    identity = record.pop("id", None)
    if identity is None or identity == "":
        name = file_name(address)
        if known.setdefault(name, address) != address:
            raise ValueError(
                f"the file name {name} is another photo's already; give each record an id"
            )
        identity = Path(name).stem
    row["sku"] = identity
    title = record.pop("title", None)
    if isinstance(title, str):
        row["title"] = title
    return row | {key: value for key, value in record.items() if key not in (FEATURES, *row)}


def file_name(address: str) -> str:
    """Return the decoded file name at the end of a photo's address.

    Raises:
        ValueError: There is none.
    """
    try:
        name = PurePosixPath(unquote(urlsplit(address).path)).name
    except ValueError as error:
        raise ValueError(f"{address!r} is no address: {error}") from error
    if name in ("", ".."):
        raise ValueError(f"{address} ends in no file name")
    return name
