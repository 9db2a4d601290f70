"""Decode pictures safely, from wherever their files come."""

from __future__ import annotations

import io
import re
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageOps

from catalog.core.errors import PhotoError
from catalog.core.opencv import SILENT, set_log_level

Picture = NDArray[np.uint8]  # (height, width, 3), BGR, upright

SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .bmp .dib .tif .tiff .gif .ppm .pgm .pbm .jp2 .avif "
    ".heic .heif .hif".split()
)
# The first bytes of the formats. A TIFF's are not among them: those of raw photos are the same.
SIGNATURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF.{4}WEBP|P[1-6]\s+[\d#]"
    rb"|BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0|\0\0\0\x0cjP  \r\n|\xff\x4f\xff\x51"
    rb"|.{4}ftyp(?:hei[cxms]|hev[cxms]|mif[12]|msf1|avi[fs])",
    re.DOTALL,
)
TIFF_SIGNATURE = re.compile(rb"II[*+]\0|MM\0[*+]")
SIGNATURE_BYTES = 64
PillowImage.init()
set_log_level(SILENT)  # a damaged picture raises an error of its own
FORMATS = [
    name
    for name in "JPEG MPO PNG WEBP BMP DIB TIFF GIF PPM JPEG2000 AVIF".split()
    if name in PillowImage.OPEN
]
MOST_PIXELS = 100_000_000  # more than any camera takes; a small file may claim far more
LEAST_SIDE = 8  # pixels
BY_PILLOW = ("GIF", "AVIF")  # OpenCV's wheels cannot read them
REDUCIBLE = ("JPEG", "MPO")  # OpenCV would sample other formats instead of averaging them
ORIENTATION = 0x112  # EXIF
STRIP = 256  # rows blended at a time: a small file may hold fifty million pixels


def decode(
    data: bytes, name: str, enough: int | None = None, most_pixels: int = MOST_PIXELS
) -> Picture:
    """Decode a picture file's bytes to BGR uint8 (h, w, 3), turned upright by its EXIF.

    The size in the header is checked before anything is decoded. Transparent parts become white,
    like the background of most catalogue pictures.

    Args:
        data: The content of the file.
        name: What to call it in an error message.
        enough: Shorter side in pixels that suffices. A larger JPEG is then decoded at a half,
            a quarter or an eighth of its size, but never smaller than this.
        most_pixels: A picture with more pixels is refused.

    Raises:
        PhotoError: It is no picture, damaged, too small or too large.
    """
    header = _header(data, name, most_pixels)
    if header.format in BY_PILLOW:
        return _decode_by_pillow(data, name)
    flags = cv2.IMREAD_UNCHANGED if header.transparent else cv2.IMREAD_COLOR
    if header.format in REDUCIBLE and not header.transparent:
        flags = _reduction(min(header.width, header.height), enough)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise PhotoError(f"{name}: the picture is damaged ({error.err})") from error
    if image is None or image.size == 0:
        raise PhotoError(f"{name}: the picture is damaged or cut short")
    if header.transparent:
        image = _on_white(image)
    # OpenCV itself applies the orientation in JPEG, TIFF and opaque PNG.
    if header.format == "WEBP" or (header.format == "PNG" and header.transparent):
        image = _upright(image, header.orientation)
    return cast(Picture, image)


def upright_size(data: bytes, name: str) -> tuple[int, int]:
    """Return width and height of a picture file turned upright, without decoding it.

    Raises:
        PhotoError: It is no picture, too small or too large.
    """
    header = _header(data, name, MOST_PIXELS)
    sideways = header.orientation in (5, 6, 7, 8)
    return (header.height, header.width) if sideways else (header.width, header.height)


