"""The folder from which `sync` sends what was taught to the owner: a table, and photos by digest.

It is written again whenever something was taught or removed; a photo that is there stays.
"""

from __future__ import annotations

import logging
from pathlib import Path, PurePosixPath

from catalog.core import durable
from catalog.core.errors import VisualSearchError
from edge.taught.export import TABLE, exported_files
from edge.taught.store import TaughtPhoto, TaughtStore

log = logging.getLogger(__name__)


class SharedFolder:
    """Used by one thread at a time.

    Args:
        store: What was taught.
        folder: The folder; made where it is missing.
    """

    def __init__(self, store: TaughtStore, folder: Path) -> None:
        self._store, self._folder = store, folder

    def renew(self) -> None:
        """Write what is there now; where that fails, the log says so and the device goes on."""
        try:
            self._write()
        except (OSError, VisualSearchError) as error:
            log.error("what was taught is not ready to be shared: %s", error)

    def _write(self) -> None:
        durable.make_private_folder(self._folder / "photos")
        _, table = next(exported_files(self._store, _place_of))
        wanted = set()
        for photo in self._store.photos():
            place = _place_of(photo)
            wanted.add(place.name)
            if not (self._folder / place).exists():  # else its bytes need not be read
                jpeg = self._store.jpeg(photo.id) or b""
                durable.write(self._folder / place, jpeg, durable.PRIVATE)
        durable.write(self._folder / TABLE, table, durable.PRIVATE)
        for file in (self._folder / "photos").iterdir():
            if file.name not in wanted:
                file.unlink()


def _place_of(photo: TaughtPhoto) -> PurePosixPath:
    return PurePosixPath("photos", f"{photo.sha256}.jpg")
