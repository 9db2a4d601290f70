"""What is before the camera: the counter alone, or something on it, and where.

The empty scene is learned from the first steady looks and followed slowly while it stays
empty, so daylight may come and go. Where something differs from it there is a thing.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.photos import shrink
from edge.sighting import Box, Image

WIDTH = 160  # pixels; the scene is watched small
STEADY = 4.0  # mean grey levels between two looks; above it something moves
DIFFERENT = 20.0  # grey levels from the background, beyond noise and soft shadows
LEAST_AREA = 0.006  # of the frame; below it nothing is there
WHOLE = 0.85  # of the frame's area; a box beyond it is no box, differences no thing
MARGIN = 0.10  # of the thing's size, on each side
FIRST_LOOKS = 3  # steady ones that make the first background
FOLLOW = 0.05  # how fast the background follows the light
RELEARN_LOOKS = 80  # steady looks with differences all over: the camera was moved
UNCHANGED = 9.0  # grey levels, the most that noise moves a smoothed pixel
COMMON_SIDE = 240  # pixels; sharpness is compared at this size
GROUND = 235  # grey level around a thing: catalogue photos have a light ground

Small = NDArray[np.uint8]  # (height, WIDTH, 3), BGR


@dataclass(frozen=True)
class View:
    """What the scene says of one frame.

    `empty`: nothing but the background; `box`: the square to search, with margin;
    `steady`: nothing moved since the last look; `thing`: how much of the box's pixels
    belongs to the thing, 0 to 1, float32 at the scene's small scale, None where unknown.
    """

    empty: bool
    box: Box
    steady: bool
    thing: NDArray[np.float32] | None = None


class Scene:
    """Watches frames one after the other.

    Args:
        learns_background: False where the scene changes as a whole between two things: a
            folder of pictures, a camera that is carried about. Then it is never empty and
            the box is the frame's centre square.
    """

    def __init__(self, learns_background: bool = True) -> None:
        self.learns_background = learns_background
        self._background: NDArray[np.float32] | None = None  # as Small
        self._last: Small | None = None
        self._first: list[Small] = []
        self._strange = 0

    def look(self, image: Image) -> View:
        """Judge a frame, BGR uint8 (h, w, 3)."""
        small = _small(image)
        if self._last is not None and self._last.shape != small.shape:
            self._background, self._first = None, []  # another size: another camera
            self._last = None
        steady = self._last is not None and _mean_change(small, self._last) < STEADY
        self._last = small
        if not self.learns_background:
            return View(False, centre_square(image), steady)
        if self._background is None:
            self._learn_first(small, steady)
            return View(True, centre_square(image), steady)
        mask = _difference(small, self._background.astype(np.uint8)) > DIFFERENT
        box = _largest(mask)
        if box is None:
            self._strange = 0
            if steady:
                self._background += FOLLOW * (small - self._background)
            return View(True, centre_square(image), steady)
        if _spread(mask) > WHOLE:
            self._relearn(small, steady)
        else:
            self._strange = 0
        if box.width * box.height > WHOLE * mask.size:
            return View(False, centre_square(image), steady)
        scale = image.shape[1] / WIDTH
        square = _square(box, scale, image.shape[1], image.shape[0])
        return View(False, square, steady, _shape(mask, box, square, scale))

    def learn(self, image: Image) -> None:
        """Take a frame, BGR uint8 (h, w, 3), for the empty scene."""
        self._background = _small(image).astype(np.float32)

    def _learn_first(self, small: Small, steady: bool) -> None:
        self._first = [*self._first, small] if steady else [small]
        if len(self._first) >= FIRST_LOOKS:
            self._background = np.mean(self._first, axis=0, dtype=np.float32)
            self._first = []

    def _relearn(self, small: Small, steady: bool) -> None:
        self._strange = self._strange + 1 if steady else 0
        if self._strange >= RELEARN_LOOKS:
            self._background = small.astype(np.float32)
            self._strange = 0


class Stillness:
    """Knows whether a frame still shows what an earlier one showed, but for noise."""

    def __init__(self) -> None:
        self._kept: Small | None = None

    def keep(self, image: Image) -> None:
        """Remember this frame."""
        self._kept = _small(image)

    def forget(self) -> None:
        """Remember none."""
        self._kept = None

    def holds(self, image: Image) -> bool:
        """Whether `image` shows the remembered scene."""
        if self._kept is None:
            return False
        small = _small(image)
        return small.shape == self._kept.shape and bool(
            _difference(small, self._kept).max() < UNCHANGED
        )


def centre_square(image: Image) -> Box:
    """The largest square in the middle of a frame."""
    height, width = image.shape[:2]
    side = min(height, width)
    return Box((width - side) // 2, (height - side) // 2, side, side)


def crop(image: Image, box: Box) -> Image:
    """The part of a frame (h, w, 3) inside `box`."""
    return image[box.y : box.y + box.height, box.x : box.x + box.width]


def on_light_ground(image: Image, thing: NDArray[np.float32]) -> Image:
    """A picture (h, w, 3) with everything but the thing made light.

    A network sees the ground, too; on the ground that catalogue photos have, the same
    things were found in 94 instead of 89 of 100 simulated showings.
    """
    height, width = image.shape[:2]
    alpha = cv2.resize(thing, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.blendLinear(image, np.full_like(image, GROUND), alpha, 1 - alpha))


def sharpness(image: Image) -> float:
    """Variance of the Laplacian of a picture shrunk to a common size; higher is sharper."""
    grey = cv2.cvtColor(shrink(image, COMMON_SIDE), cv2.COLOR_BGR2GRAY)
    _, deviation = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))
    return float(deviation[0, 0] ** 2)


def _small(image: Image) -> Small:
    """A frame at the scene's scale, smoothed; four pixels make one, the others are not read."""
    height = max(1, round(image.shape[0] * WIDTH / image.shape[1]))
    small = cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.GaussianBlur(small, (5, 5), 0), np.uint8)


