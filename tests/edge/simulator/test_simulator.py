"""The simulated camera: what it shows, when, and its truth."""

import numpy as np
import pytest
from numpy.typing import NDArray

from catalog.synthetic.foreign import FAMILIES, LEARNT
from catalog.synthetic.items import drawn_items
from edge.simulator.backgrounds import background
from edge.simulator.simulator import Simulator, Truth, showings
from edge.simulator.timeline import FIRST, Timeline

SMALL = (320, 240)


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    return Simulator(3, size=SMALL)


def test_frames_are_pictures_of_the_size_asked_for(simulator: Simulator) -> None:
    image, truth = simulator.frame(0)
    assert image.shape == (240, 320, 3)
    assert image.dtype == np.uint8
    assert truth == Truth("empty", None, None, resting=True, showing=-1)
    assert Simulator(3).frame(0)[0].shape == (480, 640, 3)


def test_a_frame_depends_on_seed_and_index_alone(simulator: Simulator) -> None:
    order = [40, 3, 27, 41, 24, 40, 90, 22]
    other = Simulator(3, size=SMALL)
    expected = {index: other.frame(index) for index in sorted(order)}
    for index in order:
        image, truth = simulator.frame(index)
        assert np.array_equal(image, expected[index][0])
        assert truth == expected[index][1]
    assert not np.array_equal(Simulator(4, size=SMALL).frame(3)[0], expected[3][0])


def test_noise_makes_every_frame_different_but_not_much(simulator: Simulator) -> None:
    one, other = (simulator.frame(index)[0].astype(int) for index in (4, 5))
    difference = np.abs(one - other)
    assert difference.any()
    assert difference.mean() < 6


def test_it_begins_with_an_empty_counter(simulator: Simulator) -> None:
    for index in range(int(FIRST * simulator.fps)):
        assert simulator.frame(index)[1].kind == "empty"
    assert simulator.showing(0).start == int(FIRST * simulator.fps)


def test_a_showing_arrives_rests_and_leaves(simulator: Simulator) -> None:
    for number in range(4):
        frames, still = simulator.showing(number), simulator.resting(number)
        assert frames.start < still.start < still.stop < frames.stop
        truths = {index: simulator.frame(index)[1] for index in frames}
        assert all(truth.showing == number for truth in truths.values())
        assert [index for index, truth in truths.items() if truth.resting and truth.box] == list(
            still
        )
        boxes = {truths[index].box for index in still}
        assert len(boxes) == 1, "nothing moves while it rests"
        between = range(frames.stop, simulator.showing(number + 1).start)
        assert 0.5 <= len(between) / simulator.fps <= 1.1
        assert all(simulator.frame(index)[1].kind == "empty" for index in between)
        assert 2.4 <= len(still) / simulator.fps <= 4.1


@pytest.mark.parametrize("number", range(9))
def test_the_box_holds_what_differs_from_the_empty_counter(
    simulator: Simulator, number: int
) -> None:
    image, truth = simulator.frame(simulator.resting(number)[2])
    assert truth.box is not None
    x, y, width, height = truth.box
    assert x >= 0
    assert y >= 0
    assert x + width <= SMALL[0]
    assert y + height <= SMALL[1]
    changed = _changed(image, simulator.empty(number))
    inside = changed[y : y + height, x : x + width].sum()
    assert inside > 0.95 * changed.sum(), "something outside the box changed too"
    assert inside > 0.15 * width * height, "the box is far too large"


def _changed(image: NDArray[np.uint8], empty: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray(np.abs(image.astype(int) - empty).max(2) > 45)


def test_items_come_in_turn_with_foreign_things_and_hands_between() -> None:
    items = drawn_items()[:7]
    timeline = Timeline(9, items)
    row = [timeline.showing(number) for number in range(36)]
    assert [showing.number for showing in row if showing.kind == "hand"] == [8, 17, 26, 35]
    assert [showing.number for showing in row if showing.kind == "foreign"] == [5, 11, 23, 29]
    shown = [showing.thing.sku for showing in row if showing.kind == "item" and showing.thing]
    for start in range(0, len(shown) - 6, 7):
        assert set(shown[start : start + 7]) == {item.sku for item in items}
    foreign = {
        showing.thing.title for showing in row if showing.kind == "foreign" and showing.thing
    }
    assert foreign <= set(FAMILIES) - set(LEARNT)


def test_foreign_things_can_be_left_out() -> None:
    timeline = Timeline(9, drawn_items(), foreign=False)
    assert {timeline.showing(number).kind for number in range(30)} == {"item", "hand"}


def test_views_of_things_stay_within_bounds() -> None:
    timeline = Timeline(2, drawn_items())
    for number in range(200):
        showing = timeline.showing(number)
        assert abs(showing.view.yaw) <= 35
        assert abs(showing.view.pitch) <= 15
        assert abs(showing.view.roll) <= 12
        assert 0.35 <= showing.size <= 0.75
        assert 0.6 <= showing.view.strength <= 1.3


def test_the_counter_changes_only_when_asked_to() -> None:
    steady, changing = Simulator(5, size=SMALL), Simulator(5, size=SMALL, showings_per_background=2)
    assert np.array_equal(steady.empty(0), steady.empty(50))
    assert np.array_equal(changing.empty(0), changing.empty(1))
    assert not np.array_equal(changing.empty(1), changing.empty(2))
    assert not np.array_equal(background(1, SMALL), background(2, SMALL))


def test_stills_for_measuring() -> None:
    seen = list(showings(6, 3, kinds=("item",), size=SMALL))
    assert [truth.kind for truth, _, _ in seen] == ["item"] * 3
    for truth, image, empty in seen:
        assert truth.resting
        assert truth.sku in {item.sku for item in drawn_items()}
        assert image.shape == empty.shape == (240, 320, 3)
