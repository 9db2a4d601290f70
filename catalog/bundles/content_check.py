"""Check that a device can show what a bundle finds: items, photos, thumbnails and text search.

Every item and every photo is read. Of many thumbnails `THUMBNAILS` are decoded, from the first to
the last at equal distances, so that the check of a large bundle stays short.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TypeVar

from catalog.bundles.bundle import Bundle
from catalog.bundles.items import Item, can_be_read
from catalog.core.errors import BundleError, PhotoError
from catalog.core.photos import decode
from catalog.networks import projection

THUMBNAILS = 256  # that are decoded
SEARCHES = 16  # for words of titles
LONGEST_ITEM = 1 << 20  # characters of all its texts
LARGEST_THUMBNAIL = 1 << 20  # bytes
THUMBNAIL_PIXELS = 1 << 22  # that are decoded at most
LARGEST_SIDE = 1 << 16  # pixels of a photo

Thing = TypeVar("Thing")


def check_content(bundle: Bundle) -> None:
    """Read what an open bundle holds beside its vectors.

    Raises:
        BundleError: Something of it cannot be used; says what.
    """
    try:
        _check_network(bundle)
        items = _check_items(bundle)
        _check_photos(bundle, items)
        _check_thumbnails(bundle)
        _check_searches(bundle, items)
    except sqlite3.Error as error:
        raise BundleError(f"{bundle.path}: its items cannot be read: {error}") from error


def _check_network(bundle: Bundle) -> None:
    """Check that the manifest names all that the network is read from: only that is copied."""
    own = bundle.path / "featurizer" / projection.FILE
    for file in (*bundle.featurizer.files, own):
        name = file.relative_to(bundle.path).as_posix()
        if name not in bundle.manifest.files and file.exists():
            raise BundleError(f"{bundle.path}: the manifest lists no {name}; build it again")


def _check_items(bundle: Bundle) -> list[Item]:
    items = []
    try:
        for item in bundle.items.all_items():
            items.append(item)
            if not _is_usable(item):
                raise BundleError(f"{bundle.path}: item {item.sku[:100]!r} cannot be shown")
    except (ValueError, RecursionError) as error:
        after = f"the item after {items[-1].sku[:100]!r}" if items else "the first item"
        raise BundleError(f"{bundle.path}: {after}: its attributes cannot be read") from error
    return items


def _is_usable(item: Item) -> bool:
    attributes = item.attributes
    if not item.sku or not isinstance(attributes, dict):
        return False
    texts = [item.sku, item.title, item.price, item.url, item.location]
    texts += [*attributes, *attributes.values()]
    return all(isinstance(text, str) for text in texts) and sum(map(len, texts)) <= LONGEST_ITEM


def _check_photos(bundle: Bundle, items: Sequence[Item]) -> None:
    skus = {item.sku for item in items}
    shown = set()
    try:
        for place, photo in enumerate(bundle.items.all_photos()):
            sides = (photo.width, photo.height)
            if photo.number != place or photo.sku not in skus:
                raise BundleError(f"{bundle.path}: photo {place} belongs to no item")
            if not all(isinstance(side, int) and 0 < side <= LARGEST_SIDE for side in sides):
                raise BundleError(f"{bundle.path}: photo {place} has an impossible size")
            shown.add(photo.sku)
    except TypeError as error:
        raise BundleError(f"{bundle.path}: its photos are not described: {error}") from error
    for item in items:
        if item.sku not in shown and not can_be_read(item):
            raise BundleError(
                f"{bundle.path}: item {item.sku[:100]!r} has no photo, and no title or code to read"
            )


def _check_thumbnails(bundle: Bundle) -> None:
    for number in _sample(range(bundle.manifest.photos), THUMBNAILS):
        jpeg = bundle.thumbnail(number)
        if jpeg is None or len(jpeg) > LARGEST_THUMBNAIL:
            raise BundleError(f"{bundle.path}: photo {number} has no thumbnail of a usable size")
        try:
            name = f"{bundle.path}: the thumbnail of photo {number}"
            decode(jpeg, name, most_pixels=THUMBNAIL_PIXELS)
        except PhotoError as error:
            raise BundleError(str(error)) from error


def _check_searches(bundle: Bundle, items: Sequence[Item]) -> None:
    bundle.items.with_code(["0"])  # reads the codes of all items
    named = [item for item in items if any(character.isalnum() for character in item.title)]
    asked = _sample(named, SEARCHES)
    found = sum(bool(bundle.find(item.title, 1)) for item in asked)
    if found < len(asked) / 2:  # a title of odd signs alone need not be found
        raise BundleError(
            f"{bundle.path}: text search finds {found} of {len(asked)} titles; build it again"
        )


def _sample(things: Sequence[Thing], most: int) -> list[Thing]:
    """At most so many of the things, at equal distances, with the first and the last one."""
    if len(things) <= most:
        return list(things)
    return [things[place * (len(things) - 1) // (most - 1)] for place in range(most)]
