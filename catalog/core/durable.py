"""Write files that survive a power cut: written completely, flushed, then named."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import stat
from pathlib import Path

AT_FDCWD = -100
RENAME_EXCHANGE = 2  # of renameat2(2): swap the two names in one step
SHARED, PRIVATE = 0o666, 0o600  # modes of new files; the umask is applied


def write(
    path: Path, data: bytes, mode: int = SHARED, former: os.stat_result | None = None
) -> None:
    """Replace the file at `path`; after a power cut it holds all of `data` or its old content.

    Args:
        path: The file.
        data: Its new content.
        mode: Its permissions; `PRIVATE` for what other users of the machine may not read.
        former: The file that it replaces, to keep that one's permissions and owner as far as
            this program may.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(data)
            file.flush()
            if former is not None:
                with contextlib.suppress(OSError):  # another owner's file becomes this program's
                    os.fchmod(file.fileno(), stat.S_IMODE(former.st_mode))  # the umask took some
                    os.fchown(file.fileno(), former.st_uid, former.st_gid)
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush_folder(path.parent)


def private(name: str | Path, flags: int) -> int:
    """Open a file that only its owner may read, if it is new; returns its descriptor."""
    return os.open(name, flags, PRIVATE)


def make_folder(folder: Path) -> None:
    """Make a folder and missing folders above it, and flush each name."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        flush_folder(folder.parent)


def make_private_folder(folder: Path) -> None:
    """Make a folder that other users cannot enter, and missing ones above it; flush each name.

    A folder that is there already stays as it is.
    """
    if not folder.is_dir():
        make_private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
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


def exchange(first: Path, second: Path) -> None:
    """Swap two existing paths on one file system in one step.

    Raises:
        OSError: The kernel or the file system cannot do it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.renameat2(
        AT_FDCWD, os.fsencode(first), AT_FDCWD, os.fsencode(second), RENAME_EXCHANGE
    )
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(first), None, str(second))
    flush_folder(first.parent)
    flush_folder(second.parent)
