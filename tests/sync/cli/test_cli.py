"""The device's commands, as a person or a service runs them: real processes, a real folder."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from catalog.core.errors import DiskFullError, VisualSearchError
from catalog.core.locks import locked
from catalog.core.state import SyncState, edge_state, read_edge_state, write_edge_state
from sync.backoff import Backoff
from sync.catalogues import run
from sync.catalogues.status import is_running
from sync.cli.device import _check_probation
from sync.cli.doctor import examine
from sync.cli.status import rows
from sync.errors import StoreUnreachableError
from sync.outbox.events import status
from sync.outbox.outbox import Outbox
from sync.settings import OutboxSettings, SyncSettings
from tests.catalog.cli.test_cli import answer, failed
from tests.conftest import COMMAND, Surroundings
from tests.support.following import PASSPHRASE, Following, variant
from tests.support.s3_server import S3Server
from tests.support.stopwatch import Stopwatch
from visual_search.command import command

SETTINGS = SyncSettings.model_validate({})  # as delivered


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory, small_bundle: Path) -> Following:
    """An owner who has published; read only."""
    following = Following.create(tmp_path_factory.mktemp("owner") / "world")
    following.publish(small_bundle)
    return following


@pytest.fixture
def following(
    owner: Following, surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> Following:
    """A device whose settings name its source and root."""
    following = owner.copy(surroundings.folder / "world")
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(following.data))
    monkeypatch.setenv("VISUAL_SEARCH_SYNC__SOURCE", following.source)
    monkeypatch.setenv("VISUAL_SEARCH_SYNC__ROOT", str(following.folder / "keys" / "root.json"))
    monkeypatch.setenv("VISUAL_SEARCH_SYNC__RESERVE_MB", "1")
    return following


def ask(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``visual-search`` in this process, for tests of its output."""
    result = CliRunner().invoke(command, words, env=variables)
    code, error = result.exit_code, result.stderr
    if isinstance(result.exception, VisualSearchError):
        error += f"error: {result.exception}"
    elif result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return subprocess.CompletedProcess(words, code, result.stdout, error)


def until(true: Callable[[], object], seconds: float = 60) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_once_status_and_unpin_as_a_person_does(
    following: Following, surroundings: Surroundings
) -> None:
    done = ask("sync", "status")
    assert "last check  never" in done.stdout
    assert "channel stable, not checked yet" in " ".join(done.stdout.split())
    assert answer(ask("sync", "status", "--json"))["outcome"] == "never"
    done = surroundings.run("sync", "once")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"installed: release 1, {following.active()}, is active\n"
    assert "MB/s" in done.stderr
    state = answer(ask("sync", "once", "--json"))
    assert (state["outcome"], state["bytes_fetched"]) == ("up-to-date", 0)
    status = answer(ask("sync", "status", "--json"))
    assert status["active"] == {"bundle": following.active(), "release": 1}
    assert status["running"] is False
    said = ask("sync", "status").stdout
    for word in (following.active(), "release 1", "up-to-date", "is not running", "until 20"):
        assert word in said
    assert f"pinned: {following.active()}" in ask("sync", "pin", "1").stdout
    assert "outcome     pinned: " in ask("sync", "status").stdout
    assert answer(ask("sync", "unpin", "--json"))["pinned"] is None
    said = ask("sync", "status").stdout
    assert "outcome     unpinned; the next check follows the channel" in said
    assert "no version to go back to" in failed(ask("sync", "rollback"))
    assert "no version of that name" in failed(ask("sync", "pin", "absent"))
    assert "no release 9 on this device" in failed(ask("sync", "pin", "9"))


def test_a_failure_is_one_sentence_and_exits_1(
    following: Following, surroundings: Surroundings
) -> None:
    shutil.rmtree(following.store)
    said = failed(surroundings.run("sync", "once"))
    assert said.startswith("error: store-failed: file://")
    assert answer(ask("sync", "once", "--json"), 1)["outcome"] == "store-failed"
    said = failed(ask("sync", "once", VISUAL_SEARCH_SYNC__SOURCE="ftp://x"))
    assert "give s3://bucket/prefix or file:///folder" in said
    assert "[sync] source" in failed(ask("sync", "once", VISUAL_SEARCH_SYNC__SOURCE=""))


