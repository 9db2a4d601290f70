"""Say what a build would make of a source, without fetching, decoding or writing anything."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from catalog.building.build import FEW_PHOTOS
from catalog.building.features import (
    SkippedPhoto,
    open_photo,
    reason_of,
)
from catalog.building.stage import check_shape
from catalog.bundles.items import can_be_read
from catalog.core.errors import PhotoError
from catalog.core.photo_header import read_header
from catalog.core.photos import is_address
from catalog.sources.source import Source, SourceItem

HEADER = 64 << 10  # bytes, which hold nearly every picture's header
WORKERS = 4  # they wait for the disk


@dataclass(frozen=True)
class Preview:
    """What a build would make, as far as the headers of the pictures tell.

    Attributes:
        items: The number of items with a photo.
        photos: The number of photos.
        to_fetch: How many of them have an address, and so are not looked at.
        skipped: The photos whose headers cannot be read.
        without_photos: The skus of the items that would be left out, because they have no photo
            and neither a title of their own nor a code.
        only_by_reading: The skus of the items without a photo that would be in the bundle.
        few_photos: The skus of the items with fewer than three photos.
        left_out: The rows and files of the source that are not used, as "PLACE: REASON".
        notes: What was taken for what in the source, in sentences.
        warnings: What is likely wrong with the source, in sentences.
        contents: The items with the places of their photos.
    """

    items: int
    photos: int
    to_fetch: int
    skipped: tuple[SkippedPhoto, ...]
    without_photos: tuple[str, ...]
    only_by_reading: tuple[str, ...]
    few_photos: tuple[str, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    contents: tuple[SourceItem, ...]


def preview(source: Source) -> Preview:
    """Look at the header of each photo that is a file, and count."""
    places = [place for item in source.items for place in item.photos]
    with ThreadPoolExecutor(WORKERS, "header") as workers:
        skipped = tuple(photo for photo in workers.map(_check, places, chunksize=64) if photo)
    bad = {photo.name for photo in skipped}
    contents = tuple(
        SourceItem(item.item, tuple(place for place in item.photos if place not in bad))
        for item in source.items
    )
    counts = {item.item.sku: len(item.photos) for item in contents}
    unpictured = [item.item for item in contents if not item.photos]
    return Preview(
        items=sum(count > 0 for count in counts.values()),
        photos=sum(counts.values()),
        to_fetch=sum(map(is_address, places)),
        skipped=skipped,
        without_photos=tuple(item.sku for item in unpictured if not can_be_read(item)),
        only_by_reading=tuple(item.sku for item in unpictured if can_be_read(item)),
        few_photos=tuple(sku for sku, count in counts.items() if 0 < count < FEW_PHOTOS),
        left_out=source.left_out,
        notes=source.notes,
        warnings=source.warnings,
        contents=contents,
    )


def _check(place: str) -> SkippedPhoto | None:
    """Return why a photo cannot be used; None where its header is that of a picture."""
    if is_address(place):
        return None
    try:
        with open_photo(place) as (file, size):
            start = file.read(HEADER)
            try:
                header = read_header(start, place)
            except PhotoError:
                if len(start) < HEADER:
                    raise
                header = read_header(start + file.read(size), place)
        check_shape(place, *header.upright_size)
    except (PhotoError, OSError, ValueError) as error:
        return SkippedPhoto(place, reason_of(place, error))
    return None
