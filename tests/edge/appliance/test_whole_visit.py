"""A visit at a real device with a simulated camera, as the page of its own screen tells it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from catalog.bundles.bundle import Bundle
from catalog.synthetic.items import drawn_items
from edge.appliance.appliance import Appliance
from edge.errors import CameraError
from edge.settings import EdgeSettings
from edge.sighting import Image
from edge.simulator.simulator import Simulator
from edge.vision.fixed_scene import FIRST_FRAMES
from edge.web.app import create_app
from edge.web.server import Server
from edge.words import Words
from tests.edge.appliance.test_appliance import FLAGS, until

pytestmark = pytest.mark.slow

SEED = 12
GAP = 0.1  # seconds from a picture to the next
AWAY = Words(
    "camera {name} gives no pictures; check its cable, and that no other program uses it",
    name="stage",
)


class Stage:
    """A camera before which the simulator's things lie for as long as a test wants."""

    name = "stage"
    learns_background = True
    paced = True
    live = True

    def __init__(self) -> None:
        self._simulator = Simulator(SEED, fps=1 / GAP)
        self._plugged = threading.Event()
        self._closed = threading.Event()
        self._rest = range(1)
        self._index = 0
        self.plug()

    def kind(self, number: int) -> str:
        """What a showing shows: "item", "foreign" or "hand"."""
        return self._simulator.timeline.showing(number).kind

    def sku(self, number: int) -> str:
        """The item of a showing."""
        return str(self._simulator.frame(self._simulator.resting(number)[2])[1].sku)

    def show(self, number: int) -> None:
        """Let a showing's thing come, and lie there."""
        self._index, self._rest = (
            self._simulator.showing(number).start,
            self._simulator.resting(number),
        )

    def clear(self, number: int) -> None:
        """Let a showing's thing go."""
        after = self._simulator.showing(number).stop
        self._index, self._rest = self._rest.stop, range(after, after + 2)

    def plug(self) -> None:
        self._plugged.set()

    def unplug(self) -> None:
        self._plugged.clear()

    def open(self) -> Stage:
        if not self._plugged.is_set():
            raise CameraError(AWAY)
        self._closed.clear()
        return self

    def read(self) -> Image:
        if self._closed.wait(GAP) or not self._plugged.is_set():
            raise CameraError(AWAY)
        image, _ = self._simulator.frame(self._index)
        self._index += 1
        if self._index >= self._rest.stop:
            self._index = self._rest.start
        return image

    def close(self) -> None:
        self._closed.set()


@contextmanager
def served(bundle: Path, folder: Path, stage: Stage) -> Iterator[str]:
    """Run a device with this camera; gives its page's address once it knows the empty counter."""
    appliance = Appliance(
        EdgeSettings.model_validate({"interval_ms": 100}),
        Bundle.open(bundle),
        state_folder=folder,
        opener=lambda *_: stage.open(),
    )
    server = Server(create_app(appliance, state_folder=folder), "127.0.0.1", 0, appliance.stopping)
    thread = threading.Thread(target=server.serve)
    appliance.start()
    thread.start()
    try:
        until(lambda: appliance.counters().analysed > 2 * FIRST_FRAMES)
        yield f"http://localhost:{server.port}/"
    finally:
        appliance.stop()
        server.close()
        thread.join()


@pytest.fixture
def page() -> Iterator[Page]:
    """The page of a small kiosk; its console must have no errors or warnings."""
    complaints: list[str] = []
    expect.set_options(timeout=120_000)  # for an event that comes much sooner
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page(viewport={"width": 800, "height": 480})
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        browser.close()
    assert complaints == []


def test_a_visit_from_an_empty_counter_to_a_camera_that_comes_back(
    demonstration: Path, tmp_path: Path, page: Page
) -> None:
    stage = Stage()
    titles = {item.sku: item.title for item in drawn_items()}
    item = next(number for number in range(99) if stage.kind(number) == "item")
    foreign = next(number for number in range(99) if stage.kind(number) == "foreign")
    panel, spoken = page.locator("#panel"), page.locator("#spoken")
    with served(demonstration, tmp_path / "state", stage) as address:
        page.goto(address, wait_until="domcontentloaded")
        expect(panel).to_contain_text("Hold something in front of the camera")
        stage.show(item)
        expect(panel).to_contain_text("Looking")
        title = titles[stage.sku(item)]
        expect(panel.get_by_text(title, exact=True)).to_be_visible()
        expect(spoken).to_contain_text(title)
        expect(page.locator("#look")).to_be_visible()
        stage.clear(item)
        expect(panel).to_contain_text("Hold something in front of the camera")
        stage.show(foreign)
        expect(panel).to_contain_text("Looking")
        said = re.compile("I don\u2019t know this one|Perhaps|Probably one of|Very likely one of")
        expect(panel).to_contain_text(said)
        expect(spoken).to_contain_text(re.compile("I don\u2019t know|Perhaps|One of these"))
        stage.unplug()
        expect(panel).to_contain_text("No picture from the camera")
        expect(page.locator("#frame-note")).to_contain_text(AWAY)
        expect(page.locator("#status-camera")).to_have_text("Camera offline")
        expect(page.locator("#look")).to_be_hidden()
        stage.show(item)
        stage.plug()
        expect(panel.get_by_text(title, exact=True)).to_be_visible()
        expect(page.locator("#status-camera")).to_have_text("Camera on")
