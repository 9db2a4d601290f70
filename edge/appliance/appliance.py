"""The appliance: camera, recognizer and page, wired together, started and stopped."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import cv2
import uuid6

from catalog.bundles import validator
from catalog.bundles.bundle import Bundle, Match
from catalog.bundles.shelf import Shelf
from catalog.core.errors import BundleError, ShelfError
from catalog.core.photos import encode_jpeg
from catalog.core.state import Phase, edge_state, read_sync_state, write_edge_state
from catalog.recognition.decision import Verdict
from edge.appliance.reporting import Reporting
from edge.appliance.shelf_watch import ShelfWatch
from edge.cameras import CameraReader, CameraState
from edge.counters import Figures, Tally
from edge.latest import Latest
from edge.live import LivePicture
from edge.settings import EdgeSettings
from edge.sighting import Box, Candidate, Frame, Image, Sighting, Timings
from edge.vision.recognizer import Observation, Recognizer, next_look_s
from edge.vision.verdict import NOTHING
from edge.web.device import CameraStatus
from sync.errors import OutboxError

LOOK_SIDE = 480  # pixels, longer side of a kept look
MATCH_CARDS = 4  # the match and what comes next
STUCK_S = 15.0  # without a look, though there are frames

log = logging.getLogger(__name__)


class Appliance:
    """A running device; fulfils `edge.web.device.Device`.

    Args:
        settings: ``[edge]``.
        bundle: The open bundle to begin with.
        shelf: Watched for a newer active bundle; None to stay with `bundle`.
        state_folder: Where the process says how it is; None for nowhere.
        reporting: Told what happens; None for nobody.
    """

    def __init__(
        self,
        settings: EdgeSettings,
        bundle: Bundle,
        shelf: Shelf | None = None,
        state_folder: Path | None = None,
        reporting: Reporting | None = None,
    ) -> None:
        self.latest = Latest()
        self.picture = LivePicture()
        self.stopping = threading.Event()
        self.lan = settings.lan
        self.clean = True  # False after `stop` where a camera's driver hangs
        self._settings = settings
        self._state_folder = state_folder
        self._reporting = reporting
        self._tally = Tally()
        self._started = time.time()
        self._looked = time.monotonic()
        self._trouble = ""
        self._sequence = 0
        self._last: Observation | None = None
        self._reader = CameraReader(
            settings.camera, settings.camera_settings(), on_change=self._camera_changed
        )
        self._recognizer = Recognizer(bundle, settings.exact)
        self._thread = threading.Thread(target=self._loop, name="loop")
        self._watch: ShelfWatch | None = None
        if shelf is not None:
            self._watch = ShelfWatch(shelf, lambda: self.catalogue, self._shelf_changed)

    @property
    def catalogue(self) -> Bundle:
        """The bundle that is open now."""
        return self._recognizer.bundle

    def start(self) -> None:
        """Start camera and loop; returns at once."""
        cv2.setNumThreads(1)
        self._say("open", self.catalogue.id)
        if self._reporting is not None:
            self._reporting.start(self.catalogue, self.figures)
        self._reader.start()
        self._thread.start()
        if self._watch is not None:  # a daemon: it may be waiting for the gate
            threading.Thread(target=self._watch.watch, args=(self.stopping,), daemon=True).start()

    def stop(self) -> None:
        """Stop everything; within a second."""
        self.stopping.set()
        self.clean = self._reader.close()
        if self._thread.is_alive():
            self._thread.join(1.0)
        self._say("stopped", self.catalogue.id)
        if self._reporting is not None:
            self._reporting.stop()

    def camera(self) -> CameraStatus:
        """How the camera is now."""
        state = self._reader.state
        return CameraStatus(state.status, state.since, self._reader.name, state.message)

    def status(self) -> dict[str, object]:
        """How the device is, ready to be JSON."""
        bundle = self.catalogue
        last = self._last
        return {
            "version": version("visual-search"),
            "uptime_s": round(time.time() - self._started, 1),
            "engine": bundle.featurizer.engine,
            "catalogue": {
                "id": bundle.id,
                "title": bundle.manifest.title,
                "created": bundle.manifest.created,
                "items": bundle.manifest.items,
                "photos": bundle.manifest.photos,
                "index": bundle.manifest.index.kind,
                "network": bundle.manifest.featurizer.name,
            },
            "sync": self._sync_status(),
            "verdict": last.opinion.verdict.value if last else None,
            "timings_ms": {name: round(value, 2) for name, value in vars(last.timings).items()}
            if last
            else None,
            "outbox": self._outbox_status(),
        }

    def _sync_status(self) -> dict[str, object] | None:
        """How the last look for a newer catalogue ended; None where nobody looks."""
        if self._state_folder is None:
            return None
        said = read_sync_state(self._state_folder)
        if said.checked_at is None:
            return None
        # Not the message: it may name a bucket, which is nothing for the LAN.
        return {
            "outcome": said.outcome,
            "checked_at": said.checked_at.isoformat(timespec="seconds"),
        }

    def figures(self) -> Figures:
        """Everything that is counted, the outbox included."""
        if self._reporting is None:
            return self._tally.figures()
        try:
            return self._tally.figures(self._reporting.counters())
        except OutboxError as error:
            return self._tally.figures(trouble=str(error))

    def _outbox_status(self) -> dict[str, object] | None:
        figures = self.figures()
        if figures.outbox_trouble:
            return {"trouble": figures.outbox_trouble}
        return None if figures.outbox is None else asdict(figures.outbox)

    def trouble(self) -> str:
        """What keeps the device from recognizing, to follow "the device"; empty for nothing."""
        if self._trouble:
            return self._trouble
        if self._reader.state.status == "online" and time.monotonic() - self._looked > STUCK_S:
            return f"has not searched a frame for {STUCK_S:g} seconds"
        return ""

    def search(self, image: Image, box: Box | None) -> Sighting:
        """Search with one picture, BGR uint8 (h, w, 3), or its part in `box`."""
        return self._sighting(self._recognizer.search(image, box), time.time(), 0)

    def _loop(self) -> None:
        seen = 0
        next_look = 0.0
        while not self.stopping.is_set():
            self._swap()
            frame = self._reader.frame(after=seen, timeout=0.5)
            if frame is None:
                if self._reader.state.status == "offline":
                    self.picture.show(None)
                    self._forget()
                continue
            seen = frame.sequence
            self._tally.frame()
            self.picture.show(frame)
            now = time.monotonic()
            if now < next_look:
                continue
            interval_s = self._settings.interval_ms / 1000
            next_look = now + interval_s
            try:
                self._look(frame)
                self._looked, self._trouble = time.monotonic(), ""
                next_look = now + next_look_s(self._recognizer, interval_s)
            except Exception as error:  # whatever it was, the next frame may go well
                if not self._trouble:
                    log.exception("cannot search")
                self._trouble = f"cannot search: {error}"
                self._forget()

    def _look(self, frame: Frame) -> None:
        learns = self._settings.background and self._reader.learns_background
        self._recognizer.learn_background(learns)
        observation = self._recognizer.see(frame)
        self._tally.look(observation.timings)
        if not observation.still:
            self._last = observation
        if observation.raw is not None and self._reporting is not None:
            self._reporting.features(observation.raw)
        first = self.latest.newest() is None
        if not observation.news and not first:
            self.latest.extend(frame.at)
            return
        sighting = self.say(observation, frame.at)
        named = ", ".join(match.item.sku for match in sighting.matches[:3])
        log.info("%s %s", sighting.verdict.value, named)

    def say(self, observation: Observation, at: float) -> Sighting:
        """Show what was observed at `at` (Unix seconds) to everyone who watches."""
        start = time.perf_counter()
        self._sequence += 1
        sighting = self._sighting(observation, at, self._sequence)
        show = (time.perf_counter() - start) * 1000
        sighting = replace(sighting, timings=replace(sighting.timings, show=show))
        self.latest.push(sighting)
        self._tally.sighting(sighting.verdict, show)
        if self._reporting is not None:
            self._reporting.sighting(sighting)
        return sighting

    def _forget(self) -> None:
        """Start anew: what was said of another camera's or catalogue's picture ends here."""
        self._recognizer.reset()
        newest = self.latest.newest()
        if newest is not None and newest.verdict is not Verdict.NOTHING:
            nothing = Observation(self.catalogue, NOTHING, True, None, (), Timings())
            self.say(nothing, time.time())

    def _sighting(self, observation: Observation, at: float, sequence: int) -> Sighting:
        bundle, opinion, look = observation.bundle, observation.opinion, observation.look
        return Sighting(
            id=str(uuid6.uuid7()),
            sequence=sequence,
            at=at,
            seen_until=at,
            verdict=opinion.verdict,
            matches=self._candidates(bundle, opinion.matches[:MATCH_CARDS]),
            bundle=bundle.id,
            timings=observation.timings,
            look_jpeg=encode_jpeg(look.image, LOOK_SIDE)
            if look is not None and opinion.verdict is not Verdict.NOTHING
            else b"",
            things=observation.view.things if observation.view is not None else 1,
            code=observation.code,
        )

    @staticmethod
    def _candidates(bundle: Bundle, matches: tuple[Match, ...]) -> tuple[Candidate, ...]:
        found = ((bundle.item(match.sku), match) for match in matches)
        return tuple(
            Candidate(item, match.photo, match.similarity, match.confidence or 0.0)
            for item, match in found
            if item is not None
        )

    def _camera_changed(self, state: CameraState) -> None:
        if state.status == "offline":
            self.picture.show(None)
        self.latest.ring()
        if self._reporting is not None:
            self._reporting.camera(state, self._reader.name)

    def _swap(self) -> None:
        """Use a newer bundle, if one is ready, from the next frame on."""
        bundle = self._watch.take() if self._watch is not None else None
        if bundle is None:
            return
        self._recognizer.use(bundle)
        self._forget()
        self._say("open", self.catalogue.id)
        log.info("catalogue %s is open", bundle.id)
        self.latest.ring()
        if self._reporting is not None:
            self._reporting.catalogue(bundle)

    def _shelf_changed(self, phase: Phase, bundle: str, message: str) -> None:
        self._say(phase, bundle, message)
        if phase == "failed" and self._reporting is not None:
            self._reporting.catalogue_rejected(bundle, message, self.catalogue.id)

    def _say(self, phase: Phase, bundle: str, message: str = "") -> None:
        if self._state_folder is not None and (phase == "stopped" or not self.stopping.is_set()):
            _tell(self._state_folder, phase, bundle, message, self._watch is not None)


def open_bundle(
    bundle: Path | None,
    shelf: Shelf,
    state_folder: Path,
    engine: str,
    reporting: Reporting | None = None,
) -> tuple[Bundle, bool]:
    """The bundle to serve, and whether it came from the shelf.

    When the active bundle is damaged, the one before it is served, and `reporting` told so.

    Raises:
        BundleError: There is none, or none can be opened; says what to do.
    """
    if bundle is not None:
        passed = validator.validate(bundle, engine)
        opened = Bundle.open(bundle, engine)
        if opened.id != passed.bundle:
            raise BundleError(f"{bundle}: was rebuilt while it was checked; try again")
        return opened, False
    active, previous = shelf.active(), shelf.previous()
    if active is None:
        raise BundleError(
            "no catalogue is active on this device; make one with "
            "'visual-search catalog build PHOTOS --out BUNDLE' and then "
            "'visual-search catalog activate BUNDLE', or look at 'visual-search demo'"
        )
    _tell(state_folder, "opening", active.name)
    try:
        return Bundle.open(active, engine), True
    except BundleError as error:
        _tell(state_folder, "failed", active.name, str(error))
        if previous is None:
            raise
        log.error("%s; going back to the catalogue before it", error)
        opened = Bundle.open(previous, engine)
        if reporting is not None:
            reporting.catalogue_rejected(active.name, str(error), opened.id)
        return opened, True


def _tell(folder: Path, phase: Phase, bundle: str, message: str = "", follows: bool = True) -> None:
    try:
        write_edge_state(folder, edge_state(phase, bundle, message, follows))
    except ShelfError as error:  # a full disk must not stop the camera
        log.error("%s", error)
