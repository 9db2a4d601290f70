"""What runs beside each other in ``sync run``: how it ends, and how another process asks it."""

from __future__ import annotations

import io
import os
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from catalog.bundles import validator
from catalog.bundles.shelf import Shelf
from catalog.core.errors import BundleError, ShelfBusyError, ShelfError
from catalog.core.settings import DeviceSettings
from sync.catalogues import check_request, run
from sync.catalogues.follower import ChannelFollower
from sync.catalogues.progress import log_progress, show_progress
from sync.catalogues.pull import Puller
from sync.settings import SyncSettings
from sync.stores.choice import open_store


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_reaches_all_workers_and_waits_for_none_for_long(
    asked: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "STOP_TIMEOUT_S", 0.2)
    told, released = threading.Event(), threading.Event()
    former = signal.getsignal(asked)

    def sleeping(stopping: threading.Event, wake: threading.Event) -> None:
        os.kill(os.getpid(), asked)
        if wake.wait(30) and stopping.is_set():
            told.set()

    def busy(stopping: threading.Event, wake: threading.Event) -> None:
        released.wait(30)

    wake = threading.Event()
    run.run({"busy": busy, "sleeping": sleeping}, wake)
    assert told.is_set(), "one that sleeps until it is woken"
    busy_threads = [thread for thread in threading.enumerate() if thread.name == "busy"]
    assert len(busy_threads) == 1, "one that is busy is left alone"
    released.set()
    busy_threads[0].join(30)
    assert signal.getsignal(asked) is former


def test_a_download_is_logged_now_and_then_and_at_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [100.0]
    show = log_progress(lambda: now[0])
    with caplog.at_level("INFO"):
        for seconds, here in ((0, 1), (5, 2), (5, 3), (2, 4), (8, 5), (0, 5)):
            now[0] += seconds
            show(here * 1_000_000, 5_000_000)
    assert caplog.messages == [
        "fetched 3.0 of 5.0 MB, 0.20 MB/s",  # 2 MB in 10 seconds
        "fetched 5.0 of 5.0 MB, 0.20 MB/s",
    ]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_download_has_a_bar_on_a_terminal_alone(
    is_terminal: bool, caplog: pytest.LogCaptureFixture
) -> None:
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=100)
    with caplog.at_level("INFO"), show_progress(console) as show:
        show(1_000_000, 5_000_000)
        show(5_000_000, 5_000_000)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert ("5.0/5.0 MB" in printed) is is_terminal
    assert ("fetched 5.0 of 5.0 MB" in caplog.text) is not is_terminal


def test_what_keeps_a_probation_from_being_checked_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run, "PROBATION_CHECK_S", 0.0)
    follower = ChannelFollower(SyncSettings.model_validate({}), DeviceSettings(data_dir=tmp_path))
    stopping, said = threading.Event(), ["full", "full", "read-only", "", "full", "busy", "stop"]

    def check() -> str:
        match said.pop(0):
            case "":
                return "none"
            case "stop":
                stopping.set()
                return "none"
            case "busy":
                raise ShelfBusyError("busy")
            case problem:
                raise ShelfError(problem)

    monkeypatch.setattr(follower, "check_probation", check)
    run.probation_worker(follower)(stopping, threading.Event())
    errors = [entry.message for entry in caplog.records if entry.levelname == "ERROR"]
    assert errors == ["full", "read-only", "full"]


def test_a_folder_that_changes_while_it_is_checked_is_not_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path, *_: object) -> None:
        raise BundleError(f"{folder}: does not answer")

    (tmp_path / "store").mkdir()
    puller = Puller(open_store((tmp_path / "store").as_uri()), Shelf(tmp_path / "shelf"))
    monkeypatch.setattr(validator, "validate_in_child", refuse)
    with pytest.raises(ShelfError, match="changed while it was checked; try again"):
        puller._validate(tmp_path / "gone", "20261130T000000Z-0123456789ab")


def test_a_check_is_asked_for_once_and_by_a_file(tmp_path: Path) -> None:
    assert not check_request.take(tmp_path)
    check_request.ask(tmp_path / "state")
    assert check_request.take(tmp_path / "state")
    assert not check_request.take(tmp_path / "state")


@pytest.mark.parametrize(
    ("window", "late", "seconds"),
    [
        ("02:00-05:00", 0.0, 3600),
        ("02:00-05:00", 1.0, 3600 + 360),  # a tenth of the interval
        ("02:00-02:04", 1.0, 3600 + 120),  # half of the window, where that is less
        ("02:00-02:04", 0.5, 3600 + 60),
    ],
)
def test_devices_come_at_different_times_but_within_the_window(
    window: str, late: float, seconds: float, tmp_path: Path
) -> None:
    settings = SyncSettings.model_validate({"catalogue_window": window, "interval_s": 3600})
    one_o_clock = datetime(2026, 11, 30, 12, tzinfo=UTC).astimezone().replace(hour=1, minute=0)
    device = ChannelFollower(settings, DeviceSettings(data_dir=tmp_path), clock=lambda: one_o_clock)
    assert device.seconds_until_window(late) == pytest.approx(seconds)
