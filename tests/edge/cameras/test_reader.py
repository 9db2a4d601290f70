"""The camera's reader when drivers fail or hang, with a simulated clock."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from edge.cameras import CameraReader, CameraSettings, CameraState
from edge.errors import CameraError
from edge.sighting import Image
from tests.support.stopwatch import Stopwatch

SECRET = "geheim"
PATIENCE = 60.0  # real seconds until a test gives up


def flat(level: int, size: tuple[int, int] = (64, 48)) -> Image:
    return np.full((size[1], size[0], 3), level, np.uint8)


class SimulatedClock:
    """A clock that stands still until a test advances it."""

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
    """A camera that does what a test queues: give a picture, fail, or hang until released."""

    def __init__(self, *, live: bool = False, paced: bool = True) -> None:
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
    """A reader, its simulated clock, its states, and the cameras that it opens."""

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
        """The next state that the reader reports, within so many simulated seconds."""
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
        """Advance the clock in steps of 0.25 s; the reader reads the clock before each step."""
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


def test_camera_is_opened_again_at_once_where_somebody_asks(stage: Stage) -> None:
    """A camera that gives pictures is closed first; a pause after a failure ends."""
    camera = stage.online()
    stage.reader.open_again()
    assert stage.next_state().message.endswith("is opened again")
    camera.steps.put(flat(7))  # the read that was under way
    assert camera.closed.wait(PATIENCE)
    begun = stage.clock.now
    camera = stage.online()
    assert stage.opened[-1] == pytest.approx(begun, abs=0.3)
    camera.steps.put(CameraError("unplugged"))
    assert stage.next_state().message == "unplugged"
    begun = stage.clock.now
    stage.reader.open_again()
    stage.online()
    assert stage.opened[-1] == pytest.approx(begun, abs=0.3)


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
    with Stopwatch() as close:
        assert not stage.reader.close()
    assert close.seconds < 0.5
    assert stage.reader.state.status == "offline"
    assert stage.reader.frame(0, 60) is None  # no waiting any more
    stage.reader.close()


def test_close_gives_a_good_camera_back(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.cameras.reader.CLOSE_TIMEOUT_S", PATIENCE)
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
    never = 1e6  # a busy machine may let the clock run ahead of the camera's thread
    stage = Stage(CameraSettings(fps=2, open_timeout_s=never, read_timeout_s=never))
    with stage.reader:
        camera = stage.online(paced=False)
        for _ in range(10):
            camera.steps.put(flat(0))
        begun = stage.clock.now
        stage.pass_until(never, lambda: camera.steps.qsize() <= 4)
        assert stage.clock.now - begun >= 2.5  # 6 pictures, half a second between two


def test_waiting_for_a_frame_ends_with_its_time() -> None:
    reader = CameraReader("x", CameraSettings(), opener=lambda *_: Script())
    with reader:
        begun = time.monotonic()
        with Stopwatch() as wait:
            assert reader.frame(0, 0.1) is None
        assert time.monotonic() - begun > 0.09
        assert wait.seconds < 1
