"""Whether the counter is empty, and where the thing lies."""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from catalog.core.box import Box, overlap
from edge.sighting import Image
from edge.simulator.play import Play
from edge.vision.changing_scene import ChangingScene
from edge.vision.fixed_scene import FixedScene
from edge.vision.illumination import working_image
from edge.vision.images import centre_square, sharpness
from edge.vision.scene import LONGEST_GAP_S, USUAL_GAP_S, Activity, Scene, SceneState


def counter(light: float = 1.0, seed: int = 0) -> Image:
    """An empty counter, (480, 640, 3), with sensor noise."""
    ground = np.full((480, 640, 3), (90, 120, 150), np.float32)
    ground += np.linspace(-20, 20, 640, dtype=np.float32)[None, :, None]
    return np.asarray(np.clip(ground * light + noise(seed % 16), 0, 255), np.uint8)


@cache
def noise(seed: int) -> NDArray[np.float32]:
    """A sensor's noise."""
    random = np.random.default_rng(seed)
    return random.standard_normal((480, 640, 3), np.float32) * np.float32(3)


def with_thing(image: Image, box: Box, colour: tuple[int, int, int] = (30, 40, 200)) -> Image:
    """The same with a rectangle on it."""
    seen = image.copy()
    corner = (box.x + box.width - 1, box.y + box.height - 1)
    cv2.rectangle(seen, (box.x, box.y), corner, colour, -1)
    return seen


@pytest.fixture
def scene() -> Scene:
    """A scene that has learned the empty counter."""
    scene = FixedScene()
    for seed in range(5):
        scene.update(counter(seed=seed))
    return scene


@pytest.mark.parametrize(("made", "has_one"), [(FixedScene, True), (ChangingScene, False)])
def test_a_scene_has_a_background_or_not(made: type[Scene], *, has_one: bool) -> None:
    scene = made()
    assert scene.has_background is has_one
    assert scene.due_s == math.inf, "nothing was seen yet"


def test_when_something_may_be_at_rest_is_told_once_it_is_known() -> None:
    scene = FixedScene()
    for seed in range(6):
        scene.update(counter(seed=seed))
    for due, told in ((1.5, 1.5), (0.0, math.inf), (-1.0, math.inf), (math.inf, math.inf)):
        scene._due = scene.time + due
        assert scene.due_s == pytest.approx(told)


def test_the_empty_counter_is_empty(scene: Scene) -> None:
    assert all(scene.update(counter(seed=seed)).empty for seed in range(5, 30))


@pytest.mark.parametrize(
    ("second", "visits"),
    [(1.0, 0), (LONGEST_GAP_S, 0), (LONGEST_GAP_S + 0.1, 1), (-0.1, 1), (0.0, 0)],
)
def test_a_stalled_stream_or_a_set_clock_is_one_usual_look(second: float, visits: int) -> None:
    """What lay there before may be another thing by now; no time has passed in between."""
    scene = FixedScene()
    for number in range(6):
        scene.update(counter(seed=number), number * 0.1)
    before, at = scene.time, 5 * 0.1
    first = scene._numbers.visit
    scene.update(counter(seed=6), at + second)
    assert scene._numbers.visit == first + visits
    assert scene.time - before == pytest.approx(USUAL_GAP_S if visits else second)


@pytest.mark.parametrize(
    "box", [Box(100, 80, 120, 200), Box(400, 200, 200, 150), Box(280, 150, 60, 60)]
)
def test_the_box_holds_the_thing_and_little_else(scene: Scene, box: Box) -> None:
    view = scene.update(with_thing(counter(seed=9), box))
    assert not view.empty
    assert view.box.x <= box.x
    assert view.box.y <= box.y
    assert view.box.x + view.box.width >= box.x + box.width
    assert view.box.y + view.box.height >= box.y + box.height
    assert max(view.box.width, view.box.height) <= 1.45 * max(box.width, box.height)


def test_a_thing_at_the_edge_keeps_the_box_inside_the_frame(scene: Scene) -> None:
    view = scene.update(with_thing(counter(seed=9), Box(560, 300, 80, 180)))
    assert view.box.x >= 0
    assert view.box.x + view.box.width <= 640
    assert view.box.y + view.box.height <= 480


@pytest.mark.slow
def test_slow_daylight_is_followed(scene: Scene) -> None:
    for step in range(200):
        assert scene.update(counter(light=1 + step * 0.002, seed=step)).empty


