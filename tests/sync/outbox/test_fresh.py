"""The newest entries of an outbox: kept by a line each, brought into the tables, and mended."""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from sync.errors import OutboxError
from sync.outbox import counting, fresh, rows
from sync.outbox.clock import Moment
from sync.outbox.database import FILE, OutboxDatabase
from sync.outbox.database_file import FORMATS
from sync.outbox.events import Event, Sighting, Timings, status
from sync.outbox.fresh import BLOCK, BYTES, ENDING, Entry, FreshEntries, generation_in
from sync.outbox.fresh_lines import Line, line_at, newest_generation, written
from sync.outbox.outbox import Outbox
from sync.outbox.stored import RenderedEvent, StoredEvent
from sync.outbox.wal import HEADER
from sync.outbox.wal_frames import FRAME_HEADER
from sync.outbox.writer import HOUSEKEEPING_S
from sync.settings import OutboxSettings
from tests.support.open_files import open_in
from tests.sync.outbox.test_rows import outbox as in_memory

WAIT = 60


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    opened = Outbox(tmp_path / FILE, OutboxSettings(), "device-1")
    yield opened
    opened.close()


def put(outbox: Outbox, number: int) -> list[StoredEvent]:
    """Put events one by one, and return all that there are."""
    for index in range(number):
        assert outbox.put(status("started", str(index))).wait(WAIT)
    return outbox.oldest(10_000)


def lines_of(file: Path) -> Path:
    return Path(f"{file.resolve()}{ENDING}")


def in_tables(file: Path) -> list[int]:
    """The numbers of the events that have come into the tables."""
    with closing(sqlite3.connect(file)) as database:
        return [number for (number,) in database.execute("SELECT sequence FROM events")]


def as_a_kill_leaves_it(outbox: Outbox, folder: Path) -> Path:
    """A copy of the files, with the name of the database in it."""
    folder.mkdir()
    for file in outbox.file.parent.iterdir():
        if file.is_symlink():
            (folder / file.name).symlink_to(file.readlink())
        elif file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    return folder / FILE


def test_an_event_that_was_sent_never_comes_into_the_tables(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    found = put(outbox, 5)
    assert in_tables(outbox.file) == [], "also not the first one of a process"
    assert not caplog.records
    outbox.note(sent=4, latencies_s=[0.5])
    outbox.acknowledge(found[:4])
    counters = outbox.counters()
    assert (counters.length, counters.acknowledged, counters.sent) == (1, 4, 4)
    assert in_tables(outbox.file) == []
    outbox.close()
    assert in_tables(outbox.file) == [5]
    again = Outbox(outbox.file, OutboxSettings(), "device-1")
    assert again.counters().acknowledged == 4
    assert [event.sequence for event in put(again, 1)] == [5, 6]
    again.close()


def test_to_look_for_old_events_brings_none_into_the_tables(outbox: Outbox) -> None:
    put(outbox, 1)
    outbox._writer._cleaned_at -= HOUSEKEEPING_S
    put(outbox, 1)
    assert time.monotonic() - outbox._writer._cleaned_at < HOUSEKEEPING_S, "it has looked"
    assert in_tables(outbox.file) == []


def test_a_second_process_reads_and_continues_them(outbox: Outbox) -> None:
    other = Outbox(outbox.file, OutboxSettings(), "device-2")
    other.acknowledge([*put(outbox, 1), *put(other, 1)])  # each has looked for old events now
    put(outbox, 2)
    assert [event.sequence for event in put(other, 1)] == [3, 4, 5]
    other.acknowledge(other.oldest(1))
    assert [event.sequence for event in put(outbox, 1)] == [4, 5, 6]
    assert in_tables(outbox.file) == []
    other.close()
    assert in_tables(outbox.file) == [4, 5, 6]
    assert [event.sequence for event in outbox.oldest(9)] == [4, 5, 6]


def test_a_full_file_comes_into_the_tables_and_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fresh, "BYTES", BLOCK)
    outbox = Outbox(tmp_path / FILE, OutboxSettings(), "device-1")
    numbers = [event.sequence for event in put(outbox, 40)]
    assert numbers == list(range(1, 41))
    assert lines_of(outbox.file).stat().st_size == BLOCK
    assert generation_in(lines_of(outbox.file)) > 2
    settled = in_tables(outbox.file)
    assert settled == numbers[: len(settled)]
    assert settled
    copy = as_a_kill_leaves_it(outbox, tmp_path / "killed")
    outbox.close()
    with closing(OutboxDatabase(copy)) as database:
        assert len(database.read(lambda found: rows.oldest(found, 99, None)).events) == 40


