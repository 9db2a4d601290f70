"""Measure how old the live picture is, and how late an answer, at the end of a slow link.

    python -m bench.slow_link [--seconds 120] [--rate 64] [--delay 200]

A real server shows the simulated counter to viewers, each on a link of its own that passes on so
many kB a second, so many milliseconds later. One viewer asks for single pictures, as the page does;
one reads the stream, as VLC does; both hear the answers as well. Two such viewers are at the end of
a network link (`bench.thin_link`), and two behind a proxy, which acknowledges what it has not
passed on yet. A fifth viewer reads the stream without a slow link.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import http.client
import json
import re
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import httpx
import numpy as np

from bench.idle import Prepared, rendered
from bench.process import free_port
from bench.thin_link import Link, in_own_network, open_far_end
from edge.appliance.appliance import Appliance
from edge.cameras import Camera, CameraSettings
from edge.live import SIZES, LivePicture
from edge.settings import EdgeSettings
from edge.sighting import Frame
from edge.web.app import create_app
from edge.web.server import Server

CHUNK = 4096  # bytes
QUEUE = 16_384  # bytes; what waits before the proxy's link
ROUTER_QUEUE = 65_536  # bytes; what waits before a network link, as in a router: a second of it
SLOW_S, QUICK_S, CAUTION_S = 0.35, 0.12, 3.0  # as in static/picture.js
TURN_S = 0.1
BOUNDARY = re.compile(rb"Content-Length: (\d+)\r\n\r\n")


class Noted(LivePicture):
    """Remembers which frame became which JPEG, and when that frame was the newest."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: dict[int, float] = {}  # monotonic seconds, by the frame's sequence
        self.frames: dict[bytes, int] = {}  # sequence, by the JPEG's digest

    def show(self, frame: Frame | None) -> None:
        """Note the moment."""
        if frame is not None:
            self.shown[frame.sequence] = time.monotonic()
        super().show(frame)

    def jpeg(
        self, after: int = -1, timeout: float = 0.0, size: int = SIZES[0]
    ) -> tuple[int, bytes] | None:
        """Note the JPEG."""
        newest = super().jpeg(after, timeout, size)
        if newest is not None:
            self.frames[hashlib.md5(newest[1], usedforsecurity=False).digest()] = newest[0]
        return newest

    def age(self, jpeg: bytes) -> float:
        """How many seconds ago the frame of a JPEG was the newest."""
        frame = self.frames[hashlib.md5(jpeg, usedforsecurity=False).digest()]
        return time.monotonic() - self.shown[frame]


@dataclass
class Viewer:
    """What one viewer got: the moment, and how old it was, in seconds."""

    pictures: list[tuple[float, float]] = field(default_factory=list)
    answers: list[tuple[float, float]] = field(default_factory=list)


Way = Callable[[str, Noted, Viewer, threading.Event], None]


class Proxy:
    """A proxy on loopback that passes on `rate` bytes a second, `delay` seconds later."""

    def __init__(self, upstream: int, rate: float, delay: float) -> None:
        self._upstream, self._rate, self._delay = upstream, rate, delay
        self._free_at = 0.0  # when the link has passed on all that was given to it
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self.port = 0
        threading.Thread(target=self._run, daemon=True).start()
        self._started.wait()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._connected, "127.0.0.1", 0, limit=CHUNK)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        self._loop.run_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = socket.socket()
        upstream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, QUEUE)
        upstream.settimeout(0)
        await self._loop.sock_connect(upstream, ("127.0.0.1", self._upstream))

        # A stream's reader would take all that is there, which would wait here beside the queue.
        def from_server() -> Awaitable[bytes]:
            return self._loop.sock_recv(upstream, CHUNK)

        def to_server(chunk: bytes) -> Awaitable[None]:
            return self._loop.sock_sendall(upstream, chunk)

        async def to_viewer(chunk: bytes) -> None:
            writer.write(chunk)
            await writer.drain()

        await asyncio.gather(
            self._pass_on(lambda: reader.read(CHUNK), to_server, limited=False),
            self._pass_on(from_server, to_viewer, limited=True),
            return_exceptions=True,
        )
        writer.close()
        upstream.close()

    async def _pass_on(
        self,
        read: Callable[[], Awaitable[bytes]],
        write: Callable[[bytes], Awaitable[None]],
        *,
        limited: bool,
    ) -> None:
        pending: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, chunk = await pending.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if not chunk:
                    return
                await write(chunk)

        delivery = asyncio.ensure_future(deliver())
        chunk = b"-"
        while chunk:
            chunk = await read()
            if limited:
                self._free_at = max(time.monotonic(), self._free_at) + len(chunk) / self._rate
                await asyncio.sleep(max(0.0, self._free_at - time.monotonic()))
            pending.put_nowait((time.monotonic() + self._delay / (1 if limited else 2), chunk))
        await delivery


