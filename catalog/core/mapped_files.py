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
from weakref import WeakKeyDictionary

MAPPINGS = Path("/proc/self/smaps")
# The line that begins each mapping: first and last address, rights, offset, device, inode, file.
MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ (\d+) *(.*)")
LIBRARY = re.compile(r"\.so(\.[\d.]+)?$")
UNCHANGED = "Anonymous:             0 kB"
SIZES = Path("/proc/self/statm")  # in pages; the third number is of mapped files

Mapping = tuple[int, int]  # its first address, and the one after its last

_owners: WeakKeyDictionary[object, int] = WeakKeyDictionary()  # and the inodes of their files


def releasable(owner: object, file: Path) -> None:
    """Allow that pages of `file` are released, which `owner` maps for as long as it lives."""
    _owners[owner] = file.stat().st_ino


def mapped_bytes() -> int:
    """Return how many bytes of mapped files this process has in memory."""
    return int(SIZES.read_text().split()[2]) * mmap.PAGESIZE


def release_unchanged(known: frozenset[Mapping]) -> frozenset[Mapping]:
    """Release the mappings that are among those that the last call returned, and still unchanged.

    A mapping that is found for the first time may be of a library that is being loaded: what the
    loader writes next would be lost.

    Returns:
        What may be released in the next call.
    """
    owners = dict(_owners)  # as long as these live, nothing else comes to where their files are
    found = unchanged_files(owners.values())
    release(found & known)
    return found


def unchanged_files(inodes: Iterable[int]) -> frozenset[Mapping]:
    """Return where files are mapped that nobody may write, and of which no page was changed.

    Only libraries, which stay for good, and files with these inodes are looked at. A page of a
    library is changed where the loader had to write addresses into it.
    """
    looked_at = {str(inode) for inode in inodes}
    found, mapping = set(), None
    with MAPPINGS.open() as lines:  # together they would take two megabytes
        for line in lines:
            if line.startswith(UNCHANGED) and mapping is not None:
                found.add(mapping)
            elif begins := MAPPING.match(line):
                first, end, rights, inode, name = begins.groups()
                is_known = inode in looked_at or LIBRARY.search(name)
                is_read_only = is_known and "w" not in rights
                mapping = (int(first, 16), int(end, 16)) if is_read_only else None
    return frozenset(found)


def release(mappings: Iterable[Mapping]) -> None:
    """Release the pages of mappings; the system maps them again when they are touched."""
    library = ctypes.CDLL(None)
    for first, end in mappings:
        size = ctypes.c_size_t(end - first)
        library.madvise(ctypes.c_void_p(first), size, mmap.MADV_DONTNEED)
