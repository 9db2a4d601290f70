"""Flipped bits in the outbox's files cost at most the event that they hit."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sync.outbox.clock import Moment
from sync.outbox.counting import unreported_drops
from sync.outbox.database import FILE, OutboxDatabase
from sync.outbox.events import Event, message, status
from sync.outbox.outbox import Outbox
from sync.outbox.rows import append, expire, newest_sequence, shrink
from sync.outbox.stored import RenderedEvent
from sync.outbox.wal import HEADER, PAGES, read_log
from sync.outbox.wal_frames import FRAME_HEADER
from sync.settings import OutboxSettings
from tests.conftest import Surroundings
from tests.proofs.damage.run import Written, flip, identity, report, write
from tests.sync.outbox.test_outbox import documents, put, reports_of

TRIALS = 16
FRAME = FRAME_HEADER + PAGES[0]


@pytest.fixture
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    """Surroundings without a catalogue."""
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(tmp_path / "data"))
    return Surroundings(tmp_path, tmp_path / "data", tmp_path / "cache")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """An outbox as a killed process left it; read only."""
    return write(tmp_path_factory.mktemp("written"))


def settle(file: Path) -> None:
    """Bring the fresh entries into the tables."""
    with closing(OutboxDatabase(file)) as database:
        database.write(lambda _: None)


def change(file: Path, column: str, value: object, sequence: int = 2) -> None:
    """Write another value into a row, as a flipped bit may do that SQLite does not notice."""
    settle(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA ignore_check_constraints = on")
        database.execute(
            f"UPDATE events SET {column} = {'CAST(? AS TEXT)' if column == 'id' else '?'} "
            "WHERE sequence = ?",
            (value, sequence),
        )


@pytest.mark.parametrize(
    ("column", "value", "counted"),
    [
        ("kind", "statur", "damage_event"),
        ("id", b"\xff\xfe", "damage_status"),
        ("payload", "text", "damage_status"),
        ("payload", 17, "damage_status"),
        ("payload", b'{"id": NaN}', "damage_status"),
        ("payload", b'{"id":"1","kind":"status"}', "damage_status"),
        ("at", "yesterday", "damage_status"),
    ],
)
def test_a_damaged_row_is_set_aside_and_the_others_go_on(
    tmp_path: Path, column: str, value: object, counted: str
) -> None:
    outbox = Outbox(tmp_path / FILE, OutboxSettings(), "device-1")
    put(outbox, *(status("started", str(number)) for number in range(4)))
    change(tmp_path / FILE, column, value)
    assert [document["message"] for document in documents(outbox)] == ["0", "2", "3"]
    counters = outbox.counters()
    assert (counters.length, counters.aside, counters.dropped) == (3, 1, {"damage": 1})
    assert "1 damaged event was set aside: its " in counters.last_error
    put(outbox, status("started"))
    (reported,) = reports_of(outbox, "dropped")
    assert reported["details"] == {counted: 1}
    outbox.close()


def test_damaged_rows_alone_do_not_end_the_reading(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / FILE, OutboxSettings(), "device-1")
    put(outbox, *(status("started", str(number)) for number in range(6)))
    for sequence in (1, 2, 3, 4):
        change(tmp_path / FILE, "kind", "", sequence)
    assert [event.sequence for event in outbox.oldest(2)] == [5, 6]
    outbox.close()


@pytest.mark.parametrize("column", ["size", "worth", "kind", "at", "trusted"])
def test_damaged_rows_are_dropped_like_others(tmp_path: Path, column: str) -> None:
    outbox = Outbox(tmp_path / FILE, OutboxSettings(), "device-1")
    put(outbox, *(status("started", str(number)) for number in range(4)))
    change(tmp_path / FILE, column, "x")
    outbox._database.write(lambda database: expire(database, Moment(0.0, trusted=True), 1))
    outbox._database.write(lambda database: shrink(database, 0))
    assert outbox.counters().length == 0
    assert sum(outbox.counters().dropped.values()) == 4
    outbox.close()


def test_the_commands_tell_of_damage_and_export_the_rest(surroundings: Surroundings) -> None:
    outbox = Outbox(surroundings.data / FILE, OutboxSettings(), "device-1")
    put(outbox, *(status("started", str(number)) for number in range(4)))
    outbox.close()
    change(surroundings.data / FILE, "payload", b"{")
    exported = surroundings.run("sync", "outbox", "export", "all.jsonl")
    assert "3 events" in exported.stdout
    lines = (surroundings.folder / "all.jsonl").read_text().splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["0", "2", "3"]
    shown = surroundings.run("sync", "outbox").stdout
    assert "1 (damage)" in shown
    doctor = surroundings.run("sync", "doctor", "--json")
    (finding,) = [one for one in json.loads(doctor.stdout) if one["subject"] == "outbox"]
    assert finding["state"] == "note"
    assert "1 damaged" in finding["message"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE about SET stream = replace(stream, '-', '\"')",
        "UPDATE counters SET value = 'x' WHERE name = 'acknowledged'",
        "UPDATE counters SET value = 9e99 WHERE name = 'bytes'",
        "UPDATE counters SET value = 1 WHERE name = 'length'",
        "INSERT INTO drops VALUES ('space', 'status', 1e400, 0)",
    ],
)
def test_a_damaged_id_or_count_costs_no_event(tmp_path: Path, change: str) -> None:
    """Such damage would spoil every message, or stop the outbox's own thread."""
    outbox = Outbox(tmp_path / FILE, OutboxSettings(), "device-1")
    put(outbox, *(status("started", str(number)) for number in range(4)))
    outbox.acknowledge(outbox.oldest(1))
    outbox.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as database, database:
        database.execute(change)
    again = Outbox(tmp_path / FILE, OutboxSettings(), "device-1")
    assert [document["message"] for document in documents(again)][:3] == ["1", "2", "3"]
    put(again, status("started"))
    (reported,) = reports_of(again, "outbox_damaged")
    assert "3 events of the old one were carried over, 0 were lost" in reported["message"]
    assert again.counters().dropped == {}
    again.close()


