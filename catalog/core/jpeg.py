"""Find out how much of a JPEG is there: files are cut short by cameras, copies and networks."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile

from catalog.core.errors import PhotoError

END = b"\xff\xd9"
# What the decoder stops at. Every other byte between two segments is passed over, as the decoder
# does: coded ones (FF 00 among them), FF D0 to FF D7, which only divide a scan, and padding.
MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
SEQUENTIAL = frozenset([0xC0, 0xC1, 0xC9])  # frames that can be decoded row by row
START_OF_SCAN = 0xDA
END_OF_PICTURE = 0xD9
MOST_SCANS = 100  # each takes time for the whole picture, and a few bytes
PADDING = 16  # so many zero bytes at the end were never written: the copy was interrupted
# Coded bytes that no picture goes on with. What the decoder makes of them differs from the grey
# that it makes of nothing.
OTHER_TAIL = bytes(range(0x11, 0xEE, 5)) * 4
COEFFICIENTS = 64


def with_end(data: bytes, name: str, *, progressive: bool) -> bytes:
    """Return a JPEG that ends with its end marker, if all of its rows are there.

    Raises:
        PhotoError: Rows are missing; says how many. Or it would take minutes to decode.
    """
    structure = _walk(data)
    if structure.scans > MOST_SCANS:
        raise PhotoError(f"{name}: more than {MOST_SCANS} scans, which no camera writes; refused")
    if structure.ended:
        return data
    if data.endswith(bytes(PADDING)):
        data = data.rstrip(b"\0")
    data = data.removesuffix(END[:1])  # half of a marker
    try:
        missing = _missing_share(data, progressive=progressive) if structure.complete else 1.0
    except Exception as error:  # a crafted file can make Pillow's parsers raise anything
        raise PhotoError(f"{name}: the picture is damaged or cut short") from error
    if missing:
        percent = min(100, max(1, round(100 * missing)))
        how = "not complete" if progressive else "missing"
        raise PhotoError(f"{name}: the file is cut short; {percent} % of its rows are {how}")
    return data + END


@dataclass(frozen=True)
class _Structure:
    """What a JPEG consists of.

    Attributes:
        scans: How many scans it has. A progressive JPEG has several: coarse ones of the whole
            picture, then finer ones.
        ended: Whether the end marker is there.
        complete: Whether there is a scan, or its beginning, for every coefficient's last bit.
    """

    scans: int
    ended: bool
    complete: bool


def needs_whole(data: bytes) -> bool:
    """Return whether decoding a JPEG takes memory for all of it, even at a reduced size.

    It does for a progressive one, and for one whose colours come one after the other.
    """
    frame, components = 0, 0
    for kind, content in _segments(data):
        if kind in START_OF_FRAME and len(content) > 5:
            frame, components = kind, content[5]
        if kind == START_OF_SCAN and content:
            return frame not in SEQUENTIAL or content[0] < components
    return True


def _walk(data: bytes) -> _Structure:
    scans = components = 0
    ended = False
    coded: dict[int, set[int]] = {}  # by component, the coefficients whose last bit has a scan
    for kind, content in _segments(data):
        ended = kind == END_OF_PICTURE
        if kind in START_OF_FRAME and len(content) > 5:
            components = content[5]
        if kind == START_OF_SCAN and content and len(content) >= 4 + 2 * content[0]:
            scans += 1
            first, last, bits = content[-3:]
            for component in content[1 : 1 + 2 * content[0] : 2]:
                if bits & 15 == 0:
                    coded.setdefault(component, set()).update(range(first, last + 1))
        if scans > MOST_SCANS:
            break
    whole = [component for component in coded.values() if len(component) == COEFFICIENTS]
    return _Structure(scans, ended, complete=0 < components == len(whole))


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the kind and the content of each segment, up to the end of the picture."""
    position = 2
    while marker := MARKER.search(data, position):
        kind, start = marker[0][1], marker.end()
        if kind == END_OF_PICTURE:
            yield kind, b""
            return
        content = data[start + 2 : start + int.from_bytes(data[start : start + 2])]
        yield kind, content
        position = start + 2 + len(content)


def _missing_share(data: bytes, *, progressive: bool) -> float:
    """Return the share of rows that depend on what should stand behind the data, 0 to 1.

    The decoder tells: the picture is decoded with two different tails, and the rows that are
    there do not differ. An eighth of its size shows where a picture ends; a progressive one has
    its coarse picture long before its end, so half of its size is compared.
    """
    reduction = 2 if progressive else 8
    first, second = (_decode_reduced(data + tail, reduction) for tail in (END, OTHER_TAIL + END))
    differs = (first != second).reshape(len(first), -1).any(axis=1)
    return 1 - int(differs.argmax()) / len(differs) if differs.any() else 0.0


def _decode_reduced(data: bytes, reduction: int) -> NDArray[np.uint8]:
    # By Pillow, because OpenCV writes about each damaged file to stderr.
    with JpegImageFile(io.BytesIO(data)) as picture:
        picture.draft(None, (picture.width // reduction, picture.height // reduction))
        return np.asarray(picture)