def test_what_was_taken_in_does_not_come_back_where_the_file_was_not_begun_anew(
    outbox: Outbox, tmp_path: Path
) -> None:
    found = put(outbox, 3)
    outbox._database.write(lambda _: None)
    outbox.acknowledge(found)
    copy = as_a_kill_leaves_it(outbox, tmp_path / "killed")
    assert lines_of(copy).read_bytes().count(b"\n") == 3
    again = Outbox(copy, OutboxSettings(), "device-1")
    assert again.oldest(9) == []
    assert again.counters().acknowledged == 3
    again.close()


def test_many_events_at_once_go_into_the_tables(outbox: Outbox) -> None:
    tickets = [outbox.put(status("started", "x" * 400)) for _ in range(500)]
    assert all(ticket.wait(WAIT) for ticket in tickets)
    assert len(outbox.oldest(1000)) == 500
    assert len(in_tables(outbox.file)) > 400


def test_fresh_entries_count_against_the_limit(tmp_path: Path) -> None:
    settings = OutboxSettings().model_copy(update={"max_mb": 0.006})
    outbox = Outbox(tmp_path / FILE, settings, "device-1")
    assert outbox.put(status("started")).wait(WAIT)
    size = outbox.counters().bytes
    room = 6000 // size
    put(outbox, room - 1)
    assert (outbox.counters().length, outbox.counters().dropped) == (room, {})
    assert in_tables(outbox.file) == []
    put(outbox, 1)
    assert outbox.counters().dropped["space"] > 0
    assert outbox.counters().bytes <= 6000
    outbox.close()


def test_an_outbox_of_an_earlier_version_has_none(tmp_path: Path) -> None:
    """That version can go on with it."""
    with closing(OutboxDatabase(tmp_path / FILE)) as database:
        database.write(lambda found: found.execute(f"PRAGMA user_version = {FORMATS[1]}") and None)
    lines_of(tmp_path / FILE).unlink()
    outbox = Outbox(tmp_path / FILE, OutboxSettings(), "device-1")
    outbox.acknowledge(put(outbox, 3)[:1])
    assert in_tables(outbox.file) == [2, 3]
    assert not lines_of(outbox.file).exists()
    outbox._nearly_full = outbox.counters().bytes + 0.5
    assert not outbox.is_nearly_full()
    outbox.close()


@pytest.mark.parametrize("number", [1, 4])
def test_each_flipped_bit_of_a_line_is_mended(outbox: Outbox, tmp_path: Path, number: int) -> None:
    """Its end, its checksum and what it says; also of the last one."""
    put(outbox, 4)
    lines = lines_of(outbox.file)
    whole = lines.read_bytes()
    said = whole.split(b"\n")
    first = len(b"\n".join(said[: number - 1])) + (number > 1)
    copy = tmp_path / "flipped"
    fresh.make(copy)
    entries = fresh.FreshEntries(copy)
    for place in range(first, first + len(said[number - 1]) + 1, 7 if number == 1 else 1):
        broken = bytearray(whole)
        broken[place] ^= 1 << place % 8
        entries.read("", 0, 0, b"")
        entries.read("", 0, 1, bytes(broken))
        assert (list(entries.events), entries.lost) == ([1, 2, 3, 4], set())
    entries.close()


