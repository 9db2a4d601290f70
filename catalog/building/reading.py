"""Read what is printed on the photos of the catalogue; what was read is kept in the build cache."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.building.addresses import AddressCache
from catalog.building.cache import FeatureCache
from catalog.building.calibration_queries import evenly_spread
from catalog.building.collect import BundlePhoto, StageProgress
from catalog.building.features import read_place
from catalog.building.stage import read_lines
from catalog.core.errors import ContentError, NetworkError
from catalog.core.read_line import ReadLine
from catalog.networks.text_reader import TextReader

PER_ITEM = 4  # photos that are read of each item, evenly spread: more show little else


def read_photos(
    photos: Sequence[BundlePhoto], reader: TextReader, cache: FeatureCache, progress: StageProgress
) -> dict[str, list[str]]:
    """Return the lines on the photos of each item, by its sku."""
    by_item: dict[str, list[BundlePhoto]] = {}
    for photo in photos:
        by_item.setdefault(photo.item.sku, []).append(photo)
    chosen = [
        group[number]
        for group in by_item.values()
        for number in evenly_spread(len(group), PER_ITEM)
    ]
    lines: dict[str, list[str]] = {}
    for done, photo in enumerate(chosen, 1):
        read = read_photo(photo.place, photo.sha256, reader, cache)
        lines.setdefault(photo.item.sku, []).extend(read)
        progress("words", done, len(chosen))
    return lines


def read_photo(
    place: str, sha256: str, reader: TextReader, cache: FeatureCache
) -> tuple[ReadLine, ...]:
    """Return the lines on one photo; a photo of the same content is read once."""
    key = f"{sha256}-{reader.version}"
    lines = cache.get_lines(key)
    if lines is None:
        lines = _read(place, reader, cache.addresses)
        cache.put_lines(key, lines)
    return lines


def _read(place: str, reader: TextReader, addresses: AddressCache) -> tuple[ReadLine, ...]:
    """Read one photo; nothing where it went away meanwhile, because its features are there."""
    try:
        return read_lines(read_place(place, addresses), place, reader)
    except (ContentError, NetworkError, OSError):
        return ()
