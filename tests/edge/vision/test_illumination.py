"""How the light of a picture is estimated, and what two pictures differ by in the same light."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.vision.illumination import (
    SATURATED,
    STEPS_PER_OCTAVE,
    _commonest,
    channel_max,
    difference,
    gain,
    is_saturated,
    relight,
    relit,
    working_image,
)
from tests.edge.vision.test_foreground import texture


def plain(height: int, width: int, *colour: int) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


@pytest.mark.parametrize(
    ("shape", "at_work"),
    [((480, 640), (240, 320)), ((240, 320), (240, 320)), ((1, 2000), (1, 320)),
     ((1000, 500), (640, 320)), ((719, 1280), (180, 320))],
)  # fmt: skip
def test_a_frame_keeps_its_shape_at_the_working_scale(
    shape: tuple[int, int], at_work: tuple[int, int]
) -> None:
    assert working_image(plain(*shape, 1, 2, 3)).shape == (*at_work, 3)


def test_a_single_pixel_is_spread_over_its_neighbours() -> None:
    picture = plain(240, 320, 0, 0, 0)
    picture[100, 100] = 160
    spread = working_image(picture)[98:103, 98:103, 0]
    assert spread.tolist() == [[0] * 5, [0, 10, 20, 10, 0], [0, 20, 40, 20, 0], [0, 10, 20, 10, 0],
                               [0] * 5]  # fmt: skip


@pytest.mark.parametrize("light", [(0.5, 0.5, 0.5), (1.2, 1.2, 1.2), (0.6, 0.8, 1.1)])
def test_one_light_is_found_for_each_channel(light: tuple[float, ...]) -> None:
    now = np.clip(texture(1) * np.array(light), 0, 255).astype(np.uint8)
    assert gain(texture(1), now) == pytest.approx(light, rel=0.01)


def test_where_most_pixels_lie_in_shadows_the_commonest_light_counts() -> None:
    share = np.linspace(0.3, 0.9, 320)  # a shadow that becomes deeper; no pixel of it is usual
    share[:112] = 1.0
    now = (texture(1) * share[:, None]).astype(np.uint8)
    assert gain(texture(1), now) == pytest.approx((1, 1, 1), abs=0.01)


@pytest.mark.parametrize(("level", "is_light"), [(200, True), (250, False)])
def test_a_light_that_is_no_other_is_exactly_one(level: int, *, is_light: bool) -> None:
    """One grey level more is 0.498 or 0.398 per cent."""
    light = gain(plain(60, 320, *[level] * 3), plain(60, 320, *[level + 1] * 3))
    assert light == pytest.approx([(level + 2) / (level + 1) if is_light else 1.0] * 3, abs=1e-6)
    assert (light == 1.0).all() == (not is_light)


@pytest.mark.parametrize(("width", "step"), [(320, 6), (160, 3), (640, 12), (30, 1)])
def test_a_part_of_the_pixels_is_enough(width: int, step: int) -> None:
    before, now = plain(60, width, 100, 100, 100), plain(60, width, 30, 60, 90)
    now[::step, ::step] = 120
    assert gain(before, now) == pytest.approx([121 / 101] * 3)


@pytest.mark.parametrize(("pixels", "light"), [(20, 2 ** (9 / STEPS_PER_OCTAVE)), (21, 131 / 101)])
def test_the_pixels_that_agree_refine_the_light_where_they_are_many(
    pixels: int, light: float
) -> None:
    found = gain(plain(1, pixels, *[100] * 3), plain(1, pixels, *[130] * 3))
    assert found == pytest.approx([light] * 3, abs=1e-5)


@given(st.lists(st.integers(-40, 40), min_size=1, max_size=12))
def test_the_commonest_ratio_has_most_others_near_it(steps: list[int]) -> None:
    """A ratio counts three times in its own place, and two steps away once."""
    ratios = np.exp2(np.array(steps, np.float32) / STEPS_PER_OCTAVE, dtype=np.float32)
    marks = {
        place: sum(max(0, 3 - abs(place - step)) for step in steps) for place in range(-44, 45)
    }
    expected = min(place for place, mark in marks.items() if mark == max(marks.values()))
    assert _commonest(ratios) == pytest.approx(2 ** (expected / STEPS_PER_OCTAVE))


@pytest.mark.parametrize(
    ("ratio", "found"),
    [(1 / 16, 1 / 16), (1 / 64, 1 / 16), (16, 16), (64, 16), (2, 2), (0.25, 0.25)],
)
def test_a_ratio_is_told_up_to_four_octaves(ratio: float, found: float) -> None:
    assert _commonest(np.full(9, ratio, np.float32)) == pytest.approx(found)


def test_a_light_multiplies_and_never_overflows() -> None:
    assert relit(plain(2, 2, 200, 100, 50), np.array((1.5, 1.0, 0.5), np.float32)).tolist() == (
        plain(2, 2, 255, 100, 25).tolist()
    )
    assert relight(plain(30, 30, 40, 80, 120), plain(30, 30, 60, 120, 180))[0, 0] == pytest.approx(
        (60, 120, 180), abs=1
    )


def test_the_difference_is_that_of_the_channel_that_differs_most() -> None:
    before = plain(60, 320, 100, 100, 100)
    now = before.copy()
    now[1, 1:4] = [(100, 104, 90), (70, 100, 104), (100, 100, 120)]
    apart = difference(now, before)
    assert apart[1, :5].tolist() == [0, 10, 30, 20, 0]


def test_the_largest_channel_of_each_pixel() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    assert (channel_max(picture) == picture.max(2)).all()


@pytest.mark.parametrize("channel", range(3))
def test_one_full_channel_is_enough_to_be_saturated(channel: int) -> None:
    picture = plain(1, 2, 10, 10, 10)
    picture[0, 0, channel], picture[0, 1, channel] = SATURATED, SATURATED - 1
    assert is_saturated(picture).tolist() == [[True, False]]
