"""Photos are taken out of a request: what is refused, with which words, and what is decoded."""

from __future__ import annotations

import io
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pytest
from flask import Request
from PIL import Image
from werkzeug.test import EnvironBuilder

from catalog.core.box import Box
from edge.web import uploads
from edge.web.problems import ProblemError
from edge.web.uploads import parse_box, uploaded_photo

SEND = "Send a JPEG, PNG, WebP or HEIC."


def picture(width: int, height: int, kind: str = "PNG") -> bytes:
    random = np.random.default_rng(1)
    pixels = random.integers(0, 256, (height, width, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def raw(data: bytes, content_type: str = "image/png", **query: str) -> Request:
    builder = EnvironBuilder(
        method="POST", data=data, content_type=content_type, query_string=query
    )
    return Request(builder.get_environ() | {"CONTENT_LENGTH": str(len(data))})


def form(**fields: Any) -> Request:
    return Request(EnvironBuilder(method="POST", data=fields).get_environ())


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        (raw(b""), 400, "the photo is empty; send a JPEG, PNG, WebP or HEIC."),
        (
            form(photo=(io.BytesIO(b""), "a.jpg", "image/jpeg")),
            400,
            "a.jpg is empty; send a JPEG, PNG, WebP or HEIC.",
        ),
        (
            form(image=(io.BytesIO(b"x"), "a.jpg")),
            400,
            "The form has no file in the field 'photo'; add one.",
        ),
        (
            raw(b"x", "text/plain"),
            415,
            "text/plain is not a photo; send multipart/form-data with the field 'photo', "
            "or image/jpeg.",
        ),
        (raw(b"x", ""), 415, "no Content-Type is not a photo"),
        (raw(b"GIF89a"), 415, f"the photo is not in one of the accepted formats. {SEND}"),
        (raw(picture(9, 9)[:60]), 422, SEND),
        (
            raw(picture(9, 9), box="1,1,9,3"),
            400,
            "The box 1,1,9,3 is not within the photo of 9 x 9",
        ),
        (
            raw(picture(9, 9), box="a,1,9,3"),
            400,
            "The box 'a,1,9,3' is not x,y,width,height in whole pixels, as in 10,20,300,200.",
        ),
    ],
)
def test_what_is_no_photo_is_refused(request_: Request, status: int, said: str) -> None:
    with pytest.raises(ProblemError) as raised:
        uploaded_photo(request_)
    assert raised.value.status == status
    assert said in str(raised.value)


def test_a_long_name_is_cut_and_a_missing_one_is_the_photo() -> None:
    for name, shown in (("x" * 150, "x" * 100 + " is empty"), ("", "the photo is empty")):
        photo = (io.BytesIO(b""), name, "image/jpeg")
        request = form(photo=photo) if name else raw(b"")
        with pytest.raises(ProblemError) as raised:
            uploaded_photo(request)
        assert str(raised.value).startswith(shown)


def test_as_many_bytes_as_are_allowed_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    data = picture(9, 9)
    monkeypatch.setattr(uploads, "MOST_BYTES", len(data))
    assert uploaded_photo(raw(data)).size == (9, 9)
    monkeypatch.setattr(uploads, "MOST_BYTES", len(data) - 1)
    with pytest.raises(ProblemError, match=f"at most {len(data) - 1:,}. Send a") as raised:
        uploaded_photo(raw(data))
    assert raised.value.status == 413


@pytest.mark.parametrize("how", ["image/png", "application/octet-stream", "form"])
def test_a_photo_comes_in_a_form_or_as_the_body(how: str) -> None:
    data = picture(40, 20)
    request = (
        form(photo=(io.BytesIO(data), "a.png", "image/png")) if how == "form" else raw(data, how)
    )
    found = uploaded_photo(request)
    assert (found.image.shape, found.size, found.box) == ((20, 40, 3), (40, 20), None)
    assert request.get_data() == b"", "its bytes are not held while it is searched"


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("0,0,30,20", True),
        ("29,19,1,1", True),
        (" 1, 2,3,4 ", True),
        ("-1,0,5,5", False),
        ("0,-1,5,5", False),
        ("1,0,30,20", False),
        ("0,1,30,20", False),
        ("0,0,0,5", False),
        ("0,0,5,0", False),
        ("0,0,-5,5", False),
    ],
)
def test_a_box_lies_within_its_picture(text: str, inside: bool) -> None:
    if inside:
        assert parse_box(text, 30, 20) == Box(*(int(part) for part in text.split(",")))
    else:
        with pytest.raises(
            ProblemError, match="is not within the photo of 30 x 20 pixels"
        ) as raised:
            parse_box(text, 30, 20)
        assert raised.value.status == 400


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "1.5,2,3,4", "one,2,3,4"])
def test_a_box_has_four_whole_numbers(text: str) -> None:
    with pytest.raises(ProblemError, match=r"is not x,y,width,height in whole pixels") as raised:
        parse_box(text, 30, 20)
    assert raised.value.status == 400


def test_what_is_searched_has_enough_pixels_and_its_box_is_scaled_both_ways(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uploads, "ENOUGH", 50)
    data = picture(400, 200)
    assert uploaded_photo(raw(data)).image.shape == (50, 100, 3)
    found = uploaded_photo(raw(data, box="100,40,200,100"))
    assert found.image.shape == (100, 200, 3)
    assert found.box == Box(50, 20, 100, 50)
    assert found.as_sent(found.box) == Box(100, 40, 200, 100)


class Turns:
    """A lock that counts how often it was taken."""

    def __init__(self) -> None:
        self.taken = 0
        self._lock: AbstractContextManager[object] = nullcontext()

    def __enter__(self) -> None:
        self.taken += 1

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("kind", "mode", "pixels"),
    [
        ("PNG", "RGB", 400 * 200),
        ("JPEG", "RGB", 400 * 200 // 16),  # decoded at a quarter of its sides
        ("PNG", "RGBA", 400 * 200 * 50 // 16),  # three times as much memory
    ],
)
def test_large_photos_are_decoded_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch, kind: str, mode: str, pixels: int
) -> None:
    file = io.BytesIO()
    Image.new(mode, (400, 200)).save(file, kind)
    monkeypatch.setattr(uploads, "ENOUGH", 50)
    turns = Turns()
    assert isinstance(uploads._one_large, type(threading.Lock()))
    monkeypatch.setattr(uploads, "_one_large", turns)
    for large, taken in ((pixels, 0), (pixels - 1, 1)):
        monkeypatch.setattr(uploads, "LARGE", large)
        uploaded_photo(raw(file.getvalue()))
        assert turns.taken == taken
