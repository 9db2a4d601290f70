"""The trial: only edge's own word or two crashes are a verdict on a bundle, nothing else is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.bundles.deployment_state import Probation
from catalog.bundles.shelf import Shelf
from catalog.core.errors import ShelfError
from catalog.core.state import (
    EdgeState,
    Phase,
    boot_id,
    edge_state,
    process_start,
    read_edge_state,
    write_edge_state,
)
from sync.catalogues.probation import SOAK_TIME_S, ProbationWatcher
from tests.support.following import variant

PATIENCE = 60.0


class Bench:
    """A shelf with an old and a new version, the new one on trial; time and edge are played."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.shelf = Shelf(folder / "shelf")
        self.state = folder / "state"
        self.now = 1000.0
        self.dead = ended_process()
        names: list[str] = []
        for title in ("Old", "New"):
            copy = variant(bundle, folder / title, title)
            with self.shelf.changing():
                name = f"20261122T09000{len(names)}Z-0123456789ab"
                self.shelf.place(copy, name)
                self.shelf.switch(name)
            names.append(name)
        self.old, self.new = names
        self.begin()
        self.watcher = self.restarted()

    def begin(self) -> None:
        """The new one comes on trial."""
        with self.shelf.changing():
            trial = Probation(
                bundle=self.new, patience_s=PATIENCE, before=read_edge_state(self.state)
            )
            self.shelf.save_state(self.shelf.state().model_copy(update={"trial": trial}))

    def restarted(self) -> ProbationWatcher:
        """Sync, just started."""
        return ProbationWatcher(
            self.shelf, lambda: read_edge_state(self.state), clock=lambda: self.now
        )

    def say(self, phase: Phase, bundle: str, **changes: object) -> None:
        """Edge says something; it is this process unless `changes` say otherwise."""
        write_edge_state(self.state, edge_state(phase, bundle).model_copy(update=changes))

    def say_and_die(self, phase: Phase, bundle: str, **changes: object) -> None:
        """So does an edge that runs no more."""
        pid, started = self.dead
        self.say(phase, bundle, **{"pid": pid, "started": started} | changes)

    def look(self, after: float = 1.0) -> str:
        """Time goes by, then sync looks."""
        self.now += after
        return self.watcher.check()

    @property
    def active(self) -> str:
        active = self.shelf.active()
        assert active is not None
        return active.name

    def taken_back(self) -> bool:
        """Whether the old one is active and the new one marked."""
        rejected = self.shelf.state().rejection(self.new, "auto")
        return self.active == self.old and rejected is not None

    def stays(self) -> bool:
        """Whether the new one is active and not marked."""
        return self.active == self.new and self.shelf.state().rejected == {}


