"""Find out how much of a JPEG is there: files are cut short by cameras, copies and networks."""

from __future__ import annotations

import io
import re

import numpy as np
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile

from catalog.core.errors import PhotoError

END = b"\xff\xd9"
# Behind a coded scan stands a marker. FF 00 is a coded byte, FF D0 to FF D7 only divide the scan.
MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
PADDING = 16  # so many zero bytes at the end were never written: the copy was interrupted
# Coded bytes that no picture goes on with. What the decoder makes of them differs from the grey
# that it makes of nothing.
OTHER_TAIL = bytes(range(0x11, 0xEE, 5)) * 4
COEFFICIENTS = 64


def with_end(data: bytes, name: str, *, progressive: bool) -> bytes:
    """Return a JPEG that ends with its end marker, if all of its rows are there.

    Raises:
        PhotoError: Rows are missing; says how many.
    """
    ended, complete = _walk(data)
    if ended:
        return data
    if data.endswith(bytes(PADDING)):
        data = data.rstrip(b"\0")
    data = data.removesuffix(END[:1])  # half of a marker
    try:
        missing = _missing_share(data, progressive=progressive) if complete else 1.0
    except Exception as error:  # a crafted file can make Pillow's parsers raise anything
        raise PhotoError(f"{name}: the picture is damaged or cut short") from error
    if missing:
        percent = min(100, max(1, round(100 * missing)))
        how = "not complete" if progressive else "missing"
        raise PhotoError(f"{name}: the file is cut short; {percent} % of its rows are {how}")
    return data + END


def _walk(data: bytes) -> tuple[bool, bool]:
    """Return whether the end marker is there, and whether the last scan has at least begun.

    A progressive JPEG has several scans: coarse ones of the whole picture, then finer ones.
    """
    position = 2
    components = 0
    coded: dict[int, set[int]] = {}  # by component, the coefficients whose last bit has a scan
    while position + 4 <= len(data) and data[position] == 0xFF:
        kind = data[position + 1]
        if kind == END_OF_IMAGE:
            return True, True
        if kind == 0xFF:  # a marker may have several
            position += 1
            continue
        length = int.from_bytes(data[position + 2 : position + 4])
        content = data[position + 4 : position + 2 + length]
        position += 4 + len(content)
        if kind in START_OF_FRAME and len(content) > 5:
            components = content[5]
        if kind == START_OF_SCAN and content and len(content) >= 4 + 2 * content[0]:
            first, last, bits = content[-3:]
            for component in content[1 : 1 + 2 * content[0] : 2]:
                if bits & 15 == 0:
                    coded.setdefault(component, set()).update(range(first, last + 1))
            marker = MARKER.search(data, position)
            if marker is None:
                break
            position = marker.start()
    ended = data[position : position + 2] == END
    complete = [component for component in coded.values() if len(component) == COEFFICIENTS]
    return ended, 0 < components == len(complete)


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
