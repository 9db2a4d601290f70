"""What runs beside each other in ``sync run``: how it ends, and how another process asks it."""

from __future__ import annotations

import io
import os
import shutil
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

from catalog.bundles import validator
from catalog.bundles.manifest import MANIFEST, read_manifest
from catalog.bundles.shelf import Shelf
from catalog.core.errors import BundleError, ShelfBusyError, ShelfError
from catalog.core.settings import DeviceSettings
from catalog.core.state import SyncState
from sync.backoff import Backoff
from sync.catalogues import check_request, run
from sync.catalogues.downloads import Downloads
from sync.catalogues.follower import ChannelFollower
from sync.catalogues.progress import log_progress, show_progress
from sync.catalogues.pull import Puller
from sync.catalogues.status import is_running
from sync.settings import SyncSettings
from sync.stores.choice import open_store
from sync.stores.fetch import FileFetcher, WantedFile
from sync.trust.release import Release


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_reaches_all_workers_and_waits_for_none_for_long(
    asked: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "STOP_TIMEOUT_S", 0.2)
    told, released = threading.Event(), threading.Event()
    former = signal.getsignal(asked)

    def sleeping(stopping: threading.Event, wake: threading.Event) -> None:
        if stopping.wait(0.05):
            return  # before anybody asked
        os.kill(os.getpid(), asked)
        if wake.wait(30) and stopping.is_set():
            told.set()

    def busy(stopping: threading.Event, wake: threading.Event) -> None:
        released.wait(30)

    wake = threading.Event()
    run.run({"busy": busy, "sleeping": sleeping}, wake)
    assert told.is_set(), "one that sleeps until it is woken"
    assert wake.is_set(), "whoever else waits for a check ends too"
    busy_threads = [thread for thread in threading.enumerate() if thread.name == "busy"]
    assert [thread.daemon for thread in busy_threads] == [True], "one that is busy is left alone"
    released.set()
    busy_threads[0].join(30)
    assert signal.getsignal(asked) is former


def test_a_download_is_logged_now_and_then_and_at_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [100.0]
    show = log_progress(lambda: now[0])
    with caplog.at_level("INFO"):
        for seconds, here in ((0, 0), (5, 1), (5, 2), (2, 4), (8, 5), (0, 5)):
            now[0] += seconds
            show(here * 1_000_000, 5_000_000)
    assert caplog.messages == [
        "fetched 2.0 of 5.0 MB, 0.20 MB/s",  # 2 MB in 10 seconds
        "fetched 5.0 of 5.0 MB, 0.30 MB/s",
    ]


def test_the_speed_of_a_short_download_is_told(caplog: pytest.LogCaptureFixture) -> None:
    times = iter([0.0, 0.0, 0.5])
    show = log_progress(lambda: next(times))
    with caplog.at_level("INFO"):
        show(0, 5_000_000)
        show(5_000_000, 5_000_000)
    assert caplog.messages == ["fetched 5.0 of 5.0 MB, 10.00 MB/s"]


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
    idle = Console(file=io.StringIO(), force_terminal=is_terminal, width=100)
    with show_progress(idle):
        pass  # nothing is fetched
    assert "fetching" not in idle.file.getvalue()  # type: ignore[attr-defined]
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


def test_what_was_fetched_is_read_once_more_when_it_is_put_together(
    tmp_path: Path, small_bundle: Path
) -> None:
    """Between the arrival of a file and the end of the fetch a disk may lose what it holds."""
    (tmp_path / "store").mkdir()
    puller = Puller(open_store((tmp_path / "store").as_uri()), Shelf(tmp_path / "shelf"))
    manifest, identity = read_manifest(small_bundle)
    incoming = puller.shelf.incoming
    incoming.mkdir(parents=True)
    for name, entry in manifest.files.items():
        shutil.copyfile(small_bundle / name, incoming / entry.sha256)

    def put_together(bundle: str) -> Path:
        release = SimpleNamespace(
            bundle=bundle, number=3, manifest=(small_bundle / MANIFEST).read_bytes()
        )
        return puller._assemble(cast(Release, release), manifest, None)

    other = "20261101T000000Z-0123456789ab"
    with pytest.raises(BundleError, match=f"release 3: its bundle is {identity}"):
        put_together(other)
    shutil.rmtree(incoming / other)
    with (incoming / manifest.files["items.db"].sha256).open("r+b") as file:
        file.write(b"?")
    with pytest.raises(ShelfError, match=r"does not keep what is written to it: .*items\.db"):
        put_together(identity)
    assert not (incoming / identity).exists()


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


