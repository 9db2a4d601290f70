"""Decoding of pictures, good and bad."""

from __future__ import annotations

import io
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image as PillowImage
from PIL import ImageCms

from catalog.building.addresses import AddressCache
from catalog.building.features import LARGEST_FILE, read_place
from catalog.core.errors import PhotoError
from catalog.core.photo_header import read_header
from catalog.core.photos import Picture, decode, encode_jpeg, is_photo_name, is_picture_file, shrink
from tests.support.decoding_memory import memory_of_decoding
from tests.support.drawing import jpeg, pillow, png, png_that_claims, quarters

KINDS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF", "HEIF")
EXIF_KINDS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF")
# How a picture is stored whose EXIF says how to turn it back.
STORED: dict[int, Callable[[Picture], Picture]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


def differ(first: Picture, second: Picture) -> float:
    """Mean difference of two pictures of one size."""
    assert first.shape == second.shape
    return float(np.abs(first.astype(int) - second.astype(int)).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_reads_the_format(kind: str) -> None:
    image = quarters()
    decoded = decode(pillow(image, kind), "x")
    assert decoded.dtype == np.uint8
    assert differ(decoded, image) < 6  # JPEG and AVIF blur the edges


@pytest.mark.parametrize("kind", EXIF_KINDS)
@pytest.mark.parametrize("orientation", STORED)
def test_turns_a_photo_upright_by_its_exif(kind: str, orientation: int) -> None:
    image = quarters()
    stored = np.ascontiguousarray(STORED[orientation](image))
    assert differ(decode(pillow(stored, kind, orientation), "x"), image) < 6


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_turns_a_transparent_photo_upright_by_its_exif(kind: str, orientation: int) -> None:
    image = quarters()
    stored = np.ascontiguousarray(STORED[orientation](image))
    assert differ(decode(pillow(stored, kind, orientation, alpha=True), "x"), image) < 1


def test_an_unknown_exif_orientation_changes_nothing() -> None:
    assert differ(decode(pillow(quarters(), "WEBP", 99), "x"), quarters()) < 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_an_orientation_that_is_a_text_changes_nothing(kind: str) -> None:
    entry = struct.pack("<HHI4s", 0x112, 2, 2, b"x")  # type 2 is text
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
    picture, file = PillowImage.fromarray(quarters()), io.BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(picture).save(file, exif=exif)
    else:
        picture.save(file, kind, exif=exif)
    assert read_header(file.getvalue(), "x").orientation == 1
    assert decode(file.getvalue(), "x").shape == quarters().shape


def test_damaged_exif_changes_nothing() -> None:
    data = bytearray(pillow(quarters(), "WEBP", 6))
    place = data.index(b"EXIF") + 8
    data[place : place + 14] = bytes(14)
    assert differ(decode(bytes(data), "x"), quarters()) < 1


def test_a_reduced_jpeg_is_turned_upright_too() -> None:
    image = quarters(480, 640)
    stored = np.ascontiguousarray(STORED[6](image))
    decoded = decode(pillow(stored, "JPEG", 6), "x", enough=64)
    assert differ(decoded, shrink(image, max(decoded.shape))) < 6


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparent_parts_become_white(kind: str) -> None:
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:, 8:] = (10, 20, 30, 255)
    file = io.BytesIO()
    PillowImage.fromarray(pixels, "RGBA").save(
        file, kind, **({"lossless": True} if kind == "WEBP" else {})
    )
    decoded = decode(file.getvalue(), "x")
    assert (decoded[:, :8] == 255).all()
    assert (decoded[:, 8:] == (30, 20, 10)).all()


def test_half_transparent_is_half_white() -> None:
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[..., 3] = 128
    decoded = decode(bytes(cv2.imencode(".png", pixels)[1]), "x")
    assert decoded.min() == decoded.max() == 127


def test_a_palette_with_a_transparent_colour_becomes_white_there() -> None:
    picture = PillowImage.new("P", (16, 16), 0)
    picture.putpalette([0, 0, 0, 200, 100, 50])
    picture.paste(1, (8, 0, 16, 16))
    for kind in ("PNG", "GIF"):
        file = io.BytesIO()
        picture.save(file, kind, transparency=0)
        decoded = decode(file.getvalue(), "x")
        assert (decoded[:, :8] == 255).all()
        assert (decoded[:, 8:] == (50, 100, 200)).all()


def test_grey_with_transparency_becomes_white_there() -> None:
    pixels = np.zeros((16, 16, 2), np.uint8)
    pixels[:, 8:] = (90, 255)
    file = io.BytesIO()
    PillowImage.fromarray(pixels, "LA").save(file, "PNG")
    decoded = decode(file.getvalue(), "x")
    assert decoded.shape == (16, 16, 3)
    assert (decoded[:, :8] == 255).all()
    assert (decoded[:, 8:] == 90).all()


def test_a_grey_picture_has_three_equal_channels() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    decoded = decode(png(ramp), "x")
    assert decoded.shape == (16, 16, 3)
    assert (decoded == ramp[:, :, None]).all()


def test_a_16_bit_png_comes_down_to_8_bits() -> None:
    deep = np.full((16, 16, 3), 200 * 257, np.uint16)
    assert (decode(bytes(cv2.imencode(".png", deep)[1]), "x") == 200).all()


def test_a_16_bit_transparent_png_comes_down_to_8_bits_on_white() -> None:
    deep = np.zeros((16, 16, 4), np.uint16)
    deep[:, 8:] = (200 * 257, 100 * 257, 50 * 257, 65535)
    decoded = decode(bytes(cv2.imencode(".png", deep)[1]), "x")
    assert (decoded[:, :8] == 255).all()
    assert (decoded[:, 8:] == (200, 100, 50)).all()


def test_a_cmyk_jpeg_is_read() -> None:
    file = io.BytesIO()
    PillowImage.new("CMYK", (32, 32), (0, 255, 255, 0)).save(file, "JPEG")
    blue, green, red = decode(file.getvalue(), "x")[16, 16]
    assert red > 200
    assert max(blue, green) < 60


def test_an_animation_gives_its_first_picture() -> None:
    frames = [PillowImage.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP"):
        file = io.BytesIO()
        frames[0].save(file, kind, save_all=True, append_images=frames[1:], duration=50)
        blue, _, red = decode(file.getvalue(), "x")[8, 8]
        assert red > 200
        assert blue < 50


def test_a_12_megapixel_jpeg_is_decoded_at_an_eighth() -> None:
    data = jpeg(np.asarray(cv2.resize(quarters(), (4000, 3000)), np.uint8))
    start = time.process_time()
    whole = decode(data, "x")
    whole_seconds = time.process_time() - start
    start = time.process_time()
    reduced = decode(data, "x", enough=256)
    assert time.process_time() - start < whole_seconds
    assert whole.shape == (3000, 4000, 3)
    assert reduced.shape == (375, 500, 3)


def test_a_reduced_jpeg_is_never_smaller_than_what_is_enough() -> None:
    data = jpeg(quarters(600, 900))
    for enough in (64, 75, 76, 150, 151, 300, 301, 600):
        assert min(decode(data, "x", enough).shape[:2]) >= enough


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_file_cut_short_is_refused_by_its_name(kind: str, share: float) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    data = pillow(noise, kind)
    with pytest.raises(PhotoError, match=r"^shelf/cut\.pic: "):
        decode(data[: int(len(data) * share)], "shelf/cut.pic")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8\xff",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7\n",
        bytes(5000),
    ],
    ids=["empty", "three bytes", "svg", "pdf", "zeros"],
)
def test_what_is_no_picture_is_refused_by_its_name(data: bytes) -> None:
    with pytest.raises(PhotoError, match=r"^notes\.jpg: "):
        decode(data, "notes.jpg")


