"""A running device before which a test puts things, and a client of its staff's area."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import zxingcpp

from catalog.bundles.bundle import Bundle
from edge.appliance.appliance import Appliance
from edge.appliance.controls import Controls
from edge.errors import CameraError
from edge.log_lines import LogLines
from edge.settings import EdgeSettings
from edge.sighting import Image
from edge.web.app import create_app
from edge.web.server import Server
from edge.web.staff.access import TOKEN_HEADER
from edge.web.staff.pin import StaffPin
from tests.support.drawing import draw_thing
from tests.support.web_stand_in import StandInAnnouncement

PIN = "493028"
ADDRESSES = ["http://shop.local:8080/", "http://10.9.0.2:8080/"]
SIDE = 240
CARD = (60, 160, 200)  # its colour, blue, green, red
TURN = 12  # pixels: another view, and still like the first
WAIT = 60.0


class Hand:
    """A camera before which a test holds a thing, turned a little for each side."""

    name = "hand"
    learns_background = False
    paced = True
    live = True

    def __init__(self) -> None:
        self._gone = threading.Event()
        self.show(0)

    def show(self, thing: int, side: int = 0) -> None:
        """Hold a thing before the camera."""
        self._image = np.roll(draw_thing(thing, side, SIDE), TURN * side, axis=1)

    def show_code(self, text: str) -> None:
        """Hold a card with a matrix code before the camera."""
        code = np.array(zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode).to_image())
        drawn = cv2.resize(code, (SIDE // 2,) * 2, interpolation=cv2.INTER_NEAREST)
        self._image = np.full((SIDE, SIDE, 3), 245, np.uint8)
        self._image[SIDE // 8 : -SIDE // 8, SIDE // 8 : -SIDE // 8] = CARD
        self._image[SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4] = drawn[..., None]

    def read(self) -> Image:
        if self._gone.wait(0.02):
            raise CameraError("unplugged")
        noise = np.random.default_rng().integers(0, 2, self._image.shape, np.uint8)
        return np.asarray(cv2.add(self._image, noise), np.uint8)

    def close(self) -> None:
        self._gone.set()


@dataclass
class TaughtDevice:
    """A running device, its camera, its state folder, and a client that has entered the PIN."""

    appliance: Appliance
    hand: Hand
    client: httpx.Client
    url: str
    folder: Path

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """The answer to a request as JSON; the request must succeed."""
        answer = self.client.request(method, path, **options)
        assert answer.is_success, answer.text
        return answer.json()


@contextmanager
def taught_device(
    bundle: Path, folder: Path, hand: Hand | None = None, **settings: object
) -> Iterator[TaughtDevice]:
    """Run a device with a bundle, whose state is in `folder`; further settings are of `[edge]`."""
    StaffPin(folder).set(PIN, replace=True)
    hand = hand or Hand()
    appliance = Appliance(
        EdgeSettings.model_validate({"interval_ms": 20} | settings),
        Bundle.open(bundle),
        state_folder=folder,
        opener=lambda *_: hand,
    )
    lines = LogLines()
    logging.getLogger("edge").addHandler(lines)
    controls = Controls(folder / "device.toml", folder, lines, follows=False)
    announcement = StandInAnnouncement(ADDRESSES)
    app = create_app(appliance, announcement=announcement, state_folder=folder, controls=controls)
    server = Server(app, "127.0.0.1", 0, appliance.stopping)
    thread = threading.Thread(target=server.serve)
    appliance.start()
    thread.start()
    url = f"http://127.0.0.1:{server.port}"
    try:
        with httpx.Client(base_url=url, timeout=WAIT) as client:
            session = client.post("/api/staff/session", json={"pin": PIN}).json()
            client.headers[TOKEN_HEADER] = session["token"]
            yield TaughtDevice(appliance, hand, client, url, folder)
    finally:
        appliance.stop()
        server.close()
        thread.join(WAIT)
        logging.getLogger("edge").removeHandler(lines)
