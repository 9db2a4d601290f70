"""Read a database and its write-ahead log as one image, in memory, whatever is damaged in them.

SQLite itself would leave out what comes behind damage in the log, and write to the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sync.outbox.integrity import lenient_text
from sync.outbox.wal import PAGE, read_log

MAX_BYTES = 512 << 20  # of memory
MODES = slice(18, 20)  # in the header: how the database is written and read
NO_LOG = b"\1\1"  # there is no log beside an image
LENGTH, FREE_LIST = slice(28, 32), slice(32, 40)  # in the header


@contextmanager
def images(database: Path, schema: str) -> Iterator[list[sqlite3.Connection]]:
    """Open the image, and a second one whose first page is as a new database's.

    The first page holds the header and the schema: without it nothing else can be read. Of a
    database that is larger than `MAX_BYTES` there is no image; it is opened as it is.

    Args:
        database: The file.
        schema: The SQL that the database was made with.

    Raises:
        OSError: It cannot be read.
    """
    opened = [sqlite3.connect(database, isolation_level=None)]
    if database.stat().st_size <= MAX_BYTES:
        opened[0].close()
        image = _image(database)
        opened = [_open(image), _open(_with_new_first_page(image, schema))]
    try:
        for connection in opened:
            connection.text_factory = lenient_text
        yield opened
    finally:
        for connection in opened:
            connection.close()


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


def _with_new_first_page(image: bytearray, schema: str) -> bytearray:
    with closing(sqlite3.connect(":memory:")) as new:
        new.executescript(schema)
        first = bytearray(new.serialize()[:PAGE])
    first[LENGTH] = (len(image) // PAGE).to_bytes(4, "big")
    first[FREE_LIST] = bytes(8)
    return first + image[PAGE:]


def _open(image: bytearray) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(bytes(image))
    return connection