def pull(place: str, picture: Noted, viewer: Viewer, stopping: threading.Event) -> None:
    """Ask for one picture after the other, as static/picture.js does."""
    connection = http.client.HTTPConnection(place, timeout=30)
    sequence, step, quick_since, caution = "-1", 2, 0.0, 0.0
    while not stopping.is_set():
        began = time.monotonic()
        connection.request("GET", f"/camera.jpg?after={sequence}&width={SIZES[step]}")
        answer = connection.getresponse()
        arriving = time.monotonic()
        jpeg = answer.read()
        now = time.monotonic()
        if answer.status == 200:
            sequence = answer.headers["X-Sequence"]
            viewer.pictures.append((now, picture.age(jpeg)))
            if now - arriving > SLOW_S:
                step, caution = min(len(SIZES) - 1, step + 1), CAUTION_S
            if now - arriving > QUICK_S:
                quick_since = now
            elif now - quick_since >= caution:
                step, quick_since = max(0, step - 1), now
        stopping.wait(max(0.0, began + TURN_S - now))


def stream(place: str, picture: Noted, viewer: Viewer, stopping: threading.Event) -> None:
    """Read the stream."""
    buffer = b""
    with httpx.stream("GET", f"http://{place}/camera.mjpg", timeout=30) as answer:
        for chunk in answer.iter_raw():
            if stopping.is_set():
                return
            buffer += chunk
            while (found := BOUNDARY.search(buffer)) is not None:
                end = found.end() + int(found.group(1))
                if len(buffer) < end:
                    break
                jpeg, buffer = buffer[found.end() : end], buffer[end:]
                viewer.pictures.append((time.monotonic(), picture.age(jpeg)))


def hear(place: str, said: dict[int, float], viewer: Viewer, stopping: threading.Event) -> None:
    """Hear the answers; `said` has the moment of each version."""
    with httpx.stream("GET", f"http://{place}/api/events", timeout=30) as answer:
        for line in answer.iter_lines():
            if stopping.is_set():
                return
            if line.startswith("data: ") and '"camera"' in line:
                version, now = json.loads(line[6:])["version"], time.monotonic()
                if version in said:
                    viewer.answers.append((now, now - said[version]))


def measure(seconds: float, rate: float, delay: float) -> dict[str, dict[str, float]]:
    """Run all viewers, and sum up the second half of the time."""
    camera = Prepared(rendered(thing=True))

    def opener(source: str, settings: CameraSettings) -> Camera:
        return camera

    settings = EdgeSettings.model_validate({"port": free_port(), "lan": True})
    appliance = Appliance(settings, None, opener=opener)
    picture = Noted()
    appliance.picture = appliance._loop.picture = picture
    app, host = create_app(appliance), settings.listening_address
    server = Server(app, host, settings.port, appliance.stopping)
    threading.Thread(target=server.serve, daemon=True).start()
    appliance.start()
    stopping = threading.Event()
    viewers: dict[str, Viewer] = defaultdict(Viewer)
    said: dict[int, float] = {}
    link = Link(rate, delay, ROUTER_QUEUE)

    def watch(name: str, way: Way, place: str) -> None:
        viewer = viewers[name]
        for task in (
            partial(way, place, picture, viewer, stopping),
            partial(hear, place, said, viewer, stopping),
        ):
            threading.Thread(target=task, daemon=True).start()

    def watch_from_afar(name: str, way: Way, number: int) -> None:
        watch(name, way, f"{open_far_end(link, number)}:{server.port}")

    for number, (name, way) in enumerate({"page": pull, "stream": stream}.items()):
        proxy = Proxy(server.port, rate, delay)
        watch(f"{name}, by a proxy", way, f"127.0.0.1:{proxy.port}")
        far = threading.Thread(target=watch_from_afar, args=(f"{name}, by a link", way, number))
        far.start()
        far.join()
    watch("stream, direct", stream, f"127.0.0.1:{server.port}")
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        time.sleep(1.0)
        said[appliance.latest.version + 1] = time.monotonic()
        appliance.latest.notify()
    stopping.set()
    appliance.stopping.set()
    server.close()
    appliance.stop()
    return {name: summary(viewer, began + seconds / 2) for name, viewer in viewers.items()}


def summary(viewer: Viewer, since: float) -> dict[str, float]:
    """Figures of what came after `since`."""
    ages = [age for at, age in viewer.pictures if at >= since]
    late = [age for at, age in viewer.answers if at >= since]
    passed = time.monotonic() - since
    return {
        "pictures a second": round(len(ages) / passed, 2),
        "picture old by, median s": round(float(np.median(ages)), 2) if ages else -1,
        "picture old by, most s": round(max(ages, default=-1), 2),
        "answer late by, median s": round(float(np.median(late)), 2) if late else -1,
        "answer late by, most s": round(max(late, default=-1), 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--rate", type=float, default=64, help="kB a second of each link")
    parser.add_argument("--delay", type=float, default=200, help="milliseconds")
    given = parser.parse_args()
    in_own_network()
    found = measure(given.seconds, given.rate * 1000, given.delay / 1000)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