def is_photo_name(name: str) -> bool:
    """Return whether a file of this name should be a picture."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in SUFFIXES


def is_picture_file(path: Path) -> bool:
    """Return whether a file's first bytes are those of a picture, whatever its name is.

    The file of a raw photo begins like a TIFF. It is no picture that can be read, so a TIFF needs
    a name that says so, or a name without suffix. A file that cannot be opened is no picture.
    """
    try:
        with path.open("rb") as file:
            start = file.read(SIGNATURE_BYTES)
    except OSError:
        return False
    if SIGNATURE.match(start):
        return True
    return path.suffix.lower() in ("", ".tif", ".tiff") and bool(TIFF_SIGNATURE.match(start))


def is_address(place: str) -> bool:
    """Return whether a photo's place is an http(s) address."""
    return place[:8].lower().startswith(("http://", "https://"))


def shrink(image: Picture, longest_side: int) -> Picture:
    """Return the picture with its longer side at most `longest_side` pixels."""
    scale = longest_side / max(image.shape[:2])
    if scale >= 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR  # so that no pixel is ignored
    return cast(Picture, cv2.resize(image, size, interpolation=method))


def encode_jpeg(image: Picture, longest_side: int, quality: int = 82) -> bytes:
    """Return the picture as JPEG, with its longer side at most `longest_side` pixels."""
    small = shrink(image, longest_side)
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


@dataclass(frozen=True)
class _Header:
    format: str | None
    width: int
    height: int
    transparent: bool
    orientation: int


def _header(data: bytes, name: str, most_pixels: int) -> _Header:
    """Read a picture's header and check its size, without decoding a pixel."""
    if not data:
        raise PhotoError(f"{name}: the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with PillowImage.open(io.BytesIO(data), formats=FORMATS) as picture:
                width, height = picture.size
                transparent = picture.mode in ("RGBA", "LA", "PA") or (
                    picture.format == "PNG" and "transparency" in picture.info
                )
                kind, exif = picture.format, picture.info.get("exif")
    except PillowImage.DecompressionBombError as error:
        raise PhotoError(f"{name}: the picture claims far too many pixels; refused") from error
    except Exception as error:  # a crafted file can make Pillow's parsers raise anything
        raise PhotoError(f"{name}: not a picture that can be read") from error
    if width * height > most_pixels:
        raise PhotoError(
            f"{name}: {width} x {height} pixels are too many (at most {most_pixels:,}); shrink it"
        )
    if min(width, height) < LEAST_SIDE:
        raise PhotoError(
            f"{name}: {width} x {height} pixels are too few (at least {LEAST_SIDE} a side)"
        )
    return _Header(kind, width, height, transparent, _orientation(exif))


def _reduction(shorter_side: int, enough: int | None) -> int:
    if enough is not None:
        for factor, flag in (
            (8, cv2.IMREAD_REDUCED_COLOR_8),
            (4, cv2.IMREAD_REDUCED_COLOR_4),
            (2, cv2.IMREAD_REDUCED_COLOR_2),
        ):
            if shorter_side // factor >= enough:
                return flag
    return cv2.IMREAD_COLOR


def _orientation(exif: bytes | None) -> int:
    parsed = PillowImage.Exif()
    if exif:
        with suppress(Exception):  # a picture with bad EXIF is still a picture
            parsed.load(exif)
    return int(parsed.get(ORIENTATION, 1))


def _decode_by_pillow(data: bytes, name: str) -> Picture:
    try:
        with PillowImage.open(io.BytesIO(data), formats=BY_PILLOW) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGBA")
    except Exception as error:  # as in _header
        raise PhotoError(f"{name}: the picture is damaged or cut short") from error
    return _on_white(cv2.cvtColor(np.asarray(upright), cv2.COLOR_RGBA2BGRA))


def _upright(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def _on_white(decoded: NDArray[Any]) -> Picture:
    image = (decoded >> 8 if decoded.dtype == np.uint16 else decoded).astype(np.uint8, copy=False)
    if image.ndim == 2:
        return cast(Picture, cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
    if image.shape[2] == 3:
        return image
    blended = np.empty((*image.shape[:2], 3), np.uint8)
    for top in range(0, len(image), STRIP):
        strip = image[top : top + STRIP]
        alpha = strip[:, :, 3:].astype(np.float32) / 255
        blended[top : top + STRIP] = (strip[:, :, :3] * alpha + 255 * (1 - alpha)).round()
    return blended
