"""Endless answers: server-sent events and the live picture; their number is limited."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from flask import Flask, Response, json, request

from edge.live import SIZES
from edge.web.bitrate import AdaptiveBitrate, largest_size
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
UNACKNOWLEDGED = "visual_search.unacknowledged"  # in a request's environment; see `connections`
LOOK_SECONDS = 0.01  # between two looks at what a client has acknowledged
LAST_BYTES = 3_000  # two segments, whose acknowledgement may come late
STUCK_SECONDS = 30.0  # a client that takes nothing for so long has no further picture
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
        parts = picture_parts(
            appliance,
            _client_left(),
            _unacknowledged(),
            largest_size(request.headers.get("Save-Data", "")),
        )
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
            next_beat = max(next_beat + HEARTBEAT_SECONDS, time.monotonic())
            newest = appliance.latest.leading()
            yield _event(
                "heartbeat",
                {
                    "version": version,
                    "now": timestamp(time.time()),
                    "seen_until": timestamp(newest.seen_until) if newest else None,
                },
            )
        appliance.latest.wait(version, min(WAIT_SECONDS, max(0.0, next_beat - time.monotonic())))


def picture_parts(
    appliance: ServedAppliance,
    left: Callable[[], bool],
    unacknowledged: Callable[[], int] = lambda: 0,
    largest: int = SIZES[0],
) -> Iterator[bytes]:
    """The parts of multipart/x-mixed-replace: the newest JPEG each time the client has the last.

    Args:
        appliance: The appliance.
        left: Whether the client has left.
        unacknowledged: How many bytes the client has not acknowledged yet.
        largest: The most pixels of a picture's longer side.
    """
    sequence, bitrate = -1, AdaptiveBitrate(largest)
    sent_at = time.monotonic()

    def over() -> bool:
        return appliance.stopping.is_set() or left()

    while not over():
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
        arrival = _await_arrival(len(jpeg), unacknowledged, appliance.stopping.wait, over)
        if arrival is None:
            return
        sent_at = time.monotonic()
        bitrate.sent(size, len(jpeg), arrival, sent_at - started)
        appliance.stopping.wait(bitrate.pause_s(len(jpeg), sent_at - started))


def _await_arrival(
    count: int,
    unacknowledged: Callable[[], int],
    wait: Callable[[float], object],
    over: Callable[[], bool],
) -> tuple[int, float] | None:
    """Wait until a client has acknowledged nearly all of a picture of `count` bytes.

    Returns:
        How many bytes of it were seen to arrive after the first ones, and in how many seconds; None
        where the stream is over meanwhile or the client takes nothing.
    """
    under_way = unacknowledged()
    moved_at, first = time.monotonic(), None  # the moment and the rest when the first had arrived
    while under_way > LAST_BYTES:
        wait(LOOK_SECONDS)
        now, rest = time.monotonic(), unacknowledged()
        if rest < under_way:
            under_way, moved_at = rest, now
            if first is None and rest < count:
                first = now, rest
        if over() or now - moved_at > STUCK_SECONDS:
            return None
    return (0, 0.0) if first is None else (first[1] - under_way, moved_at - first[0])


def _answer(streams: Streams, parts: Iterator[bytes], content_type: str) -> Response:
    client = client_name(request.remote_addr)
    response = Response(streams.begin(parts, client), content_type=content_type)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # an nginx in front must not buffer it
    return response


def _event(name: str, document: dict[str, object]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(document)}\n\n".encode()


def _unacknowledged() -> Callable[[], int]:
    """A function that says how many bytes this request's client has not acknowledged yet."""
    unacknowledged: Callable[[], int] = request.environ.get(UNACKNOWLEDGED, lambda: 0)
    return unacknowledged


def _client_left() -> Callable[[], bool]:
    """A function that says whether this request's client has left, by waitress."""
    left: Callable[[], bool] = request.environ.get("waitress.client_disconnected", lambda: False)
    return left
