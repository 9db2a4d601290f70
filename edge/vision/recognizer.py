"""Frame to opinion: find the thing, embed it, read its print, and judge.

The vectors of several looks are averaged; what is printed is read once, from the sharpest look.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.bundle import Bundle, Match
from catalog.core.photos import shrink
from catalog.recognition.candidates import QueryDescriptors
from catalog.recognition.decision import Verdict
from edge.sighting import Box, Frame, Image, Look, Timings
from edge.vision.codes import Code, CodeReader, spellings
from edge.vision.images import crop, on_light_ground, sharpness
from edge.vision.scene import Scene, State, View
from edge.vision.verdict import NOTHING, Opinion, judge

LOOKS = 5  # the newest ones that are averaged
BLURRED = 0.35  # of the sharpest look in the window; below it a look is dropped
LEAST_LOOKS, MOST_LOOKS = 2, 12  # before anything is said
FOCUSING = 1.15  # times as sharp as all looks before: the camera is still focusing
AWAKE_S = 0.1  # between looks while something is going on
ABSENT_S = 1.0  # without a thing, though the scene is not empty: nothing is said any more
CODE_FRAMES = 3  # in which codes are looked for
CANDIDATES = 6
LOOK_SIDE = 240  # pixels, longer side of a look, unless the network wants more


@dataclass(frozen=True)
class Observation:
    """What one frame added: the opinion held now, whether it is news, what was searched.

    `bundle`: the one that was searched; `still`: the thing has not changed since it was
    named, nothing was computed; `view`: what the scene is, None where it is not known;
    `code`: what is written in the code that named the item; `raw`: the network's own output,
    float32 (d,), for the newest sharp look.
    """

    bundle: Bundle
    opinion: Opinion
    news: bool
    look: Look | None
    found: tuple[Match, ...]
    timings: Timings
    still: bool = False
    view: View | None = None
    code: str = ""
    raw: NDArray[np.float32] | None = None


class Recognizer:
    """Recognizes things with one bundle. Used by one thread; `search` by any."""

    def __init__(self, bundle: Bundle, exact: bool = False) -> None:
        self.bundle = bundle
        self._exact = exact
        self._scene = Scene()
        self._said, self._several = NOTHING, False
        self._window: deque[Look] = deque(maxlen=LOOKS)
        self._taken = 0  # looks at this thing
        self._crops: deque[Image] = deque(maxlen=CODE_FRAMES)  # at the camera's resolution
        self._codes = CodeReader()
        self._change = self._answered = -1  # the scene's changes that were seen and answered
        self._visit = -1  # what was said is of this one
        self._present = 0.0  # when the thing was last seen, by the scene's clock
        self.awake = True  # something is going on: look again soon

    def learn_background(self, wanted: bool) -> None:
        """Whether the scene has a background that can be learned; see `Scene`."""
        if wanted != self._scene.learns_background:
            self._scene, self._present = Scene(wanted), 0.0
            self.reset()

    def use(self, bundle: Bundle) -> None:
        """Go on with another bundle; what the scene looks like is still known."""
        self.bundle = bundle
        self.reset()

    def reset(self) -> None:
        """Forget the looks and the opinion, as after the camera was away."""
        self._forget_thing()
        self._said, self._several = NOTHING, False
        self.awake = True

    def see(self, frame: Frame) -> Observation:
        """Take a look at a frame; a thing is named once it has come to rest."""
        start = time.perf_counter()
        view = self._scene.look(frame.image, frame.at)
        self.awake = view.state is State.MOVING
        if view.state is State.EMPTY:
            self._forget_thing()
            return self._conclude(NOTHING, view, None, (), self._timed(frame, start))
        if view.close is not None:
            self._present = self._scene.at
        elif self._scene.learns_background and self._scene.at - self._present >= ABSENT_S:
            self._forget_thing()  # nobody knows what that is: a hand, another counter
            return self._conclude(NOTHING, view, None, (), self._timed(frame, start))
        answered = view.state is State.REST and view.change == self._answered
        if answered or (view.close is None and self._scene.learns_background):
            timings = self._timed(frame, start)
            return Observation(self.bundle, self._said, False, None, (), timings, answered, view)
        if view.change != self._change:
            self._forget_thing()
            self._change = view.change
        look = take(self.bundle, frame.image, view.box, view.thing)
        self._window.append(look)
        self._taken += 1
        self._crops.append(crop(frame.image, view.box))
        timings = self._timed(frame, start)
        if view.state is not State.REST or not self._focused():
            self.awake = True
            return Observation(self.bundle, self._said, False, look, (), timings, False, view)
        self._answered = view.change

        start = time.perf_counter()
        raw = self.bundle.featurizer.raw(self._sharp())
        vector = _fused(self.bundle.featurizer.vectors(raw))
        timings = replace(timings, embed=_ms(start))

        start = time.perf_counter()
        sharpest = max(self._window, key=lambda one: one.sharpness)
        seen = self.bundle.describe(sharpest.image)
        found = self.bundle.identify(vector, seen, CANDIDATES, self._exact)
        timings = _searched(timings, seen, start)
        opinion = judge(found, self.bundle.manifest.calibration, self._said)
        if view.visit == self._visit and _sure(opinion) < _sure(self._said):
            opinion = self._said  # it was turned, or the light changed: nobody exchanged it
        self._visit = view.visit
        code, named = by_code(self.bundle, self._codes, self._crops)
        if named is not None:
            opinion, found = Opinion(Verdict.MATCH, (named,)), [named]
        concluded = self._conclude(opinion, view, look, tuple(found), timings, code)
        return replace(concluded, raw=raw[-1])

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
        seen = bundle.describe(look.image)
        found = bundle.identify(vector, seen, CANDIDATES, self._exact)
        timings = _searched(Timings(look=looked, embed=embedded), seen, start)
        opinion = judge(found, bundle.manifest.calibration)
        # A QR code only: bars are believed in two pictures.
        code, named = by_code(bundle, CodeReader(), [image if box is None else crop(image, box)])
        if named is not None:
            opinion, found = Opinion(Verdict.MATCH, (named,)), [named]
        return Observation(bundle, opinion, True, look, tuple(found), timings, code=code)

    def _focused(self) -> bool:
        """Whether there are looks enough, and the newest is not the sharpest by far."""
        *before, newest = [one.sharpness for one in self._window]
        if len(before) + 1 < LEAST_LOOKS:
            return False
        return newest <= FOCUSING * max(before) or self._taken >= MOST_LOOKS

    def _sharp(self) -> list[Image]:
        """The newest looks at this thing, blurred ones left out."""
        sharpest = max(one.sharpness for one in self._window)
        return [one.image for one in self._window if one.sharpness >= BLURRED * sharpest]

    def _conclude(
        self,
        opinion: Opinion,
        view: View,
        look: Look | None,
        found: tuple[Match, ...],
        timings: Timings,
        code: str = "",
    ) -> Observation:
        several = view.things > 1
        news = (opinion.subject, several) != (self._said.subject, self._several)
        if news:
            self._said, self._several = opinion, several
        return Observation(self.bundle, self._said, news, look, found, timings, False, view, code)

    def _forget_thing(self) -> None:
        self._window.clear()
        self._taken = 0
        self._crops.clear()
        self._answered = self._change = -1

    @staticmethod
    def _timed(frame: Frame, start: float) -> Timings:
        return Timings(capture=frame.capture_ms, look=_ms(start))


def _sure(opinion: Opinion) -> float:
    """How sure it is of the first item that it names."""
    return (opinion.matches[0].confidence or 0.0) if opinion.matches else 0.0


def next_look_s(recognizer: Recognizer, interval_s: float) -> float:
    """Seconds until the next look is worth its while: soon where something is going on."""
    return min(interval_s, AWAKE_S) if recognizer.awake else interval_s


def by_code(
    bundle: Bundle, reader: CodeReader, pictures: Iterable[Image]
) -> tuple[str, Match | None]:
    """What a code in pictures of one thing says, and the item that it names: a certain match."""

    def named(code: Code) -> Match | None:
        item = bundle.items.with_code(spellings(code.text))
        photos = [] if item is None else bundle.photos(item.sku)
        return Match(photos[0].sku, photos[0].number, 1.0, 1.0) if photos else None

    code = reader.read(pictures, lambda code: named(code) is not None)
    return ("", None) if code is None else (code.text, named(code))


def take(bundle: Bundle, image: Image, box: Box, thing: NDArray[np.float32] | None = None) -> Look:
    """The look at `box` of a frame: no larger than the network wants, on a light ground.

    `thing` says which of its pixels are the thing's, as `edge.vision.scene.View` does.
    """
    part = shrink(crop(image, box), max(LOOK_SIDE, bundle.featurizer.descriptor.enough))
    clear = sharpness(part)
    return Look(part if thing is None else on_light_ground(part, thing), box, clear)


def _searched(timings: Timings, seen: QueryDescriptors, start: float) -> Timings:
    """With the time since `start`, for a catalogue that keeps print or one that does not."""
    took = _ms(start)
    if seen.description is not None:
        return replace(timings, verify=took)
    return replace(timings, search=took)


def _fused(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the vectors (n, d) of several looks at one thing; length 1."""
    mean = np.mean(vectors, axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)


def _ms(start: float) -> float:
    return (time.perf_counter() - start) * 1000
