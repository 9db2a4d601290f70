"""The pictures of a trembling camera are laid over each other; those of a carried one are not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from catalog.networks.finder import find_things
from edge.sighting import Image
from edge.vision.fixed_scene import FixedScene
from edge.vision.illumination import working_image
from edge.vision.moving_camera import CHANGE_S, MovingCamera
from edge.vision.scene import Activity, Numbers
from edge.vision.steadying import Steadying
from tests.edge.vision.test_foreground import texture

EDGE = 8  # pixels of the border, where there is nothing to be laid over


def picture(right: float = 0.0, down: float = 0.0, *, covered: float = 0.0) -> Image:
    """A counter (480, 640, 3), moved by so many pixels; a share of it is covered."""
    smooth = cv2.GaussianBlur(texture(1), (0, 0), 3)
    move = np.array([[640 / smooth.shape[1], 0, right], [0, 480 / smooth.shape[0], down]])
    seen = cv2.warpAffine(smooth, move, (640, 480), borderMode=cv2.BORDER_REFLECT)
    seen[:, : round(640 * covered)] = (30, 60, 200)
    return np.asarray(seen, np.uint8)


def steadied(steadying: Steadying, image: Image, background: Image | None = None) -> Image:
    steadying.find(image, background)
    return steadying.undo(image)


def apart(one: Image, other: Image) -> float:
    inside = slice(EDGE, -EDGE)
    return float(np.abs(one[inside, inside].astype(int) - other[inside, inside]).mean())


@pytest.mark.parametrize("shift", [(0.6, -0.4), (-1.5, 0.0), (3.0, 2.0)])
@pytest.mark.parametrize("scale", [1, 2])
def test_a_shift_is_undone_though_a_thing_has_come(shift: tuple[float, float], scale: int) -> None:
    """Also where the first picture is known at the working scale alone."""
    steadying, background = Steadying(), picture() if scale == 1 else working_image(picture())
    image, still = picture(*shift), picture()
    for seen in (image, still):
        seen[150:300, 200:400] = (200, 40, 30)  # the thing; it does not move, so it counts little
    assert apart(steadied(steadying, image, background), still) < 0.5 * apart(image, still)
    assert (steadying.is_found, steadying.is_too_far) == (True, False)


def test_along_an_edge_the_shift_does_not_wander() -> None:
    steadying, random = Steadying(), np.random.default_rng(0)
    plain = np.full((240, 320, 3), 90, np.uint8)
    plain[120:] = 160
    for _ in range(300):
        noise = random.normal(0, 3, plain.shape)
        steadying.find(np.asarray(np.clip(plain + noise, 0, 255), np.uint8), plain)
    assert np.abs(steadying._shift).max() < 0.2


def test_the_first_picture_stays_where_it_is() -> None:
    assert apart(steadied(Steadying(), picture()), picture()) == 0


def test_a_camera_that_goes_on_moving_is_too_far() -> None:
    steadying = Steadying()
    far = []
    for step in range(8):
        steadying.find(picture(1.5 * step))
        far.append(steadying.is_too_far)
    assert far[:3] == [False] * 3
    assert far[-1]


def test_where_most_is_covered_the_shift_before_holds() -> None:
    steadying = Steadying()
    steadying.find(picture())
    steadying.find(picture(2.0))
    covered = picture(2.0, covered=0.8)
    assert apart(covered, steadied(steadying, covered)) > 0
    assert not steadying.is_found
    assert not steadying.is_too_far


def test_a_camera_counts_as_carried_where_nothing_fits_for_two_seconds() -> None:
    scene = FixedScene()
    scene.learn(picture())
    camera = MovingCamera(find_things, scene, Numbers())
    trembles = []
    for tenth in range(round(10 * CHANGE_S) + 2):
        colours = np.random.default_rng(tenth).integers(0, 256, (12, 16, 3), np.uint8)
        other = np.asarray(cv2.resize(colours, (640, 480)), np.uint8)
        camera.update(other if tenth else picture(), tenth / 10, moves=True)
        trembles.append(camera.trembles)
    assert trembles == [True] * round(10 * CHANGE_S) + [False] * 2


def test_one_whose_steadied_pictures_move_counts_as_carried() -> None:
    fixed = FixedScene()
    camera = MovingCamera(find_things, fixed, Numbers())
    camera.update(picture(), 0, moves=True)
    fixed._camera._share = 1.0
    camera.update(picture(0.5), 0.1, moves=True)
    assert not camera.trembles


def test_before_a_carried_camera_another_picture_alone_is_counted() -> None:
    camera = MovingCamera(find_things, FixedScene(), numbers := Numbers())
    camera._is_near = False
    same = [camera.update(picture(), tenth / 10, moves=True) for tenth in range(3)]
    assert {(state.change, state.visit) for state in same} == {(1, 1)}
    turned = np.ascontiguousarray(picture(covered=0.6)[:, ::-1])
    other = camera.update(turned, 0.3, moves=True)
    assert (other.change, other.visit) == (numbers.change, numbers.visit) == (2, 2)


def test_a_camera_that_is_not_seen_to_move_is_not_carried_and_one_that_fits_again_trembles() -> (
    None
):
    """Somebody covers its picture for four seconds; then it is carried, and put back."""
    scene = FixedScene()
    scene.learn(picture())
    camera = MovingCamera(find_things, scene, Numbers())
    seconds = [(0, False, True), *[(1, False, True)] * 4, (1, True, True), (1, True, False)]
    seconds += [(0, True, False), (0, True, True)]
    trembles, tenth = [], 0
    for covered, moves, _ in seconds:
        for _ in range(10):
            colours = np.random.default_rng(tenth).integers(0, 256, (12, 16, 3), np.uint8)
            other = np.asarray(cv2.resize(colours, (640, 480)), np.uint8)
            camera.update(other if covered else picture(), tenth / 10, moves=moves)
            tenth += 1
        trembles.append(camera.trembles)
    assert trembles == [expected for _, _, expected in seconds]


def test_a_camera_that_stands_for_long_is_steadied_no_more() -> None:
    scene = FixedScene()
    scene._numbers.change = scene._numbers.visit = 70  # given before it trembled
    seen = [picture()] * 10
    seen += [picture(1.5 * (-1) ** number) for number in range(30)]
    thing = picture()
    thing[150:300, 200:400] = (200, 40, 30)
    seen += [picture()] * 20 + [thing] * 130
    states = [scene.update(image, number / 10) for number, image in enumerate(seen)]
    assert scene._moving is None
    rest = states[80:]
    assert {state.activity for state in rest} == {Activity.REST}
    assert len({state.visit for state in rest}) == 1, "nothing was forgotten"
    assert min(rest[0].change, rest[0].visit) > 70, "no number is given twice"
    assert scene.update(picture(), len(seen) / 10).activity is not Activity.REST