def _mean_change(one: Small, other: Small) -> float:
    return float(np.mean(cv2.mean(cv2.absdiff(one, other))[:3]))


def _difference(one: Small, other: Small) -> NDArray[np.uint8]:
    """Largest channel's difference (h, w) after a common change of light is taken out."""
    change = one[::8, ::8].astype(np.float32) - other[::8, ::8]
    blue, green, red = (float(value) for value in np.median(change, axis=(0, 1)))
    lit = cv2.add(other, np.array((blue, green, red, 0.0)), dtype=cv2.CV_8U)
    planes = cv2.split(cv2.absdiff(one, lit))
    return np.asarray(cv2.max(cv2.max(planes[0], planes[1]), planes[2]), np.uint8)


def _largest(mask: NDArray[np.bool_]) -> Box | None:
    """The largest patch of a mask with what lies close to it; None when all are tiny."""
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    closed = cv2.morphologyEx(closed, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(closed)
    least = LEAST_AREA * mask.size
    patches = [stats[number, :5] for number in range(1, count)]
    patches = sorted((one for one in patches if one[4] >= least / 4), key=lambda one: -one[4])
    if not patches or patches[0][4] < least:
        return None
    x0, y0, width, height, _ = patches[0]
    x1, y1 = x0 + width, y0 + height
    reach = max(width, height) // 6
    for x, y, w, h, _ in patches[1:]:
        near = x < x1 + reach and x + w > x0 - reach and y < y1 + reach and y + h > y0 - reach
        if near:
            x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x + w), max(y1, y + h)
    return Box(int(x0), int(y0), int(x1 - x0), int(y1 - y0))


def _spread(mask: NDArray[np.bool_]) -> float:
    """Share of the frame that lies between the outermost differences."""
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, _, width, height = cv2.boundingRect(opened)
    return width * height / mask.size


def _shape(mask: NDArray[np.bool_], box: Box, square: Box, scale: float) -> NDArray[np.float32]:
    """The thing's filled shape inside `square`, soft at its edge."""
    height, width = mask.shape
    shape = np.zeros((height, width), np.uint8)
    inside = (slice(box.y, box.y + box.height), slice(box.x, box.x + box.width))
    shape[inside] = cv2.morphologyEx(
        mask[inside].astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)
    )
    shape = np.asarray(cv2.morphologyEx(shape, cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8)))
    outlines, _ = cv2.findContours(shape, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(shape, outlines, -1, (1,), cv2.FILLED)
    shape = np.asarray(cv2.dilate(shape, np.ones((3, 3), np.uint8)), np.uint8)
    soft = np.clip((cv2.GaussianBlur(shape.astype(np.float32), (3, 3), 0) - 0.3) * 2.5, 0, 1)
    top, left = round(square.y / scale), round(square.x / scale)
    bottom, right = (
        round((square.y + square.height) / scale),
        round((square.x + square.width) / scale),
    )
    return np.asarray(soft[top : max(bottom, top + 1), left : max(right, left + 1)], np.float32)


def _square(box: Box, scale: float, width: int, height: int) -> Box:
    """A square around `box` (in small pixels) with margin, kept inside the frame."""
    side = max(box.width, box.height) * scale * (1 + 2 * MARGIN)
    x = (box.x + box.width / 2) * scale - side / 2
    y = (box.y + box.height / 2) * scale - side / 2
    w, h = min(round(side), width), min(round(side), height)
    return Box(int(np.clip(round(x), 0, width - w)), int(np.clip(round(y), 0, height - h)), w, h)
