"""What differs from the empty counter: how large, how near, in what light, and in whose hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from catalog.core.box import Box
from edge.sighting import Image
from edge.vision.background import BackgroundModel, _shifted_to
from edge.vision.changing_scene import ChangingScene
from edge.vision.fixed_scene import RELEARN_S, FixedScene
from edge.vision.foreground import (
    MOST_FOREGROUND,
    Thing,
    _around,
    alpha_in,
    is_at_border,
    is_scattered,
    reaches_in,
    texture_agreement,
    things,
    without_strips,
)
from edge.vision.hands import without_hand
from edge.vision.illumination import WEAK
from edge.vision.scene import FEW, REST_S, Activity, is_same
from edge.vision.separation import INSIDE, _shared, grouped

SHAPE = (240, 320)


def mask_of(*boxes: Box) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    for box in boxes:
        box.cut(mask)[:] = 1
    return mask


def texture(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(60, 200, (60, 80, 3)).astype(np.uint8)
    return cv2.resize(coarse, SHAPE[::-1], interpolation=cv2.INTER_LINEAR)


@pytest.mark.parametrize(
    ("boxes", "found"),
    [
        ([Box(50, 50, 18, 17)], 0),  # 306 pixels, and 0.4 % of the frame are 307.2
        ([Box(50, 50, 18, 18)], 1),
        ([Box(0, 0, 18, 18)], 1),
        # Of two parts the one is large: 4 % of its longer side, 3.2 pixels, are near.
        ([Box(50, 50, 80, 20), Box(60, 72, 60, 20)], 1),
        ([Box(50, 50, 80, 20), Box(60, 74, 60, 20)], 2),
        ([Box(50, 50, 20, 80), Box(72, 60, 20, 60)], 1),
        ([Box(50, 50, 20, 80), Box(74, 60, 20, 60)], 2),
        ([Box(50, 50, 40, 40), Box(150, 50, 40, 40)], 2),  # in one row, far away
        ([Box(50, 50, 40, 40), Box(50, 150, 40, 40)], 2),  # in one column
        ([Box(150, 50, 40, 41), Box(50, 50, 40, 40)], 2),
        ([Box(50, 50, 80, 20), Box(60, 75, 45, 8)], 2),  # 360 pixels are no small part of 1600
        ([Box(50, 50, 80, 20), Box(60, 75, 40, 7)], 1),  # 280 are
        ([Box(50, 150, 40, 41), Box(50, 50, 40, 40)], 2),
    ],
)
def test_what_is_large_enough_is_a_thing_and_what_is_near_is_one(
    boxes: list[Box], found: int
) -> None:
    assert len(things(mask_of(*boxes))) == found


@pytest.mark.parametrize(
    ("part", "width"),
    [
        (Box(152, 60, 9, 9), 111),  # a small part may be 28 % of the longer side away: 22.4 pixels
        (Box(154, 60, 9, 9), 80),
        (Box(135, 60, 9, 8), 80),  # 72 pixels, and a quarter of 307.2 are 76.8
    ],
)
def test_a_small_part_belongs_to_a_thing_nearby(part: Box, width: int) -> None:
    [thing] = things(mask_of(Box(50, 50, 80, 40), part))
    assert thing.box.width == width


def test_edges_are_looked_for_up_to_the_frame_s_border() -> None:
    assert _around(mask_of(Box(0, 0, 30, 20))) == (slice(0, 32), slice(0, 42))
    assert _around(mask_of(Box(12, 13, 30, 20))) == (slice(1, 45), slice(0, 54))


def test_the_background_keeps_its_darkest_and_its_brightest() -> None:
    picture = np.zeros((*SHAPE, 3), np.uint8)
    picture[:, 100:] = 255
    model = BackgroundModel(picture)
    assert np.array_equal(model.picture, picture)
    model._background *= 2  # as a brighter lamp makes it
    assert np.array_equal(model.picture, picture)


@pytest.mark.parametrize(
    ("lights", "tint"), [([1.0], [1, 1, 1]), ([0.4, 1.0], [1, 1, 1]), ([1.0], [0.3, 0.6, 1.2])]
)
def test_the_same_counter_in_another_light_is_the_same_scene(
    lights: list[float], tint: list[float]
) -> None:
    counter = texture(1)
    now = counter * np.array(tint, np.float64)
    for part, light in zip(np.array_split(now, len(lights), axis=1), lights, strict=True):
        part *= light
    compared = BackgroundModel(counter).compared(np.clip(now, 0, 255).astype(np.uint8))
    assert compared.is_different_scene() is False


@pytest.mark.parametrize(("pixels", "is_moved"), [(0, False), (1, True), (40, True), (60, False)])
def test_a_camera_that_was_bumped_shows_the_same_counter_elsewhere(
    pixels: int, *, is_moved: bool
) -> None:
    moved = _shifted_to(texture(1), np.roll(texture(1), pixels, axis=1))
    assert (moved is not None) is is_moved


class Found:
    """What a finder says that finds nothing."""

    boxes: tuple[Box, ...] = ()


def test_another_counter_is_learned_and_what_lay_on_the_former_is_forgotten() -> None:
    scene = FixedScene(lambda image, *, closely: Found())  # type: ignore[arg-type]
    counter, other = (
        np.asarray(cv2.resize(texture(seed), (640, 480)), np.uint8) for seed in (1, 2)
    )
    with_thing = counter.copy()
    with_thing[150:330, 250:400] = (20, 40, 160)
    now, seen = 0.0, []
    for picture, seconds in ((counter, 6), (with_thing, 6), (other, 3), (other, 12)):
        for _ in range(4 * seconds):
            state = scene.update(picture, now)
            now += 0.25
        seen.append((state.activity.name, state.things))
    assert seen == [("EMPTY", 0), ("REST", 1), ("MOVING", 0), ("EMPTY", 0)]
    former = scene._tracker
    scene._set_background(texture(3))
    assert (scene._state, scene._tracker is former) == (None, False)


def test_a_scene_that_nobody_saw_is_not_strange() -> None:
    assert FixedScene()._is_strange() is False


@pytest.mark.parametrize(("passed", "followed"), [(0.0, []), (0.25, [0.25]), (60.0, [1.0])])
def test_the_background_follows_by_the_time_that_passed(
    passed: float, followed: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[float] = []
    monkeypatch.setattr(
        BackgroundModel, "follow", lambda _, now, step, *, empty: steps.append(step)
    )
    scene = FixedScene()
    scene._background, scene.time, scene._followed_at = BackgroundModel(texture(1)), 100.0, 100.0
    scene.time += passed
    scene._follow(texture(1))
    assert steps == followed


def test_the_background_follows_once_a_second_while_nothing_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[float] = []
    monkeypatch.setattr(
        BackgroundModel, "follow", lambda _, now, step, *, empty: steps.append(step)
    )
    scene, counter = FixedScene(), texture(1)
    when: list[float] = []
    for frame in range(40):
        scene.update(counter, frame / 4)
        when += [scene.time] * (len(steps) - len(when))
    assert when == [1.5 + second for second in range(9)], "from the first empty look on"
    assert set(steps) == {1.0}


def test_the_background_is_learned_from_a_restless_scene_after_a_while() -> None:
    for waited, learned in ((RELEARN_S, True), (RELEARN_S - 0.25, False)):
        scene = FixedScene()
        scene._unknown_since, scene.time = 5.0, 5.0 + waited
        scene._learn_first(texture(1), steady=False)
        assert (scene._background is not None) is learned


def test_a_picture_is_at_rest_as_soon_as_its_time_has_passed() -> None:
    scene, picture = ChangingScene(lambda image, *, closely: Found()), texture(1)  # type: ignore[arg-type]
    states = [scene.update(picture, at).activity for at in (0.0, REST_S - 0.1, REST_S)]
    assert states == [Activity.MOVING, Activity.MOVING, Activity.REST]


@pytest.mark.parametrize(("pixels", "same"), [(FEW, True), (FEW + 1, False)])
def test_few_pixels_are_noise_also_where_the_light_has_changed(pixels: int, *, same: bool) -> None:
    before = np.full((120, 160, 3), 100, np.uint8)
    now = before.copy()
    now[:, :60] = 114  # the light of a lamp that stands there
    now[10:100:10, 100][:pixels] = 200
    assert is_same(np.asarray(now, np.uint8), before) is same


@pytest.mark.parametrize(("width", "reaches"), [(10, False), (9, True)])
def test_a_shadow_reaches_in_where_its_thing_is_near_half_of_it(
    width: int, *, reaches: bool
) -> None:
    counter = np.full((*SHAPE, 3), 190, np.uint8)
    now, mask = counter.copy(), mask_of(Box(100, 0, 20, 40))
    Box(100, 0, 20, 40).cut(now)[:] = 130
    Box(100, 5, width, 30).cut(now)[:] = (30, 60, 160)
    thing = Thing(Box(100, 0, 20, 40), mask, int(mask.sum()))
    assert reaches_in(thing, now, counter) is reaches


def test_half_a_picture_beside_a_plain_wall_is_no_other_scene() -> None:
    """The wall says nothing; most of the picture must be another one."""
    before, now = texture(1), texture(2)
    for picture in (before, now):
        picture[:, :150] = 120
    compared = BackgroundModel(before).compared(now)
    assert 0.4 < (compared.apart > WEAK).mean() < MOST_FOREGROUND
    assert compared.is_different_scene() is False


def test_another_counter_is_another_scene() -> None:
    assert BackgroundModel(texture(1)).compared(texture(2)).is_different_scene() is True


def test_what_covers_nothing_agrees_with_nothing() -> None:
    nowhere = Thing(Box(0, 0, *SHAPE[::-1]), mask_of(), 0)
    assert texture_agreement(texture(1), texture(1), nowhere) == 0


@pytest.mark.parametrize(("side", "is_held"), [(20, False), (29, False), (32, True), (40, True)])
def test_a_hand_holds_a_thing_that_is_large_enough(side: int, *, is_held: bool) -> None:
    """It takes three times the least area of a thing on the counter: 921.6 pixels."""
    counter = np.full((*SHAPE, 3), 190, np.uint8)
    now = counter.copy()
    now[60:120, :180] = (110, 140, 190)  # an arm
    held = Box(181, 90 - side // 2, side, side)
    held.cut(now)[:] = (60, 60, 20)
    [patch] = things((cv2.absdiff(counter, now).max(2) > 20).astype(np.uint8))
    found = without_hand(now, counter, patch)
    assert (found.box if found else None) == (held if is_held else None)


@pytest.mark.parametrize("turn", range(4))
def test_an_arm_from_any_side_reaches_in(turn: int) -> None:
    counter = np.full((*SHAPE, 3), 190, np.uint8)
    arm = Box(*{0: (100, 0, 60, 120), 1: (200, 80, 120, 60), 2: (100, 120, 60, 120),
                3: (0, 80, 120, 60)}[turn])  # fmt: skip
    for box, expected in ((arm, True), (Box(100, 80, 60, 60), False)):
        now = counter.copy()
        box.cut(now)[:] = (30, 60, 160)
        assert reaches_in(Thing(box, mask_of(box), box.area), now, counter) is expected


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([], False),
        ([Box(50, 50, 60, 60)], False),
        ([Box(50, 50, 100, 13)], True),  # thin
        ([Box(50, 50, 60, 60), Box(200, 100, 20, 20)], True),  # 400 pixels beside, 154 are few
        ([Box(50, 50, 60, 60), Box(200, 100, 12, 12)], False),
    ],
)
def test_outlines_are_scattered_and_a_compact_thing_is_not(
    boxes: list[Box], *, expected: bool
) -> None:
    mask = mask_of(*boxes)
    assert is_scattered(mask, things(mask)) is expected


def test_an_outline_alone_is_scattered_too() -> None:
    mask = mask_of(Box(50, 50, 100, 100))
    Box(56, 56, 88, 88).cut(mask)[:] = 0  # 2256 of 10000 pixels are left
    assert is_scattered(mask, things(mask)) is True


def test_boxes_that_do_not_meet_share_nothing() -> None:
    assert _shared(Box(0, 0, 40, 40), Box(100, 0, 40, 40)) == 0
    assert _shared(Box(0, 0, 40, 40), Box(0, 100, 40, 40)) == 0
    assert _shared(Box(0, 0, 40, 40), Box(20, 20, 40, 40)) == 0.25


def test_a_patch_with_just_enough_in_a_box_is_part_of_its_thing() -> None:
    def patch(box: Box) -> Thing:
        return Thing(box, mask_of(box), box.width * box.height)

    inside, half = patch(Box(60, 60, 30, 30)), patch(Box(83, 100, 20, 20))
    box = Box(50, 50, 50, 100)  # holds 17 of the 20 columns
    assert box.cut(half.mask).sum() == INSIDE * half.area
    assert grouped([inside, half], [box]) == [[inside, half]]
    further = patch(Box(84, 100, 20, 20))
    assert grouped([inside, further], [box]) == [[inside], [further]]


def test_a_picture_at_rest_is_searched_once_more_and_closely() -> None:
    searches: list[bool] = []

    def find(image: Image, *, closely: bool) -> Found:
        searches.append(closely)
        return Found()

    picture = np.asarray(cv2.resize(texture(1), (640, 480)), np.uint8)
    scene = ChangingScene(find)  # type: ignore[arg-type]
    for frame in range(8):
        scene.update(picture, frame * REST_S / 2)
    assert searches == [False, True]


FRAME = Box(0, 0, *SHAPE[::-1])


def outline(mask: np.ndarray) -> np.ndarray:
    """How much of each of the frame's pixels belongs to a thing."""
    return alpha_in(Thing(Box(*cv2.boundingRect(mask)), mask, int(mask.sum())), FRAME, 1)