def ended_process() -> tuple[int, int]:
    """Id and start of a process that is gone."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = process_start(child.pid)
    assert started is not None
    child.kill()
    child.communicate()
    return child.pid, started


@pytest.fixture
def bench(tmp_path: Path, small_bundle: Path) -> Bench:
    return Bench(tmp_path, small_bundle)


def test_without_an_edge_there_is_no_verdict(bench: Bench) -> None:
    assert [bench.look(3600) for _ in range(3)] == ["none"] * 3
    assert bench.stays()


def test_an_edge_that_opens_it_in_time_settles_the_trial(bench: Bench) -> None:
    bench.say("open", bench.old)
    assert bench.look() == "waiting"
    bench.say("opening", bench.new)
    assert bench.look(50) == "waiting"
    bench.say("open", bench.new)
    assert bench.look() == "open"
    assert bench.shelf.state().trial is not None
    assert bench.look(SOAK_TIME_S) == "open"
    assert bench.shelf.state().trial is None
    assert bench.look() == "none"
    assert bench.stays()


def test_an_edge_that_does_not_open_it_in_a_minute_gets_the_old_one_back(bench: Bench) -> None:
    bench.say("open", bench.old)
    assert bench.look() == "waiting"
    bench.say("opening", bench.new)
    assert bench.look(PATIENCE) == "waiting"
    assert bench.look() == "bad"
    assert bench.watcher.reason == "edge did not open it within 60 s"
    assert bench.taken_back()
    assert bench.shelf.previous() is None
    assert not (bench.shelf.versions / bench.new).exists()
    assert bench.look() == "none"


def test_an_edge_that_says_it_cannot_gets_the_old_one_back_at_once(bench: Bench) -> None:
    bench.say("failed", bench.new, message="index.ann is damaged")
    assert bench.look() == "bad"
    assert "index.ann is damaged" in bench.watcher.reason
    assert bench.taken_back()


def test_what_edge_said_before_is_not_about_this_trial(bench: Bench) -> None:
    bench.say("failed", bench.new, message="before")
    bench.begin()
    assert bench.look() == "waiting"
    bench.say("open", bench.new)
    assert bench.look() == "open"
    assert bench.stays()


def test_one_crash_is_no_verdict_two_are(bench: Bench) -> None:
    bench.say_and_die("open", bench.new)
    assert bench.look() == "none"
    bench.dead = ended_process()
    bench.say_and_die("opening", bench.new)
    assert bench.look() == "bad"
    assert "crashed 2 times" in bench.watcher.reason
    assert bench.taken_back()


def test_crashes_are_counted_though_nobody_was_looking(bench: Bench) -> None:
    for _ in range(2):
        bench.dead = ended_process()
        bench.say_and_die("opening", bench.new)
    bench.say("opening", bench.new)  # a third process is on its way
    assert bench.restarted().check() == "bad"
    assert bench.taken_back()


@pytest.mark.parametrize("end", ["stopped", "power cut", "both"])
def test_stops_and_power_cuts_are_no_crashes(bench: Bench, end: str) -> None:
    for _ in range(4):
        bench.dead = ended_process()
        bench.say_and_die(
            "open" if end == "power cut" else "stopped",
            bench.new,
            boot=boot_id() if end == "stopped" else "another boot",
        )
        assert bench.look() == "none"
    bench.say("open", bench.new)
    assert bench.look() == "open"
    assert bench.stays()


def test_crashes_with_the_old_one_do_not_count(bench: Bench) -> None:
    for _ in range(3):
        bench.dead = ended_process()
        bench.say_and_die("open", bench.old)
    assert bench.look() == "none"
    bench.say("open", bench.new)
    assert bench.look() == "open"
    assert bench.stays()


def test_crashes_after_the_trial_are_not_held_against_it(bench: Bench) -> None:
    bench.say("open", bench.new)
    bench.look()
    bench.look(SOAK_TIME_S)
    for _ in range(3):
        bench.dead = ended_process()
        bench.say_and_die("open", bench.new)
    assert bench.look() == "none"
    assert bench.stays()


def test_an_edge_that_shows_another_bundle_on_purpose_is_no_verdict(bench: Bench) -> None:
    bench.say("open", "20250101T000000Z-000000000000", follows=False)
    assert [bench.look(), bench.look(3600)] == ["none", "none"]
    assert bench.stays()


def test_a_restart_of_edge_gives_it_its_minute_again(bench: Bench) -> None:
    bench.say("open", bench.old)
    bench.look()
    bench.look(50)
    bench.say_and_die("stopped", bench.old)
    assert bench.look() == "none"
    bench.say("opening", bench.new)
    assert bench.look(50) == "waiting"
    assert bench.look(50) == "waiting"
    assert bench.look(50) == "bad"


def test_another_activation_by_hand_ends_the_trial(bench: Bench) -> None:
    with bench.shelf.changing():
        bench.shelf.switch(bench.old)
    bench.say("open", bench.old)
    assert [bench.look(), bench.look(3600)] == ["none", "none"]
    assert bench.active == bench.old
    assert bench.shelf.state().rejected == {}


def test_the_first_catalogue_ever_is_marked_but_there_is_nothing_to_go_back_to(
    bench: Bench,
) -> None:
    (bench.shelf.folder / "previous").unlink()
    bench.say("failed", bench.new, message="no")
    assert bench.look() == "bad"
    assert bench.active == bench.new
    assert bench.shelf.state().rejection(bench.new, "auto") is not None
    assert bench.look() == "none"


def test_a_kill_while_taking_back_is_made_good(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.say("failed", bench.new, message="no")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Shelf, "roll_back", killed)
        with pytest.raises(KeyboardInterrupt):
            bench.look()
    assert bench.active == bench.new
    assert bench.restarted().check() == "bad"
    assert bench.taken_back()


def test_a_shelf_that_somebody_changes_is_looked_at_again(bench: Bench) -> None:
    bench.say("failed", bench.new, message="no")
    with Shelf(bench.shelf.folder).changing(), pytest.raises(ShelfError):
        bench.look()
    assert bench.look() == "bad"


def test_a_process_is_known_by_its_start_not_its_number_alone(tmp_path: Path) -> None:
    mine = edge_state("open", "a")
    assert mine.alive
    assert not mine.crashed
    reused = mine.model_copy(update={"started": mine.started - 1})
    assert not reused.alive
    assert reused.crashed
    assert not mine.model_copy(update={"boot": "another"}).alive
    assert process_start(os.getpid()) == mine.started
    assert process_start(2**22 + 1) is None


def test_a_state_without_the_newer_fields_is_read(tmp_path: Path) -> None:
    (tmp_path / "edge.json").write_text(
        '{"phase": "open", "bundle": "a", "pid": 1, "boot": "b", "message": ""}'
    )
    state = read_edge_state(tmp_path)
    assert state == EdgeState(phase="open", bundle="a", pid=1, boot="b")


def test_a_ledger_that_is_damaged_forgets_but_does_not_fail(bench: Bench) -> None:
    (bench.shelf.folder / "ledger.json").write_bytes(b"{")
    bench.say("failed", bench.new, message="no")
    assert bench.look() == "none"
    shutil.rmtree(bench.state)
    assert bench.look() == "none"


def test_a_kill_before_the_trial_is_over_is_finished_by_the_next_look(bench: Bench) -> None:
    bench.say("failed", bench.new, message="too new")
    trial = bench.shelf.state().trial
    assert bench.look() == "bad"
    with bench.shelf.changing():  # as it was between going back and the last note
        bench.shelf.save_state(bench.shelf.state().model_copy(update={"trial": trial}))
    bench.say("open", bench.old)
    bench.watcher = bench.restarted()
    assert bench.look() == "bad"
    assert "too new" in bench.watcher.reason
    assert bench.taken_back()
    assert bench.shelf.state().trial is None
    assert bench.look() == "none"


def test_a_trial_that_was_ended_meanwhile_is_not_taken_back(bench: Bench) -> None:
    edge = edge_state("failed", bench.new, "too new")

    def ends_it() -> EdgeState:
        with bench.shelf.changing():
            bench.shelf.save_state(bench.shelf.state().model_copy(update={"trial": None}))
        return edge

    assert ProbationWatcher(bench.shelf, ends_it).check() == "none"
    assert bench.stays()
