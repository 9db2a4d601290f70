"""Endless answers: server-sent events and the live picture; their number is limited."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from flask import Flask, Response, json, request

from edge.web.bitrate import AdaptiveBitrate
from edge.web.documents import catalogue_document, state_document
from edge.web.interfaces import ServedAppliance
from edge.web.places import Places
from edge.web.problems import ProblemError
from edge.web.proxies import client_name
from sync.outbox.clock import timestamp

WAIT_SECONDS = 0.25  # how late a stream notices that the device stops or its client left
HEARTBEAT_SECONDS = 1.0  # a page notices within three seconds that the device is away
PICTURELESS_SECONDS = 30.0  # a picture stream without pictures ends, to free its thread
MOST_OF_CLIENT = 12  # streams; the pages of one browser share one
TAKEN = "visual_search.taken"  # in a request's environment; see `edge.web.server`
BOUNDARY = "frame"
MOTION_TYPE = f"multipart/x-mixed-replace; boundary={BOUNDARY}"


class Streams:
    """Counts the open streams, so that they never take all threads of the server.

    Args:
        most: How many may be open at once.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._places = Places(most, MOST_OF_CLIENT)

    @property
    def open(self) -> int:
        """How many are open now."""
        return self._places.taken

    def begin(self, parts: Iterator[bytes], client: str) -> CountedStream:
        """Count one more stream of a client.

        Raises:
            ProblemError: 503, no further stream may be open.
        """
        if not self._places.take(client):
            raise ProblemError(
                503,
                f"Too many streams are open already, {MOST_OF_CLIENT} of {client} or {self.most} "
                "of all; close a page or try again later.",
                {"Retry-After": "5"},
            )
        return CountedStream(parts, lambda: self._places.give_back(client))


class CountedStream:
    """Passes on the parts of a stream and calls back once, when it is over.

    A generator's own `finally` would not do: it does not run when the generator is closed before
    it began.
    """

    def __init__(self, parts: Iterator[bytes], ended: Callable[[], None]) -> None:
        self._parts = parts
        self._ended: Callable[[], None] | None = ended

    def __iter__(self) -> CountedStream:
        return self

    def __next__(self) -> bytes:
        return next(self._parts)

    def close(self) -> None:
        """End the stream; a second call does nothing."""
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()


def add_streams(app: Flask, appliance: ServedAppliance, streams: Streams, page: str) -> None:
    """Serve `/api/events` and `/camera.mjpg`."""

    def events() -> Response:
        parts = event_parts(appliance, page, request.script_root, _client_left())
        return _answer(streams, parts, "text/event-stream")

    def motion() -> Response:
        parts = picture_parts(appliance, _client_left(), _taken())
        return _answer(streams, parts, MOTION_TYPE)

    app.add_url_rule("/api/events", view_func=events)
    app.add_url_rule("/camera.mjpg", view_func=motion)


def event_parts(
    appliance: ServedAppliance, page: str, root: str, left: Callable[[], bool]
) -> Iterator[bytes]:
    """Server-sent events: `state` at once and at each change, `heartbeat` every second."""
    sent: object = None
    next_beat = time.monotonic() + HEARTBEAT_SECONDS
    yield b"retry: 1000\n\n"
    while not appliance.stopping.is_set() and not left():
        version = appliance.latest.version
        now = (version, appliance.camera(), catalogue_document(appliance))
        if now != sent:
            sent = now
            yield _event("state", state_document(appliance, page, root))
        elif time.monotonic() >= next_beat:
            next_beat = time.monotonic() + HEARTBEAT_SECONDS
            newest = appliance.latest.leading()
            yield _event(
                "heartbeat",
                {
                    "version": version,
                    "now": timestamp(time.time()),
                    "seen_until": timestamp(newest.seen_until) if newest else None,
                },
            )
        appliance.latest.wait(version, WAIT_SECONDS)


def picture_parts(
    appliance: ServedAppliance,
    left: Callable[[], bool],
    taken: Callable[[], object] = lambda: None,
) -> Iterator[bytes]:
    """The parts of multipart/x-mixed-replace: the newest JPEG each time the client is ready.

    Args:
        appliance: The appliance.
        left: Whether the client has left.
        taken: Waits until the client has taken the parts before.
    """
    sequence, bitrate = -1, AdaptiveBitrate()
    sent_at = time.monotonic()
    while not appliance.stopping.is_set() and not left():
        size = bitrate.size
        newest = appliance.picture.jpeg(sequence, WAIT_SECONDS, size)
        if newest is None:
            if time.monotonic() - sent_at > PICTURELESS_SECONDS:
                return
            continue
        sequence, jpeg = newest
        started = time.monotonic()
        yield (
            b"--%b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n"
            % (BOUNDARY.encode(), len(jpeg), jpeg)
        )
        taken()
        sent_at = time.monotonic()
        bitrate.sent(size, len(jpeg), sent_at - started)
        appliance.stopping.wait(bitrate.pause_s(len(jpeg), sent_at - started))


def _answer(streams: Streams, parts: Iterator[bytes], content_type: str) -> Response:
    client = client_name(request.remote_addr)
    response = Response(streams.begin(parts, client), content_type=content_type)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # an nginx in front must not buffer it
    return response


def _event(name: str, document: dict[str, object]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(document)}\n\n".encode()


def _taken() -> Callable[[], object]:
    """A function that waits until this request's client has taken what was sent, by the server."""
    taken: Callable[[], object] = request.environ.get(TAKEN, lambda: None)
    return taken


def _client_left() -> Callable[[], bool]:
    """A function that says whether this request's client has left, by waitress."""
    left: Callable[[], bool] = request.environ.get("waitress.client_disconnected", lambda: False)
    return left
