"""Streams of events and pictures: their content, their number and their end."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from catalog.recognition.decision import Verdict
from edge.sighting import Frame
from edge.web import bitrate, streams
from edge.web.server import UNSENT_BYTES
from tests.support.served_page import (
    WAIT,
    Web,
    decode,
    eventually,
    is_problem,
    open_stream,
    read_events,
    read_part,
    serving,
)
from tests.support.stopwatch import Stopwatch
from tests.support.web_stand_in import (
    CUP,
    StandInDevice,
)


def test_events_come_at_once_and_at_each_change(web: Web) -> None:
    """An event is the same document as /api/latest."""
    with open_stream(web, "/api/events") as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        events = read_events(stream)
        name, state = next(events)
        assert (name, state["version"], state["sighting"]) == ("state", 0, None)
        web.device.show(Verdict.MATCH, [(CUP, 0.9)])
        name, state = next(events)
        assert (name, state["version"]) == ("state", 1)
        latest = web.get("/api/latest").json()
        assert state | {"now": ""} == latest | {"now": ""}
        web.device.go_offline()
        name, state = next(events)
        assert state["camera"]["message"] == "the camera was unplugged"
        assert state["sighting"]["verdict"] == "match"


def test_events_carry_heartbeats(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """By heartbeats a page tells a quiet stream from a broken one."""
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.1)
    with open_stream(web, "/api/events") as stream:
        events = read_events(stream)
        assert next(events)[0] == "state"
        name, beat = next(events)
        assert name == "heartbeat"
        assert beat["version"] == 0


def test_live_picture_parts(web: Web) -> None:
    """Each part has its length and a picture; a part comes only with a new frame."""
    web.device.take_frame()
    with open_stream(web, "/camera.mjpg") as stream:
        assert stream.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
        assert decode(read_part(stream)).shape == (480, 640, 3)
        web.device.take_frame()
        assert decode(read_part(stream)).shape == (480, 640, 3)


def test_live_picture_of_a_viewer_that_saves_data_is_smaller(web: Web) -> None:
    """It is no larger than such a viewer's single pictures."""
    web.device.take_frame()
    with open_stream(web, "/camera.mjpg", {"Save-Data": "on"}) as stream:
        assert decode(read_part(stream)).shape == (360, 480, 3)


def test_live_picture_is_at_most_ten_frames_a_second(web: Web) -> None:
    """That holds however many frames the camera gives."""
    camera = threading.Thread(target=web.device.run_camera, args=(200,), daemon=True)
    camera.start()
    with open_stream(web, "/camera.mjpg") as stream:
        read_part(stream)
        start = time.monotonic()
        for _ in range(5):
            read_part(stream)
        assert time.monotonic() - start > 0.4