@pytest.mark.slow
def test_a_gleam_that_was_too_bright_for_the_camera_may_fade() -> None:
    """Its colour shows only when there is less light."""
    scene = FixedScene()

    def shiny(light: float, seed: int) -> Image:
        seen = counter(light, seed).astype(np.float32)
        gleam = np.array((245, 270, 300), np.float32) * light
        seen[20:120, 200:400] = gleam + noise(seed % 16)[20:120, 200:400]
        return np.clip(seen, 0, 255).astype(np.uint8)

    for number in range(5):
        scene.update(shiny(1.05, number), number / 4)
    lights = (*np.linspace(1.05, 0.7, 200), *np.linspace(0.7, 1.05, 200))
    views = [
        scene.update(shiny(light, number), number / 4) for number, light in enumerate(lights, 5)
    ]
    assert all(view.empty for view in views)


@pytest.mark.slow
def test_a_shadow_on_what_is_too_bright_leaves_nothing_behind() -> None:
    scene = FixedScene()
    shade = np.ones((480, 640), np.float32)
    cv2.ellipse(shade, (280, 90), (130, 80), 0, 0, 360, (0.65,), -1)
    shade = np.asarray(cv2.GaussianBlur(shade, (0, 0), 25))

    def shiny(seed: int, shade: NDArray[np.float32] | float = 1.0) -> Image:
        seen = np.full((480, 640, 3), (90, 120, 150), np.float32)
        seen[20:120, 200:400] = (245, 270, 300)
        seen = seen * np.reshape(shade, (*np.shape(shade), 1)) + noise(seed % 16)
        return np.asarray(np.clip(seen, 0, 255), np.uint8)

    for number in range(30):
        scene.update(shiny(number), number / 4)
    for number in range(30, 46):
        scene.update(shiny(number, shade), number / 4)
    views = [scene.update(shiny(number), number / 4) for number in range(46, 90)]
    assert all(view.empty for view in views[4:])


@pytest.mark.slow
def test_a_thing_is_not_learned_as_background_however_long_it_stays(scene: Scene) -> None:
    thing = Box(250, 150, 150, 200)
    assert not any(scene.update(with_thing(counter(seed=seed), thing)).empty for seed in range(400))


@pytest.mark.slow
def test_a_moved_camera_is_learned_anew(scene: Scene) -> None:
    random = np.random.default_rng(5)
    blocks = random.integers(0, 255, (12, 16, 3)).astype(np.uint8)
    moved = cv2.resize(blocks, (640, 480), interpolation=cv2.INTER_NEAREST)
    views = [scene.update(np.asarray(moved, np.uint8)) for _ in range(200)]
    assert not views[0].empty
    assert views[-1].empty


def test_without_a_background_it_is_never_empty() -> None:
    scene = ChangingScene()
    view = scene.update(counter())
    assert not view.empty
    assert view.box == Box(80, 0, 480, 480) == centre_square(counter())


def test_another_frame_size_starts_anew(scene: Scene) -> None:
    view = scene.update(np.zeros((720, 720, 3), np.uint8))
    assert view.empty
    assert view.box == Box(0, 0, 720, 720)


def test_movement_is_not_steady(scene: Scene) -> None:
    scene.update(counter(seed=1))
    assert scene.update(counter(seed=2)).steady
    assert not scene.update(with_thing(counter(seed=3), Box(100, 50, 300, 350))).steady


def test_rest_holds_through_noise_and_ends_with_a_change(scene: Scene) -> None:
    thing = Box(250, 150, 150, 200)
    views = [scene.update(with_thing(counter(seed=seed), thing)) for seed in range(1, 20)]
    assert views[0].activity is Activity.MOVING
    assert {view.activity for view in views[2:]} == {Activity.REST}
    assert len({view.change for view in views}) == 1
    other = with_thing(counter(seed=3), thing)
    view = scene.update(with_thing(other, Box(300, 200, 40, 40), (200, 60, 30)))
    assert view.activity is Activity.MOVING
    assert view.change > views[-1].change


def test_a_counter_is_called_empty_when_that_holds_for_a_moment(scene: Scene) -> None:
    thing = Box(250, 150, 150, 200)
    for seed in range(4):
        state = scene.update(with_thing(counter(seed=seed), thing))
    assert state.activity is Activity.REST
    assert [scene.update(counter(seed=seed)).activity for seed in range(3)] == [
        Activity.MOVING,
        Activity.EMPTY,
        Activity.EMPTY,
    ]


def test_blur_lowers_sharpness() -> None:
    sharp = with_thing(counter(), Box(200, 100, 100, 100))
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 4), np.uint8)
    assert sharpness(blurred) < 0.5 * sharpness(sharp)


def test_overlap_of_boxes() -> None:
    assert overlap(Box(0, 0, 10, 10), Box(0, 0, 10, 10)) == 1
    assert overlap(Box(0, 0, 10, 10), Box(20, 0, 10, 10)) == 0
    assert overlap(Box(0, 0, 10, 10), Box(5, 0, 10, 10)) == pytest.approx(1 / 3)


