"""Things that touch come apart; a thing of several patches stays one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from catalog.core.box import Box
from edge.vision.foreground import Thing, foreground, reaches_in, things
from edge.vision.illumination import difference
from edge.vision.separation import at_working_scale, completed, grouped, separated, united

SHAPE = (240, 320)
LEFT, RIGHT = Box(60, 60, 60, 90), Box(118, 70, 70, 80)


def patch(*boxes: Box) -> Thing:
    """What covers some boxes."""
    mask = np.zeros(SHAPE, np.uint8)
    for box in boxes:
        box.cut(mask)[:] = 1
    return Thing(Box(*cv2.boundingRect(mask)), mask, int(mask.sum()))


def test_boxes_that_hold_too_little_of_a_patch_do_not_separate_it() -> None:
    boxes = [Box(60, 60, 60, 60), Box(120, 60, 60, 60)]
    assert len(separated(patch(*boxes, Box(60, 120, 120, 20)), boxes)) == 2, "75 % of it"
    whole = patch(*boxes, Box(60, 120, 120, 40))
    assert separated(whole, boxes) == [whole], "60 % of it"


def test_two_things_that_touch_come_apart() -> None:
    both = patch(LEFT, RIGHT)
    parts = separated(both, [LEFT, RIGHT])
    assert len(parts) == 2
    for part, box in zip(parts, (LEFT, RIGHT), strict=True):
        assert abs(part.box.x - box.x) <= 2
        assert abs(part.box.width - box.width) <= 2
    assert sum(part.area for part in parts) == both.area
    assert not (parts[0].mask & parts[1].mask).any()


BESIDE = Box(100, 156, 12, 60)  # thin, and near enough to be taken for a part of what lies above


def test_a_small_thing_beside_a_large_one_is_one_of_its_own() -> None:
    both = patch(LEFT, BESIDE)
    large, small = separated(both, [LEFT])
    assert (large.box, small.box) == (LEFT, BESIDE)
    assert large.area + small.area == both.area


def test_small_things_on_both_sides_are_two() -> None:
    others = Box(20, 90, 30, 20), Box(150, 90, 30, 20)
    assert [thing.box for thing in separated(patch(LEFT, *others), [LEFT])] == [LEFT, *others]


@pytest.mark.parametrize(
    ("parts", "box"),
    [
        ((LEFT, BESIDE), Box(60, 60, 60, 156)),  # the network takes both for one
        ((LEFT, Box(100, 150, 12, 60)), LEFT),  # they touch
        ((LEFT, Box(100, 156, 12, 20)), LEFT),  # a speck
        ((Box(60, 60, 20, 90), BESIDE), LEFT),  # the network knows a larger thing there
    ],
)
def test_a_part_that_is_near_stays_with_its_thing(parts: tuple[Box, Box], box: Box) -> None:
    one = patch(*parts)
    assert separated(one, [box]) == [one]


@pytest.mark.parametrize(
    "boxes",
    [
        (),
        (LEFT,),
        (LEFT, Box(62, 62, 56, 84)),  # two boxes of one thing
        (LEFT, Box(250, 150, 40, 40)),  # the other lies where no foreground is
        (Box(60, 60, 20, 20), Box(90, 120, 20, 20)),  # both explain too little of it
    ],
)
def test_one_thing_stays_one(boxes: tuple[Box, ...]) -> None:
    one = patch(LEFT)
    assert separated(one, boxes) == [one]


def test_a_thing_of_which_a_part_is_seen_is_taken_as_a_whole() -> None:
    seen = patch(Box(80, 90, 40, 46))
    assert completed(seen, [LEFT]).box == LEFT
    assert separated(seen, [LEFT]) == [seen]
    small = patch(Box(80, 90, 20, 20))  # a small thing on something larger of the counter
    assert completed(small, [LEFT]) is small


def test_patches_in_one_box_are_one_thing() -> None:
    top, bottom = patch(Box(62, 62, 56, 30)), patch(Box(80, 110, 20, 38))
    other = patch(Box(200, 100, 40, 40))
    groups = grouped([top, bottom, other], [LEFT, Box(198, 98, 44, 44)])
    assert [sorted(group, key=id) for group in groups] == [sorted([top, bottom], key=id), [other]]
    assert united(groups[0]).area == top.area + bottom.area
    assert united(groups[0]).box == Box(62, 62, 56, 86)


def test_things_in_boxes_that_share_much_stay_apart() -> None:
    top, bottom = patch(Box(62, 62, 56, 30)), patch(Box(62, 110, 56, 38))
    boxes = [LEFT, Box(60, 60, 60, 34), Box(60, 108, 60, 42)]
    assert len(grouped([top, bottom], boxes)) == 2


def test_boxes_come_to_the_working_scale() -> None:
    assert at_working_scale([Box(64, 32, 128, 256)], 640) == [Box(32, 16, 64, 128)]


def counter() -> np.ndarray:
    """A grey counter with a little noise."""
    noise = np.random.default_rng(5).integers(-3, 4, (*SHAPE, 3))
    return np.clip(150 + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("gap", "crosses"), [(0, True), (6, False)])
def test_a_shadow_at_the_border_is_no_arm(gap: int, *, crosses: bool) -> None:
    background, now = counter(), counter()
    bottom = SHAPE[0] - gap
    now[bottom:, 100:160] = (now[bottom:, 100:160] * 0.65).astype(np.uint8)
    now[bottom - 80 : bottom, 100:160] = (40, 60, 190)
    mask = foreground(now, background, difference(now, background), np.zeros(SHAPE, bool))
    mask[bottom:, 100:160] = 1  # as if the shadow's edge were sharp
    (thing,) = things(mask)
    assert reaches_in(thing, now, background) is crosses


@pytest.mark.parametrize(("width", "parts"), [(24, 2), (23, 1)])
def test_a_box_without_foreground_separates_nothing(width: int, parts: int) -> None:
    """Two fifths of a box must be covered."""
    left, right = Box(60, 60, 60, 60), Box(120, 60, 60, 60)
    assert len(separated(patch(left, Box(120, 60, 60, width)), [left, right])) == parts


@pytest.mark.parametrize(("shared", "parts"), [(24, 2), (25, 1)])
def test_boxes_that_share_two_fifths_are_about_two_things(shared: int, parts: int) -> None:
    left, right = Box(60, 60, 60, 60), Box(120 - shared, 60, 60, 60)
    assert len(separated(patch(left, right), [left, right])) == parts


@pytest.mark.parametrize(("depth", "parts"), [(52, 2), (53, 1)])
def test_boxes_must_explain_seven_tenths(depth: int, parts: int) -> None:
    """Their last row counts: 3630 pixels of 5160 are 70.3 per cent, of 5190 are 69.9."""
    left, right = Box(60, 60, 30, 60), Box(90, 60, 30, 60)
    one = patch(left, right, Box(75, 120, 30, depth))
    assert len(separated(one, [left, right])) == parts


@pytest.mark.parametrize(("height", "parts"), [(32, 2), (31, 1)])
def test_a_part_of_a_tenth_is_a_thing(height: int, parts: int) -> None:
    large, small = Box(60, 60, 80, 80), Box(140, 60, 24, height)  # a column is the large one's
    one = patch(large, small)
    assert len(separated(one, [large, small])) == parts


def test_each_pixel_is_of_the_box_that_it_is_nearest_to() -> None:
    narrow, wide = Box(60, 60, 20, 60), Box(90, 60, 80, 60)
    one = patch(Box(60, 60, 110, 60))
    first, second = separated(one, [narrow, wide])
    # 16 pixels from the narrow one's middle are 1.6 of it, and as much of the wide one
    assert abs(first.box.width - 24) <= 2
    assert (first.area + second.area, first.box.height) == (one.area, 60)


@pytest.mark.parametrize(
    ("box", "is_completed"),
    [
        (Box(60, 60, 60, 100), True),  # 2400 of 6000 would be 40 per cent
        (Box(60, 60, 60, 66), False),
        (Box(60, 60, 60, 67), True),  # 39.8 per cent
        (Box(60, 60, 60, 106), True),  # 25.2 per cent
        (Box(60, 60, 60, 107), False),  # 24.9 per cent
        (Box(60, 60, 34, 110), True),  # 85 per cent of the patch's width
        (Box(60, 60, 33, 110), False),
    ],
)
def test_a_patch_of_a_quarter_to_two_fifths_of_a_box_is_completed(
    box: Box, *, is_completed: bool
) -> None:
    seen = patch(Box(60, 60, 40, 40))
    whole = completed(seen, [box])
    assert (whole is not seen) is is_completed
    if is_completed:
        assert whole.area == int(whole.mask.sum())
        assert box.cut(whole.mask).all()
        assert whole.box == Box(60, 60, max(40, box.width), max(40, box.height))
    assert completed(seen, [box, box]) is seen


@pytest.mark.parametrize(("depth", "parts"), [(9, 2), (10, 1)])
def test_what_lies_partly_in_the_box_separates_nothing(depth: int, parts: int) -> None:
    """A part of 60 rows may reach in with 9 of them, 15 per cent."""
    part = Box(100, LEFT.y + LEFT.height - depth, 12, 60)
    gap = Box(60, 60, 36, 90)
    one = patch(gap, part)
    assert len(separated(one, [Box(60, 60, 52, 90)])) == parts


@pytest.mark.parametrize(("width", "parts"), [(36, 2), (35, 1)])
def test_what_lies_in_the_box_must_fill_it(width: int, parts: int) -> None:
    """Three fifths of the box's width."""
    one = patch(Box(60, 60, width, 90), BESIDE)
    assert len(separated(one, [LEFT])) == parts
