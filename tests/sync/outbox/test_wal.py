"""SQLite's write-ahead log as it is read behind a flipped bit; the log is one that SQLite wrote."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from sync.outbox.image import PAGE_SIZE, fits_into_memory, open_image, page_size
from sync.outbox.wal import HEADER, PAGES, VERSION, WriteAheadLog, read_log
from sync.outbox.wal_frames import FRAME_HEADER, Frames

COMMITS = 4


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest) -> int:
    """Bytes of a page."""
    return int(request.param)


@pytest.fixture
def database(tmp_path: Path, page: int) -> Path:
    """A database whose rows are in its log alone, as a killed process leaves it."""
    live, left = tmp_path / "live.db", tmp_path / "left.db"
    with closing(sqlite3.connect(live, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {page}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("CREATE TABLE rows (value TEXT)")
        for number in range(COMMITS - 1):
            connection.execute("INSERT INTO rows VALUES (?)", (f"{number}" * 50,))
        for end in ("", "-wal"):
            Path(f"{left}{end}").write_bytes(Path(f"{live}{end}").read_bytes())
    return left


def log_of(database: Path) -> Path:
    return database.with_name(f"{database.name}-wal")


def flip(file: Path, byte: int, bit: int = 0) -> None:
    data = bytearray(file.read_bytes())
    data[byte] ^= 1 << bit
    file.write_bytes(data)


def values(database: Path) -> list[str]:
    with closing(open_image(database)) as connection:
        return [value for (value,) in connection.execute("SELECT value FROM rows ORDER BY rowid")]


def with_checksum(header: bytearray, order: str) -> bytearray:
    """The header of a log with the checksum that SQLite would write."""
    first = second = 0
    words = struct.unpack_from(f"{order}6I", header)
    for one, two in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) % 2**32
        second = (second + two + first) % 2**32
    struct.pack_into(">2I", header, 24, first, second)
    return header


def test_a_sound_log_holds_what_was_committed(database: Path) -> None:
    log = read_log(database)
    assert not log.is_damaged
    assert sorted(log.pages) == [1, 2]
    assert {len(content) for content in log.pages.values()} == {log.page_size}
    assert values(database) == [f"{number}" * 50 for number in range(COMMITS - 1)]


@pytest.mark.parametrize(
    ("place", "number"),
    [(0, 0x12345678), (4, VERSION + 1), (8, 2048)],
    ids="magic version page".split(),
)
def test_a_log_of_another_kind_is_none(database: Path, place: int, number: int) -> None:
    """Each alone makes it another, also where the checksum is right."""
    file = log_of(database)
    data = bytearray(file.read_bytes())
    order = ">" if data[3] & 1 else "<"
    assert with_checksum(data[:HEADER], order) == data[:HEADER], "as SQLite does"
    struct.pack_into(">I", data, place, number)
    data[:HEADER] = with_checksum(data[:HEADER], order)
    file.write_bytes(data)
    assert read_log(database).pages == {}


def begin(frame: int, page: int) -> int:
    return HEADER + frame * (FRAME_HEADER + page)


@pytest.mark.parametrize(
    "byte",
    [
        lambda size, page: 5,
        lambda size, page: 10,
        lambda size, page: 17,
        lambda size, page: begin(1, page) + 1,
        lambda size, page: begin(1, page) + 9,
        lambda size, page: begin(1, page) + 17,
        lambda size, page: begin(1, page) + FRAME_HEADER + page - 30,
        lambda size, page: size - 40,
        lambda size, page: size - page - FRAME_HEADER + 17,
    ],
    ids=[
        "version",
        "page size",
        "salt",
        "page number",
        "salt of a frame",
        "checksum",
        "page",
        "last page",
        "last checksum",
    ],
)
@pytest.mark.parametrize("bit", [0, 7])
def test_a_flipped_bit_is_noticed_and_mended(
    database: Path, page: int, byte: Callable[[int, int], int], bit: int
) -> None:
    before = values(database)
    flip(log_of(database), byte(log_of(database).stat().st_size, page), bit)
    assert read_log(database).is_damaged
    assert values(database) == before


@pytest.mark.parametrize("page", PAGES[:1], indirect=True)
def test_a_commit_whose_mark_was_flipped_away_is_one_again(database: Path, page: int) -> None:
    """The last frame says that the database has two pages then.

    In the larger pages of before, flips of other bits would explain the same checksum.
    """
    before, log = values(database), log_of(database)
    last = log.stat().st_size - FRAME_HEADER - page
    assert log.read_bytes()[last + 4 : last + 8] == b"\0\0\0\2"
    flip(log, last + 7, bit=1)
    assert read_log(database).is_damaged
    assert values(database) == before


def in_big_endian(log: Path, page: int) -> None:
    """Write a log's checksums as a processor does that puts the highest byte first."""
    data = bytearray(log.read_bytes())
    data[3] |= 1
    data[:HEADER] = with_checksum(data[:HEADER], ">")
    first, second = struct.unpack_from(">2I", data, 24)
    for place in range(HEADER, len(data), FRAME_HEADER + page):
        covered = data[place : place + 8] + data[place + FRAME_HEADER :][:page]
        words = struct.unpack(f">{len(covered) // 4}I", covered)
        for one, two in zip(words[::2], words[1::2], strict=True):
            first = (first + one + second) % 2**32
            second = (second + two + first) % 2**32
        struct.pack_into(">2I", data, place + 16, first, second)
    log.write_bytes(data)


