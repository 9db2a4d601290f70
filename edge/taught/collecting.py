"""Collect views of a thing that the staff hold before the camera and turn."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from catalog.core.box import Box
from edge.sighting import Frame, Image
from edge.taught.whole_thing import whole_thing
from edge.vision.codes import read_codes, two_looks
from edge.vision.picture_search import Observation
from edge.vision.scene import Activity, SceneState
from edge.vision.view_selection import LEAST_DIFFERENCE, signature

WANTED, MOST = 3, 8  # views
PICTURE_SIDE = 640  # pixels, longer side of a view's picture
LONGEST_S = 600.0  # without a question for the state, nobody teaches any more

log = logging.getLogger(__name__)
_ids = itertools.count(1)

Stage = Literal["show", "still", "turn", "done"]


@dataclass(frozen=True)
class View:
    """A view that was taken.

    Attributes:
        id: Its number among all views of this process.
        picture: The thing on a light background, BGR uint8 (h, w, 3).
        raw: The network's own output for it, float32 (k,); None where it did not see it yet.
        box: Where the thing lay in the frame.
        frame_size: Width and height of the frame.
        network: The id of the network.
    """

    id: int
    picture: Image
    raw: NDArray[np.float32] | None
    box: Box
    frame_size: tuple[int, int]
    network: str


@dataclass(frozen=True)
class Progress:
    """How far the views are.

    Attributes:
        stage: What to do now: "show" a thing, hold it "still", "turn" it, or "done": there are
            enough views, and further ones help.
        views: The views that were taken.
        box: Where the thing is in the newest frame; None where none is seen.
        frame_size: Width and height of the newest frame; zeros before the first.
        code: The text of a code that was read on the thing; empty where none was.
        gtin: Its product number; empty where it is none.
        seen_already: Whether the newest look resembles a view that was taken.
        most: How many views are taken: what comes before the camera while somebody types a name
            must not become one.
    """

    stage: Stage = "show"
    views: tuple[View, ...] = ()
    box: Box | None = None
    frame_size: tuple[int, int] = (0, 0)
    code: str = ""
    gtin: str = ""
    seen_already: bool = False
    most: int = WANTED


class ViewCollector:
    """Takes views from what the recognizer observes, while somebody teaches.

    The recognizer's thread calls `observed`; any other thread begins, asks and ends.

    Args:
        clock: Tells monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._asked_at = 0.0

    def begin(self) -> None:
        """Begin anew, without views."""
        with self._lock:
            self._progress, self._asked_at = Progress(), self._clock()

    def take_more(self) -> bool:
        """Take further views than are wanted; whether somebody teaches."""
        with self._lock:
            if self._progress is None:
                return False
            self._progress = replace(self._progress, most=MOST)
            return True

    def end(self) -> None:
        """Stop, and forget the views."""
        with self._lock:
            self._progress = None

    def progress(self) -> Progress | None:
        """How far the views are; None where nobody teaches."""
        with self._lock:
            self._asked_at = self._clock()
            return self._progress

    def remove(self, view_id: int) -> bool:
        """Drop a view; whether there was one."""
        with self._lock:
            progress = self._progress
            views = progress.views if progress is not None else ()
            left = tuple(view for view in views if view.id != view_id)
            if progress is not None:
                self._progress = replace(progress, views=left)
            return len(left) < len(views)

    def observed(self, frame: Frame, observation: Observation) -> None:
        """Take in what the recognizer made of a frame."""
        with self._lock:
            before = self._progress
            if before is not None and self._clock() - self._asked_at > LONGEST_S:
                self._progress = before = None
        if before is None or observation.scene is None:
            return
        try:
            after = _after(before, frame, observation, observation.scene)
        except Exception:  # teaching must not stop the recognition
            log.exception("a view cannot be taken")
            return
        with self._lock:
            if self._progress is before:  # else somebody began anew, or removed a view
                self._progress = after


def _after(before: Progress, frame: Frame, observation: Observation, scene: SceneState) -> Progress:
    """The progress after a frame."""
    size = (frame.image.shape[1], frame.image.shape[0])
    thing = None if scene.activity is Activity.EMPTY else whole_thing(scene, size)
    views, code, gtin, seen = before.views, before.code, before.gtin, before.seen_already
    if thing is not None and observation.features is not None and len(views) < before.most:
        picture = thing.picture(frame.image, PICTURE_SIDE)
        seen = any(_alike(picture, view.picture) for view in views)
        if not seen:
            network = observation.bundle.featurizer.network_id
            raw = None if thing.is_united else observation.features
            views = (*views, View(next(_ids), picture, raw, thing.box, size, network))
        if not code:
            found = next(read_codes(two_looks(thing.square.cut(frame.image))), None)
            code, gtin = (found.text, found.gtin) if found is not None else ("", "")
    if scene.activity is Activity.MOVING:
        seen = False
    return Progress(
        _stage(len(views), scene.activity),
        views,
        None if thing is None else thing.box,
        size,
        code,
        gtin,
        seen,
        before.most,
    )


def _stage(views: int, activity: Activity) -> Stage:
    if views >= WANTED:
        return "done"
    if activity is Activity.MOVING:
        return "still"
    if activity is Activity.EMPTY:
        return "show"
    return "turn" if views else "still"


def _alike(picture: Image, other: Image) -> bool:
    return float(1 - signature(picture) @ signature(other)) < LEAST_DIFFERENCE
