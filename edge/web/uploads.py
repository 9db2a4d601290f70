"""Take a photo out of a request, and check it before any costly work."""

from __future__ import annotations

import math
import re
import threading
from contextlib import nullcontext
from dataclasses import dataclass

from flask import Request

from catalog.core.box import Box
from catalog.core.errors import PhotoError
from catalog.core.heic import is_heic
from catalog.core.photo_header import PhotoHeader, read_header
from catalog.core.photos import decode, shrink
from edge.sighting import Image
from edge.web.problems import ProblemError
from edge.words import Words

MOST_BYTES = 64 << 20  # a photo of 200 megapixels has up to 60
MOST_PIXELS = 50_000_000  # of a picture whose every pixel takes memory
MOST_HEAVY_PIXELS = 16_000_000  # of one whose every pixel takes three times as much
MOST_REDUCED_PIXELS = 16_000_000  # that are decoded of a JPEG
ENOUGH = (
    1200  # pixels, shorter side of what is searched: a small code on the thing can still be read
)
LARGE = 12_500_000  # pixels, or as much memory; decoded one at a time
RAW_TYPES = ("image/", "application/octet-stream")
# The decoders of other formats had many faults, and no visitor needs them. An MPO begins as a JPEG.
ACCEPTED = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF.{4}WEBP", re.DOTALL)

_one_large = threading.Lock()


@dataclass(frozen=True, eq=False)
class UploadedPhoto:
    """A photo that a visitor sent, shrunk to what a search needs.

    Attributes:
        image: BGR uint8 (h, w, 3), upright.
        box: The part to search, in pixels of `image`; None to find it.
        size: Width and height of the photo as it was sent, upright.
    """

    image: Image
    box: Box | None
    size: tuple[int, int]

    def as_sent(self, box: Box) -> Box:
        """A box of `image` in pixels of the photo as it was sent."""
        return box.resized(self.image.shape[1::-1], self.size)


def uploaded_photo(request: Request) -> UploadedPhoto:
    """The photo of a request, and the box to search in it.

    The request's box is in pixels of the whole photo, upright.

    Raises:
        ProblemError: 400, 411, 413, 415 or 422; says what is wrong.
    """
    if request.content_length is None or "Transfer-Encoding" in request.headers:
        raise ProblemError(411, "Send the photo with a Content-Length, not in chunks.")
    if request.content_length > MOST_BYTES:
        raise ProblemError(
            413,
            f"The request has {request.content_length:,} bytes; a photo may have at most "
            f"{MOST_BYTES:,}. Send a smaller one.",
        )
    name, data = _photo_bytes(request)
    if not data:
        raise ProblemError(
            400, Words("{name} is empty; send a JPEG, PNG, WebP or HEIC.", name=name)
        )
    if not (ACCEPTED.match(data) or is_heic(data)):
        raise ProblemError(
            415,
            Words(
                "{name} is not in one of the accepted formats. Send a JPEG, PNG, WebP or HEIC.",
                name=name,
            ),
        )
    text = request.args.get("box") or request.form.get("box")
    try:
        header = read_header(data, name, MOST_PIXELS, MOST_HEAVY_PIXELS)
        size = header.upright_size
        box = parse_box(text, *size) if text else None
        image = _decode(data, name, header, box)
    except PhotoError as error:
        raise ProblemError(
            422, Words("{reason}. Send a JPEG, PNG, WebP or HEIC.", reason=error)
        ) from error
    return UploadedPhoto(image, box and box.resized(size, image.shape[1::-1]), size)


def _decode(data: bytes, name: str, header: PhotoHeader, box: Box | None) -> Image:
    """Decode a photo so that the shorter side of what is searched has `ENOUGH` pixels, if it can.

    Raises:
        PhotoError: The photo is damaged, cut short or too large.
    """
    width, height = header.upright_size
    shorter = min(box.width, box.height) if box else min(width, height)
    enough = math.ceil(ENOUGH * min(width, height) / shorter)
    most = MOST_PIXELS if header.unbounded else MOST_REDUCED_PIXELS
    decoded = width * height
    if not header.unbounded:
        decoded //= header.reduction(enough, most) ** 2
    if header.heavy:
        decoded = decoded * MOST_PIXELS // MOST_HEAVY_PIXELS
    with _one_large if decoded > LARGE else nullcontext():
        image = decode(data, name, enough, most)
        return shrink(image, math.ceil(max(image.shape[:2]) * enough / min(image.shape[:2])))


def parse_box(text: str, width: int, height: int) -> Box:
    """The box `x,y,width,height` within a picture of `width` x `height` pixels.

    Raises:
        ProblemError: 400, not four whole numbers, or not within the picture.
    """
    try:
        numbers = [int(part) for part in text.split(",")]
        box = Box(*numbers)
    except (ValueError, TypeError):
        raise ProblemError(
            400,
            f"The box {text[:60]!r} is not x,y,width,height in whole pixels, as in 10,20,300,200.",
        ) from None
    inside = box.x >= 0 and box.y >= 0 and box.x + box.width <= width
    if not inside or box.y + box.height > height or min(box.width, box.height) < 1:
        raise ProblemError(
            400, f"The box {text[:60]} is not within the photo of {width} x {height} pixels."
        )
    return box


def _photo_bytes(request: Request) -> tuple[str, bytes]:
    """The photo's name for messages, and its bytes, from a form's field or the whole body."""
    if request.mimetype == "multipart/form-data":
        photo = request.files.get("photo")
        if photo is None:
            raise ProblemError(400, "The form has no file in the field 'photo'; add one.")
        return (photo.filename or "the photo")[:100], photo.read()
    if request.mimetype.startswith(RAW_TYPES):
        return "the photo", request.get_data(cache=False)
    given = request.mimetype or "no Content-Type"
    raise ProblemError(
        415,
        f"{given} is not a photo; send multipart/form-data with the field 'photo', or image/jpeg.",
    )
