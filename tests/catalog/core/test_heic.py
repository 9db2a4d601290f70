"""HEIC and HEIF, the photos of iPhones."""

from __future__ import annotations

import io
import struct
import sys
import time
from contextlib import suppress

import numpy as np
import pi_heif
import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from catalog.core import heif_boxes
from catalog.core.errors import PhotoError
from catalog.core.heif_boxes import UnusualHeifError, require_camera_photo
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


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


@pytest.mark.parametrize("kind", [b"unci", b"mski", b"iovl", b"av01", b"tili"])
def test_what_no_camera_writes_does_not_reach_the_decoder(
    kind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pi_heif, "open_heif", lambda *_, **__: pytest.fail("it was decoded"))
    data = pillow(quarters(), "HEIF")
    entry = data.index(b"hvc1", data.index(b"infe"))
    changed = data[:entry] + kind + data[entry + 4 :]
    with pytest.raises(PhotoError, match=rf"^IMG: a HEIC .* writes \({kind.decode()}\)"):
        decode(changed, "IMG")


@pytest.mark.parametrize("kind", [b"moov", b"moof", b"mini"])
def test_a_sequence_does_not_reach_the_decoder(
    kind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pi_heif, "open_heif", lambda *_, **__: pytest.fail("it was decoded"))
    data = pillow(quarters(), "HEIF")
    start = int.from_bytes(data[:4])
    for changed in (data + box(kind, b"x"), data[:start] + box(kind, b"") + data[start:]):
        with pytest.raises(PhotoError, match=f"no camera writes \\({kind.decode()}\\)"):
            read_header(changed, "IMG")


def test_what_phones_add_behind_the_picture_is_passed_over() -> None:
    data = pillow(quarters(), "HEIF")
    for more in (box(b"mpvd", b"a film"), b"\0\0\0\2SEFT", b"\0\0\0\0free and more", b"short"):
        require_camera_photo(data + more)


def test_a_file_of_nothing_but_boxes_is_refused_at_once() -> None:
    many = box(b"free", b"") * (heif_boxes.MOST_BOXES + 1)
    with pytest.raises(ValueError, match="more boxes"):
        require_camera_photo(pillow(quarters(), "HEIF") + many)
    with pytest.raises(ValueError, match="more boxes"):
        require_camera_photo(listing(box(b"infe", b"\2\0\0\0" + bytes(4) + b"hvc1") * 10_001))


def test_a_name_that_no_terminal_should_see_is_escaped() -> None:
    with pytest.raises(UnusualHeifError, match=r"^\\x1b\[2J$"):
        require_camera_photo(listing(box(b"infe", b"\2\0\0\0" + bytes(4) + b"\x1b[2J")))


def listing(entry: bytes, *, version: int = 0) -> bytes:
    """A file that lists one item, and has nothing else."""
    counted = bytes([version, 0, 0, 0]) + (b"\0\0\0\1" if version else b"\0\1") + entry
    return box(b"ftyp", b"heic") + box(b"meta", bytes(4) + box(b"iinf", counted))


def test_both_versions_of_lists_and_entries_are_read() -> None:
    short = box(b"infe", b"\2\0\0\0" + bytes(4) + b"grid\0")
    long = box(b"infe", b"\3\0\0\0" + bytes(6) + b"hvc1\0")
    for entry in (short, long):
        for version in (0, 1):
            require_camera_photo(listing(entry, version=version))
    for entry in (b"", box(b"infe", b"\1\0\0\0" + bytes(4) + b"hvc1"), box(b"hvc1", b"hvc1hvc1"),
                  b"\0\0\0\3infe", box(b"infe", b""), short.replace(b"grid", b"Exif")):  # fmt: skip
        with pytest.raises(ValueError, match=r"no type|no picture|without an end"):
            require_camera_photo(listing(entry))


@given(st.binary(max_size=200), st.integers(0, 199), st.binary(min_size=1, max_size=4))
def test_whatever_a_file_says_the_look_ends(noise: bytes, place: int, part: bytes) -> None:
    whole = listing(box(b"infe", b"\2\0\0\0" + bytes(4) + b"hvc1\0")) + noise
    place = min(place, len(whole))
    for data in (noise, whole[:place] + part + whole[place + len(part) :]):
        with suppress(ValueError):
            require_camera_photo(data)
