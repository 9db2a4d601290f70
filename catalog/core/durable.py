"""Files that survive a power cut: written whole, flushed, then named."""

from __future__ import annotations

import ctypes
import os
import secrets
from pathlib import Path

AT_FDCWD = -100
RENAME_EXCHANGE = 2  # renameat2(2): the two names change places in one step


def write(path: Path, data: bytes) -> None:
    """Replace the file at `path`: it holds all of `data` or what it held before."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and what is missing above it, each name durable."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        flush_folder(folder.parent)


def flush_tree(folder: Path) -> None:
    """Flush every file below `folder`, then the folders, innermost first."""
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            with open(Path(root, name), "rb") as file:
                os.fsync(file.fileno())
        flush_folder(Path(root))


def flush_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def point(link: Path, target: str) -> None:
    """Make the symbolic link `link` point to `target`, in one step."""
    temporary = link.with_name(f".{link.name}.{secrets.token_hex(4)}")
    temporary.symlink_to(target)
    temporary.replace(link)
    flush_folder(link.parent)


def exchange(one: Path, other: Path) -> None:
    """Let two existing paths on one file system change places in one step.

    Raises:
        OSError: The kernel or the file system cannot.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.renameat2(
        AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE
    )
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(one), None, str(other))
    flush_folder(one.parent)
    flush_folder(other.parent)
