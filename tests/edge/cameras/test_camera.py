"""Every kind of camera."""

from __future__ import annotations

import contextlib
import http.server
import logging
import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from catalog.core.box import Box
from catalog.core.errors import SettingsError
from edge.cameras import (
    CameraReader,
    CameraSettings,
    CameraState,
    open_camera,
    parse_crop,
)
from edge.cameras.arranged import arrange
from edge.cameras.deeplens import open_deeplens
from edge.cameras.device import device_path
from edge.cameras.pace import Pace
from edge.cameras.source_names import public_name
from edge.errors import CameraError
from edge.sighting import Image
from tests.support.brokers import until
from tests.support.stopwatch import Stopwatch, slowness

pytestmark = pytest.mark.slow  # servers of cameras that misbehave

SECRET = "geheim"
PATIENCE = 60.0  # real seconds until a test gives up


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
    with pytest.raises(CameraError, match=f"{tmp_path}.*add some"):
        open_camera(str(tmp_path), CameraSettings())
    (tmp_path / "c.jpg").write_bytes(b"damaged")
    with pytest.raises(CameraError, match=f"can be read; .*{tmp_path / 'c.jpg'}"):
        open_camera(str(tmp_path), CameraSettings())


def test_simulated_camera_is_the_same_for_the_same_seed() -> None:
    settings = CameraSettings()
    camera, same = (open_camera("simulated:7", settings) for _ in range(2))
    assert camera.name == "simulated:7"
    assert not camera.live
    for _ in range(3):
        image = camera.read()
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
        self.sent = 0  # pictures of the newest stream
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def send(self, path: str, write: Callable[[bytes], object]) -> None:
        number = 0
        while not self.over.wait(0.04):
            jpeg = cv2.imencode(".jpg", flat(number * 10 % 250))[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            write(head.encode() + jpeg + b"\r\n")
            number += 1
            self.sent = number
            if number == 8 and path == "/stall":
                self.over.wait()
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
PATIENT = CameraSettings(open_timeout_s=PATIENCE, read_timeout_s=PATIENCE)


def test_http_camera_gives_pictures(mjpeg: MjpegServer) -> None:
    camera = open_camera(mjpeg.address("/live"), PATIENT)
    levels = [int(camera.read().mean()) for _ in range(5)]
    camera.close()
    assert levels == sorted(levels)
    assert not camera.live  # equal pictures are no fault: each has just been received


@pytest.mark.parametrize("path", ["/end", "/stall"])
def test_http_camera_that_stops_is_an_error_within_its_limit(mjpeg: MjpegServer, path: str) -> None:
    camera = open_camera(mjpeg.address(path), replace(PATIENT, read_timeout_s=1.2))
    with Stopwatch() as reading:
        for _ in range(8):
            camera.read()
        with pytest.raises(CameraError, match="ended its stream or sent nothing"):
            camera.read()
    assert reading.seconds < 2.5
    camera.close()


def test_password_opens_and_stays_out_of_every_message(
    mjpeg: MjpegServer, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    camera = open_camera(mjpeg.address("/secret", f"user:{SECRET}@"), PATIENT)
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
    with Stopwatch() as opening, pytest.raises(CameraError, match="cannot be opened"):
        open_camera(f"{scheme}://user:{SECRET}@127.0.0.1:{mute_port}/x", SHORT)
    assert time.monotonic() - begun > 0.5
    assert opening.seconds < 2.0
    assert "".join(capfd.readouterr()) == ""  # no driver's chatter at every attempt


def test_opening_a_mute_camera_leaves_other_threads_running(mute_port: int) -> None:
    with CameraReader(f"rtsp://127.0.0.1:{mute_port}/x", PATIENT) as reader:
        for _ in range(30):
            time.sleep(0.01)
        assert reader.state.status == "starting"


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
        behind = mjpeg.sent
        until(lambda: mjpeg.sent >= behind + 12)  # nobody looks; the stream goes on
        later = reader.frame(first.sequence, PATIENCE)
        assert later is not None
        assert later.sequence >= first.sequence + 5
        assert time.time() - later.at < 0.3 * slowness()
        assert reader.state.status == "online"


def test_a_folder_that_the_user_may_not_read_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(CameraError, match="the user of this program may not read it"):
        open_camera(str(tmp_path), CameraSettings())
