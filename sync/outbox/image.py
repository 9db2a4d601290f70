"""Read a database and its write-ahead log as one image, in memory, whatever is damaged in them.

SQLite itself would leave out what comes behind damage in the log, and write to the file.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sync.outbox.integrity import lenient_text
from sync.outbox.wal import PAGES, WriteAheadLog, read_log

MAX_BYTES = 128 << 20  # of a database
MODES = slice(18, 20)  # in the header: how the database is written and read
TREE_PAGES = (2, 5, 10, 13)  # the first byte of a page of a table or an index
NO_LOG = b"\1\1"  # there is no log beside an image
PAGE_SIZE = slice(16, 18)  # in the header
LENGTH, FREE_LIST = slice(28, 32), slice(32, 40)  # likewise


def fits_into_memory(database: Path) -> bool:
    """Whether `open_image` makes an image of a database.

    Raises:
        OSError: It cannot be read.
    """
    return database.stat().st_size <= MAX_BYTES


def open_image(database: Path, new_first_page: str = "") -> sqlite3.Connection:
    """Open the image; it takes twice its size in memory while it is opened, then once.

    A database that does not fit into memory is opened as it is.

    Args:
        database: The file.
        new_first_page: The SQL that the database was made with: its first page, which holds the
            header and the schema, is then as a new database's, and so are those that a schema
            needs beside it. Without them nothing else can be read.

    Raises:
        OSError: It cannot be read.
    """
    if fits_into_memory(database):
        image = bytearray(database.read_bytes())
        log = read_log(database)
        page = page_size(image, log)
        _bring_in(log, image, page)
        if new_first_page:
            _begin_anew(image, new_first_page, page)
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.deserialize(image)
    else:
        connection = sqlite3.connect(database, isolation_level=None)
    connection.text_factory = lenient_text
    return connection


def page_size(data: bytearray, log: WriteAheadLog) -> int:
    """How many bytes a page has: the log says so, else the header; else the beginnings of pages.

    A flipped bit makes no other size of the one in the header.
    """
    said = int.from_bytes(data[PAGE_SIZE], "big")
    if log.page_size or said in PAGES:
        return log.page_size or said
    # Counted with too large a page size, about half of the true page beginnings are found; with
    # the right size, nearly all.
    least = 0.75 * _trees(data, min(PAGES))
    return max(size for size in PAGES if _trees(data, size) >= least)


def _trees(data: bytearray, size: int) -> int:
    """How many pages, if they have this size, begin like those of a table or an index."""
    return sum(kind in TREE_PAGES for kind in data[size::size])


def _bring_in(log: WriteAheadLog, image: bytearray, size: int) -> None:
    """Bring the pages of the log into the image."""
    most = len(image) // size + len(log.pages)  # a damaged number must not make the image larger
    for number, page in log.pages.items():
        if 1 <= number <= most:
            image.extend(bytes(max(0, number * size - len(image))))
            image[(number - 1) * size : number * size] = page
    image[MODES] = NO_LOG


def _begin_anew(image: bytearray, schema: str, size: int) -> None:
    """Bring the header and the schema of a new database with pages of this size into the image."""
    pages = len(image) // size
    with closing(sqlite3.connect(":memory:")) as new:
        new.execute(f"PRAGMA page_size = {size}")
        new.executescript(schema)
        made = new.serialize()
        tables = {page for (page,) in new.execute("SELECT rootpage FROM sqlite_master")}
    for number in range(1, len(made) // size + 1):
        if number not in tables:  # the first page, and those that the schema needs beside it
            place = slice((number - 1) * size, number * size)
            image[place] = made[place]
    image[LENGTH] = pages.to_bytes(4, "big")
    image[FREE_LIST] = bytes(8)