@pytest.mark.parametrize("bit", [0, 6])
@pytest.mark.parametrize("byte", [0, 1, 2, 3])
def test_a_log_of_another_processor_is_mended_too(
    database: Path, page: int, byte: int, bit: int
) -> None:
    before, log = values(database), log_of(database)
    in_big_endian(log, page)
    assert not read_log(database).is_damaged
    assert values(database) == before
    pages = read_log(database).pages
    flip(log, log.stat().st_size - 32 + byte, bit)
    assert read_log(database).is_damaged
    assert read_log(database).pages == pages


def test_what_was_never_committed_is_no_damage(database: Path, page: int) -> None:
    file = log_of(database)
    data = file.read_bytes()
    file.write_bytes(data[: -page // 2])
    log = read_log(database)
    assert not log.is_damaged
    assert len(values(database)) == COMMITS - 2


@pytest.mark.parametrize("length", [0, HEADER - 1, HEADER])
def test_a_log_without_frames_is_empty(database: Path, length: int) -> None:
    log_of(database).write_bytes(log_of(database).read_bytes()[:length])
    log = read_log(database)
    assert (log.pages, log.is_damaged) == ({}, False)


@pytest.mark.parametrize("cut", [1, 31, 64, 300])
def test_a_frame_that_was_cut_off_does_not_count(cut: int) -> None:
    page, salts = 512, bytes(range(8))
    header = bytearray(HEADER)
    header[8:12], header[16:24] = page.to_bytes(4, "big"), salts
    frame = bytes(4) + b"\0\0\0\1" + salts + bytes(8 + page)
    whole = Frames(bytearray(header + 2 * frame))
    assert (whole.own, whole.commits) == ([0, 1], [0, 1])
    assert Frames(bytearray(header + 2 * frame)[:-cut]).own == [0]
    assert Frames(bytearray(header + frame)[:-cut]).own == []


def test_a_new_first_page_is_for_as_many_pages_as_there_are(database: Path) -> None:
    schema = "CREATE TABLE rows (value TEXT);"
    with closing(open_image(database, new_first_page=schema)) as image:
        assert image.execute("PRAGMA page_count").fetchone() == (2,)
        assert len(image.execute("SELECT * FROM rows").fetchall()) == COMMITS - 1


def test_a_damaged_page_number_does_not_make_the_image_larger(
    database: Path, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages that follow the file are taken, as many as there are; another number is no page."""
    pages = {**read_log(database).pages, 0: bytes(page), 100_000: bytes(page)}
    log = WriteAheadLog(pages, is_damaged=True, page_size=page)
    monkeypatch.setattr("sync.outbox.image.read_log", lambda _: log)
    with closing(open_image(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert len(connection.serialize()) == 2 * page


def test_pages_of_the_log_may_follow_the_file_in_any_order(
    database: Path, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_log(database)
    database.write_bytes(whole.pages[1][: page // 2])
    monkeypatch.setattr(
        "sync.outbox.image.read_log",
        lambda _: replace(whole, pages=dict(sorted(whole.pages.items(), reverse=True))),
    )
    assert len(values(database)) == COMMITS - 1


def test_a_torn_last_transaction_was_never_committed(database: Path, page: int) -> None:
    """A power cut may end a write in the middle of a page."""
    file = log_of(database)
    data = bytearray(file.read_bytes())
    data[-page // 2 :] = bytes(page // 2)
    file.write_bytes(data)
    log = read_log(database)
    assert not log.is_damaged
    assert values(database) == [f"{number}" * 50 for number in range(COMMITS - 2)]


def test_the_log_says_how_large_a_page_is(tmp_path: Path) -> None:
    for said in (0, 4096):
        data = bytearray(4096)
        data[PAGE_SIZE] = said.to_bytes(2, "big")
        assert page_size(data, WriteAheadLog({}, is_damaged=False, page_size=1024)) == 1024


def test_what_is_as_large_as_may_be_is_read_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(bytes(100))
    for most, fits in ((100, True), (99, False)):
        monkeypatch.setattr("sync.outbox.image.MAX_BYTES", most)
        assert fits_into_memory(tmp_path / "file") is fits


@pytest.mark.parametrize("page", PAGES[:1], indirect=True)
@pytest.mark.parametrize(("commits", "damaged"), [(1, False), (2, True)])
def test_one_commit_behind_the_end_of_the_log_is_stale_and_more_are_damage(
    database: Path, page: int, commits: int, damaged: bool
) -> None:
    """A killed process may leave one; a garbled frame cuts off all that come behind it."""
    data = bytearray(log_of(database).read_bytes())
    frames = Frames(bytearray(data))
    first = frames.commits[-1 - commits] + 1  # the first frame of those transactions
    place = begin(first, page) + FRAME_HEADER
    data[place : place + 64] = bytes(64)
    log_of(database).write_bytes(data)
    assert read_log(database).is_damaged is damaged


def test_the_size_of_a_page_is_found_where_the_header_lost_it(tmp_path: Path, page: int) -> None:
    file, none = tmp_path / "events.db", WriteAheadLog({}, is_damaged=False)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {page}")
        connection.execute("CREATE TABLE rows (value TEXT)")
        connection.execute("INSERT INTO rows VALUES (?)", ("5" * 9000,))
        rows = [(f"{number}" * 200,) for number in range(100)]
        connection.executemany("INSERT INTO rows VALUES (?)", rows)
    data = bytearray(file.read_bytes())
    assert page_size(data, none) == page
    for said in (0, page // 256 | 1 << 3, 0xFFFF):
        data[PAGE_SIZE] = said.to_bytes(2, "big")
        assert page_size(data, none) == page


def test_only_frames_that_say_how_large_the_database_is_end_a_transaction() -> None:
    page, salts = 512, bytes(range(1, 9))
    header = bytearray(HEADER)
    header[8:12], header[16:24] = page.to_bytes(4, "big"), salts
    frames = [bytes(4) + mark + salts + bytes(8 + page) for mark in (bytes(4), b"\1\0\0\0")]
    assert Frames(bytearray(header + b"".join(frames))).commits == [1]


@pytest.mark.parametrize("page", PAGES[:1], indirect=True)
@pytest.mark.parametrize("order", ["as here", "big-endian"])
def test_a_bit_is_mended_or_none_is_changed(database: Path, page: int, order: str) -> None:
    """It stays where others would explain the checksum as well."""
    log = log_of(database)
    if order == "big-endian":
        in_big_endian(log, page)
    whole = log.read_bytes()
    count, mended = (len(whole) - HEADER) // (FRAME_HEADER + page), 0
    for bit in range(32):
        data = bytearray(whole)
        data[begin(1, page) + FRAME_HEADER + page - 32 + bit // 8] ^= 1 << bit % 8
        damaged, frames = bytes(data), Frames(data)
        assert (frames.mend(), frames.flipped) == (count, True)
        assert bytes(data) in (whole, damaged)
        mended += data == whole
    assert mended > 16
