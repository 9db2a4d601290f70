"""Use a running device as a busy shop would, so that its memory can be measured."""

from __future__ import annotations

import json
import random
import select
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import httpx

from catalog.bundles.shelf import Shelf
from edge.simulator.simulator import Simulator

SEED = 80_003
VIDEO_SHOWINGS, EMPTY_FRAMES, REST_FRAMES, FPS = 60, 4, 9, 10.0
AT_ONCE = 2  # uploads
STAYS, PAUSES = (2.0, 6.0), (2.0, 10.0)  # seconds that a viewer watches and is away
VIEWED = ("/api/events", "/camera.mjpg")
SHOWINGS = "visual_search_sightings_total{"


@dataclass
class Use:
    """How much a device is used, and how much of it was done."""

    uploads: int
    viewers: int
    showings: int
    changes: int
    uploaded: int = 0
    shown: int = 0
    changed: int = 0
    visits: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def done(self) -> bool:
        """Whether everything was done."""
        return (
            self.uploaded >= self.uploads
            and self.shown >= self.showings
            and self.changed >= self.changes
        )

    def progress(self) -> str:
        """What was done, as a line to print."""
        return (
            f"{self.uploaded} of {self.uploads} uploads, {self.shown} of {self.showings} showings, "
            f"{self.changed} of {self.changes} changes of the catalogue, {self.visits} visits"
        )


class Client:
    """Asks the device at `port` of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str) -> bytes:
        """The body of an answer."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return bytes(answer.read())

    def document(self, path: str) -> dict[str, Any]:
        """A JSON answer; empty where the device does not answer."""
        try:
            found: dict[str, Any] = json.loads(self.get(path))
        except OSError:
            return {}
        return found

    def showings(self) -> int:
        """How many things the device has given an answer for."""
        lines = self.get("/metrics").decode().splitlines()
        counts = {line.split()[0]: float(line.split()[1]) for line in lines if SHOWINGS in line}
        return int(sum(count for name, count in counts.items() if '"nothing"' not in name))

    def upload(self, photo: bytes) -> bool:
        """Search with a photo; False where the device is too busy now."""
        address = f"http://127.0.0.1:{self.port}/api/search"
        answer = httpx.post(
            address, content=photo, headers={"Content-Type": "image/jpeg"}, timeout=60
        )
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            answer.raise_for_status()
        return answer.is_success


@contextmanager
def using(client: Client, use: Use, photos: list[bytes], shelf: Shelf) -> Iterator[None]:
    """Use the device on threads until the block ends; `use` says how much of it is done."""
    stopping = threading.Event()
    jobs: list[Callable[[], None]] = [
        *[partial(_upload, client, use, photos, stopping)] * AT_ONCE,
        *(partial(_view, client, use, number, stopping) for number in range(use.viewers)),
        partial(_change, client, use, shelf, stopping),
    ]
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def write_video(path: Path) -> None:
    """Write a video of drawn things, one after the other, on an empty counter."""
    simulator = Simulator(SEED, foreign=False)
    size = simulator.size
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, size)
    empty = [simulator.frame(index)[0] for index in range(EMPTY_FRAMES)]
    for number in range(VIDEO_SHOWINGS):
        resting = list(simulator.resting(number))[:REST_FRAMES]
        for image in [*empty, *(simulator.frame(index)[0] for index in resting)]:
            writer.write(image)
    writer.release()


def activate(client: Client, shelf: Shelf) -> None:
    """Make the version before the active one, and wait until the device has opened it."""
    previous = shelf.previous()
    assert previous is not None
    with shelf.changing():
        shelf.switch(previous.name)
    deadline = time.monotonic() + 120
    while (client.document("/api/status").get("catalogue") or {}).get("id") != previous.name:
        assert time.monotonic() < deadline, "the device did not open the catalogue"
        time.sleep(0.1)


def _upload(client: Client, use: Use, photos: list[bytes], stopping: threading.Event) -> None:
    while not stopping.is_set():
        with use.lock:
            number = use.uploaded
            if number >= use.uploads:
                return
            use.uploaded += 1
        while not client.upload(photos[number % len(photos)]) and not stopping.wait(0.2):
            pass


def _view(client: Client, use: Use, number: int, stopping: threading.Event) -> None:
    chance = random.Random(number)
    while not stopping.wait(chance.uniform(*PAUSES)):
        with ExitStack() as opened:
            streams = []
            for path in VIEWED:
                stream = socket.create_connection(("127.0.0.1", client.port))
                streams.append(opened.enter_context(stream))
                request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\n\r\n"
                stream.sendall(request.encode())
            until = time.monotonic() + chance.uniform(*STAYS)
            while time.monotonic() < until and not stopping.is_set():
                for stream in select.select(streams, [], [], 0.25)[0]:
                    stream.recv(65_536)
        with use.lock:
            use.visits += 1


def _change(client: Client, use: Use, shelf: Shelf, stopping: threading.Event) -> None:
    while use.changed < use.changes:
        due = use.uploads * use.changed // use.changes
        if use.uploaded >= due:
            activate(client, shelf)
            use.changed += 1
        if stopping.wait(0.2):
            return
