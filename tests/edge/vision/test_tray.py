"""Several things before the camera: each is answered, and keeps its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from catalog.bundles.bundle import Bundle
from edge.sighting import Frame, Image
from edge.simulator.backgrounds import background
from edge.simulator.compose import flattened, layers
from edge.simulator.play import Play
from edge.simulator.timeline import Showing, ShowingState
from edge.vision.picture_search import Observation
from edge.vision.recognizer import ACTIVE_INTERVAL_S, Recognizer
from edge.vision.scene import REST_S

SIZE = (640, 480)
COUNTER = background(1_013, SIZE)
A_SECOND = 10  # frames


@pytest.fixture(scope="module")
def bundle(demonstration: Path) -> Bundle:
    """The demonstration's bundle, opened."""
    return Bundle.open(demonstration)


@pytest.fixture(scope="module")
def showings() -> Sequence[Showing]:
    """Three things, of which none hides another."""
    return Play(96_001, kinds=("tray",)).act(0).showings[:3]


def counter(*showings: Showing) -> Image:
    """The counter with some things at rest."""
    placed = [layers(showing, SIZE)[0].at(ShowingState(showing, 0, 1)) for showing in showings]
    return flattened(COUNTER, placed)


class Device:
    """A recognizer before which pictures lie for a while."""

    def __init__(self, bundle: Bundle) -> None:
        self.recognizer = Recognizer(bundle)
        self.frames = 0
        self.lie(counter())

    def lie(self, picture: Image, frames: int = 15) -> list[Observation]:
        """What is observed while a picture lies there."""
        seen = []
        for _ in range(frames):
            self.frames += 1
            frame = Frame(picture, self.frames / A_SECOND, self.frames)
            seen.append(self.recognizer.observe(frame))
        return seen


def named(observation: Observation) -> str:
    """The first item of an answer."""
    return (observation.decision.matches or observation.decision.guesses)[0].sku


def skus(showings: Sequence[Showing]) -> list[str]:
    """The items of some showings."""
    return [showing.thing.sku for showing in showings if showing.thing is not None]


def test_things_that_come_together_are_all_answered(
    bundle: Bundle, showings: Sequence[Showing]
) -> None:
    seen = Device(bundle).lie(counter(*showings), frames=20)
    (leading,) = [observation for observation in seen if observation.decision_changed]
    beside = [observation.beside for observation in seen if observation.beside is not None]
    answered = [named(leading), *(named(other.answer) for other in beside)]
    assert sorted(answered) == sorted(skus(showings))
    assert leading.scene is not None
    assert [other.thing.change for other in beside] == [
        other.change for other in leading.scene.others
    ]
    assert not any(observation.beside for observation in seen[-5:]), "each is answered once"


def test_a_thing_that_is_added_leads_and_the_other_keeps_its_answer(
    bundle: Bundle, showings: Sequence[Showing]
) -> None:
    device = Device(bundle)
    first = device.lie(counter(showings[0]))[-1]
    seen = device.lie(counter(*showings[:2]))
    changed = [observation for observation in seen if observation.decision_changed]
    assert [named(first), *map(named, changed)] == skus(showings[:2])
    assert not any(observation.beside for observation in seen), "the first has its answer"


def test_the_thing_before_leads_again_without_a_search(
    bundle: Bundle, showings: Sequence[Showing]
) -> None:
    device = Device(bundle)
    device.lie(counter(showings[0]))
    device.lie(counter(*showings[:2]))
    seen = device.lie(counter(showings[0]))
    (again,) = [observation for observation in seen if observation.decision_changed]
    assert again.recalled
    assert named(again) == skus(showings)[0]
    assert not any(observation.features is not None for observation in seen)


def test_a_thing_that_goes_leaves_the_answer_about_the_newest(
    bundle: Bundle, showings: Sequence[Showing]
) -> None:
    device = Device(bundle)
    device.lie(counter(showings[0]))
    before = device.lie(counter(*showings[:2]))[-1]
    seen = device.lie(counter(showings[1]))
    assert not any(observation.decision_changed for observation in seen)
    assert seen[-1].decision.subject == before.decision.subject
    assert seen[-1].scene is not None
    assert seen[-1].scene.others == ()


def test_a_like_thing_after_one_that_went_is_an_answer_of_its_own(
    bundle: Bundle, showings: Sequence[Showing]
) -> None:
    first, second, third = showings
    device = Device(bundle)
    device.lie(counter(first))
    device.lie(counter(first, second))
    device.lie(counter(first))
    like = replace(first, x=third.x, y=third.y)
    seen = device.lie(counter(first, like))
    (changed,) = [observation for observation in seen if observation.decision_changed]
    assert not changed.recalled
    assert named(changed) == skus([first])[0]


def test_another_scene_is_looked_at_no_more_often(bundle: Bundle) -> None:
    device = Device(bundle)
    device.lie(np.asarray(255 - counter()[::-1], np.uint8), frames=8)
    assert device.recognizer.next_interval_s(0.25) == ACTIVE_INTERVAL_S


def test_two_of_an_item_are_two_answers(bundle: Bundle) -> None:
    pair = Play(98_100, kinds=("alike",)).act(0).showings
    first, second = (replace(showing, in_hand=False) for showing in pair)
    device = Device(bundle)
    device.lie(counter(first))
    seen = device.lie(counter(first, second))
    (changed,) = [observation for observation in seen if observation.decision_changed]
    assert not changed.recalled
    assert named(changed) == skus([first])[0]


def test_the_answer_comes_with_the_first_frame_after_the_rest(
    bundle: Bundle, showings: Sequence[Showing]
) -> None:
    """A camera gives thirty frames a second; the device looks at some of them."""
    recognizer = Recognizer(bundle)
    pictures = {False: counter(), True: counter(showings[0])}
    began, next_at = 1.0, 0.0
    for number in range(60):
        at = number / 30
        if at < next_at - 1e-9:
            continue
        observation = recognizer.observe(Frame(pictures[at >= began], at, number + 1))
        next_at = at + recognizer.next_interval_s(0.25)
        if observation.decision_changed:
            assert at <= began + 0.25 + REST_S + 1 / 30
            return
    pytest.fail("no answer")
