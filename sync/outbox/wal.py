"""Read SQLite's write-ahead log, also behind a flipped bit.

SQLite takes the first frame with a wrong checksum for the end of the log, because it looks like a
transaction that a power cut interrupted. So one flipped bit silently undoes every transaction from
there on. The checksum is linear: it tells a flipped bit from an unfinished transaction, and most
often which bit it is.

::

    header    magic, version, page size, number, salt 1, salt 2; checksum 1, checksum 2
    frame     page number, pages of the database after a commit or 0; salt 1, salt 2;
              checksum 1, checksum 2; the page

All are numbers of 32 bits. A frame's checksum covers its first two numbers and its page, and
continues the one before it (https://www.sqlite.org/fileformat2.html#the_write_ahead_log).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

HEADER = 32  # bytes
PAGES = (512, 1024, 4096)  # bytes of a page: as an outbox is made, and as it was made before
MAGIC, VERSION = 0x377F0682, 3007000  # the magic's last bit: the checksum reads big-endian words
STALE_COMMITS = 1  # that a killed process may leave behind the end of the log


@dataclass(frozen=True)
class WriteAheadLog:
    """What a log holds.

    Attributes:
        pages: The newest committed content of each page, by its number, from 1.
        is_damaged: Whether SQLite would leave out committed transactions.
        page_size: Bytes of a page; 0 for a log that was never begun.
    """

    pages: dict[int, bytes]
    is_damaged: bool
    page_size: int = 0


def read_log(database: Path) -> WriteAheadLog:
    """Read the log of a database, as it was before bits flipped; empty where there is none.

    Raises:
        OSError: It cannot be read.
    """
    try:
        data = bytearray(database.with_name(f"{database.name}-wal").read_bytes())
    except FileNotFoundError:
        return WriteAheadLog({}, is_damaged=False)
    header = _sound_header(data)
    if header is None:
        return WriteAheadLog({}, is_damaged=False)
    from sync.outbox.wal_frames import PAGE_SIZE, Frames  # numpy, which most starts do without

    flipped = header != data[:HEADER]
    data[:HEADER] = header
    frames = Frames(data)
    sound = frames.mend()
    behind = [place for place in frames.commits if place >= sound]
    is_cut = len(behind) > STALE_COMMITS
    commits = behind if is_cut else [place for place in frames.commits if place < sound]
    last = commits[-1] if commits else -1
    pages = {frames.page_number(place): frames.page(place) for place in frames.own if place <= last}
    size = int.from_bytes(header[PAGE_SIZE], "big")
    return WriteAheadLog(pages, flipped or frames.flipped or is_cut, size)


def _sound_header(data: bytearray) -> bytearray | None:
    """The header, with a flipped bit mended; None for a log that was never begun."""
    header = data[:HEADER]
    if len(header) < HEADER or _is_header(header):
        return header if len(header) == HEADER else None
    salts = data[HEADER + 8 : HEADER + 16]  # of the first frame
    for bit in range(8 * HEADER):
        changed = bytearray(header)
        changed[bit // 8] ^= 1 << bit % 8
        if _is_header(changed) and changed[16:24] == salts:
            return changed
    return None


def _is_header(header: bytearray) -> bool:
    magic, version, page = struct.unpack_from(">3I", header)
    if magic & ~1 != MAGIC or version != VERSION or page not in PAGES:
        return False
    first = second = 0
    words = struct.unpack_from(">6I" if magic & 1 else "<6I", header)
    for one, two in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return (first, second) == struct.unpack_from(">2I", header, 24)
