"""Release the pages of mapped files, so that only those in use count as this process's memory.

Most pages of a library serve its start alone, and most of a catalogue's serve one search. The
system keeps what is released in its cache of files, where it can take the room for something else.
A page that is touched again is mapped again within microseconds, or else read from the disk.
"""

from __future__ import annotations

import ctypes
import mmap
import re
from collections.abc import Iterable
from pathlib import Path

MAPPINGS = Path("/proc/self/smaps")
# The line that begins each mapping: first and last address, rights, offset, device, inode.
MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ (\d+)")
UNCHANGED = "Anonymous:             0 kB"

Mapping = tuple[int, int]  # its first address, and the one after its last


def unchanged_files() -> frozenset[Mapping]:
    """Return where files are mapped that nobody may write, and of which no page was changed.

    A page of a library is changed where the loader had to write addresses into it.
    """
    found, mapping = set(), None
    for line in MAPPINGS.read_text().splitlines():
        if line == UNCHANGED and mapping is not None:
            found.add(mapping)
        elif begins := MAPPING.match(line):
            first, end, rights, inode = begins.groups()
            is_read_only_file = inode != "0" and "w" not in rights
            mapping = (int(first, 16), int(end, 16)) if is_read_only_file else None
    return frozenset(found)


def release(mappings: Iterable[Mapping]) -> None:
    """Release the pages of mappings that `unchanged_files` found a while ago and just now.

    A mapping that it has just found for the first time may be of a library that is being loaded:
    what the loader writes next would be lost.
    """
    library = ctypes.CDLL(None)
    for first, end in mappings:
        size = ctypes.c_size_t(end - first)
        library.madvise(ctypes.c_void_p(first), size, mmap.MADV_DONTNEED)
