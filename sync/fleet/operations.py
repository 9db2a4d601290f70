"""What a job can ask of a device: to check now, to go back, to report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from catalog.bundles.shelf_view import ShelfView
from catalog.core.errors import ShelfError
from catalog.core.state import read_sync_state
from sync.fleet.job_record import Operation, Result, failed, succeeded
from sync.fleet.shadow import Reported

MOST_DETAILS = 10  # of a job
LEFT_OUT = ("newest", "refused")  # of the state, in a job's details


class SyncNow:
    """Have the running ``sync run`` check, and wait for the end of a check.

    Args:
        state: The state folder.
        wake: Makes the pull worker check.
    """

    def __init__(self, state: Path, wake: Callable[[], object]) -> None:
        self._state = state
        self._wake = wake
        self._asked = False

    def prepare(self) -> str:
        """Return when the last check ended."""
        self._asked = False
        return self._last_check()

    def carry_on(self, before: str) -> Result | None:
        """Ask for a check; then its outcome, when one has ended since `before`."""
        if not self._asked:
            self._asked = True
            self._wake()
            return None
        if self._last_check() == before:
            return None
        state = read_sync_state(self._state)
        details = {"outcome": state.outcome}
        if state.active is not None:
            details["catalogue"] = state.active.bundle
        if state.failed:
            return failed(state.message, **details)
        return succeeded(message=state.message, **details)

    def _last_check(self) -> str:
        checked_at = read_sync_state(self._state).checked_at
        return checked_at.isoformat() if checked_at is not None else ""


def operations(
    shelf: ShelfView,
    state: Path,
    reported: Callable[[], Reported],
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

    def go_back_from(bundle: str) -> Result:
        if active() == bundle:  # else it was done before a power cut
            go_back()
        return succeeded(message=f"{active()} is active, and no longer {bundle}")

    def report(prepared: str) -> Result:
        state = {name: value for name, value in reported().items() if value not in (None, "")}
        details = {name: str(state[name]) for name in state if name not in LEFT_OUT}
        return succeeded(**dict(list(details.items())[:MOST_DETAILS]))

    found = {"go-back": Operation(active, go_back_from), "report": Operation(str, report)}
    if wake is not None:
        sync_now = SyncNow(state, wake)
        found["sync-now"] = Operation(sync_now.prepare, sync_now.carry_on)
    return found
