"""Rectangles in pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from catalog.core.photos import Picture

MARGIN = 0.10  # of the thing's size, on each side


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the picture that it belongs to."""

    x: int
    y: int
    width: int
    height: int

    @property
    def area(self) -> int:
        """Number of pixels inside."""
        return self.width * self.height

    def cut(self, picture: Picture) -> Picture:
        """The part of a picture (h, w, 3) inside the box; a view of the same memory."""
        return picture[self.y : self.y + self.height, self.x : self.x + self.width]

    def resized(self, size: tuple[int, ...], new_size: tuple[int, ...]) -> Box:
        """The box in the same picture of another size; sizes are (width, height)."""
        across, down = new_size[0] / size[0], new_size[1] / size[1]
        x = min(int(self.x * across), new_size[0] - 1)
        y = min(int(self.y * down), new_size[1] - 1)
        right = min(math.ceil((self.x + self.width) * across), new_size[0])
        bottom = min(math.ceil((self.y + self.height) * down), new_size[1])
        return Box(x, y, max(1, right - x), max(1, bottom - y))


def overlap(box: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    width = min(box.x + box.width, other.x + other.width) - max(box.x, other.x)
    height = min(box.y + box.height, other.y + other.height) - max(box.y, other.y)
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (box.area + other.area - both)


def square_around(box: Box, scale: float, width: int, height: int) -> Box:
    """A square with margin around a box, moved inside the picture.

    Args:
        box: The box, in pixels that are `scale` times as large as the picture's.
        scale: The picture's pixels for each of the box's.
        width, height: The picture's size.
    """
    side = max(box.width, box.height) * scale * (1 + 2 * MARGIN)
    x = (box.x + box.width / 2) * scale - side / 2
    y = (box.y + box.height / 2) * scale - side / 2
    w, h = min(round(side), width), min(round(side), height)
    return Box(int(np.clip(round(x), 0, width - w)), int(np.clip(round(y), 0, height - h)), w, h)
