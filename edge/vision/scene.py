"""What goes on before the camera: nothing, something that moves, or a thing at rest.

`Scene.update` takes each analysed frame and returns a `SceneState`. There are two kinds of scene:
`FixedScene` learns the background of a camera that stands still, and `ChangingScene` is for
pictures without a common background.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core.box import Box
from edge.sighting import Image
from edge.vision.illumination import channel_max, difference, relight

MOTION_WIDTH = 160  # pixels; motion is detected at this width
MOTION = 9.0  # grey levels, more than noise changes a smoothed pixel
MOST_LIGHT = 16.0  # grey levels by which the light of a region changes between two looks
LIGHT_REGION = (25, 25)  # pixels of a motion image; the light of such a region is even
FEW = 8  # changed pixels of a motion image that mean nothing
REST_S = 0.4  # without motion for so long: at rest
IN_HAND_CHANGE = 10.0  # mean grey levels that a thing in a hand may change while it rests
LONGEST_GAP_S = 2.0  # between two frames; after a longer one the thing may be another one
USUAL_GAP_S = 0.25  # between two frames whose times are not known

MotionImage = NDArray[np.uint8]  # (height, MOTION_WIDTH, 3), BGR


class Activity(StrEnum):
    """What goes on: no thing is there, something moves, or a thing is at rest."""

    EMPTY = "empty"
    MOVING = "moving"
    REST = "rest"


@dataclass(frozen=True, eq=False)
class SceneThing:
    """A thing at rest.

    Attributes:
        box: The square of the frame to search, with a margin around the thing.
        thing_box: The thing's bounding box, without margin.
        change: The number of its look, as in `SceneState`.
        visit: The number of its visit, as in `SceneState`.
        alpha: How much of each pixel of `box` belongs to the thing, as in `SceneState`.
        is_clear: Whether nothing hides it, and it is not tiny beside another thing.
        came_earlier: Whether it rested before the leading thing came.
    """

    box: Box
    thing_box: Box
    change: int
    visit: int
    alpha: NDArray[np.float32]
    is_clear: bool = True
    came_earlier: bool = False


@dataclass(frozen=True)
class SceneState:
    """What the scene knows after one frame.

    Attributes:
        activity: What goes on.
        empty: Whether the frame shows nothing but the background.
        box: The square of the frame to search, with a margin around the thing.
        steady: Whether nothing has moved since the frame before.
        thing_box: The thing's bounding box, without margin; None where it is not known.
        things: How many things lie apart from each other; the boxes are those of the one that
            came last, and of several that came together, of the largest.
        change: A number that stays the same as long as the thing looks the same.
        visit: A number that stays the same as long as the thing cannot have been exchanged:
            something stayed in its place, and nothing reached in from the frame's border. The
            thing may have been turned, or lit in another way.
        alpha: How much of each pixel of `box` belongs to the thing, float32 (h, w) from 0 to 1
            at the working scale; None where it is not known.
        others: The other things at rest, the newest first.
    """

    activity: Activity
    empty: bool
    box: Box
    steady: bool
    thing_box: Box | None = None
    things: int = 0
    change: int = 0
    visit: int = 0
    alpha: NDArray[np.float32] | None = None
    others: tuple[SceneThing, ...] = ()


@dataclass
class Numbers:
    """The numbers last given to a look and to a visit, as in `SceneState`."""

    change: int = 0
    visit: int = 0


class Scene(ABC):
    """Follows the frames of one camera, one after the other.

    Attributes:
        time: The scene's own clock, in seconds; it never goes back.
        learns_background: Whether this scene can learn a background.
        camera_moves: Whether the camera trembles or is carried.
    """

    learns_background: bool
    camera_moves = False
    _last_motion: MotionImage | None
    _rest_motion: MotionImage | None  # from when the rest began
    _state: SceneState | None

    def __init__(self) -> None:
        self.time = 0.0
        self._frame_at: float | None = None  # when the last frame was taken, by the caller's clock
        self._size: tuple[int, ...] = ()
        self._numbers = Numbers()
        self._rest_since = 0.0
        self._restart()

    def update(self, image: Image, at: float | None = None) -> SceneState:
        """Take in a frame.

        Args:
            image: BGR uint8 (h, w, 3).
            at: When it was taken, in seconds from any beginning; None where that is not known.
        """
        self._advance(at)
        if self._size != image.shape[:2]:  # another camera
            self._size = image.shape[:2]
            self._restart()
        motion = motion_image(image)
        steady = self._last_motion is not None and is_same(motion, self._last_motion)
        self._last_motion = motion
        return self._analyse(image, motion, steady=steady)

    @property
    def has_background(self) -> bool:
        """Whether the scene compares its frames with a background."""
        return self.learns_background

    @property
    def background(self) -> Image | None:
        """What frames are compared with, BGR uint8 at the working scale; None for nothing."""
        return None

    @property
    def due_s(self) -> float:
        """In how many seconds of the scene's clock a thing may be at rest; infinite if in none."""
        return math.inf

    @abstractmethod
    def _analyse(self, image: Image, motion: MotionImage, *, steady: bool) -> SceneState:
        """Find out what a frame shows, and remember it."""

    def _restart(self) -> None:
        """Forget what was seen."""
        self._last_motion = None
        self._rest_motion = None
        self._state = None

    def _advance(self, at: float | None) -> None:
        """Let the clock go on.

        Where the caller's clock was set, or its frames stopped for a while, the clock goes on by
        the usual time between two frames, and a new visit begins.
        """
        gap = USUAL_GAP_S if at is None or self._frame_at is None else at - self._frame_at
        self._frame_at = at
        if not 0 <= gap <= LONGEST_GAP_S:
            gap = USUAL_GAP_S
            self._numbers.visit += 1
        self.time += gap


def motion_image(image: Image) -> MotionImage:
    """Shrink a frame to the least scale and smooth it.

    Each pixel is made of four of the frame's; the others are not read, which is fast.
    """
    height = max(1, round(image.shape[0] * MOTION_WIDTH / image.shape[1]))
    shrunk = cv2.resize(image, (MOTION_WIDTH, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.GaussianBlur(shrunk, (5, 5), 0), np.uint8)


def motion_between(motion: MotionImage, other: MotionImage) -> NDArray[np.float32]:
    """By how many grey levels each pixel (h, w) has changed, in the light of its region.

    What changes smoothly over a region by a little is exposure or a soft shadow, not motion.
    """
    change = motion.astype(np.float32) - relight(other, motion)
    light = cv2.blur(np.clip(change, -MOST_LIGHT, MOST_LIGHT), LIGHT_REGION)
    return channel_max(np.abs(change - light))


def is_same(motion: MotionImage, other: MotionImage) -> bool:
    """Whether two motion images differ by noise alone, or by the light."""
    apart = difference(motion, other)
    if np.count_nonzero(apart >= MOTION) <= FEW:
        return True  # most looks end here
    if np.count_nonzero(apart >= MOTION + MOST_LIGHT) > FEW:
        return False  # no light explains so much
    return int(np.count_nonzero(motion_between(motion, other) >= MOTION)) <= FEW