@pytest.mark.parametrize(
    "change",
    ["INSERT OR REPLACE INTO counters VALUES ('drops_told_at', 'x')", "DELETE FROM about"],
)
def test_damage_under_an_open_outbox_costs_no_event(tmp_path: Path, change: str) -> None:
    """No error of SQLite tells of such damage."""
    outbox = Outbox(tmp_path / FILE, OutboxSettings(), "device-1")
    put(outbox, status("started", "0"))
    assert len(outbox.oldest(1)) == 1
    with closing(sqlite3.connect(tmp_path / FILE)) as database, database:
        database.execute(change)
    put(outbox, status("started", "1"))
    found = documents(outbox)
    assert [document["message"] for document in found if document["what"] == "started"] == [
        "0",
        "1",
    ]
    assert len(reports_of(outbox, "outbox_damaged")) == 1
    outbox.close()


def test_a_fault_that_is_no_damage_is_raised_and_the_outbox_stays(tmp_path: Path) -> None:
    database = OutboxDatabase(tmp_path / FILE)
    before = database.read(newest_sequence)

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO drops VALUES ('space', 'status', 1, 0)")
        raise TypeError("a fault of the program")

    with pytest.raises(TypeError, match="a fault of the program"):
        database.write(fail)
    assert database.read(newest_sequence) == before
    assert database.read(unreported_drops) == {}
    database.close()


def test_counts_of_drops_are_carried_over(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / FILE, OutboxSettings(), "device-1")
    put(outbox, *(status("started") for _ in range(4)))
    outbox.set_aside(outbox.oldest(1)[0], "too long")
    outbox.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as database, database:
        database.execute("UPDATE counters SET value = 17 WHERE name = 'length'")
    again = Outbox(tmp_path / FILE, OutboxSettings(), "device-1")
    assert again.counters().dropped == {"refused": 1}
    again.close()


def test_what_was_set_aside_is_carried_over_in_order(tmp_path: Path) -> None:
    for number in range(3):
        outbox = Outbox(tmp_path / FILE, OutboxSettings(), "device-1")
        put(outbox, status("started"), status("stopped"))
        outbox.set_aside(outbox.oldest(1)[0], f"too long {number}")
        outbox.close()
        with closing(sqlite3.connect(tmp_path / FILE)) as database, database:
            database.execute("UPDATE counters SET value = 17 WHERE name = 'length'")
    again = Outbox(tmp_path / FILE, OutboxSettings(), "device-1")
    assert again.counters().aside == 3
    again.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        found = database.execute("SELECT reason FROM aside ORDER BY sequence").fetchall()
    assert found == [("too long 0",), ("too long 1",), ("too long 2",)]


@pytest.mark.parametrize("lost", [("header",), ("schema",), ("header", "schema")], ids="+".join)
def test_all_is_carried_over_where_header_or_schema_is_lost(
    tmp_path: Path, lost: tuple[str, ...]
) -> None:
    """The schema needs pages beside the first, which are no table's."""
    empty = OutboxDatabase(tmp_path / FILE)
    empty.write(lambda _: None)
    empty.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        (made,) = database.execute("PRAGMA page_count").fetchone()
        tables = {page for (page,) in database.execute("SELECT rootpage FROM sqlite_master")}
    pages = {"header": {1}, "schema": set(range(2, made + 1)) - tables}
    assert pages["schema"]
    outbox = Outbox(tmp_path / FILE, OutboxSettings(), "device-1")
    put(outbox, status("started", "0"), status("started", "1"))
    outbox.set_aside(outbox.oldest(1)[0], "too long")
    outbox.close()
    with (tmp_path / FILE).open("r+b") as file:
        for page in set[int]().union(*(pages[part] for part in lost)):
            file.seek((page - 1) * PAGES[0])
            file.write(bytes(PAGES[0]))
    again = Outbox(tmp_path / FILE, OutboxSettings(), "device-1")
    assert again.counters().aside == 1
    assert "1" in [document["message"] for document in documents(again)]
    again.close()


