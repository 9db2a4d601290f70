"""Cutting bytes into JPEG pictures, wherever the pieces end and whatever is damaged."""

from __future__ import annotations

import random

import pytest

from edge.cameras.jpeg_splitter import JpegSplitter
from tests.support.http_camera import jpeg, part

PICTURES = [jpeg(10), jpeg(20, (96, 72), thumbnail=True), jpeg(30)]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100, 10_000])
def test_pictures_are_found_however_the_bytes_arrive(step: int) -> None:
    data = b"\xff" + b"noise\xff\xd8".join(part(picture) for picture in PICTURES) + b"\xff\xd8\xff"
    splitter = JpegSplitter()
    found = [
        picture
        for start in range(0, len(data), step)
        for picture in splitter.feed(data[start : start + step])
    ]
    assert found == PICTURES


def test_after_a_cut_picture_the_stream_goes_on() -> None:
    following = [PICTURES[2]] * 100  # a damaged length may reach over 64 kB of them
    for end in range(2, len(PICTURES[0]) - 2):
        found = JpegSplitter().feed(b"".join(map(part, [PICTURES[0][:end], *following])))
        assert found[1:] == following[-len(found) + 1 :], end
        assert len(found) >= 90


@pytest.mark.parametrize("piece", [b"noise", b"\xff\xd8\xff\xe0\x00\x10", PICTURES[0][:-2]])
def test_what_is_kept_of_an_endless_picture_is_bounded(piece: bytes) -> None:
    splitter = JpegSplitter(most_bytes=50_000)
    pieces = [piece.ljust(1000, b"\x11")] * 50
    assert [picture for part in pieces for picture in splitter.feed(part)] == []
    with pytest.raises(ValueError, match="no JPEG"):
        splitter.feed(piece)


def test_any_bytes_are_taken() -> None:
    draw = random.Random(1)
    splitter = JpegSplitter()
    for _ in range(300):
        splitter.feed(b"\xff\xd8\xff\xe0" + draw.randbytes(1000))
    assert splitter.feed(b"\0" * (1 << 16) + b"".join(PICTURES))[-2:] == PICTURES[1:]
