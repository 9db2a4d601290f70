"""What stands out from a single picture's border, and what does not."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.core.box import Box
from edge.sighting import Image
from edge.vision.salient import salient

RED, GREEN = (30, 40, 220), (30, 200, 30)
MIDDLE = Box(60, 40, 40, 40)


def picture(
    *boxes: Box, width: int = 160, height: int = 120, colour: tuple[int, int, int] = RED
) -> Image:
    """Things on a grey ground."""
    seen = np.full((height, width, 3), 120, np.uint8)
    for box in boxes:
        box.cut(seen)[:] = colour
    return seen


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (picture(), None),
        (picture(MIDDLE), MIDDLE),
        (picture(Box(60, 45, 24, 24)), None),  # 3 per cent of the picture are just too little
        (picture(Box(60, 45, 25, 24)), Box(60, 45, 25, 24)),
        (picture(Box(50, 45, 26, 30), Box(84, 45, 26, 30)), Box(50, 45, 60, 30)),  # 8 pixels apart
        (picture(Box(50, 45, 26, 30), Box(85, 45, 26, 30)), Box(50, 45, 26, 30)),
        (picture(Box(65, 30, 30, 26), Box(65, 64, 30, 26)), Box(65, 30, 30, 60)),
        (picture(Box(65, 30, 30, 26), Box(65, 65, 30, 26)), Box(65, 30, 30, 26)),
        (picture(Box(50, 40, 20, 30), Box(100, 40, 40, 40)), Box(100, 40, 39, 40)),  # the larger
        (picture(MIDDLE, Box(100, 58, 18, 2)), Box(60, 40, 41, 40)),  # thin lines are none of it
        (picture(MIDDLE, Box(70, 80, 2, 18)), Box(60, 40, 40, 41)),
        (picture(MIDDLE, Box(100, 58, 18, 3)), Box(60, 40, 57, 40)),
        (picture(MIDDLE, Box(70, 80, 3, 18)), Box(60, 40, 40, 55)),
        (picture(Box(10, 10, 140, 100)), Box(11, 11, 138, 98)),
        (picture(Box(6, 10, 148, 100)), None),  # it is the border
        (picture(MIDDLE, colour=(214, 214, 214)), None),
        (picture(MIDDLE, colour=(215, 215, 215)), MIDDLE),
        (picture(Box(65, 45, 30, 30), colour=(120, 120, 197)), None),
        (picture(Box(65, 45, 30, 30), colour=(120, 120, 198)), Box(65, 45, 30, 30)),
    ],
)
def test_what_stands_out_is_found(seen: Image, found: Box | None) -> None:
    assert salient(seen) == found


@pytest.mark.parametrize(
    ("x", "y", "least"), [(40, 45, 80), (20, 45, 104), (10, 45, 124), (65, 25, 81), (65, 15, 94)]
)
def test_what_is_far_from_the_middle_must_stand_out_more(x: int, y: int, least: int) -> None:
    place = Box(x, y, 30, 30)
    assert salient(picture(place, colour=(120, 120, 120 + least))) is not None
    assert salient(picture(place, colour=(120, 120, 120 + least - 1))) is None


@pytest.mark.parametrize(("pixels", "is_background"), [(29, False), (30, True)])
def test_a_colour_of_six_per_cent_of_the_border_is_background(
    pixels: int, *, is_background: bool
) -> None:
    seen = picture(MIDDLE, colour=GREEN)
    seen[:8, :pixels] = GREEN
    assert salient(seen) == (None if is_background else MIDDLE)


@pytest.mark.parametrize(
    ("width", "height", "found"),
    [
        (320, 240, Box(106, 80, 106, 80)),
        (480, 100, Box(159, 33, 162, 33)),
        (100, 200, Box(33, 66, 33, 66)),
        (161, 121, Box(53, 40, 52, 39)),
        (60, 45, Box(20, 15, 20, 15)),
        (160, 1, None),
        (2, 1, None),
    ],
)
def test_the_box_is_in_the_picture_s_own_pixels(width: int, height: int, found: Box | None) -> None:
    third = Box(width // 3, height // 3, width // 3, height // 3)
    assert salient(picture(third, width=width, height=height)) == found
