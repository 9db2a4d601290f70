"""A new archive of this device, which never takes the place of another file."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from catalog.core import durable
from catalog.core.errors import ContentError


def new_archive(archive: Path) -> BinaryIO:
    """Open a file to be written, which only its owner can read.

    Raises:
        ContentError: There is a file already.
        OSError: It cannot be made.
    """
    try:
        return open(archive, "xb", opener=durable.private)
    except FileExistsError as error:
        raise ContentError(
            f"{archive}: is there already; name another file, or remove this one first"
        ) from error
