"""The outbox on real files, with real processes that are killed."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sync.outbox.writer
from sync.cli.outbox import _export
from sync.errors import OutboxError
from sync.outbox.clock import Moment
from sync.outbox.counting import count_drops
from sync.outbox.database import OutboxDatabase
from sync.outbox.events import (
    Event,
    Heartbeat,
    Sighting,
    Timings,
    features,
    message,
    status,
)
from sync.outbox.kinds import PRIORITY
from sync.outbox.outbox import REASONS, Outbox
from sync.outbox.reading import read_oldest
from sync.outbox.rows import newest_sequence
from sync.outbox.stored import ROW_BYTES, Batch
from sync.outbox.writer import MAX_WAITING
from sync.settings import OutboxSettings
from tests.conftest import Surroundings
from tests.support.outbox_process import whole_lines

NOTHING = Sighting(verdict="nothing", bundle="b" * 40, timings_ms=Timings())
HEALTHY = Heartbeat(uptime_s=1, rss_bytes=1, disk_free_bytes=1, outbox_length=0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "outbox.db"


@pytest.fixture
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    """Surroundings without a catalogue."""
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(tmp_path / "data"))
    return Surroundings(tmp_path, tmp_path / "data", tmp_path / "cache")


@pytest.fixture
def outbox(file: Path) -> Iterator[Outbox]:
    opened = Outbox(file, OutboxSettings(max_mb=1), "device-1")
    yield opened
    opened.close()


def put(outbox: Outbox, *events: Event) -> None:
    for first in range(0, len(events), 1000):  # more would not find room in memory
        tickets = [outbox.put(event) for event in events[first : first + 1000]]
        assert all(ticket.wait(60) for ticket in tickets)


def documents(outbox: Outbox, count: int = 100_000) -> list[dict[str, Any]]:
    return [json.loads(event.payload) for event in outbox.oldest(count)]


def reports_of(outbox: Outbox, what: str) -> list[dict[str, Any]]:
    return [document for document in documents(outbox) if document.get("what") == what]


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (value := condition()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)
    return value


@contextmanager
def running(file: Path, name: str, *options: str) -> Iterator[Path]:
    """Another process that puts events, killed at the end; yields what it prints ids into."""
    printed = file.parent / f"{name}.txt"
    printed.parent.mkdir(exist_ok=True)
    command: list[str | Path] = [sys.executable, "-m", "tests.support.outbox_process", file, name]
    with printed.open("w") as out:
        process = subprocess.Popen([*command, *options], stdout=out)
    try:
        yield printed
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@contextmanager
def stuck_disk(file: Path) -> Iterator[None]:
    """Lock the database until the block ends."""
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_events_come_out_as_they_were_put(outbox: Outbox) -> None:
    events = [status("started", str(number)) for number in range(50)]
    put(outbox, *events)
    stored = outbox.oldest(100)
    assert [event.id for event in stored] == [event.id for event in events]
    assert [event.sequence for event in stored] == list(range(1, 51))
    found = documents(outbox)
    assert [document["message"] for document in found] == [str(number) for number in range(50)]
    assert {document["stream"] for document in found} == {stored[0].stream}
    assert [document["sequence"] for document in found] == list(range(1, 51))
    assert {document["device"] for document in found} == {"device-1"}
    assert {document["boot"] for document in found} == {
        Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    }


def test_a_part_can_be_read_after_another(outbox: Outbox) -> None:
    put(outbox, *(status("started") for _ in range(10)))
    first = outbox.oldest(4)
    assert [event.sequence for event in outbox.oldest(4, after=first[-1])] == [5, 6, 7, 8]


def test_what_is_acknowledged_is_gone_for_good_and_its_number_too(
    outbox: Outbox, file: Path
) -> None:
    put(outbox, *(status("started") for _ in range(10)))
    outbox.acknowledge(outbox.oldest(10))
    assert outbox.oldest(10) == []
    outbox.close()
    again = Outbox(file, OutboxSettings(), "device-1")
    put(again, status("started"))
    assert [event.sequence for event in again.oldest(10)] == [11]
    assert again.counters().acknowledged == 10
    again.close()


def test_counters_tell_what_happened(outbox: Outbox) -> None:
    put(outbox, *(status("started") for _ in range(5)))
    stored = outbox.oldest(5)
    outbox.note(sent=3, offline_s=1.5, latencies_s=[0.1, 0.3], error="the line is dead")
    outbox.acknowledge(stored[:2])
    counters = outbox.counters()
    assert (counters.length, counters.sent, counters.acknowledged) == (3, 3, 2)
    assert counters.bytes == sum(len(event.payload) for event in outbox.oldest(5)) + 3 * (
        ROW_BYTES - len(f',"stream":"{counters.stream}","sequence":1')
    )
    assert (counters.offline_s, counters.latencies) == (1.5, 2)
    assert counters.latency_s == pytest.approx(0.4)
    assert counters.oldest_s is not None
    assert counters.last_error == "the line is dead"
    assert counters.last_error_at.endswith("Z")


def test_an_error_is_written_at_once_and_counts_are_not_lost(outbox: Outbox, file: Path) -> None:
    outbox.note(offline_s=2.5, error="no network")
    assert outbox.counters().last_error == "no network"
    outbox.note(sent=1, offline_s=2.5)
    outbox.close()
    again = Outbox(file, OutboxSettings(), "device-1")
    assert (again.counters().offline_s, again.counters().sent) == (5, 1)
    again.close()


def test_attempts_are_counted_and_a_refused_message_is_set_aside_and_reported(
    outbox: Outbox,
) -> None:
    put(outbox, *(status("started", str(number)) for number in range(3)))
    first = outbox.oldest(1)
    outbox.failed(first, "closed")
    outbox.failed(first, "closed")
    assert [event.attempts for event in outbox.oldest(3)] == [2, 0, 0]
    outbox.set_aside(first[0], "it closes the connection")
    assert [event.sequence for event in outbox.oldest(3)] == [2, 3]
    assert outbox.counters().dropped == {"refused": 1}
    assert outbox.counters().aside == 1
    put(outbox, status("started"))
    (report,) = reports_of(outbox, "dropped")
    assert report["details"] == {"refused_status": 1}


def test_old_sightings_are_dropped_first_and_status_stays(outbox: Outbox) -> None:
    put(outbox, status("started", "first of all"), Event("heartbeat", HEALTHY))
    put(outbox, *(Event("sighting", NOTHING) for _ in range(3000)))
    counters = outbox.counters()
    assert counters.bytes <= 1_000_000
    assert counters.bytes > 800_000
    found = documents(outbox)
    assert [document["kind"] for document in found[:2]] == ["status", "heartbeat"]
    sightings = [document["sequence"] for document in found if document["kind"] == "sighting"]
    assert sightings[-1] - sightings[0] >= len(sightings) - 1
    assert counters.dropped == {"space": 3000 - len(sightings)}
    reported = sum(report["details"]["space_sighting"] for report in reports_of(outbox, "dropped"))
    assert 0 < reported <= counters.dropped["space"]
    assert len(reports_of(outbox, "dropped")) == 1, "the reports themselves must not flood"


def test_every_drop_is_reported_in_the_end(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync.outbox.writer, "REPORT_DROPS_S", 0)
    put(outbox, *(Event("sighting", NOTHING) for _ in range(3000)))
    put(outbox, status("started"))
    reported = sum(report["details"]["space_sighting"] for report in reports_of(outbox, "dropped"))
    assert reported == outbox.counters().dropped["space"]


def test_drops_of_every_reason_and_kind_fit_into_one_report(outbox: Outbox, file: Path) -> None:
    put(outbox, status("started"))
    drops: dict[tuple[str, str], int] = {
        (reason, kind): 1 for reason in REASONS for kind in PRIORITY
    }
    OutboxDatabase(file).write(lambda database: count_drops(database, drops))
    put(outbox, status("started"))
    (report,) = reports_of(outbox, "dropped")
    assert report["details"] == dict.fromkeys(REASONS, len(PRIORITY))


def test_numbers_of_a_network_go_before_sightings(outbox: Outbox) -> None:
    put(outbox, features(np.full(2048, 0.5, np.float32)))
    put(outbox, *(Event("sighting", NOTHING) for _ in range(2400)))
    assert "features" not in {event.kind for event in outbox.oldest(5000)}


def test_what_is_too_old_goes_unless_a_clock_was_wrong(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(sync.outbox.writer, "now", lambda: Moment(now, trusted=True))
    monkeypatch.setattr(sync.outbox.writer, "HOUSEKEEPING_S", 0.05)
    outbox = Outbox(file, OutboxSettings(max_age_days=2), "device-1")
    old = now - 3 * 86400
    put(
        outbox,
        Event("status", status("old").body, moment=Moment(old, trusted=True)),
        Event("status", status("of_1970").body, moment=Moment(5.0, trusted=False)),
        Event("status", status("young").body, moment=Moment(now - 86400, trusted=True)),
    )
    until(lambda: outbox.counters().dropped == {"age": 1})
    kinds = [document["what"] for document in documents(outbox)]
    assert kinds[:2] == ["of_1970", "young"]
    outbox.close()


def test_an_untrusted_clock_lets_nothing_expire(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync.outbox.writer, "now", lambda: Moment(time.time(), trusted=False))
    outbox = Outbox(file, OutboxSettings(max_age_days=2), "device-1")
    put(outbox, Event("status", status("old").body, moment=Moment(10.0, trusted=True)))
    put(outbox, status("started"))
    assert outbox.counters().length == 2
    outbox.close()


def test_put_never_waits_for_the_disk_and_memory_is_bounded(outbox: Outbox, file: Path) -> None:
    put(outbox, status("started"))
    with stuck_disk(file):
        important = [outbox.put(status("camera_offline")) for _ in range(3)]
        tickets = [outbox.put(Event("sighting", NOTHING)) for _ in range(MAX_WAITING + 500)]
        waiting, lost, _ = outbox._writer.state()
        assert waiting == MAX_WAITING
        dropped = sum(ticket.durable is False for ticket in tickets)
        assert lost == {"memory": dropped}
        assert not tickets[-1].wait(0.01)
    assert all(ticket.wait(60) for ticket in important)
    assert tickets[-1].wait(60)
    kept = 1 + 3 + MAX_WAITING + 500 - dropped
    counters = outbox.counters()
    assert counters.dropped["memory"] == dropped
    assert counters.length + counters.dropped.get("space", 0) == kept + 1  # and the report
    assert reports_of(outbox, "dropped")[0]["details"]["memory_sighting"] == dropped


def test_close_does_not_wait_for_a_disk_that_hangs(file: Path) -> None:
    outbox = Outbox(file, OutboxSettings(), "device-1")
    put(outbox, status("started"))
    with stuck_disk(file):
        ticket = outbox.put(status("stopped"))
        outbox.close(0.1)
        assert not ticket.wait(0)
        assert not outbox.put(status("started")).wait(0), "it is closed"


def test_waiting_ends_with_events_of_this_process_and_of_the_other(
    outbox: Outbox, file: Path
) -> None:
    assert not outbox.wait(0)
    put(outbox, status("started"))
    assert outbox.wait(60)
    assert len(outbox.oldest(10)) == 1
    assert not outbox.wait(0.05), "it was seen"
    with running(file, "other", "--count", "1"):
        assert outbox.wait(60)
    assert [document["device"] for document in documents(outbox)] == ["device-1", "other"]


def test_nothing_is_new_in_an_emptied_outbox_that_is_opened_again(
    outbox: Outbox, file: Path
) -> None:
    put(outbox, status("started"))
    outbox.acknowledge(outbox.oldest(10))
    again = Outbox(file, OutboxSettings(), "device-1")
    assert again.oldest(10) == []
    assert not again.wait(0.05)
    put(again, status("started"))
    assert again.wait(60)
    again.close()


@pytest.mark.slow
def test_counters_raise_an_error_while_the_disk_hangs(outbox: Outbox, file: Path) -> None:
    """One thread waits for the disk; the others get an error."""
    put(outbox, status("started"))
    with stuck_disk(file):
        first = threading.Thread(target=outbox.counters)
        first.start()
        until(outbox._counters_lock.locked)
        with pytest.raises(OutboxError, match="does not answer"):
            outbox.counters()
    first.join(60)
    assert outbox.counters().length == 1


@pytest.mark.slow
def test_what_was_reported_durable_survives_being_killed(file: Path) -> None:
    """Two processes write; both are killed at some point, again and again."""
    durable: set[str] = set()
    for turn in range(5):
        group = str(1 + 30 * turn)
        with running(file, "a", "--group", group) as a, running(file, "b", "--group", group) as b:
            for printed in (a, b):  # both write before either is killed
                until(partial(_is_filled, printed))
            time.sleep(0.02 * turn)
        durable.update(whole_lines(a), whole_lines(b))
    outbox = Outbox(file, OutboxSettings(max_mb=1000), "device-1")
    stored = outbox.oldest(1_000_000)
    outbox.close()
    assert len(durable) > 10
    assert durable <= {event.id for event in stored}
    assert len({event.stream for event in stored}) == 1
    assert [event.sequence for event in stored] == list(range(1, len(stored) + 1))
    assert outbox_is_sound(file)


def _is_filled(file: Path) -> bool:
    return file.stat().st_size > 0


def outbox_is_sound(file: Path) -> bool:
    connection = sqlite3.connect(file)
    (answer,) = connection.execute("PRAGMA integrity_check").fetchone()
    length = connection.execute("SELECT value FROM counters WHERE name = 'length'").fetchone()
    (rows,) = connection.execute("SELECT count(*) FROM events").fetchone()
    connection.close()
    return bool(answer == "ok" and length == (rows,))


def garble(file: Path) -> None:
    file.write_bytes(os.urandom(20_000))


def shorten(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(5000)


def put_another_file_there(file: Path) -> None:
    file.unlink()
    file.write_bytes(b"SQLite format 3\0" + os.urandom(5000))


def put_another_database_there(file: Path) -> None:
    file.unlink()
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE events (sequence, id)")


def empty_it(file: Path) -> None:
    with sqlite3.connect(file) as database:
        for table in ("about", "events", "counters"):
            database.execute(f"DELETE FROM {table}")


def garble_behind_the_header(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(-40 * 4096, os.SEEK_END)
        opened.write(b"\xff" * 4096 * 8)


@pytest.mark.parametrize(
    ("damage", "least"),
    [
        (garble, 0),
        (shorten, 0),
        (put_another_file_there, 0),
        (put_another_database_there, 0),
        (empty_it, 0),
        (garble_behind_the_header, 100),
    ],
)
def test_a_damaged_file_is_set_aside_and_that_is_reported(
    file: Path, damage: Callable[[Path], None], least: int
) -> None:
    """Events that can be read are copied, with the same ids and new numbers."""
    outbox = Outbox(file, OutboxSettings(), "device-1")
    put(outbox, *(status("started") for _ in range(1000)))
    former = outbox.oldest(1000)
    outbox.close()
    damage(file)
    again = Outbox(file, OutboxSettings(), "device-1")
    put(again, status("started", "after it"))
    stored = again.oldest(2000)
    rescued = {event.id for event in stored} & {event.id for event in former}
    assert len(rescued) >= least
    assert stored[0].stream != former[0].stream
    assert [event.sequence for event in stored] == list(range(1, len(stored) + 1))
    (report,) = reports_of(again, "outbox_damaged")
    assert f"{len(rescued)} events of the old one were carried over" in report["message"]
    assert list(file.parent.glob("outbox-*-damaged.db"))
    assert "after it" in [document["message"] for document in documents(again)]
    again.close()
    assert outbox_is_sound(file)


def test_events_behind_a_damaged_page_are_copied_and_the_rest_is_counted(file: Path) -> None:
    outbox = Outbox(file, OutboxSettings(), "device-1")
    put(outbox, *(status("started", number=number) for number in range(1000)))
    length = outbox.counters().length
    middle = outbox.oldest(1000)[500]
    outbox.close()
    with file.open("r+b") as opened:  # pages among those of the events
        place = opened.read().index(f"{middle.id}{middle.kind}".encode())
        opened.seek(place - place % 4096)
        opened.write(b"\xff" * 4096)
    again = Outbox(file, OutboxSettings(), "device-1")
    put(again, status("started", "after it"))
    details = [document.get("details", {}) for document in documents(again)]
    numbers = [detail["number"] for detail in details if "number" in detail]
    assert numbers == sorted(set(range(1000)) & set(numbers))
    assert len(numbers) > 950
    assert numbers[-1] == 999
    lost = length - len(numbers)
    assert lost
    assert again.counters().dropped == {"damage": lost}
    (report,) = reports_of(again, "outbox_damaged")
    assert f"{lost} were lost" in report["message"]
    (dropped,) = reports_of(again, "dropped")
    assert lost in dropped["details"].values()
    again.close()


def test_both_processes_go_on_with_one_new_file_when_it_is_damaged_under_them(
    outbox: Outbox, file: Path
) -> None:
    with running(file, "other", "--group", "1") as other:
        until(lambda: other.stat().st_size)
        put(outbox, status("started"))
        former = outbox.oldest(1)[0]
        garble(file)  # with its -wal and -shm still in use by both
        until(lambda: outbox.counters().stream != former.stream)
        put(outbox, status("started", "after it"))
        seen = outbox.counters().length
        until(lambda: outbox.counters().length > seen + 20)
        outbox.acknowledge([former])
    found = documents(outbox)
    assert found[0]["sequence"] == 1, "an old number acknowledges nothing new"
    assert {document["device"] for document in found} == {"device-1", "other"}
    assert len({document["stream"] for document in found}) == 1
    assert len(reports_of(outbox, "outbox_damaged")) == 1
    outbox.close()
    assert outbox_is_sound(file)


def test_a_deleted_file_is_made_anew(outbox: Outbox, file: Path) -> None:
    put(outbox, status("started"))
    for part in file.parent.iterdir():
        part.unlink()
    put(outbox, status("started", "after it"))
    assert [document["message"] for document in documents(outbox)] == ["after it"]


def test_damaged_files_do_not_pile_up(file: Path) -> None:
    for _ in range(4):
        outbox = Outbox(file, OutboxSettings(), "device-1")
        put(outbox, status("started"))
        outbox.close()
        garble(file)
    outbox = Outbox(file, OutboxSettings(), "device-1")
    put(outbox, status("started"))
    outbox.close()
    assert len(list(file.parent.glob("outbox-*-damaged.db"))) == 2


def test_a_full_disk_is_said_counted_and_recovered_from(tmp_path: Path) -> None:
    """On a tmpfs of 4 MB, full before the outbox is made, and full again while it is used."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    program = f"{sys.executable} -m tests.support.full_disk"
    mount = f"mount -t tmpfs -o size=4m tmpfs {tmp_path} && exec {program}"
    done = subprocess.run(
        ["unshare", "--mount", *user, "sh", "-c", f"{mount} {tmp_path}"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert not answer["durable_on_full_disk"]
    assert answer["durable_after"]
    assert "full" in answer["error"]
    assert answer["waiting"] <= MAX_WAITING
    assert answer["status_durable"] == [True] * 3
    dropped = answer["dropped"]["memory"]
    assert answer["durable"] == 2503 - dropped
    assert answer["length"] == 1 + answer["durable"] + 1
    assert answer["reported"] == [{"memory_sighting": dropped}]
    assert answer["error_after"] == ""
    assert "events cannot be written" in done.stderr


def test_the_command_shows_and_exports_what_waits(surroundings: Surroundings) -> None:
    assert "there is no outbox yet" in surroundings.run("sync", "outbox").stderr
    outbox = Outbox(surroundings.data / "outbox.db", OutboxSettings(), "device-1")
    put(outbox, *(status("started", str(number)) for number in range(600)), message("hello"))
    outbox.note(error="no network")
    outbox.set_aside(outbox.oldest(1)[0], "too long")
    expected = documents(outbox, 599)
    outbox.close()
    shown = surroundings.run("sync", "outbox").stdout
    assert "600 events" in shown
    assert "1 (refused)" in shown
    assert "was set aside: too long" in " ".join(shown.split())
    counters = json.loads(surroundings.run("sync", "outbox", "--json").stdout)
    assert (counters["length"], counters["dropped"]) == (600, {"refused": 1})
    kept = surroundings.run("sync", "outbox", "export", "all.jsonl")
    assert "600 events, still in the outbox" in kept.stdout
    lines = [json.loads(line) for line in (surroundings.folder / "all.jsonl").open()]
    assert lines == [*expected, {"message": "hello"}]
    again = surroundings.run("sync", "outbox", "export", "all.jsonl", "--remove")
    assert again.returncode == 1
    assert "is there already" in again.stderr
    moved = surroundings.run("sync", "outbox", "export", "more.jsonl", "--remove", "--json")
    assert json.loads(moved.stdout)["events"] == 600
    counters = json.loads(surroundings.run("sync", "outbox", "--json").stdout)
    assert (counters["length"], counters["acknowledged"]) == (0, 600)


def test_an_export_that_cannot_be_written_removes_nothing(surroundings: Surroundings) -> None:
    outbox = Outbox(surroundings.data / "outbox.db", OutboxSettings(), "device-1")
    put(outbox, *(status("started", "x" * 400) for _ in range(100)))
    absent = surroundings.run("sync", "outbox", "export", "nowhere/all.jsonl", "--remove")
    assert "cannot be written" in absent.stderr
    assert outbox.counters().length == 100
    outbox.close()


def test_an_export_that_fails_in_the_middle_leaves_no_file(
    outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(outbox, status("started"))
    database, out = OutboxDatabase(outbox.file), tmp_path / "all.jsonl"
    batches = iter([read_oldest(database, 1, None)])

    def read(*_: object) -> Batch:
        for batch in batches:
            return batch
        raise OutboxError("the disk does not answer")

    monkeypatch.setattr("sync.cli.outbox.read_oldest", read)
    with pytest.raises(OutboxError):
        _export(database, out, remove=True)
    assert not out.exists()
    monkeypatch.undo()
    assert _export(database, out, remove=True) == 1
    assert len(out.read_bytes().splitlines()) == 1
    database.close()


@pytest.mark.slow
def test_killed_while_it_replaces_a_damaged_file_it_has_either_the_old_or_the_new(
    file: Path,
) -> None:
    """It is killed at a later point each time; events that can be read are never lost."""
    outbox = Outbox(file, OutboxSettings(), "device-1")
    put(outbox, *(status("started") for _ in range(200)))
    ids = {event.id for event in outbox.oldest(1000)}
    outbox.close()
    took = 0.0
    for turn in range(25):
        _give_an_impossible_version(file)
        start = time.monotonic()
        child = os.fork()
        if child == 0:
            OutboxDatabase(file).read(newest_sequence)
            os._exit(0)
        if turn > 0:
            time.sleep(took * turn / 20)
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        took = took or time.monotonic() - start  # the first is left alive
        again = Outbox(file, OutboxSettings(), "device-1")
        put(again, status("started"))
        stored = {event.id for event in again.oldest(10_000)}
        again.close()
        assert ids <= stored
        ids = stored
    _give_an_impossible_version(file)
    last = OutboxDatabase(file)
    last.read(newest_sequence)
    last.close()
    databases = list(file.parent.glob("outbox-*.db"))
    assert len(databases) == 3, "what the killed ones left is cleared away: one, and two damaged"


def _give_an_impossible_version(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 99")
