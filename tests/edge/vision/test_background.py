"""How the background follows the light, is shifted and mended; when a frame is another scene."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from catalog.core.box import Box
from edge.vision.background import ADAPTATION, BackgroundModel, _changed, _shifted_to
from edge.vision.foreground import Thing
from tests.edge.vision.test_foreground import SHAPE, mask_of, texture

COUNTER = texture(1)
PLAIN = np.full((*SHAPE, 3), 120, np.uint8)
BOX = Box(100, 80, 60, 60)
INSIDE = np.s_[80:140, 100:160]  # of the box


def thing(box: Box = BOX) -> Thing:
    return Thing(box, mask_of(box), box.area)


def with_colour(ground: np.ndarray, box: Box, *colour: int) -> np.ndarray:
    seen = ground.copy()
    box.cut(seen)[:] = colour
    return seen


def test_a_frame_is_compared_in_its_own_light() -> None:
    now = (COUNTER * 0.8).astype(np.uint8)
    BOX.cut(now)[:] = (10, 20, 200)
    compared = BackgroundModel(COUNTER).compared(now)
    assert np.abs(compared.background.astype(int) - COUNTER * 0.8).max() <= 2
    assert compared.now is now
    assert (compared.apart[:80] <= 2).all()
    assert np.count_nonzero(compared.mask != mask_of(BOX)) < 0.1 * BOX.area


def test_a_strip_at_the_border_is_left_out_of_the_comparison() -> None:
    now = with_colour(COUNTER, Box(60, 0, 100, 7), 10, 20, 200)
    assert not BackgroundModel(COUNTER).compared(now).mask.any()


@pytest.mark.parametrize(("height", "expected"), [(160, False), (240, True)])
def test_what_shows_a_part_of_the_counter_is_the_same_scene(height: int, *, expected: bool) -> None:
    now = COUNTER.copy()
    now[:height] = texture(2)[:height]
    assert BackgroundModel(COUNTER).compared(now).is_different_scene() is expected


@pytest.mark.parametrize(
    ("box", "colour", "shines"),
    [(BOX, None, True), (BOX, (120, 120, 120), False), (Box(0, 0, 40, 40), None, True)],
)
def test_what_shows_the_background_s_texture_is_light(
    box: Box, colour: tuple[int, ...] | None, *, shines: bool
) -> None:
    now = COUNTER.copy()
    box.cut(now)[:] = box.cut(COUNTER) * 0.5 if colour is None else colour
    assert BackgroundModel(COUNTER).shines_through(thing(box), now) is shines


def test_a_patch_with_most_of_the_texture_is_light_and_one_with_less_is_glass() -> None:
    for share, shines in ((0.8, True), (0.5, False)):
        now = COUNTER.copy()
        mixed = share * BOX.cut(COUNTER) + (1 - share) * BOX.cut(texture(2))
        BOX.cut(now)[:] = mixed
        assert BackgroundModel(COUNTER).shines_through(thing(), now) is shines


@pytest.mark.parametrize(
    ("learned", "seen", "expected"), [(160, 120, True), (120, 120, False), (160, 160, False),
                                      (128, 120, False), (129, 120, True), (160, 134, True),
                                      (160, 140, False)],
)  # fmt: skip
def test_what_was_learned_with_a_thing_has_its_edges(
    learned: int, seen: int, *, expected: bool
) -> None:
    """Half of an edge's pixels see it: twice as strong as the frame's, and four levels more."""
    background = with_colour(PLAIN, BOX, *[learned] * 3)
    now = with_colour(PLAIN, BOX, *[seen] * 3)
    assert BackgroundModel(background).was_learned_with(thing(), now) is expected


def test_what_is_learned_anew_is_in_the_light_of_the_model() -> None:
    model = BackgroundModel(COUNTER)
    now = (COUNTER * 0.5).astype(np.uint8)
    BOX.cut(now)[:] = (30, 60, 90)
    now[10:14, 10:14] = 255
    where = mask_of(BOX, Box(10, 10, 4, 4)) > 0
    model.replace(where, now)
    assert BOX.cut(model.picture)[5, 5].tolist() == pytest.approx([60, 120, 180], abs=2)
    assert (model.picture[~where] == COUNTER[~where]).all()
    assert model._saturated[10:14, 10:14].all()
    assert int(model._saturated.sum()) == 16


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("seconds", [0.25, 1.0])
def test_the_model_follows_a_fifth_of_the_difference_a_second(
    seconds: float, *, empty: bool
) -> None:
    model, now = BackgroundModel(PLAIN), PLAIN.copy()
    BOX.cut(now)[:] = 128  # less than noise
    other = Box(200, 80, 40, 40)
    other.cut(now)[:] = 140  # perhaps a thing
    model.follow(now, seconds, empty=empty)
    assert model._background[89, 109] == pytest.approx([120 + 8 * ADAPTATION * seconds] * 3)
    assert (model._background[80:120, 200:240] == 120).all()
    assert (model._background[:80] == 120).all()


def test_a_model_follows_the_light_of_the_whole_at_once_and_not_what_is_half_another() -> None:
    model = BackgroundModel(COUNTER)
    model.follow((COUNTER * 0.8).astype(np.uint8), 0.0, empty=True)
    assert np.abs(model._background - COUNTER * 0.8).max() < 2
    model = BackgroundModel(PLAIN)
    for rows, follows in ((124, False), (117, True)):
        now = np.full_like(PLAIN, 124)
        now[:rows] = texture(2)[:rows]
        before = model._background.copy()
        model.follow(now, 1.0, empty=False)
        assert bool((model._background != before).any()) is follows


def test_what_was_too_bright_is_learned_where_it_shows_its_colour() -> None:
    bright = with_colour(PLAIN, BOX, 255, 255, 255)
    colour = (230, 245, 225)
    for empty, shown in ((False, 255), (True, 230)):
        model = BackgroundModel(bright)
        model.follow(with_colour(PLAIN, BOX, *colour), 0.0, empty=empty)
        assert model._background[89, 109, 0] == pytest.approx(shown, abs=1)
        assert bool(model._saturated[INSIDE].any()) is not empty
    model = BackgroundModel(bright)
    model.follow(with_colour(PLAIN, BOX, 215, 215, 215), 0.0, empty=True)  # 16 % darker: a shadow
    assert model._background[89, 109, 0] == 255
    model.follow(with_colour(PLAIN, BOX, 218, 218, 218), 0.0, empty=True)
    assert model._background[89, 109, 0] == 218
    model = BackgroundModel(PLAIN)
    model.follow(with_colour(PLAIN, Box(10, 10, 4, 4), 250, 100, 100), 0.0, empty=True)
    assert int(model._saturated.sum()) == 16


def test_a_bumped_camera_shows_the_counter_elsewhere_and_what_it_did_not_show_before() -> None:
    for across, down in ((6, 0), (0, -9), (-4, 3)):
        now = np.roll(COUNTER, (down, across), (0, 1))
        now[:12], now[-12:], now[:, :12], now[:, -12:] = 90, 90, 90, 90
        moved = _shifted_to(COUNTER, now)
        assert moved is not None
        inner = np.s_[20:-20, 20:-20]
        assert np.abs(moved[inner].astype(int) - now[inner]).mean() < 4
        if across > 0:
            assert (moved[:, : across - 1] == now[:, : across - 1]).all()


def test_a_model_is_shifted_where_that_explains_the_frame() -> None:
    model, now = BackgroundModel(COUNTER), np.roll(COUNTER, 6, 1)
    mask = model.compared(now).mask
    shifted = model.shifted(now, mask)
    assert shifted is not None
    assert shifted.compared(now).mask.sum() < 0.1 * mask.sum()
    assert model.shifted(COUNTER, mask) is None


def test_changed_pixels_are_counted_in_one_light() -> None:
    now = with_colour(PLAIN, Box(5, 5, 10, 3), 131, 120, 120)
    assert _changed(now, PLAIN) == 30
    now = with_colour(PLAIN, Box(5, 5, 10, 3), 130, 120, 120)
    assert _changed(now, PLAIN) == 0
    assert _changed((COUNTER * 0.7).astype(np.uint8), COUNTER) == 0
    assert cv2.countNonZero(mask_of(BOX)) == BOX.area
