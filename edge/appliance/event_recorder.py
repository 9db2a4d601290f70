"""Record what the appliance sees, and how it is, as events in the outbox.

The loop and the camera's thread only put tasks into a queue. A thread of the recorder's own makes
the events, so that neither encoding a thumbnail nor a slow disk ever delays a frame.
"""

from __future__ import annotations

import base64
import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.bundles.bundle import Bundle
from catalog.core.errors import VisualSearchError
from catalog.core.photos import encode_jpeg
from catalog.core.settings import DeviceSettings, device_id
from catalog.core.state import Camera, write_camera
from catalog.recognition.decision import Verdict
from edge import health
from edge.appliance.camera_reports import CameraReports
from edge.cameras.reader import CameraState
from edge.counters import CounterSnapshot
from edge.sighting import Candidate, Sighting, ThingBeside
from sync.outbox import events
from sync.outbox.clock import Moment, now
from sync.outbox.database import FILE
from sync.outbox.kinds import Kind
from sync.outbox.outbox import Counters, Outbox
from sync.settings import OutboxSettings

OTHERS = 3  # items beside the first
LONGEST_CODE = 200  # characters
THUMBNAIL_SIDES = (160, 128, 96, 64)  # pixels; the first whose JPEG is small enough is taken
MOST_TASKS = 2000  # that wait for the thread; further ones are dropped and counted
STOP_TIMEOUT_S = 1.5  # for the last events to reach the disk, which usually takes milliseconds

log = logging.getLogger(__name__)

Task = Callable[[], None]