def test_an_outline_lies_a_pixel_about_its_thing_and_is_soft_at_corners_alone() -> None:
    expected = mask_of(Box(99, 79, 42, 32)).astype(np.float32)
    expected[79:111:31, 99:141:41] = (0.75 * 0.75 - 0.3) * 2.5
    assert np.array_equal(outline(mask_of(Box(100, 80, 40, 30))), expected)


@pytest.mark.parametrize("flip", [0, 1])
def test_a_thing_in_a_mirror_has_its_outline_in_the_mirror(flip: int) -> None:
    """Its holes and small gaps are filled."""
    mask = mask_of(Box(100, 80, 60, 30), Box(120, 118, 21, 40), Box(180, 70, 9, 60))
    mask[90:95, 110:150] = 0
    mirrored = np.ascontiguousarray(cv2.flip(mask, flip))
    assert np.array_equal(outline(mirrored), cv2.flip(outline(mask), flip))
    assert outline(mask)[:, 130].sum() == 80, "no gap and no hole is left there"


def test_an_outline_is_cut_out_of_its_frame_and_has_a_pixel_at_least() -> None:
    mask = mask_of(Box(100, 80, 40, 30))
    thing = Thing(Box(100, 80, 40, 30), mask, 1200)
    part = alpha_in(thing, Box(180, 150, 120, 100), 2)
    assert np.array_equal(part, outline(mask)[75:125, 90:150])
    assert alpha_in(thing, Box(220, 180, 0, 0), 2).shape == (1, 1)


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize(
    ("box", "kept"),
    [
        (Box(100, 0, 10, 8), False),  # a strip
        (Box(100, 0, 10, 12), True),  # deeper, and not much longer than deep
        (Box(100, 0, 40, 16), False),  # 2.5 times as long as deep
        (Box(100, 0, 39, 16), True),
        (Box(100, 0, 100, 17), True),  # too deep
    ],
)
def test_a_strip_along_any_side_is_no_thing(turn: int, box: Box, *, kept: bool) -> None:
    mask = np.ascontiguousarray(np.rot90(mask_of(box), turn))
    assert np.array_equal(without_strips(mask), mask if kept else np.zeros_like(mask))


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize(
    ("box", "touches"),
    [
        (Box(100, 1, 5, 20), True),
        (Box(100, 1, 4, 20), False),  # by chance
        (Box(100, 2, 50, 20), False),
    ],
)
def test_what_touches_any_side_of_the_frame_is_at_the_border(
    turn: int, box: Box, *, touches: bool
) -> None:
    assert is_at_border(np.rot90(mask_of(box), turn)) is touches
