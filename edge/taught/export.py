"""Write what was taught as a table and photos that `catalog build` takes."""

from __future__ import annotations

import csv
import io
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from catalog.core import durable
from catalog.core.access import why_unwritable
from catalog.core.errors import ContentError, ShelfError, SurroundingsError
from edge.taught.store import TaughtPhoto, TaughtStore

TABLE = "items.csv"
PlaceOf = Callable[[TaughtPhoto], PurePosixPath]
FIELDS = ("sku", "title", "price", "url", "location", "photo")


def exported_files(
    store: TaughtStore, place_of: PlaceOf | None = None
) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield the place and content of each file: the table first, then the photos.

    The table has a row for each photo. Items of the catalogue have no title there, because the
    catalogue's own table has it.

    Args:
        store: What was taught.
        place_of: Gives the place of a photo; by default one that its item's number names.
    """
    items = {item.sku: item for item in store.items()}
    photos = store.photos()
    skus = sorted({photo.sku for photo in photos})
    names = sorted({name for item in items.values() for name in item.attributes} - set(FIELDS))
    folders = {sku: f"{_folder(sku)}-{number}" for number, sku in enumerate(skus, 1)}
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, [*FIELDS, *names], restval="")
    writer.writeheader()
    places = {}
    for photo in photos:
        place = PurePosixPath("photos", folders[photo.sku], f"{photo.id}.jpg")
        if place_of is not None:
            place = place_of(photo)
        places[photo.id] = place
        row: dict[str, str] = {}
        if (item := items.get(photo.sku)) is not None:
            row |= item.attributes | {
                "title": item.title,
                "price": item.price,
                "url": item.url,
                "location": item.location,
            }
        writer.writerow(row | {"sku": photo.sku, "photo": str(place)})
    yield PurePosixPath(TABLE), table.getvalue().encode()
    for photo in photos:
        jpeg = store.jpeg(photo.id)
        if jpeg is not None:
            yield places[photo.id], jpeg


def export_folder(store: TaughtStore, folder: Path) -> int:
    """Write everything into a new folder, and return the number of photos.

    Raises:
        ContentError: Nothing was taught, or the folder is not empty.
        SurroundingsError: The folder cannot be written.
    """
    if not store.photos():
        raise ContentError("nothing was taught on this device yet")
    try:
        if folder.exists() and any(folder.iterdir()):
            raise ContentError(f"{folder}: is not empty; name a new folder")
        count = 0
        for place, content in exported_files(store):
            file = folder / place
            durable.make_private_folder(file.parent)
            durable.write(file, content, durable.PRIVATE)
            count += place.name != TABLE
    except OSError as error:
        raise SurroundingsError(f"{folder}: cannot be written: {why_unwritable(error)}") from error
    return count


def export_file(store: TaughtStore) -> IO[bytes]:
    """Write everything into a ZIP file beside the store, open at its begin and without a name.

    Raises:
        DiskFullError: There is no room.
        ShelfError: It cannot be written.
    """
    store.check_free(store.photo_bytes())
    try:
        # Not in memory: many photos may be there. The file has no name, so nothing is left.
        file = tempfile.TemporaryFile(dir=store.path.parent)  # noqa: SIM115 - closed when sent
        export_zip(store, file)
        file.seek(0)
    except OSError as error:
        raise ShelfError(f"the export cannot be written: {error.strerror}") from error
    return file


def export_zip(store: TaughtStore, file: IO[bytes]) -> None:
    """Write everything into a ZIP file."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # JPEGs shrink no further
        for place, content in exported_files(store):
            archive.writestr(str(place), content)


def _folder(sku: str) -> str:
    """A sku as the begin of a folder's name on any system."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", sku).strip(".-")[:60] or "item"
