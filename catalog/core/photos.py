"""Decode pictures safely, from wherever their files come."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL.JpegImagePlugin import JpegImageFile

from catalog.core.colour_profile import printed_to_srgb, to_srgb
from catalog.core.errors import PhotoError
from catalog.core.heic import decode_heic
from catalog.core.jpeg import with_end
from catalog.core.opencv import SILENT, set_log_level
from catalog.core.photo_header import MOST_PIXELS, SIDEWAYS, PhotoHeader, read_header

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
set_log_level(SILENT)  # a damaged picture raises an error of its own
BY_PILLOW = ("GIF", "AVIF")  # OpenCV's wheels cannot read them
# Not turned by the EXIF: in which formats OpenCV does that depends on its version.
AS_STORED = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
REDUCED = {
    1: AS_STORED,
    2: cv2.IMREAD_REDUCED_COLOR_2 | cv2.IMREAD_IGNORE_ORIENTATION,
    4: cv2.IMREAD_REDUCED_COLOR_4 | cv2.IMREAD_IGNORE_ORIENTATION,
    8: cv2.IMREAD_REDUCED_COLOR_8 | cv2.IMREAD_IGNORE_ORIENTATION,
}
STRIP = 256  # rows blended at a time: a small file may hold fifty million pixels


def decode(
    data: bytes,
    name: str,
    enough: int | None = None,
    most_pixels: int = MOST_PIXELS,
    header: PhotoHeader | None = None,
) -> Picture:
    """Decode a picture file's bytes to BGR uint8 (h, w, 3), upright and in sRGB.

    The size in the header is checked before anything is decoded. Transparent parts become white,
    like the background of most catalogue pictures.

    Args:
        data: The content of the file.
        name: What to call it in an error message.
        enough: Shorter side in pixels that suffices. A larger JPEG is then decoded at a half,
            a quarter or an eighth of its size, and a larger HEIC reduced at once, but never below.
        most_pixels: A JPEG with more pixels is decoded reduced even below `enough`. A picture
            that cannot be decoded so in bounded memory is refused.
        header: What `read_header` read with the same limit, where it was asked before.

    Raises:
        PhotoError: It is no picture, damaged, cut short, too small or too large.
    """
    header = header or read_header(data, name, most_pixels)
    try:
        image = _decode(data, name, header, enough, most_pixels)
        return to_srgb(image, header.profile, grey=header.grey)
    except PhotoError:
        raise
    except Exception as error:  # a crafted file can make the decoders raise anything
        raise PhotoError(f"{name}: the picture is damaged or cut short") from error


def is_photo_name(name: str) -> bool:
    """Return whether a file of this name should be a picture."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in SUFFIXES


def is_photo(path: Path) -> bool:
    """Return whether a file should be a picture by its name, or is one by its content."""
    return is_photo_name(path.name) or is_picture_file(path)


def is_picture_file(path: Path) -> bool:
    """Return whether a file's first bytes are those of a picture, whatever its name is.

    The file of a raw photo begins like a TIFF. It is no picture that can be read, so a TIFF needs
    a name that says so, or a name without suffix. A file that cannot be opened is no picture.
    """
    if not path.is_file():  # a pipe would never end
        return False
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


def _decode(
    data: bytes, name: str, header: PhotoHeader, enough: int | None, most_pixels: int
) -> Picture:
    if header.format == "JPEG":
        return _decode_jpeg(data, name, header, header.reduction(enough, most_pixels))
    if header.format == "HEIC":
        return _upright(_on_white(decode_heic(data, name, enough)), header.orientation)
    if header.format in BY_PILLOW:
        return _upright(_decode_by_pillow(data), header.orientation)
    if not header.transparent:
        image = _decode_by_opencv(data, AS_STORED)
    else:
        image = _on_white(_decode_by_opencv(data, cv2.IMREAD_UNCHANGED))
    # A TIFF comes upright from OpenCV whatever the flags are.
    return image if header.format == "TIFF" else _upright(image, header.orientation)


def _decode_jpeg(data: bytes, name: str, header: PhotoHeader, reduction: int) -> Picture:
    data = with_end(data, name, progressive=header.progressive)
    if header.mode != "CMYK":
        return _upright(_decode_by_opencv(data, REDUCED[reduction]), header.orientation)
    with JpegImageFile(io.BytesIO(data)) as picture:
        picture.draft("CMYK", (header.width // reduction, header.height // reduction))
        printed = np.asarray(printed_to_srgb(picture, header.profile))
    return _upright(printed[:, :, ::-1], header.orientation)


def _decode_by_opencv(data: bytes, flags: int) -> Picture:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None or image.size == 0:
        raise ValueError("OpenCV cannot decode it")
    return cast(Picture, image)


def _decode_by_pillow(data: bytes) -> Picture:
    with PillowImage.open(io.BytesIO(data), formats=BY_PILLOW) as picture:
        width, height = picture.size
        image = np.empty((height, width, 3), np.uint8)
        for top in range(0, height, STRIP):
            strip = picture.crop((0, top, width, min(top + STRIP, height))).convert("RGBA")
            bgra = cv2.cvtColor(np.asarray(strip), cv2.COLOR_RGBA2BGRA)
            image[top : top + STRIP] = _on_white(bgra)
    return image


def _upright(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    if orientation in SIDEWAYS:
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def _on_white(decoded: NDArray[Any]) -> Picture:
    if decoded.ndim == 2:
        return cast(Picture, cv2.cvtColor(_eight_bits(decoded), cv2.COLOR_GRAY2BGR))
    if decoded.shape[2] == 3:
        return _eight_bits(decoded)
    blended = np.empty((*decoded.shape[:2], 3), np.uint8)
    for top in range(0, len(decoded), STRIP):
        strip = _eight_bits(decoded[top : top + STRIP])
        alpha = strip[:, :, 3:].astype(np.float32) / 255
        blended[top : top + STRIP] = (strip[:, :, :3] * alpha + 255 * (1 - alpha)).round()
    return blended


def _eight_bits(decoded: NDArray[Any]) -> NDArray[np.uint8]:
    if decoded.dtype == np.uint16:
        decoded = decoded >> 8
    return decoded.astype(np.uint8, copy=False)
