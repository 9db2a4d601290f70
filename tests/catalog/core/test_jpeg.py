"""JPEGs that are large, or cut short."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from catalog.core.errors import PhotoError
from catalog.core.photo_header import read_header
from catalog.core.photos import decode
from tests.support.decoding_memory import memory_of_decoding
from tests.support.drawing import (
    jpeg,
    jpeg_in_several_scans,
    jpeg_of_many_scans,
    jpeg_that_claims,
    large_jpeg,
    quarters,
)

VARIANTS: dict[str, dict[str, object]] = {
    "baseline": {},
    "without subsampling": {"subsampling": "4:4:4"},
    "progressive": {"progressive": True},
    "restart markers": {"restart_marker_rows": 2},
}


def noise(**options: object) -> bytes:
    """A JPEG of noise, 320 pixels wide and 480 high, so that every row has as many bytes."""
    pixels = np.random.default_rng(3).integers(0, 256, (480, 320, 3), dtype=np.uint8)
    file = io.BytesIO()
    mode = options.pop("mode", "RGB")
    PillowImage.fromarray(pixels).convert(str(mode)).save(file, "JPEG", **options)
    return file.getvalue()


def test_200_megapixels_are_decoded_in_little_memory(tmp_path: Path) -> None:
    file = tmp_path / "large.jpg"
    file.write_bytes(large_jpeg(16_384, 12_288))
    size, peak = memory_of_decoding(file, enough=400)
    assert size == (2048, 1536)
    assert peak / (1 << 20) < 60


def test_more_pixels_than_a_limit_are_decoded_reduced_too() -> None:
    data = large_jpeg(2048, 1024)
    assert decode(data, "x", most_pixels=1_000_000).shape == (512, 1024, 3)
    assert decode(data, "x", enough=1000, most_pixels=1_000_000).shape == (512, 1024, 3)


@pytest.mark.parametrize(
    ("progressive", "limit"),
    [(False, "JPEG (at most 300 megapixels)"), (True, "progressive JPEG (at most 100 megapixels)")],
)
def test_a_refusal_names_the_size_and_the_limit(progressive: bool, limit: str) -> None:
    data = jpeg_that_claims(40_000, 30_000, progressive=progressive)
    with pytest.raises(
        PhotoError, match=re.escape(f"x: 40000 x 30000 pixels are too many for {limit}; shrink it")
    ):
        decode(data, "x")


def test_one_in_several_scans_is_read_and_takes_memory_for_every_pixel() -> None:
    """It is not progressive, but decoding keeps all of it until the last colour is there."""
    data = jpeg_in_several_scans(quarters())
    difference = decode(data, "x").astype(int) - quarters()
    assert np.abs(difference).mean() < 3
    assert read_header(data, "x").unbounded
    assert not read_header(jpeg(quarters()), "x").unbounded
    claims = jpeg_in_several_scans(quarters(), claimed=(17_000, 17_000))
    with pytest.raises(PhotoError, match=r"JPEG in several scans \(at most 100 megapixels\)"):
        decode(claims, "x")


@pytest.mark.parametrize(
    "between", [b"", b"\0", b"\xff\xd0", b"\xff\x01\xff\xff", b"\xff\x02\xff\xff"], ids=bytes.hex
)
def test_endless_scans_are_refused_whatever_stands_between_them(between: bytes) -> None:
    """The decoder passes over what is no segment, and goes on."""
    with pytest.raises(PhotoError, match="more than 100 scans"):
        decode(jpeg_of_many_scans(200, between), "x")


def test_a_byte_between_two_segments_does_not_matter() -> None:
    data = noise()
    table = data.index(b"\xff\xdb")
    assert (decode(data[:table] + b"\0" + data[table:], "x") == decode(data, "x")).all()


@pytest.mark.parametrize("options", [*VARIANTS.values(), {"mode": "L"}, {"mode": "CMYK"}])
def test_one_without_its_end_marker_is_read(options: dict[str, object]) -> None:
    data = noise(**options)
    assert data.endswith(b"\xff\xd9")
    for rest in (data[:-2], data[:-1], data[:-2] + bytes(4096)):
        assert (decode(rest, "x") == decode(data, "x")).all()


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "progressive"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("padding", [0, 4096], ids=["cut", "rest is zeros"])
def test_one_cut_short_is_refused_with_the_share_of_its_rows(
    variant: str, share: float, padding: int
) -> None:
    data = noise(**VARIANTS[variant])
    with pytest.raises(PhotoError, match=r"^x: the file is cut short; \d+ % of .*missing") as said:
        decode(data[: int(len(data) * share)] + bytes(padding), "x", enough=100)
    percent = int(re.findall(r"(\d+) %", str(said.value))[0])
    assert abs(percent - 100 * (1 - share)) <= 4


def test_one_that_lacks_a_few_rows_is_refused() -> None:
    data = noise()
    with pytest.raises(PhotoError, match=r" [1-4] % of its rows are missing"):
        decode(data[: -len(data) // 100], "x")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_progressive_one_cut_short_is_refused(share: float) -> None:
    data = noise(progressive=True)
    with pytest.raises(PhotoError, match=r"cut short; \d+ % of its rows are not complete"):
        decode(data[: int(len(data) * share)], "x")


def test_a_progressive_one_cut_between_two_scans_is_refused() -> None:
    """What is there is whole, but fine detail is missing everywhere."""
    data = noise(progressive=True)
    with pytest.raises(PhotoError, match="cut short; 100 % of its rows are not complete"):
        decode(data[: data.rindex(b"\xff\xda")], "x")


def test_what_stands_behind_the_picture_does_not_matter() -> None:
    """Phones append films and further pictures."""
    data = noise()
    film = b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(1000)
    assert (decode(data + film, "x") == decode(data, "x")).all()
    assert (decode(data + noise()[:5000], "x") == decode(data, "x")).all()


def test_a_thumbnail_inside_is_not_taken_for_the_end() -> None:
    exif = PillowImage.Exif()
    exif[0x010E] = "a thumbnail: \xff\xd8\xff\xd9"
    data = noise(exif=exif.tobytes())
    with pytest.raises(PhotoError, match=r"5\d % of its rows"):
        decode(data[: len(data) // 2], "x")
