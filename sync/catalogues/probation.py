"""The trial: whether edge can live with a new bundle; if not, the one before it comes back.

A running edge that does not open the new bundle in time, or says that it cannot, is a verdict,
and so are two crashes with it: processes that died without a word while the kernel went on.
A reboot, a power cut, an edge that was stopped or is not there, are none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from catalog.bundles.deployment_state import Probation
from catalog.bundles.shelf import Shelf
from catalog.core.state import EdgeState, boot_id

CRASHES = 2
SETTLED_S = 600.0  # open for so long without a second crash, the trial ends well

Verdict = Literal["none", "waiting", "open", "bad"]


def since_boot() -> float:
    """Seconds since this boot, time asleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ProbationWatcher:
    """Watches edge live with what sync has activated.

    Args:
        shelf: Its ledger says what is on trial.
        edge: Reads what edge last said.
        engine: Which engine the device uses.
        clock: Seconds since boot.
    """

    def __init__(
        self,
        shelf: Shelf,
        edge: Callable[[], EdgeState | None],
        engine: str = "auto",
        clock: Callable[[], float] = since_boot,
    ) -> None:
        self._shelf = shelf
        self._edge = edge
        self._engine = engine
        self._clock = clock
        self._waiting: tuple[str, int, int] | None = None  # for this bundle, this process
        self._since = 0.0
        self.reason = ""

    def look(self) -> Verdict:
        """What is to be said now.

        "none" where nothing is on trial or no edge runs, "waiting" while one has time left,
        "open" when it has opened the bundle, "bad" (see `reason`) when the bundle has just been
        taken back.

        Raises:
            ShelfError: The shelf cannot be changed just now; look again.
        """
        ledger, active = self._shelf.state(), self._shelf.active()
        trial = ledger.trial
        if trial is None:
            return "none"
        # rejected and still on trial: whoever took it back was killed before the end
        if reason := ledger.rejection(trial.bundle, self._engine):
            return self._take_back(trial, reason)
        if active is None or active.name != trial.bundle:
            return "none"
        edge = self._edge()
        if edge is None or not edge.follows:
            return "none"
        if reason := self._fault(trial, edge):
            return self._take_back(trial, reason)
        if not edge.alive:
            self._waiting = None
            return "none"
        if edge.bundle == trial.bundle and edge.phase == "open":
            self._settle(trial)
            return "open"
        return "waiting"

    def _fault(self, trial: Probation, edge: EdgeState) -> str:
        """Why the bundle is bad; empty where nothing says so."""
        about_it = edge.bundle == trial.bundle and edge != trial.before
        if about_it and edge.phase == "failed":
            return f"edge could not open it: {edge.message}"
        if about_it and edge.crashes + edge.crashed >= CRASHES:
            return f"edge crashed {CRASHES} times with it"
        opened = edge.bundle == trial.bundle and edge.phase == "open"
        if not edge.alive or opened:
            return ""
        this = (trial.bundle, edge.pid, edge.started)
        if self._waiting != this:
            self._waiting, self._since = this, self._clock()
        if self._clock() - self._since > trial.patience_s:
            return f"edge did not open it within {trial.patience_s:.0f} s"
        return ""

    def _settle(self, trial: Probation) -> None:
        now, boot = self._clock(), boot_id()
        if trial.opened_boot != boot:
            changed: Probation | None = trial.model_copy(
                update={"opened_boot": boot, "opened_s": now}
            )
        elif now - trial.opened_s >= SETTLED_S:
            changed = None
        else:
            return
        with self._shelf.changing():
            ledger = self._shelf.state()
            if ledger.trial == trial:
                self._shelf.save_state(ledger.model_copy(update={"trial": changed}))

    def _take_back(self, trial: Probation, reason: str) -> Verdict:
        """The trial ends last: killed in between, the next look goes on."""
        with self._shelf.changing():
            ledger = self._shelf.state()
            if ledger.trial != trial:  # ended or begun anew meanwhile
                return "none" if ledger.trial is None else "waiting"
            rejected = ledger.with_rejected(trial.bundle, reason, self._engine)
            self._shelf.save_state(rejected)
            active, previous = self._shelf.active(), self._shelf.previous()
            if (
                active is not None
                and active.name == trial.bundle
                and previous not in (None, active)
            ):
                self._shelf.roll_back(keep=False)
            self._shelf.save_state(rejected.model_copy(update={"trial": None}))
        self.reason = reason
        return "bad"
