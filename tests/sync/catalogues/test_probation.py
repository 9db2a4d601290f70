"""Probation: a bundle fails by what the appliance says or by two crashes, and by nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
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
from sync.catalogues.probation import SOAK_TIME_S, ProbationWatcher, since_boot
from tests.support.following import variant

OPEN_TIMEOUT_S = 60.0


class ProbationSetup:
    """A shelf with an old version and a new one on probation, a clock, and an appliance's state."""

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
        self.begin_probation()
        self.watcher = self.restarted()

    def begin_probation(self) -> None:
        """Put the new version on probation."""
        with self.shelf.changing():
            probation = Probation(
                bundle=self.new, patience_s=OPEN_TIMEOUT_S, before=read_edge_state(self.state)
            )
            self.shelf.save_state(self.shelf.state().model_copy(update={"trial": probation}))

    def restarted(self) -> ProbationWatcher:
        """The watcher of a ``sync run`` that has just started."""
        return ProbationWatcher(
            self.shelf, lambda: read_edge_state(self.state), clock=lambda: self.now
        )

    def write_state(self, phase: Phase, bundle: str, **changes: object) -> None:
        """Write the appliance's state; it is this process unless `changes` say otherwise."""
        write_edge_state(self.state, edge_state(phase, bundle).model_copy(update=changes))

    def write_state_and_exit(self, phase: Phase, bundle: str, **changes: object) -> None:
        """Write the state of an appliance that has ended."""
        pid, started = self.dead
        self.write_state(phase, bundle, **{"pid": pid, "started": started} | changes)

    def check(self, after: float = 1.0) -> str:
        """Let `after` seconds pass, then check the probation."""
        self.now += after
        return self.watcher.check()

    @property
    def active(self) -> str:
        active = self.shelf.active()
        assert active is not None
        return active.name

    def was_rolled_back(self) -> bool:
        """Whether the old version is active and the new one rejected."""
        rejected = self.shelf.state().rejection(self.new, "auto")
        return self.active == self.old and rejected is not None

    def stays(self) -> bool:
        """Whether the new version is active and nothing is rejected."""
        return self.active == self.new and self.shelf.state().rejected == {}


