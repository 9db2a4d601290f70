"""What is kept of what was seen, for how long, and what people asked for in vain."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from catalog.recognition.decision import Verdict
from edge.appliance.appliance import MOST_UNNAMED
from edge.history import store
from edge.history.missing import group_alike, group_missing
from edge.history.recorder import HistoryRecorder
from edge.history.store import DAY_S, Filters, History, Retention
from edge.sighting import Sighting
from sync.outbox import clock
from sync.outbox.clock import Moment
from tests.support.web_stand_in import CUP, GEAR, LAMP, StandInDevice

DEVICE = StandInDevice()
ALL = Filters()
NETWORK = "network-1"


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    history = History(tmp_path, Retention(looks=True))
    yield history
    history.close()


def seen(verdict: Verdict, thing: int, at: float | None = None, gtin: str = "") -> Sighting:
    found = [] if verdict is Verdict.UNKNOWN else [(thing, 0.9), (LAMP, 0.5)]
    sighting = DEVICE.sighting(verdict, found, thing)
    return replace(sighting, at=time.time() if at is None else at, unknown_gtin=gtin)


def features(*numbers: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array(numbers, np.float32)


def test_what_was_seen_is_found_again_page_by_page(history: History) -> None:
    sightings = [seen(Verdict.MATCH, CUP), seen(Verdict.PERHAPS, GEAR), seen(Verdict.UNKNOWN, GEAR)]
    for sighting in sightings:
        history.add(sighting, NETWORK, None)
    entries = history.entries(ALL, 0, 2)
    assert [entry.id for entry in entries] == [sightings[2].id, sightings[1].id]
    last = history.entries(ALL, entries[-1].number, 2)
    assert [(entry.title, entry.others) for entry in last] == [
        ("Blue stoneware cup", ("Desk lamp “Mono”",))
    ]
    assert history.look(sightings[0].id) == sightings[0].crop_jpeg
    assert [entry.answer for entry in history.entries(Filters(answer="perhaps"), 0, 9)] == [
        "perhaps"
    ]
    assert len(history.entries(Filters(text="STONEWARE"), 0, 9)) == 1
    assert len(history.entries(Filters(text="100%_"), 0, 9)) == 0
    history.choose(sightings[1].id, "GEAR/24")
    history.want(sightings[2].id)
    asked = history.entries(Filters(asked=True), 0, 9)
    assert [(entry.chosen, entry.wanted) for entry in asked] == [("", True), ("GEAR/24", False)]
    assert len(list(history.all(ALL))) == 3
    history.forget()
    assert (history.entries(ALL, 0, 9), history.look(sightings[0].id)) == ([], None)


def test_looks_are_kept_only_where_that_is_allowed(tmp_path: Path, history: History) -> None:
    sighting = seen(Verdict.UNKNOWN, GEAR)
    history.add(sighting, NETWORK, features(1, 0))
    assert history.entries(ALL, 0, 1)[0].has_look
    history.close()
    off = History(tmp_path, Retention())  # somebody switched it off
    assert off.look(sighting.id) is None
    assert not off.entries(ALL, 0, 1)[0].has_look
    later = seen(Verdict.UNKNOWN, GEAR)
    off.add(later, NETWORK, features(1, 0))
    assert off.look(later.id) is None
    assert off.unnamed_looks(NETWORK, 9) == []
    off.close()
    assert sighting.crop_jpeg[100:300] not in (tmp_path / store.FILE).read_bytes()


def test_looks_are_bounded_by_days_and_room(tmp_path: Path) -> None:
    now = time.time()
    sightings = [seen(Verdict.MATCH, CUP, now - age * DAY_S) for age in (9, 3, 2, 1)]
    room = sum(len(sighting.crop_jpeg) for sighting in sightings[2:])
    history = History(tmp_path, Retention(looks=True, days=5, megabytes=room / 1e6))
    for sighting in sightings:
        history.add(sighting, NETWORK, None)
    history.forget_old(Moment(now, trusted=True))
    assert [history.look(s.id) is not None for s in sightings] == [False, False, True, True]
    assert len(history.entries(ALL, 0, 9)) == 4  # what was named stays for a year
    history.forget_old(Moment(now + 362.5 * DAY_S, trusted=True))
    assert len(history.entries(ALL, 0, 9)) == 2
    history.close()


def test_a_start_with_a_clock_in_the_future_takes_no_sighting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at once, and not while further ones are added; pictures go by any clock."""
    history = History(tmp_path, Retention(looks=True))
    sighting = seen(Verdict.MATCH, CUP)
    history.add(sighting, NETWORK, None)
    history.close()
    future = time.time() + 400 * DAY_S
    monkeypatch.setattr(clock, "now", lambda: Moment(future, trusted=False))
    history = History(tmp_path, Retention(looks=True))
    for _ in range(store.TIDIED):
        history.add(seen(Verdict.MATCH, CUP, future), NETWORK, None)
    assert len(history.entries(ALL, 0, 99)) == store.TIDIED + 1
    assert history.look(sighting.id) is None
    monkeypatch.setattr(clock, "now", lambda: Moment(future, trusted=True))
    history.close()
    history = History(tmp_path, Retention(looks=True))
    assert len(history.entries(ALL, 0, 99)) == store.TIDIED
    history.close()


def test_words_are_found_in_any_letters(history: History) -> None:
    sighting = seen(Verdict.MATCH, CUP)
    match = sighting.matches[0]
    titled = replace(match, item=replace(match.item, title="ÜBERTOPF ГОРШОК Straße"))
    history.add(replace(sighting, matches=(titled,)), NETWORK, None)
    for text in ("Übertopf", "übertopf", "горшок", "STRASSE", "strasse"):
        assert len(history.entries(Filters(text=text), 0, 9)) == 1, text
    assert history.entries(Filters(text="ubertopf"), 0, 9) == []


