"""Release the pages of mapped files, so that only those in use count as this process's memory.

Most pages of a library serve its start alone, and most of a catalogue's serve one search. The
system keeps what is released in its cache of files, where it can take the room for something else.
A page that is touched again is mapped again within microseconds, or else read from the disk.
"""

from __future__ import annotations

import ctypes
import mmap
import re
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from weakref import WeakKeyDictionary

MAPPINGS = Path("/proc/self/smaps")
# The line that begins each mapping: first and last address, rights, offset, device, inode, file.
MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ (\d+) *(.*)")
LIBRARY = re.compile(r"\.so(\.[\d.]+)?$")
UNCHANGED = "Anonymous:             0 kB"
IN_MEMORY, ABSENT = "Rss:", "Rss:                   0 kB"
# In pages: all address space, what of it is in memory, and what of that is of mapped files.
SIZES = Path("/proc/self/statm")
DELETED = " (deleted)"  # what the system writes behind the name of a file that has none any more


class Mapping(NamedTuple):
    """Where a file is mapped: the first address, the one after the last, the file's inode."""

    first: int
    end: int
    inode: int


class MappedFile(NamedTuple):
    """Which file is mapped: other file systems have files with the same inode."""

    inode: int
    path: str

    @classmethod
    def at(cls, path: Path) -> MappedFile:
        """Return the file that is at `path` now, or that its link leads to."""
        return cls(path.stat().st_ino, str(path.resolve()))


_owners: WeakKeyDictionary[object, MappedFile] = WeakKeyDictionary()
_owners_lock = threading.Lock()


def releasable(owner: object, file: Path) -> None:
    """Allow that pages of `file` are released, which `owner` maps for as long as it lives."""
    mapped = MappedFile.at(file)
    with _owners_lock:
        _owners[owner] = mapped


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
    with _owners_lock:
        owners = dict(_owners)  # as long as these live, nothing else comes to where their files are
    found = unchanged_files(owners.values())
    release(found & known)
    return found


def unchanged_files(files: Iterable[MappedFile]) -> frozenset[Mapping]:
    """Return where files are mapped that nobody may write, and of which no page was changed.

    Only these files and libraries, which are practically never unloaded, are looked at. A page of a
    library is changed where the loader had to write addresses into it. Nothing is found where the
    system counts no page of any mapping, as an emulator of another processor (qemu-user) does: it
    also says of changed ones that there are none.
    """
    looked_at = set(files)
    found, mapping, is_counted = set(), None, False
    # Line by line: together they would take two megabytes. Names may have any bytes.
    with MAPPINGS.open(encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            if line.startswith(UNCHANGED) and mapping is not None:
                found.add(mapping)
            elif line.startswith(IN_MEMORY):
                is_counted = is_counted or not line.startswith(ABSENT)
            elif begins := MAPPING.match(line):
                first, end, rights, number, name = begins.groups()
                inode = int(number)
                is_known = MappedFile(inode, name.removesuffix(DELETED)) in looked_at
                is_read_only = (is_known or LIBRARY.search(name)) and "w" not in rights
                mapping = Mapping(int(first, 16), int(end, 16), inode) if is_read_only else None
    return frozenset(found) if is_counted else frozenset()


def release(mappings: Iterable[Mapping]) -> None:
    """Release the pages of mappings; the system maps them again when they are touched."""
    library = ctypes.CDLL(None)
    for mapping in mappings:
        size = ctypes.c_size_t(mapping.end - mapping.first)
        library.madvise(ctypes.c_void_p(mapping.first), size, mmap.MADV_DONTNEED)
