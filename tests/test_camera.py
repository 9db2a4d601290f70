"""Cameras: every kind of source, and a reader that survives what drivers do."""

from __future__ import annotations

import contextlib
import errno
import http.server
import logging
import os
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from catalog.errors import CameraError, SettingsError
from edge.camera import (
    CameraInfo,
    CameraMode,
    CameraReader,
    CameraSettings,
    CameraState,
    list_cameras,
    open_camera,
    parse_crop,
    public_name,
)
from edge.cameras import listing
from edge.cameras.base import Pace, arrange
from edge.cameras.deeplens import open_deeplens
from edge.cameras.device import device_path
from edge.sighting import Box, Image

SECRET = "geheim"
PATIENCE = 10.0  # real seconds until a test gives up


def flat(level: int, size: tuple[int, int] = (64, 48)) -> Image:
    return np.full((size[1], size[0], 3), level, np.uint8)


# Settings, names and the arranged picture.


@pytest.mark.parametrize(
    "wrong",
    [
        {"rotate": 45},
        {"width": 0},
        {"fps": 0.0},
        {"fps": float("nan")},
        {"pixel_format": "H264"},
        {"read_timeout_s": 0.0},
        {"frozen_after_s": -1.0},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        CameraSettings(**wrong)  # type: ignore[arg-type]


def test_crop_is_read() -> None:
    assert parse_crop(" 1, 2,30 ,40") == Box(1, 2, 30, 40)
    assert parse_crop("  ") is None


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,x", "-1,2,3,4", "1,2,0,4", "1,2,3,4,5"])
def test_wrong_crop_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="crop"):
        parse_crop(text)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("rtsp://user:geheim@10.0.0.5:554/stream1", "rtsp://10.0.0.5:554/stream1"),
        ("http://cam/video?user=a&pwd=geheim", "http://cam/video"),
        ("http://cam/video?mail=a@geheim", "http://..."),
        ("rtsp://user:ge/geheim@10.0.0.5/x", "rtsp://..."),
        ("rtsp://user:a@geheim@10.0.0.5/x", "rtsp://10.0.0.5/x"),
        ("rtsp://10.0.0.5/user=admin_password=geheim_channel=1", "rtsp://10.0.0.5/..."),
        ("rtsp:/user:geheim@10.0.0.5/x", "...@10.0.0.5/x"),
        ("http://[fe80::1]:8080/video", "http://[fe80::1]:8080/video"),
        ("/dev/video0", "/dev/video0"),
        ("films/a@b.avi", "films/a@b.avi"),
    ],
)
def test_names_hold_no_password(source: str, name: str) -> None:
    assert public_name(source) == name


def test_picture_is_turned_mirrored_and_cropped() -> None:
    image = flat(0, (64, 32))
    image[:8, :8] = 200  # upper left
    turned = arrange(image, CameraSettings(rotate=90), "x")
    assert turned.shape == (64, 32, 3)
    assert turned[0, -1, 0] == 200  # upper right
    mirrored = arrange(image, CameraSettings(rotate=90, mirror=True), "x")
    assert mirrored[0, 0, 0] == 200
    cropped = arrange(image, CameraSettings(crop=Box(4, 4, 10, 20)), "x")
    assert cropped.shape == (20, 10, 3)
    assert cropped.flags.c_contiguous
    with pytest.raises(CameraError, match="64x32"):
        arrange(image, CameraSettings(crop=Box(60, 0, 10, 10)), "x")


def test_pace_neither_drifts_nor_bursts() -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(10, lambda: now[0], sleep)
    for _ in range(3):
        pace.wait()
        now[0] += 0.04
    assert slept == pytest.approx([0.06, 0.06])
    now[0] += 5.0  # a long stall
    for _ in range(3):
        pace.wait()
    assert sum(slept[2:]) == pytest.approx(0.2)


# Sources.


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "no such device"),
        ("nowhere.avi", "no such device"),
        ("/dev/video97", "not there"),
        ("97", "/dev/video97 is not there"),
        ("usb-Nobody_Camera-video-index0", "usb-Nobody_Camera-video-index0 is not there"),
        ("/dev/null", "cannot be opened"),
        ("ftp://user:geheim@host/x", "rtsp://"),
        ("rtsp:/user:geheim@host/x", "no such device"),
        ("simulated:x", "whole number"),
        ("deeplens", "ch2_out.mjpeg is not there"),
    ],
)
def test_wrong_source_is_an_error_that_says_why(source: str, says: str) -> None:
    with pytest.raises(CameraError, match=says) as caught:
        open_camera(source, CameraSettings())
    assert SECRET not in str(caught.value)


