"""The device's own appliance: restart it with another version, and see whether it is well."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from catalog.core.state import EdgeState
from sync.software.versions import Trial

SOAK_TIME_S = 60.0  # that one process has to be well in
PATIENCE_S = 600.0  # for its start and the soak time

TrialStatus = Literal["waiting", "good", "bad"]


def runs_from(folder: Path, pid: int) -> bool:
    """Whether a process was started from the folder of the versions, as a service starts it."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(word.startswith(os.fsencode(folder) + b"/") for word in words[:2])


def restart(folder: Path, edge: EdgeState | None) -> bool:
    """Stop the appliance that runs from `folder`; its service starts the current version.

    Returns:
        Whether there was one.
    """
    if edge is None or not edge.alive or not runs_from(folder, edge.pid):
        return False
    with suppress(ProcessLookupError):
        os.kill(edge.pid, signal.SIGTERM)
    return True


class TrialWatch:
    """Watches the appliance with a version on trial, by the state that it reports.

    Args:
        edge: Reads the appliance's state.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        edge: Callable[[], EdgeState | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._edge = edge
        self._clock = clock
        self._trial: Trial | None = None
        self._since = 0.0
        self._well: tuple[int, int] | None = None  # this process
        self._well_since = 0.0

    def check(self, trial: Trial) -> TrialStatus:
        """How the trial goes: "good" after the soak time, "bad" where that does not come."""
        now, edge = self._clock(), self._edge()
        if trial != self._trial:
            self._trial, self._since, self._well = trial, now, None
        process = None
        if edge is not None and edge.alive and edge.phase in ("open", "waiting"):
            process = (edge.pid, edge.started)
        if process == (trial.pid, trial.started):  # it has not stopped yet
            process = None
        if process != self._well:
            self._well, self._well_since = process, now
        if process is not None and now - self._well_since >= SOAK_TIME_S:
            return "good"
        return "bad" if now - self._since > PATIENCE_S else "waiting"
