"""Take a photo out of a request, and check it before any costly work."""

from __future__ import annotations

from flask import Request

from catalog.core.errors import PhotoError
from catalog.core.photos import decode
from edge.sighting import Box, Image
from edge.web.problems import ProblemError

MOST_BYTES = 16 << 20
MOST_PIXELS = 50_000_000
RAW_TYPES = ("image/", "application/octet-stream")


def uploaded_photo(request: Request) -> tuple[Image, Box | None]:
    """The photo of a request, BGR uint8 (h, w, 3) and upright, and the box to search in it.

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
        raise ProblemError(400, f"{name} is empty; send a JPEG, PNG or WebP.")
    try:
        image = decode(data, name, most_pixels=MOST_PIXELS)
    except PhotoError as error:
        raise ProblemError(422, f"{error}. Send a JPEG, PNG or WebP.") from error
    text = request.args.get("box") or request.form.get("box")
    return image, parse_box(text, image.shape[1], image.shape[0]) if text else None


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