def settled(scene: Scene, image: Image, frames: int = 8) -> SceneState:
    """What the scene knows after some frames of the same picture."""
    return [scene.update(noisy(image, seed)) for seed in range(frames)][-1]


def noisy(image: Image, seed: int) -> Image:
    """A picture with a sensor's noise."""
    return np.asarray(np.clip(image + noise(seed % 16), 0, 255), np.uint8)


@cache
def table() -> Image:
    """A simulated counter without noise."""
    return Play(77).still()


@pytest.fixture
def prepared() -> Scene:
    """A scene that has learned the table."""
    scene = FixedScene()
    settled(scene, table())
    return scene


@pytest.mark.parametrize("seed", range(6))
def test_a_hand_that_reaches_in_is_nothing(seed: int) -> None:
    play, scene = Play(300 + seed, kinds=("hand",)), FixedScene()
    settled(scene, play.still())
    image, truth = play.frame(round((play.act(0).start + 1.5) * play.fps))
    assert truth.hand
    view = settled(scene, image)
    assert not view.empty
    assert view.activity is Activity.EMPTY
    assert view.thing_box is None


def test_another_light_is_no_thing(prepared: Scene) -> None:
    for light in (0.7, 1.15):
        lit = np.clip(table() * np.array([light, light, light * 1.05]), 0, 255).astype(np.uint8)
        assert settled(prepared, lit).activity is Activity.EMPTY


def test_a_soft_shadow_is_no_thing(prepared: Scene) -> None:
    shade = np.ones((480, 640), np.float32)
    cv2.ellipse(shade, (300, 240), (150, 190), 20, 0, 360, (0.65,), -1)
    shade = np.asarray(cv2.GaussianBlur(shade, (0, 0), 25), np.float32)
    shaded = (table() * shade[..., None]).astype(np.uint8)
    assert settled(prepared, shaded).thing_box is None
    assert settled(prepared, table()).thing_box is None, "nor is its going away"


def test_a_thing_on_a_counter_half_in_a_shadow_has_the_box(prepared: Scene) -> None:
    shade = np.ones((480, 640), np.float32)
    shade[:, :310] = 0.75
    shade = np.asarray(cv2.GaussianBlur(shade, (0, 0), 30), np.float32)
    box = Box(250, 150, 140, 180)
    lit = (with_thing(table(), box, (20, 190, 250)) * shade[..., None]).astype(np.uint8)
    view = settled(prepared, lit)
    assert view.activity is Activity.REST
    assert view.thing_box is not None
    assert overlap(view.thing_box, box) > 0.8


def test_what_is_turned_in_its_place_is_of_one_visit_and_what_is_handled_is_not(
    prepared: Scene,
) -> None:
    box = Box(250, 150, 140, 180)
    first = settled(prepared, with_thing(table(), box))
    other_side = with_thing(table(), Box(245, 150, 150, 180), (30, 200, 40))
    turned = settled(prepared, other_side)
    assert turned.change != first.change
    assert turned.visit == first.visit
    prepared.update(noisy(with_thing(other_side, Box(300, 300, 60, 180), (120, 150, 220)), 3))
    assert settled(prepared, with_thing(table(), box)).visit != first.visit
    away = settled(prepared, with_thing(table(), Box(20, 40, 140, 180)))
    assert away.visit != settled(prepared, with_thing(table(), box)).visit


def test_of_two_things_the_larger_has_the_box(prepared: Scene) -> None:
    both = with_thing(with_thing(table(), Box(60, 100, 150, 250)), Box(420, 200, 110, 120))
    view = settled(prepared, both)
    assert view.activity is Activity.REST
    assert view.things == 2
    assert view.thing_box is not None
    assert overlap(view.thing_box, Box(60, 100, 150, 250)) > 0.8
    assert settled(prepared, with_thing(table(), Box(60, 100, 150, 250))).things == 1


def test_motion_elsewhere_does_not_disturb_a_thing_at_rest(prepared: Scene) -> None:
    thing = with_thing(table(), Box(60, 100, 150, 250))
    change = settled(prepared, thing).change
    for step in range(6):
        away = with_thing(thing, Box(560, 40 * step, 30, 30))
        view = prepared.update(noisy(away, step))
        assert view.thing_box is not None
        assert overlap(view.thing_box, Box(60, 100, 150, 250)) > 0.8
    assert settled(prepared, thing).change >= change


def test_a_bumped_camera_is_put_right(prepared: Scene) -> None:
    bumped = np.asarray(np.roll(table(), (6, -8), (0, 1)))
    assert settled(prepared, bumped, 12).activity is Activity.EMPTY
    view = settled(prepared, with_thing(bumped, Box(200, 100, 150, 250)))
    assert view.thing_box is not None
    assert overlap(view.thing_box, Box(200, 100, 150, 250)) > 0.8


