"""Say in a sentence that this user may not use the device's folders."""

from __future__ import annotations

import os
from pathlib import Path

from catalog.core.errors import SurroundingsError


def no_access(path: Path) -> str:
    """The sentence for a path that this user may not use."""
    return f"{path}: belongs to another user; run this as the device's user, with sudo -u"


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