def ended_process() -> tuple[int, int]:
    """Id and start time of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = process_start(child.pid)
    assert started is not None
    child.kill()
    child.communicate()
    return child.pid, started


@pytest.fixture
def setup(tmp_path: Path, small_bundle: Path) -> ProbationSetup:
    return ProbationSetup(tmp_path, small_bundle)


def test_the_time_since_the_boot_counts_sleep() -> None:
    before = time.monotonic()
    assert before <= since_boot() <= since_boot()


def test_without_an_appliance_nothing_is_decided(setup: ProbationSetup) -> None:
    assert [setup.check(3600) for _ in range(3)] == ["none"] * 3
    assert setup.stays()


def test_an_appliance_that_opens_it_in_time_ends_the_probation_after_the_soak_time(
    setup: ProbationSetup,
) -> None:
    setup.write_state("open", setup.old)
    assert setup.check() == "waiting"
    setup.write_state("opening", setup.new)
    assert setup.check(50) == "waiting"
    setup.write_state("open", setup.new)
    assert setup.check() == "open"
    assert setup.check(SOAK_TIME_S - 1) == "open"
    assert setup.shelf.state().trial is not None
    assert setup.check(1) == "open"
    assert setup.shelf.state().trial is None
    assert setup.check() == "none"
    assert setup.stays()


def test_an_appliance_that_does_not_open_it_in_a_minute_is_rolled_back(
    setup: ProbationSetup,
) -> None:
    setup.write_state("open", setup.old)
    assert setup.check() == "waiting"
    setup.write_state("opening", setup.new)
    assert setup.check(OPEN_TIMEOUT_S) == "waiting"
    assert setup.check() == "bad"
    assert setup.watcher.reason == "edge did not open it within 60 s"
    assert setup.was_rolled_back()
    assert setup.shelf.previous() is None
    assert not (setup.shelf.versions / setup.new).exists()
    assert setup.check() == "none"


def test_an_appliance_that_cannot_open_it_is_rolled_back_at_once(setup: ProbationSetup) -> None:
    setup.write_state("failed", setup.new, message="index.ann is damaged")
    assert setup.check() == "bad"
    assert "index.ann is damaged" in setup.watcher.reason
    assert setup.was_rolled_back()


def test_a_state_from_before_the_probation_does_not_count(setup: ProbationSetup) -> None:
    setup.write_state("failed", setup.new, message="before")
    setup.begin_probation()
    assert setup.check() == "waiting"
    setup.write_state("open", setup.new)
    assert setup.check() == "open"
    assert setup.stays()


def test_the_second_crash_rolls_back_not_the_first(setup: ProbationSetup) -> None:
    setup.write_state_and_exit("open", setup.new)
    assert setup.check() == "none"
    setup.dead = ended_process()
    setup.write_state_and_exit("opening", setup.new)
    assert setup.check() == "bad"
    assert "crashed 2 times" in setup.watcher.reason
    assert setup.was_rolled_back()


def test_crashes_between_two_checks_are_counted(setup: ProbationSetup) -> None:
    for _ in range(2):
        setup.dead = ended_process()
        setup.write_state_and_exit("opening", setup.new)
    setup.write_state("opening", setup.new)  # a third process is on its way
    assert setup.restarted().check() == "bad"
    assert setup.was_rolled_back()


@pytest.mark.parametrize("end", ["stopped", "power cut", "both"])
def test_stops_and_power_cuts_are_no_crashes(setup: ProbationSetup, end: str) -> None:
    for _ in range(4):
        setup.dead = ended_process()
        setup.write_state_and_exit(
            "open" if end == "power cut" else "stopped",
            setup.new,
            boot=boot_id() if end == "stopped" else "another boot",
        )
        assert setup.check() == "none"
    setup.write_state("open", setup.new)
    assert setup.check() == "open"
    assert setup.stays()


def test_crashes_with_the_old_one_do_not_count(setup: ProbationSetup) -> None:
    for _ in range(3):
        setup.dead = ended_process()
        setup.write_state_and_exit("open", setup.old)
    assert setup.check() == "none"
    setup.write_state("open", setup.new)
    assert setup.check() == "open"
    assert setup.stays()


def test_crashes_after_the_probation_do_not_count(setup: ProbationSetup) -> None:
    setup.write_state("open", setup.new)
    setup.check()
    setup.check(SOAK_TIME_S)
    for _ in range(3):
        setup.dead = ended_process()
        setup.write_state_and_exit("open", setup.new)
    assert setup.check() == "none"
    assert setup.stays()


def test_an_appliance_that_shows_another_bundle_on_purpose_decides_nothing(
    setup: ProbationSetup,
) -> None:
    setup.write_state("open", "20250101T000000Z-000000000000", follows=False)
    assert [setup.check(), setup.check(3600)] == ["none", "none"]
    assert setup.stays()


def test_a_restart_of_the_appliance_begins_its_minute_anew(setup: ProbationSetup) -> None:
    setup.write_state("open", setup.old)
    setup.check()
    setup.check(50)
    setup.write_state_and_exit("stopped", setup.old)
    assert setup.check() == "none"
    setup.write_state("opening", setup.new)
    assert setup.check(50) == "waiting"
    assert setup.check(50) == "waiting"
    assert setup.check(50) == "bad"


def test_another_activation_by_hand_ends_the_probation(setup: ProbationSetup) -> None:
    with setup.shelf.changing():
        setup.shelf.switch(setup.old)
    setup.write_state("open", setup.old)
    assert [setup.check(), setup.check(3600)] == ["none", "none"]
    assert setup.active == setup.old
    assert setup.shelf.state().rejected == {}


def test_the_first_catalogue_ever_is_rejected_but_stays_active(
    setup: ProbationSetup,
) -> None:
    (setup.shelf.folder / "previous").unlink()
    setup.write_state("failed", setup.new, message="no")
    assert setup.check() == "bad"
    assert setup.active == setup.new
    assert setup.shelf.state().rejection(setup.new, "auto") is not None
    assert setup.check() == "none"


def test_a_rollback_that_was_killed_is_finished(
    setup: ProbationSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup.write_state("failed", setup.new, message="no")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Shelf, "roll_back", killed)
        with pytest.raises(KeyboardInterrupt):
            setup.check()
    assert setup.active == setup.new
    assert setup.restarted().check() == "bad"
    assert setup.was_rolled_back()


@pytest.mark.slow
def test_a_shelf_that_another_process_changes_is_checked_again(setup: ProbationSetup) -> None:
    setup.write_state("failed", setup.new, message="no")
    with Shelf(setup.shelf.folder).changing(), pytest.raises(ShelfError):
        setup.check()
    assert setup.check() == "bad"


def test_a_process_is_identified_by_its_number_and_its_start(tmp_path: Path) -> None:
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


def test_a_damaged_deployment_state_is_empty_and_no_error(setup: ProbationSetup) -> None:
    (setup.shelf.folder / "ledger.json").write_bytes(b"{")
    setup.write_state("failed", setup.new, message="no")
    assert setup.check() == "none"
    shutil.rmtree(setup.state)
    assert setup.check() == "none"


def test_a_kill_before_the_end_of_the_probation_is_finished_by_the_next_check(
    setup: ProbationSetup,
) -> None:
    setup.write_state("failed", setup.new, message="too new")
    probation = setup.shelf.state().trial
    assert setup.check() == "bad"
    with setup.shelf.changing():  # as it was between the rollback and the last write
        setup.shelf.save_state(setup.shelf.state().model_copy(update={"trial": probation}))
    setup.write_state("open", setup.old)
    setup.watcher = setup.restarted()
    assert setup.check() == "bad"
    assert "too new" in setup.watcher.reason
    assert setup.was_rolled_back()
    assert setup.shelf.state().trial is None
    assert setup.check() == "none"


def test_a_probation_that_was_ended_meanwhile_is_not_rolled_back(setup: ProbationSetup) -> None:
    edge = edge_state("failed", setup.new, "too new")

    def end_it() -> EdgeState:
        with setup.shelf.changing():
            setup.shelf.save_state(setup.shelf.state().model_copy(update={"trial": None}))
        return edge

    assert ProbationWatcher(setup.shelf, end_it).check() == "none"
    assert setup.stays()
