"""Which changes of the camera are reported."""

from __future__ import annotations

from edge.appliance.camera_reports import LONGEST_STEADY_S, STEADY_S, CameraReports
from edge.cameras import CameraState

ONLINE, OFFLINE = CameraState("online", 0.0), CameraState("offline", 0.0, "unplugged")


class Played:
    """Reports of a camera whose states come at given times, and what was sent."""

    def __init__(self) -> None:
        self._reports = CameraReports()
        self.sent: list[tuple[str, float]] = []

    def change(self, state: CameraState, now: float) -> None:
        self.wait(now)
        if self._reports.is_news(state, now):
            self.sent.append((state.status, now))

    def wait(self, now: float) -> None:
        due = self._reports.due_at
        if due <= now:
            assert self._reports.is_steady(due)
            self.sent.append(("online", due))
        assert not self._reports.is_steady(now)


def test_the_first_state_and_a_loss_are_reported_at_once() -> None:
    played = Played()
    played.change(ONLINE, 1.0)
    played.change(OFFLINE, 2.0)
    played.change(OFFLINE, 3.0)
    assert played.sent == [("online", 1.0), ("offline", 2.0)]


def test_a_return_is_reported_when_it_lasts() -> None:
    played = Played()
    played.change(OFFLINE, 0.0)
    played.change(ONLINE, 10.0)
    played.wait(39.9)
    assert played.sent == [("offline", 0.0)]
    played.wait(40.1)
    assert played.sent == [("offline", 0.0), ("online", 10.0 + STEADY_S)]


def test_a_camera_that_comes_and_goes_does_not_flood() -> None:
    """A picture every 7 s, and offline 5 s after each, made 8 reports in 50 s."""
    played = Played()
    for turn in range(1000):
        played.change(ONLINE, 7.0 * turn)
        played.change(OFFLINE, 7.0 * turn + 5)
    assert played.sent == [("online", 0.0), ("offline", 5.0)]


def test_the_time_to_wait_grows_with_each_relapse_up_to_a_limit() -> None:
    played = Played()
    now, waits = 0.0, []
    played.change(OFFLINE, now)
    for _ in range(9):
        played.change(ONLINE, now)
        played.wait(now + 2 * LONGEST_STEADY_S - 1)
        waits.append(played.sent[-1][1] - now)
        now = played.sent[-1][1] + 60
        played.change(OFFLINE, now)
    assert waits == [30, 60, 120, 240, 480, 960, 1800, 1800, 1800]
    played.change(ONLINE, now)
    played.change(OFFLINE, now + 3 * LONGEST_STEADY_S)  # after a long time of health
    played.change(ONLINE, now + 3 * LONGEST_STEADY_S)
    played.wait(now + 3 * LONGEST_STEADY_S + STEADY_S)
    assert played.sent[-1] == ("online", now + 3 * LONGEST_STEADY_S + STEADY_S)
