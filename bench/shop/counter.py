"""A counter with a network camera above it, on which the demonstration puts drawn things."""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
from dataclasses import replace

import cv2
import numpy as np

from catalog.synthetic.drawing import DrawnItem
from edge.sighting import Image
from edge.simulator.simulator import Simulator
from edge.simulator.timeline import ARRIVAL, DEPARTURE, Showing, random_view, showing_state

FPS = 10.0
FOR_EVER = 1e9  # seconds
BOUNDARY = b"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"


class Counter(Simulator):
    """A counter and its camera, which serves MJPEG at `address`.

    Args:
        seed: Chooses the counter and how things are put onto it.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed, fps=FPS)
        self._random = np.random.default_rng([seed, 9])
        self._showing: Showing | None = None
        self._count, self._index = 0, 0
        self._changed = threading.Condition()
        self._jpeg = b""
        self.image: Image = self.empty()
        self._over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.counter = self
        self.address = f"http://127.0.0.1:{self._server.server_port}/counter"
        self._threads = [
            threading.Thread(target=self._draw, daemon=True),
            threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def put(self, thing: DrawnItem, yaw: float | None = None) -> float:
        """Let a thing arrive; returns when it rests, in monotonic seconds.

        Args:
            thing: The thing.
            yaw: How it is turned, in degrees; by chance where None.
        """
        random, now = self._random, time.monotonic()
        view = random_view(random)
        self._count += 1
        showing = Showing(
            number=self._count,
            kind="item",
            thing=thing,
            start=now,
            rest=FOR_EVER,
            gap=0.0,
            view=view if yaw is None else replace(view, yaw=yaw),
            size=float(random.uniform(0.5, 0.72)),
            x=float(random.uniform(0.38, 0.62)),
            y=float(random.uniform(0.46, 0.56)),
            side=int(random.integers(-1, 2)),
            in_hand=bool(random.random() < 0.3),
            seed=int(random.integers(2**31)),
        )
        self._clean(showing_state(showing, showing.still_from))  # drawn before it is needed
        showing = replace(showing, start=time.monotonic())
        self._showing = showing
        return showing.start + showing.still_from + 1 / FPS

    def clear(self) -> None:
        """Let the thing leave, and wait until it has left."""
        showing = self._showing
        if showing is not None:
            rested = time.monotonic() - showing.start - ARRIVAL
            self._showing = replace(showing, rest=max(0.0, rested))
            self._over.wait(DEPARTURE + 1 / FPS)
        self._showing = None

    def close(self) -> None:
        """Switch the camera off."""
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def next_picture(self, after: int) -> tuple[int, bytes]:
        """The number and the JPEG of the first picture after number `after`."""
        with self._changed:
            self._changed.wait_for(lambda: self._index > after, 1.0)
            return self._index, self._jpeg

    @property
    def is_over(self) -> bool:
        """Whether the camera was switched off."""
        return self._over.is_set()

    def _draw(self) -> None:
        while not self._over.wait(1 / FPS):
            showing = self._showing
            passed = time.monotonic() - showing.start if showing is not None else 0.0
            if showing is None:
                clean = self.empty()
            else:
                clean, _ = self._clean(showing_state(showing, passed))
            image = self._sensed(clean, self._index)
            data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()
            with self._changed:
                self.image, self._jpeg = image, data
                self._index += 1
                self._changed.notify_all()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    counter: Counter


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
        self.end_headers()
        number, counter = 0, self.server.counter
        with contextlib.suppress(OSError):
            while not counter.is_over:
                number, data = counter.next_picture(number)
                self.wfile.write(BOUNDARY % len(data) + data + b"\r\n")
