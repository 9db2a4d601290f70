"""The thing that is taught, whole: what came with it and touches it is a part of it.

The scene may take one thing for several, as a plant and its pot, because two things that touch look
the same. Whoever teaches holds one thing before the camera, so here they are one. A view is kept
for good, and a half one does less harm than one of two things. So what lay there before, what is
larger, and what touches another part alone is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core.box import Box, square_around
from catalog.core.photos import shrink
from edge.sighting import Image
from edge.vision.illumination import WORKING_WIDTH, Mask
from edge.vision.images import on_light_background
from edge.vision.scene import SceneState, SceneThing

# Pixels of the working scale by which an outline is widened before it is asked what it touches.
# Each outline is drawn one such pixel outside of its thing, so things up to two of them apart (0.6
# of a hundredth of the frame's width) touch.
GAP = 1
Alpha = NDArray[np.float32]


@dataclass(frozen=True)
class WholeThing:
    """A thing at rest.

    Attributes:
        square: The part of the frame to look at, with a margin around the thing.
        box: The thing's bounding box, without margin.
        outlines: Where in the frame each of its parts lies, and how much of each pixel there
            belongs to it, float32 (h, w) from 0 to 1 at any scale; none where that is not known.
    """

    square: Box
    box: Box
    outlines: tuple[tuple[Box, Alpha], ...]

    @property
    def is_united(self) -> bool:
        """Whether the scene took it for several things."""
        return len(self.outlines) > 1

    def picture(self, image: Image, side: int) -> Image:
        """Cut it out of a frame, BGR uint8 (h, w, 3), and put it on a light background.

        Args:
            image: The frame.
            side: The longer side of the picture, in pixels, at most.
        """
        part = shrink(self.square.cut(image), side)
        if not self.outlines:
            return part.copy()
        if not self.is_united:  # its outline is that of the square
            return on_light_background(part, self.outlines[0][1])
        size = (part.shape[1], part.shape[0])
        drawn = [_drawn(box, alpha, self.square, size) for box, alpha in self.outlines]
        return on_light_background(part, np.asarray(np.maximum.reduce(drawn), np.float32))


def whole_thing(scene: SceneState, size: tuple[int, int]) -> WholeThing:
    """The leading thing of a scene with all that is a part of it.

    Args:
        scene: The scene; it is not empty.
        size: Width and height of the frame.
    """
    box = scene.thing_box or scene.box
    if scene.alpha is None:
        return WholeThing(scene.box, box, ())
    near = [other for other in scene.others if _may_be_part(other, box)]
    parts = _touching(scene.box, scene.alpha, near, size) if near else []
    if not parts:
        return WholeThing(scene.box, box, ((scene.box, scene.alpha),))
    box = _around([box, *(part.thing_box for part in parts)])
    outlines = ((scene.box, scene.alpha), *((part.box, part.alpha) for part in parts))
    return WholeThing(square_around(box, 1.0, *size), box, outlines)


def _may_be_part(other: SceneThing, box: Box) -> bool:
    """Whether a thing came with the one in a box, and does not lie below it.

    What contains the box is a paper or a tray below the thing.
    """
    lies_below = _around([other.thing_box, box]) == other.thing_box
    return other.is_clear and not other.came_earlier and not lies_below


def _touching(
    box: Box, alpha: Alpha, others: list[SceneThing], size: tuple[int, int]
) -> list[SceneThing]:
    """The things whose outline meets that of the thing in a square, and that are not larger."""
    frame = Box(0, 0, *size)
    small = (WORKING_WIDTH, max(1, round(size[1] * WORKING_WIDTH / size[0])))
    own = _mask(_drawn(box, alpha, frame, small))
    area = np.count_nonzero(own)
    reach = cv2.dilate(own, np.ones((2 * GAP + 1, 2 * GAP + 1), np.uint8))
    parts = []
    for other in others:
        mask = _mask(_drawn(other.box, other.alpha, frame, small))
        if np.count_nonzero(mask) <= area and np.logical_and(mask, reach).any():
            parts.append(other)
    return parts


def _mask(alpha: Alpha) -> Mask:
    return np.asarray(alpha >= 0.5, np.uint8)


def _drawn(box: Box, alpha: Alpha, place: Box, size: tuple[int, int]) -> Alpha:
    """Draw an outline in a picture of a part of the frame.

    Args:
        box: Where the outline lies in the frame.
        alpha: The outline.
        place: The part of the frame.
        size: Width and height of the picture.

    Returns:
        How much of each of the picture's pixels belongs to the thing, float32 (h, w).
    """
    across, down = size[0] / place.width, size[1] / place.height
    left, top = round((box.x - place.x) * across), round((box.y - place.y) * down)
    right = max(round((box.x + box.width - place.x) * across), left + 1)
    bottom = max(round((box.y + box.height - place.y) * down), top + 1)
    whole = cv2.resize(alpha, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    drawn = np.zeros((size[1], size[0]), np.float32)
    seen = whole[max(-top, 0) : max(size[1] - top, 0), max(-left, 0) : max(size[0] - left, 0)]
    y, x = max(top, 0), max(left, 0)
    drawn[y : y + seen.shape[0], x : x + seen.shape[1]] = seen
    return drawn


def _around(boxes: list[Box]) -> Box:
    """The box around several."""
    left, top = min(box.x for box in boxes), min(box.y for box in boxes)
    right = max(box.x + box.width for box in boxes)
    bottom = max(box.y + box.height for box in boxes)
    return Box(left, top, right - left, bottom - top)
