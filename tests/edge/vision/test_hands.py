"""What is skin, what a hand is and holds, and what only has skin's colours printed on it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from catalog.core.box import Box
from edge.vision.foreground import Thing
from edge.vision.hands import skin, without_hand
from tests.edge.vision.test_foreground import SHAPE, mask_of

GROUND = np.full((*SHAPE, 3), 190, np.uint8)
SKIN, SLEEVE, THING = (110, 140, 190), (110, 142, 188), (60, 60, 20)


def patch(*boxes: Box) -> Thing:
    mask = mask_of(*boxes)
    return Thing(Box(*cv2.boundingRect(mask)), mask, int(mask.sum()))


def frame(**boxes: tuple[Box, tuple[int, int, int]]) -> np.ndarray:
    now = GROUND.copy()
    for box, colour in boxes.values():
        box.cut(now)[:] = colour
    return now


@pytest.mark.parametrize(
    ("chroma", "expected"),
    [
        ((133, 100), False), ((134, 100), True), ((176, 100), True), ((177, 100), False),
        ((150, 69), False), ((150, 70), True), ((150, 130), True), ((150, 131), False),
    ],
)  # fmt: skip
def test_skin_has_its_chroma_in_any_light(chroma: tuple[int, int], *, expected: bool) -> None:
    for light in (120, 140):
        colour = np.full((4, 4, 3), (light, *chroma), np.uint8)
        now = cv2.cvtColor(colour, cv2.COLOR_YCrCb2BGR)
        assert cv2.cvtColor(now, cv2.COLOR_BGR2YCrCb)[0, 0, 1:].tolist() == list(chroma)
        assert skin(np.asarray(now, np.uint8)).tolist() == [[expected] * 4] * 4


def test_what_does_not_reach_the_border_or_has_no_skin_is_a_thing() -> None:
    free, arm = Box(100, 80, 60, 60), Box(0, 60, 180, 60)
    for box, colour in ((free, SKIN), (arm, THING)):
        one = patch(box)
        assert without_hand(frame(one=(box, colour)), GROUND, one) is one


def test_an_arm_alone_is_no_thing() -> None:
    arm = Box(0, 60, 180, 60)
    assert without_hand(frame(arm=(arm, SKIN)), GROUND, patch(arm)) is None


@pytest.mark.parametrize(("width", "has_hand"), [(14, False), (15, True)])
def test_a_twelfth_of_skin_is_a_hand(width: int, *, has_hand: bool) -> None:
    """Eight per cent of 180 columns are 14.4."""
    whole = patch(Box(0, 60, 180, 60))
    now = frame(whole=(whole.box, THING), hand=(Box(100, 60, width, 60), SKIN))
    found = without_hand(now, GROUND, whole)
    assert found is not None
    assert found.box == (Box(100 + width, 60, 80 - width, 60) if has_hand else whole.box)


@pytest.mark.parametrize(("width", "is_thing"), [(15, True), (35, True), (36, False), (60, False)])
def test_a_thing_cut_by_the_border_may_have_a_little_skin_printed_on_it(
    width: int, *, is_thing: bool
) -> None:
    """With less than a fifth of skin, the part at the border being larger than three fifths."""
    whole = Box(0, 60, 180, 60)
    now = frame(whole=(whole, THING), print=(Box(180 - width, 60, width, 60), SKIN))
    found = without_hand(now, GROUND, patch(whole))
    assert (found is not None and found.area == whole.area) is is_thing


def test_what_is_cut_in_two_by_skin_is_no_thing_at_the_border() -> None:
    whole = Box(0, 60, 180, 60)
    middle = frame(whole=(whole, THING), hand=(Box(100, 60, 20, 60), SKIN))
    found = without_hand(middle, GROUND, patch(whole))
    assert found is not None
    assert found.box == Box(120, 60, 60, 60), "less than three fifths are at the border"


def test_the_larger_of_two_held_things_is_the_thing() -> None:
    arm = Box(0, 90, 120, 60)
    large, small = Box(120, 60, 50, 60), Box(120, 125, 40, 40)
    now = frame(arm=(arm, SKIN), large=(large, THING), small=(small, THING))
    found = without_hand(now, GROUND, patch(arm, large, small))
    assert found is not None
    assert found.box == large


@pytest.mark.parametrize(("shift", "is_same"), [(13, True), (16, False)])
def test_shaded_skin_is_the_same_skin(shift: int, *, is_same: bool) -> None:
    """Within fourteen levels of chroma; further away it is held by the hand."""
    lit, shade = (
        cv2.cvtColor(np.full((1, 1, 3), (150, red, 105), np.uint8), cv2.COLOR_YCrCb2BGR)[0, 0]
        for red in (145, 145 - shift)
    )
    arm, part = Box(0, 60, 120, 60), Box(120, 60, 60, 60)
    now = frame(arm=(arm, tuple(lit.tolist())), part=(part, tuple(shade.tolist())))
    found = without_hand(now, GROUND, patch(arm, part))
    assert (found is None) is is_same
