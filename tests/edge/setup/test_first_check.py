"""The setup waits until another process has looked for the first catalogue."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from catalog.core.state import Fetching, SyncState, write_sync_state
from edge.appliance.waiting import LONGEST_CHECK
from edge.setup.first_check import PATIENCE_S, first_check

STARTED = datetime(2026, 12, 1, 12, tzinfo=UTC)
OLD = SyncState(outcome="failed", message="no network", checked_at=STARTED - timedelta(days=1))

LONG_S = 30.0  # so that few pauses are played


@pytest.fixture(autouse=True)
def pauses_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.setup.first_check.PAUSE_S", LONG_S)


def fetched(here: int) -> SyncState:
    return OLD.model_copy(update={"fetching": Fetching(bytes=here, total=90, at=STARTED)})


def playing(folder: Path, states: list[SyncState]) -> Callable[[float], None]:
    """What writes the next state at each pause, and keeps the last one."""

    def pause(_: float) -> None:
        if states:
            write_sync_state(folder, states.pop(0))

    return pause


def test_it_shows_how_far_the_check_is_and_how_it_ended(tmp_path: Path) -> None:
    write_sync_state(tmp_path, OLD)
    done = SyncState(outcome="installed", message="release 7", checked_at=STARTED)
    shown: list[tuple[int, int]] = []
    pause = playing(tmp_path, [fetched(30), fetched(60), done])
    ended = first_check(tmp_path, STARTED, lambda *numbers: shown.append(numbers), pause)
    assert ended == done
    assert shown == [(30, 90), (60, 90)]


def test_a_check_of_which_nothing_is_heard_is_not_waited_for_longer(tmp_path: Path) -> None:
    pauses: list[float] = []
    assert first_check(tmp_path, STARTED, lambda *_: None, pauses.append) is None
    assert sum(pauses) == PATIENCE_S


def test_one_that_goes_on_is_waited_for(tmp_path: Path) -> None:
    """Each piece that comes is news."""
    states: list[SyncState] = []
    for here in range(1, 4):  # each stays for half of the time that nothing may be heard
        states += [fetched(here)] * int(PATIENCE_S / LONG_S / 2)
    states.append(SyncState(outcome="installed", checked_at=STARTED))
    pause = playing(tmp_path, states)
    assert first_check(tmp_path, STARTED, lambda *_: None, pause) is not None
    assert states == []


def test_while_what_was_fetched_is_checked_it_is_waited_for_longer(tmp_path: Path) -> None:
    """Of that check nothing is heard before its end; of one that was given up, nothing ever."""
    longest_s = LONGEST_CHECK.total_seconds()
    for began, patience_s in ((STARTED, longest_s), (STARTED - timedelta(days=1), PATIENCE_S)):
        fetching = Fetching(bytes=90, total=90, at=began)
        write_sync_state(tmp_path, OLD.model_copy(update={"fetching": fetching}))
        pauses: list[float] = []
        assert first_check(tmp_path, STARTED, lambda *_: None, pauses.append) is None
        assert sum(pauses) == patience_s
    done = SyncState(outcome="installed", checked_at=STARTED)
    pause = playing(tmp_path, [*[fetched(90)] * int(longest_s / LONG_S / 2), done])
    assert first_check(tmp_path, STARTED, lambda *_: None, pause) == done
