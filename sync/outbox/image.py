"""Read a database and its write-ahead log as one image, in memory, whatever is damaged in them.

SQLite itself would leave out what comes behind damage in the log, and write to the file.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sync.outbox.integrity import lenient_text
from sync.outbox.wal import PAGE, read_log

MAX_BYTES = 128 << 20  # of a database
MODES = slice(18, 20)  # in the header: how the database is written and read
NO_LOG = b"\1\1"  # there is no log beside an image
LENGTH, FREE_LIST = slice(28, 32), slice(32, 40)  # in the header


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
            header and the schema, is then as a new database's. Without it nothing else can be read.

    Raises:
        OSError: It cannot be read.
    """
    if fits_into_memory(database):
        image = _image(database)
        if new_first_page:
            image[:PAGE] = _first_page(new_first_page, len(image) // PAGE)
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.deserialize(image)
    else:
        connection = sqlite3.connect(database, isolation_level=None)
    connection.text_factory = lenient_text
    return connection


def _image(database: Path) -> bytearray:
    image = bytearray(database.read_bytes())
    pages = read_log(database).pages
    most = len(image) // PAGE + len(pages)  # a damaged number must not make the image larger
    for number, page in pages.items():
        if 1 <= number <= most:
            image.extend(bytes(max(0, number * PAGE - len(image))))
            image[(number - 1) * PAGE : number * PAGE] = page
    image[MODES] = NO_LOG
    return image


def _first_page(schema: str, pages: int) -> bytearray:
    """The first page of a new database, for one of so many pages."""
    with closing(sqlite3.connect(":memory:")) as new:
        new.executescript(schema)
        first = bytearray(new.serialize()[:PAGE])
    first[LENGTH] = pages.to_bytes(4, "big")
    first[FREE_LIST] = bytes(8)
    return first