def test_a_shift_that_explains_the_thing_but_not_the_counter_is_not_believed(
    prepared: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streaks of brushed metal look as if they had moved when a thing lies on them."""
    box = Box(200, 100, 150, 250)
    wrong = working_image(with_thing(table(), Box(box.x, box.y, box.width, box.height // 2)))
    streaks = np.arange(len(wrong)) // 6 % 2 == 0
    wrong[streaks] = np.clip(wrong[streaks].astype(np.int16) + 16, 0, 255)
    monkeypatch.setattr("edge.vision.background._shifted_to", lambda background, now: wrong)
    view = settled(prepared, with_thing(table(), box))
    assert view.thing_box is not None
    assert overlap(view.thing_box, box) > 0.8


def test_what_was_learned_as_background_by_mistake_is_forgotten() -> None:
    scene = FixedScene()
    settled(scene, with_thing(table(), Box(200, 100, 150, 250)))
    assert settled(scene, table(), 12).activity is Activity.EMPTY


def test_what_is_forgotten_in_a_dim_moment_is_no_thing_in_the_old_light() -> None:
    """Auto-exposure darkens the picture while an arm takes a thing away."""
    scene = FixedScene()
    settled(scene, with_thing(table(), Box(200, 100, 150, 250)))
    dim = np.asarray(table() * 0.8, np.uint8)
    assert settled(scene, dim, 12).activity is Activity.EMPTY
    assert settled(scene, table(), 12).activity is Activity.EMPTY


def test_each_thing_is_described_once_the_others_from_the_newest_on(scene: Scene) -> None:
    placed = [Box(60, 120, 110, 110), Box(260, 240, 110, 110), Box(460, 100, 110, 110)]
    colours = [(30, 40, 200), (200, 60, 30), (40, 170, 60)]
    for count in range(1, 4):
        for seed in range(25):
            seen = counter(seed=seed)
            for box, colour in zip(placed[:count], colours, strict=False):
                seen = with_thing(seen, box, colour)
            state = scene.update(seen)
        assert state.activity is Activity.REST
        assert state.things == count
        assert state.thing_box is not None
        lying = [state.thing_box, *(other.thing_box for other in state.others)]
        found = [max(range(3), key=lambda place: overlap(placed[place], box)) for box in lying]
        assert sorted(found) == list(range(count))
        assert found[1:] == sorted(found[1:], reverse=True)
        assert all(other.is_clear and other.came_earlier for other in state.others)


def test_of_nine_things_eight_are_described(scene: Scene) -> None:
    seen = counter(seed=3)
    for number in range(9):
        box = Box(60 + 200 * (number % 3), 50 + 140 * (number // 3), 90, 90)
        seen = with_thing(seen, box, ((30, 40, 200), (200, 60, 30), (40, 170, 60))[number % 3])
        for _ in range(7):
            state = scene.update(seen)
    assert state.activity is Activity.REST
    assert (state.things, 1 + len(state.others)) == (9, 8)


def test_of_things_that_come_together_none_came_earlier(scene: Scene) -> None:
    for seed in range(12):
        seen = with_thing(counter(seed=seed), Box(60, 120, 110, 110))
        state = scene.update(with_thing(seen, Box(260, 240, 130, 130), (200, 60, 30)))
    assert [(other.is_clear, other.came_earlier) for other in state.others] == [(True, False)]


def test_a_carried_camera_counts_another_picture_as_another_visit() -> None:
    scene = ChangingScene()
    first = [scene.update(counter(seed=seed)) for seed in range(12)]
    assert {(state.change, state.visit) for state in first} == {(1, 1)}
    assert [state.activity for state in (first[0], first[-1])] == [Activity.MOVING, Activity.REST]
    turned = np.ascontiguousarray(with_thing(counter(), Box(80, 40, 400, 400))[:, ::-1])
    other = scene.update(turned)
    assert (other.change, other.visit, other.activity) == (2, 2, Activity.MOVING)
    assert scene.update(counter()).change == 3


def test_a_folder_counts_each_picture_however_small_the_thing_on_it() -> None:
    """A thing of a hundredth of the picture; and whole pictures that differ as by their light."""
    scene = ChangingScene(is_folder=True)
    small = [
        with_thing(counter(), Box(300, 200, 64, 48), colour)
        for colour in ((20, 20, 160), (20, 160, 20), (160, 20, 20))
    ]
    plain = [np.full_like(small[0], level) for level in (40, 160)]
    for number, picture in enumerate((*small, *plain), 1):
        for _ in range(4):
            state = scene.update(picture)
            assert (state.change, state.visit) == (number, number)
