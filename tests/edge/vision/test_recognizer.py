"""Frame to verdict over time, with drawn things on a simulated counter. Time is simulated."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from catalog.bundles.bundle import Bundle
from catalog.recognition.decision import Verdict
from edge.sighting import Frame, Image
from edge.simulator.simulator import Simulator
from edge.vision.picture_search import Observation
from edge.vision.recognizer import Recognizer
from edge.vision.verdict import Decision
from tests.support.drawing import draw_thing

SEED = 31
FRAMES_A_SECOND = 4
NUMBERS = itertools.count(1)  # of all frames of all tests: time never goes back


@pytest.fixture(scope="module")
def bundle(demonstration: Path) -> Bundle:
    """The demonstration's bundle, opened."""
    return Bundle.open(demonstration)


@pytest.fixture
def simulator() -> Simulator:
    """A simulated counter."""
    return Simulator(SEED, foreign=False)


def watch(recognizer: Recognizer, images: Iterable[Image]) -> list[Observation]:
    """Show pictures one after the other, four a second."""
    return [
        recognizer.observe(Frame(image, number / FRAMES_A_SECOND, number))
        for image, number in zip(images, NUMBERS, strict=False)
    ]


def noisy(image: Image, count: int, seed: int = 0) -> Iterable[Image]:
    """The same scene `count` times through a sensor's noise."""
    random = np.random.default_rng(seed)
    fields = [random.normal(0, 2.5, image.shape) for _ in range(12)]
    for number in range(count):
        chosen = fields[random.integers(len(fields))] * random.choice((-1, 1))
        yield np.clip(image + chosen + (number % 3 - 1) * 0.4, 0, 255).astype(np.uint8)


def test_an_empty_counter_for_a_minute_names_no_item(bundle: Bundle, simulator: Simulator) -> None:
    seen = watch(Recognizer(bundle), noisy(simulator.empty(), 60 * FRAMES_A_SECOND))
    assert {observation.decision.verdict for observation in seen} == {Verdict.NOTHING}
    assert not any(observation.decision_changed for observation in seen)


def test_a_minute_of_an_unchanged_thing_is_one_sighting(
    bundle: Bundle, simulator: Simulator
) -> None:
    recognizer = Recognizer(bundle)
    watch(recognizer, noisy(simulator.empty(), 8))
    image, truth = simulator.frame(simulator.resting(0)[5])
    seen = watch(recognizer, noisy(image, 60 * FRAMES_A_SECOND))
    assert sum(observation.decision_changed for observation in seen) == 1
    assert seen[-1].decision.verdict is not Verdict.NOTHING
    assert seen[-1].thing_unchanged, "an unchanged scene is not computed again"
    assert truth.kind == "item"


def test_a_thing_taken_away_leaves_nothing(bundle: Bundle, simulator: Simulator) -> None:
    recognizer = Recognizer(bundle)
    watch(recognizer, noisy(simulator.empty(), 8))
    image, _ = simulator.frame(simulator.resting(0)[5])
    watch(recognizer, noisy(image, 20))
    seen = watch(recognizer, noisy(simulator.empty(), 6))
    assert [observation.decision.verdict for observation in seen][-1] is Verdict.NOTHING


def test_one_odd_frame_changes_nothing(bundle: Bundle, simulator: Simulator) -> None:
    recognizer = Recognizer(bundle)
    watch(recognizer, noisy(simulator.empty(), 8))
    image, _ = simulator.frame(simulator.resting(0)[5])
    before = watch(recognizer, noisy(image, 12))[-1].decision.subject
    seen = watch(recognizer, [simulator.empty(), *noisy(image, 4)])
    assert not any(observation.decision_changed for observation in seen)
    assert seen[-1].decision.subject == before


