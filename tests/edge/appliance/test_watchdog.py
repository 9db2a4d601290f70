"""What the device tells its supervisor, over a real socket."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from edge.appliance.loop import STUCK_S, RecognitionLoop
from edge.appliance.watchdog import due_s, keep_telling, tell
from edge.cameras import CameraState
from edge.settings import EdgeSettings
from edge.sighting import Frame

PATIENCE_S = 120


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


def test_signs_of_life_come_only_while_it_is_alive(
    supervisor: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "4000")
    stopping = threading.Event()
    answers = iter([True, False, False, True])

    def is_alive() -> bool:
        alive = next(answers, None)
        if alive is None:
            stopping.set()
        return bool(alive)

    keep_telling(is_alive, stopping)
    tell("STOPPING=1")
    assert [supervisor.recv(100) for _ in range(3)] == [b"WATCHDOG=1", b"WATCHDOG=1", b"STOPPING=1"]


@pytest.mark.parametrize(
    ("asked", "pid", "due"),
    [
        ("5000000", "", 5.0),
        ("5000000", "1", None),
        ("0", "", None),
        ("soon", "", None),
    ],
)
def test_when_a_sign_of_life_is_due(
    asked: str, pid: str, due: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", asked)
    if pid:
        monkeypatch.setenv("WATCHDOG_PID", pid)
    assert due_s() == due


def test_without_a_supervisor_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("", "/no/such/socket", "relative"):
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        tell("READY=1")
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    keep_telling(lambda: pytest.fail("nobody asked"), threading.Event())


class Reader:
    """A camera of which each call of `frame` is scripted: a frame, or the state without one."""

    def __init__(self, script: list[str], stopping: threading.Event) -> None:
        self.state = CameraState("starting", 0.0)
        self.learns_background = True
        self._script = iter(script)
        self._sequence = 0
        self._stopping = stopping

    def frame(self, after: int, timeout: float) -> Frame | None:
        step = next(self._script, None)
        if step is None:
            self._stopping.set()
            return None
        if step != "frame":
            self.state = CameraState(step, 0.0)  # type: ignore[arg-type]
            return None
        self.state = CameraState("online", 0.0)
        self._sequence += 1
        return Frame(np.zeros((48, 64, 3), np.uint8), 0.0, self._sequence)


@pytest.mark.parametrize(
    ("script", "alive"),
    [
        (["frame", "frame"], True),
        (["frame", "offline"], True),
        (["starting"], True),
        (["frame", "online", "online"], False),  # frames should come, and none is looked at
    ],
)
def test_it_is_alive_while_frames_are_looked_at_or_the_camera_is_away(
    script: list[str], alive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0

    def pass_time() -> None:
        nonlocal now
        now += STUCK_S + 1

    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("edge.appliance.loop.time", clock)
    stopping = threading.Event()
    reader = Reader(script, stopping)
    loop = RecognitionLoop(EdgeSettings.model_validate({}), reader, None)  # type: ignore[arg-type]
    loop.run(stopping, before_frame=pass_time)
    now -= STUCK_S + 1  # of the pass in which the script ended
    assert loop.is_alive() is alive


@pytest.mark.slow
def test_the_device_says_that_it_is_ready_alive_and_stopping(
    supervisor: socket.socket, tmp_path: Path
) -> None:
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "grey.png"), np.full((48, 64, 3), 128, np.uint8))
    arguments = ["edge", "run", "--camera", str(tmp_path / "pictures"), "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "visual_search", *arguments],
        env=os.environ | {"WATCHDOG_USEC": "200000"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        told = {supervisor.recv(100) for _ in range(4)}
        assert told == {b"READY=1", b"WATCHDOG=1"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        supervisor.settimeout(0)
        rest = b""
        while rest != b"STOPPING=1":
            rest = supervisor.recv(100)  # raises where it never came
    finally:
        process.kill()
        process.wait()
