"""The difficult simulated counter: its truth and its video."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.simulator.__main__ import write_video
from edge.simulator.acts import KINDS
from edge.simulator.play import Play

SMALL = (320, 240)


@pytest.fixture(scope="module")
def play() -> Play:
    """A small play."""
    return Play(5, size=SMALL)


def number_of(play: Play, kind: str) -> int:
    """The first act of a kind."""
    return next(number for number in range(len(KINDS)) if play.act(number).kind == kind)


def test_a_frame_depends_on_seed_and_index_alone(play: Play) -> None:
    other = Play(5, size=SMALL)
    for index in (90, 25, 60):
        image, truth = play.frame(index)
        again, same = other.frame(index)
        assert image.shape == (240, 320, 3)
        assert np.array_equal(image, again)
        assert truth == same


def test_every_kind_of_act_comes_in_turn(play: Play) -> None:
    kinds = [play.act(number).kind for number in range(len(KINDS))]
    assert sorted(kinds) == sorted(KINDS)


@pytest.mark.parametrize("kind", ["item", "two", "turn", "foreign"])
def test_boxes_hold_what_differs_from_the_counter(play: Play, kind: str) -> None:
    act = play.act(number_of(play, kind))
    at = round((act.start + act.rest_from + 0.5) * play.fps)
    image, truth = play.frame(at)
    empty, _ = play.frame(play.frames(act.number).start - 3)
    assert truth.state == "rest"
    assert len(truth.things) == (2 if kind == "two" else 1)
    changed = np.abs(image.astype(int) - empty).max(2) > 60
    inside = np.zeros(changed.shape, bool)
    for shown in truth.things:
        x, y, width, height = shown.box
        inside[y : y + height, x : x + width] = True
    assert (changed & inside).sum() > 0.9 * changed.sum()


def test_a_hand_alone_is_no_thing(play: Play) -> None:
    act = play.act(number_of(play, "hand"))
    _, truth = play.frame(round((act.start + act.rest_from + 0.5) * play.fps))
    assert truth.hand
    assert truth.state == "rest"
    assert truth.things == ()


def test_the_light_steps_in_the_middle_of_a_rest(play: Play) -> None:
    act = play.act(number_of(play, "light"))
    before, after = (
        play.frame(round((act.start + act.event_at + shift) * play.fps))[0].mean()
        for shift in (-0.4, 0.4)
    )
    assert abs(after / before - 1) > 0.1


def test_a_video_of_it_can_be_watched(play: Play, tmp_path: Path) -> None:
    file = tmp_path / "scenes.mp4"
    write_video(file, play, 1.0)
    capture = cv2.VideoCapture(str(file))
    success, image = capture.read()
    assert success
    assert image.shape == (240, 320, 3)
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 10
    capture.release()
