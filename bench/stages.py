"""Frame to match, stage by stage, on frames rendered beforehand.

A stage is timed where the appliance times it. Capture reaches from the camera's read to
the loop's having the frame; show from the finished search to the event in a viewer's
hands, including the viewer's own reading. Embed is of all the crops that an answer is made of.
Search is of the vector alone; `bench.verify` measures the rest of an answer. Code is of the frame
after the answer.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse

import cv2
import numpy as np

from catalog.bundles.bundle import Bundle
from edge.appliance.appliance import Appliance
from edge.cameras import CameraReader, CameraSettings
from edge.settings import EdgeSettings
from edge.sighting import Frame, Image
from edge.simulator.simulator import Simulator
from edge.vision.picture_search import Observation
from edge.vision.recognizer import Recognizer
from edge.web.app import create_app
from edge.web.server import Server

SEED = 80_001
SHOWINGS = 60
FRAMES_A_SHOWING = 5  # so few that each thing is answered once, and then another one comes
FRAME_S = 0.25  # between two frames
STAGES = ("capture", "look", "embed", "search", "code", "show")


def rendered_frames(width: int, height: int) -> list[Image]:
    """An empty counter, then a few frames of each of many things at rest."""
    simulator = Simulator(SEED)
    empty = [simulator.frame(index)[0] for index in range(6)]
    resting = (list(simulator.resting(number))[:FRAMES_A_SHOWING] for number in range(SHOWINGS))
    frames = empty + [simulator.frame(index)[0] for indices in resting for index in indices]
    if (width, height) == (640, 480):
        return frames
    return [np.asarray(cv2.resize(frame, (width, height)), np.uint8) for frame in frames[:126]]


def stage_times(bundle: Bundle, frames: list[Image], *, watched: bool) -> dict[str, float]:
    """Median milliseconds of each stage over frames (h, w, 3).

    `watched`: a viewer of the live picture is served beside the event stream.
    """
    recognizer = Recognizer(bundle)
    observations = [
        recognizer.observe(Frame(image, number * FRAME_S, number))
        for number, image in enumerate(frames)
    ]
    searched = [observation for observation in observations if observation.found]
    return {
        "capture": capture_ms(frames),
        "look": statistics.median(observation.timings.look for observation in searched),
        "embed": statistics.median(observation.timings.embed for observation in searched),
        "search": search_ms(bundle, searched),
        "code": statistics.median(
            observation.timings.code for observation in observations if observation.timings.code
        ),
        "show": show_ms(bundle, searched[:100], frames, watched=watched),
    }


def search_ms(bundle: Bundle, observations: list[Observation]) -> float:
    """Median milliseconds of a search with the vectors of some crops."""
    times: list[float] = []
    for observation in observations:
        if observation.crop is not None:
            vector = bundle.featurizer.embed([observation.crop.image])[0]
            start = time.perf_counter()
            bundle.search(vector)
            times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


class Rendered:
    """A camera that hands over frames that were rendered beforehand."""

    name = "rendered"
    learns_background = True
    paced = False
    live = False

    def __init__(self, frames: list[Image]) -> None:
        self._frames = frames
        self._next = 0

    def read(self) -> Image:
        """The next frame, an array of its own."""
        self._next += 1
        return self._frames[self._next % len(self._frames)].copy()

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


def capture_ms(frames: list[Image]) -> float:
    """Median milliseconds from the camera's read until the loop has the frame."""
    times: list[float] = []
    settings = CameraSettings(fps=60)
    with CameraReader("rendered", settings, opener=lambda source, how: Rendered(frames)) as reader:
        sequence = 0
        while len(times) < 200:
            frame = reader.frame(after=sequence, timeout=5)
            assert frame is not None
            times.append((time.time() - frame.at) * 1000 + frame.capture_ms)
            sequence = frame.sequence
    return statistics.median(times)


def show_ms(
    bundle: Bundle, observations: list[Observation], frames: list[Image], *, watched: bool
) -> float:
    """Median milliseconds from a finished search until a viewer has its event."""
    appliance = Appliance(EdgeSettings.model_validate({"camera": "simulated"}), bundle)
    times: list[float] = []
    with serving(appliance) as port, stream(port, "/api/events") as events:
        if watched:
            threading.Thread(target=watch_picture, args=(port,), daemon=True).start()
        read_until(events, b'"sighting": null')
        for number, observation in enumerate(observations, 1):
            appliance.picture.show(Frame(frames[number], time.time(), number))
            time.sleep(0.02)
            start = time.perf_counter()
            sighting = appliance.publish(observation, time.time())
            read_until(events, sighting.id.encode())
            times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


@contextmanager
def serving(appliance: Appliance) -> Iterator[int]:
    """The page of an appliance whose camera is not started; yields the port."""
    server = Server(create_app(appliance), "127.0.0.1", 0, appliance.stopping)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server.port
    finally:
        server.stop()
        thread.join()


@contextmanager
def stream(port: int, path: str) -> Iterator[HTTPResponse]:
    """An open answer of the server."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    try:
        yield connection.getresponse()
    finally:
        connection.close()


def watch_picture(port: int) -> None:
    """Read the live picture until the server ends it."""
    with stream(port, "/camera.mjpg") as picture:
        while picture.read1(65536):
            pass


def read_until(events: HTTPResponse, text: bytes) -> None:
    """Read a stream until `text` has come."""
    read = b""
    while text not in read:
        new = events.read1(65536)
        assert new, "the stream ended"
        read = read[-len(text) :] + new
