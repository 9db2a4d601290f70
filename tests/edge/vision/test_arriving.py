"""When a thing that has come is at rest, whether it moved, and what it is near to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from catalog.core.box import Box, square_around
from edge.vision.arriving import COVER_S, Arrival, is_beside, is_same_look, may_lead
from edge.vision.foreground import Thing
from edge.vision.scene import REST_S, MotionImage
from tests.edge.vision.test_foreground import SHAPE, mask_of
from tests.edge.vision.test_resting import resting

BOX = Box(100, 80, 40, 40)
MOTION: MotionImage = np.full((SHAPE[0] // 2, SHAPE[1] // 2, 3), 120, np.uint8)


def thing(box: Box = BOX) -> Thing:
    return Thing(box, mask_of(box), box.area)


ARRIVAL = Arrival(thing(), MOTION, 7.0, 1, 1, at_border=False, covers=False, held=False)


@pytest.mark.parametrize("covers", [False, True])
@pytest.mark.parametrize("at_border", [False, True])
@pytest.mark.parametrize("held", [False, True])
def test_what_may_be_an_arm_over_a_thing_rests_later(
    *, covers: bool, at_border: bool, held: bool
) -> None:
    arrival = replace(ARRIVAL, covers=covers, at_border=at_border, held=held)
    is_over = covers and (at_border or held)
    assert arrival.is_over is is_over
    assert arrival.due == 7.0 + (COVER_S if is_over else REST_S)
    assert may_lead(arrival, resting(BOX)) is (not at_border and not is_over)


@pytest.mark.parametrize(("width", "leads"), [(39, False), (40, True)])
def test_what_is_small_beside_the_thing_at_rest_does_not_lead(width: int, *, leads: bool) -> None:
    small = replace(ARRIVAL, thing=thing(Box(10, 10, width, 6)))  # 15 % of 1600 are 240
    assert may_lead(small, resting(BOX)) is leads


def with_changes(count: int, levels: int, part: tuple[slice, slice]) -> MotionImage:
    """The look with so many changed pixels inside a part; none is read to estimate the light."""
    motion = MOTION.copy()
    rows, columns = np.mgrid[part]
    unread = (rows % 3 == 1) & (columns % 3 == 1)
    where = rows[unread][:count], columns[unread][:count]
    assert len(where[0]) == count
    motion[where] += np.uint8(levels)
    return motion


def part_of(box: Box) -> tuple[slice, slice]:
    """The square about a box, in pixels of a motion image."""
    square = square_around(box, 1, SHAPE[1], SHAPE[0])
    return (
        slice(square.y // 2, (square.y + square.height) // 2 + 1),
        slice(square.x // 2, (square.x + square.width) // 2 + 1),
    )


@pytest.mark.parametrize(
    ("count", "levels", "same"), [(0, 0, True), (6, 60, True), (7, 60, False), (40, 7, True)]
)
def test_a_hundredth_of_the_pixels_may_have_changed(count: int, levels: int, *, same: bool) -> None:
    part = part_of(BOX)
    assert MOTION[part].size == 3 * 625
    assert is_same_look(thing(), with_changes(count, levels, part), ARRIVAL) is same


@pytest.mark.parametrize(("count", "same"), [(4, True), (5, False)])
def test_exactly_a_hundredth_is_as_before(count: int, *, same: bool) -> None:
    box = Box(100, 80, 32, 32)
    part = part_of(box)
    assert MOTION[part].size == 3 * 400
    assert is_same_look(thing(box), with_changes(count, 60, part), ARRIVAL) is same


def test_nine_levels_are_motion() -> None:
    motion = MOTION.copy()
    for row in (52, 55):
        for column in (61, 64):  # a lighter pixel and a darker one: their light is as before
            motion[row, column], motion[row, column + 1] = 120 + 9, 120 - 9
    assert is_same_look(thing(), motion, ARRIVAL) is False
    motion[motion == 120 + 9] = 120 + 8
    assert is_same_look(thing(), motion, ARRIVAL) is True


def test_what_changes_right_behind_the_last_pixels_does_not_count() -> None:
    rows, columns = part_of(BOX)
    below, right = MOTION.copy(), MOTION.copy()
    below[rows.stop, columns.start : columns.stop][1::3] += 60
    right[rows.start : rows.stop, columns.stop][1::3] += 60
    assert ((below != MOTION).any(2).sum(), (right != MOTION).any(2).sum()) == (8, 8)
    for motion in (below, right):
        assert is_same_look(thing(), motion, ARRIVAL) is True


def test_what_changes_elsewhere_does_not_count() -> None:
    rows, columns = part_of(BOX)
    beside = [
        (slice(0, rows.start), slice(0, 160)),
        (slice(rows.stop, 120), slice(0, 160)),
        (rows, slice(0, columns.start)),
        (rows, slice(columns.stop, 160)),
    ]
    for part in beside:
        assert is_same_look(thing(), with_changes(60, 60, part), ARRIVAL) is True
    at_the_edges = [
        (slice(rows.start, rows.start + 3), columns),
        (slice(rows.stop - 3, rows.stop), columns),
        (rows, slice(columns.start, columns.start + 3)),
        (rows, slice(columns.stop - 3, columns.stop)),
    ]
    for part in at_the_edges:
        assert is_same_look(thing(), with_changes(7, 60, part), ARRIVAL) is False


@pytest.mark.parametrize(("levels", "same"), [(80, True), (120, False)])
def test_a_thing_in_a_hand_may_change_a_little_everywhere(levels: int, *, same: bool) -> None:
    """One of nine pixels changes: about 8.9 and 13.3 levels in the mean, less their light."""
    held = replace(ARRIVAL, held=True)
    count = len(np.mgrid[part_of(BOX)][0][1::3, 1::3].ravel()) - 8
    assert is_same_look(thing(), with_changes(count, levels, part_of(BOX)), held) is same


@pytest.mark.parametrize(
    ("x", "y", "near"),
    [
        (92, 100, True), (91, 100, False), (147, 100, True), (148, 100, False),
        (120, 72, True), (120, 71, False), (120, 127, True), (120, 128, False), (120, 100, True),
    ],
)  # fmt: skip
def test_eight_pixels_away_is_beside(x: int, y: int, *, near: bool) -> None:
    assert is_beside(Thing(Box(x, y, 1, 1), mask_of(Box(x, y, 1, 1)), 1), thing()) is near


def test_what_lies_at_the_frame_s_corner_has_neighbours_too() -> None:
    corner = thing(Box(3, 2, 20, 20))
    for at in ((0, 5), (5, 0), (30, 5), (5, 29)):
        spot = Box(*at, 1, 1)
        assert is_beside(Thing(spot, mask_of(spot), 1), corner) is True
