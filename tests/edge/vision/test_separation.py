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
