"""Cutting frames, putting things on a light ground, and measuring sharpness."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.core.box import Box
from edge.vision.images import LIGHT_GREY, centre_square, on_light_background, sharpness


@pytest.mark.parametrize(
    ("shape", "square"),
    [((480, 640), Box(80, 0, 480, 480)), ((640, 480), Box(0, 80, 480, 480)),
     ((100, 100), Box(0, 0, 100, 100)), ((100, 103), Box(1, 0, 100, 100))],
)  # fmt: skip
def test_the_largest_square_in_the_middle(shape: tuple[int, int], square: Box) -> None:
    assert centre_square(np.zeros((*shape, 3), np.uint8)) == square


def test_all_but_the_thing_becomes_light() -> None:
    alpha = np.array([[0, 0.5, 1]] * 3, np.float32)
    seen = on_light_background(np.full((3, 3, 3), (10, 20, 30), np.uint8), alpha)
    assert seen[1].tolist() == [[LIGHT_GREY] * 3, pytest.approx([122, 128, 132], abs=1),
                                [10, 20, 30]]  # fmt: skip
    wide = on_light_background(np.full((6, 30, 3), 100, np.uint8), alpha)
    assert wide.shape == (6, 30, 3)
    assert (wide[:, :5] == LIGHT_GREY).all()
    assert (wide[:, 25:] == 100).all()


@pytest.mark.parametrize(("levels", "expected"), [(0, 0), (10, 400), (20, 1600)])
def test_sharpness_is_the_variance_of_the_laplacian(levels: int, expected: float) -> None:
    """Of stripes of one pixel: it is four times their levels, up and down."""
    stripes = np.full((40, 40, 3), 100, np.uint8)
    stripes[:, ::2] += np.uint8(levels)
    assert sharpness(stripes) == pytest.approx(expected)


def test_sharpness_is_measured_at_one_size() -> None:
    squares = np.kron(np.indices((12, 12)).sum(0) % 2, np.ones((20, 20))) * 200
    small = np.repeat(squares[..., None], 3, axis=2).astype(np.uint8)
    large = np.kron(small, np.ones((4, 4, 1), np.uint8))
    assert large.shape == (960, 960, 3)
    assert sharpness(large) == pytest.approx(sharpness(small), rel=0.05)
