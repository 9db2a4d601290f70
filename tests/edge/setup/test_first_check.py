"""The setup waits until another process has looked for the first catalogue."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from catalog.core.state import Fetching, SyncState, write_sync_state
from edge.setup.first_check import PATIENCE_S, first_check

STARTED = datetime(2026, 12, 1, 12, tzinfo=UTC)
OLD = SyncState(outcome="failed", message="no network", checked_at=STARTED - timedelta(days=1))


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
        states += [fetched(here)] * int(PATIENCE_S)
    states.append(SyncState(outcome="installed", checked_at=STARTED))
    pause = playing(tmp_path, states)
    assert first_check(tmp_path, STARTED, lambda *_: None, pause) is not None
    assert states == []