def test_streams_without_pictures_end(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """An offline camera must not hold threads of the server."""
    monkeypatch.setattr(streams, "PICTURELESS_SECONDS", 0.1)
    with open_stream(web, "/camera.mjpg") as stream:
        assert stream.read() == b""


def test_streams_are_capped() -> None:
    """A further stream is refused, short answers still come, and a place that is left is free."""
    with serving(StandInDevice(), most_streams=3) as web, contextlib.ExitStack() as opened:
        for _ in range(2):
            next(read_events(opened.enter_context(open_stream(web, "/api/events"))))
        web.device.take_frame()
        with open_stream(web, "/camera.mjpg") as stream:
            read_part(stream)
            answer = web.get("/api/events")
            is_problem(answer, 503)
            assert answer.headers["Retry-After"] == "5"
            assert web.get("/api/latest").status_code == 200
        eventually(lambda: web.get("/api/status").json()["streams"]["open"] == 2)
        with open_stream(web, "/api/events") as stream:
            assert next(read_events(stream))[0] == "state"


def test_client_that_leaves_gives_its_place_back(web: Web) -> None:
    """That happens soon, although nothing was written to the client meanwhile."""
    with open_stream(web, "/api/events") as stream:
        next(read_events(stream))
        assert web.get("/api/status").json()["streams"]["open"] == 1
    with Stopwatch() as leaving:
        eventually(lambda: web.get("/api/status").json()["streams"]["open"] == 0)
    assert leaving.seconds < 2


def test_head_of_a_stream_takes_no_place(web: Web) -> None:
    """The answer to HEAD has no body that would have to end."""
    for path in ("/api/events", "/camera.mjpg"):
        assert httpx.head(web.url + path, timeout=WAIT).status_code == 200
    assert web.get("/api/status").json()["streams"]["open"] == 0


def test_client_that_does_not_read(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little is queued for it, so what it reads later is new; it does not delay the stop."""
    taken = itertools.count(1)
    last = 0

    def large_picture(after: int, timeout: float, size: int) -> tuple[int, bytes]:
        nonlocal last
        last = next(taken)
        return after + 1, bytes(100_000)

    monkeypatch.setattr(bitrate, "SHORTEST_PAUSE_S", 0.01)
    monkeypatch.setattr(web.device.picture, "jpeg", large_picture)
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        stuck.connect(("127.0.0.1", web.server.port))
        stuck.sendall(b"GET /camera.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        queued = web.server._waitress.active_channels.values()
        eventually(
            lambda: any(channel.total_outbufs_len > UNSENT_BYTES for channel in list(queued))
        )
        time.sleep(0.2)  # in which it could go on, and nothing announces that it does not
        assert last <= 3
        assert sum(channel.total_outbufs_len for channel in list(queued)) <= 100_100
        with Stopwatch() as stop:
            web.stop()
        assert stop.seconds < 1
        assert not web.server._waitress.task_dispatcher.threads


def grey_frame(number: int) -> Frame:
    """A frame that differs from those of other numbers."""
    return Frame(np.full((48, 64, 3), 20 * number, np.uint8), float(number), number)


def test_next_picture_waits_until_the_viewer_has_the_one_before() -> None:
    """And what is sent after a wait is the newest frame."""
    device = StandInDevice()
    rests = iter([30_000, 20_000, 9_000, 1_000, 0])
    device.picture.show(grey_frame(1))
    parts = streams.picture_parts(device, lambda: False, lambda: next(rests))
    next(parts)
    for number in (2, 3, 4):
        device.picture.show(grey_frame(number))
    newest = device.picture.jpeg()
    assert newest is not None
    assert newest[1] in next(parts)
    assert list(rests) == [0], "the last bytes may be under way"


def test_stream_ends_for_a_viewer_that_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would hold a thread of the server as long as it likes."""
    monkeypatch.setattr(streams, "STUCK_SECONDS", 0.05)
    device = StandInDevice()
    device.take_frame()
    parts = streams.picture_parts(device, lambda: False, lambda: 9_000)
    assert next(parts)
    device.take_frame()
    assert list(parts) == []


def test_stops_under_a_second_with_streams_open(web: Web) -> None:
    """Streams of both kinds are open."""
    threading.Thread(target=web.device.run_camera, args=(50,), daemon=True).start()
    with contextlib.ExitStack() as opened:
        for _ in range(4):
            next(read_events(opened.enter_context(open_stream(web, "/api/events"))))
            read_part(opened.enter_context(open_stream(web, "/camera.mjpg")))
        with Stopwatch() as stop:
            web.stop()
        assert stop.seconds < 1


@pytest.mark.slow
def test_interrupt_stops_a_serving_process() -> None:
    """An exception from a signal handler ends it cleanly, with streams open."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.web_stand_in"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    port = int(process.stdout.readline().strip().rpartition(":")[2].rstrip("/"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
    connection.request("GET", "/camera.mjpg")
    with contextlib.closing(connection.getresponse()) as stream:
        read_part(stream)
        with Stopwatch() as stop:
            process.send_signal(signal.SIGINT)
            _, complaints = process.communicate(timeout=WAIT)
        assert stop.seconds < 2  # the interpreter's own end counts too
    connection.close()
    assert complaints.strip().endswith("KeyboardInterrupt")