@pytest.mark.parametrize("handled", [False, True])
def test_a_thing_that_nobody_touched_is_still_the_same(
    bundle: Bundle, simulator: Simulator, *, handled: bool
) -> None:
    recognizer = Recognizer(bundle)
    watch(recognizer, noisy(simulator.empty(), 8))
    image, truth = simulator.frame(simulator.resting(0)[5])
    decision = watch(recognizer, noisy(image, 12))[-1].decision
    assert decision.verdict is Verdict.MATCH
    assert truth.box is not None
    x, y, width, height = truth.box
    back = image.copy()  # its other side has no print, and no catalogue has it
    back[y : y + height, x : x + width] = 255 - image[y : y + height, x : x + width][..., ::-1] // 3
    if handled:
        reaching = back.copy()
        reaching[y + height // 2 :, x : x + width] = (120, 150, 220)
        watch(recognizer, noisy(reaching, 2))
    seen = watch(recognizer, noisy(back, 12))
    assert (seen[-1].decision.subject == decision.subject) is not handled
    assert sum(observation.decision_changed for observation in seen) == handled


def test_an_answer_carries_its_timings(bundle: Bundle, simulator: Simulator) -> None:
    recognizer = Recognizer(bundle)
    watch(recognizer, noisy(simulator.empty(), 8))
    image, _ = simulator.frame(simulator.resting(0)[5])
    timings = next(
        observation.timings
        for observation in watch(recognizer, noisy(image, 4))
        if observation.decision_changed
    )
    assert min(timings.look, timings.embed, timings.verify) > 0


@pytest.mark.parametrize("side", [320, 280])
def test_unnamed_pictures_of_a_folder_are_sightings_of_their_own(bundle: Bundle, side: int) -> None:
    """One after the other, and each of them is unknown: the answer is about the one shown.

    So it is where they have not one size.
    """
    recognizer = Recognizer(bundle)
    recognizer.learn_background(learn=False, is_folder=True)
    drawn = [
        cv2.resize(draw_thing(number, 0), (size, size)) for number, size in ((46, 320), (47, side))
    ]
    pictures = [np.asarray(picture, np.uint8) for picture in drawn]
    shown = [watch(recognizer, [picture] * 8) for picture in (*pictures, *pictures)]
    told = [[seen for seen in answers if seen.decision_changed] for answers in shown]
    assert [len(sightings) for sightings in told] == [1, 1, 1, 1]
    assert {sightings[0].decision for sightings in told} == {Decision(Verdict.UNKNOWN)}


def test_an_unnamed_thing_is_another_one_where_it_looks_otherwise(bundle: Bundle) -> None:
    """What is carried before a camera that moves may be turned, or be exchanged for another."""
    chessboard = np.full((320, 320, 3), 240, np.uint8)
    chessboard[np.indices((320, 320)).sum(0) // 40 % 2 == 0] = 30
    drawn, alike = (
        np.asarray(cv2.resize(draw_thing(number, 0), (320, 320)), np.uint8) for number in (46, 47)
    )
    told = []
    for other in (chessboard, alike):
        recognizer = Recognizer(bundle)
        recognizer.learn_background(learn=False)
        seen = watch(recognizer, [drawn] * 8 + [other] * 8)
        assert {sighting.decision.verdict for sighting in seen[-2:]} == {Verdict.UNKNOWN}
        told.append(sum(sighting.decision_changed for sighting in seen))
    assert told == [2, 1]


def test_a_camera_that_moves_before_one_unnamed_thing_gives_one_sighting(bundle: Bundle) -> None:
    recognizer = Recognizer(bundle)
    recognizer.learn_background(learn=False)
    drawn = np.asarray(cv2.resize(draw_thing(46, 0), (320, 320)), np.uint8)
    moved = [np.roll(drawn, shift, axis=1) for shift in (0, 12, 24, 36)]
    seen = watch(recognizer, [picture for picture in moved for _ in range(6)])
    assert len({observation.scene.visit for observation in seen if observation.scene}) == 4
    assert sum(observation.decision_changed for observation in seen) == 1


def test_another_bundle_is_used_from_the_next_frame(bundle: Bundle, simulator: Simulator) -> None:
    recognizer = Recognizer(bundle)
    watch(recognizer, noisy(simulator.empty(), 8))
    image, _ = simulator.frame(simulator.resting(0)[5])
    watch(recognizer, noisy(image, 20))
    other = Bundle.open(bundle.path)
    recognizer.use(other)
    seen = watch(recognizer, noisy(image, 8))
    assert recognizer.bundle is other
    assert sum(observation.decision_changed for observation in seen) == 1


def test_a_moved_camera_is_learned_although_a_verdict_has_settled(
    bundle: Bundle, simulator: Simulator
) -> None:
    recognizer = Recognizer(bundle)
    watch(recognizer, noisy(simulator.empty(), 8))
    elsewhere = np.ascontiguousarray(Simulator(SEED + 1).empty()[::-1] // 2 + 90)
    seen = watch(recognizer, noisy(elsewhere, 150))
    assert seen[-1].decision.verdict is Verdict.NOTHING
