"""Say in a sentence that this user may not look into the device's folders."""

from __future__ import annotations

import os
from pathlib import Path

from catalog.core.errors import SurroundingsError


def no_access(path: Path) -> str:
    """The sentence for a path that this user may not use."""
    return f"{path}: belongs to another user; run this as the device's user, with sudo -u"


def require_access(folder: Path) -> None:
    """Check that this user may look into a folder; one that is missing is no error.

    Raises:
        SurroundingsError: The folder, or one above it, is closed to this user.
    """
    try:
        os.stat(f"{folder}/.")
    except PermissionError as error:
        raise SurroundingsError(no_access(folder)) from error
    except OSError:
        return
