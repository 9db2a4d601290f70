"""Light over a part, arms, like things and imperfect cameras: what lies still keeps its name."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from catalog.core.box import Box, overlap
from edge.sighting import Image
from edge.simulator.acts import ActKind
from edge.simulator.play import Play, PlayTruth
from edge.simulator.sensor import CameraFaults
from edge.vision.fixed_scene import FixedScene
from edge.vision.scene import Activity, SceneState

SIZE = (320, 240)
STEP = 2  # of ten frames a second, every second one is enough


def watch(
    play: Play, acts: int, scene: FixedScene | None = None
) -> list[tuple[PlayTruth, SceneState]]:
    """What a scene knows of each frame of some acts."""
    scene = scene or FixedScene()
    seen = []
    for index in range(0, play.frames(acts - 1).stop, STEP):
        image, truth = play.frame(index)
        seen.append((truth, scene.update(image, index / play.fps)))
    return seen


def about(state: SceneState, box: tuple[int, int, int, int]) -> bool:
    """Whether a state is about the thing in a box."""
    return state.thing_box is not None and overlap(state.thing_box, Box(*box)) > 0.5


@pytest.mark.parametrize("kind", ["cloud", "lamp"])
def test_light_over_a_part_of_an_empty_counter_is_no_thing(kind: ActKind) -> None:
    play = Play(3, size=SIZE, kinds=(kind,))
    assert not play.act(0).showings
    seen = watch(play, 1)
    assert seen[-1][1].activity is Activity.EMPTY
    assert all(state.activity is not Activity.REST for _, state in seen)


def test_a_thing_keeps_its_visit_while_an_arm_crosses_it() -> None:
    play = Play(4, size=SIZE, kinds=("arm",))
    act = play.act(0)
    rest = [
        (truth, state)
        for truth, state in watch(play, 1)
        if truth.things and truth.things[0].still and truth.act == 0
    ]
    settled = [state for _, state in rest][5:-1]
    assert any(truth.hand for truth, _ in rest)
    assert all(about(state, truth.things[0].box) for truth, state in rest[5:-1])
    assert {state.activity for state in settled} == {Activity.REST}
    assert len({(state.change, state.visit) for state in settled}) == 1
    assert act.showings[1].kind == "hand"


def test_of_two_like_things_the_one_that_came_last_leads() -> None:
    play = Play(4, size=SIZE, kinds=("alike",))
    rest = [pair for pair in watch(play, 1) if len(pair[0].things) == 2 and pair[0].state == "rest"]
    truth, state = rest[-1]
    newest = max(truth.things, key=lambda shown: shown.since)
    assert about(state, newest.box)
    assert state.things == 2


def test_jumps_of_exposure_and_codec_do_not_break_a_rest() -> None:
    play = Play(4, size=SIZE, kinds=("item",), faults=CameraFaults(bursts=True))
    rest = [state for truth, state in watch(play, 1) if truth.state == "rest"]
    assert [state.activity for state in rest[4:]] == [Activity.REST] * len(rest[4:])
    assert len({state.change for state in rest[4:]}) == 1


def test_a_camera_that_is_carried_is_recognised_and_has_no_background() -> None:
    scene = FixedScene()
    watch(Play(3, size=SIZE, kinds=("item",), faults=CameraFaults(1.1, sway=20)), 1, scene)
    assert scene.camera_moves
    assert not scene.has_background
    assert scene.due_s == math.inf


def test_before_a_camera_that_trembles_things_come_and_go() -> None:
    scene = FixedScene()
    play = Play(3, size=SIZE, kinds=("item",), faults=CameraFaults(tremble=1.1))
    watched = watch(play, 3, scene)
    assert scene.camera_moves
    assert scene.has_background
    acts: dict[int, list[tuple[PlayTruth, SceneState]]] = {}
    for truth, state in watched:
        acts.setdefault(truth.act, []).append((truth, state))
    for act in list(acts.values())[1:]:  # in the first it is found out that the camera moves
        rest = [state for truth, state in act if truth.state == "rest"]
        assert {state.activity for state in rest[10:]} == {Activity.REST}
        assert len({state.change for state in rest[10:]}) == 1
        assert act[-1][1].activity is Activity.EMPTY


def test_a_camera_that_was_carried_learns_a_counter_once_it_stands() -> None:
    scene = FixedScene()
    watch(Play(3, size=SIZE, kinds=("item",), faults=CameraFaults(sway=20)), 1, scene)
    assert scene.camera_moves
    still = Play(3, size=SIZE, kinds=("empty",))
    states = [scene.update(still.frame(index)[0], 100 + index / 10) for index in range(40)]
    assert scene.has_background
    assert states[-1].activity is Activity.EMPTY


def test_an_arm_that_crosses_is_no_camera_that_moves() -> None:
    scene = FixedScene()
    watch(Play(4, size=SIZE, kinds=("arm",)), 1, scene)
    assert not scene.camera_moves


@pytest.mark.parametrize("left", [60, 100, 160])
@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_a_trembling_thing_is_no_camera_that_moves(left: int, noise: float) -> None:
    random = np.random.default_rng(0)
    counter = np.full((240, 320, 3), 150, np.uint8)
    colours = random.integers(0, 256, (6, 6, 3), np.uint8)
    thing = cv2.resize(colours, (100, 100), interpolation=cv2.INTER_NEAREST)
    scene = FixedScene()
    scene.learn(counter)
    for number in range(30):
        image = counter.astype(np.float64)
        image[60:160, left + number % 2 : left + number % 2 + 100] = thing
        noisy = np.clip(image + random.normal(0, noise, image.shape), 0, 255).astype(np.uint8)
        scene.update(noisy, number / 10)
        assert not scene.camera_moves


def table() -> Image:
    """A counter with a texture, (480, 640, 3)."""
    return Play(77).still()


def test_a_strip_at_the_border_belongs_to_no_thing() -> None:
    scene = FixedScene()
    scene.learn(table())
    box = Box(250, 200, 140, 180)
    image = table()
    image[-12:] = 15
    image[:, :10] = 15
    cv2.rectangle(image, (250, 200), (389, 379), (30, 40, 200), -1)
    states = [scene.update(image, number / 10) for number in range(8)]
    assert states[-1].activity is Activity.REST
    assert states[-1].thing_box is not None
    assert overlap(states[-1].thing_box, box) > 0.85


@pytest.mark.parametrize("factor", [(2.5, 2.5, 2.5), (1.0, 1.4, 1.8)], ids=["blinding", "coloured"])
def test_strong_light_is_no_thing(factor: tuple[float, float, float]) -> None:
    share = spot(blur=45)
    lit = table() * (1 - share + np.array(factor) * share)
    scene = FixedScene()
    scene.learn(table())
    image = np.asarray(np.clip(lit, 0, 255), np.uint8)
    states = [scene.update(image, number / 10) for number in range(8)]
    assert states[-1].thing_box is None


def test_a_white_thing_that_is_out_of_focus_is_no_light() -> None:
    share = spot(blur=6)
    scene = FixedScene()
    scene.learn(table())
    image = np.asarray(table() * (1 - share) + 255 * share, np.uint8)
    states = [scene.update(image, number / 10) for number in range(8)]
    assert about(states[-1], (240, 200, 180, 180))


def spot(blur: float) -> NDArray[np.float32]:
    """How much of each pixel lies in a square whose border is blurred, (480, 640, 1)."""
    share = np.zeros((480, 640), np.float32)
    share[200:380, 240:420] = 1
    return np.asarray(cv2.GaussianBlur(share, (0, 0), blur)[..., None], np.float32)


def test_a_long_dark_edge_of_the_picture_is_no_thing() -> None:
    """A wall beside the counter, which a brighter exposure shows otherwise."""
    scene = FixedScene()
    scene.learn(table())
    image = table()
    image[40:330, 12:26] = np.clip(image[40:330, 12:26].astype(np.int16) + 60, 0, 255)
    states = [scene.update(image, number / 10) for number in range(8)]
    assert states[-1].thing_box is None


def test_what_covers_a_thing_takes_its_place_only_when_it_stays() -> None:
    scene = FixedScene()
    scene.learn(table())
    image = table()
    cv2.rectangle(image, (250, 150), (390, 330), (30, 40, 200), -1)
    first = [scene.update(image, number / 10) for number in range(8)][-1]
    cv2.rectangle(image, (0, 100), (460, 400), (200, 60, 30), -1)
    states = [scene.update(image, 1 + number / 10) for number in range(30)]
    assert {state.visit for state in states[:15]} == {first.visit}
    assert {state.activity for state in states[:15]} == {Activity.REST}
    assert states[-1].visit != first.visit
    assert about(states[-1], (0, 100, 460, 300))