def test_device_sources_are_recognised(tmp_path: Path) -> None:
    (tmp_path / "platform-camera").symlink_to("../../video3")
    assert device_path("3") == Path("/dev/video3")
    assert device_path("/dev/v4l/by-id/usb-x") == Path("/dev/v4l/by-id/usb-x")
    assert device_path("platform-camera", tmp_path) == tmp_path / "platform-camera"
    assert device_path("film.avi", tmp_path) is None


def write_video(path: Path, levels: list[int], fps: float = 50.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (64, 48))
    assert writer.isOpened()
    for level in levels:
        writer.write(flat(level))
    writer.release()
    return path


def test_video_plays_at_its_speed_and_again(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.avi", [20, 60, 100, 140, 180])
    camera = open_camera(str(path), CameraSettings())
    assert camera.learns_background
    assert camera.paced
    begun = time.monotonic()
    levels = [int(camera.read().mean()) for _ in range(12)]
    took = time.monotonic() - begun
    camera.close()
    assert levels == pytest.approx([20, 60, 100, 140, 180] * 2 + [20, 60], abs=4)
    assert took >= 11 / 50 - 0.02


def test_file_that_is_no_video_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    path.write_bytes(b"no video at all")
    with pytest.raises(CameraError, match=r"film\.avi"):
        open_camera(str(path), CameraSettings())


def write_picture(path: Path, level: int, size: tuple[int, int] = (64, 48)) -> None:
    assert cv2.imwrite(str(path), flat(level, size))


def quick_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.cameras.recorded.PICTURE_FPS", 200.0)


def levels_shown(source: Path, pictures: int, repeats: int) -> list[int]:
    camera = open_camera(str(source), CameraSettings(width=64, height=48))
    shown = [int(camera.read()[0, 0, 0]) for _ in range(pictures * repeats)]
    camera.close()
    return shown[::repeats]


def test_folder_shows_each_picture_and_skips_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    quick_folder(monkeypatch)
    monkeypatch.setattr("edge.cameras.recorded.FolderCamera.__init__.__defaults__", (0.02,))
    write_picture(tmp_path / "b.png", 100)
    write_picture(tmp_path / "a.png", 50)
    write_picture(tmp_path / "d.PNG", 150, (640, 480))
    (tmp_path / "c.jpg").write_bytes(b"damaged")
    (tmp_path / "item.json").write_text("{}")
    assert levels_shown(tmp_path, 7, 4) == [50, 100, 150, 50, 100, 150, 50]
    assert [record.message.count("c.jpg") for record in caplog.records] == [1]


def test_folder_learns_no_background_and_shrinks_large_pictures(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 50, (300, 400))
    camera = open_camera(str(tmp_path), CameraSettings(width=80, height=60))
    assert not camera.learns_background
    assert camera.read().shape == (80, 60, 3)
    camera.read()[:] = 0  # each picture is an array of its own
    assert camera.read().max() == 50


def test_folder_notices_new_pictures_and_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_folder(monkeypatch)
    monkeypatch.setattr("edge.cameras.recorded.FolderCamera.__init__.__defaults__", (0.0,))
    write_picture(tmp_path / "a.png", 50)
    camera = open_camera(str(tmp_path), CameraSettings())
    assert camera.read().max() == 50
    write_picture(tmp_path / "b.png", 100)
    assert camera.read().max() == 100
    (tmp_path / "a.png").unlink()
    (tmp_path / "b.png").unlink()
    with pytest.raises(CameraError, match=str(tmp_path)):
        camera.read()


def test_folder_without_pictures_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(CameraError, match=str(tmp_path)):
        open_camera(str(tmp_path), CameraSettings())


def test_simulated_camera_is_the_same_for_the_same_seed() -> None:
    settings = CameraSettings()
    one, same = (open_camera("simulated:7", settings) for _ in range(2))
    assert one.name == "simulated:7"
    assert not one.live
    for _ in range(3):
        image = one.read()
        assert image.shape == (480, 640, 3)
        assert image.dtype == np.uint8
        assert np.array_equal(image, same.read())


# Real network cameras.


class MjpegServer:
    """A camera on loopback: /live, /end (8 pictures), /stall (8, then silence), /secret."""

    def __init__(self) -> None:
        self.over = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                if self.path == "/secret" and not self.headers.get("Authorization"):
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                    self.end_headers()
                    return
                if self.path.startswith("/missing"):
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                with contextlib.suppress(OSError):
                    outer.send(self.path, self.wfile.write)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def send(self, path: str, write: Callable[[bytes], object]) -> None:
        number = 0
        while not self.over.wait(0.04):
            jpeg = cv2.imencode(".jpg", flat(number * 10 % 250))[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            write(head.encode() + jpeg + b"\r\n")
            number += 1
            if number == 8 and path == "/stall":
                self.over.wait(PATIENCE)
            if number == 8 and path == "/end":
                return

    def address(self, path: str, user: str = "") -> str:
        return f"http://{user}127.0.0.1:{self.server.server_port}{path}"

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def mjpeg() -> Iterator[MjpegServer]:
    server = MjpegServer()
    yield server
    server.close()


@pytest.fixture
def mute_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


SHORT = CameraSettings(open_timeout_s=0.6, read_timeout_s=0.6)


def test_http_camera_gives_pictures(mjpeg: MjpegServer) -> None:
    camera = open_camera(mjpeg.address("/live"), SHORT)
    levels = [int(camera.read().mean()) for _ in range(5)]
    camera.close()
    assert levels == sorted(levels)
    assert camera.live


@pytest.mark.parametrize("path", ["/end", "/stall"])
def test_http_camera_that_stops_is_an_error_within_its_limit(mjpeg: MjpegServer, path: str) -> None:
    camera = open_camera(mjpeg.address(path), SHORT)
    begun = time.monotonic()
    for _ in range(8):
        camera.read()
    with pytest.raises(CameraError, match="ended its stream or sent nothing"):
        camera.read()
    assert time.monotonic() - begun < 2.5
    camera.close()


def test_password_opens_and_stays_out_of_every_message(
    mjpeg: MjpegServer, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    camera = open_camera(mjpeg.address("/secret", f"user:{SECRET}@"), SHORT)
    assert camera.read().shape == (48, 64, 3)
    assert camera.name == mjpeg.address("/secret")
    camera.close()
    states = []
    for path in ("/missing", f"/missing?password={SECRET}"):
        source = mjpeg.address(path, f"user:{SECRET}@")
        news: queue.Queue[CameraState] = queue.Queue()
        with CameraReader(source, SHORT, news.put) as reader:
            states.append(news.get(timeout=PATIENCE))
            assert SECRET not in reader.name
    assert [state.status for state in states] == ["offline", "offline"]
    written = "".join(capfd.readouterr()) + caplog.text + str(states)
    assert "/missing" in written
    assert SECRET not in written


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_mute_camera_is_an_error_within_its_limit(
    mute_port: int, scheme: str, capfd: pytest.CaptureFixture[str]
) -> None:
    begun = time.monotonic()
    with pytest.raises(CameraError, match="cannot be opened"):
        open_camera(f"{scheme}://user:{SECRET}@127.0.0.1:{mute_port}/x", SHORT)
    assert 0.5 < time.monotonic() - begun < 2.0
    assert "".join(capfd.readouterr()) == ""  # no driver's chatter at every attempt


def test_opening_a_mute_camera_leaves_other_threads_running(mute_port: int) -> None:
    counted = 0
    with CameraReader(f"rtsp://127.0.0.1:{mute_port}/x", SHORT) as reader:
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            time.sleep(0.01)
            counted += 1
        assert reader.state.status == "starting"
    assert counted > 10


def test_deeplens_stream_is_a_pipe_of_pictures(tmp_path: Path) -> None:
    pipe = tmp_path / "ch2_out.mjpeg"
    os.mkfifo(pipe)
    over = threading.Event()

    def write() -> None:
        try:
            with pipe.open("wb", buffering=0) as file:
                while not over.is_set():
                    noise = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)
                    file.write(cv2.imencode(".jpg", noise)[1].tobytes())
        except OSError:
            pass

    writer = threading.Thread(target=write)
    writer.start()
    try:
        camera = open_deeplens(CameraSettings(), pipe)
        assert camera.name == "deeplens"
        for _ in range(5):
            assert camera.read().shape == (48, 64, 3)
        camera.close()
    finally:
        over.set()
        writer.join()


def test_reader_shows_the_newest_frame_of_a_real_stream(mjpeg: MjpegServer) -> None:
    with CameraReader(mjpeg.address("/live"), CameraSettings()) as reader:
        first = reader.frame(0, PATIENCE)
        assert first is not None
        time.sleep(0.4)  # nobody looks; the stream goes on
        later = reader.frame(first.sequence, PATIENCE)
        assert later is not None
        assert later.sequence >= first.sequence + 5
        assert time.time() - later.at < 0.3
        assert reader.state.status == "online"


# The reader, with simulated time and cameras that misbehave.


class SimulatedClock:
    """Time that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits = 0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_800_000_000 + self.now

    def wait(self, condition: threading.Condition, timeout: float) -> None:
        self.waits += 1  # under the condition's lock
        condition.wait(0.0005)


class Script:
    """What a camera does next: give a picture, fail, or hang until let go."""

    def __init__(self, live: bool = False, paced: bool = True) -> None:
        self.live = live
        self.paced = paced
        self.steps: queue.Queue[Image | Exception | threading.Event] = queue.Queue()
        self.closed = threading.Event()

    name = "scripted"
    learns_background = False

    def read(self) -> Image:
        step = self.steps.get(timeout=PATIENCE * 4)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, threading.Event):
            step.wait()
            raise CameraError("camera scripted: let go")
        return step

    def close(self) -> None:
        self.closed.set()


class Stage:
    """A reader, its simulated time, its news, and the cameras it opens one after the other."""

    def __init__(self, settings: CameraSettings | None = None) -> None:
        self.clock = SimulatedClock()
        self.news: queue.Queue[CameraState] = queue.Queue()
        self.openings: queue.Queue[Script | Exception | threading.Event] = queue.Queue()
        self.opened: list[float] = []
        self.reader = CameraReader(
            "rtsp://user:geheim@camera/x",
            settings or CameraSettings(open_timeout_s=10, read_timeout_s=5),
            self.news.put,
            self._open,
            self.clock,
        )

    def _open(self, source: str, settings: CameraSettings) -> Script:
        self.opened.append(self.clock.now)
        opening = self.openings.get(timeout=PATIENCE * 4)
        if isinstance(opening, Exception):
            raise opening
        if isinstance(opening, threading.Event):
            opening.wait()
            raise CameraError("let go")
        return opening

    def next_state(self, most: float = 0.0) -> CameraState:
        """The next news, while at most so many simulated seconds go by."""
        self.pass_until(most, lambda: not self.news.empty())
        return self.news.get()

    def next_opening(self, most: float) -> float:
        """Simulated seconds until the camera is opened again."""
        attempt = self.reader._attempt
        self.pass_until(0, lambda: attempt is None or attempt.ended or self.reader._stuck != [])
        before, begun = len(self.opened), self.clock.now
        self.pass_until(most, lambda: len(self.opened) > before)
        return self.opened[-1] - begun

    def pass_until(self, most: float, ready: Callable[[], bool]) -> None:
        """Let time go by in steps of 0.25 s; the reader looks at the clock before each."""
        until, patience = self.clock.now + most, time.monotonic() + PATIENCE
        seen = self.clock.waits
        while not ready():
            assert time.monotonic() < patience, "nothing happened"
            if self.clock.now < until and self.clock.waits >= seen + 2:
                self.clock.now += 0.25
                seen = self.clock.waits
            time.sleep(0.0005)

    def online(self, **kind: bool) -> Script:
        """A camera that opened and gave its first picture."""
        camera = Script(**kind)
        self.openings.put(camera)
        camera.steps.put(flat(0))
        assert self.next_state(40).status == "online"
        return camera


@pytest.fixture
def hanging() -> Iterator[Callable[[], threading.Event]]:
    """Makes steps that hang until the test is over."""
    events: list[threading.Event] = []

    def hang() -> threading.Event:
        events.append(threading.Event())
        return events[-1]

    yield hang
    for event in events:
        event.set()


Hang = Callable[[], threading.Event]


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    with stage.reader:
        yield stage


def test_reader_goes_from_starting_to_online(stage: Stage) -> None:
    assert stage.reader.state == CameraState("starting", 1_800_001_000.0)
    assert stage.reader.frame() is None
    camera = stage.online()
    frame = stage.reader.frame(0, PATIENCE)
    assert frame is not None
    assert frame.sequence == 1
    assert frame.at == pytest.approx(stage.clock.time(), abs=1)
    assert stage.reader.frame(1) is None
    camera.steps.put(flat(9))
    later = stage.reader.frame(1, PATIENCE)
    assert later is not None
    assert (later.sequence, later.image.max()) == (2, 9)
    assert not stage.reader.learns_background


def test_camera_that_fails_is_closed_and_opened_again(stage: Stage) -> None:
    camera = stage.online()
    camera.steps.put(CameraError("camera scripted: unplugged"))
    state = stage.next_state()
    assert (state.status, state.message) == ("offline", "camera scripted: unplugged")
    assert stage.reader.frame() is None
    assert camera.closed.wait(PATIENCE)
    assert stage.next_opening(5) == pytest.approx(1.0, abs=0.2)
    stage.online()
    frame = stage.reader.frame(1, PATIENCE)
    assert frame is not None
    assert frame.sequence == 2  # sequences go on


def test_unexpected_failure_is_one_like_any_other(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    camera = stage.online()
    camera.steps.put(ValueError("broken: rtsp://user:geheim@camera/x"))
    assert stage.next_state().message == "camera rtsp://camera/x failed: ValueError"
    stage.next_opening(5)
    assert "broken" in caplog.text
    assert SECRET not in caplog.text


def test_delays_double_up_to_a_limit_and_start_anew_after_health(stage: Stage) -> None:
    delays = []
    for _ in range(7):
        stage.openings.put(CameraError("not there"))
        stage.pass_until(0, stage.openings.empty)
        delays.append(stage.next_opening(60))
    assert delays == pytest.approx([1, 2, 4, 8, 16, 30, 30], abs=0.4)
    assert stage.next_state().message == "not there"
    assert stage.news.empty()  # the same failure again is no news
    camera = stage.online()
    for _ in range(5):  # 20 s of health
        stage.clock.now += 4
        camera.steps.put(flat(0))
        sequence = stage.reader._sequence
        stage.pass_until(0, lambda sequence=sequence: stage.reader._sequence > sequence)  # type: ignore[misc]
    camera.steps.put(CameraError("gone"))
    assert stage.next_state().status == "offline"
    assert stage.next_opening(60) == pytest.approx(1, abs=0.3)


def test_read_that_hangs_is_offline_at_its_limit(stage: Stage, hanging: Hang) -> None:
    camera = stage.online()
    begun = stage.clock.now
    camera.steps.put(hanging())
    state = stage.next_state(20)
    assert state.status == "offline"
    assert "no picture for 5 s" in state.message
    assert stage.clock.now - begun == pytest.approx(5, abs=0.3)
    assert stage.reader.frame() is None
    assert stage.reader.stuck_threads == 1
    stage.next_opening(5)
    stage.online()  # beside the thread that hangs
    assert not camera.closed.is_set()


def test_opening_that_hangs_is_offline_at_its_limit(stage: Stage, hanging: Hang) -> None:
    stage.openings.put(hanging())
    state = stage.next_state(20)
    assert "no picture for 10 s" in state.message
    assert state.since - 1_800_001_000 == pytest.approx(10, abs=0.3)


def test_thread_left_behind_closes_its_camera_and_changes_nothing(stage: Stage) -> None:
    letting_go = threading.Event()
    camera = stage.online()
    camera.steps.put(letting_go)
    assert stage.next_state(20).status == "offline"
    stage.online()
    letting_go.set()
    assert camera.closed.wait(PATIENCE)
    stage.pass_until(0, lambda: stage.reader.stuck_threads == 0)
    assert stage.reader.state.status == "online"
    assert stage.news.empty()


def test_late_picture_of_a_thread_left_behind_is_not_shown(stage: Stage) -> None:
    late, opened = threading.Event(), threading.Event()

    class Late(Script):
        def read(self) -> Image:
            opened.set()
            late.wait()
            return flat(255)

    camera = Late()
    stage.openings.put(camera)
    assert opened.wait(PATIENCE)
    assert stage.next_state(20).status == "offline"
    late.set()
    assert camera.closed.wait(PATIENCE)
    assert stage.reader.frame() is None
    assert stage.reader.state.status == "offline"


def test_hanging_threads_do_not_pile_up(stage: Stage) -> None:
    letting_go = [threading.Event(), threading.Event()]
    for event in letting_go:
        stage.openings.put(event)
    assert stage.next_state(20).status == "offline"
    assert "driver hangs" in stage.next_state(40).message
    assert len(stage.opened) == 2
    for _ in range(50):  # minutes
        stage.clock.now += 10
        time.sleep(0.003)
    assert len(stage.opened) == 2
    assert stage.reader.stuck_threads == 2
    letting_go[0].set()
    stage.pass_until(0, lambda: len(stage.opened) == 3)
    letting_go[1].set()
    stage.online()


def test_closing_that_hangs_keeps_the_reason_and_is_left_behind(stage: Stage) -> None:
    letting_go = threading.Event()

    class Clinging(Script):
        def close(self) -> None:
            letting_go.wait()

    camera = Clinging()
    stage.openings.put(camera)
    camera.steps.put(flat(0))
    assert stage.next_state().status == "online"
    camera.steps.put(CameraError("unplugged"))
    assert stage.next_state().message == "unplugged"
    stage.pass_until(20, lambda: stage.reader.stuck_threads == 1)
    stage.next_opening(20)
    assert stage.reader.stuck_threads == 1
    assert stage.reader.state.message == "unplugged"
    letting_go.set()


def test_frozen_camera_is_offline_until_its_picture_changes(stage: Stage) -> None:
    camera = stage.online(live=True)

    def feed(camera: Script, most: float) -> CameraState:
        until = stage.clock.now + most
        while stage.news.empty() and stage.clock.now < until:
            camera.steps.put(flat(0))
            stage.clock.now += 0.5
            stage.pass_until(0, camera.steps.empty)
            time.sleep(0.003)
        return stage.next_state()

    begun = stage.clock.now
    assert "frozen" in feed(camera, 20).message
    assert stage.clock.now - begun == pytest.approx(10, abs=1.5)
    again = Script(live=True)
    stage.openings.put(again)
    stage.next_opening(5)
    for _ in range(6):  # the same picture, still: it is not taken for live
        again.steps.put(flat(0))
    stage.pass_until(0, again.steps.empty)
    assert stage.reader.state.status == "offline"
    assert stage.reader.frame() is None
    again.steps.put(flat(1))
    assert stage.next_state().status == "online"


@pytest.mark.parametrize("kind", ["folder", "switched off"])
def test_still_pictures_are_no_fault_where_they_are_meant(kind: str) -> None:
    limit = 0.0 if kind == "switched off" else 10.0
    stage = Stage(CameraSettings(frozen_after_s=limit))
    with stage.reader:
        camera = stage.online(live=kind != "folder")
        for _ in range(30):
            stage.clock.now += 1
            camera.steps.put(flat(0))
            stage.pass_until(0, camera.steps.empty)
        assert stage.reader.state.status == "online"
        assert stage.news.empty()


def test_close_is_quick_though_the_driver_hangs(stage: Stage, hanging: Hang) -> None:
    camera = stage.online()
    camera.steps.put(hanging())
    stage.pass_until(0, camera.steps.empty)
    begun = time.monotonic()
    assert not stage.reader.close()
    assert time.monotonic() - begun < 0.5
    assert stage.reader.state.status == "offline"
    assert stage.reader.frame(0, 60) is None  # no waiting any more
    stage.reader.close()


def test_close_gives_a_good_camera_back(stage: Stage) -> None:
    camera = stage.online()
    threading.Timer(0.02, camera.steps.put, [flat(1)]).start()
    assert stage.reader.close()
    assert camera.closed.is_set()
    assert stage.reader.frame() is None


def test_reader_never_started_can_be_closed() -> None:
    assert Stage().reader.close()


def test_listener_that_fails_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()

    def fail(state: CameraState) -> None:
        stage.news.put(state)
        raise RuntimeError("listener")

    stage.reader._on_change = fail
    with stage.reader:
        camera = stage.online()
        camera.steps.put(CameraError("gone"))
        assert stage.next_state().status == "offline"
        stage.online()
    assert "listener" in caplog.text


def test_unpaced_camera_is_read_at_the_wanted_rate() -> None:
    stage = Stage(CameraSettings(fps=2))
    with stage.reader:
        camera = stage.online(paced=False)
        for _ in range(10):
            camera.steps.put(flat(0))
        begun = stage.clock.now
        stage.pass_until(60, lambda: camera.steps.qsize() <= 4)
        assert stage.clock.now - begun >= 2.5  # 6 pictures, half a second between two


def test_waiting_for_a_frame_ends_with_its_time() -> None:
    reader = CameraReader("x", CameraSettings(), opener=lambda *_: Script())
    with reader:
        begun = time.monotonic()
        assert reader.frame(0, 0.1) is None
        assert 0.09 < time.monotonic() - begun < 1


# The list.


class Kernel:
    """Answers the three questions as a UVC camera and its metadata node do."""

    def __init__(self, capture: bool = True) -> None:
        self.capture = capture

    def __call__(self, descriptor: int, question: int, answer: bytearray) -> None:
        if question == listing.QUERY_CAPABILITIES:
            own = 0x04200001 if self.capture else 0x04A00000
            answer[:] = listing.CAPABILITY.pack(
                b"uvcvideo", b"Eye: Eye", b"usb-1", 0x60000, 0x84A00001, own
            )
        elif question == listing.ENUMERATE_FORMATS:
            index = struct.unpack_from("I", answer)[0]
            if index > 1:
                raise OSError(errno.EINVAL, "Invalid argument")
            code = (b"MJPG", b"YUYV")[index]
            answer[:] = listing.FORMAT.pack(index, 1, 0, b"", code, 0)
        else:
            index, code = struct.unpack_from("I4s", answer)
            sizes = {b"MJPG": [(1920, 1080), (640, 480)], b"YUYV": [(640, 480)]}[code]
            if index >= len(sizes):
                raise OSError(errno.EINVAL, "Invalid argument")
            answer[:] = listing.SIZE.pack(index, code, 1, *sizes[index], 0, 0, 0, 0)


def fake_devices(root: Path) -> tuple[Path, Path, Path]:
    for number, name in ((0, "Eye: Eye"), (2, "Other"), (10, "Third")):
        entry = root / "sys" / f"video{number}"
        entry.mkdir(parents=True)
        (entry / "name").write_text(f"{name}\n")
    (root / "sys" / "v4l-subdev0").mkdir()
    (root / "dev").mkdir()
    (root / "dev" / "video0").touch()
    (root / "dev" / "video10").touch()
    (root / "id").mkdir()
    (root / "id" / "usb-Eye-video-index0").symlink_to(root / "dev" / "video0")
    return root / "sys", root / "dev", root / "id"


def test_cameras_are_listed_with_names_and_modes(tmp_path: Path) -> None:
    places = fake_devices(tmp_path)
    first, gone, last = list_cameras(*places, control=Kernel())
    assert first == CameraInfo(
        str(tmp_path / "dev" / "video0"),
        "Eye: Eye",
        "usb-Eye-video-index0",
        (
            CameraMode("MJPG", 1920, 1080),
            CameraMode("MJPG", 640, 480),
            CameraMode("YUYV", 640, 480),
        ),
    )
    assert (gone.name, gone.modes, gone.problem) == ("Other", (), "No such file or directory")
    assert last.path.endswith("video10")


def test_nodes_that_give_no_pictures_are_left_out(tmp_path: Path) -> None:
    places = fake_devices(tmp_path)
    names = [camera.name for camera in list_cameras(*places, control=Kernel(capture=False))]
    assert names == ["Other"]  # the one that could not be asked


def test_node_that_is_no_device_has_a_problem(tmp_path: Path) -> None:
    first, *_ = list_cameras(*fake_devices(tmp_path))
    assert "ioctl" in first.problem


def test_machine_without_cameras_has_an_empty_list(tmp_path: Path) -> None:
    assert list_cameras(tmp_path / "a", tmp_path / "b", tmp_path / "c") == []
    assert isinstance(list_cameras(), list)


def test_a_size_range_counts_with_its_largest(tmp_path: Path) -> None:
    class Range(Kernel):
        def __call__(self, descriptor: int, question: int, answer: bytearray) -> None:
            if question != listing.ENUMERATE_SIZES:
                super().__call__(descriptor, question, answer)
                return
            answer[:] = listing.SIZE.pack(0, answer[4:8], 3, 32, 2592, 2, 32, 1944, 2)

    first, *_ = list_cameras(*fake_devices(tmp_path), control=Range())
    assert first.modes[0] == CameraMode("MJPG", 2592, 1944)
