"""Endless answers: server-sent events and the live picture, counted and capped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from flask import Flask, Response, json, request

from edge.web.device import Device
from edge.web.documents import open_bundle, state_document
from edge.web.problems import ProblemError
from sync.outbox.clock import timestamp

NAP_SECONDS = 0.25  # how late a stream notices that the device stops or its client left
HEARTBEAT_SECONDS = 5.0
FRAME_SECONDS = 0.1  # at most 10 frames a second
PICTURELESS_SECONDS = 30.0  # a picture stream without pictures gives its thread back
BOUNDARY = "frame"
MOTION_TYPE = f"multipart/x-mixed-replace; boundary={BOUNDARY}"


class Streams:
    """Counts the open streams, so that they never hold all threads of the server.

    Args:
        most: How many may be open at once.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._open = 0

    @property
    def open(self) -> int:
        """How many are open now."""
        return self._open

    def begin(self, parts: Iterator[bytes]) -> CountedStream:
        """Count one more stream.

        Raises:
            ProblemError: 503, as many are open as may be.
        """
        with self._lock:
            if self._open >= self.most:
                raise ProblemError(
                    503,
                    f"{self.most} streams are open already; close a page or try again later.",
                    {"Retry-After": "5"},
                )
            self._open += 1
        return CountedStream(parts, self._end)

    def _end(self) -> None:
        with self._lock:
            self._open -= 1


class CountedStream:
    """Passes on the parts of a stream and says once when it is over.

    A generator's own `finally` does not run when it is closed before it began.
    """

    def __init__(self, parts: Iterator[bytes], ended: Callable[[], None]) -> None:
        self._parts = parts
        self._ended: Callable[[], None] | None = ended

    def __iter__(self) -> CountedStream:
        return self

    def __next__(self) -> bytes:
        return next(self._parts)

    def close(self) -> None:
        """End the stream; again is harmless."""
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()


def add_streams(app: Flask, device: Device, streams: Streams, page: str) -> None:
    """Serve `/api/events` and `/camera.mjpg`."""

    def events() -> Response:
        return _answer(streams, event_parts(device, page, _client_left()), "text/event-stream")

    def motion() -> Response:
        return _answer(streams, picture_parts(device, _client_left()), MOTION_TYPE)

    app.add_url_rule("/api/events", view_func=events)
    app.add_url_rule("/camera.mjpg", view_func=motion)


def event_parts(device: Device, page: str, left: Callable[[], bool]) -> Iterator[bytes]:
    """Server-sent events: `state` at once and at each change, `heartbeat` every 5 seconds."""
    sent: object = None
    next_beat = time.monotonic() + HEARTBEAT_SECONDS
    yield b"retry: 1000\n\n"
    while not device.stopping.is_set() and not left():
        version = device.latest.version
        now = (version, device.camera(), open_bundle(device))
        if now != sent:
            sent = now
            yield _event("state", state_document(device, page))
        elif time.monotonic() >= next_beat:
            next_beat = time.monotonic() + HEARTBEAT_SECONDS
            newest = device.latest.newest()
            yield _event(
                "heartbeat",
                {
                    "version": version,
                    "now": timestamp(time.time()),
                    "seen_until": timestamp(newest.seen_until) if newest else None,
                },
            )
        device.latest.wait(version, NAP_SECONDS)


def picture_parts(device: Device, left: Callable[[], bool]) -> Iterator[bytes]:
    """The parts of multipart/x-mixed-replace, each the newest JPEG when the client is ready."""
    sequence = -1
    last = time.monotonic()
    while not device.stopping.is_set() and not left():
        newest = device.picture.jpeg(sequence, NAP_SECONDS)
        if newest is None:
            if time.monotonic() - last > PICTURELESS_SECONDS:
                return
            continue
        sequence, jpeg = newest
        started = time.monotonic()
        yield (
            b"--%b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n"
            % (BOUNDARY.encode(), len(jpeg), jpeg)
        )
        last = time.monotonic()
        device.stopping.wait(max(0.0, FRAME_SECONDS - (last - started)))


def _answer(streams: Streams, parts: Iterator[bytes], content_type: str) -> Response:
    response = Response(streams.begin(parts), content_type=content_type)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # nginx in front must not hold it back
    return response


def _event(name: str, document: dict[str, object]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(document)}\n\n".encode()


def _client_left() -> Callable[[], bool]:
    """A question that waitress can answer about this request's client."""
    left: Callable[[], bool] = request.environ.get("waitress.client_disconnected", lambda: False)
    return left