def test_formats_that_run_programs_are_not_tried() -> None:
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n"
    with pytest.raises(PhotoError, match="not a picture"):
        decode(postscript, "x.eps")


def test_a_transparent_picture_of_16_bits_takes_what_opencv_takes(tmp_path: Path) -> None:
    """OpenCV itself takes twice eight bytes for each pixel."""
    file = tmp_path / "deep.png"
    image = np.full((2000, 2000, 4), 25_700, np.uint16)
    file.write_bytes(cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes())
    assert memory_of_decoding(file)[1] / 2000**2 < 18


def test_a_gif_is_converted_in_strips(tmp_path: Path) -> None:
    file = tmp_path / "plain.gif"
    PillowImage.new("P", (4000, 4000)).save(file)
    assert memory_of_decoding(file)[1] / 4000**2 < 10


@pytest.mark.parametrize(
    "error",
    [cv2.error("x"), ImageCms.PyCMSError("x"), TypeError("x")],
    ids=["cv2", "colours", "type"],
)
def test_whatever_a_decoder_raises_the_photo_is_refused_by_its_name(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("catalog.core.photos.to_srgb", fails)
    with pytest.raises(PhotoError, match="x: the picture is damaged or cut short"):
        decode(png(quarters()), "x")


@pytest.mark.parametrize("side", [60_000, 20_000])
def test_a_small_file_that_claims_too_many_pixels_is_refused_at_once(side: int) -> None:
    start = time.process_time()
    with pytest.raises(PhotoError, match=r"^bomb\.png: .*too many"):
        decode(png_that_claims(side, side), "bomb.png")
    assert time.process_time() - start < 0.5


def test_a_picture_of_a_few_pixels_is_refused() -> None:
    with pytest.raises(PhotoError, match="4 x 20 pixels are too few"):
        decode(png(np.zeros((20, 4, 3), np.uint8)), "dot.png")


def test_every_byte_turned_over_is_a_picture_or_a_photo_error() -> None:
    for kind in KINDS:
        data = pillow(quarters(16, 16), kind)
        random = np.random.default_rng(1)
        decoded = 0
        for place in random.integers(0, len(data), 60):
            spoilt = bytearray(data)
            spoilt[place] ^= 0xFF
            with suppress(PhotoError):
                assert decode(bytes(spoilt), "x").dtype == np.uint8
                decoded += 1
        assert decoded or kind == "PNG", kind  # whose checksums may find every change
        assert decoded < 60 or kind == "PPM", kind  # whose bytes nearly all are pixels


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "huge.jpg"
    with file.open("wb") as opened:
        opened.truncate(LARGEST_FILE + 1)
    with pytest.raises(PhotoError, match=r"huge\.jpg: larger than 128 MiB"):
        read_place(str(file), AddressCache(tmp_path))


def test_thumbnails_keep_their_shape() -> None:
    small = decode(encode_jpeg(quarters(300, 900), 90), "x")
    assert small.shape == (30, 90, 3)


def test_a_small_picture_is_not_enlarged() -> None:
    assert shrink(quarters(), 500).shape == quarters().shape


@pytest.mark.parametrize(
    ("name", "is_photo"),
    [
        ("a.jpg", True),
        ("A.JPEG", True),
        ("b.webp", True),
        ("IMG_0001.HEIC", True),
        ("c.jfif", True),
        ("item.json", False),
        (".jpg", False),
    ],
)
def test_knows_a_photo_by_its_name(name: str, is_photo: bool) -> None:
    assert is_photo_name(name) is is_photo


@pytest.mark.parametrize("kind", KINDS)
def test_knows_a_picture_without_a_suffix_by_its_content(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "IMG_0001"
    file.write_bytes(pillow(quarters(), kind))
    assert is_picture_file(file)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes", b"BMW, four wheels, blue and shining in the sun\n"),
        ("list", b"P1: a page of plain text\n"),
        ("film", b"\0\0\0\x14ftypqt  \0\0\0\0qt  "),
        ("sound", b"RIFF\x24\0\0\0WAVEfmt "),
        ("raw.dng", b"II*\0\x08\0\0\0"),
        ("empty", b""),
    ],
)
def test_other_files_are_no_pictures(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert not is_picture_file(tmp_path / name)


def test_what_cannot_be_opened_is_no_picture(tmp_path: Path) -> None:
    assert not is_picture_file(tmp_path)
    assert not is_picture_file(tmp_path / "absent")
