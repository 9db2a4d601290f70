"""What came with the taught thing and touches it is a part of it; what lies below is not."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from catalog.bundles.bundle import Bundle
from catalog.core.box import Box, square_around
from edge.sighting import Frame
from edge.taught.collecting import ViewCollector
from edge.taught.taught import Taught
from edge.taught.whole_thing import _drawn, whole_thing
from edge.taught.wish import Wish
from edge.vision.foreground import Thing, alpha_in
from edge.vision.illumination import WORKING_WIDTH, Mask
from edge.vision.picture_search import Observation
from edge.vision.scene import Activity, SceneState, SceneThing
from edge.vision.verdict import NOTHING

SIZE = (1920, 1080)
SCALE = SIZE[0] // WORKING_WIDTH
PLANT, POT, KEYS = Box(720, 240, 480, 360), Box(744, 600, 432, 270), Box(1560, 900, 240, 120)


def shape(*boxes: Box) -> Mask:
    """Boxes of the frame, at the working scale."""
    mask = np.zeros((SIZE[1] // SCALE, WORKING_WIDTH), np.uint8)
    for box in boxes:
        left, top = box.x // SCALE, box.y // SCALE
        mask[top : top + box.height // SCALE, left : left + box.width // SCALE] = 1
    return mask


def lying(mask: Mask) -> SceneThing:
    """A thing of some shape, as the scene describes it."""
    box = Box(*cv2.boundingRect(mask))
    square = square_around(box, SCALE, *SIZE)
    alpha = alpha_in(Thing(box, mask, int(mask.sum())), square, SCALE)
    return SceneThing(square, Box(*(value * SCALE for value in vars(box).values())), 2, 2, alpha)


def scene(leading: SceneThing, *others: SceneThing) -> SceneState:
    return SceneState(
        Activity.REST,
        empty=False,
        box=leading.box,
        steady=True,
        thing_box=leading.thing_box,
        alpha=leading.alpha,
        others=others,
    )


def things(*boxes: Box) -> list[SceneThing]:
    return [lying(shape(box)) for box in boxes]


def test_what_touches_is_a_part_and_what_lies_apart_is_not() -> None:
    thing = whole_thing(scene(*things(PLANT, POT, KEYS)), SIZE)
    assert thing.is_united
    assert thing.box == Box(720, 240, 480, 630)
    picture = thing.picture(np.full((*SIZE[::-1], 3), 90, np.uint8), 640)
    assert picture.shape == (640, 640, 3)
    shown = int((picture == 90).all(2).sum()) * (thing.square.width / 640) ** 2
    assert shown == pytest.approx(PLANT.area + POT.area, rel=0.1)
    assert picture[320, 320].max() == 90, "no line between the parts"
    assert picture[0, 0].min() > 200, "around it is a light ground"


def test_two_lenses_are_one_thing() -> None:
    left, right = Box(600, 480, 240, 180), Box(852, 480, 240, 180)
    assert whole_thing(scene(*things(left, right)), SIZE).box == Box(600, 480, 492, 180)


@pytest.mark.parametrize("apart", [12, 18])
@pytest.mark.parametrize(("across", "down"), [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_what_is_near_on_any_side_touches(apart: int, across: int, down: int) -> None:
    """Up to two pixels of the scale that is worked at, of which each has six of the frame's."""
    left = Box(600, 480, 180, 180)
    beside = Box(600 + across * (180 + apart), 480 + down * (180 + apart), 180, 180)
    assert whole_thing(scene(*things(left, beside)), SIZE).is_united is (apart == 12)


def test_a_paper_that_lay_below_a_cup_is_no_part_of_it() -> None:
    cup, paper = things(Box(840, 420, 240, 240), Box(480, 240, 960, 600))
    below = replace(paper, came_earlier=True)
    for other in (below, paper, replace(below, is_clear=False)):
        thing = whole_thing(scene(cup, other), SIZE)
        assert (thing.square, thing.box, thing.is_united) == (cup.box, cup.thing_box, False)


def test_a_neighbour_that_touches_and_lay_there_before_is_no_part() -> None:
    plant, neighbour = things(PLANT, POT)
    for other in (replace(neighbour, came_earlier=True), replace(neighbour, is_clear=False)):
        assert not whole_thing(scene(plant, other), SIZE).is_united


def test_what_touches_and_is_larger_is_no_part() -> None:
    small, large = things(Box(720, 240, 360, 240), Box(720, 480, 480, 240))
    assert not whole_thing(scene(small, large), SIZE).is_united
    assert whole_thing(scene(large, small), SIZE).is_united


def test_a_coin_in_the_corner_of_a_wrenchs_box_is_no_part_of_it() -> None:
    mask = shape()
    cv2.line(mask, (100, 130), (220, 40), (1,), 12)
    wrench, coin = lying(mask), lying(shape(Box(660, 300, 90, 90)))
    assert not whole_thing(scene(wrench, coin), SIZE).is_united
    at_its_end = lying(shape(Box(1320, 150, 90, 90)))
    assert whole_thing(scene(wrench, at_its_end), SIZE).is_united


