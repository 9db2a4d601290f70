"""How many looks it takes until a camera counts as moving, and until it stands."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.vision.camera_motion import CELLS, CameraMotion, _cells, _explained, _has_shifted
from edge.vision.scene import MotionImage
from tests.edge.vision.test_foreground import texture


def picture(shift: float = 0.0, down: float = 0.0) -> MotionImage:
    """A counter, as a camera sees it that was moved by so many pixels of a motion image."""
    move = np.array([[0.5, 0, shift], [0, 0.5, down]], np.float32)
    smooth = cv2.GaussianBlur(texture(1), (0, 0), 3)
    seen = cv2.warpAffine(smooth, move, (160, 120), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(seen, np.uint8)


@pytest.mark.parametrize("shift", [(0.3, 0.0), (0.0, 0.3), (-0.3, 0.2), (1.0, 0.0), (0.0, -1.0)])
def test_a_picture_that_moved_as_a_whole_has_shifted(shift: tuple[float, float]) -> None:
    assert _has_shifted(picture(*shift), picture()) is True


def test_what_did_not_move_or_moved_in_a_corner_has_not_shifted() -> None:
    assert _has_shifted(picture(), picture()) is False
    seen = picture()
    seen[:30, :40] = picture(2.0)[:30, :40]
    assert _has_shifted(seen, picture()) is False
    noisy = picture().astype(int) + np.random.default_rng(1).integers(-3, 4, (120, 160, 3))
    assert _has_shifted(noisy.clip(0, 255).astype(np.uint8), picture()) is False


def wave(steps: int, levels: int) -> MotionImage:
    """Slopes of so many levels a pixel, up and down again, all moved by some levels."""
    heights = np.abs((np.arange(160) * steps + levels) % 320 - 160) + 40
    return np.repeat(np.tile(heights, (120, 1))[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("steps", "shifted"), [(26, True), (27, False)])
def test_a_twenty_fifth_of_a_pixel_is_a_shift(steps: int, *, shifted: bool, turned: bool) -> None:
    after, before = wave(steps, 1), wave(steps, 0)
    if turned:
        after, before = (
            np.ascontiguousarray(picture[:120, :120].swapaxes(0, 1)) for picture in (after, before)
        )
    assert _has_shifted(after, before) is shifted


def test_what_moves_before_a_plain_counter_is_no_camera_that_moves() -> None:
    before, after = np.full((2, 120, 160, 3), 120, np.uint8)
    before[:30, :40], after[:30, :40] = picture()[:30, :40], picture(0.5)[:30, :40]
    assert _has_shifted(after, before) is False


def test_what_a_shift_explains_is_a_share_of_the_squares() -> None:
    change = np.full((2, 5), 3.0, np.float32)
    assert _explained(change, change) == 0
    assert _explained(change, np.zeros_like(change)) == pytest.approx(90 / 91)
    assert _explained(change, 2 * change) == pytest.approx(-270 / 91)


def test_the_shift_is_checked_in_cells_that_cover_the_picture() -> None:
    plane = np.arange(120 * 160, dtype=np.float32).reshape(120, 160)
    cells = _cells(plane)
    assert len(cells) == CELLS**2
    assert {cell.shape[0] for cell in cells} == {20}
    assert np.array_equal(np.sort(np.concatenate([cell.ravel() for cell in cells])), plane.ravel())


def test_nine_looks_that_shift_are_a_camera_that_moves_and_sixteen_without_one_that_stands() -> (
    None
):
    there, here = picture(0.5), picture()
    camera = CameraMotion()
    camera.update(here, steady=False)
    moves = []
    for number in range(9):
        camera.update(here if number % 2 else there, steady=False)
        moves.append(camera.moves)
    assert moves == [False] * 8 + [True]
    stands = []
    for _ in range(17):
        camera.update(there, steady=True)
        stands.append(not camera.moves)
    assert stands == [False] * 15 + [True] * 2


def test_looks_in_which_nothing_moved_are_not_examined_until_one_is_suspect() -> None:
    camera = CameraMotion()
    for number in range(30):  # a shift so small that no pixel's change shows motion
        camera.update(picture(0.5) if number % 2 else picture(), steady=True)
    assert camera._share == 0
    camera.update(picture(), steady=False)
    assert camera._share == pytest.approx(0.08)
    camera.update(picture(0.5), steady=True)
    assert camera._share == pytest.approx(0.08 + 0.08 * 0.92)
