"""Colours of pictures that bring an ICC profile."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageCms

from catalog.core.colour_profile import to_srgb
from catalog.core.photos import Picture, decode
from tests.support.colour_profiles import SPACES, grey_profile, in_colours_of, rgb_profile
from tests.support.drawing import pillow

KINDS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF")


def colours() -> Picture:
    """Fields of colours that are in every one of the colour spaces."""
    fields = np.array([[(60, 60, 200), (60, 190, 60)], [(190, 90, 60), (128, 128, 128)]], np.uint8)
    return np.ascontiguousarray(fields.repeat(32, 0).repeat(32, 1))


def differ(first: Picture, second: Picture) -> float:
    """Mean difference of two pictures of one size."""
    assert first.shape == second.shape
    return float(np.abs(first.astype(int) - second.astype(int)).mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("space", SPACES)
def test_a_wide_colour_space_is_brought_to_srgb(kind: str, space: str) -> None:
    profile = rgb_profile(space)
    stored = in_colours_of(colours(), profile)
    assert differ(stored, colours()) > 8
    assert differ(decode(pillow(stored, kind, profile=profile), "x"), colours()) < 3


def test_a_reduced_jpeg_is_brought_to_srgb() -> None:
    profile = rgb_profile("Display P3")
    large = np.ascontiguousarray(colours().repeat(8, 0).repeat(8, 1))
    data = pillow(in_colours_of(large, profile), "JPEG", profile=profile)
    assert differ(decode(data, "x", enough=64), colours()) < 3


def test_transparent_parts_stay_white_and_the_photo_upright() -> None:
    profile = rgb_profile("ProPhoto")
    stored = np.ascontiguousarray(np.rot90(in_colours_of(colours(), profile)))
    data = pillow(stored, "PNG", 6, alpha=True, profile=profile)
    assert differ(decode(data, "x"), colours()) < 3


def test_a_grey_photo_is_brought_to_srgb() -> None:
    file = io.BytesIO()
    linear = PillowImage.new("L", (32, 32), 55)  # a fifth of the light: 127 in sRGB
    linear.save(file, "JPEG", icc_profile=grey_profile(1.0))
    assert abs(int(decode(file.getvalue(), "x")[16, 16, 0]) - 127) <= 2


@pytest.mark.parametrize("kind", KINDS)
def test_an_srgb_profile_changes_no_pixel(kind: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with_profile = decode(pillow(colours(), kind, profile=profile), "x")
    assert (with_profile == decode(pillow(colours(), kind), "x")).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "HEIF"])
@pytest.mark.parametrize(
    "profile",
    [
        b"no profile",
        rgb_profile("Display P3")[:200],
        rgb_profile("Display P3").replace(b"rXYZ", b"none"),
        grey_profile(2.2),
    ],
    ids=["text", "cut short", "without red", "of grey pictures"],
)
def test_a_damaged_or_foreign_profile_is_ignored(kind: str, profile: bytes) -> None:
    decoded = decode(pillow(colours(), kind, profile=profile), "x")
    assert differ(decoded, decode(pillow(colours(), kind), "x")) < 1


def test_every_profile_with_turned_bytes_gives_a_picture() -> None:
    profile = rgb_profile("Adobe RGB")
    for place in np.random.default_rng(1).integers(0, len(profile), 60):
        spoilt = bytearray(profile)
        spoilt[place] ^= 0xFF
        assert decode(pillow(colours(), "PNG", profile=bytes(spoilt)), "x").shape == (64, 64, 3)


@pytest.mark.parametrize("size", [1 << 20, 4 << 20])
def test_profiles_that_strangers_send_do_not_gather_in_memory(size: int) -> None:
    tracemalloc.start()
    try:
        for number in range(16):
            to_srgb(colours(), bytes([number]) * size, grey=False)
        assert tracemalloc.get_traced_memory()[0] < 6 << 20
    finally:
        tracemalloc.stop()
