"""Look into a HEIC file before its decoder does, and refuse what no camera writes.

The decoder, libheif, also knows pictures without compression, mask items, overlays and sequences.
Many of its weaknesses were found in these, and the package that brings it may lack the newest
mends. Properties and references of items are not looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

# HEVC, tiles of it, the same picture turned, its brightness for bright screens, a small JPEG of it.
PICTURES = frozenset([b"hvc1", b"grid", b"iden", b"tmap", b"jpeg"])
NOTES = frozenset([b"Exif", b"mime", b"uri "])
UNUSUAL_BOXES = frozenset([b"moov", b"moof", b"mini"])  # sequences, and a shorter kind of file
HEAD, LONG_HEAD = 8, 16  # bytes of a box before its content
FULL_BOX = 4  # bytes of version and flags
MOST_BOXES = 10_000  # of a photo of 200 megapixels, each tile of which is an item, some 2,000
ITEM_TYPES = {2: 8, 3: 10}  # bytes of an item's entry before its type, by the entry's version


class UnusualHeifError(ValueError):
    """A file has something that no camera writes; the message is its four letters."""


def require_camera_photo(data: bytes) -> None:
    """Raise if a HEIC file has other things in it than a camera's photos.

    Raises:
        UnusualHeifError: It has.
        ValueError: It is damaged.
    """
    has_picture = False
    budget = iter(range(MOST_BOXES))
    for kind, start, end in _boxes(data, 0, len(data), budget, strict=False):
        if kind in UNUSUAL_BOXES:
            raise UnusualHeifError(kind.decode())
        if kind != b"meta":
            continue
        for item in _item_types(data, start + FULL_BOX, end, budget):
            if item not in PICTURES | NOTES:
                raise UnusualHeifError(ascii(item.decode("latin-1"))[1:-1])
            has_picture |= item in PICTURES
    if not has_picture:
        raise ValueError("it lists no picture")


def _item_types(data: bytes, start: int, end: int, budget: Iterator[int]) -> Iterator[bytes]:
    """Yield the types of all items that a ``meta`` box lists."""
    for kind, first, last in _boxes(data, start, end, budget):
        if kind != b"iinf":
            continue
        count = 4 if any(data[first : first + 1]) else 2  # bytes, by the version
        for entry, at, _ in _boxes(data, first + FULL_BOX + count, last, budget):
            version = int.from_bytes(data[at : at + 1])
            if entry != b"infe" or version not in ITEM_TYPES:
                raise ValueError("an item has no type")
            place = at + ITEM_TYPES[version]
            yield data[place : place + 4]


def _boxes(
    data: bytes, start: int, end: int, budget: Iterator[int], *, strict: bool = True
) -> Iterator[tuple[bytes, int, int]]:
    """Yield type, first and last byte of the content of each box; the last may be cut short.

    Args:
        data: The file.
        start: The first byte of the first box.
        end: The byte behind the last box.
        budget: Gives a number for each box that may still be read.
        strict: Whether what follows must be a box. Some phones add other things to a file.

    Raises:
        ValueError: It must be a box and is none, or there are too many boxes.
    """
    while start + HEAD <= end:
        if next(budget, None) is None:
            raise ValueError("it has more boxes than any photo")
        size, kind = struct.unpack_from(">I4s", data, start)
        head = HEAD
        if size == 1:
            head, size = LONG_HEAD, int.from_bytes(data[start + HEAD : start + LONG_HEAD])
        elif size == 0:
            size = end - start
        if size < head:
            if strict:
                raise ValueError("it has a box without an end")
            return
        yield kind, start + head, min(start + size, end)
        start += size