def test_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / store.FILE).write_bytes(b"no database" * 1000)
    history = History(tmp_path, Retention())
    history.add(seen(Verdict.MATCH, CUP), NETWORK, None)
    assert len(history.entries(ALL, 0, 9)) == 1
    history.close()
    assert len(list(tmp_path.glob("history.db.damaged-*"))) == 1


def test_the_recorder_passes_over_the_empty_counter_and_a_full_disk(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = HistoryRecorder(history)
    recorder.sighting(DEVICE.sighting(Verdict.NOTHING, []), NETWORK, None)
    add, full = history.add, []

    def fail(*given: object) -> None:
        full.append(given)
        raise sqlite3.OperationalError("disk is full")

    monkeypatch.setattr(history, "add", fail)
    recorder.sighting(seen(Verdict.MATCH, CUP), NETWORK, None)
    assert recorder.flush(60)
    monkeypatch.setattr(history, "add", add)
    sighting = seen(Verdict.MATCH, CUP)
    recorder.sighting(sighting, NETWORK, None)
    recorder.choose(sighting.id, "LAMP-2")
    recorder.want(sighting.id)
    assert recorder.flush(60)
    (entry,) = history.entries(ALL, 0, 9)
    assert (len(full), entry.chosen, entry.wanted) == (1, "LAMP-2", True)
    recorder.stop()


def test_what_was_asked_for_in_vain_is_grouped(history: History) -> None:
    """By the product number that was read, else by likeness; what visitors told comes first."""
    for number, (first, second) in enumerate([(1, 0), (0.9, 0.2), (0, 1), (1, 0.1), (-1, 0)]):
        sighting = seen(Verdict.UNKNOWN, GEAR, 1e9 + number)
        history.add(sighting, NETWORK, features(first, second))
    for _ in range(2):
        history.add(seen(Verdict.UNKNOWN, GEAR, 2e9, "4006381333931"), NETWORK, None)
    asked = seen(Verdict.PERHAPS, GEAR, 3e9)
    history.add(asked, "another network", features(1, 2, 3))
    history.want(asked.id)
    history.add(seen(Verdict.MATCH, CUP, 3e9), NETWORK, features(1, 0))
    looks = history.unnamed_looks(NETWORK, 100)
    assert len(looks) == 5
    groups = group_missing(
        history.unnamed(100),
        looks,
        lambda raw: raw / np.linalg.norm(raw, axis=1, keepdims=True),
        0.9,
    )
    assert [(group.wanted, group.count, group.gtin) for group in groups] == [
        (1, 1, ""),
        (0, 3, ""),
        (0, 2, "4006381333931"),
    ]
    assert (groups[1].first, groups[1].last) == (1e9, 1e9 + 3)
    assert groups[0].looks == (asked.id,)


def test_groups_do_not_chain_from_one_thing_to_another() -> None:
    angles = np.radians([0, 20, 40, 60, 80])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert group_alike(vectors, 0.9) == [[0, 1], [2, 3], [4]]


def as_a_kill_leaves_it(folder: Path, copy: Path) -> int:
    """How many sightings are there after a kill, which are read in a copy."""
    shutil.copytree(folder, copy)
    with closing(sqlite3.connect(copy / store.FILE)) as database:
        (count,) = database.execute("select count(*) from sightings").fetchone()
    return int(count)


def test_what_comes_within_minutes_shares_a_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "state"
    history = History(folder, Retention())
    history.add(seen(Verdict.MATCH, CUP), NETWORK, None)
    assert as_a_kill_leaves_it(folder, tmp_path / "first") == 0
    assert len(history.entries(ALL, 0, 9)) == 1  # the device itself knows it
    monkeypatch.setattr(store, "GATHER_S", 0.0)
    history.add(seen(Verdict.MATCH, GEAR), NETWORK, None)
    assert as_a_kill_leaves_it(folder, tmp_path / "second") == 2
    monkeypatch.setattr(store, "GATHER_S", 60.0)
    history.add(seen(Verdict.MATCH, CUP), NETWORK, None)
    history.close()
    assert as_a_kill_leaves_it(folder, tmp_path / "third") == 3


def test_the_index_of_its_log_is_in_no_file(history: History, tmp_path: Path) -> None:
    """The kernel would write up to 32 kB of that after each transaction."""
    history.add(seen(Verdict.MATCH, CUP), NETWORK, None)
    history.commit()
    assert sorted(file.name for file in tmp_path.iterdir()) == [store.FILE, f"{store.FILE}-wal"]


def test_as_many_looks_as_are_asked_for_are_grouped_at_once() -> None:
    """Staff wait for it whenever they enter; a loop over all groups takes two seconds of a PC."""
    vectors = np.random.default_rng(0).normal(size=(MOST_UNNAMED, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    began = time.process_time()
    assert len(group_alike(vectors, 0.99)) == MOST_UNNAMED
    assert time.process_time() - began < 1


@pytest.mark.parametrize("by", ["hand", "age"])
def test_nothing_is_left_in_the_files_of_a_look_that_was_removed(
    tmp_path: Path, history: History, by: str
) -> None:
    sighting = seen(Verdict.UNKNOWN, CUP, at=time.time() - 31 * DAY_S)
    history.add(sighting, NETWORK, features(1, 0))
    history.commit()
    shown = sighting.crop_jpeg[100:160]

    def kept() -> bool:
        return any(shown in file.read_bytes() for file in tmp_path.glob(f"{store.FILE}*"))

    assert kept()
    if by == "hand":
        history.forget()
    else:
        history.forget_old(clock.now())
        history.close()
    assert not kept()
