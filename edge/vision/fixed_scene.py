"""The scene before a camera that stands still: things come, rest, and leave again.

The background is learned from the first steady frames, and follows the light slowly where no
thing lies. An unchanged frame costs only a comparison of two small pictures; a frame is
analysed closely where something has changed.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from edge.sighting import Box, Image
from edge.vision.background import BackgroundModel
from edge.vision.foreground import Thing, alpha_in, is_at_border, is_scene_change, things
from edge.vision.hands import without_hand
from edge.vision.illumination import WORKING_WIDTH, Mask, WorkingImage, difference, working_image
from edge.vision.images import centre_square, overlap
from edge.vision.scene import (
    IN_HAND_CHANGE,
    MOTION,
    MOTION_WIDTH,
    REST_S,
    Activity,
    MotionImage,
    Scene,
    SceneState,
    is_same,
    square_around,
)

GONE_S = 0.2  # without motion and with nothing there for so long: empty
FEW_OF_THING = 0.01  # of the pixels about a thing; so few changed ones mean nothing
SAME_BOX = 0.8  # least overlap of a resting thing's boxes
SAME_PLACE = 0.5  # the same, for a thing that is turned in its place
SECOND_THING = 0.15  # of the largest thing's area; a smaller patch is not counted
FIRST_FRAMES = 3  # steady ones from which the background is first learned
RELEARN_S = 10.0  # after so long at rest, a wholly different scene becomes the background
FOLLOW_S = 1.0  # how often the background follows the light while nothing changes


class FixedScene(Scene):
    """Knows the background, and finds the things that lie before it."""

    learns_background = True

    def __init__(self) -> None:
        super().__init__()
        self._followed_at = 0.0

    def _restart(self) -> None:
        super()._restart()
        self._background: BackgroundModel | None = None
        self._first_frames: list[WorkingImage] = []
        self._unknown_since = 0.0  # since when the background is not known, or does not fit
        self._settled = False  # whether the rest has lasted long enough
        self._mask: Mask | None = None

    def learn(self, image: Image) -> None:
        """Take a frame, BGR uint8 (h, w, 3), as the background."""
        self._size = image.shape[:2]
        self._set_background(working_image(image))

    def _analyse(self, image: Image, motion: MotionImage, *, steady: bool) -> SceneState:
        if self._background is None:
            self._learn_first(working_image(image), steady=steady)
            return SceneState(Activity.MOVING, empty=True, box=centre_square(image), steady=steady)
        if self._state is not None and self._is_quiet(motion):
            if self._settled:
                if self.time - self._followed_at >= FOLLOW_S:
                    self._follow(working_image(image))
                return replace(self._state, steady=steady)
            if self.time - self._rest_since < _least_rest_s(self._state):
                return replace(self._state, steady=steady)
        return self._analyse_closely(image, motion, self._background, steady=steady)

    def _analyse_closely(
        self, image: Image, motion: MotionImage, background: BackgroundModel, *, steady: bool
    ) -> SceneState:
        """Compare a frame with the background, and find the things in it."""
        now = working_image(image)
        resting = self._state is not None and self._is_quiet(motion)
        mask = background.foreground(now)
        patches = things(mask)
        if resting and patches and not self._settled and self.time - self._rest_since >= REST_S:
            background, mask = self._corrected(now, background, mask, patches)
            patches = things(mask)
        other_scene = is_scene_change(mask, patches) or background.is_different_scene(now)
        found = [] if other_scene else _without_hands(now, patches)
        empty = not patches and not other_scene
        state = self._described(image, found, empty=empty, steady=steady)
        state = replace(state, visit=self._visit(state, mask))
        if self._state is None or not self._is_same_thing(state, self._state, motion):
            self._rest_since, self._settled = self.time, False
            state = replace(state, change=state.change + 1)
            self._rest_motion = motion
        elif steady:
            self._rest_motion = motion  # what changed beside the thing is at rest as well
        self._mask = mask
        rested = self.time - self._rest_since >= _least_rest_s(state)
        self._settled = rested and not other_scene
        if self._settled:
            state = replace(state, activity=Activity.REST if found else Activity.EMPTY)
        self._relearn(now, other_scene=other_scene and steady)
        if self._settled:
            self._follow(now)
        self._state = state
        return state

    def _described(
        self, image: Image, found: list[Thing], *, empty: bool, steady: bool
    ) -> SceneState:
        """Describe the things found in a frame, which still counts as moving."""
        change = self._state.change if self._state is not None else 0
        if not found:
            box = centre_square(image)
            return SceneState(Activity.MOVING, empty=empty, box=box, steady=steady, change=change)
        scale = image.shape[1] / WORKING_WIDTH
        largest = found[0]
        box = square_around(largest.box, scale, image.shape[1], image.shape[0])
        return SceneState(
            Activity.MOVING,
            empty=False,
            box=box,
            steady=steady,
            thing_box=Box(*(round(value * scale) for value in vars(largest.box).values())),
            things=sum(thing.area >= SECOND_THING * largest.area for thing in found),
            change=change,
            alpha=alpha_in(largest, box, scale),
        )

    def _visit(self, state: SceneState, mask: Mask) -> int:
        """The number of this visit: a new one where the thing may have been exchanged."""
        before = self._state
        untouched = (
            before is not None
            and before.thing_box is not None
            and state.thing_box is not None
            and not is_at_border(mask)
            and overlap(state.thing_box, before.thing_box) >= SAME_PLACE
        )
        self._visits += not untouched
        return self._visits

    def _is_same_thing(self, state: SceneState, before: SceneState, motion: MotionImage) -> bool:
        """Whether the thing looks as it did when the rest began."""
        assert self._rest_motion is not None
        if (state.empty, state.things) != (before.empty, before.things):
            return False
        if state.thing_box is None or before.thing_box is None:
            return is_same(motion, self._rest_motion)
        if overlap(state.thing_box, before.thing_box) < SAME_BOX:
            return False
        scale = self._size[1] / MOTION_WIDTH
        box = state.box
        part = difference(motion, self._rest_motion)[
            int(box.y / scale) : int((box.y + box.height) / scale) + 1,
            int(box.x / scale) : int((box.x + box.width) / scale) + 1,
        ]
        if self._mask is not None and is_at_border(self._mask):  # a hand holds it
            return float(part.mean()) < IN_HAND_CHANGE
        return int(np.count_nonzero(part >= MOTION)) <= FEW_OF_THING * part.size

    def _is_quiet(self, motion: MotionImage) -> bool:
        """Whether nothing has moved since the rest began."""
        return self._rest_motion is not None and is_same(motion, self._rest_motion)

    # The background.

    def _learn_first(self, now: WorkingImage, *, steady: bool) -> None:
        self._first_frames = [*self._first_frames, now] if steady else [now]
        if steady or self._unknown_since == 0:
            self._unknown_since = self.time
        waited_s = self.time - self._unknown_since
        if len(self._first_frames) >= FIRST_FRAMES or waited_s >= RELEARN_S:
            mean = np.mean(self._first_frames, axis=0)
            self._set_background(mean.round().astype(np.uint8))
            self._first_frames = []

    def _set_background(self, picture: WorkingImage) -> None:
        self._background = BackgroundModel(picture)
        self._state = self._rest_motion = self._mask = None

    def _corrected(
        self, now: WorkingImage, background: BackgroundModel, mask: Mask, patches: list[Thing]
    ) -> tuple[BackgroundModel, Mask]:
        """Correct the background for a bumped camera and for things that it was learned with.

        Returns:
            The background, and the frame's foreground before it.
        """
        shifted = background.shifted(now, mask)
        if shifted is not None:
            self._background = background = shifted
            mask = shifted.foreground(now)
            patches = things(mask)
        for patch in patches:
            if background.was_learned_with(patch, now):
                gone = cv2.dilate(patch.mask, np.ones((9, 9), np.uint8)) > 0
                background.replace(gone, now)
                mask = np.asarray(np.where(gone, 0, mask), np.uint8)
        return background, mask

    def _follow(self, now: WorkingImage) -> None:
        """Let the background follow the light by the time that has passed, a second at most."""
        seconds = min(self.time - self._followed_at, 1.0)
        if self._background is not None and seconds > 0:
            self._followed_at = self.time
            empty = self._mask is not None and not self._mask.any()
            self._background.follow(now, seconds, empty=empty)

    def _relearn(self, now: WorkingImage, *, other_scene: bool) -> None:
        """Learn the background anew where the scene has been a different one for 10 seconds."""
        if not other_scene:
            self._unknown_since = self.time
        elif self.time - self._unknown_since >= RELEARN_S:
            self._background = BackgroundModel(now)
            self._unknown_since, self._settled = self.time, False


def _without_hands(now: WorkingImage, patches: list[Thing]) -> list[Thing]:
    """The things among some patches of foreground, hands taken away."""
    found = (without_hand(now, patch) for patch in patches)
    return [thing for thing in found if thing is not None]


def _least_rest_s(state: SceneState) -> float:
    """How long a state must last to count as at rest, in seconds."""
    return GONE_S if state.empty else REST_S
