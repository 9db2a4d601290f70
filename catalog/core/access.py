"""Say in a sentence that this user may not use the device's folders."""

from __future__ import annotations

import errno
import os
import pwd
from contextlib import suppress
from pathlib import Path

from catalog.core.errors import SurroundingsError


def no_access(path: Path) -> str:
    """The sentence for a path that this user may not use."""
    return f"{path}: belongs to another user; run this as the device's user, with sudo -u"


def why_unwritable(error: OSError) -> str:
    """Why a file or folder cannot be written, as a clause; names this user where that is why.

    On a device root's commands run as the user of its services, who may not write everywhere.
    """
    if error.errno not in (errno.EACCES, errno.EPERM):
        return error.strerror or str(error)
    name = f"with the number {os.geteuid()}"
    with suppress(KeyError):
        name = pwd.getpwuid(os.geteuid()).pw_name
    return (
        f"{error.strerror}; this command runs as the user {name}, who may not write there: name a "
        "place where this user may"
    )


def require_access(path: Path) -> None:
    """Check that this user may enter a folder or read a file; a missing one is no error.

    Raises:
        SurroundingsError: It, or a folder above it, is closed to this user.
    """
    try:
        is_open = os.access(path, os.X_OK if path.is_dir() else os.R_OK) or not path.exists()
    except PermissionError:
        is_open = False
    if not is_open:
        raise SurroundingsError(no_access(path))
