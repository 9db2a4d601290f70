"""Decode HEIC and HEIF, the photos of iPhones, with pi-heif."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from catalog.core.errors import PhotoError

if TYPE_CHECKING:
    from pi_heif import HeifFile

BRANDS = frozenset(b"heic heix heim heis hevc hevx hevm hevs mif1 mif2 msf1".split())
AVIF_BRANDS = frozenset([b"avif", b"avis"])
MISSING = (
    "a HEIC (iPhone) photo, and pi-heif is not installed; install it with: pip install pi-heif"
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
        PhotoError: It is damaged, or pi-heif is not installed.
    """
    try:
        import pi_heif  # here, because few devices ever see one
    except ImportError as error:
        raise PhotoError(f"{name}: {MISSING}") from error
    try:
        return pi_heif.open_heif(data, bgr_mode=True)
    except Exception as error:  # a crafted file can make the parsers raise anything
        raise PhotoError(f"{name}: a HEIC photo that is damaged or cut short") from error


def decode_heic(data: bytes, name: str) -> NDArray[Any]:
    """Decode to BGR or BGRA uint8 (h, w, 3 or 4).

    The file itself says how to turn it, and libheif does so. Its EXIF says the same once more.

    Raises:
        PhotoError: It is damaged, or pi-heif is not installed.
    """
    file = open_heic(data, name)
    try:
        return np.array(file[file.primary_index])  # a copy: the pixels go with the file
    except Exception as error:  # as in open_heic
        raise PhotoError(f"{name}: a HEIC photo that is damaged or cut short") from error