def test_a_stick_is_installed_from_with_from(
    following: Following, surroundings: Surroundings
) -> None:
    stick = Path(shutil.copytree(following.store, surroundings.folder / "usb"))
    done = ask(
        "sync", "once", "--from", stick.as_uri(), VISUAL_SEARCH_SYNC__SOURCE="s3://absent/none"
    )
    assert done.stdout.startswith("installed: ")


def test_the_second_of_two_says_so_and_leaves(
    following: Following, surroundings: Surroundings
) -> None:
    locks = following.data / "shelf"
    locks.mkdir(parents=True)
    for name, words, said in (
        ("pull.lock", ("sync", "once"), "another sync is at work on this device"),
        ("run.lock", ("sync", "run"), "another 'visual-search sync run' is running"),
    ):
        with (locks / name).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert said in failed(ask(*words))


def test_once_waits_for_the_appliance_and_rolls_back_what_it_cannot_open(
    following: Following, surroundings: Surroundings, small_bundle: Path
) -> None:
    state = following.data / "state"
    write_edge_state(state, edge_state("open", "an older one"))  # this process plays edge
    process = surroundings.start("sync", "once")
    until(lambda: following.active())
    write_edge_state(state, edge_state("open", following.active()))
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out.partition(":")[0]) == (0, "installed")
    first = following.active()
    following.publish(variant(small_bundle, surroundings.folder / "second", "Second"))
    process = surroundings.start("sync", "once")
    until(lambda: following.active() != first)
    write_edge_state(state, edge_state("failed", following.active(), "no such network"))
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "error: gone-back: edge could not open it: no such network; back to" in error
    assert following.active() == first
    assert "rejected" in failed(ask("sync", "once"))


def test_a_real_appliance_opens_it_and_two_crashes_roll_it_back(
    following: Following, surroundings: Surroundings, small_bundle: Path, things: Path
) -> None:
    def said() -> tuple[str, str]:
        state = read_edge_state(following.data / "state")
        return ("", "") if state is None or not state.alive else (state.phase, state.bundle)

    def start() -> subprocess.Popen[bytes]:
        pictures = next(file for file in sorted(things.iterdir()) if file.is_dir())
        words: list[str | Path] = ["edge", "run", "--camera", pictures, "--port", "0"]
        return subprocess.Popen(
            [COMMAND, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    ask("sync", "once")
    first = following.active()
    edge = start()
    try:
        until(lambda: said() == ("open", first))
        following.publish(variant(small_bundle, surroundings.folder / "second", "Second"))
        done = ask("sync", "once")
        assert "waiting for the appliance to open it" in done.stderr
        assert done.returncode == 0, done.stderr
        second = following.active()
        assert said() == ("open", second)
        for _ in range(2):
            edge.kill()
            edge.wait()
            assert ask("sync", "status").returncode == 0
            assert following.active() == second
            edge = start()
            until(lambda: said() == ("open", second))
        state = read_edge_state(following.data / "state")
        assert state is not None
        assert state.crashes == 2
        said_by_sync = failed(ask("sync", "once"))
        assert "rejected" in said_by_sync
        assert "edge crashed 2 times with it" in said_by_sync
        assert following.active() == first
        until(lambda: said() == ("open", first))
    finally:
        edge.kill()
        edge.wait()


def test_run_installs_says_when_it_looks_again_and_stops_at_once(
    following: Following, surroundings: Surroundings
) -> None:
    process = surroundings.start("sync", "run")
    until(lambda: following.active())

    def scheduled() -> bool:
        status = answer(ask("sync", "status", "--json"))
        return bool(status["running"] and status["next_check_at"])

    until(scheduled)
    assert "next check  20" in ask("sync", "status").stdout
    done = ask("sync", "once")
    assert done.stdout.startswith("up-to-date"), "a person may ask beside it"
    with Stopwatch() as stop:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=120)
    assert process.returncode == 0
    assert stop.seconds < 10
    assert "Traceback" not in log
    assert "installed: release 1" in log


def test_run_stops_in_the_middle_of_a_file_and_keeps_what_it_has(
    following: Following, surroundings: Surroundings, small_bundle: Path
) -> None:
    fifo = next((following.store / "files").iterdir())  # a read that never ends
    fifo.unlink()
    os.mkfifo(fifo)
    process = surroundings.start("sync", "run")
    until(lambda: following.shelf.incoming.exists())
    with Stopwatch() as stop:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert process.returncode == 0
    assert stop.seconds < 10


def test_a_terminal_gets_a_bar_with_bytes_and_rate(
    following: Following, surroundings: Surroundings
) -> None:
    shown, terminal = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "sync", "once"],
        cwd=surroundings.folder,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        env=os.environ | {"COLUMNS": "120", "TERM": "xterm"},
    )
    os.close(terminal)
    output = b""
    while True:
        try:
            chunk = os.read(shown, 65536)
        except OSError:  # the other side is closed
            break
        if not chunk:
            break
        output += chunk
    os.close(shown)
    assert process.wait(60) == 0
    assert b"fetching" in output
    assert b"kB" in output


