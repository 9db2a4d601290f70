"""Strong light and white things: how much lighter, and how soft their borders are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from catalog.core.box import Box
from edge.vision.background import BackgroundModel, Comparison
from edge.vision.glare import SOFT, without_glare
from tests.edge.vision.test_foreground import SHAPE, mask_of
from tests.edge.vision.test_resting import resting

GROUND = np.full((*SHAPE, 3), 90, np.uint8)


def blob(soft: float, levels: float = 120.0, colour: tuple[float, ...] = (1, 1, 1)) -> np.ndarray:
    """Light in the middle of the frame, with a border so many pixels wide."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    away = np.hypot(rows - 120, columns - 160)
    share = np.clip((40 - away) / soft + 0.5, 0, 1)
    lit = GROUND + levels * share[..., None] * np.array(colour)
    return np.asarray(np.clip(lit, 0, 255), np.uint8)


def compared(now: np.ndarray) -> Comparison:
    """A frame beside the ground; its foreground is what differs."""
    model = BackgroundModel(GROUND).compared(now)
    apart = np.abs(now.astype(int) - GROUND).max(2)
    return replace(model, background=GROUND, mask=(apart > 10).astype(np.uint8))


@pytest.mark.parametrize(
    ("now", "is_glare"),
    [
        (blob(40), True),
        (blob(30), True),
        (blob(4), False),
        (blob(8), False),
        (blob(40, colour=(1, 1, 0)), True),  # coloured light
        (blob(40, colour=(1, 1, -0.3)), False),  # no light darkens a colour
        (blob(40, levels=-70), False),
    ],
)
def test_soft_light_is_left_out(now: np.ndarray, *, is_glare: bool) -> None:
    seen = compared(now)
    left = without_glare(seen, [])
    assert (left.mask == (0 if is_glare else seen.mask)).all()
    if not is_glare:
        assert left is seen


def test_the_border_must_be_wider_than_that_of_a_thing_out_of_focus() -> None:
    softest = [
        soft for soft in range(8, 40) if not without_glare(compared(blob(soft)), []).mask.any()
    ]
    assert softest == list(range(softest[0], 40))
    assert SOFT - 4 <= softest[0] <= SOFT + 4


@pytest.mark.parametrize(("pixels", "is_glare"), [(40, True), (400, False)])
def test_a_few_dark_pixels_in_the_light_do_not_count(pixels: int, *, is_glare: bool) -> None:
    now = blob(40)
    rows, columns = np.nonzero(now[..., 0] > 140)
    now[rows[:pixels], columns[:pixels], 2] = 60
    assert bool(without_glare(compared(now), []).mask.any()) is not is_glare


def test_a_thing_at_rest_is_no_glare() -> None:
    box = Box(100, 60, 120, 120)
    seen = compared(blob(40))
    assert without_glare(seen, [resting(box)]) is seen


def test_light_beside_a_thing_is_left_out_alone() -> None:
    now = blob(40)
    box = Box(20, 20, 50, 50)
    box.cut(now)[:] = (20, 40, 160)
    assert (without_glare(compared(now), []).mask == mask_of(box)).all()