@pytest.mark.parametrize("gap", [30, 36])
def test_things_in_a_row_are_things_of_their_own(gap: int) -> None:
    row = things(*(Box(240 + number * (210 + gap), 480, 210, 210) for number in range(5)))
    for leading in row:
        others = [thing for thing in row if thing is not leading]
        thing = whole_thing(scene(leading, *others), SIZE)
        assert (thing.box, thing.is_united) == (leading.thing_box, False)


def test_what_touches_a_part_alone_is_no_part() -> None:
    """Else a row of things that touch, each the next, were one."""
    saucer = Box(600, 870, 720, 60)
    assert whole_thing(scene(*things(PLANT, saucer, POT)), SIZE).box == Box(720, 240, 480, 630)


def test_a_thing_that_touches_nothing_is_as_the_scene_takes_it() -> None:
    plant, keys = things(PLANT, KEYS)
    for state in (scene(plant), scene(plant, keys)):
        thing = whole_thing(state, SIZE)
        assert (thing.square, thing.box, thing.is_united) == (plant.box, PLANT, False)
        assert thing.outlines[0][1] is state.alpha


def test_a_part_at_the_frames_border_is_shown_as_far_as_it_is_seen() -> None:
    tall, beside = things(Box(0, 0, 240, 1080), Box(240, 840, 600, 240))
    thing = whole_thing(scene(tall, beside), SIZE)
    assert thing.box == Box(0, 0, 840, 1080)
    picture = thing.picture(np.full((*SIZE[::-1], 3), 90, np.uint8), 540)
    assert picture.shape == (450, 540, 3)
    shown = int((picture == 90).all(2).sum()) * (thing.square.width / 540) ** 2
    assert shown == pytest.approx(240 * 1080 + 600 * 240, rel=0.1)


def test_the_whole_thing_is_kept(taught: Taught, bundle: Bundle) -> None:
    """What the network said of a part is not kept as if it were said of all."""
    collector = ViewCollector()
    collector.begin()
    image = np.random.default_rng(1).integers(0, 200, (*SIZE[::-1], 3)).astype(np.uint8)
    seen = Observation(
        bundle,
        NOTHING,
        decision_changed=False,
        scene=scene(*things(PLANT, POT)),
        features=bundle.featurizer.raw([np.zeros((8, 8, 3), np.uint8)])[0],
    )
    collector.observed(Frame(image, 0.0, 1), seen)
    progress = collector.progress()
    assert progress is not None
    assert progress.box == Box(720, 240, 480, 630)
    (view,) = progress.views
    item = taught.save(Wish(title="Plant"), progress.views)
    vector = bundle.featurizer.embed([view.picture])[0]
    found = bundle.identify(vector, bundle.describe(view.picture), exact=True)
    assert next(match.similarity for match in found if match.sku == item.sku) > 0.99


def test_an_outline_is_drawn_where_it_lies_in_a_part_of_the_frame() -> None:
    drawn = _drawn(
        Box(100, 200, 50, 40), np.ones((4, 5), np.float32), Box(80, 180, 200, 100), (100, 50)
    )
    expected = np.zeros((50, 100), np.float32)
    expected[10:30, 10:35] = 1
    assert np.array_equal(drawn, expected)


def test_an_outline_that_is_tiny_in_a_small_picture_has_a_pixel() -> None:
    frame = Box(0, 0, *SIZE)
    drawn = _drawn(Box(100, 200, 1, 1), np.ones((1, 1), np.float32), frame, (320, 180))
    assert np.argwhere(drawn).tolist() == [[33, 17]]


def test_of_a_part_all_around_which_the_outline_goes_on_every_pixel_is_drawn() -> None:
    whole = Box(0, 0, 400, 400)
    drawn = _drawn(whole, np.ones((8, 8), np.float32), Box(150, 100, 100, 50), (50, 25))
    assert np.array_equal(drawn, np.ones((25, 50), np.float32))


def test_one_thing_is_cut_out_by_its_outline() -> None:
    (keys,) = things(KEYS)
    thing = whole_thing(scene(keys), SIZE)
    picture = thing.picture(np.full((*SIZE[::-1], 3), 90, np.uint8), thing.square.width)
    left, top = KEYS.x - thing.square.x, KEYS.y - thing.square.y
    assert (picture[top + 6 : top + 114, left + 6 : left + 234] == 90).all()
    assert picture[:, : left - 12].min() > 200
    unknown = whole_thing(replace(scene(keys), alpha=None), SIZE)
    assert (unknown.picture(np.full((*SIZE[::-1], 3), 90, np.uint8), 64) == 90).all()
