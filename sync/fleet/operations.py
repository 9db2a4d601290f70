"""What a job can ask of a device: to check now, to go back, to report."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from catalog.bundles.shelf_view import ShelfView
from catalog.core.errors import ShelfError
from catalog.core.state import Fetching, SyncState, read_sync_state
from sync.fleet.job_record import Operation, Result, failed, succeeded
from sync.fleet.shadow import StateDocument

MOST_DETAILS = 10  # of a job
LEFT_OUT = "newest"  # of the state, in a job's details
CHECK_TIMEOUT_S = 3600.0  # without a byte that is downloaded


class SyncNow:
    """Have the running ``sync run`` check, and wait for the end of a check.

    Args:
        state: The state folder.
        wake: Makes the pull worker check.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        state: Path,
        wake: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state = state
        self._wake = wake
        self._clock = clock
        self._asked = False
        self._until = 0.0
        self._fetching: Fetching | None = None

    def prepare(self) -> str:
        """Return when the last check ended."""
        self._asked = False
        return _last_check(read_sync_state(self._state))

    def carry_on(self, before: str) -> Result | None:
        """Ask for a check; then its outcome, when one has ended since `before`."""
        state = read_sync_state(self._state)
        if not self._asked or state.fetching != self._fetching:
            self._until, self._fetching = self._clock() + CHECK_TIMEOUT_S, state.fetching
        if not self._asked:
            self._asked = True
            self._wake()
            return None
        if _last_check(state) == before:
            if self._clock() >= self._until:
                return failed("no check ended within an hour, and no download runs")
            return None
        details = {"outcome": state.outcome}
        if state.active is not None:
            details["catalogue"] = state.active.bundle
        if state.failed:
            return failed(state.message, **details)
        return succeeded(message=state.message, **details)


def _last_check(state: SyncState) -> str:
    return state.checked_at.isoformat() if state.checked_at is not None else ""


def operations(
    shelf: ShelfView,
    state: Path,
    reported: Callable[[], StateDocument],
    go_back: Callable[[], object],
    wake: Callable[[], object] | None,
) -> dict[str, Operation]:
    """The operations of a device, by name.

    Args:
        shelf: Its shelf.
        state: Its state folder.
        reported: How it is.
        go_back: Makes the previous catalogue active.
        wake: Makes the pull worker check; None where the device fetches no catalogues.
    """

    def active() -> str:
        found = shelf.active()
        if found is None:
            raise ShelfError(f"{shelf.folder}: there is no catalogue to go back from")
        return found.name

    def active_and_previous() -> str:
        previous = shelf.previous()
        return f"{active()} {previous.name if previous is not None else ''}"

    def go_back_once(prepared: str) -> Result:
        left, _, target = prepared.partition(" ")
        if active() == left:  # else it was done before a power cut
            go_back()
        if active() != target:
            return failed("another catalogue became active meanwhile")
        return succeeded(message=f"{target} is active, and no longer {left}")

    def report(prepared: str) -> Result:
        state = {name: value for name, value in reported().items() if value not in (None, "")}
        details = {name: str(state[name]) for name in state if name != LEFT_OUT}
        return succeeded(**dict(list(details.items())[:MOST_DETAILS]))

    found = {
        "go-back": Operation(active_and_previous, go_back_once),
        "report": Operation(str, report),
    }
    if wake is not None:
        sync_now = SyncNow(state, wake)
        found["sync-now"] = Operation(sync_now.prepare, sync_now.carry_on)
    return found
