"""Whether a thing at rest is still there, which one leads, and what is left without them."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.core.box import Box
from edge.vision.foreground import Thing
from edge.vision.illumination import WorkingImage
from edge.vision.resting import (
    Presence,
    RestingThing,
    is_covered,
    leader,
    presence,
    without_things,
)
from tests.edge.vision.test_foreground import SHAPE, mask_of, texture

BOX = Box(60, 90, 40, 25)  # a thousand pixels
FRAME: WorkingImage = np.zeros((*SHAPE, 3), np.uint8)


def resting(box: Box = BOX, look: WorkingImage = FRAME, since: float = 0.0) -> RestingThing:
    thing = Thing(box, mask_of(box), box.area)
    return RestingThing(thing, thing, look, since, 1, 1)


def some(count: int, *, apart_from: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """So many pixels of the box, of which none is read to estimate the light on it."""
    rows, columns = np.mgrid[: BOX.height, : BOX.width]
    unread = (rows % 3 > 0) & (columns % 3 > 0)
    unread |= (rows % 3 > 0) ^ (columns % 3 > 0)
    rows, columns = rows[unread], columns[unread]
    chosen = np.s_[apart_from : apart_from + count]
    assert len(rows[chosen]) == count
    return rows[chosen] + BOX.y, columns[chosen] + BOX.x


BACKGROUND = texture(1)
LOOK = BACKGROUND.copy()
BOX.cut(LOOK)[:] = np.where(BOX.cut(BACKGROUND) > 127, 60, 220)  # far from it everywhere


@pytest.mark.parametrize(
    ("gone", "how"), [(0, Presence.SEEN), (499, Presence.HIDDEN), (500, Presence.GONE)]
)
def test_a_thing_is_gone_where_half_of_it_is_the_background(gone: int, how: Presence) -> None:
    now, mask = LOOK.copy(), mask_of(BOX)
    where = some(gone)
    now[where], mask[where] = BACKGROUND[where], 0
    assert presence(resting(look=LOOK), now, BACKGROUND, mask) is how


def test_what_is_foreground_is_not_gone_whatever_its_colour() -> None:
    now, mask = LOOK.copy(), mask_of(BOX)
    where = some(500)
    now[where] = BACKGROUND[where]
    assert presence(resting(look=LOOK), now, BACKGROUND, mask) is Presence.HIDDEN


def test_a_thing_of_the_background_s_colour_is_there() -> None:
    assert presence(resting(look=LOOK), LOOK, LOOK, mask_of()) is Presence.SEEN


@pytest.mark.parametrize(
    ("others", "how"),
    [(25, Presence.SEEN), (26, Presence.CHANGED), (400, Presence.CHANGED), (401, Presence.HIDDEN)],
)
def test_a_thing_of_which_some_pixels_look_otherwise(others: int, how: Presence) -> None:
    now = LOOK.copy()
    now[some(others)] = 140
    assert presence(resting(look=LOOK), now, BACKGROUND, mask_of(BOX)) is how


@pytest.mark.parametrize(
    ("levels", "how"), [(15, Presence.SEEN), (16, Presence.HIDDEN), (-15, Presence.SEEN)]
)
def test_sixteen_grey_levels_are_another_surface(levels: int, how: Presence) -> None:
    now = LOOK.copy()
    where = some(401)
    now[where] = now[where].astype(int) + levels
    assert presence(resting(look=LOOK), now, BACKGROUND, mask_of(BOX)) is how


def test_what_lies_beside_a_thing_in_its_box_is_not_the_thing() -> None:
    known, now = resting(look=LOOK), LOOK.copy()
    known.thing.mask[:] = mask_of(Box(BOX.x, BOX.y, 20, 25))  # its left half
    now[BOX.y : BOX.y + 25, BOX.x + 21 : BOX.x + 40 : 3] = 140
    assert presence(known, now, BACKGROUND, mask_of(BOX)) is Presence.SEEN


def test_half_gone_and_half_hidden_is_seen_in_no_pixel() -> None:
    now, mask = LOOK.copy(), mask_of(BOX)
    gone, others = some(300), some(101, apart_from=300)
    now[gone], mask[gone] = BACKGROUND[gone], 0
    now[others] = 140
    assert presence(resting(look=LOOK), now, BACKGROUND, mask) is Presence.HIDDEN
    now[others] = LOOK[others]
    assert presence(resting(look=LOOK), now, BACKGROUND, mask) is Presence.CHANGED


@pytest.mark.parametrize(
    ("light", "how"),
    [
        ((1, 1, 1), Presence.SEEN),
        ((0.9, 0.9, 0.9), Presence.SEEN),
        ((0.5, 0.5, 0.5), Presence.SEEN),
        ((1.1, 1.1, 1.1), Presence.SEEN),
        ((0.95, 1, 1.05), Presence.SEEN),
        ((1, 1, 0.7), Presence.HIDDEN),  # no light does so
        ((0.8, 0.8, 1.15), Presence.HIDDEN),
    ],
)
def test_the_light_on_a_thing_changes_it_little_in_colour(
    light: tuple[float, ...], how: Presence
) -> None:
    look = LOOK.copy()
    BOX.cut(look)[:] = 180 + np.arange(40)[None, :, None]
    now = np.clip(look * np.array(light), 0, 255).astype(np.uint8)
    assert presence(resting(look=look), now, BACKGROUND, mask_of(BOX)) is how


@pytest.mark.parametrize(("width", "expected"), [(9, False), (10, True), (20, True)])
def test_half_of_the_smaller_one_is_covered(width: int, *, expected: bool) -> None:
    known, box = resting(Box(50, 50, 20, 20)), Box(50, 50, width, 20)
    large = Box(50, 50, width, 120)
    assert is_covered(known, Thing(large, mask_of(large), large.area)) is expected
    small = Box(70 - width, 50, 20, 10)
    assert is_covered(known, Thing(small, mask_of(small), 200)) is expected
    assert is_covered(known, Thing(box, mask_of(box), box.area)) is True


@pytest.mark.parametrize(
    ("things", "expected"),
    [
        ([], None),
        ([(Box(0, 0, 10, 10), 0.0)], 0),
        ([(Box(0, 0, 10, 10), 0.0), (Box(50, 0, 5, 3), 9.0)], 1),  # 15 % of the area
        ([(Box(0, 0, 10, 10), 0.0), (Box(50, 0, 7, 2), 9.0)], 0),  # 14 %
        ([(Box(0, 0, 10, 10), 9.0), (Box(50, 0, 10, 9), 9.5)], 0),  # together
        ([(Box(0, 0, 10, 10), 8.99), (Box(50, 0, 10, 9), 9.5)], 1),
        ([(Box(0, 0, 10, 10), 9.0), (Box(50, 0, 30, 3), 9.0)], 0),
        ([(Box(0, 0, 3, 30), 9.0), (Box(50, 0, 10, 10), 9.0)], 1),
        ([(Box(0, 0, 7, 2), 9.0), (Box(50, 0, 10, 10), 1.0), (Box(90, 0, 8, 8), 2.0)], 2),
    ],
)
def test_the_newest_leads_and_of_several_the_largest(
    things: list[tuple[Box, float]], expected: int | None
) -> None:
    known = [resting(box, since=since) for box, since in things]
    assert leader(known) is (None if expected is None else known[expected])


def test_a_thing_is_taken_away_with_its_edge_and_what_is_thin_with_it() -> None:
    mask = mask_of(Box(50, 50, 60, 60), Box(200, 20, 2, 100), Box(250, 20, 3, 100))
    before = mask.copy()
    rest = without_things(mask, [resting(Box(70, 70, 10, 10))])
    assert (mask == before).all()
    hole = mask_of(Box(50, 50, 60, 60)) - mask_of(Box(68, 68, 14, 14))
    assert (rest == hole + mask_of(Box(250, 20, 3, 100))).all()
    assert (without_things(mask, []) == before).all()