class EventRecorder:
    """Records the events of one appliance.

    Args:
        outbox: Where events go; closed by `stop`.
        settings: ``[outbox]``.
        device: ``[device]``.
    """

    def __init__(self, outbox: Outbox, settings: OutboxSettings, device: DeviceSettings) -> None:
        self._outbox = outbox
        self._settings = settings
        self._folder, self._state = device.folder, device.state
        self._tasks: queue.Queue[Task | None] = queue.Queue(MOST_TASKS)  # None: stop
        self._started_at = time.monotonic()
        self._next_features_at = 0.0  # monotonic seconds
        self._camera_status: Literal["starting", "online", "offline"] = "starting"
        self._camera_reports = CameraReports()
        self._camera_state, self._camera_name = CameraState("starting", 0.0), ""
        self._counters: Callable[[], CounterSnapshot] = CounterSnapshot
        self._bundle = ""
        self._thread = threading.Thread(target=self._run, name="event-recorder", daemon=True)
        if settings.shadow:
            self._tasks.put(lambda: self._note_camera("starting"))

    def start(self, bundle: Bundle | None, counters: Callable[[], CounterSnapshot]) -> None:
        """Record that the device has started, and begin with the heartbeats.

        Args:
            bundle: The bundle that is in use; None where the device has none yet.
            counters: Gives the appliance's counters, for the heartbeats.
        """
        self._counters = counters
        self._put_status("started", "", version=version("visual-search"))
        if bundle is not None:
            self._put_model_loaded(_model(bundle))
            self._bundle = bundle.id
        self._thread.start()

    def stop(self) -> None:
        """Record that the device stops; gives up soon where the disk hangs."""
        deadline = time.monotonic() + STOP_TIMEOUT_S
        if self._thread.is_alive():
            self._enqueue("status", lambda: self._put_status("stopped"))
            with suppress(queue.Full):  # it is full where the thread hangs
                self._tasks.put_nowait(None)
            self._thread.join(STOP_TIMEOUT_S)
        self._outbox.close(max(0.1, deadline - time.monotonic()))

    def outbox_counters(self) -> Counters:
        """The outbox's counters.

        Raises:
            OutboxError: It cannot be read now.
        """
        return self._outbox.counters()

    @property
    def sends(self) -> bool:
        """Whether the events are ever sent; else the newest are only kept."""
        return self._settings.transport != "none"

    @property
    def reports_text(self) -> bool:
        """Whether the words that are read on things are reported."""
        return self._settings.report_text

    # Called by the loop and the camera's thread.

    def sighting(self, sighting: Sighting) -> None:
        """Record a changed verdict."""
        moment = Moment(sighting.at, now().trusted)
        self._enqueue("sighting", lambda: self._put_sighting(sighting, moment))

    def features(self, features: NDArray[np.float32]) -> None:
        """Record the network's own output, float32 (d,), where the settings ask for it."""
        if self._settings.report_features and time.monotonic() >= self._next_features_at:
            self._next_features_at = time.monotonic() + self._settings.features_interval_s
            self._enqueue("features", lambda: self._put_features(features))

    def camera(self, state: CameraState, name: str) -> None:
        """Record that the camera came online or went offline; a return only when it lasts."""
        if state.status != self._camera_status:
            self._camera_status = state.status
            self._enqueue("status", lambda: self._camera_changed(state, name, time.monotonic()))

    def catalogue(self, bundle: Bundle) -> None:
        """Record that another catalogue is in use."""
        former, self._bundle = self._bundle, bundle.id
        identity, model = bundle.id, _model(bundle)  # the tasks must not keep the bundle open
        is_older = identity < former  # ids begin with the time of the build
        what = "catalogue_rolled_back" if is_older else "catalogue_activated"
        self._enqueue("status", lambda: self._put_status(what, "", bundle=identity, former=former))
        self._enqueue("status", lambda: self._put_model_loaded(model))

    def catalogue_rejected(self, bundle: str, reason: str, in_use: str) -> None:
        """Record that a catalogue could not be opened, and which one is in use instead."""
        self._enqueue(
            "status",
            lambda: self._put_status("catalogue_rejected", reason, bundle=bundle, in_use=in_use),
        )

    def _enqueue(self, kind: Kind, task: Task) -> None:
        try:
            self._tasks.put_nowait(task)
        except queue.Full:
            self._outbox.dropped(kind)

    # On the recorder's own thread.

    def _run(self) -> None:
        due = time.monotonic() + min(10.0, self._settings.heartbeat_s)
        while True:
            next_at = min(due, self._camera_reports.due_at)
            try:
                task = self._tasks.get(timeout=max(0.0, next_at - time.monotonic()))
            except queue.Empty:
                if next_at < due:
                    task = self._put_steady_camera
                else:
                    due = time.monotonic() + self._settings.heartbeat_s
                    task = self._put_heartbeat
            if task is None:
                return
            try:
                task()
            except Exception:  # one event that cannot be made must not end the thread
                log.exception("an event could not be made")

    def _put_sighting(self, sighting: Sighting, moment: Moment) -> None:
        timings = {name: round(ms, 2) for name, ms in vars(sighting.timings).items()}
        body = events.Sighting(
            verdict=sighting.verdict.claim,
            item=_item(sighting.matches[0]) if sighting.matches else None,
            others=tuple(_item(match) for match in sighting.matches[1 : 1 + OTHERS]),
            guesses=tuple(_item(guess) for guess in sighting.guesses) or None,
            things=_things(sighting),
            code=sighting.code[:LONGEST_CODE] or None,
            unknown_gtin=sighting.unknown_gtin or None,
            text=" / ".join(sighting.text)[: events.LONGEST_TEXT] or None,
            bundle=sighting.bundle,
            timings_ms=events.Timings(**timings),
            thumbnail=thumbnail(sighting.crop_jpeg) if self._settings.report_thumbnails else None,
        )
        self._outbox.put(events.Event("sighting", body, sighting.id, moment))

    def _put_features(self, features: NDArray[np.float32]) -> None:
        self._outbox.put(events.message("frame retrieved"))
        self._outbox.put(events.features(features))

    def _camera_changed(self, state: CameraState, name: str, now: float) -> None:
        self._camera_state, self._camera_name = state, name
        if self._camera_reports.is_news(state, now):
            self._put_camera(state, name)

    def _put_steady_camera(self) -> None:
        if self._camera_reports.is_steady(time.monotonic()):
            self._put_camera(self._camera_state, self._camera_name)

    def _put_camera(self, state: CameraState, name: str) -> None:
        self._put_status(f"camera_{state.status}", state.message, camera=name)
        if state.status == "offline" and self._settings.report_features:
            self._outbox.put(events.message("FAILED to get frame"))
        self._note_camera(state.status)  # last: a state folder that is full loses no report

    def _note_camera(self, status: Camera) -> None:
        """Let ``sync`` know of it, where it reports the camera's state."""
        if self._settings.shadow:
            write_camera(self._state, status)

    def _put_heartbeat(self) -> None:
        counters = self._counters()
        outbox = counters.outbox or Counters()
        self._outbox.put(
            events.Event(
                "heartbeat",
                events.Heartbeat(
                    uptime_s=round(time.monotonic() - self._started_at, 1),
                    rss_bytes=health.rss_bytes(),
                    disk_free_bytes=health.free_bytes(self._folder),
                    temperature_c=health.temperature_c(),
                    outbox_length=outbox.length,
                    outbox_oldest_s=outbox.oldest_s,
                    camera=self._camera_status,
                    bundle=self._bundle,
                    sightings=sum(counters.sightings.values()),
                ),
            )
        )

    def _put_model_loaded(self, model: dict[str, events.Detail]) -> None:
        self._put_status("model_loaded", "", **model)
        if self._settings.report_features:
            self._outbox.put(events.message("Model loaded SUCCESSFULLY"))

    def _put_status(self, what: str, message: str = "", **details: events.Detail) -> None:
        self._outbox.put(events.status(what, message, **details))


