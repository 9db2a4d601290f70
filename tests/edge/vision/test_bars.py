"""Where a picture may show bars, and what these are cut out and made of."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.core.box import Box
from edge.sighting import Image
from edge.vision.bars import Place, averaged_bars, bar_places, upright


def picture(
    *boxes: Box, width: int = 320, height: int = 240, step: int = 2, contrast: int = 70
) -> Image:
    """Bars, each `step` pixels wide, on grey."""
    seen = np.full((height, width), 150, np.uint8)
    for box in boxes:
        dark = (np.arange(box.width) // step) % 2 == 0
        box.cut(seen)[:] = np.where(dark, 150 - contrast, 150 + contrast)
    return seen


def rounded(place: Place) -> tuple[float, ...]:
    return place.x, place.y, abs(place.angle), place.width, place.height


BARS = Box(80, 80, 120, 60)


@pytest.mark.parametrize(
    ("seen", "places"),
    [
        (picture(), []),
        (picture(BARS), [(140, 112, 0, 160, 80)]),
        (np.ascontiguousarray(picture(BARS).T), [(112, 140, 1.57, 160, 80)]),
        (
            picture(Box(20, 20, 80, 40), Box(150, 20, 120, 60), Box(20, 150, 100, 50)),
            [(208, 48, 0, 152, 80), (72, 172, 0, 136, 72)],  # the two largest
        ),
        (picture(Box(0, 0, 64, 48), width=64, height=48), [(32, 24, 0, 72, 48)]),
        (picture(Box(0, 0, 23, 64), width=23, height=64), []),  # less than three cells
        (picture(BARS, contrast=4), []),
        (picture(BARS, contrast=6), [(140, 112, 0, 96, 32)]),
        (picture(BARS, contrast=8), [(140, 108, 0, 128, 56)]),
        # A larger picture is halved; places are in its own pixels all the same.
        (picture(Box(80, 80, 240, 120), width=704, height=480, step=4), [(200, 144, 0, 320, 160)]),
        (picture(Box(80, 80, 240, 120), width=700, height=480, step=4),
         [(197.13, 140, 0, 273.56, 152.05)]),
    ],
)  # fmt: skip
def test_places_with_bars_are_found(seen: Image, places: list[tuple[float, ...]]) -> None:
    found = [rounded(place) for place in bar_places(seen)]
    assert found == [pytest.approx(place, abs=0.01) for place in places]


@pytest.mark.parametrize(("width", "height", "found"), [(8, 8, False), (16, 8, True)])
def test_a_place_has_twelve_cells(width: int, height: int, *, found: bool) -> None:
    """With those about it that see its edges they are 3 times 3, and 4 times 3."""
    assert bool(bar_places(picture(Box(80, 80, width, height)))) is found


@pytest.mark.parametrize(
    ("across", "places"),
    [(10, [(136, 112, 0, 152, 80)]), (30, [(140, 124, 0, 96, 56), (76, 112, 0, 32, 48)]), (40, [])],
)
def test_edges_that_run_two_ways_are_no_bars(across: int, places: list[tuple[float, ...]]) -> None:
    """Six tenths of the directions agree."""
    seen = picture()
    bars = np.where((np.arange(120) // 2) % 2, 60, -60)[None, :]
    BARS.cut(seen)[:] = 130 + bars + np.where((np.arange(60) // 2) % 2, across, -across)[:, None]
    found = [rounded(place) for place in bar_places(seen)]
    assert found == [pytest.approx(place, abs=0.02) for place in places]


@pytest.mark.parametrize(
    ("width", "height", "shape"),
    [
        (100, 40, (10, 260)),
        (100, 48, (12, 260)),
        (100, 200, (12, 260)),
        (100, 3, (1, 260)),
        (384, 40, (10, 998)),
        (385, 40, (10, 1000)),
        (700, 40, (10, 1000)),
    ],
)
def test_bars_are_doubled_with_a_quiet_zone_and_four_rows_are_one(
    width: float, height: float, shape: tuple[int, int]
) -> None:
    cut = averaged_bars(picture(BARS), Place(160, 110, 0.3, width, height))
    assert (cut.shape, str(cut.dtype)) == (shape, "uint8")


def test_a_place_is_cut_out_of_its_middle_whatever_its_angle() -> None:
    ramp = np.tile(np.arange(160, dtype=np.uint8), (120, 1))
    expected = [14, *range(25, 145, 10)]  # from 65 pixels left of the middle on, two a pixel
    for seen, place in (
        (ramp, Place(80, 60, 0.0, 100, 40)),
        (np.ascontiguousarray(ramp.T), Place(60, 80, np.pi / 2, 100, 40)),
    ):
        assert averaged_bars(seen, place)[3, ::20].tolist() == expected


def test_a_bar_is_sharpened() -> None:
    seen = np.full((40, 100), 100, np.uint8)
    seen[:, 50] = 160
    cut = averaged_bars(seen, Place(50, 20, 0.0, 60, 16))
    assert cut.shape == (4, 156)
    assert cut[:, 70:92].tolist() == [
        [100, 100, 100, 98, 96, 73, 78, 158, 214, 158, 78, 73, 96, 98, *[100] * 8]
    ] * 4  # fmt: skip


def test_rows_are_sharpened_each_for_itself() -> None:
    seen = np.full((40, 100), 100, np.uint8)
    seen[20:] = 160
    assert averaged_bars(seen, Place(50, 20, 0.0, 60, 16))[:, 80].tolist() == [100, 100, 160, 160]


def test_noise_from_row_to_row_is_averaged() -> None:
    seen = np.full((48, 100), 100, np.uint8)
    seen[::4] = 140
    for height, rows in ((16, 4), (48, 12)):
        cut = averaged_bars(seen, Place(50, 24, 0.0, 60, height))
        assert cut[:, 50].tolist() == [110] * rows


def test_a_picture_is_turned_about_its_middle() -> None:
    seen = np.random.default_rng(1).integers(0, 256, (120, 160)).astype(np.uint8)
    assert (upright(seen, Place(30, 30, 0.0, 10, 10)) == seen).all()
    spot = np.zeros((120, 160), np.uint8)
    spot[90:95, 78:83] = 255  # 30 pixels below the middle
    turned = upright(spot, Place(5, 5, np.pi / 2, 10, 10))
    assert turned.shape == spot.shape
    rows, columns = np.nonzero(turned > 127)
    assert (rows.mean(), columns.mean()) == pytest.approx((60, 112), abs=1)
