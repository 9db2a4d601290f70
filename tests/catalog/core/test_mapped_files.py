"""Which mapped files are released, and that nothing is lost."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from catalog.core import mapped_files
from catalog.core.mapped_files import (
    MappedFile,
    Mapping,
    releasable,
    release,
    release_unchanged,
    unchanged_files,
)

PAGES = 256
WRITABLE = mmap.PROT_READ | mmap.PROT_WRITE

# The allocator's thread releases a file that this program has read.
PROGRAM = """
import mmap, sys, time
from pathlib import Path
from catalog.core import allocator
from catalog.core.mapped_files import releasable

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

with open(sys.argv[1], "rb") as file:
    mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
releasable(mapped, Path(sys.argv[1]))
assert mapped[:] == bytes(len(mapped))
before = resident()
allocator.TRIM_INTERVAL_S, allocator.RELEASE_INTERVAL_S = 0.01, 0.02
allocator.bound_memory()
deadline = time.monotonic() + 60
while resident() > before - len(mapped) / 2:
    assert time.monotonic() < deadline, "nothing was released"
    time.sleep(0.01)
assert mapped[:] == bytes(len(mapped))
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of a number of pages, each with its own bytes."""
    path = tmp_path / "file"
    path.write_bytes(b"".join(bytes([page]) * mmap.PAGESIZE for page in range(PAGES)))
    return path


@pytest.fixture
def changed(file: Path) -> mmap.mmap:
    """A private mapping of the file, of which the program has changed a byte."""
    with file.open("rb") as opened:
        mapped = mmap.mmap(opened.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=WRITABLE)
    mapped[0] = 77
    return mapped


def where(mapped: mmap.mmap | np.memmap, file: Path) -> Mapping:
    """Where a mapping is."""
    first = np.frombuffer(mapped, np.uint8).ctypes.data
    return Mapping(first, first + len(mapped), file.stat().st_ino)


def resident_pages(mapping: Mapping) -> int:
    """How many pages of a mapping this process has now."""
    begin = f"{mapping.first:x}-{mapping.end:x} "
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    assert any(line.startswith(begin) for line in lines)
    size = next(line for line in lines if line.startswith("Rss:")).split()[1]
    return int(size) * 1024 // mmap.PAGESIZE


def test_a_file_that_was_read_is_released_and_read_again(file: Path) -> None:
    array = np.memmap(file, np.uint8, "r")
    mapping = where(array, file)
    assert int(array.sum()) == sum(range(PAGES)) * mmap.PAGESIZE
    assert resident_pages(mapping) == PAGES
    assert mapping not in unchanged_files([])
    assert mapping in unchanged_files([MappedFile.at(file)])
    release([mapping])
    assert resident_pages(mapping) == 0
    assert int(array.sum()) == sum(range(PAGES)) * mmap.PAGESIZE


def test_what_is_or_was_writable_and_changed_stays(file: Path, changed: mmap.mmap) -> None:
    mapping = where(changed, file)
    files = [MappedFile.at(file)]
    assert mapping not in unchanged_files(files)
    address = ctypes.c_void_p(mapping.first)
    size = ctypes.c_size_t(len(changed))
    assert ctypes.CDLL(None).mprotect(address, size, mmap.PROT_READ) == 0  # as the loader does
    release(unchanged_files(files))  # the process lives on after its own libraries were released
    assert changed[0] == 77


def test_a_file_is_released_the_second_time_it_is_found_while_its_owner_lives(file: Path) -> None:
    owned, another = (np.memmap(file, np.uint8, "r") for _ in range(2))
    releasable(owned.base, file)
    mapping = where(owned, file)
    known = release_unchanged(frozenset())
    assert mapping in known
    assert int(owned.sum()) == sum(range(PAGES)) * mmap.PAGESIZE
    release_unchanged(frozenset())
    assert resident_pages(mapping) == PAGES
    release_unchanged(known)
    assert resident_pages(mapping) == 0
    del owned
    assert where(another, file) not in release_unchanged(known)


def test_a_file_is_known_by_its_path_and_inode_even_when_it_is_deleted(
    file: Path, tmp_path: Path
) -> None:
    array = np.memmap(file, np.uint8, "r")
    link = tmp_path / "link"
    link.symlink_to(file)
    known = MappedFile.at(link)
    assert where(array, file) in unchanged_files([known])
    other_file = MappedFile(known.inode, "/mnt/file")  # of another file system
    other_inode = MappedFile(known.inode + 1, known.path)  # what is at this path now
    assert where(array, file) not in unchanged_files([other_file, other_inode])
    mapping = where(array, file)
    file.unlink()
    assert mapping in unchanged_files([known])


def test_a_name_that_is_no_text_hides_no_other_file(file: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(file.parent) + b"/\xff.so"))
    odd.write_bytes(file.read_bytes())
    arrays = [np.memmap(path, np.uint8, "r") for path in (odd, file)]
    found = unchanged_files([MappedFile.at(file)])
    assert {where(array, path) for array, path in zip(arrays, (odd, file), strict=True)} <= found


def test_an_emulator_that_counts_no_pages_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """qemu-user says of every mapping that no page is in memory, and that none was changed."""
    mapping = "7f00-7f10 r--p 00000000 fe:00 7    /usr/lib/libc.so.6\n"
    counts = "Size: 4 kB\nRss:                   {} kB\nAnonymous:             0 kB\n"
    mappings = tmp_path / "smaps"
    monkeypatch.setattr(mapped_files, "MAPPINGS", mappings)
    mappings.write_text(2 * (mapping + counts.format(0)))
    assert not unchanged_files([])
    mappings.write_text(mapping + counts.format(0) + mapping + counts.format(4))
    assert unchanged_files([]) == {Mapping(0x7F00, 0x7F10, 7)}


class Owner:
    """An owner; another thread maps a file at the moment when the owners are copied."""

    mapping: threading.Thread | None = None

    def __hash__(self) -> int:
        if self.mapping is not None and not self.mapping.ident:
            self.mapping.start()
            self.mapping.join(0.1)
        return 1


def test_a_file_may_be_mapped_while_others_are_released(file: Path) -> None:
    owner, another = Owner(), np.memmap(file, np.uint8, "r")
    releasable(owner, file)
    owner.mapping = threading.Thread(target=releasable, args=(another.base, file))
    release_unchanged(frozenset())
    owner.mapping.join()


def test_a_process_that_runs_for_long_releases_what_it_has_read(tmp_path: Path) -> None:
    file = tmp_path / "zeros"
    file.write_bytes(bytes(32 << 20))
    subprocess.run([sys.executable, "-c", PROGRAM, file], check=True, timeout=120)
