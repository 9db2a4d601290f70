"""What is before the camera: the counter alone, something that moves, or a thing at rest.

The empty counter is learned from the first steady looks and followed slowly where no thing
lies, so daylight may come and go. A look at an unchanged scene costs a comparison of two small
pictures; only what changed is looked at closely.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.sighting import Box, Image
from edge.vision.counter import Counter
from edge.vision.foreground import (
    WIDTH,
    Mask,
    Small,
    Thing,
    difference,
    is_strange,
    shape_in,
    small,
    things,
)
from edge.vision.hands import touches_border, without_hand
from edge.vision.images import centre_square, overlap
from edge.vision.salient import salient

GLANCE = 160  # pixels; whether anything changed is seen at this width
UNCHANGED = 9.0  # grey levels, the most that noise moves a smoothed pixel
FEW = 8  # changed pixels of a glance that mean nothing
FEW_OF_IT = 0.01  # the same, as a share of the pixels about a thing
REST_S = 0.4  # without motion for so long: at rest
GONE_S = 0.2  # without motion and with nothing there for so long: empty
HELD_CHANGE = 10.0  # mean grey levels that a thing held in a hand may change while it rests
SAME_BOX = 0.8  # intersection over union of a resting thing's boxes
SAME_PLACE = 0.5  # the same from look to look, of one that is turned where it is
SECOND = 0.15  # of the largest thing's area; what is smaller is no second thing
MARGIN = 0.10  # of the thing's size, on each side
FIRST_LOOKS = 3  # steady ones that make the first background
RELEARN_S = 10.0  # at rest and wholly other: this is the counter now
STALLED_S = 2.0  # between two looks; what happened meanwhile nobody saw
USUAL_S = 0.25  # between two looks, where their times are not known


class State(StrEnum):
    """What goes on before the camera: nothing, or a hand alone; something; a thing at rest."""

    EMPTY = "empty"
    MOVING = "moving"
    REST = "rest"


@dataclass(frozen=True)
class View:
    """What the scene says of one frame.

    `empty`: nothing but the background; `box`: the square to search, with margin; `close`:
    the thing's own box, None where unknown; `steady`: nothing moved since the last look;
    `things`: how many lie there apart, the box is the largest one's; `change`: a number that
    stays the same as long as the thing does; `visit`: one that stays the same as long as
    nothing reached in from the frame's border and something stayed in its place, so that it
    cannot have been exchanged, only turned or lit; `thing`: how much of the box's pixels belongs
    to the thing, 0 to 1, float32 at the scene's small scale, None where unknown.
    """

    state: State
    empty: bool
    box: Box
    steady: bool
    close: Box | None = None
    things: int = 0
    change: int = 0
    visit: int = 0
    thing: NDArray[np.float32] | None = None


class Scene:
    """Watches frames one after the other.

    `at` is its own clock, in seconds, which never goes back.

    Args:
        learns_background: False where the scene changes as a whole between two things: a
            folder of pictures, a camera that is carried about. Then it is never empty and
            the box is around what stands out, or else the frame's centre square.
    """

    def __init__(self, learns_background: bool = True) -> None:
        self.learns_background = learns_background
        self._size: tuple[int, ...] = ()
        self.at = self._since = self._followed = self._strange_since = 0.0
        self._seen: float | None = None  # by the clock of whoever looks
        self._visits = 0
        self._begin()

    def _begin(self) -> None:
        self._strange_since = 0.0
        self._counter: Counter | None = None
        self._first: list[Small] = []
        self._anchor: Small | None = None  # the glance when the rest began
        self._last: Small | None = None  # the last glance
        self._settled = False
        self._view: View | None = None
        self._mask: Mask | None = None

    def look(self, image: Image, at: float | None = None) -> View:
        """Judge a frame, BGR uint8 (h, w, 3), seen `at` (seconds, of any beginning)."""
        self._pass(at)
        if self._size != image.shape[:2]:  # another camera
            self._size = image.shape[:2]
            self._begin()
        glance = _glance(image)
        steady = self._last is not None and _few(difference(glance, self._last))
        self._last = glance
        if not self.learns_background:
            return self._look_without(image, glance, steady)
        if self._counter is None:
            self._learn_first(small(image), steady)
            return View(State.MOVING, True, centre_square(image), steady)
        if self._view is not None and self._quiet(glance):
            if self._settled:
                if self.at - self._followed >= 1.0:
                    self._follow(small(image))
                return replace(self._view, steady=steady)
            if self.at - self._since < _rest_s(self._view):
                return replace(self._view, steady=steady)
        return self._look_closely(image, glance, steady)

    def _pass(self, at: float | None) -> None:
        """Let time pass; a clock that was set, or a stream that stalled, is one usual look."""
        gap = USUAL_S if at is None or self._seen is None else at - self._seen
        self._seen = at
        if not 0 <= gap <= STALLED_S:
            gap, self._visits = USUAL_S, self._visits + 1
        self.at += gap

    def learn(self, image: Image) -> None:
        """Take a frame, BGR uint8 (h, w, 3), for the empty scene."""
        self._size = image.shape[:2]
        self._take(small(image))

    # With a background.

    def _look_closely(self, image: Image, glance: Small, steady: bool) -> View:
        assert self._counter is not None
        now = small(image)
        resting = self._view is not None and self._quiet(glance)
        mask = self._counter.foreground(now)
        patches = things(mask)
        if resting and patches and not self._settled and self.at - self._since >= REST_S:
            mask = self._explained(now, mask, patches)
            patches = things(mask)
        strange = is_strange(mask, patches) or self._counter.is_other(now)
        found = [] if strange else [whole for one in patches if (whole := without_hand(now, one))]
        view = self._described(image, now, found, bool(patches) or strange, steady)
        view = replace(view, visit=self._visit(view, mask))
        if self._view is None or not self._same(view, glance):
            self._since, self._settled = self.at, False
            view = replace(view, change=view.change + 1)
            self._anchor = glance
        elif steady:
            self._anchor = glance  # what else there is changed, and is at rest, too
        self._mask = mask
        self._settled = self.at - self._since >= _rest_s(view) and not strange
        if self._settled:
            view = replace(view, state=State.REST if found else State.EMPTY)
        self._relearn(now, strange and steady)
        if self._settled:
            self._follow(now)
        self._view = view
        return view

    def _described(
        self, image: Image, now: Small, found: list[Thing], anything: bool, steady: bool
    ) -> View:
        change = self._view.change if self._view is not None else 0
        if not found:
            return View(State.MOVING, not anything, centre_square(image), steady, None, 0, change)
        scale = image.shape[1] / WIDTH
        first = found[0]
        box = _square(first.box, scale, image.shape[1], image.shape[0])
        close = Box(*(round(value * scale) for value in vars(first.box).values()))
        count = sum(one.area >= SECOND * first.area for one in found)
        shape = shape_in(first, box, scale)
        return View(State.MOVING, False, box, steady, close, count, change, thing=shape)

    def _visit(self, view: View, mask: Mask) -> int:
        """The number of this visit: another one where the thing may be another one."""
        before = self._view
        untouched = (
            before is not None
            and before.close is not None
            and view.close is not None
            and not touches_border(mask)
            and overlap(view.close, before.close) >= SAME_PLACE
        )
        self._visits += not untouched
        return self._visits

    def _same(self, view: View, glance: Small) -> bool:
        """Whether the thing is still the one that the rest began with."""
        before = self._view
        assert before is not None
        assert self._anchor is not None
        if (view.empty, view.things) != (before.empty, before.things):
            return False
        apart = difference(glance, self._anchor)
        if view.close is None or before.close is None:
            return _few(apart)
        if overlap(view.close, before.close) < SAME_BOX:
            return False
        scale = self._size[1] / GLANCE
        box = view.box
        part = apart[
            int(box.y / scale) : int((box.y + box.height) / scale) + 1,
            int(box.x / scale) : int((box.x + box.width) / scale) + 1,
        ]
        if self._mask is not None and touches_border(self._mask):  # held in a hand
            return float(part.mean()) < HELD_CHANGE
        return int(np.count_nonzero(part >= UNCHANGED)) <= FEW_OF_IT * part.size

    def _explained(self, now: Small, mask: Mask, patches: list[Thing]) -> Mask:
        """Without the differences that only a bumped camera makes, or an old mistake."""
        assert self._counter is not None
        bumped = self._counter.bumped(now, mask)
        if bumped is not None:
            self._counter, mask = bumped, bumped.foreground(now)
            patches = things(mask)
        for one in patches:
            if self._counter.learned_with(one, now):
                gone = cv2.dilate(one.mask, np.ones((9, 9), np.uint8)) > 0
                self._counter.put_right(gone, now)
                mask = np.asarray(np.where(gone, 0, mask), np.uint8)
        return mask

    def _quiet(self, glance: Small) -> bool:
        return self._anchor is not None and _few(difference(glance, self._anchor))

    def _learn_first(self, now: Small, steady: bool) -> None:
        self._first = [*self._first, now] if steady else [now]
        if steady or self._strange_since == 0:
            self._strange_since = self.at
        if len(self._first) >= FIRST_LOOKS or self.at - self._strange_since >= RELEARN_S:
            self._take(np.mean(self._first, axis=0).round().astype(np.uint8))
            self._first = []

    def _take(self, ground: Small) -> None:
        self._counter = Counter(ground)
        self._view = self._anchor = self._mask = None

    def _follow(self, now: Small) -> None:
        """Let the counter follow the light by the time since it last did, a second at most."""
        seconds = min(self.at - self._followed, 1.0)
        if self._counter is not None and seconds > 0:
            self._followed = self.at
            bare = self._mask is not None and not self._mask.any()
            self._counter.follow(now, seconds, bare)

    def _relearn(self, now: Small, strange: bool) -> None:
        if not strange:
            self._strange_since = self.at
        elif self.at - self._strange_since >= RELEARN_S:
            self._counter = Counter(now)
            self._strange_since, self._settled = self.at, False

    # Without one.

    def _look_without(self, image: Image, glance: Small, steady: bool) -> View:
        change = self._view.change if self._view is not None else 0
        held = self._anchor is not None and (
            float(difference(glance, self._anchor).mean()) < HELD_CHANGE
        )
        if not held:
            self._since, self._anchor, change = self.at, glance, change + 1
            close = salient(image)
            height, width = image.shape[:2]
            box = centre_square(image) if close is None else _square(close, 1, width, height)
        else:
            assert self._view is not None
            box, close = self._view.box, self._view.close
        state = State.REST if self.at - self._since >= REST_S else State.MOVING
        self._view = View(state, False, box, steady, close, 1, change, change)
        return self._view


def _glance(image: Image) -> Small:
    """A frame at the least scale, smoothed; four pixels make one, the others are not read."""
    height = max(1, round(image.shape[0] * GLANCE / image.shape[1]))
    shrunk = cv2.resize(image, (GLANCE, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.GaussianBlur(shrunk, (5, 5), 0), np.uint8)


def _rest_s(view: View) -> float:
    return GONE_S if view.empty else REST_S


def _few(apart: Mask) -> bool:
    return int(np.count_nonzero(apart >= UNCHANGED)) <= FEW


def _square(box: Box, scale: float, width: int, height: int) -> Box:
    """A square around `box` (in small pixels) with margin, kept inside the frame."""
    side = max(box.width, box.height) * scale * (1 + 2 * MARGIN)
    x = (box.x + box.width / 2) * scale - side / 2
    y = (box.y + box.height / 2) * scale - side / 2
    w, h = min(round(side), width), min(round(side), height)
    return Box(int(np.clip(round(x), 0, width - w)), int(np.clip(round(y), 0, height - h)), w, h)
