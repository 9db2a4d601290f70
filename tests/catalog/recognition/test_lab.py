"""L*a*b* is the same as OpenCV's."""

from __future__ import annotations

import cv2
import numpy as np

from catalog.recognition.lab import lab


def test_every_colour_of_a_grid_and_many_others_are_as_opencv_has_them() -> None:
    grid = np.stack(np.meshgrid(*[np.arange(0, 256, 5)] * 3), -1).reshape(-1, 52, 3)
    others = np.random.default_rng(7).integers(0, 256, (600, 600, 3))
    for colours in (grid, others):
        picture = colours.astype(np.uint8)
        np.testing.assert_array_equal(lab(picture), cv2.cvtColor(picture, cv2.COLOR_BGR2LAB))
