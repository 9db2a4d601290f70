"""The scene before a camera that stands still: things come, rest, and leave again.

The background is learned from the first steady frames, and follows the light slowly where no
thing lies. An unchanged frame costs only a comparison of two small pictures; a frame is
analysed closely where something has changed. A thing at rest is remembered until it is seen to
be gone, or something else has come to rest in its place.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from catalog.core.box import Box, square_around
from catalog.networks.finder import FindThings, find_things
from edge.sighting import Image
from edge.vision.arriving import Arrival, may_lead
from edge.vision.background import BackgroundModel, Comparison
from edge.vision.camera_motion import MOVES, CameraMotion
from edge.vision.foreground import (
    Thing,
    alpha_in,
    is_at_border,
    is_scattered,
    is_scene_change,
    things,
)
from edge.vision.glare import without_glare
from edge.vision.hands import without_hand
from edge.vision.illumination import WORKING_WIDTH, WorkingImage, working_image
from edge.vision.images import centre_square
from edge.vision.moving_camera import STEADIED_MOVES, MovingCamera
from edge.vision.resting import (
    LEAST_BESIDE,
    TOGETHER_S,
    RestingThing,
    leader,
    without_things,
)
from edge.vision.scene import (
    REST_S,
    Activity,
    MotionImage,
    Scene,
    SceneState,
    SceneThing,
    is_same,
)
from edge.vision.separation import at_working_scale
from edge.vision.thing_tracker import MOST_THINGS, ThingTracker

GONE_S = 0.2  # without motion and with nothing there for so long: empty
FIRST_FRAMES = 3  # steady ones from which the background is first learned
RELEARN_S = 10.0  # after so long at rest, a wholly different scene becomes the background
STOOD_S = 10.0  # for so long a camera that trembled stands, until it is steadied no more
FOLLOW_S = 1.0  # how often the background follows the light while nothing changes


class FixedScene(Scene):
    """Knows the background, and finds the things that lie before it.

    Args:
        find: Finds the things in a frame, BGR uint8 (h, w, 3), of a camera that moves.
        most_motion: The share of the looks in which the picture may move as a whole before a camera
            that stands.
    """

    learns_background = True

    def __init__(self, find: FindThings = find_things, most_motion: float = MOVES) -> None:
        self._find, self._most_motion = find, most_motion
        super().__init__()
        self._followed_at = 0.0

    def _restart(self) -> None:
        super()._restart()
        self._background: BackgroundModel | None = None
        self._first_frames: list[WorkingImage] = []
        self._unknown_since = 0.0  # since when the background is not known, or does not fit
        self._camera, self.camera_moves = CameraMotion(self._most_motion), False
        self._moving: MovingCamera | None = None
        self._moved_at = 0.0  # when the camera last moved
        self._forget()

    def _forget(self) -> None:
        """Forget the things, because the background is a new one."""
        self._state = self._rest_motion = None
        self._tracker = ThingTracker(self._numbers)
        self._places: list[tuple[Thing, SceneThing]] = []  # in the frame, of the last close look
        self._due = 0.0  # when the next close look is due, though nothing has moved

    @property
    def due_s(self) -> float:
        """In how many seconds something may be at rest for long enough; infinite if in none."""
        if self._moving is not None:
            return self._moving.fixed.due_s if self._moving.trembles else math.inf
        waits = self._state is not None and self._due > self.time
        return self._due - self.time if waits else math.inf

    @property
    def has_background(self) -> bool:
        """Whether the scene compares its frames with a background."""
        return self._moving is None or self._moving.trembles

    @property
    def background(self) -> Image | None:
        """What frames are compared with, BGR uint8 at the working scale; None for nothing."""
        return None if self._background is None else self._background.picture

    def learn(self, image: Image) -> None:
        """Take a frame, BGR uint8 (h, w, 3), as the background."""
        self._size = image.shape[:2]
        self._set_background(working_image(image))

    def _analyse(self, image: Image, motion: MotionImage, *, steady: bool) -> SceneState:
        self._camera.update(motion, steady=steady)
        self.camera_moves = self._camera.moves
        if self.camera_moves:
            self._moved_at = self.time
        if self._moving is not None and not self.camera_moves:
            if not self._moving.trembles:
                self._restart()  # it was carried, and stands
            elif self.time - self._moved_at >= STOOD_S:
                self._go_on_from(self._moving)
        elif self._moving is None and self.camera_moves:
            self._moving = self._moving_camera()
        if self._moving is not None:
            return self._moving.update(image, self.time, moves=self.camera_moves)
        if self._background is None:
            self._learn_first(working_image(image), steady=steady)
            return SceneState(Activity.MOVING, empty=True, box=centre_square(image), steady=steady)
        quiet = self._state is not None and self._is_quiet(motion)
        if self._state is not None and quiet and self.time < self._due:
            if self._due == math.inf and self.time - self._followed_at >= FOLLOW_S:
                self._follow(working_image(image))
            return replace(self._state, steady=steady)
        now = working_image(image)
        return self._analyse_closely(image, now, motion, self._background, steady=steady)

    def _moving_camera(self) -> MovingCamera:
        """Follow a camera that moves, with what is known of its background."""
        steadied = FixedScene(self._find, STEADIED_MOVES)
        steadied._size, steadied._numbers = self._size, self._numbers
        steadied.time = steadied._frame_at = self.time
        steadied._forget()
        if self._background is not None:
            steadied._set_background(self._background.picture)
        return MovingCamera(self._find, steadied, self._numbers)

    def _go_on_from(self, moving: MovingCamera) -> None:
        """Go on without steadying, which costs much, with what was known of the background."""
        steadied, self._moving = moving.fixed, None
        assert isinstance(steadied, FixedScene)
        self._background, self._tracker = steadied._background, steadied._tracker
        self._state, self._rest_motion = steadied._state, steadied._rest_motion
        self._rest_since, self._unknown_since = steadied._rest_since, steadied._unknown_since
        self._places, self._due = steadied._places, self.time  # look closely now

    def _analyse_closely(
        self,
        image: Image,
        now: WorkingImage,
        motion: MotionImage,
        background: BackgroundModel,
        *,
        steady: bool,
    ) -> SceneState:
        """Compare a frame with the background, and find the things in it."""
        quiet = self._is_quiet(motion)
        tracker = self._tracker
        compared = without_glare(background.compared(now), tracker.resting)
        due = [arrival.thing for arrival in tracker.due(self.time)]
        if quiet and self._is_strange():
            due = things(compared.mask)
        if due:
            compared = self._corrected(background, compared, due, quiet=quiet)
        seen = tracker.look_for_resting(compared, self.time, steady=steady)
        mask = without_things(compared.mask, seen)
        patches = things(mask)
        other_scene = not seen and (is_scene_change(mask, patches) or compared.is_different_scene())
        found = [] if other_scene else _without_hands(compared, patches)
        tracker.note_touches(patches)
        tracker.come(found[:MOST_THINGS], motion, self.time, reaches_in=is_at_border(mask))
        if tracker.due(self.time):
            boxes = at_working_scale(self._find(image, closely=False).boxes, image.shape[1])
            tracker.settle(now, boxes, self.time)
        clear = not patches and not seen and not other_scene
        state = self._described(image, empty=clear and not tracker.resting, steady=steady)
        if not (quiet and self._state is not None and _is_nothing_still(state, self._state)):
            self._rest_since = self.time
        if state.thing_box is None and not other_scene and self.time >= self._nothing_from(state):
            state = replace(state, activity=Activity.EMPTY)
        self._rest_motion, self._state = motion, state
        self._due = self._next_due(state, other_scene=other_scene)
        self._relearn(now, other_scene=other_scene and steady)
        return state

    def _described(self, image: Image, *, empty: bool, steady: bool) -> SceneState:
        """Describe what comes, or what rests; a scene without a thing still counts as moving."""
        resting = leader(self._tracker.resting)
        coming = [
            known for known in self._tracker.arrivals if resting is None or may_lead(known, resting)
        ]
        known: Arrival | RestingThing | None = max(coming, key=_size, default=resting)
        if known is None:
            box = centre_square(image)
            change = self._numbers.change
            return SceneState(Activity.MOVING, empty=empty, box=box, steady=steady, change=change)
        areas = [other.thing.area for other in self._tracker.resting]
        areas += [other.thing.area for other in coming]
        least = LEAST_BESIDE * max(areas)
        newest_first = sorted(self._tracker.resting, key=lambda other: -other.since)
        others = [other for other in newest_first if other is not known][: MOST_THINGS - 1]
        lying: list[Arrival | RestingThing] = [known, *others]
        self._places = [(_shape(other), self._place(other, image)) for other in lying]
        place, *found = [there for _, there in self._places]
        beside = [
            replace(
                there,
                is_clear=other.hidden_since is None and other.thing.area >= least,
                came_earlier=other.since < known.since - TOGETHER_S,
            )
            for other, there in zip(others, found, strict=True)
        ]
        return SceneState(
            Activity.MOVING if coming else Activity.REST,
            empty=False,
            box=place.box,
            steady=steady,
            thing_box=place.thing_box,
            things=sum(area >= least for area in areas),
            change=known.change,
            visit=known.visit,
            alpha=place.alpha,
            others=tuple(beside),
        )

    def _place(self, known: Arrival | RestingThing, image: Image) -> SceneThing:
        """Where a thing lies in the frame."""
        shape = _shape(known)
        for thing, place in self._places:
            if thing is shape and place.change == known.change:
                return place  # its outline is drawn once
        height, width = image.shape[:2]
        scale = width / WORKING_WIDTH
        box = square_around(shape.box, scale, width, height)
        return SceneThing(
            box=box,
            thing_box=Box(*(round(value * scale) for value in vars(shape.box).values())),
            change=known.change,
            visit=known.visit,
            alpha=alpha_in(shape, box, scale),
        )

    def _nothing_from(self, state: SceneState) -> float:
        """From when on a scene without a thing counts as empty."""
        return self._rest_since + (GONE_S if state.empty else REST_S)

    def _is_strange(self) -> bool:
        """Whether a scene without a thing, and not empty, has been at rest for long enough."""
        state = self._state
        if state is None or state.thing_box is not None or state.empty:
            return False
        return state.activity is Activity.MOVING and self.time >= self._nothing_from(state)

    def _next_due(self, state: SceneState, *, other_scene: bool) -> float:
        """When to look closely again, though nothing has moved."""
        if other_scene:
            return self.time
        due = self._tracker.next_due()
        if state.thing_box is None and state.activity is not Activity.EMPTY:
            due.append(self._nothing_from(state))
        return min(due, default=math.inf)

    def _is_quiet(self, motion: MotionImage) -> bool:
        """Whether nothing has moved since the last close look."""
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
        self._unknown_since = self.time
        self._forget()

    def _corrected(
        self, background: BackgroundModel, compared: Comparison, due: list[Thing], *, quiet: bool
    ) -> Comparison:
        """Correct the background for a bumped camera, another light, and what is gone from it.

        Args:
            background: The background.
            compared: The frame beside it.
            due: What would now count as at rest.
            quiet: Whether nothing moves.
        """
        now = compared.now
        if quiet and is_scattered(without_things(compared.mask, self._tracker.resting), due):
            shifted = background.shifted(now, compared.mask)
            if shifted is not None:
                self._background = background = shifted
                compared = without_glare(shifted.compared(now), self._tracker.resting)
                due = things(compared.mask)
        gone = [
            patch
            for patch in due
            if background.was_learned_with(patch, now) or background.shines_through(patch, now)
        ]
        for patch in gone:
            around = cv2.dilate(patch.mask, np.ones((9, 9), np.uint8)) > 0
            background.replace(around, now)
            mask = np.asarray(np.where(around, 0, compared.mask), np.uint8)
            compared = replace(compared, mask=mask)
        return compared

    def _follow(self, now: WorkingImage) -> None:
        """Let the background follow the light by the time that has passed, a second at most."""
        seconds = min(self.time - self._followed_at, 1.0)
        if self._background is not None and seconds > 0:
            self._followed_at = self.time
            empty = self._state is not None and self._state.empty
            self._background.follow(now, seconds, empty=empty)

    def _relearn(self, now: WorkingImage, *, other_scene: bool) -> None:
        """Learn the background anew where the scene has been a different one for 10 seconds."""
        if not other_scene:
            self._unknown_since = self.time
        elif self.time - self._unknown_since >= RELEARN_S:
            self._set_background(now)


def _without_hands(compared: Comparison, patches: list[Thing]) -> list[Thing]:
    """The things among some patches of foreground, hands taken away."""
    found = (without_hand(compared.now, compared.background, patch) for patch in patches)
    return [thing for thing in found if thing is not None]


def _is_nothing_still(state: SceneState, before: SceneState) -> bool:
    """Whether no thing is there now, and none was there before."""
    return (state.thing_box, state.empty) == (None, before.empty) and before.thing_box is None


def _shape(known: Arrival | RestingThing) -> Thing:
    """All of a thing, as far as it is known."""
    return known.whole if isinstance(known, RestingThing) else known.thing


def _size(known: Arrival | RestingThing) -> int:
    return known.thing.box.width * known.thing.box.height