class Waits(threading.Event):
    """An event that notes for how long is waited for it, and is set at the last time."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.waited: list[float] = []
        self._times = times

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout or 0.0)
        if len(self.waited) >= self._times:
            self.set()
        return self.is_set()


def test_a_worker_that_fails_is_started_again_after_longer_pauses(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now, lasts = [1000.0], [0.0, run.MAX_RESTART_S, 0.0, run.MAX_RESTART_S + 1, 0.0]
    monkeypatch.setattr("sync.catalogues.run.time.monotonic", lambda: now[0])
    monkeypatch.setattr(run, "Backoff", lambda first, longest: Backoff(first, longest, lambda: 1.0))
    stopping, wake, began = Waits(len(lasts)), threading.Event(), []

    def worker(given: threading.Event, woken: threading.Event) -> None:
        assert (given, woken) == (stopping, wake)
        began.append(now[0])
        now[0] += lasts[len(began) - 1]
        raise ShelfError("full") if len(began) == 1 else ZeroDivisionError("a fault")

    run.supervise("pull", worker, stopping, wake)
    first = run.MIN_RETRY_S
    assert stopping.waited == [first, 2 * first, 4 * first, first, 2 * first]
    assert "pull: full" in caplog.messages
    assert caplog.messages.count("pull failed") == len(lasts) - 1


def test_a_worker_that_ends_is_not_started_again() -> None:
    began = []
    run.supervise("pull", lambda *_: began.append(1), Waits(9), threading.Event())
    assert began == [1]
    stopped = threading.Event()
    stopped.set()
    run.supervise("pull", lambda *_: began.append(2), stopped, threading.Event())
    assert began == [1]


@dataclass
class Checked:
    """In place of a follower: its checks end as they are told to."""

    outcomes: list[SyncState | ShelfError]
    stopping: threading.Event
    settings: SyncSettings = field(
        default_factory=lambda: SyncSettings.model_validate({"interval_s": 1000})
    )
    due: list[float] = field(default_factory=list)
    fetching: tuple[int, int] | None = None

    def check(
        self,
        progress: Callable[[int, int], object],
        next_check: Callable[[SyncState], datetime],
    ) -> SyncState:
        outcome = self.outcomes.pop(0)
        if not self.outcomes:
            self.stopping.set()
        if self.fetching is not None:
            progress(*self.fetching)
        if isinstance(outcome, ShelfError):
            raise outcome
        self.due.append((next_check(outcome) - datetime.now(UTC)).total_seconds())
        return outcome

    def seconds_until_window(self, late: float) -> float:
        return 40.0 + late


def work(checked: Checked, times: int, rand: float = 1.0) -> list[float]:
    """Let the pull worker check so often; for how long it waits in between."""
    wake = Waits(10**6)
    worker = run.pull_worker(cast(ChannelFollower, checked), lambda: rand)
    worker(checked.stopping, wake)
    return wake.waited


def state(outcome: str) -> SyncState:
    return SyncState(outcome=outcome, message=f"it is {outcome}")


def test_checks_come_at_the_interval_in_the_window_and_after_failures_by_longer_pauses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    ends = ["offline", "offline", "up-to-date", "offline", "waiting", "up-to-date"]
    checked = Checked([*map(state, ends), ShelfError("busy")], threading.Event())
    waited = work(checked, 7)
    first = run.MIN_RETRY_S
    expected = [first, 2 * first, 1100.0, first, 41.0, 1100.0]
    assert waited == pytest.approx(expected)
    assert checked.due == pytest.approx(expected, abs=5)
    said = [(entry.levelname, entry.getMessage()) for entry in caplog.records]
    assert said[0] == ("ERROR", "offline: it is offline; next check in 15 s")
    assert said[2] == ("INFO", "up-to-date: it is up-to-date; next check in 1100 s")
    assert said[-1] == ("ERROR", "busy; next check in 15 s")


@pytest.mark.parametrize(("rand", "interval"), [(0.0, 900.0), (0.5, 1000.0), (1.0, 1100.0)])
def test_devices_check_at_different_times(rand: float, interval: float) -> None:
    checked = Checked([state("up-to-date"), state("up-to-date")], threading.Event())
    assert work(checked, 2, rand) == pytest.approx([interval])


def test_how_far_a_download_is_stands_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    class Fetching(Checked):
        def seconds_until_window(self, late: float) -> float:
            return 0.0

        def check(
            self,
            progress: Callable[[int, int], object],
            next_check: Callable[[SyncState], datetime],
        ) -> SyncState:
            progress(0, 2_000_000)
            progress(2_000_000, 2_000_000)
            return super().check(progress, next_check)

    caplog.set_level("INFO")
    work(Fetching([state("waiting"), state("installed")], threading.Event()), 2)
    assert caplog.text.count("fetched 2.0 of 2.0 MB") == 1


def test_a_wish_for_a_check_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wake, stopping = threading.Event(), threading.Event()
    is_set: list[bool] = []

    class Looking(Checked):
        def seconds_until_window(self, late: float) -> float:
            is_set.append(wake.is_set())
            wake.set()
            return 0.0

    checked = Looking([state("waiting"), state("waiting")], stopping)
    wake.set()
    run.pull_worker(cast(ChannelFollower, checked))(stopping, wake)
    assert is_set == [False, False]


def test_a_pull_ends_amid_a_download_where_the_process_stops() -> None:
    checked = Checked([state("installed")], threading.Event(), fetching=(1, 10))
    assert work(checked, 1) == []
    assert checked.due == [], "the check was left"
    going_on = Checked([state("installed"), state("installed")], threading.Event())
    going_on.fetching = (1, 10)
    assert len(work(going_on, 2)) == 1
    assert len(going_on.due) == 1


def test_who_asks_for_a_check_wakes_the_worker(tmp_path: Path) -> None:
    stopping, wake = Waits(3), threading.Event()
    check_request.watch(tmp_path, stopping, wake)
    assert stopping.waited == [check_request.LOOK_S] * 3
    assert not wake.is_set()
    check_request.ask(tmp_path)
    check_request.watch(tmp_path, Waits(2), wake)
    assert wake.is_set()
    assert not check_request.take(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ShelfError, match="cannot be written"):
        check_request.ask(tmp_path / "file")


def test_only_one_process_follows_a_channel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "LOCK_TIMEOUT_S", 0.05)
    follower = ChannelFollower(SyncSettings.model_validate({}), DeviceSettings(data_dir=tmp_path))
    assert not is_running(follower.shelf), "there is no shelf yet"
    with run.run_lock(follower):
        assert is_running(follower.shelf)
        with (
            pytest.raises(ShelfError, match="another 'visual-search sync run' is running"),
            run.run_lock(follower),
        ):
            pytest.fail("it is locked")
    assert not is_running(follower.shelf)
    (tmp_path / "file").touch()
    other = ChannelFollower(
        SyncSettings.model_validate({}), DeviceSettings(data_dir=tmp_path / "file")
    )
    with pytest.raises(ShelfError, match="cannot be written"), run.run_lock(other):
        pytest.fail("there is no folder")


def test_a_bundle_that_fails_its_probation_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    follower = ChannelFollower(SyncSettings.model_validate({}), DeviceSettings(data_dir=tmp_path))
    monkeypatch.setattr(follower, "state", lambda: state("gone-back"))
    for found, said in (("open", []), ("bad", ["gone-back: it is gone-back"])):
        caplog.clear()
        monkeypatch.setattr(follower, "check_probation", lambda found=found: found)
        stopping = Waits(2)
        run.probation_worker(follower)(stopping, threading.Event())
        assert stopping.waited == [run.PROBATION_CHECK_S] * 2
        assert caplog.messages == said


class Fetcher:
    """In place of one of a store: so many bytes are here, the rest comes at once."""

    def __init__(self, here: int) -> None:
        self._here = here

    def bytes_present(self, file: WantedFile) -> int:
        return self._here

    def fetch(self, file: WantedFile, progress: Callable[[int, int], object]) -> Path:
        progress(self._here, 0)
        progress(file.bytes, file.bytes - self._here)
        return Path(file.sha256)


def test_progress_is_that_of_all_files() -> None:
    told: list[tuple[int, int, int]] = []
    fetcher = cast(FileFetcher, Fetcher(3))
    downloads = Downloads(fetcher, lambda *given: told.append(given))
    one, two = WantedFile("1" * 64, 10), WantedFile("2" * 64, 20)
    assert downloads.missing(one) == 7
    downloads.expect([one, two])
    assert downloads.fetch(one) == Path("1" * 64)
    downloads.fetch(two)
    assert told == [(3, 30, 0), (10, 30, 7), (13, 30, 0), (30, 30, 17)]
    told.clear()
    downloads.fetch(one)  # which nobody expected
    assert told == [(33, 40, 0), (40, 40, 7)]
    told.clear()
    downloads.expect([one])
    downloads.fetch(one)
    assert told == [(43, 50, 0), (50, 50, 7)]
