"""The worker of `sync run` fetches at any hour, switches in the window, and watches trials."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

import pytest

from catalog.core.errors import ShelfBusyError
from sync.settings import SyncSettings
from sync.software import worker
from sync.software.appliance import TrialStatus
from sync.software.updater import SoftwareUpdater
from sync.software.versions import SoftwareState, SoftwareVersions, Trial

HOUR = 3600.0


@dataclass
class Updates:
    """An updater that says what a test wrote down, and remembers what it was asked."""

    outcomes: list[SoftwareState]
    trials: list[TrialStatus | ShelfBusyError | None] = field(default_factory=list)
    asked: list[bool] = field(default_factory=list)
    settings: SyncSettings = field(
        default_factory=lambda: SyncSettings.model_validate({"source": "file:///store"})
    )
    versions: SoftwareVersions | None = None

    def watch(self) -> TrialStatus | None:
        trial = self.trials.pop(0) if self.trials else None
        if isinstance(trial, ShelfBusyError):
            raise trial
        return trial

    def check(self, *, may_switch: bool) -> SoftwareState:
        self.asked.append(may_switch)
        return self.outcomes.pop(0)


class Waits(threading.Event):
    """Says to stop when there have been so many waits, and remembers them."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._count = count

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0.0)
        return len(self.seconds) > self._count


def ends(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A service would start this process again; returns for which updaters it was to end."""
    ended: list[object] = []

    def restart_self(updater: object) -> bool:
        ended.append(updater)
        return True

    monkeypatch.setattr(worker, "_restart_self", restart_self)
    return ended


def run(updates: Updates, count: int, hour: str = "12:00") -> list[float]:
    stopping = Waits(count)
    moment = datetime.fromisoformat(f"2026-11-29T{hour}:00")
    work = worker.software_worker(cast(SoftwareUpdater, updates), lambda: 0.5, lambda: moment)
    work(stopping, threading.Event())
    return stopping.seconds


@pytest.mark.parametrize(("hour", "may_switch"), [("12:00", False), ("02:00", True)])
def test_it_switches_in_the_window_alone(hour: str, *, may_switch: bool) -> None:
    updates = Updates([SoftwareState(outcome="up-to-date")])
    assert run(updates, 1, hour) == [0.0, HOUR]
    assert updates.asked == [may_switch]


@pytest.mark.parametrize(("hour", "seconds"), [("12:00", HOUR), ("00:50", 600.0)])
def test_what_waits_for_the_window_is_there_when_it_opens(hour: str, seconds: float) -> None:
    assert run(Updates([SoftwareState(outcome="waiting")]), 1, hour) == [0.0, seconds]


def test_after_a_failure_it_comes_back_sooner_and_then_ever_less_often() -> None:
    waits = run(Updates([SoftwareState(outcome="offline")] * 3), 3)
    assert 0 < waits[1] < waits[2] < waits[3] <= HOUR


def test_a_trial_is_watched_and_nothing_else_done(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = ends(monkeypatch)
    trial = Trial(version="2.0.0", pid=1, started=1)
    updates = Updates(
        [SoftwareState(outcome="installed", trial=trial)],
        [None, "waiting", ShelfBusyError("busy"), "good"],
    )
    assert run(updates, 9) == [0.0, *[worker.WATCH_S] * 3]
    assert updates.asked == [False]
    assert ended == [updates], "the service starts the new version"


def test_without_a_source_a_trial_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = ends(monkeypatch)
    settings = SyncSettings.model_validate({})
    updates = Updates([], [None, "waiting", "good"], settings=settings)
    assert run(updates, 9) == [0.0, worker.MIN_RETRY_S, worker.WATCH_S]
    assert updates.asked == []
    assert ended == [updates]


def test_an_update_without_a_trial_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = ends(monkeypatch)
    updates = Updates([SoftwareState(outcome="installed")])
    assert run(updates, 9) == [0.0]
    assert ended == [updates]


def test_a_process_that_no_service_started_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "is_under", lambda versions: False)
    updates = Updates([SoftwareState(outcome="installed"), SoftwareState(outcome="up-to-date")])
    assert run(updates, 2) == [0.0, worker.WATCH_S, HOUR]
