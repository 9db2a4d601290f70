"""Read the catalogue files of AWS's visual search sample.

The sample's notebook reads lines of ``title, address`` and writes ``metadata.json``, a JSON list
of records with ``id``, ``title`` and ``url``, the address of the photo
(github.com/awslabs/visual-search, notebooks/visual-search-feature-generation.ipynb).
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from catalog.core.errors import TableError
from catalog.core.photos import is_address

TableRow = tuple[str, dict[str, object]]  # where it is in the file, and its fields

FEATURES = "features"  # some files also hold the vectors of the sample's own network
ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z]\w*);")  # the titles come from web pages


def is_title_line(line: str) -> bool:
    """Return whether a table that begins with this line has titles and addresses."""
    title, _, address = line.rpartition(",")
    return bool(title.strip()) and is_address(address.strip())


def title_rows(lines: Iterable[str], path: Path) -> Iterator[TableRow]:
    """Yield rows of ``title, address`` lines, split at the last comma.

    The sku is the name of the photo's file without its suffix.

    Raises:
        TableError: A line is something else, or two addresses end in the same file name.
    """
    known: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"line {number}"
        if not is_title_line(line):
            raise TableError(
                f"{path}, {where}: wanted is a title, a comma and the photo's http(s) address"
            )
        title, _, address = line.rpartition(",")
        yield where, _row({"title": title, "url": address.strip()}, known, f"{path}, {where}")


def metadata_rows(text: str, path: Path) -> Iterator[TableRow]:
    """Yield rows of ``metadata.json``, a JSON list of records.

    The sku is the id, or else the name of the photo's file without its suffix.

    Raises:
        TableError: It is something else; the message names the record.
    """
    try:
        records = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TableError(f"{path}: not JSON: {error}") from error
    if not isinstance(records, list) or not records:
        raise TableError(f"{path}: wanted is a JSON list of records with id, title and url")
    known: dict[str, str] = {}
    for number, record in enumerate(records, 1):
        where = f"record {number}"
        if not isinstance(record, dict):
            raise TableError(f"{path}, {where}: not a JSON object")
        row = {str(key).strip().lower(): value for key, value in record.items()}
        yield where, _row(row, known, f"{path}, {where}")


def _row(record: dict[str, object], known: dict[str, str], where: str) -> dict[str, object]:
    """Return a record as a row of our own tables.

    `known` holds the address of each file name so far, and is updated.
    """
    address = record.pop("url", None)
    if not isinstance(address, str) or not address.strip():
        raise TableError(f"{where}: no url, the photo's address")
    row: dict[str, object] = {"photo": [address]}
    identity = record.pop("id", None)
    if identity is None or identity == "":
        name = file_name(address, where)
        if known.setdefault(name, address) != address:
            raise TableError(
                f"{where}: the file name {name} is another photo's already; give each record an id"
            )
        identity = Path(name).stem
    row["sku"] = identity
    title = record.pop("title", None)
    if isinstance(title, str):
        row["title"] = ENTITY.sub(lambda found: html.unescape(found[0]), title)
    return row | {key: value for key, value in record.items() if key not in (FEATURES, *row)}


def file_name(address: str, where: str) -> str:
    """Return the decoded file name at the end of a photo's address.

    Raises:
        TableError: There is none.
    """
    try:
        name = PurePosixPath(unquote(urlsplit(address).path)).name
    except ValueError as error:
        raise TableError(f"{where}: {address!r} is no address: {error}") from error
    if name in ("", ".."):
        raise TableError(f"{where}: {address} ends in no file name")
    return name
