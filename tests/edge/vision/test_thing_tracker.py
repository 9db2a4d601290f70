"""Things that come and rest: their numbers, their places, and what takes whose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from catalog.core.box import Box
from edge.vision.arriving import COVER_S
from edge.vision.background import BackgroundModel, Comparison
from edge.vision.foreground import Thing
from edge.vision.resting import RestingThing
from edge.vision.scene import REST_S, Numbers
from edge.vision.thing_tracker import MOST_REMEMBERED, ThingTracker
from tests.edge.vision.test_arriving import MOTION
from tests.edge.vision.test_foreground import mask_of, texture

COUNTER = texture(1)
BOX, OTHER = Box(100, 80, 40, 40), Box(200, 80, 40, 40)


def thing(box: Box = BOX) -> Thing:
    return Thing(box, mask_of(box), box.area)


def frame(*boxes: Box, colour: tuple[int, int, int] = (20, 40, 230)) -> np.ndarray:
    """The counter with things on it."""
    seen = COUNTER.copy()
    for box in boxes:
        box.cut(seen)[:] = colour
    return seen


def compared(now: np.ndarray, *boxes: Box) -> Comparison:
    """A frame beside the counter; its foreground are the boxes."""
    return replace(BackgroundModel(COUNTER).compared(now), mask=mask_of(*boxes))


@pytest.fixture
def tracker() -> ThingTracker:
    return ThingTracker(Numbers())


def come(tracker: ThingTracker, time: float, *boxes: Box, reaches_in: bool = False) -> None:
    tracker.come([thing(box) for box in boxes], MOTION, time, reaches_in=reaches_in)


def rest(tracker: ThingTracker, time: float, *boxes: Box) -> list[RestingThing]:
    """Let things come, and rest."""
    come(tracker, time, *boxes)
    tracker.settle(frame(*boxes), [], time + REST_S)
    return tracker.resting


def numbers(tracker: ThingTracker) -> list[tuple[int, int]]:
    return [(known.change, known.visit) for known in tracker.resting]


def test_a_thing_rests_when_it_has_not_moved_for_long_enough(tracker: ThingTracker) -> None:
    come(tracker, 1.0, BOX)
    assert tracker.next_due() == [1.0 + REST_S]
    come(tracker, 1.2, BOX)
    assert tracker.next_due() == [1.0 + REST_S], "it is the same arrival"
    assert tracker.due(1.0 + REST_S - 0.01) == []
    assert len(tracker.due(1.0 + REST_S)) == 1
    tracker.settle(frame(BOX), [], 1.0 + REST_S)
    (known,) = tracker.resting
    assert (known.since, known.thing.box, known.whole) == (1.0, BOX, known.thing)
    assert (known.change, known.visit, known.touched, known.hidden_since) == (1, 1, False, None)
    assert (known.look == frame(BOX)).all()
    assert (tracker.arrivals, tracker.next_due()) == ([], [])


def test_what_is_not_due_goes_on_coming(tracker: ThingTracker) -> None:
    come(tracker, 1.0, BOX)
    tracker.settle(frame(BOX), [], 1.0 + REST_S / 2)
    assert (tracker.resting, len(tracker.arrivals)) == ([], 1)


@pytest.mark.parametrize(
    ("moved", "arrivals"),
    [
        (Box(104, 80, 40, 40), (1.0, 1, 1)),  # 82 per cent of both
        (Box(105, 80, 40, 40), (2.0, 2, 1)),  # 78 per cent: it moved, in its place
        (Box(113, 80, 40, 40), (2.0, 2, 1)),  # 51 per cent
        (Box(114, 80, 40, 40), (2.0, 2, 2)),  # 48 per cent: another one
    ],
)
def test_how_far_a_thing_may_move(
    tracker: ThingTracker, moved: Box, arrivals: tuple[float, int, int]
) -> None:
    come(tracker, 1.0, BOX)
    come(tracker, 2.0, moved)
    (arrival,) = tracker.arrivals
    assert (arrival.since, arrival.change, arrival.visit) == arrivals
    assert arrival.thing.box == moved


def test_a_thing_that_looks_otherwise_arrives_anew_in_the_same_visit(tracker: ThingTracker) -> None:
    come(tracker, 1.0, BOX)
    motion = MOTION.copy()
    motion[40:60:3, 51:70:3] += 60
    tracker.come([thing()], motion, 2.0, reaches_in=False)
    (arrival,) = tracker.arrivals
    assert (arrival.since, arrival.change, arrival.visit) == (2.0, 2, 1)


def test_what_a_hand_may_have_exchanged_is_of_another_visit(tracker: ThingTracker) -> None:
    rest(tracker, 1.0, BOX)
    come(tracker, 2.0, Box(104, 84, 40, 40), reaches_in=True)
    (arrival,) = tracker.arrivals
    assert (arrival.visit, arrival.held) == (2, True)
    come(tracker, 3.0, Box(104, 84, 40, 40))
    assert (tracker.arrivals[0].visit, tracker.arrivals[0].held) == (2, False)


@pytest.mark.parametrize(("gap", "visit"), [(8, 2), (9, 1)])
def test_what_an_arm_comes_near_to_was_touched(tracker: ThingTracker, gap: int, visit: int) -> None:
    rest(tracker, 1.0, BOX)
    arm = Box(BOX.x + BOX.width + gap - 1, 0, 30, 100)
    beside = Box(20, 100, 30, 30)
    tracker.note_touches([thing(beside)])
    assert [known.touched for known in tracker.resting] == [False]
    tracker.note_touches([thing(beside), thing(arm)])
    assert [known.touched for known in tracker.resting] == [visit == 2]
    come(tracker, 3.0, Box(105, 80, 40, 40))
    assert tracker.arrivals[0].visit == visit


def test_a_thing_that_is_turned_keeps_the_time_of_its_visit(tracker: ThingTracker) -> None:
    rest(tracker, 1.0, BOX)
    rest(tracker, 5.0, Box(106, 80, 40, 40))
    assert [(known.since, known.change, known.visit) for known in tracker.resting] == [(1.0, 2, 1)]
    come(tracker, 7.0, Box(106, 80, 40, 40), reaches_in=True)
    tracker.settle(frame(), [], 7.0 + COVER_S)
    assert [(known.since, known.visit) for known in tracker.resting] == [(7.0, 2)]


def test_things_that_come_together_have_numbers_of_their_own(tracker: ThingTracker) -> None:
    rest(tracker, 1.0, BOX, OTHER)
    assert numbers(tracker) == [(1, 1), (2, 2)]
    assert [known.thing.box for known in tracker.resting] == [BOX, OTHER]


def test_what_is_found_to_be_two_things_is_numbered_anew(tracker: ThingTracker) -> None:
    left, right = Box(100, 80, 40, 40), Box(140, 80, 50, 40)
    come(tracker, 1.0, Box(100, 80, 90, 40))
    tracker.settle(frame(left, right), [left, right], 1.0 + REST_S)
    assert [
        abs(known.thing.box.width - box.width) <= 1
        for known, box in zip(tracker.resting, (left, right), strict=True)
    ] == [True] * 2
    assert numbers(tracker) == [(2, 2), (3, 3)]


def test_patches_of_one_thing_rest_as_one_by_the_number_of_the_largest(
    tracker: ThingTracker,
) -> None:
    small, large = Box(102, 82, 30, 15), Box(102, 100, 36, 18)
    come(tracker, 1.0, small, large)
    tracker.settle(frame(small, large), [BOX], 1.0 + REST_S)
    (known,) = tracker.resting
    assert (known.change, known.visit, known.thing.area) == (2, 2, small.area + large.area)


@pytest.mark.parametrize("held", [False, True])
def test_a_thing_that_is_seen_in_part_is_completed_unless_a_hand_is_there(
    tracker: ThingTracker, *, held: bool
) -> None:
    seen = Box(104, 90, 20, 25)  # 31 per cent of the box
    come(tracker, 1.0, seen, reaches_in=held)
    tracker.settle(frame(seen), [BOX], 1.0 + REST_S)
    (known,) = tracker.resting
    assert known.thing.box == seen
    assert known.whole.box == (seen if held else BOX)


def test_the_newest_thirty_are_remembered(tracker: ThingTracker) -> None:
    for number in range(MOST_REMEMBERED + 2):
        rest(tracker, float(number), Box(9 * number, 10, 8, 8))
    assert len(tracker.resting) == MOST_REMEMBERED
    assert tracker.resting[0].since == 2.0


# What rests is looked for.


def test_what_is_seen_stays_and_what_is_gone_is_forgotten(tracker: ThingTracker) -> None:
    rest(tracker, 1.0, BOX, OTHER)
    first, second = tracker.resting
    look = compared(frame(BOX, OTHER), BOX, OTHER)
    seen = tracker.look_for_resting(look, 2.0, steady=True)
    assert seen == tracker.resting
    assert [known.thing for known in seen] == [first.thing, second.thing]
    seen = tracker.look_for_resting(compared(frame(OTHER), OTHER), 3.0, steady=True)
    assert [known.thing for known in seen] == [second.thing]
    assert tracker.resting == seen


def test_what_is_hidden_is_forgotten_after_a_while_without_motion(tracker: ThingTracker) -> None:
    rest(tracker, 1.0, BOX)
    cover = COUNTER.copy()
    BOX.cut(cover)[:] = texture(5)[:40, :40]
    covered = compared(cover, BOX)
    for time, steady, since in ((10.0, True, 10.0), (11.0, True, 10.0), (11.5, False, 11.5),
                                (13.4, True, 11.5)):  # fmt: skip
        assert tracker.look_for_resting(covered, time, steady=steady) == []
        assert [known.hidden_since for known in tracker.resting] == [since]
        assert tracker.next_due() == [since + COVER_S]
    assert tracker.look_for_resting(compared(frame(BOX), BOX), 13.45, steady=True)
    assert [known.hidden_since for known in tracker.resting] == [None]
    tracker.look_for_resting(covered, 20.0, steady=True)
    tracker.look_for_resting(covered, 20.0 + COVER_S, steady=True)
    assert tracker.resting == []


@pytest.mark.parametrize("reaches_in", [False, True])
def test_what_looks_otherwise_is_as_before_while_something_reaches_in(
    tracker: ThingTracker, *, reaches_in: bool
) -> None:
    rest(tracker, 1.0, BOX)
    now = frame(BOX)
    now[82:88, 101:139] = (230, 40, 20)  # a seventh of it
    arm = Box(250, 0, 30, 90)
    look = compared(now, BOX, arm) if reaches_in else compared(now, BOX)
    seen = tracker.look_for_resting(look, 2.0, steady=True)
    assert len(seen) == reaches_in
    assert len(tracker.resting) == 1