def test_doctor_checks_one_thing_after_the_other(
    following: Following,
    surroundings: Surroundings,
    small_bundle: Path,
    s3_server: S3Server,
    s3_source: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = answer(ask("sync", "doctor", "--json"))
    assert [(finding["subject"], finding["state"]) for finding in found] == [
        (subject, "ok")
        for subject in (
            *("source", "root", "credentials", "store", "channel", "clock", "disk"),
            "reporting",
        )
    ]
    following.publish(small_bundle, source=s3_source, endpoint_url=s3_server.address)
    there = {
        "VISUAL_SEARCH_SYNC__SOURCE": s3_source,
        "VISUAL_SEARCH_SYNC__ENDPOINT_URL": s3_server.address,
    }
    found = answer(ask("sync", "doctor", "--json", **there))
    assert {finding["state"] for finding in found} == {"ok"}, found
    assert "ok" in ask("sync", "doctor", **there).stdout
    for changes, subject, word in (
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "store", "let the device read"),
        ({"VISUAL_SEARCH_SYNC__CHANNEL": "stabel"}, "channel", "check its name"),
        (
            {"VISUAL_SEARCH_SYNC__ENDPOINT_URL": "http://127.0.0.1:9"},
            "store",
            "look at the network",
        ),
        ({"VISUAL_SEARCH_SYNC__SOURCE": f"{s3_source}/absent"}, "store", "compare bucket"),
        ({"VISUAL_SEARCH_SYNC__CREDENTIALS_ENDPOINT": "x"}, "credentials", "role_alias"),
        ({"VISUAL_SEARCH_SYNC__SOURCE": ""}, "source", "not set"),
    ):
        with monkeypatch.context() as patch:
            for name, value in (there | changes).items():
                patch.setenv(name, value)
            (wrong,) = (finding for finding in examine(None) if finding.state == "wrong")
        assert wrong.subject == subject
        assert word in wrong.message + wrong.remedy


# What runs beside each other


def test_a_worker_fails_alone_and_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "MIN_RETRY_S", 0.0)
    stopping, wake = threading.Event(), threading.Event()
    attempts: list[str] = []

    def failing(stopping: threading.Event, wake: threading.Event) -> None:
        attempts.append("x")
        if len(attempts) == 1:
            raise StoreUnreachableError("no network")
        if len(attempts) == 2:
            raise ZeroDivisionError
        stopping.set()

    run.supervise("failing", failing, stopping, wake)
    assert len(attempts) == 3


def test_a_worker_that_fails_again_and_again_comes_back_within_minutes() -> None:
    """However often it fails. Its pauses are the time-outs of its waits for `stopping`."""
    pauses: list[float] = []

    class Stopping(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout or 0.0)
            if len(pauses) == 20:
                self.set()
            return self.is_set()

    def failing(stopping: threading.Event, wake: threading.Event) -> None:
        raise VisualSearchError("no")

    run.supervise("failing", failing, Stopping(), threading.Event())
    assert 60 < max(pauses) <= 300


