"""The loop: it turns frames into observations, and publishes each changed one as a sighting."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.bundle import Bundle
from catalog.core.box import Box
from catalog.recognition.decision import Verdict
from edge.appliance.event_recorder import EventRecorder
from edge.appliance.share_learner import ShareLearner, lineage
from edge.appliance.sightings import make_sighting, outline
from edge.appliance.tray import Tray
from edge.cameras import CameraReader
from edge.counters import ApplianceCounters
from edge.latest import Latest
from edge.live import LivePicture
from edge.log_lines import ANSWERS
from edge.settings import EdgeSettings
from edge.sighting import Frame, Image, Place, Sighting, ThingBeside
from edge.vision.picture_search import Observation
from edge.vision.recognizer import Recognizer
from edge.vision.text_reading import NO_READING, TextReading
from edge.vision.verdict import NOTHING, Decision

FRAME_TIMEOUT_S = 0.5  # how late the loop notices that it should stop
STUCK_S = 15.0  # without an analysed frame, though the camera is online
MOST_FAILURES = 5  # of searches, none of them answered; then the catalogue cannot be used

OnSighting = Callable[[Sighting, str, NDArray[np.float32] | None], None]

log = logging.getLogger(__name__)
answers = logging.getLogger(ANSWERS)


class RecognitionLoop:
    """Recognizes what the camera shows, and publishes each change.

    Attributes:
        latest: The newest sightings.
        picture: The newest frame.
        counters: What the loop counts.
        observation: The newest one that was computed with this bundle; None before the first.

    Args:
        settings: ``[edge]``.
        reader: Gives the newest frame.
        bundle: The open bundle to begin with; None to show the picture alone.
        recorder: Records each sighting and the network's output; None to record nothing.
        text: Reads the words on things.
        learner: Learns the share of foreign things; by default one that keeps nothing.
        on_sighting: Called with each sighting, the id of the network that saw the thing, and the
            network's own output, float32 (d,), or None where nothing lies there.
        on_observation: Called with each analysed frame and what was observed, before that is told.
    """

    def __init__(
        self,
        settings: EdgeSettings,
        reader: CameraReader,
        bundle: Bundle | None,
        recorder: EventRecorder | None = None,
        text: TextReading = NO_READING,
        learner: ShareLearner | None = None,
        on_sighting: OnSighting = lambda sighting, network, features: None,
        on_observation: Callable[[Frame, Observation], None] = lambda frame, observation: None,
    ) -> None:
        self.latest = Latest()
        self.picture = LivePicture()
        self.counters = ApplianceCounters()
        self.observation: Observation | None = None
        self._interval_s = settings.interval_ms / 1000
        self._may_learn_background = settings.background
        self._reader = reader
        self._recognizer = Recognizer(bundle, text, exact=settings.exact)
        self._recorder = recorder
        self._learner = learner or ShareLearner(None, settings.foreign_share)
        self._learner.use(lineage(bundle))
        self._recognizer.foreign_share = self._learner.share
        self._on_sighting = on_sighting
        self._on_observation = on_observation
        self._sequence = 0
        self._tray = Tray()
        self._failure = ""
        self._failed_searches, self._last_failure = 0, ""  # since the last one that was answered
        self._analysed_at = self._passed_at = time.monotonic()
        self._looks_again = threading.Event()

    @property
    def bundle(self) -> Bundle:
        """The bundle that is open now.

        Raises:
            NoCatalogueError: None is open.
        """
        return self._recognizer.bundle

    @property
    def open_bundle(self) -> Bundle | None:
        """The bundle that is open now; None where none is."""
        return self._recognizer.open_bundle

    def look_again(self) -> None:
        """Look anew at what lies before the camera, from the next frame on; from any thread."""
        self._looks_again.set()

    @property
    def camera_moves(self) -> bool:
        """Whether the camera trembles or is carried."""
        return self._recognizer.camera_moves

    def run(self, stopping: threading.Event, before_frame: Callable[[], None]) -> None:
        """Run until `stopping` is set; `before_frame` is called between two frames."""
        sequence = 0
        next_analysis = 0.0  # monotonic seconds
        while not stopping.is_set():
            before_frame()
            frame = self._reader.frame(after=sequence, timeout=FRAME_TIMEOUT_S)
            if frame is None:
                status = self._reader.state.status
                if status == "offline":
                    self.picture.show(None)
                    self.forget()
                if status != "online":
                    self._passed_at = time.monotonic()
                continue
            sequence = frame.sequence
            self.counters.count_frame()
            self.picture.show(frame)
            now = time.monotonic()
            if now < next_analysis:
                continue
            next_analysis = now + self._interval_s
            if self._looks_again.is_set():
                self._looks_again.clear()
                self.forget()
            try:
                if self._analyse(frame):
                    self._failed_searches = 0
                self._analysed_at, self._failure = time.monotonic(), ""
                next_analysis = now + self._recognizer.next_interval_s(self._interval_s)
            except Exception as error:  # the next frame may succeed
                if not self._failure:
                    log.exception("cannot search")
                self._failure = self._last_failure = f"cannot search: {error}"
                self._failed_searches += 1
                self.forget()
            self._passed_at = time.monotonic()

    def is_alive(self) -> bool:
        """Whether frames are looked at, or the camera is known to be away."""
        return time.monotonic() - self._passed_at <= STUCK_S

    def trouble(self) -> str:
        """Why no frame is recognized now, to follow "the device"; empty where all is well."""
        if self._failure:
            return self._failure
        return f"has not searched a frame for {STUCK_S:g} seconds" if self._is_stuck() else ""

    def inability(self) -> str:
        """Why nothing is answered with this catalogue; empty where something is, or may be."""
        if self.open_bundle is None:
            return ""
        if self._failed_searches >= MOST_FAILURES:
            return self._last_failure
        return self.trouble() if self._is_stuck() else ""

    def search(self, image: Image, box: Box | None) -> Sighting:
        """Search with one picture, BGR uint8 (h, w, 3), or its part in `box`."""
        observation = self._recognizer.search(image, box)
        searched = None if observation.crop is None else observation.crop.box
        return replace(
            make_sighting(observation, time.time(), 0), box=searched, boxes=observation.boxes
        )

    def use(self, bundle: Bundle) -> None:
        """Recognize with another bundle from the next frame on."""
        self.observation = None  # it refers to the bundle before, which would stay open
        self._failed_searches, self._failure = 0, ""
        self._recognizer.use(bundle)
        self._learner.use(lineage(bundle))
        self.forget()

    def stop_using(self) -> None:
        """Recognize nothing from the next frame on, because the bundle can be read no longer."""
        self.forget()
        self.observation = None
        self._recognizer.use(None)

    def forget(self) -> None:
        """End the current sighting, because the camera is offline or the catalogue has changed."""
        self._recognizer.reset()
        self._tray.clear()
        self.picture.outline = None
        if self.open_bundle is None:
            return
        newest = self.latest.leading()
        if newest is not None and newest.verdict is not Verdict.NOTHING:
            nothing = Observation(self.bundle, NOTHING, decision_changed=True)
            self.publish(nothing, time.time())

    def publish(
        self,
        observation: Observation,
        at: float,
        place: Place | None = None,
        others: tuple[ThingBeside, ...] = (),
        features: NDArray[np.float32] | None = None,
        *,
        leads: bool = True,
    ) -> Sighting:
        """Show what was observed to everybody who watches, and record it.

        Args:
            observation: What was observed.
            at: When, in Unix seconds.
            place: Where the thing lies; None where that is not known.
            others: The things that lie beside it.
            features: The network's own output for it, float32 (d,); None where it is not known.
            leads: Whether the device answers about this thing.
        """
        start = time.perf_counter()
        self._sequence += 1
        sighting = replace(
            make_sighting(observation, at, self._sequence), place=place, others=others
        )
        show_ms = (time.perf_counter() - start) * 1000
        reported = self._recorder is not None and self._recorder.reports_text
        sighting = replace(
            sighting,
            timings=replace(sighting.timings, show=show_ms),
            text=observation.lines if reported else (),  # else nobody keeps a customer's letter
        )
        self._learner.count(sighting)
        self.latest.publish(sighting, leads=leads)
        self.counters.count_sighting(sighting.verdict, show_ms)
        if self._recorder is not None:
            self._recorder.sighting(sighting)
        self._on_sighting(sighting, observation.bundle.featurizer.network_id, features)
        return sighting

    def _is_stuck(self) -> bool:
        online = self._reader.state.status == "online"
        return online and time.monotonic() - self._analysed_at > STUCK_S

    def _analyse(self, frame: Frame) -> bool:
        """Recognize what a frame shows, and tell it; whether a thing was searched for."""
        learn = self._may_learn_background and self._reader.learns_background
        is_folder = not self._reader.learns_background
        self._recognizer.learn_background(learn=learn, is_folder=is_folder)
        if self.open_bundle is None:
            self._recognizer.watch(frame)
            return False
        self._recognizer.foreign_share = self._learner.share
        observation = self._recognizer.observe(frame)
        self._on_observation(frame, observation)
        self.counters.count_analysis(observation.timings)
        self.picture.outline = outline(observation, frame)
        if not observation.thing_unchanged:
            self.observation = observation
        if observation.features is not None and self._recorder is not None:
            self._recorder.features(observation.features)
        self._tell(observation, frame)
        return observation.features is not None

    def _tell(self, observation: Observation, frame: Frame) -> None:
        """Publish what is new, or let the sightings of before last."""
        scene, tray = observation.scene, self._tray
        size = (frame.image.shape[1], frame.image.shape[0])
        tray.follow(scene, size)
        if observation.beside is not None:
            thing, answer = observation.beside.thing, observation.beside.answer
            place, others = tray.around(thing.change)
            tray.see(thing.change, answer.features)
            beside = self.publish(answer, frame.at, place, others, answer.features, leads=False)
            tray.add(thing.change, beside)
            _log(answer.decision)
        change = scene.change if scene is not None else -1
        tray.see(change, observation.features)
        place, others = tray.around(change)
        leading, recalled = self.latest.leading(), tray.sighting(change)
        if observation.decision_changed and observation.recalled and recalled is not None:
            leading = replace(recalled, place=place, others=others, seen_until=frame.at)
            self.latest.lead(leading)
        elif observation.decision_changed or leading is None:
            leading = self.publish(observation, frame.at, place, others, tray.features(change))
            _log(observation.decision)
        elif observation.thing_unchanged and (leading.place, leading.others) != (place, others):
            leading = replace(leading, place=place, others=others, seen_until=frame.at)
            self.latest.lead(leading)
        else:
            self.latest.extend(frame.at)
        is_answer = observation.decision_changed or observation.features is not None
        if observation.thing_unchanged or is_answer:
            tray.add(change, leading)


def _log(decision: Decision) -> None:
    named = ", ".join(match.sku for match in (decision.matches or decision.guesses)[:3])
    answers.info("%s %s", decision.verdict.value, named)
