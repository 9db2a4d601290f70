"""The probation of a new bundle: roll back automatically if the appliance cannot run with it.

A bundle fails its probation if a running appliance does not open it in time, if it says that it
cannot open it or cannot answer with it, or if it crashes twice with it: a process that ended
without saying so while the kernel went on. A reboot, a power cut, an appliance that was stopped or
that does not run, say nothing about the bundle. The probation ends well when the appliance has had
the bundle open for `SOAK_TIME_S` seconds.

The deployment state calls the probation ``trial``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from catalog.bundles.deployment_state import Probation
from catalog.bundles.shelf import Shelf
from catalog.core.state import EdgeState, boot_id

MAX_CRASHES = 2
SOAK_TIME_S = 600.0

ProbationStatus = Literal["none", "waiting", "open", "bad"]


def since_boot() -> float:
    """Seconds since this boot, time asleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ProbationWatcher:
    """Watches the appliance with a bundle on probation.

    Args:
        shelf: Its deployment state names the bundle on probation.
        edge: Reads the appliance's state.
        engine: Which engine the device uses.
        clock: Seconds since boot.

    Attributes:
        reason: Why the last bundle failed its probation.
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
        self._waiting: tuple[str, int, int] | None = None  # for this bundle and process
        self._waiting_since = 0.0
        self.reason = ""

    def check(self) -> ProbationStatus:
        """Check the appliance, and roll back where the bundle has failed.

        Returns:
            "none" where no bundle is on probation or no appliance runs, "waiting" while the
            appliance has time left, "open" when it has opened the bundle, "bad" when the bundle
            has just failed; see `reason`.

        Raises:
            ShelfError: The shelf cannot be changed now; check again.
        """
        state, active = self._shelf.state(), self._shelf.active()
        probation = state.trial
        if probation is None:
            return "none"
        # rejected and still on probation: a process was killed in the middle of the rollback
        if reason := state.rejection(probation.bundle, self._engine):
            return self._roll_back(probation, reason)
        if active is None or active.name != probation.bundle:
            return "none"
        edge = self._edge()
        if edge is None or not edge.follows:
            return "none"
        if reason := self._failure(probation, edge):
            return self._roll_back(probation, reason)
        if not edge.alive:
            self._waiting = None
            return "none"
        if edge.bundle == probation.bundle and edge.phase == "open":
            self._count_soak_time(probation)
            return "open"
        return "waiting"

    def _failure(self, probation: Probation, edge: EdgeState) -> str:
        """Why the bundle has failed; empty where it has not."""
        about_it = edge.bundle == probation.bundle and edge != probation.before
        if about_it and edge.phase == "failed":
            return f"edge could not open it: {edge.message}"
        if about_it and edge.phase == "unable":
            return f"edge cannot answer with it: {edge.message}"
        if about_it and edge.crashes + edge.crashed >= MAX_CRASHES:
            return f"edge crashed {MAX_CRASHES} times with it"
        opened = edge.bundle == probation.bundle and edge.phase == "open"
        if not edge.alive or opened:
            return ""
        waiting = (probation.bundle, edge.pid, edge.started)
        if self._waiting != waiting:
            self._waiting, self._waiting_since = waiting, self._clock()
        if self._clock() - self._waiting_since > probation.patience_s:
            return f"edge did not open it within {probation.patience_s:.0f} s"
        return ""

    def _count_soak_time(self, probation: Probation) -> None:
        """Begin to count at the first sight of the open bundle in this boot; end the probation."""
        now, boot = self._clock(), boot_id()
        changed: Probation | None = None
        if probation.opened_boot != boot:
            changed = probation.model_copy(update={"opened_boot": boot, "opened_s": now})
        elif now - probation.opened_s < SOAK_TIME_S:
            return
        with self._shelf.changing():
            state = self._shelf.state()
            if state.trial == probation:
                self._shelf.save_state(state.model_copy(update={"trial": changed}))

    def _roll_back(self, probation: Probation, reason: str) -> ProbationStatus:
        """Reject the bundle and make the previous one active.

        The probation ends last, so that the next check goes on where a process was killed.
        """
        with self._shelf.changing():
            state = self._shelf.state()
            if state.trial != probation:  # ended or begun anew meanwhile
                return "none" if state.trial is None else "waiting"
            rejected = state.with_rejected(probation.bundle, reason, self._engine)
            self._shelf.save_state(rejected)
            active, previous = self._shelf.active(), self._shelf.previous()
            if (
                active is not None
                and active.name == probation.bundle
                and previous not in (None, active)
            ):
                self._shelf.roll_back(keep=False)
            self._shelf.save_state(rejected.model_copy(update={"trial": None}))
        self.reason = reason
        return "bad"