def test_waits_grow_to_an_hour_and_differ() -> None:
    backoff = Backoff(run.MIN_RETRY_S, run.MAX_RETRY_S, lambda: 1.0)
    longest = [backoff.pause_s() for _ in range(10_000)]
    assert longest[:4] == [15, 30, 60, 120]
    assert longest[10] == longest[-1] == 3600
    backoff.succeeded()
    assert backoff.pause_s() == 15
    assert Backoff(run.MIN_RETRY_S, run.MAX_RETRY_S, lambda: 0.0).pause_s() == 7.5


def test_wake_lets_the_pull_check_now_and_failures_come_back_sooner_than_the_interval(
    following: Following,
) -> None:
    device = following.device(interval_s=3600)
    stopping, wake = threading.Event(), threading.Event()
    checks: list[SyncState] = []
    check = device.check

    def counted(*words: object) -> SyncState:
        checks.append(check(*words))  # type: ignore[arg-type]
        return checks[-1]

    device.check = counted  # type: ignore[method-assign, assignment]
    thread = threading.Thread(target=run.pull_worker(device, lambda: 0.5), args=(stopping, wake))
    thread.start()
    until(lambda: len(checks) == 1)
    assert checks[0].outcome == "installed"
    wait = checks[0].next_check_at - checks[0].checked_at  # type: ignore[operator]
    assert timedelta(seconds=3500) < wait < timedelta(seconds=3700)
    shutil.move(following.store, following.folder / "away")
    until(lambda: not wake.is_set())
    wake.set()
    until(lambda: len(checks) == 2)
    assert checks[1].failed
    wait = checks[1].next_check_at - checks[1].checked_at  # type: ignore[operator]
    assert wait < timedelta(seconds=20)
    stopping.set()
    wake.set()
    thread.join(30)
    assert not thread.is_alive()


def secret(following: Following) -> Path:
    """A file with the passphrase of its keys."""
    file = following.folder / "secret"
    file.write_bytes(PASSPHRASE)
    file.chmod(0o600)
    return file


def test_the_role_that_ends_first_is_named_a_month_before_with_its_command(
    following: Following, small_bundle: Path
) -> None:
    now = following.clock()

    def said(days: float, ends: str = "timestamp") -> str:
        state = SyncState(expires_at=now + timedelta(days=days), ends=ends)
        return dict(rows(state, SETTINGS, now, running=False))["signatures"]

    assert "ahead" not in said(31)
    assert "29 days ahead: the owner should run visual-search sync refresh" in said(29.5)
    assert "29 days ahead: the owner should run visual-search sync publish" in said(29.5, "targets")
    assert "visual-search sync keys rotate" in said(29.5, "root")
    assert "is past" in said(-1)
    following.publish(variant(small_bundle, following.folder / "c", "Late"), days=10)
    assert ask("sync", "once").stdout.startswith("installed")
    status = answer(ask("sync", "status", "--json"))
    assert status["ends"] == "targets"
    assert "9 days ahead: the owner should run visual-search sync publish" in status["warning"]
    words = ("--keys", str(following.folder / "keys"), "--passphrase-file", str(secret(following)))
    done = ask("sync", "refresh", following.source, *words)
    assert "9 days ahead: the owner should run visual-search sync publish" in done.stderr


