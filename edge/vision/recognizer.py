"""From frame to decision: find the thing, embed it, search the catalogue, and decide.

The vectors of several crops are averaged. Local features are read once, when the thing is at rest
and in focus, from the sharpest crop. Codes and words may refine the answer once.

The thing that leads is answered first. Then the others that rest beside it are, one a frame.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.bundle import Bundle
from catalog.bundles.match import Match
from catalog.core.box import Box
from catalog.networks.finder import Findings, find_things
from catalog.recognition.decision import Verdict
from catalog.recognition.foreign_share import Evidence, evidence
from edge.errors import NoCatalogueError
from edge.sighting import Crop, Frame, Image, Timings
from edge.vision.changing_scene import ChangingScene
from edge.vision.exchange import look_different
from edge.vision.fixed_scene import FixedScene
from edge.vision.looks import Looks
from edge.vision.picture_search import (
    CANDIDATES,
    Beside,
    CodeReading,
    Observation,
    elapsed_ms,
    read_thing,
    search_picture,
)
from edge.vision.refinement import Refinement, wants_words
from edge.vision.scene import Activity, Scene, SceneState, SceneThing
from edge.vision.text_reading import NO_READING, TextReading
from edge.vision.thing_search import search_thing
from edge.vision.things_at_rest import Known, ThingsAtRest
from edge.vision.verdict import NOTHING, Decision, decide

ACTIVE_INTERVAL_S = 0.1  # between two analysed frames while something goes on
LEAST_INTERVAL_S = 0.02  # between two analysed frames
ABSENT_S = 1.0  # without a thing before a scene that is not empty: the verdict ends


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
        self._lacks_looks = False  # whether a thing is at rest that was hardly looked at
        self._text = text
        self._exact = exact
        self._scene: Scene = FixedScene(self._find)
        self._is_folder = False
        self._decision = NOTHING
        self._decided_visit = -1  # the scene's visit that the decision is about
        self._decided_features: NDArray[np.float32] | None = None  # of that thing
        self._reading = CodeReading()  # that the decision takes into account
        self._refinement: Refinement | None = None  # of the answer to this rest
        self._thing_seen_at = 0.0  # by the scene's clock
        self._decided_change = -1  # the scene's change that was decided about
        self._shown_change = -1  # the one that the newest decision was about
        self._things = ThingsAtRest()

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

    def learn_background(self, *, learn: bool, is_folder: bool = False) -> None:
        """Set whether there is a background that can be learned; see `edge.vision.scene`.

        Args:
            learn: Whether there is.
            is_folder: Whether the camera is a folder, each of whose pictures is another one.
        """
        if learn != self._scene.learns_background or is_folder != self._is_folder:
            self._scene = (
                FixedScene(self._find) if learn else ChangingScene(self._find, is_folder=is_folder)
            )
            self._is_folder = is_folder
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
        self._forget_things()
        self._decision, self._reading = NOTHING, CodeReading()
        self._decided_features = None
        self.active = True

    def next_interval_s(self, interval_s: float) -> float:
        """Seconds until the next frame should be analysed: soon while something goes on.

        Where a thing will have been at rest for long enough before that, the frame then.
        """
        if not self.active:
            return interval_s
        if self._lacks_looks:
            return min(interval_s, LEAST_INTERVAL_S)
        return min(interval_s, ACTIVE_INTERVAL_S, max(self._scene.due_s, LEAST_INTERVAL_S))

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
        self._lacks_looks = False
        if scene.activity is Activity.EMPTY or self._is_absent(scene):
            self._forget_things()
            self._text.warm_up()
            return self._conclude(NOTHING, CodeReading(), scene, _timed(frame, start))
        if scene.thing_box is not None or not self._scene.has_background:
            self._things.forget_gone(scene)  # the decision stays: an arm may have come for a moment
        unchanged = scene.activity is Activity.REST and scene.change == self._decided_change
        if unchanged or (scene.thing_box is None and self._scene.has_background):
            return self._look_on(frame, scene, _timed(frame, start), unchanged=unchanged)
        known = self._things.known(scene.change)
        if known is not None and scene.activity is Activity.REST:
            return self._recall(known, scene, _timed(frame, start))
        looks = self._things.looks(scene.change)
        crop = looks.add(self.bundle, frame.image, scene.box, scene.alpha)
        self._things.look_at(self._things.waiting(scene), self.bundle, frame)
        timings = _timed(frame, start)
        if scene.activity is not Activity.REST or not looks.in_focus:
            self.active = True
            self._lacks_looks = scene.activity is Activity.REST and not looks.are_enough
            looks.prepare(self.bundle)
            return replace(self._unchanged(scene, timings, thing_unchanged=False), crop=crop)
        self._decided_change = scene.change
        return self._recognize(looks, scene, crop, timings)

    def search(self, image: Image, box: Box | None) -> Observation:
        """Search with one picture, BGR uint8 (h, w, 3), or its part in `box`; remembers nothing."""
        share = self.foreign_share
        return search_picture(
            self.bundle, image, box, self._text, exact=self._exact, foreign_share=share
        )

    def _find(self, image: Image, *, closely: bool = True) -> Findings:
        bundle = self.open_bundle
        return find_things(
            image, "auto" if bundle is None else bundle.featurizer.engine, closely=closely
        )

    def _is_absent(self, scene: SceneState) -> bool:
        """Whether no thing has been found for a while, though the scene is not empty.

        Something is there that is not known: a hand, or another counter.
        """
        if scene.thing_box is not None:
            self._thing_seen_at = self._scene.time
            return False
        absent_s = self._scene.time - self._thing_seen_at
        return self._scene.has_background and absent_s >= ABSENT_S

    def _look_on(
        self, frame: Frame, scene: SceneState, timings: Timings, *, unchanged: bool
    ) -> Observation:
        """Go on with the thing that was answered: refine that, then answer the others."""
        observation = self._unchanged(scene, timings, thing_unchanged=unchanged)
        if not unchanged:
            return observation
        waiting = self._things.waiting(scene)
        if self._refinement is not None:
            observation = self._refine(self._refinement, frame, scene, timings)
            if self._refinement is None or not self._refinement.reads_words:
                self.active |= bool(waiting)
                return observation  # else another thread reads, and there is time
        self.active |= bool(waiting)
        self._things.look_at(waiting, self.bundle, frame)
        in_focus = (other for other in waiting if self._things.looks(other.change).in_focus)
        other = next(in_focus, None)
        if other is None:
            return observation
        return replace(observation, beside=self._answer_beside(other, scene))

    def _recall(self, known: Known, scene: SceneState, timings: Timings) -> Observation:
        """Answer again about a thing that leads now and was answered before."""
        self._decided_change = self._shown_change = scene.change
        self._decided_visit, self._decided_features = scene.visit, known.observation.features
        self._decision, self._reading = known.observation.decision, known.reading
        observation = replace(known.observation, earlier=Timings(), timings=timings, scene=scene)
        self._refinement = None if known.is_final else self._new_refinement(observation)
        self.active = True
        return replace(observation, decision_changed=True, recalled=True, features=None)

    def _answer_beside(self, other: SceneThing, scene: SceneState) -> Beside:
        """Answer about a thing that does not lead; the words on it are read when it does."""
        looks = self._things.take_looks(other.change)
        found = search_thing(
            self.bundle, looks, exact=self._exact, foreign_share=self.foreign_share
        )
        codes = read_thing(self.bundle, looks.images)
        decision = decide(found.matches, self.bundle.manifest.calibration)
        if codes.match is not None:
            decision = Decision(Verdict.MATCH, (codes.match,))
        answer = Observation(
            self.bundle,
            decision,
            decision_changed=True,
            crop=found.crop,
            found=found.matches,
            timings=found.timings,
            scene=scene,
            code=codes.text,
            unknown_gtin=codes.unknown_gtin,
            evidence=None if codes.match else self._evidence(found.matches, decision),
            features=found.features,
        )
        is_final = codes.match is not None or not wants_words(self._text, self.bundle, decision)
        self._things.remember(other.change, Known(answer, codes, is_final))
        return Beside(other, answer)

    def _recognize(
        self, looks: Looks, scene: SceneState, crop: Crop, timings: Timings
    ) -> Observation:
        """Search the catalogue with the looks of the thing that leads, and decide."""
        found = search_thing(
            self.bundle, looks, exact=self._exact, foreign_share=self.foreign_share
        )
        current = NOTHING if self._is_another(scene) else self._decision
        decision = decide(found.matches, self.bundle.manifest.calibration, current)
        same_visit = scene.visit == self._decided_visit
        reading = self._reading if same_visit else CodeReading()
        if same_visit and (reading.match or decision.strength < self._decision.strength):
            decision = self._decision  # it was only turned, or lit in another way
        exchanged = not same_visit and (
            self._is_folder or look_different(self._decided_features, found.features)
        )
        self._decided_visit, self._decided_features = scene.visit, found.features
        observation = replace(
            self._conclude(decision, reading, scene, timings + found.timings, exchanged=exchanged),
            crop=crop,
            found=found.matches,
            features=found.features,
            evidence=self._evidence(found.matches, self._decision),
        )
        self._refinement = None
        if self.bundle.may_have_codes or wants_words(self._text, self.bundle, decision):
            self._refinement, self.active = self._new_refinement(observation), True
        self._remember(observation, scene)
        self.active |= bool(self._things.waiting(scene))
        return observation

    def _evidence(self, found: Sequence[Match], decision: Decision) -> Evidence:
        """What the items found say about the thing being in the catalogue."""
        share = self.foreign_share
        return evidence(
            sum(match.confidence or 0.0 for match in found),
            sum(match.confidence or 0.0 for match in found if match.sku in decision.answer),
            self.bundle.manifest.calibration.foreign_share if share is None else share,
        )

    def _remember(self, observation: Observation, scene: SceneState) -> None:
        """Keep the answer about the thing that leads, as long as it lies there."""
        is_final = self._refinement is None
        self._things.remember(scene.change, Known(observation, self._reading, is_final))

    def _new_refinement(self, answer: Observation) -> Refinement:
        return Refinement(answer, self._text, self.foreign_share)

    def _refine(
        self, refinement: Refinement, frame: Frame, scene: SceneState, timings: Timings
    ) -> Observation:
        """Read on, what is written on the thing that leads; once all is read, answer again."""
        self.active = True
        looks = self._things.looks(scene.change)
        refined, timings = refinement.step(looks, frame.image, scene.box, self._decision, timings)
        if refined is None:
            return self._unchanged(scene, timings)
        self._refinement, self.active = None, False
        answer, codes, words = refinement.answer, refined.codes, refined.words
        if codes.match is None and (self._reading.match is not None or not codes.unknown_gtin):
            codes = self._reading  # of another side of this thing
        decision, found = self._decision, answer.found
        if codes.match is not None:
            decision, found = Decision(Verdict.MATCH, (codes.match,)), (codes.match,)
        elif words is not None and words.found != found:
            found = words.found[:CANDIDATES]
            decision = decide(found, self.bundle.manifest.calibration, self._decision)
        observation = self._conclude(decision, codes, scene, timings)
        lines = words.lines if words is not None else ()
        after = replace(
            observation, earlier=answer.timings, crop=answer.crop, found=found, lines=lines
        )
        self._remember(replace(after, evidence=answer.evidence, features=answer.features), scene)
        return after if after.decision_changed else replace(observation, thing_unchanged=True)

    def _unchanged(
        self, scene: SceneState, timings: Timings, *, thing_unchanged: bool = True
    ) -> Observation:
        return Observation(
            self.bundle,
            self._decision,
            decision_changed=False,
            timings=timings,
            thing_unchanged=thing_unchanged,
            scene=scene,
        )

    def _conclude(
        self,
        decision: Decision,
        reading: CodeReading,
        scene: SceneState,
        timings: Timings,
        *,
        exchanged: bool = False,
    ) -> Observation:
        """Replace the decision, unless the new one is about the same subject and no new code.

        Two things that were exchanged are two subjects, where neither of them is named.
        """
        new_code = reading not in (self._reading, CodeReading())
        another = self._is_another(scene) or (exchanged and not decision.matches)
        self._shown_change = scene.change
        changed = new_code or another or decision.subject != self._decision.subject
        self._reading = reading
        if changed:
            self._decision = decision
        return Observation(
            self.bundle,
            self._decision,
            decision_changed=changed,
            timings=timings,
            scene=scene,
            code=self._reading.text,
            unknown_gtin=self._reading.unknown_gtin,
        )

    def _is_another(self, scene: SceneState) -> bool:
        """Whether the thing that was shown last lies there still, and another one leads."""
        return any(other.change == self._shown_change for other in scene.others)

    def _forget_things(self) -> None:
        self._things.forget()
        self._refinement = None
        self._decided_change = self._shown_change = -1


def _timed(frame: Frame, start: float) -> Timings:
    return Timings(capture=frame.capture_ms, look=elapsed_ms(start))
