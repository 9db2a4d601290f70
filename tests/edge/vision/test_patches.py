"""What a frame's foreground is made of, pixel by pixel, and where each rule begins to hold."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from catalog.core.box import Box
from edge.vision.foreground import (
    BRIGHTEST_GLARE,
    DARKEST_SHADOW,
    Thing,
    _closed,
    _connected,
    _is_near,
    _opened,
    _relit,
    _shadow_or_glare,
    alpha_in,
    edge_strength,
    foreground,
    is_at_border,
    is_scattered,
    is_scene_change,
    reaches_in,
    texture_agreement,
    things,
    without_strips,
)
from edge.vision.illumination import channel_max
from tests.edge.vision.test_foreground import SHAPE, mask_of, texture

PLAIN = np.full((*SHAPE, 3), 120, np.uint8)
NOWHERE = np.zeros(SHAPE, np.bool_)
BOX = Box(100, 80, 40, 30)


def thing(*boxes: Box) -> Thing:
    mask = mask_of(*boxes)
    return Thing(Box(*cv2.boundingRect(mask)), mask, int(mask.sum()))


def with_colour(box: Box, *colour: int, ground: np.ndarray = PLAIN) -> np.ndarray:
    seen = ground.copy()
    box.cut(seen)[:] = colour
    return seen


@pytest.mark.parametrize(("gap", "is_closed"), [(3, True), (4, True), (5, False)])
def test_gaps_of_four_pixels_are_closed(gap: int, *, is_closed: bool) -> None:
    for boxes in (
        (Box(100, 80, 20, 20), Box(120 + gap, 80, 20, 20)),
        (Box(100, 80, 20, 20), Box(100, 100 + gap, 20, 20)),
    ):
        closed = _closed(mask_of(*boxes))
        assert int(closed.sum()) == 800 + (20 * gap if is_closed else 0)


@pytest.mark.parametrize("gap", [3, 4])
def test_a_part_is_near_where_it_is_closer_than_a_25th_of_the_largest(gap: int) -> None:
    """The largest part has a side of 100 pixels, so four are too far away."""
    group = np.array([[100, 100, 100, 100, 10_000]])
    for x, y in ((200 + gap, 125), (50 - gap, 125), (125, 200 + gap), (125, 50 - gap)):
        assert _is_near(group, np.array([x, y, 50, 50, 2500])) is (gap < 4)


@pytest.mark.parametrize(
    "box", [Box(1, 60, 20, 20), Box(299, 60, 20, 20), Box(60, 1, 20, 20), Box(60, 219, 20, 20)]
)
def test_what_is_near_the_border_does_not_grow_onto_it(box: Box) -> None:
    assert (_closed(mask_of(box)) == mask_of(box)).all()


def test_single_pixels_and_lines_are_no_strong_difference() -> None:
    kept = Box(50, 50, 2, 2)
    strong = mask_of(kept, Box(80, 50, 1, 9), Box(100, 50, 9, 1), Box(130, 50, 1, 1)) > 0
    opened = _opened(strong)
    assert (opened.sum(), opened[50:53, 50:53].sum()) == (4, 4)


def test_weak_patches_count_where_a_strong_pixel_is_in_them() -> None:
    first, second, strong = Box(50, 50, 20, 20), Box(90, 50, 20, 20), Box(55, 55, 2, 2)
    assert (_connected(mask_of(first, second), mask_of(strong)) == mask_of(first)).all()
    assert not _connected(mask_of(first), mask_of(Box(5, 5, 3, 3))).any()


@pytest.mark.parametrize(
    ("levels", "found"), [(22, False), (23, True), (-22, False), (-23, True), (90, True)]
)
def test_a_difference_of_more_than_22_levels_is_strong(levels: int, *, found: bool) -> None:
    """Of one channel, so that it is no shadow."""
    now = with_colour(BOX, 120 + levels, 120 - levels // 2, 120)
    mask = foreground(now, PLAIN, channel_max(cv2.absdiff(now, PLAIN)), NOWHERE)
    wrong = mask != (mask_of(BOX) if found else mask_of())
    assert not wrong[:80].any()
    assert np.count_nonzero(wrong) <= (70 if found else 0)  # one row and one column more


@pytest.mark.parametrize(("levels", "is_part"), [(10, False), (11, True)])
def test_what_is_weak_counts_beside_what_is_strong(levels: int, *, is_part: bool) -> None:
    beside = Box(140, 80, 30, 30)
    now = with_colour(beside, 120 + levels, 120, 120 - levels)
    BOX.cut(now)[:] = (200, 120, 40)
    mask = foreground(now, PLAIN, channel_max(cv2.absdiff(now, PLAIN)), NOWHERE)
    expected = mask_of(BOX, beside) if is_part else mask_of(BOX)
    assert np.count_nonzero(mask != expected) <= 70  # one row and one column more


@pytest.mark.parametrize(
    ("now", "before", "is_saturated", "expected"),
    [
        (60, 120, False, True),
        (54, 120, False, True),  # 55 of 121 are 45.5 per cent
        (53, 120, False, False),
        (216, 120, False, True),  # 217 of 121 are 1.79
        (217, 120, False, False),
        ((103, 110, 116), 120, False, True),
        ((90, 90, 103), 120, False, True),
        ((90, 90, 108), 120, False, False),
        ((90, 90, 108), 120, True, True),
        ((60, 120, 100), 120, True, False),
    ],
)
def test_shadows_and_glare_change_the_brightness_alone(
    now: int | tuple[int, ...], before: int, is_saturated: bool, expected: bool
) -> None:
    seen, ground = np.full((40, 40, 3), now, np.uint8), np.full((40, 40, 3), before, np.uint8)
    relit = _shadow_or_glare(seen, ground, np.full((40, 40), is_saturated))
    assert (relit == expected).all()
    ratio, _ = _relit(seen, ground)
    assert (DARKEST_SHADOW < float(ratio[0, 0]) < BRIGHTEST_GLARE) or not expected


@pytest.mark.parametrize(("levels", "is_soft"), [(6, True), (7, False)])
def test_a_shadow_has_a_soft_edge(levels: int, *, is_soft: bool) -> None:
    """A ramp of 6 of 121 levels a pixel is 0.0496, one of 7 is 0.0579."""
    for turned in (False, True):
        ramp = np.clip(120 - levels * np.clip(np.arange(40) - 18, 0, 5), 0, 255).astype(np.uint8)
        seen = np.repeat(np.tile(ramp, (40, 1))[..., None], 3, axis=2)
        seen = np.ascontiguousarray(seen.swapaxes(0, 1)) if turned else seen
        relit = _shadow_or_glare(seen, PLAIN[:40, :40], NOWHERE[:40, :40])
        relit = relit.T if turned else relit
        assert relit[:, :14].all()
        assert relit[:, 30:].all()
        assert relit[:, 20].all() == is_soft
        assert relit[:, 20].any() == is_soft


STRIPS = [
    (Box(60, 0, 60, 8), 0),
    (Box(60, 0, 60, 24), 60 * 24),
    (Box(60, 0, 40, 16), 0),  # 2.5 times as long as deep
    (Box(60, 0, 39, 16), 39 * 16),
    (Box(60, 0, 60, 17), 60 * 17),
    (Box(60, 3, 33, 10), 0),  # 2.5 times 13 pixels
    (Box(60, 3, 32, 10), 32 * 8),  # of which two rows are deep
    (Box(60, 17, 100, 3), 300),
]


@pytest.mark.parametrize(("box", "left"), STRIPS)
@pytest.mark.parametrize("turn", range(4))
def test_strips_along_the_border_are_taken_away(box: Box, left: int, turn: int) -> None:
    mask = np.ascontiguousarray(np.rot90(mask_of(box), turn))
    before = mask.copy()
    kept = without_strips(mask)
    assert (mask == before).all()
    if left in (0, box.area):
        assert int(kept.sum()) == left
    else:
        assert left <= int(kept.sum()) <= box.area


def test_beside_what_is_deep_a_strip_of_two_pixels_stays() -> None:
    deep, strip = Box(100, 0, 30, 40), Box(60, 0, 120, 8)
    kept = without_strips(mask_of(deep, strip))
    assert (kept == mask_of(deep, Box(98, 0, 34, 8))).all()


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([], False),
        ([Box(0, 0, 320, 2), Box(0, 0, 2, 204)], False),  # 85 per cent of the frame
        ([Box(0, 0, 320, 2), Box(0, 0, 2, 205)], True),
        ([Box(0, 0, 204, 204), Box(210, 0, 100, 40)], False),
        ([Box(0, 0, 240, 192)], False),  # 60 per cent of its pixels
        ([Box(0, 0, 240, 192), Box(300, 230, 20, 10)], True),
        ([Box(50 * x, 70 * y, 20, 20) for x in range(6) for y in range(3)][:9], False),
        ([Box(59 * x, 55 * y, 24, 20) for x in range(6) for y in range(5)], True),
        ([Box(25 * x, 0, 18, 18) for x in range(12)], False),
    ],
)
def test_much_foreground_or_patches_all_over_are_another_scene(
    boxes: list[Box], *, expected: bool
) -> None:
    mask = mask_of(*boxes)
    assert is_scene_change(mask, things(mask)) is expected


@pytest.mark.parametrize(("count", "expected"), [(9, False), (10, True)])
def test_ten_patches_all_over_are_another_scene(count: int, *, expected: bool) -> None:
    corners = [Box(0, 0, 20, 20), Box(300, 220, 20, 20)]
    others = [Box(40 + 60 * (n % 4), 60 + 60 * (n // 4), 20, 20) for n in range(count - 2)]
    patches = things(mask_of(*corners, *others))
    assert len(patches) == count
    assert is_scene_change(mask_of(*corners, *others), patches) is expected


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([Box(50, 50, 100, 14)], False),
        ([Box(50, 50, 14, 100)], False),
        ([Box(50, 50, 13, 100)], True),
        ([Box(50, 50, 60, 60), Box(200, 50, 153, 1)], False),  # 0.2 per cent are 153.6 pixels
        ([Box(50, 50, 60, 60), Box(160, 50, 154, 1)], True),
        ([Box(50, 50, 100, 20), Box(50, 70, 20, 60)], False),  # 3200 of 8000: just 40 per cent
        ([Box(50, 50, 100, 20), Box(50, 70, 19, 60)], True),
    ],
)
def test_thin_patches_and_crumbs_are_scattered(boxes: list[Box], *, expected: bool) -> None:
    mask = mask_of(*boxes)
    patches = [patch for patch in things(mask) if patch.area > 200]
    assert is_scattered(mask, patches) is expected


def test_the_edges_along_a_thing_have_the_strength_of_its_contrast() -> None:
    assert edge_strength(PLAIN, thing(BOX)) == 0
    assert edge_strength(PLAIN, thing()) == 0
    for corner in (BOX, Box(3, 2, 40, 30), Box(275, 205, 40, 30)):
        strength = edge_strength(with_colour(corner, 220, 220, 220), thing(corner))
        assert strength == pytest.approx(50, abs=2)  # half of the ring's four pixels see an edge


def test_textures_agree_whatever_their_light_and_contrast() -> None:
    ground, where = texture(1), thing(Box(60, 60, 80, 80))
    assert texture_agreement(ground, ground, where) == pytest.approx(1)
    assert texture_agreement(ground, (ground * 0.6).astype(np.uint8), where) > 0.99
    assert texture_agreement(ground, 255 - ground, where) == pytest.approx(-1, abs=0.02)
    assert abs(texture_agreement(ground, texture(2), where)) < 0.25
    assert texture_agreement(ground, PLAIN, where) == 0
    assert texture_agreement(PLAIN, ground, where) == 0
    elsewhere = ground.copy()
    elsewhere[:, 200:] = texture(2)[:, 200:]
    elsewhere[:40], elsewhere[160:] = 0, 0
    assert texture_agreement(ground, elsewhere, where) == pytest.approx(1)


@pytest.mark.parametrize(("levels", "agrees"), [(2, False), (3, True)])
def test_a_surface_with_little_deviation_is_plain(levels: int, *, agrees: bool) -> None:
    """Stripes of one pixel: their deviation is as large as their levels."""
    stripes = PLAIN.copy()
    stripes[:, ::2] += np.uint8(levels)
    stripes[:, 1::2] -= np.uint8(levels)
    found = texture_agreement(stripes, stripes, thing(Box(60, 60, 80, 80)))
    assert found == pytest.approx(1 if agrees else 0)


def test_a_thing_s_shape_is_filled_and_soft_at_its_edge() -> None:
    frame = Box(100, 80, 60, 60)
    hollow = thing(frame)
    Box(120, 100, 20, 20).cut(hollow.mask)[:] = 0
    alpha = alpha_in(hollow, Box(180, 140, 160, 160), 2.0)
    assert alpha.shape == (80, 80)
    assert alpha.dtype == np.float32
    assert (alpha[10:70, 10:70] == 1).all()
    assert alpha[8, 8:72].max() < 1
    row = alpha[40]
    assert (row[:8] == 0).all()
    assert row[8:11].tolist() == pytest.approx([0, 1, 1], abs=1e-6)
    assert row[69:73].tolist() == pytest.approx([1, 1, 0, 0], abs=1e-6)


@pytest.mark.parametrize(
    ("square", "scale", "shape"),
    [
        (Box(0, 0, 640, 480), 2.0, (240, 320)),
        (Box(101, 51, 99, 99), 2.0, (49, 50)),
        (Box(10, 10, 1, 1), 8.0, (1, 1)),
        (Box(0, 0, 100, 60), 1.0, (60, 100)),
    ],
)
def test_a_square_of_the_frame_at_the_working_scale(
    square: Box, scale: float, shape: tuple[int, int]
) -> None:
    assert alpha_in(thing(BOX), square, scale).shape == shape


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (Box(50, 0, 5, 20), True),
        (Box(50, 0, 4, 20), False),
        (Box(50, 1, 30, 20), True),
        (Box(50, 2, 30, 20), False),
        (Box(50, 218, 30, 20), False),
        (Box(50, 219, 5, 20), True),
        (Box(0, 50, 20, 5), True),
        (Box(1, 50, 20, 4), False),
        (Box(2, 50, 20, 30), False),
        (Box(298, 50, 20, 30), False),
        (Box(299, 50, 20, 5), True),
        (Box(299, 50, 20, 4), False),
    ],
)
def test_five_pixels_within_two_of_the_border_touch_it(box: Box, *, expected: bool) -> None:
    assert is_at_border(mask_of(box)) is expected


@pytest.mark.parametrize(("contact", "expected"), [(4, False), (5, True)])
def test_a_thing_reaches_in_with_five_pixels(contact: int, *, expected: bool) -> None:
    foot = Box(120, 0, contact, 20)
    now = with_colour(foot, 20, 60, 220)
    body = Box(100, 20, 60, 40)
    body.cut(now)[:] = (20, 60, 220)
    assert reaches_in(thing(foot, body), now, PLAIN) is expected
