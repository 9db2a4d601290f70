"""Puts what the appliance sees, and how it is, into the outbox.

The loop only leaves a note here; a thread of its own makes the events, so that neither a
thumbnail nor a disk ever holds a frame up.
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
from edge.appliance import health
from edge.cameras.reader import CameraState
from edge.counters import Figures
from edge.sighting import Candidate, Sighting
from sync.outbox import events
from sync.outbox.clock import Moment, now
from sync.outbox.outbox import FILE, Counters, Outbox
from sync.settings import OutboxSettings

OTHERS = 3
LONGEST_CODE = 200  # characters
THUMBNAIL_SIDES = (160, 128, 96, 64)  # pixels; the first whose JPEG is small enough
MOST_NOTES = 2000  # that wait for the thread; more are dropped, and counted
GOODBYE_S = 1.5  # at most, for the last events to reach the disk; a sound one takes milliseconds

log = logging.getLogger(__name__)

Note = Callable[[], None]


class Reporting:
    """Reports from one appliance.

    Args:
        outbox: Where events go; closed by `stop`.
        settings: ``[outbox]``.
        device: ``[device]``.
    """

    def __init__(self, outbox: Outbox, settings: OutboxSettings, device: DeviceSettings) -> None:
        self._outbox = outbox
        self._settings = settings
        self._folder = device.folder
        self._notes: queue.Queue[Note | None] = queue.Queue(MOST_NOTES)
        self._started = time.monotonic()
        self._next_features = 0.0
        self._camera: Literal["starting", "online", "offline"] = "starting"
        self._figures: Callable[[], Figures] = Figures
        self._bundle = ""
        self._thread = threading.Thread(target=self._run, name="reporting", daemon=True)

    def start(self, bundle: Bundle, figures: Callable[[], Figures]) -> None:
        """Say that the device is there, and begin to send heartbeats."""
        self._figures = figures
        self._status("started", "", version=version("visual-search"))
        self._model_loaded(bundle)
        self._bundle = bundle.id
        self._thread.start()

    def stop(self) -> None:
        """Say that the device stops; gives up soon where the disk hangs."""
        deadline = time.monotonic() + GOODBYE_S
        if self._thread.is_alive():
            self._note("status", lambda: self._status("stopped"))
            with suppress(queue.Full):  # then it hangs
                self._notes.put_nowait(None)
            self._thread.join(GOODBYE_S)
        self._outbox.close(max(0.1, deadline - time.monotonic()))

    def counters(self) -> Counters:
        """How the outbox is.

        Raises:
            OutboxError: It cannot be read now.
        """
        return self._outbox.counters()

    # Called by the loop and the camera's thread: they only leave a note.

    def sighting(self, sighting: Sighting) -> None:
        """A verdict has changed."""
        moment = Moment(sighting.at, now().trusted)
        self._note("sighting", lambda: self._put_sighting(sighting, moment))

    def features(self, numbers: NDArray[np.float32]) -> None:
        """The network's own output, float32 (d,), for one look; where that is wanted."""
        if self._settings.report_features and time.monotonic() >= self._next_features:
            self._next_features = time.monotonic() + self._settings.features_interval_s
            self._note("features", lambda: self._put_features(numbers))

    def camera(self, state: CameraState, name: str) -> None:
        """The camera came, or went."""
        if state.status != "starting" and state.status != self._camera:
            self._camera = state.status
            self._note("status", lambda: self._put_camera(state, name))

    def catalogue(self, bundle: Bundle) -> None:
        """Another catalogue is in use."""
        former, self._bundle = self._bundle, bundle.id
        back = bundle.id < former  # ids begin with the time of the build
        what = "catalogue_rolled_back" if back else "catalogue_activated"
        self._note("status", lambda: self._status(what, "", bundle=bundle.id, former=former))
        self._note("status", lambda: self._model_loaded(bundle))

    def catalogue_rejected(self, bundle: str, reason: str, used: str) -> None:
        """A catalogue could not be opened; another one is in use."""
        self._note(
            "status",
            lambda: self._status("catalogue_rejected", reason, bundle=bundle, in_use=used),
        )

    def _note(self, kind: events.Kind, note: Note) -> None:
        try:
            self._notes.put_nowait(note)
        except queue.Full:
            self._outbox.dropped(kind)

    # The thread.

    def _run(self) -> None:
        due = time.monotonic() + min(10.0, self._settings.heartbeat_s)
        while True:
            try:
                note = self._notes.get(timeout=max(0.0, due - time.monotonic()))
            except queue.Empty:
                due = time.monotonic() + self._settings.heartbeat_s
                note = self._put_heartbeat
            if note is None:
                return
            try:
                note()
            except Exception:  # a report that cannot be made must not end all the others
                log.exception("an event could not be made")

    def _put_sighting(self, sighting: Sighting, moment: Moment) -> None:
        timings = {name: round(ms, 2) for name, ms in vars(sighting.timings).items()}
        body = events.Sighting(
            verdict=sighting.verdict.value,
            item=_item(sighting.matches[0]) if sighting.matches else None,
            others=tuple(_item(one) for one in sighting.matches[1 : 1 + OTHERS]),
            things=sighting.things,
            code=sighting.code[:LONGEST_CODE] or None,
            bundle=sighting.bundle,
            timings_ms=events.Timings(**timings),
            thumbnail=thumbnail(sighting.look_jpeg) if self._settings.report_thumbnails else None,
        )
        self._outbox.put(events.Event("sighting", body, sighting.id, moment))

    def _put_features(self, numbers: NDArray[np.float32]) -> None:
        self._outbox.put(events.message("frame retrieved"))
        self._outbox.put(events.features(numbers))

    def _put_camera(self, state: CameraState, name: str) -> None:
        self._status(f"camera_{state.status}", state.message, camera=name)
        if state.status == "offline" and self._settings.report_features:
            self._outbox.put(events.message("FAILED to get frame"))

    def _put_heartbeat(self) -> None:
        figures = self._figures()
        outbox = figures.outbox or Counters()
        self._outbox.put(
            events.Event(
                "heartbeat",
                events.Heartbeat(
                    uptime_s=round(time.monotonic() - self._started, 1),
                    rss_bytes=health.rss_bytes(),
                    disk_free_bytes=health.free_bytes(self._folder),
                    temperature_c=health.temperature_c(),
                    outbox_length=outbox.length,
                    outbox_oldest_s=outbox.oldest_s,
                    camera=self._camera,
                    bundle=self._bundle,
                    sightings=sum(figures.sightings.values()),
                ),
            )
        )

    def _model_loaded(self, bundle: Bundle) -> None:
        featurizer = bundle.featurizer
        self._status(
            "model_loaded",
            "",
            network=featurizer.descriptor.name,
            engine=featurizer.engine,
            bundle=bundle.id,
        )
        if self._settings.report_features:
            self._outbox.put(events.message("Model loaded SUCCESSFULLY"))

    def _status(self, what: str, message: str = "", **details: events.Detail) -> None:
        self._outbox.put(events.status(what, message, **details))


def open_reporting(device: DeviceSettings, settings: OutboxSettings) -> Reporting | None:
    """The reporting that the settings ask for; None where it is off or cannot be."""
    if not settings.enabled:
        return None
    try:
        name = device_id(device.folder)
    except VisualSearchError as error:  # the camera works without it
        log.error("nothing will be reported: %s", error)
        return None
    return Reporting(Outbox(device.folder / FILE, settings, name), settings, device)


def thumbnail(look_jpeg: bytes) -> str | None:
    """A look as a JPEG of at most 3,000 bytes, base64; None where it cannot be."""
    if not look_jpeg:
        return None
    look = cv2.imdecode(np.frombuffer(look_jpeg, np.uint8), cv2.IMREAD_COLOR)
    for side in THUMBNAIL_SIDES:
        jpeg = encode_jpeg(np.asarray(look, np.uint8), side)
        if len(jpeg) <= events.LONGEST_THUMBNAIL:
            return base64.b64encode(jpeg).decode()
    return None


def _item(candidate: Candidate) -> events.Item:
    return events.Item(
        sku=candidate.item.sku,
        title=candidate.item.title,
        similarity=round(float(candidate.similarity), 3),
        sure=round(float(candidate.confidence), 3),
    )
