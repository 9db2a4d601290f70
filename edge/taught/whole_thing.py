"""The thing that is taught, whole: what touches it is a part of it.

The scene may take one thing for several, as a plant and its pot, because two things that touch look
the same. Whoever teaches holds one thing before the camera, so here they are one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core.box import Box, square_around
from catalog.core.photos import shrink
from edge.sighting import Image
from edge.vision.images import on_light_background
from edge.vision.scene import SceneState, SceneThing

NEAR = 0.02  # of the frame's width; what is no farther away touches


@dataclass(frozen=True)
class WholeThing:
    """A thing at rest.

    Attributes:
        square: The part of the frame to look at, with a margin around the thing.
        box: The thing's bounding box, without margin.
        alpha: How much of each pixel of `square` belongs to the thing, float32 from 0 to 1 at any
            scale; None where it is not known.
        is_united: Whether the scene took it for several things.
    """

    square: Box
    box: Box
    alpha: NDArray[np.float32] | None
    is_united: bool = False

    def picture(self, image: Image, side: int) -> Image:
        """Cut it out of a frame, BGR uint8 (h, w, 3), and put it on a light background.

        Args:
            image: The frame.
            side: The longer side of the picture, in pixels, at most.
        """
        part = shrink(self.square.cut(image), side)
        return part.copy() if self.alpha is None else on_light_background(part, self.alpha)


def whole_thing(scene: SceneState, size: tuple[int, int]) -> WholeThing:
    """The leading thing of a scene with all that touches it.

    Args:
        scene: The scene; it is not empty.
        size: Width and height of the frame.
    """
    box = scene.thing_box or scene.box
    parts = _touching(box, scene.others, round(NEAR * size[0]))
    if scene.alpha is None or not parts:
        return WholeThing(scene.box, box, scene.alpha)
    box = _around([box, *(part.thing_box for part in parts)])
    square = square_around(box, 1.0, *size)
    alpha = np.zeros((size[1], size[0]), np.float32)
    for part, own in [(scene.box, scene.alpha), *((part.box, part.alpha) for part in parts)]:
        drawn = cv2.resize(own, (part.width, part.height), interpolation=cv2.INTER_LINEAR)
        there = alpha[_rows_and_columns(part)]
        np.maximum(there, drawn, out=there)
    return WholeThing(square, box, alpha[_rows_and_columns(square)], is_united=True)


def _rows_and_columns(box: Box) -> tuple[slice, slice]:
    return slice(box.y, box.y + box.height), slice(box.x, box.x + box.width)


def _touching(box: Box, others: Sequence[SceneThing], gap: int) -> list[SceneThing]:
    """The things that touch a box, or touch one that does."""
    found: list[SceneThing] = []
    reached = [box]
    left = list(others)
    while reached:
        near = [other for other in left if _gap(reached[0], other.thing_box) <= gap]
        left = [other for other in left if other not in near]
        found += near
        reached = reached[1:] + [other.thing_box for other in near]
    return found


def _gap(box: Box, other: Box) -> int:
    """How many pixels two boxes are apart; 0 or less where they share some."""
    across = max(box.x, other.x) - min(box.x + box.width, other.x + other.width)
    down = max(box.y, other.y) - min(box.y + box.height, other.y + other.height)
    return max(across, down)


def _around(boxes: Sequence[Box]) -> Box:
    """The box around several."""
    left, top = min(box.x for box in boxes), min(box.y for box in boxes)
    right = max(box.x + box.width for box in boxes)
    bottom = max(box.y + box.height for box in boxes)
    return Box(left, top, right - left, bottom - top)
