"""Frame to opinion: find the thing, embed it, read its print once it rests, and judge.

The vectors of several looks are averaged; what is printed is read once, from the sharpest look.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from catalog.bundle import Bundle, Match
from catalog.evidence import Print
from catalog.photos import shrink
from edge.scene import Scene, Stillness, crop, on_light_ground, sharpness
from edge.sighting import Box, Frame, Image, Look, Timings
from edge.verdict import NOTHING, Opinion, Steadfast, judge

LOOKS = 5  # the newest ones that are averaged
BLURRED = 0.35  # of the sharpest look in the window; below it a look is dropped
SAME_PLACE = 0.5  # intersection over union of two boxes; below it the thing has moved
RESTING = 2  # looks in one place, from which its print is read
CANDIDATES = 6
LOOK_SIDE = 240  # pixels, longer side of a look, unless the network wants more


@dataclass(frozen=True)
class Observation:
    """What one frame added: the opinion held now, whether it is news, what was searched.

    `bundle`: the one that was searched; `still`: the scene has not changed since the opinion
    settled, nothing was computed; `raw`: the network's own output, float32 (d,), for the look.
    """

    bundle: Bundle
    opinion: Opinion
    news: bool
    look: Look | None
    found: tuple[Match, ...]
    timings: Timings
    still: bool = False
    raw: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class _Seen:
    vector: NDArray[np.float32]
    look: Look


class Recognizer:
    """Recognizes things with one bundle. Used by one thread; `search` by any."""

    def __init__(self, bundle: Bundle, exact: bool = False) -> None:
        self.bundle = bundle
        self._exact = exact
        self._scene = Scene()
        self._still = Stillness()
        self._mind = Steadfast()
        self._window: deque[_Seen] = deque(maxlen=LOOKS)
        self._print: Print | None = None  # of the thing at rest
        self._read: _Seen | None = None  # the look it was read from
        self._settled = 0  # looks that confirmed the current opinion

    def learn_background(self, wanted: bool) -> None:
        """Whether the scene has a background that can be learned; see `Scene`."""
        if wanted != self._scene.learns_background:
            self._scene = Scene(wanted)
            self.reset()

    def use(self, bundle: Bundle) -> None:
        """Go on with another bundle; what the scene looks like is still known."""
        self.bundle = bundle
        self.reset()

    def reset(self) -> None:
        """Forget the looks and the opinion, as after the camera was away."""
        self._gone()
        self._still.forget()
        self._mind = Steadfast()
        self._settled = 0

    def see(self, frame: Frame) -> Observation:
        """Take a look at a frame."""
        start = time.perf_counter()
        view = self._scene.look(frame.image)  # also while still: a moved camera is learned
        if not view.empty and self._settled >= LOOKS and self._still.holds(frame.image):
            timings = Timings(capture=frame.capture_ms, look=_ms(start))
            return Observation(
                self.bundle, self._mind.current, False, None, (), timings, still=True
            )
        if view.empty:
            self._gone()
            timings = Timings(capture=frame.capture_ms, look=_ms(start))
            return self._conclude(frame, NOTHING, None, (), timings)
        look = take(self.bundle, frame.image, view.box, view.thing)
        timings = Timings(capture=frame.capture_ms, look=_ms(start))

        start = time.perf_counter()
        raw = self.bundle.featurizer.raw([look.image])
        vector = self.bundle.featurizer.vectors(raw)[0]
        timings = replace(timings, embed=_ms(start))

        start = time.perf_counter()
        fused = self._fused(vector, look)
        resting = len(self._window) >= RESTING  # else it may still be on its way
        if resting and not any(one is self._read for one in self._window):
            self._read = max(self._window, key=lambda one: one.look.sharpness)
            self._print = self.bundle.print_of(self._read.look.image)
        found = self.bundle.answer(fused, self._print, CANDIDATES, self._exact)
        took = _ms(start)
        timings = replace(timings, **{"verify" if resting else "search": took})
        opinion = judge(found, self.bundle.manifest.calibration, self._mind.current)
        return replace(self._conclude(frame, opinion, look, tuple(found), timings), raw=raw[0])

    def search(self, image: Image, box: Box | None) -> Observation:
        """Search with one picture, BGR uint8 (h, w, 3), or its part in `box`; remembers nothing."""
        bundle = self.bundle  # the loop may change it meanwhile
        start = time.perf_counter()
        height, width = image.shape[:2]
        look = take(bundle, image, box or Box(0, 0, width, height))
        looked = _ms(start)
        start = time.perf_counter()
        vector = bundle.featurizer.embed([look.image])[0]
        embedded = _ms(start)
        start = time.perf_counter()
        found = bundle.answer(vector, bundle.print_of(look.image), CANDIDATES, self._exact)
        timings = Timings(look=looked, embed=embedded, verify=_ms(start))
        opinion = judge(found, bundle.manifest.calibration)
        return Observation(bundle, opinion, True, look, tuple(found), timings)

    def _gone(self) -> None:
        """What was there is not there any more."""
        self._window.clear()
        self._print = self._read = None

    def _fused(self, vector: NDArray[np.float32], look: Look) -> NDArray[np.float32]:
        """The mean of the newest looks at this thing, blurred ones left out; length 1."""
        if self._window and overlap(self._window[-1].look.box, look.box) < SAME_PLACE:
            self._gone()
        self._window.append(_Seen(vector, look))
        sharpest = max(one.look.sharpness for one in self._window)
        sharp = [one.vector for one in self._window if one.look.sharpness >= BLURRED * sharpest]
        mean = np.mean(sharp, axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)

    def _conclude(
        self,
        frame: Frame,
        opinion: Opinion,
        look: Look | None,
        found: tuple[Match, ...],
        timings: Timings,
    ) -> Observation:
        confirmed = opinion.subject == self._mind.current.subject
        news = self._mind.hear(opinion)
        self._settled = self._settled + 1 if confirmed else 0
        # Stillness is for a thing at rest; an empty scene is cheap and its light is followed.
        if self._settled == LOOKS and look is not None:
            self._still.keep(frame.image)
        elif self._settled < LOOKS:
            self._still.forget()
        return Observation(self.bundle, self._mind.current, news, look, found, timings)


def take(bundle: Bundle, image: Image, box: Box, thing: NDArray[np.float32] | None = None) -> Look:
    """The look at `box` of a frame: no larger than the network wants, on a light ground.

    `thing` says which of its pixels are the thing's, as `edge.scene.View` does.
    """
    part = shrink(crop(image, box), max(LOOK_SIDE, bundle.featurizer.descriptor.enough))
    clear = sharpness(part)
    return Look(part if thing is None else on_light_ground(part, thing), box, clear)


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (one.width * one.height + other.width * other.height - both)


def _ms(start: float) -> float:
    return (time.perf_counter() - start) * 1000