def test_a_database_that_does_not_fit_into_memory_is_read_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(tmp_path / FILE, OutboxSettings(), "device-1")
    put(outbox, status("started"))
    outbox.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as database, database:
        database.execute("UPDATE counters SET value = 17 WHERE name = 'length'")
    monkeypatch.setattr("sync.outbox.image.MAX_BYTES", 0)
    again = Outbox(tmp_path / FILE, OutboxSettings(), "device-1")
    assert len(reports_of(again, "started")) == 1
    again.close()


MEMORY = """
import re, sys
from pathlib import Path
from sync.outbox.database import OutboxDatabase
from sync.outbox.counting import counters
from sync.outbox.clock import now
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before = peak()
length = OutboxDatabase(Path(sys.argv[1])).read(lambda database: counters(database, now())).length
print(length, (peak() - before) * 1024)
"""


@pytest.mark.slow
def test_a_large_damaged_outbox_is_replaced_in_bounded_memory(tmp_path: Path) -> None:
    number, size = 3000, 10_000
    database = OutboxDatabase(tmp_path / FILE)
    events = [
        RenderedEvent(f"{index}", "message", 1, Moment(1.0, trusted=True), b"x" * size)
        for index in range(number)
    ]
    database.write(lambda connection: append(connection, events))
    database.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute("UPDATE counters SET value = 17 WHERE name = 'length'")
    command = [sys.executable, "-c", MEMORY, str(tmp_path / FILE)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    length, taken = map(int, printed.split())
    assert length == number
    assert taken < 3 * number * size


@pytest.mark.slow  # many trials
@pytest.mark.parametrize("seed", range(TRIALS))
def test_a_flipped_bit_anywhere(written: Written, tmp_path: Path, seed: int) -> None:
    """Every event is sent, kept or counted; no message is broken JSON; reporting goes on."""
    trial = flip(written, tmp_path / "flipped", seed)
    assert trial.is_good, trial


def log_of(folder: Path) -> Path:
    database = (folder / FILE).resolve()
    return database.with_name(f"{database.name}-wal")


@pytest.mark.slow
def test_an_intact_log_is_not_damaged(written: Written) -> None:
    log = read_log((written.folder / FILE).resolve())
    assert not log.is_damaged
    assert log.pages


def flip_the_header(data: bytearray) -> None:
    data[25] ^= 4


def flip_a_page(data: bytearray) -> None:
    data[HEADER + 3 * FRAME + 100] ^= 1


def flip_a_checksum(data: bytearray) -> None:
    data[HEADER + 5 * FRAME + 18] ^= 128


def flip_the_last_transaction(data: bytearray) -> None:
    data[-1] ^= 1


def garble_a_sector(data: bytearray) -> None:
    data[HEADER + 3 * FRAME + 400 : HEADER + 3 * FRAME + 912] = os.urandom(512)


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        flip_the_header,
        flip_a_page,
        flip_a_checksum,
        flip_the_last_transaction,
        garble_a_sector,
    ],
)
def test_a_damaged_log_undoes_no_transaction(
    written: Written, tmp_path: Path, damage: Callable[[bytearray], None]
) -> None:
    data = Path(shutil.copytree(written.folder, tmp_path / "data", symlinks=True))
    content = bytearray(log_of(data).read_bytes())
    damage(content)
    log_of(data).write_bytes(content)
    trial = report(written, data, damage.__name__)
    assert trial.is_good, trial
    assert trial.counted <= 1 or damage is garble_a_sector


@pytest.mark.slow
def test_an_unfinished_transaction_is_no_damage(written: Written, tmp_path: Path) -> None:
    """A power cut may leave the last one half written; it was never said to be durable."""
    data = Path(shutil.copytree(written.folder, tmp_path / "data", symlinks=True))
    content = bytearray(log_of(data).read_bytes())
    content[-2000:-1000] = os.urandom(1000)
    log_of(data).write_bytes(content)
    assert not read_log((data / FILE).resolve()).is_damaged


def test_other_users_cannot_read_the_outbox(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "data" / FILE, OutboxSettings(), "device-1")
    put(outbox, status("started"))
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()}
    outbox.close()
    assert set(modes.values()) == {0o600}, modes
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_a_text_is_cut_between_two_characters() -> None:
    event: Event = message("ä" * 5000)
    assert isinstance(event.body, bytes)
    assert set(event.body.decode()) == {"ä"}
    assert identity(event.body)