def test_status_imports_only_what_it_needs() -> None:
    """Or it takes four times as long."""
    program = (
        "import sys; import sync.cli.status; "
        "print([name for name in ('numpy', 'cv2', 'tuf', 'boto3', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_status_says_what_is_wrong_with_the_clock(following: Following) -> None:
    state = SyncState(clock="it stands still")
    shown = dict(rows(state, SETTINGS, following.clock(), running=True))
    assert shown["clock"] == "it stands still"


def test_the_outcome_is_seen_by_the_other_doctor_too(
    following: Following, surroundings: Surroundings
) -> None:
    shutil.rmtree(following.store)
    ask("sync", "once")
    findings = json.loads(ask("doctor", "--json").stdout)
    (one,) = (finding for finding in findings if finding["subject"] == "sync")
    assert one["state"] == "note"
    assert "store-failed" in one["message"]


def test_once_reports_how_it_went_and_the_second_time_nothing_has_changed(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL_SEARCH_OUTBOX__TRANSPORT", "file")
    first = ask("sync", "once")
    assert first.stdout.startswith("installed")
    assert "1 events reported" in first.stderr
    file = following.data / "reports" / "reports.jsonl"
    found = [json.loads(line)["payload"] for line in file.read_text().splitlines()]
    assert [(document["kind"], document["what"]) for document in found] == [("status", "sync")]
    assert found[0]["details"]["outcome"] == "installed"
    active = following.shelf.active()
    assert active is not None
    assert found[0]["details"]["bundle"] == active.name
    assert "0 events reported" not in ask("sync", "once", "--from", following.source).stderr
    second = ask("sync", "once")
    assert second.stdout.startswith("up-to-date")
    assert len(file.read_text().splitlines()) == 2  # that it is up to date is news, once
    assert "0 events reported" in ask("sync", "once").stderr


def test_run_reports_alone_where_no_source_is_set(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not check for catalogues; with nothing at all to do it fails with an error."""
    monkeypatch.setenv("VISUAL_SEARCH_SYNC__SOURCE", "")
    assert "there is nothing to do" in failed(ask("sync", "run"))
    monkeypatch.setenv("VISUAL_SEARCH_OUTBOX__TRANSPORT", "file")
    outbox = Outbox(following.data / "outbox.db", OutboxSettings(), "device")
    assert outbox.put(status("started")).wait(60)
    outbox.close()
    process = subprocess.Popen([COMMAND, "sync", "run"], stderr=subprocess.PIPE)
    file = following.data / "reports" / "reports.jsonl"
    try:
        until(lambda: file.exists() and file.read_bytes())
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=120)
    assert process.returncode == 0
    assert b"source" not in log
    assert len(file.read_text().splitlines()) == 1


def test_run_reports_while_it_follows(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL_SEARCH_OUTBOX__TRANSPORT", "file")
    process = subprocess.Popen([COMMAND, "sync", "run"], stderr=subprocess.PIPE)
    file = following.data / "reports" / "reports.jsonl"
    try:
        until(lambda: file.exists() and b"installed" in file.read_bytes())
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    assert process.returncode == 0
    assert answer(ask("sync", "status", "--json"))["outbox"]["acknowledged"] == 1
    for transport, said in (
        ("none", "kept here, and [outbox] sends none"),
        ("x", "1 acknowledged"),
    ):
        monkeypatch.setenv("VISUAL_SEARCH_OUTBOX__TRANSPORT", transport)
        assert said in ask("sync", "status").stdout


def test_wrong_settings_of_the_reports_do_not_stop_the_pull(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL_SEARCH_OUTBOX__TRANSPORT", "pigeon")
    done = ask("sync", "once")
    assert done.stdout.startswith("installed"), done.stderr
    assert "VISUAL_SEARCH_OUTBOX__TRANSPORT" in done.stderr


# A shelf that is held or cannot be written


def test_asking_whether_it_runs_does_not_stop_one_that_starts(following: Following) -> None:
    device = following.device()
    with run.run_lock(device), (following.data / "shelf" / "run.lock").open("a"):
        assert is_running(device.shelf)
    held, let_go = threading.Event(), threading.Event()

    def ask_often() -> None:
        with locked(following.data / "shelf" / "run.lock"):
            held.set()
            let_go.wait(0.2)

    thread = threading.Thread(target=ask_often)
    thread.start()
    held.wait()
    with run.run_lock(device):
        assert is_running(device.shelf)
    thread.join()


def test_a_shelf_that_cannot_be_written_is_logged_once_and_never_waited_for(
    following: Following, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run, "PROBATION_CHECK_S", 0.0)
    stopping, device = threading.Event(), following.device()
    looks: list[str] = []

    def full() -> str:
        looks.append("x")
        if len(looks) == 3:
            stopping.set()
        raise DiskFullError("the disk is full; make room")

    monkeypatch.setattr(device, "check_probation", full)
    run.probation_worker(device)(stopping, threading.Event())
    assert len(looks) == 3
    assert caplog.text.count("the disk is full") == 1
    with pytest.raises(DiskFullError):
        _check_probation(device, wait=True)
