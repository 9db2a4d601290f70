"""Cut out, compare and measure parts of frames."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core.box import Box
from catalog.core.photos import shrink
from catalog.recognition.colours import Colours
from catalog.recognition.thing_colours import thing_colours
from edge.sighting import Image

COMMON_SIDE = 240  # pixels; sharpness is measured at this size
LIGHT_GREY = 235  # grey level around a thing: catalogue photos have a light background


def centre_square(image: Image) -> Box:
    """The largest square in the middle of a frame."""
    height, width = image.shape[:2]
    side = min(height, width)
    return Box((width - side) // 2, (height - side) // 2, side, side)


def on_light_background(image: Image, alpha: NDArray[np.float32]) -> Image:
    """Make everything light but the thing, in a picture (h, w, 3).

    The network sees the background, too. On a background like that of catalogue photos, the
    same things were found in 94 instead of 89 of 100 simulated showings.

    Args:
        image: The picture.
        alpha: How much of each pixel is the thing, 0 to 1, at any scale.
    """
    height, width = image.shape[:2]
    alpha = np.asarray(cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR))
    return np.asarray(cv2.blendLinear(image, np.full_like(image, LIGHT_GREY), alpha, 1 - alpha))


def colours_of_cutout(image: Image) -> Colours | None:
    """The colours of the thing that `on_light_background` cut out; None where none was."""
    return thing_colours(image, LIGHT_GREY)


def sharpness(image: Image) -> float:
    """Variance of the Laplacian of a picture at a common size; higher is sharper."""
    grey = cv2.cvtColor(shrink(image, COMMON_SIDE), cv2.COLOR_BGR2GRAY)
    _, deviation = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))
    return float(deviation[0, 0] ** 2)
