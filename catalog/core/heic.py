"""Decode HEIC and HEIF, the photos of iPhones, with pi-heif."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core.errors import PhotoError
from catalog.core.heif_boxes import UnusualHeifError, require_camera_photo

if TYPE_CHECKING:
    from pi_heif import HeifFile

BRANDS = frozenset(b"heic heix heim heis hevc hevx hevm hevs mif1 mif2 msf1".split())
EXTENTS = re.compile(rb"ispe\0{4}(.{8})", re.DOTALL)
NO_SIZE = (0, 0)
DAMAGED = "a HEIC photo that is damaged or cut short"
UNUSUAL = "a HEIC file with something in it that no camera writes"
AVIF_BRANDS = frozenset([b"avif", b"avis"])
MISSING = (
    "HEIC (iPhone) needs a package that is not installed; install it with: pip install pi-heif"
)


def is_heic(data: bytes) -> bool:
    """Return whether a file's content is HEIC or HEIF; AVIF, which has the same frame, is not."""
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4]), 256)
    brands = {data[start : start + 4] for start in (8, *range(16, end, 4))}
    return bool(brands & BRANDS) and not brands & AVIF_BRANDS


def open_heic(data: bytes, name: str) -> HeifFile:
    """Read a HEIC file's header.

    Raises:
        PhotoError: It is damaged or of a kind that no camera writes, or pi-heif is not installed.
    """
    try:
        import pi_heif  # here, because few devices ever see one
    except ImportError as error:
        raise PhotoError(f"{name}: {MISSING}") from error
    try:
        require_camera_photo(data)
        file = pi_heif.open_heif(data, bgr_mode=True)
        if not len(file) or coded_size(data) == NO_SIZE:
            raise ValueError("no picture in it")
    except UnusualHeifError as error:
        raise PhotoError(f"{name}: {UNUSUAL} ({error})") from error
    except Exception as error:  # a crafted file can make the parsers raise anything
        raise PhotoError(f"{name}: {DAMAGED}") from error
    return file


def coded_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a HEIC file's largest picture as it is decoded, before a cut."""
    sizes = [struct.unpack(">II", found[1]) for found in EXTENTS.finditer(_properties(data))]
    return max(sizes, key=lambda size: size[0] * size[1], default=NO_SIZE)


def turns_itself(data: bytes) -> bool:
    """Return whether a HEIC file has properties by which libheif turns or mirrors it.

    Its EXIF then says the same once more. A file that some other program made may have the EXIF
    alone, so that is what counts there.
    """
    properties = _properties(data)
    return b"irot" in properties or b"imir" in properties


def decode_heic(data: bytes, name: str, enough: int | None) -> NDArray[Any]:
    """Decode to BGR or BGRA uint8 (h, w, 3 or 4), turned as the file's own properties say.

    Where `enough` pixels suffice for the shorter side, a larger picture is averaged down by a
    whole factor, but never below.

    Raises:
        PhotoError: It is damaged, or pi-heif is not installed.
    """
    file = open_heic(data, name)
    try:
        pixels: NDArray[Any] = np.asarray(file[file.primary_index])
        factor = min(pixels.shape[:2]) // (enough or min(pixels.shape[:2]))
        if factor < 2:
            return pixels.copy()  # they go with the file
        size = (pixels.shape[1] // factor, pixels.shape[0] // factor)
        return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    except Exception as error:  # as in open_heic
        raise PhotoError(f"{name}: {DAMAGED}") from error


def _properties(data: bytes) -> bytes:
    """The content of the box with the properties of all pictures in the file."""
    place = max(4, data.find(b"ipco"))
    return data[place : place + int.from_bytes(data[place - 4 : place])]
