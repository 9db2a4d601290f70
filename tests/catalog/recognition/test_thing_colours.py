"""The colours of a thing that was cut out, and what they say about it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from catalog.core.photos import Picture
from catalog.recognition.colours import similarity
from catalog.recognition.thing_colours import (
    LEAST_RATIO,
    MOST_RATIO,
    log_ratio,
    thing_colours,
    with_colours,
)

GROUND = 235
RED, GREEN = (40, 40, 190), (60, 170, 60)
WOOD, STONE = (90, 130, 170), (150, 150, 140)


def cutout(colour: tuple[int, ...], counter: tuple[int, int, int], light: float = 1.0) -> Picture:
    """A thing with a dark lid on a light ground, with a little of the counter around it."""
    picture = np.full((200, 200, 3), GROUND, np.uint8)
    bright, dark, rim = (
        tuple(light * part for part in parts)
        for parts in (colour, tuple(part / 3 for part in colour), counter)
    )
    cv2.circle(picture, (100, 100), 84, rim, -1)
    cv2.circle(picture, (100, 100), 78, bright, -1)
    cv2.circle(picture, (100, 70), 30, dark, -1)
    return picture


def alike(one: Picture, other: Picture) -> float:
    some, query = thing_colours(one, GROUND), thing_colours(other, GROUND)
    assert some is not None
    assert query is not None
    return float(similarity(some[None], query)[0])


def test_a_thing_has_its_colours_in_another_place_and_light() -> None:
    red = cutout(RED, WOOD)
    assert alike(red, cutout(RED, STONE, light=0.6)) > 0.9
    assert alike(red, cutout(GREEN, WOOD)) < 0.4
    packed = cv2.imdecode(cv2.imencode(".jpg", red, [cv2.IMWRITE_JPEG_QUALITY, 80])[1], 1)
    assert alike(red, np.asarray(packed, np.uint8)) > 0.95


def test_a_thing_as_light_as_the_ground_keeps_its_colours() -> None:
    as_light, lighter = (cutout((level,) * 3, WOOD) for level in (GROUND, 250))
    for picture in (as_light, lighter):
        cv2.rectangle(picture, (70, 110), (130, 140), RED, -1)
    assert alike(as_light, lighter) > 0.95


def test_a_picture_with_all_that_lies_around_the_thing_was_not_cut_out() -> None:
    whole = np.random.default_rng(1).integers(0, 200, (120, 160, 3), np.uint8)
    assert thing_colours(whole, GROUND) is None
    assert thing_colours(np.full((120, 160, 3), GROUND, np.uint8), GROUND) is None


def test_a_thing_that_is_all_border_has_colours() -> None:
    picture = np.full((200, 200, 3), GROUND, np.uint8)
    cv2.line(picture, (20, 20), (180, 180), RED, 4)
    assert alike(picture, picture) == pytest.approx(1, abs=0.02)
    black = np.where(picture == GROUND, picture, 0).astype(np.uint8)
    assert alike(black, black) == pytest.approx(1, abs=0.02)


def test_other_colours_speak_against_a_thing_more_than_its_own_speak_for_it() -> None:
    ratios = [log_ratio(share) for share in (0, 0.5, 0.7, 0.8, 1)]
    assert ratios == sorted(ratios)
    assert (ratios[0], ratios[-1]) == (LEAST_RATIO, MOST_RATIO)
    assert ratios[2] < 0 < ratios[3] < -ratios[0]


def test_confidence_follows_bayes() -> None:
    same, other = with_colours(np.array([0.3, 0.6]), np.array([1.0, -3.0]))
    assert same == pytest.approx(0.3 * np.e / (0.3 * np.e + 0.6 * np.exp(-3) + 0.1))
    assert same > 0.8 > 0.05 > other
    assert with_colours(np.array([0.3, 0.6]), np.zeros(2)) == pytest.approx([0.3, 0.6])
