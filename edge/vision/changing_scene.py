"""A scene without a background that could be learned."""

from __future__ import annotations

import cv2
import numpy as np

from catalog.core.box import square_around
from catalog.networks.finder import FindThings, find_things
from edge.sighting import Image
from edge.vision.illumination import channel_max, difference
from edge.vision.images import centre_square
from edge.vision.salient import salient
from edge.vision.scene import (
    FEW,
    IN_HAND_CHANGE,
    MOTION,
    REST_S,
    Activity,
    MotionImage,
    Scene,
    SceneState,
)


class ChangingScene(Scene):
    """A scene that changes as a whole: a folder of pictures, a camera that is carried about.

    It is never empty. A network finds the thing. Where it finds none, the thing is what stands out
    from the picture's border; where nothing does, the frame's centre square is searched.

    Args:
        find: Finds the things in a frame, BGR uint8 (h, w, 3).
        is_folder: Whether the frames are pictures that stay as they are, so that what differs is
            another picture, be the thing on it ever so small.
    """

    learns_background = False

    def __init__(self, find: FindThings = find_things, *, is_folder: bool = False) -> None:
        super().__init__()
        self._find = find
        self._is_folder = is_folder
        self._looked_closely = False  # at the picture that rests

    def _analyse(self, image: Image, motion: MotionImage, *, steady: bool) -> SceneState:
        if self._state is None or self._rest_motion is None or self._has_changed(motion):
            self._rest_since, self._rest_motion = self.time, motion
            self._numbers.change += 1  # a picture of another size has another number, too
            self._looked_closely = False
        change = self._numbers.change
        at_rest = self.time - self._rest_since >= REST_S
        if self._state is None or change != self._state.change or at_rest > self._looked_closely:
            self._looked_closely = at_rest
            found = self._find(image, closely=at_rest).boxes
            thing_box = found[0] if found else salient(image)
            height, width = image.shape[:2]
            box = (
                centre_square(image)
                if thing_box is None
                else square_around(thing_box, 1, width, height)
            )
        else:
            box, thing_box = self._state.box, self._state.thing_box
        self._state = SceneState(
            activity=Activity.REST if at_rest else Activity.MOVING,
            empty=False,
            box=box,
            steady=steady,
            thing_box=thing_box,
            things=1,
            change=change,
            visit=change,
        )
        return self._state

    def _has_changed(self, motion: MotionImage) -> bool:
        """Whether the picture is another one than that with which the rest began."""
        assert self._rest_motion is not None
        if self._is_folder:
            apart = channel_max(cv2.absdiff(motion, self._rest_motion))
            return int(np.count_nonzero(apart >= MOTION)) > FEW  # noise may be there
        return float(difference(motion, self._rest_motion).mean()) >= IN_HAND_CHANGE