def open_recorder(device: DeviceSettings, settings: OutboxSettings) -> EventRecorder | None:
    """Open the recorder; None where it is switched off, or the data folder cannot be used."""
    if not settings.enabled:
        return None
    try:
        name = device_id(device.folder)
    except VisualSearchError as error:  # the device recognizes without it
        log.error("nothing will be reported: %s", error)
        return None
    return EventRecorder(Outbox(device.folder / FILE, settings, name), settings, device)


def _things(sighting: Sighting) -> tuple[events.Thing, ...]:
    """Every thing that lies there, the one that the sighting is about first."""
    if sighting.verdict is Verdict.NOTHING:
        return ()
    about = ThingBeside(sighting.place, sighting.id, sighting.verdict, sighting.matches)
    return tuple(_thing(thing) for thing in (about, *sighting.others))


def _thing(thing: ThingBeside) -> events.Thing:
    box = None
    if thing.place is not None:
        box = events.Place(**{side: round(share, 3) for side, share in vars(thing.place).items()})
    return events.Thing.model_validate(
        {
            "box": box,
            "verdict": thing.verdict.claim if thing.verdict is not None else None,
            "sku": thing.matches[0].item.sku if thing.verdict is Verdict.MATCH else None,
        }
    )


def thumbnail(crop_jpeg: bytes) -> str | None:
    """Shrink a crop to a JPEG of at most 3,000 bytes, in base64; None where that fails."""
    if not crop_jpeg:
        return None
    crop = cv2.imdecode(np.frombuffer(crop_jpeg, np.uint8), cv2.IMREAD_COLOR)
    for side in THUMBNAIL_SIDES:
        jpeg = encode_jpeg(np.asarray(crop, np.uint8), side)
        if len(jpeg) <= events.MAX_THUMBNAIL_BYTES:
            return base64.b64encode(jpeg).decode()
    return None


def _model(bundle: Bundle) -> dict[str, events.Detail]:
    """What is recorded of a bundle's network."""
    featurizer = bundle.featurizer
    return {
        "network": featurizer.name,
        "engine": featurizer.engine,
        "bundle": bundle.id,
    }


def _item(candidate: Candidate) -> events.Item:
    return events.Item(
        sku=candidate.item.sku,
        title=candidate.item.title,
        similarity=round(float(candidate.similarity), 3),
        sure=round(float(candidate.confidence), 3),
    )
