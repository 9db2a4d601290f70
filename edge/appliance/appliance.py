"""The appliance: camera, loop, shelf watcher and event recorder, started and stopped together."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.bundles.bundle import Bundle
from catalog.core.box import Box
from catalog.core.errors import VisualSearchError
from catalog.core.state import Phase, SyncState, read_sync_state
from catalog.core.vectors import normalised
from catalog.recognition.bursts import unlike_of
from edge.appliance.event_recorder import EventRecorder
from edge.appliance.judgements import Judgements
from edge.appliance.loop import RecognitionLoop
from edge.appliance.opening import write_phase
from edge.appliance.share_learner import ShareLearner
from edge.appliance.shelf_watcher import FollowedShelf, ShelfWatcher
from edge.appliance.waiting import waiting_for
from edge.cameras import Camera, CameraReader, CameraSettings, CameraState, open_camera
from edge.counters import CounterSnapshot
from edge.errors import NoCatalogueError
from edge.history.missing import Group, group_missing
from edge.history.recorder import open_history
from edge.history.store import Retention
from edge.settings import EdgeSettings
from edge.sighting import Image, Judgement, Said, Sighting
from edge.taught.taught import open_taught
from edge.vision.picture_search import Observation
from edge.vision.text_reading import NO_READING, TextReading
from edge.web.interfaces import CameraStatus
from edge.words import Words
from sync.errors import OutboxError

if TYPE_CHECKING:
    from edge.appliance.webhook import Webhook

CAMERA_MOVES = Words("This camera moves: things are recognised less surely. Fix the camera firmly.")
ALIKE = 0.5  # of the way from the similarity of unlike things to 1: looks of one thing
MOST_UNNAMED = 2000  # of the newest sightings that are grouped
WAITING_S = 0.5  # between two looks at what the device waits for

log = logging.getLogger(__name__)


class Appliance:
    """A running device; it implements `edge.web.interfaces.ServedAppliance`.

    Args:
        settings: ``[edge]``.
        bundle: The open bundle to begin with; None to wait for the first one.
        followed: The shelf that is watched for a newer active bundle; None to stay with `bundle`.
        state_folder: Where the process writes its state; None to write none.
        recorder: Records events; None to record nothing.
        opener: Opens the camera.
        text: Reads the words on things.
        failure: Why the active bundle of the shelf is not open; empty where it is.
    """

    def __init__(
        self,
        settings: EdgeSettings,
        bundle: Bundle | None,
        followed: FollowedShelf | None = None,
        state_folder: Path | None = None,
        recorder: EventRecorder | None = None,
        opener: Callable[[str, CameraSettings], Camera] = open_camera,
        text: TextReading = NO_READING,
        failure: str = "",
    ) -> None:
        self.stopping = threading.Event()
        self.lan = settings.lan
        self.stopped_cleanly = True  # False after `stop` where the camera's driver hangs
        self._state_folder = state_folder
        self._recorder = recorder
        self._started_at = time.monotonic()
        self._reader = CameraReader(
            settings.camera, settings.camera_settings(), self._on_camera_change, opener
        )
        self._learner = ShareLearner(state_folder, settings.foreign_share)
        self._judgements = Judgements(state_folder) if state_folder is not None else None
        self.taught = open_taught(state_folder)
        retention = Retention(settings.keep_looks, settings.looks_days, settings.looks_mb)
        self.history = open_history(state_folder, retention)
        self._webhook: Webhook | None = None
        if settings.webhook:
            from edge.appliance.webhook import Webhook  # here, because it takes httpx

            self._webhook = Webhook(settings.webhook, settings.webhook_secret)
        hearing = (self.taught.collector.observed,) if self.taught is not None else ()
        self._loop = RecognitionLoop(
            settings,
            self._reader,
            bundle,
            recorder,
            text,
            self._learner,
            self._on_sighting,
            *hearing,
        )
        self._join_taught(bundle)
        self.latest = self._loop.latest
        self.picture = self._loop.picture
        self._thread = threading.Thread(
            target=self._loop.run, name="loop", args=(self.stopping, self._exchange_catalogue)
        )
        self._followed = followed
        self._failure = self._without_folder(failure)
        self._is_opening = False  # whether an activated bundle is being checked
        self._waiting_until, self._waiting_words = 0.0, ""  # monotonic seconds
        self._watcher: ShelfWatcher | None = None
        if followed is not None:
            self._watcher = ShelfWatcher(
                followed.shelf,
                followed.engine,
                lambda: self._loop.open_bundle,
                self._on_shelf_change,
                self._loop.inability,
            )

    @property
    def catalogue(self) -> Bundle:
        """The bundle that is open now.

        Raises:
            NoCatalogueError: None is open; says what the device waits for.
        """
        bundle = self._loop.open_bundle
        if bundle is None:
            raise NoCatalogueError(self._waiting())
        return bundle

    def start(self) -> None:
        """Start camera and loop; returns at once."""
        cv2.setNumThreads(1)
        bundle = self._loop.open_bundle
        if bundle is not None:
            self._write_phase("open", bundle.id)
        else:
            if not self._failure:  # else the state says already which bundle failed
                self._write_phase("waiting", "")
            log.warning("%s", self._waiting())
        if self._recorder is not None:
            self._recorder.start(bundle, self.counters)
        self._reader.start()
        self._thread.start()
        threading.Thread(target=self._learner.keep, args=(self.stopping,), daemon=True).start()
        if self._watcher is not None:  # a daemon thread, because checking a bundle takes long
            threading.Thread(target=self._watcher.watch, args=(self.stopping,), daemon=True).start()

    def stop(self) -> None:
        """Stop everything; within a second."""
        self.stopping.set()
        self.stopped_cleanly = self._reader.close()
        if self._thread.is_alive():
            self._thread.join(1.0)
        self._learner.save()
        self._write_phase("stopped", self._bundle_id())
        if self._recorder is not None:
            self._recorder.stop()
        if self.history is not None:
            self.history.stop()
        if self._webhook is not None:
            self._webhook.stop()

    def camera(self) -> CameraStatus:
        """How the camera is now."""
        state = self._reader.state
        message = state.message
        if state.status == "online" and self._loop.camera_moves:
            message = CAMERA_MOVES
        return CameraStatus(state.status, state.since, self._reader.name, message)

    def counters(self) -> CounterSnapshot:
        """Everything that is counted, the outbox included."""
        counters, share = self._loop.counters, self._learner.share
        if self._recorder is None:
            return counters.snapshot(foreign_share=share)
        try:
            snapshot = counters.snapshot(self._recorder.outbox_counters(), foreign_share=share)
            return replace(snapshot, outbox_sends=self._recorder.sends)
        except OutboxError as error:
            return counters.snapshot(trouble=str(error), foreign_share=share)

    def is_alive(self) -> bool:
        """Whether frames are looked at, or the camera is known to be away."""
        return self._loop.is_alive()

    def trouble(self) -> str:
        """Why no frame is recognized now, to follow "the device"; empty where all is well."""
        return self._loop.trouble()

    def search(self, image: Image, box: Box | None) -> Sighting:
        """Search with one picture, BGR uint8 (h, w, 3), or its part in `box`.

        Raises:
            NoCatalogueError: No bundle is open.
        """
        return self._loop.search(image, box)

    def judge(self, judgement: Judgement) -> None:
        """Store what staff says about a sighting, and learn from it.

        Raises:
            SurroundingsError: It cannot be stored.
        """
        if self._judgements is not None:
            self._judgements.add(judgement, time.time())
        self._learner.judge(judgement)
        self._loop.counters.count_judgement(judgement.verdict)
        self._keep_look(judgement)

    def said_of(self, sightings: Sequence[str] | None) -> dict[str, Said]:
        """What staff said of some sightings, by their ids; of all, where None is given."""
        return self._judgements.said_of(sightings) if self._judgements is not None else {}

    def choose(self, sighting: Sighting, sku: str) -> None:
        """Note that a visitor chose an item of those shown, and learn a little from it."""
        if self.history is not None:
            self.history.choose(sighting.id, sku)
        self._learner.choose(sighting)

    def missing(self) -> list[Group]:
        """What people showed and the device could not name, the most often asked for first.

        Raises:
            NoCatalogueError: No bundle is open.
            ShelfError: The history cannot be read.
        """
        if self.history is None:
            return []
        bundle, history = self.catalogue, self.history.history
        unlike = unlike_of(bundle.manifest.calibration.burst_similarity)
        return group_missing(
            history.unnamed(MOST_UNNAMED),
            history.unnamed_looks(bundle.featurizer.network_id, MOST_UNNAMED),
            lambda raw: bundle.featurizer.vectors(normalised(raw)),
            unlike + ALIKE * (1 - unlike),
        )

    def look_again(self) -> None:
        """Look anew at what lies before the camera."""
        self._loop.look_again()

    def open_camera_again(self) -> None:
        """Close the camera, and open it again at once."""
        self._reader.open_again()

    def publish(self, observation: Observation, at: float) -> Sighting:
        """Show what was observed at `at` (Unix seconds) to everybody who watches."""
        return self._loop.publish(observation, at)

    def status(self) -> dict[str, object]:
        """How the device is, ready to be JSON."""
        bundle, observation = self._loop.open_bundle, self._loop.observation
        return {
            "version": version("visual-search"),
            "uptime_s": round(time.monotonic() - self._started_at, 1),
            "engine": bundle.featurizer.engine if bundle is not None else None,
            "catalogue": _description(bundle) if bundle is not None else None,
            "sync": self._sync_status(),
            "verdict": observation.decision.verdict.claim if observation else None,
            "timings_ms": {
                stage: round(ms, 2) for stage, ms in vars(observation.answer_timings).items()
            }
            if observation
            else None,
            "foreign_share": asdict(self._learner.learned()),
            "outbox": self._outbox_status(),
        }

    def _sync_status(self) -> dict[str, object] | None:
        """How the last check for a newer catalogue ended; None where there was none."""
        if self._state_folder is None:
            return None
        state = read_sync_state(self._state_folder)
        if state.checked_at is None:
            return None
        # The message is left out: it may name a bucket, which does not concern the LAN.
        return {
            "outcome": state.outcome,
            "checked_at": state.checked_at.isoformat(timespec="seconds"),
        }

    def _outbox_status(self) -> dict[str, object] | None:
        counters = self.counters()
        if counters.outbox_trouble:
            return {"trouble": counters.outbox_trouble}
        return None if counters.outbox is None else asdict(counters.outbox)

    def _on_sighting(
        self, sighting: Sighting, network: str, features: NDArray[np.float32] | None
    ) -> None:
        if self.history is not None:
            self.history.sighting(sighting, network, features)
        if self._webhook is not None:
            self._webhook.sighting(sighting)

    def _on_camera_change(self, state: CameraState) -> None:
        if state.status == "offline":
            self.picture.show(None)
        self.latest.notify()
        if self._recorder is not None:
            self._recorder.camera(state, self._reader.name)

    def _waiting(self) -> str:
        """What the device waits for; every viewer asks several times a second."""
        if time.monotonic() >= self._waiting_until:
            folder = self._state_folder
            sync = read_sync_state(folder) if folder is not None else SyncState()
            source = self._followed.source if self._followed is not None else ""
            self._waiting_words = waiting_for(
                sync, source, self._failure, is_opening=self._is_opening
            )
            self._waiting_until = time.monotonic() + WAITING_S
        return self._waiting_words

    def _without_folder(self, message: str) -> str:
        """A message as the LAN may read it: it need not know where the device keeps its files."""
        if self._followed is None:
            return message
        return message.replace(f"{self._followed.shelf.versions}/", "")

    def _bundle_id(self) -> str:
        bundle = self._loop.open_bundle
        return bundle.id if bundle is not None else ""

    def _exchange_catalogue(self) -> None:
        """Use a newer bundle, where one is ready, from the next frame on."""
        if self._watcher is None:
            return
        if loss := self._watcher.take_loss():
            log.error("the catalogue is no longer in use: %s", loss)
            self._loop.stop_using()
            self.latest.notify()
        bundle = self._watcher.take()
        if bundle is None:
            return
        self._join_taught(bundle)
        self._loop.use(bundle)
        self._failure = ""
        self._write_phase("open", bundle.id)
        log.info("catalogue %s is open", bundle.id)
        self.latest.notify()
        if self._recorder is not None:
            self._recorder.catalogue(bundle)

    def _keep_look(self, judgement: Judgement) -> None:
        """Keep a look as an own photo of the item that staff name, or none of this sighting.

        Where the look is gone, what was kept before of the same item stays.
        """
        if self.taught is None:
            return
        sighting, sku = judgement.sighting, judgement.named
        try:
            if sku and sighting.crop_jpeg:
                self.taught.confirm(sku, sighting.crop_jpeg, sighting.id)
            else:
                self.taught.withdraw(sighting.id, unless_of=sku)
        except VisualSearchError as error:  # what was said is stored all the same
            log.warning("the look is not kept: %s", error)

    def _join_taught(self, bundle: Bundle | None) -> None:
        """Let a bundle that is opened answer with what was taught, too."""
        if self.taught is None or bundle is None:
            return
        try:
            self.taught.use(bundle)
        except Exception:  # nothing in that file may stop the device
            log.exception("what was taught cannot be joined to the catalogue")

    def _on_shelf_change(self, phase: Phase, bundle: str, message: str) -> None:
        self._write_phase(phase, bundle, message)
        self._is_opening = phase == "opening"
        if message and phase != "unable":
            self._failure = self._without_folder(message)
            self.latest.notify()
        if phase in ("failed", "unable") and self._recorder is not None:
            self._recorder.catalogue_rejected(bundle, message, self._bundle_id())

    def _write_phase(self, phase: Phase, bundle: str, message: str = "") -> None:
        if self._state_folder is not None and (phase == "stopped" or not self.stopping.is_set()):
            follows = self._watcher is not None
            write_phase(self._state_folder, phase, bundle, message, follows=follows)


def _description(bundle: Bundle) -> dict[str, object]:
    """An open bundle, ready to be JSON."""
    return {
        "id": bundle.id,
        "title": bundle.manifest.title,
        "created": bundle.manifest.created,
        "items": bundle.manifest.items,
        "photos": bundle.manifest.photos,
        "index": bundle.manifest.index.kind,
        "network": bundle.manifest.featurizer.name,
    }