def test_a_lost_line_is_counted_and_the_others_go_on(
    outbox: Outbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(outbox, 4)
    copy = as_a_kill_leaves_it(outbox, tmp_path / "killed")
    data = bytearray(lines_of(copy).read_bytes())
    end = data.find(b"\n", data.find(b"\n") + 1)
    data[10:end] = os.urandom(end - 10).replace(b"\n", b" ").replace(b"\0", b" ")
    lines_of(copy).write_bytes(data)
    again = Outbox(copy, OutboxSettings(), "device-1")
    assert [event.sequence for event in again.oldest(9)][:2] == [3, 4]
    assert f"{lines_of(copy)}: 2 events are damaged" in caplog.messages
    assert again.counters().dropped == {"damage": 2}
    found = put(again, 1)
    assert again.counters().dropped == {"damage": 2}
    assert [event.sequence for event in found][:2] == [3, 4]
    assert sum(b'"what":"dropped"' in event.payload for event in found) == 1
    again.close()


def test_lines_behind_a_lost_block_are_found_and_the_lost_are_counted(
    outbox: Outbox, tmp_path: Path
) -> None:
    for index in range(40):
        assert outbox.put(status("started", f"{index} {uuid.uuid4()}" * 4)).wait(WAIT)
    copy = as_a_kill_leaves_it(outbox, tmp_path / "killed")
    data = lines_of(copy).read_bytes()
    assert data.rstrip(b"\0").count(b"\n") == 40
    lines_of(copy).write_bytes(bytes(BLOCK) + data[BLOCK:])
    with closing(OutboxDatabase(copy)) as database:  # an outbox would write a report, too
        found = database.read(lambda found: rows.oldest(found, 99, None)).events
        dropped = database.look(fresh.counters_of).dropped
    left = [event.sequence for event in found]
    assert left == list(range(left[0], 41))
    assert dropped == {"damage": left[0] - 1}


def test_a_flipped_bit_hides_no_new_generation_of_a_damaged_database(
    outbox: Outbox, tmp_path: Path
) -> None:
    outbox.acknowledge(put(outbox, 3))
    outbox._database.write(lambda _: None)
    put(outbox, 1)
    copy = as_a_kill_leaves_it(outbox, tmp_path / "killed")
    data = bytearray(lines_of(copy).read_bytes())
    data[60] ^= 1
    lines_of(copy).write_bytes(data)
    with closing(sqlite3.connect(copy)) as database, database:
        database.execute("INSERT INTO counters VALUES ('x', -1)")
    with closing(OutboxDatabase(copy)) as opened:
        assert len(opened.read(lambda found: rows.oldest(found, 9, None)).events) == 1


def test_entries_that_an_earlier_version_left_behind_go_with_their_database(
    outbox: Outbox, tmp_path: Path
) -> None:
    put(outbox, 1)
    copy = as_a_kill_leaves_it(outbox, tmp_path / "killed")
    aside = copy.resolve().with_name(f"{copy.resolve().stem}-damaged.db")
    copy.resolve().rename(aside)
    left = [file.name for file in copy.parent.glob(f"*{ENDING}")]
    stray = copy.parent / f"outbox-01234567.db{ENDING}"
    stray.touch()
    with closing(OutboxDatabase(copy)) as database:
        database.read(counting.stream)
    assert Path(f"{aside}{ENDING}").exists()
    assert stray.exists(), "it is not known to be that of a damaged database"
    assert not (copy.parent / left[0]).exists()


def test_a_half_written_line_is_no_damage(outbox: Outbox, tmp_path: Path) -> None:
    """The power was cut before it was said to be durable; the next one takes its place."""
    put(outbox, 3)
    copy = as_a_kill_leaves_it(outbox, tmp_path / "killed")
    data = bytearray(lines_of(copy).read_bytes())
    end = data.rfind(b"\n")
    data[end - 50 : end + 1] = bytes(51)
    lines_of(copy).write_bytes(data)
    again = Outbox(copy, OutboxSettings(), "device-1")
    assert [event.sequence for event in put(again, 1)] == [1, 2, 3]
    assert again.counters().dropped == {}
    again.close()


def test_a_damaged_database_does_not_hide_its_fresh_entries(outbox: Outbox, tmp_path: Path) -> None:
    put(outbox, 2)
    outbox._database.write(lambda _: None)
    outbox.acknowledge(put(outbox, 2)[-1:])
    copy = as_a_kill_leaves_it(outbox, tmp_path / "killed")
    with closing(sqlite3.connect(copy)) as database, database:
        database.execute("UPDATE counters SET value = value + 1 WHERE name = 'taken_in'")
    again = Outbox(copy, OutboxSettings(), "device-1")
    messages = [event.payload.partition(b'"message":')[2][:3] for event in again.oldest(3)]
    assert messages == [b'"0"', b'"1"', b'"0"']
    assert again.counters().dropped == {}
    again.close()


def test_a_line_that_cannot_be_flushed_goes_into_the_tables(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second flush might succeed without having written what the first could not."""
    put(outbox, 1)
    outbox._database.write(lambda _: None)

    def broken(file: int) -> None:
        failures.append(file)
        monkeypatch.undo()
        raise OSError(5, "Input/output error")

    failures: list[int] = []
    monkeypatch.setattr(os, "fdatasync", broken)
    assert outbox.put(status("started", "after it")).wait(WAIT)
    assert len(failures) == 1
    assert in_tables(outbox.file) == [1, 2]
    assert outbox.counters().length == 2
    assert put(outbox, 1)[-1].sequence == 4  # the first attempt has a number, too
    assert in_tables(outbox.file) == [1, 2]


def test_a_file_of_the_entries_that_cannot_be_made_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sync.outbox.database_file.make", full)
    with (
        closing(OutboxDatabase(tmp_path / FILE)) as database,
        pytest.raises(OutboxError, match="No space left"),
    ):
        database.write(lambda _: None)
    assert [file.name for file in tmp_path.iterdir()] == ["outbox.lock"]


def test_entries_that_could_not_be_opened_once_are_seen_by_the_next_use(
    outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(outbox, 2)
    copy = as_a_kill_leaves_it(outbox, tmp_path / "killed")

    def once(file: Path) -> int:
        monkeypatch.undo()
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(fresh, "_opened", once)
    with closing(OutboxDatabase(copy)) as database:
        with pytest.raises(OutboxError, match="Too many open files") as caught:
            database.read(rows.newest_sequence)
        assert open_in(copy.parent) == ["outbox.lock"], caught
        assert database.read(rows.newest_sequence)[1] == 2


@pytest.mark.parametrize("left", [None, BLOCK])
def test_missing_entries_are_reported(outbox: Outbox, tmp_path: Path, left: int | None) -> None:
    put(outbox, 1)
    copy = as_a_kill_leaves_it(outbox, tmp_path / "killed")
    if left is None:
        lines_of(copy).unlink()
    else:
        os.truncate(lines_of(copy), left)
    with closing(OutboxDatabase(copy)) as database:
        found = database.read(lambda found: rows.oldest(found, 9, None)).events
        assert len(found) == (0 if left is None else 1)
        assert "its fresh entries are missing" in database.read(counting.unreported_damage)
        told = "how many were lost cannot be told" in database.read(counting.unreported_damage)
        assert told == (left is None)


@pytest.mark.parametrize("opened_before", [False, True])
def test_entries_that_the_disk_cannot_read_are_damage(
    outbox: Outbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    opened_before: bool,
) -> None:
    put(outbox, 1)
    outbox._database.write(lambda _: None)
    put(outbox, 1)
    bad, read = lines_of(outbox.file).stat(), os.pread

    def broken(file: int, size: int, place: int) -> bytes:
        if os.path.samestat(os.fstat(file), bad):
            raise OSError(5, "Input/output error")
        return read(file, size, place)

    with closing(OutboxDatabase(outbox.file)) as database:
        if opened_before:
            database.read(counting.stream)
        monkeypatch.setattr(os, "pread", broken)
        kept = database.read(lambda found: rows.oldest(found, 9, None)).events
        assert [event.sequence for event in kept] == [1]
        said = database.read(counting.unreported_damage)
        assert database.read(counting.unreported_drops) == {}, "nobody knows how many"
    assert "its fresh entries cannot be read" in said
    assert "sync.outbox.rescue" in {record.name for record in caplog.records}
    assert said.endswith("how many were lost cannot be told")
    assert put(outbox, 1)[-1].sequence > 1


def test_a_look_does_not_wait_for_a_flush(outbox: Outbox) -> None:
    put(outbox, 2)
    before = outbox.counters()
    assert before.length == 2
    with closing(sqlite3.connect(outbox.file, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        assert replace(outbox.counters(), oldest_s=before.oldest_s) == before
        assert not outbox._has_new_events()
        assert not outbox.is_nearly_full()
        assert outbox._database.look(lambda database, fresh: fresh and fresh.newest) == 2


def test_what_a_look_says_is_what_the_tables_get(outbox: Outbox) -> None:
    found = put(outbox, 4)
    outbox.note(sent=4, offline_s=1.5, latencies_s=[0.5, 0.25])
    outbox.acknowledge(found[:2])
    counters = outbox.counters()
    assert in_tables(outbox.file) == []
    outbox._database.write(lambda _: None)
    assert in_tables(outbox.file) == [3, 4]
    assert replace(outbox.counters(), oldest_s=counters.oldest_s) == counters
    assert (counters.length, counters.sent, counters.latency_s) == (2, 4, 0.75)


def test_a_look_amid_new_entries_of_another_is_repeated(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(outbox, 3)
    contents = FreshEntries.content

    def late(entries: FreshEntries) -> bytes:
        monkeypatch.undo()
        outbox._writer._file.write(lambda _: None)
        put(outbox, 1)  # overwrites the first
        return contents(entries)

    with closing(OutboxDatabase(outbox.file)) as database:
        database.look(lambda *_: None)
        monkeypatch.setattr(FreshEntries, "content", late)
        assert database.look(fresh.counters_of).length == 4


def test_an_event_of_a_kind_of_a_later_version_is_set_aside(outbox: Outbox, tmp_path: Path) -> None:
    put(outbox, 2)
    copy = as_a_kill_leaves_it(outbox, tmp_path / "killed")
    text = lines_of(copy).read_bytes().split(b"\n")[0].partition(b" ")[2]
    text = text.replace(b'"status"', b'"tomorrow"')
    first = b"%08x %b\n" % (zlib.crc32(text), text)
    lines_of(copy).write_bytes((first + bytes(BYTES))[:BYTES])
    again = Outbox(copy, OutboxSettings(), "device-1")
    assert again.oldest(9) == []
    assert again.counters().dropped == {"damage": 1}
    assert [event.sequence for event in put(again, 1)][:1] == [2]
    again.close()


def test_a_number_that_was_given_twice_loses_no_event(outbox: Outbox, tmp_path: Path) -> None:
    """A flipped bit in the newest number."""
    put(outbox, 10)
    outbox._database.write(lambda _: None)
    copy = as_a_kill_leaves_it(outbox, tmp_path / "killed")
    flip = "UPDATE sqlite_sequence SET seq = 2 WHERE name = 'events'"
    outbox._database.write(lambda database: database.execute(flip) and None)
    assert [event.sequence for event in put(outbox, 3)] == list(range(1, 14))
    with closing(sqlite3.connect(copy)) as database, database:
        database.execute(flip)
    again = Outbox(copy, OutboxSettings(), "device-1")
    assert sum(b'"what":"started"' in event.payload for event in put(again, 3)) == 13
    assert again.counters().dropped == {}
    said = b"gave out number 10, and knows of 2"
    assert any(said in event.payload for event in again.oldest(99))
    again.close()


def test_of_two_events_with_one_number_each_is_sent_and_removed(outbox: Outbox) -> None:
    put(outbox, 1)
    with closing(sqlite3.connect(outbox.file)) as database, database:
        database.execute(
            "INSERT INTO events SELECT 1, 'x', 'status', 3, 1.0, 1, 200, 0, 'x' FROM about"
        )
        database.execute("INSERT INTO counters VALUES ('length', 1), ('bytes', 200)")
    (found,) = outbox.oldest(9)  # the other one is damaged
    assert found.sequence == 2
    assert outbox.counters().dropped == {"damage": 1}
    outbox.acknowledge([found])
    assert (outbox.counters().length, outbox.counters().acknowledged) == (0, 1)


def test_a_showing_writes_a_block_for_each_sighting(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a memory card lasts depends on it: two sightings, and half a removal."""
    seen = Sighting(verdict="nothing", bundle="b" * 40, timings_ms=Timings())
    put(outbox, 1)
    outbox.acknowledge(outbox.oldest(9))
    lengths: list[int] = []
    write = os.pwrite

    def counting(file: int, data: bytes, place: int) -> int:
        lengths.append(len(data) + place % BLOCK)  # from the beginning of its first block
        return write(file, data, place)

    monkeypatch.setattr(os, "pwrite", counting)
    for _ in range(10):
        for _ in range(4):
            assert outbox.put(Event("sighting", seen)).wait(WAIT)
        outbox.acknowledge(outbox.oldest(9))
    assert len(lengths) == 10 * 5
    assert sum(lengths) <= 10 * 6 * BLOCK
    assert in_tables(outbox.file) == []


def entry(number: int, at: float = 5.0, *, trusted: bool = True) -> RenderedEvent:
    moment = Moment(at, trusted=trusted)
    return RenderedEvent(f"event {number}", "status", 3, moment, b'{"n":%d}' % number)


def stored(number: int, id_: str, stream: str = "ours") -> StoredEvent:
    return StoredEvent(stream, number, id_, "status", 5.0, 0, b"")


@pytest.fixture
def entries(tmp_path: Path) -> Iterator[FreshEntries]:
    """Those of an outbox whose next event has the number 1."""
    fresh.make(tmp_path / "lines")
    with closing(FreshEntries(tmp_path / "lines")) as opened:
        assert opened.newest == 0
        opened.read("ours", 0, 1, opened.content())
        yield opened


def take(entries: FreshEntries, *given: Entry) -> None:
    """Write entries, one line each, and read them."""
    for one in given:
        line = entries.line_of(one)
        assert line
        entries.append(line)
        entries.read("ours", 0, 1, entries.content())


def test_what_is_older_than_the_days_is_told_by_trusted_clocks(entries: FreshEntries) -> None:
    now = 100 * rows.DAY_S
    trusted, untrusted = Moment(now, trusted=True), Moment(now, trusted=False)
    take(entries, Entry((entry(1, now - 7 * rows.DAY_S), entry(2, 0.0, trusted=False))))
    assert generation_in(entries._path) == 1
    assert not entries.has_expired(trusted, 7)
    assert entries.has_expired(trusted, 6.9)
    assert not entries.has_expired(untrusted, 6.9)


def test_only_what_is_here_is_removed_by_a_line(entries: FreshEntries) -> None:
    take(entries, Entry((entry(1), entry(2))))
    for absent in (stored(1, "event 2"), stored(3, "event 3"), stored(1, "event 1", "other")):
        assert entries.line_of(Entry((), (stored(2, "event 2"), absent))) == b""
    take(entries, Entry((), (stored(1, "event 1"),)))
    assert list(entries.events) == [2]
    assert entries.counts["acknowledged"] == 1


def test_a_lost_event_that_was_sent_is_lost_no_more(entries: FreshEntries) -> None:
    entries._take(Line(1, 3, [entry(3)]))
    assert entries.lost == {1, 2}
    entries._take(Line(1, 4, [], [1, 3, 9]))
    assert (entries.lost, list(entries.events)) == ({2}, [])
    assert entries.counts["acknowledged"] == 2


def test_a_line_has_the_longest_length_and_a_zero_behind_it(
    entries: FreshEntries, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(entries, Entry((entry(1),)))
    line = entries.line_of(Entry((entry(2),)))
    for name, length in (("LONGEST", len(line)), ("BYTES", entries._end + len(line) + 1)):
        with monkeypatch.context() as patch:
            patch.setattr(fresh, name, length)
            assert entries.line_of(Entry((entry(2),))) == line
            patch.setattr(fresh, name, length - 1)
            assert entries.line_of(Entry((entry(2),))) == b""


@pytest.mark.parametrize(
    ("end", "length", "blocks"),
    [(0, 100, 1), (50, BLOCK - 51, 1), (50, BLOCK - 50, 2), (50, BLOCK, 2), (0, BLOCK, 2)],
)
def test_a_line_is_written_with_zeros_to_the_end_of_its_block(
    entries: FreshEntries, end: int, length: int, blocks: int
) -> None:
    """What stands behind it is of another time."""
    os.pwrite(entries._file, b"x" * BYTES, 0)
    entries._end = end
    entries.append(b"a" * length)
    content = b"x" * end + b"a" * length
    assert entries.content() == (content.ljust(blocks * BLOCK, b"\0")).ljust(BYTES, b"x")


def test_a_line_of_which_a_part_was_written_is_not_durable(
    entries: FreshEntries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pwrite", lambda file, data, place: len(data) - 1)
    with pytest.raises(OSError, match="only a part could be written"):
        entries.append(b"a line")
    assert entries.line_of(Entry((entry(1),))) == b"", "all goes to the database now"


def test_a_new_file_is_flushed_and_left_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    advised: list[tuple[int, int, int]] = []
    monkeypatch.setattr(os, "fsync", lambda file: flushed.append(os.fstat(file).st_size))
    monkeypatch.setattr(os, "posix_fadvise", lambda file, *given: advised.append(given))
    fresh.make(tmp_path / "lines")
    assert flushed == [BYTES]
    assert generation_in(tmp_path / "lines") == 0
    assert advised == [(0, BYTES, os.POSIX_FADV_RANDOM)], "else the kernel writes more than a block"
    assert open_in(tmp_path) == []

    def refuse(*_: object) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "posix_fadvise", refuse)
    with pytest.raises(OSError, match="Invalid argument") as caught:
        generation_in(tmp_path / "lines")
    assert open_in(tmp_path) == [], caught


def test_a_number_of_a_fresh_event_is_not_used_again(outbox: Outbox) -> None:
    outbox.acknowledge(put(outbox, 3))
    outbox._database.write(lambda _: None)
    assert in_tables(outbox.file) == []
    assert [event.sequence for event in put(outbox, 1)] == [4]


@pytest.mark.parametrize("taken_in", [None, 0])
def test_a_flipped_bit_hides_no_first_generation(
    outbox: Outbox, tmp_path: Path, taken_in: int | None
) -> None:
    put(outbox, 1)
    copy = as_a_kill_leaves_it(outbox, tmp_path / "killed").resolve()
    data = bytearray(lines_of(copy).read_bytes())
    data[60] ^= 1
    lines_of(copy).write_bytes(data)
    found, lost = fresh.not_taken_in(copy, 0, taken_in)
    assert (len(found), lost) == (1, 0)


def test_fresh_entries_of_another_time_are_damage(outbox: Outbox, tmp_path: Path) -> None:
    """The database is an older one than they."""
    put(outbox, 1)
    outbox._database.write(lambda _: None)
    put(outbox, 1)
    copy = as_a_kill_leaves_it(outbox, tmp_path / "killed")
    with closing(sqlite3.connect(copy)) as database, database:
        database.execute("UPDATE counters SET value = 0 WHERE name LIKE 'taken_in%'")
    with closing(OutboxDatabase(copy)) as opened:
        said = opened.read(counting.unreported_damage)
    assert said.startswith("its fresh entries are those of another time")


def test_a_flipped_bit_in_the_log_undoes_no_transaction(outbox: Outbox, tmp_path: Path) -> None:
    found = [event.id for event in put(outbox, 3)]
    outbox._database.write(lambda _: None)
    copy = as_a_kill_leaves_it(outbox, tmp_path / "killed")
    log = Path(f"{copy.resolve()}-wal")
    data = bytearray(log.read_bytes())
    data[HEADER + FRAME_HEADER + 100] ^= 1
    log.write_bytes(data)
    with closing(OutboxDatabase(copy)) as opened:
        events = opened.read(lambda found: rows.oldest(found, 9, None)).events
        said = opened.read(counting.unreported_damage)
    assert [event.id for event in events] == found
    assert said.startswith("its write-ahead log is damaged")


def test_an_outbox_is_nearly_full_with_its_fresh_events(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outbox._nearly_full == pytest.approx(0.8e6 * OutboxSettings().max_mb, abs=0.5)
    put(outbox, 2)
    outbox._database.write(lambda _: None)
    put(outbox, 2)
    outbox._nearly_full = outbox.counters().bytes
    assert outbox.is_nearly_full()
    outbox._nearly_full += 0.5
    assert not outbox.is_nearly_full()

    def fail(*_: object) -> None:
        raise OutboxError("the disk does not answer")

    monkeypatch.setattr(outbox._database, "look", fail)
    assert not outbox.is_nearly_full()
    assert not outbox._has_new_events()
    monkeypatch.undo()


@pytest.mark.parametrize("failed", [False, True])
def test_nothing_is_taken_in_where_there_is_nothing_unless_a_line_may_be_there(
    entries: FreshEntries, failed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that could not be flushed may be read later: its generation must be over then."""
    if failed:
        monkeypatch.setattr(os, "pwrite", lambda *_: 0)
        with pytest.raises(OSError, match="only a part"):
            entries.append(b"a line")
    with in_memory() as database:
        entries.bring_in(database)
        assert rows.taken_in(database) == int(failed)


def test_the_newest_generation_is_that_of_the_first_line_though_a_bit_flipped() -> None:
    lines = written(Line(7, 1)) + written(Line(3, 1)) + written(Line(5, 2))
    for place in (0, 3, 10, 20):
        broken = bytearray(lines + bytes(BLOCK))
        broken[place] ^= 2
        assert newest_generation(bytes(broken)) == 7
    assert newest_generation(lines + bytes(BLOCK)) == 7
    assert newest_generation(bytes(BLOCK)) == newest_generation(b"") == 0


def test_lines_of_another_generation_or_behind_damage_are_told_apart() -> None:
    first, second, other = written(Line(7, 1)), written(Line(7, 2)), written(Line(6, 3))
    content = first + second + other + bytes(BLOCK)
    line, end = line_at(content, 0, 7)
    assert (line and line.first, end) == (1, len(first))
    line, end = line_at(content, end, 7)
    assert (line and line.first, end) == (2, len(first + second))
    assert line_at(content, end, 7) == (None, end)
    lost = b"x" * len(first) + second + bytes(BLOCK)
    line, end = line_at(lost, 0, 7)
    assert (line and line.first, end) == (2, len(first + second))
    text = b"[7,1]"
    foreign = b"%08x %s\n" % (zlib.crc32(text), text)  # of another version
    line, end = line_at(foreign + second + bytes(BLOCK), 0, 7)
    assert (line and line.first, end) == (2, len(foreign + second))
    behind = bytes(len(first)) + other + second + bytes(BLOCK)  # a block is lost
    line, end = line_at(behind, 0, 7)
    assert (line and line.first, end) == (2, len(first + other + second))
