"""HEIC and HEIF, the photos of iPhones."""

from __future__ import annotations

import io
import sys
import time

import numpy as np
import pillow_heif
import pytest
from PIL import Image as PillowImage

from catalog.core.errors import PhotoError
from catalog.core.photo_header import read_header
from catalog.core.photos import Picture, decode
from tests.support.drawing import heic_that_claims, pillow, quarters

SIDEWAYS = bytes([0, 6])


def differ(first: Picture, second: Picture) -> float:
    """Mean difference of two pictures of one size."""
    assert first.shape == second.shape
    return float(np.abs(first.astype(int) - second.astype(int)).mean())


def test_the_name_does_not_matter() -> None:
    assert differ(decode(pillow(quarters(), "HEIF"), "IMG_0001.jpg"), quarters()) < 3


def test_a_file_that_turns_itself_is_not_turned_by_its_exif_again() -> None:
    stored = np.ascontiguousarray(np.rot90(quarters(60, 90)))
    data = pillow(stored, "HEIF", 6)
    assert b"irot" in data
    assert read_header(data, "x").upright_size == (90, 60)
    assert differ(decode(data, "x"), quarters(60, 90)) < 3


def test_a_file_with_exif_alone_is_turned_by_it() -> None:
    stored = np.ascontiguousarray(np.rot90(quarters(60, 90)))
    data = bytearray(pillow(stored, "HEIF", 1))
    assert b"irot" not in data
    tag = data.index(b"\x01\x12\x00\x03\x00\x00\x00\x01")  # the orientation, in EXIF
    data[tag + 8 : tag + 10] = SIDEWAYS
    assert read_header(bytes(data), "x").upright_size == (90, 60)
    assert differ(decode(bytes(data), "x"), quarters(60, 90)) < 3


def test_transparent_parts_become_white() -> None:
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, 32:] = (10, 20, 30, 255)
    file = io.BytesIO()
    pillow_heif.from_pillow(PillowImage.fromarray(pixels)).save(file, quality=-1)
    decoded = decode(file.getvalue(), "x").astype(int)
    assert (decoded[:, :30] > 250).all()
    assert np.abs(decoded[:, 34:] - (30, 20, 10)).max() < 6


def test_a_grey_one_is_read() -> None:
    file = io.BytesIO()
    pillow_heif.from_pillow(PillowImage.new("L", (64, 64), 90)).save(file, quality=-1)
    decoded = decode(file.getvalue(), "x").astype(int)
    assert decoded.shape == (64, 64, 3)
    assert np.abs(decoded - 90).max() < 4


def test_one_that_claims_too_many_pixels_is_refused_at_once() -> None:
    start = time.process_time()
    with pytest.raises(PhotoError, match=r"20000 x 20000 pixels are too many for HEIC \(at most"):
        decode(heic_that_claims(20_000, 20_000), "bomb.heic")
    assert time.process_time() - start < 0.5


def test_without_pi_heif_the_message_says_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(PhotoError, match=r"^IMG_0001\.HEIC: HEIC \(iPhone\) .*pip install pi-heif"):
        decode(pillow(quarters(), "HEIF"), "IMG_0001.HEIC")
