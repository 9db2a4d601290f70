"""From frame to decision: find the thing, embed it, search the catalogue, and decide.

The vectors of several crops are averaged. Local features are read once, when the thing is at rest
and in focus, from the sharpest crop. Codes are read once, in the frame after the first answer, so
that it does not wait for them. If no code names an item, the words on the thing are read on another
thread. Both together may refine the answer once.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.bundle import Bundle
from catalog.core.box import Box
from catalog.networks.finder import Findings, find_things
from catalog.recognition.decision import Verdict
from catalog.recognition.foreign_share import evidence
from edge.errors import NoCatalogueError
from edge.sighting import Crop, Frame, Image, Timings
from edge.vision.changing_scene import ChangingScene
from edge.vision.fixed_scene import FixedScene
from edge.vision.images import sharpness
from edge.vision.picture_search import (
    CANDIDATES,
    CodeReading,
    Observation,
    elapsed_ms,
    make_crop,
    read_thing,
    search_picture,
    with_search_time,
)
from edge.vision.scene import Activity, Scene, SceneState
from edge.vision.text_reading import NO_READING, TextReading, WordReading
from edge.vision.verdict import NOTHING, Decision, decide

AVERAGED_CROPS = 5  # the newest ones
LEAST_SHARPNESS = 0.35  # of the sharpest of these; more blurred ones are left out
LEAST_CROPS, MOST_CROPS = 2, 12  # before a decision
FOCUSING = 1.15  # times as sharp as all crops before: the camera is still focusing
ACTIVE_INTERVAL_S = 0.1  # between two analysed frames while something goes on
ABSENT_S = 1.0  # without a thing before a scene that is not empty: the verdict ends
CODE_IMAGES = 3  # in which codes are looked for


class Recognizer:
    """Recognizes things with one bundle.

    One thread uses it; `search` may be called by any thread.

    Attributes:
        open_bundle: The open bundle; None where none is.
        foreign_share: The share of foreign things that confidence is corrected to; None for the
            one that the bundle's calibration is stated for.

    Args:
        bundle: The open bundle; None to learn the background alone until there is one.
        text: Reads the words on a thing.
        exact: Compare with every vector instead of asking the index.
    """

    def __init__(
        self, bundle: Bundle | None, text: TextReading = NO_READING, *, exact: bool = False
    ) -> None:
        self.open_bundle = bundle
        self.foreign_share: float | None = None
        self.active = True  # whether something goes on, so that the next frame should come soon
        self._text = text
        self._exact = exact
        self._scene: Scene = FixedScene(self._find)
        self._decision, self._several_things = NOTHING, False
        self._decided_visit = -1  # the scene's visit that the decision is about
        self._reading = CodeReading()  # that the decision takes into account
        self._answer: Observation | None = None  # to this rest, as long as it may be refined
        self._codes = CodeReading()  # of this rest, until the words have been read
        self._words: Future[WordReading] | None = None
        self._thing_seen_at = 0.0  # by the scene's clock
        self._crops: deque[Crop] = deque(maxlen=AVERAGED_CROPS)
        self._crop_count = 0  # of this thing
        self._code_images: deque[Image] = deque(maxlen=CODE_IMAGES)  # at the camera's resolution
        self._change = self._decided_change = -1  # the scene's changes, seen and decided about

    @property
    def bundle(self) -> Bundle:
        """The open bundle.

        Raises:
            NoCatalogueError: None is open.
        """
        bundle = self.open_bundle
        if bundle is None:
            raise NoCatalogueError("no catalogue is open")
        return bundle

    def learn_background(self, *, learn: bool) -> None:
        """Set whether there is a background that can be learned; see `edge.vision.scene`."""
        if learn != self._scene.learns_background:
            self._scene = FixedScene(self._find) if learn else ChangingScene(self._find)
            self._thing_seen_at = 0.0
            self.reset()

    @property
    def camera_moves(self) -> bool:
        """Whether the camera trembles or is carried, so that no background can be learned."""
        return self._scene.camera_moves

    def use(self, bundle: Bundle | None) -> None:
        """Continue with another bundle, or with none; the background stays known."""
        self.open_bundle = bundle
        self.reset()

    def reset(self) -> None:
        """Forget the crops and the decision, as after the camera was away."""
        self._forget_thing()
        self._decision, self._several_things, self._reading = NOTHING, False, CodeReading()
        self.active = True

    def next_interval_s(self, interval_s: float) -> float:
        """Seconds until the next frame should be analysed: soon while something goes on."""
        return min(interval_s, ACTIVE_INTERVAL_S) if self.active else interval_s

    def watch(self, frame: Frame) -> None:
        """Follow the scene, so that its background is known when a bundle is opened."""
        self._scene.update(frame.image, frame.at)

    def observe(self, frame: Frame) -> Observation:
        """Analyse a frame; a thing is named once it has come to rest.

        Raises:
            NoCatalogueError: No bundle is open.
        """
        start = time.perf_counter()
        scene = self._scene.update(frame.image, frame.at)
        self.active = scene.activity is Activity.MOVING
        if scene.activity is Activity.EMPTY or self._is_absent(scene):
            self._forget_thing()
            self._text.warm_up()
            return self._conclude(NOTHING, CodeReading(), scene, _timed(frame, start))
        unchanged = scene.activity is Activity.REST and scene.change == self._decided_change
        if unchanged and self._answer is not None:
            return self._refine(self._answer, frame, scene, _timed(frame, start))
        if unchanged or (scene.thing_box is None and self._scene.has_background):
            return Observation(
                self.bundle,
                self._decision,
                decision_changed=False,
                timings=_timed(frame, start),
                thing_unchanged=unchanged,
                scene=scene,
            )
        crop = self._collect_crop(frame.image, scene)
        timings = _timed(frame, start)
        if scene.activity is not Activity.REST or not self._in_focus():
            self.active = True
            return Observation(
                self.bundle,
                self._decision,
                decision_changed=False,
                crop=crop,
                timings=timings,
                scene=scene,
            )
        self._decided_change = scene.change
        return self._recognize(scene, crop, timings)

    def search(self, image: Image, box: Box | None) -> Observation:
        """Search with one picture, BGR uint8 (h, w, 3), or its part in `box`; remembers nothing."""
        share = self.foreign_share
        return search_picture(
            self.bundle, image, box, self._text, exact=self._exact, foreign_share=share
        )

    def _find(self, image: Image) -> Findings:
        bundle = self.open_bundle
        return find_things(image, "auto" if bundle is None else bundle.featurizer.engine)

    def _is_absent(self, scene: SceneState) -> bool:
        """Whether no thing has been found for a while, though the scene is not empty.

        Something is there that is not known: a hand, or another counter.
        """
        if scene.thing_box is not None:
            self._thing_seen_at = self._scene.time
            return False
        absent_s = self._scene.time - self._thing_seen_at
        return self._scene.has_background and absent_s >= ABSENT_S

    def _collect_crop(self, image: Image, scene: SceneState) -> Crop:
        """Cut the thing out and add it to the crops of this thing."""
        self._turn_to(scene.change)
        crop = make_crop(self.bundle, image, scene.box, scene.alpha)
        self._crops.append(crop)
        self._crop_count += 1
        self._code_images.append(scene.box.cut(image))
        return crop

    def _recognize(self, scene: SceneState, crop: Crop, timings: Timings) -> Observation:
        """Search the catalogue with the crops of a thing at rest, and decide."""
        start = time.perf_counter()
        crops = self._sharp_crops()
        sharpest = max(range(len(crops)), key=lambda number: crops[number].sharpness)
        images = [crop.image for crop in crops]
        features = self.bundle.featurizer.raw_views(images, sharpest)
        vector = _mean(self.bundle.featurizer.vectors(features))
        timings = replace(timings, embed=elapsed_ms(start))

        start = time.perf_counter()
        query = self.bundle.describe(images[sharpest])
        share = self.foreign_share
        found = self.bundle.identify(
            vector, query, CANDIDATES, exact=self._exact, foreign_share=share
        )
        timings = with_search_time(timings, query, start)
        calibration = self.bundle.manifest.calibration
        decision = decide(found, calibration, self._decision)
        same_visit = scene.visit == self._decided_visit
        reading = self._reading if same_visit else CodeReading()
        if same_visit and (reading.match or decision.strength < self._decision.strength):
            decision = self._decision  # it was only turned, or lit in another way
        self._decided_visit = scene.visit
        observation = self._conclude(decision, reading, scene, timings)
        said = evidence(
            sum(match.confidence or 0.0 for match in found),
            sum(match.confidence or 0.0 for match in found if match.sku in self._decision.answer),
            calibration.foreign_share if share is None else share,
        )
        observation = replace(
            observation, crop=crop, found=tuple(found), features=features[-1], evidence=said
        )
        self._answer, self._words = None, None
        if self.bundle.may_have_codes or self._wants_text(decision):
            self._answer, self.active = observation, True
        return observation

    def _refine(
        self, answer: Observation, frame: Frame, scene: SceneState, timings: Timings
    ) -> Observation:
        """Read the codes on a thing at rest, else its words; then refine the first answer once."""
        self.active = True
        self._turn_to(scene.change)
        if self._words is None:
            start = time.perf_counter()
            self._code_images.append(scene.box.cut(frame.image))
            codes = read_thing(self.bundle, self._code_images)
            if self.bundle.may_have_codes:
                timings = replace(timings, code=elapsed_ms(start))
            if codes.match is None and self._wants_text(self._decision):
                sharpest = max(self._code_images, key=sharpness)
                self._codes = codes
                self._words = self._text.start(self.bundle, answer.found, sharpest)
                self._answer = replace(answer, timings=answer.timings + timings)
                return self._unchanged(scene, timings)
            return self._conclude_refined(answer, codes, scene, timings)
        if not self._words.done():
            return self._unchanged(scene, timings)
        words = self._words.result()
        timings = replace(timings, text=words.ms)
        return self._conclude_refined(answer, self._codes, scene, timings, words)

    def _conclude_refined(
        self,
        answer: Observation,
        codes: CodeReading,
        scene: SceneState,
        timings: Timings,
        words: WordReading | None = None,
    ) -> Observation:
        """Refine the first answer by a code, or by words, and look for nothing more."""
        self._answer, self._words, self.active = None, None, False
        self._code_images.clear()
        if codes.match is None and (self._reading.match is not None or not codes.unknown_gtin):
            codes = self._reading  # of another side of this thing
        decision, found = self._decision, answer.found
        if codes.match is not None:
            decision, found = Decision(Verdict.MATCH, (codes.match,)), (codes.match,)
        elif words is not None and words.found != found:
            found = words.found[:CANDIDATES]
            decision = decide(found, self.bundle.manifest.calibration, self._decision)
        observation = self._conclude(decision, codes, scene, timings)
        if not observation.decision_changed:
            return replace(observation, thing_unchanged=True)
        lines = words.lines if words is not None else ()
        return replace(
            observation, earlier=answer.timings, crop=answer.crop, found=found, lines=lines
        )

    def _unchanged(self, scene: SceneState, timings: Timings) -> Observation:
        return Observation(
            self.bundle,
            self._decision,
            decision_changed=False,
            timings=timings,
            thing_unchanged=True,
            scene=scene,
        )

    def _wants_text(self, decision: Decision) -> bool:
        some_without_photo = self.bundle.items.some_without_photo
        return self._text.wanted(decision, some_without_photo=some_without_photo)

    def _in_focus(self) -> bool:
        """Whether there are enough crops, and the newest is not by far the sharpest."""
        *before, newest = [crop.sharpness for crop in self._crops]
        if len(before) + 1 < LEAST_CROPS:
            return False
        return newest <= FOCUSING * max(before) or self._crop_count >= MOST_CROPS

    def _sharp_crops(self) -> list[Crop]:
        """The newest crops of this thing, without the blurred ones."""
        sharpest = max(crop.sharpness for crop in self._crops)
        return [crop for crop in self._crops if crop.sharpness >= LEAST_SHARPNESS * sharpest]

    def _conclude(
        self, decision: Decision, reading: CodeReading, scene: SceneState, timings: Timings
    ) -> Observation:
        """Replace the decision, unless the new one is about the same subject and no new code."""
        several = scene.things > 1
        before = self._decision.subject, self._several_things
        new_code = reading not in (self._reading, CodeReading())
        changed = new_code or (decision.subject, several) != before
        self._reading = reading
        if changed:
            self._decision, self._several_things = decision, several
        return Observation(
            self.bundle,
            self._decision,
            decision_changed=changed,
            timings=timings,
            scene=scene,
            code=self._reading.text,
            unknown_gtin=self._reading.unknown_gtin,
        )

    def _forget_thing(self) -> None:
        self._turn_to(-1)
        self._answer, self._words = None, None
        self._decided_change = -1

    def _turn_to(self, change: int) -> None:
        """Begin to collect crops of another thing, or of another look of it.

        The decision stays: what came may be only an arm that goes away again.
        """
        if change == self._change:
            return
        self._crops.clear()
        self._crop_count = 0
        self._code_images.clear()
        self._change = change


def _timed(frame: Frame, start: float) -> Timings:
    return Timings(capture=frame.capture_ms, look=elapsed_ms(start))


def _mean(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the vectors (n, d) of several crops of one thing, made (d,) of length 1."""
    mean = np.mean(vectors, axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)
