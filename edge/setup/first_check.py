"""Wait until a device that follows a channel has looked for its first catalogue."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from catalog.core.state import SyncState, read_sync_state
from edge.appliance.waiting import LONGEST_CHECK

PATIENCE_S = 60.0  # without any news of the check
PAUSE_S = 0.5


def first_check(
    state: Path,
    since: datetime,
    progress: Callable[[int, int], object],
    pause: Callable[[float], object] = time.sleep,
) -> SyncState | None:
    """Wait for the end of a check that another process makes.

    Args:
        state: The state folder of the device.
        since: When that process was started.
        progress: Called with the bytes that are here, of how many, while it fetches.
        pause: Waits for so many seconds.

    Returns:
        How the check ended; None where nothing was heard of it for `PATIENCE_S` seconds, or, once
        a catalogue was fetched and is being checked, for `LONGEST_CHECK`.
    """
    silent_s, last = 0.0, read_sync_state(state)
    while silent_s < _patience_s(last, since):
        now = read_sync_state(state)
        if now.checked_at is not None and now.checked_at >= since:
            return now
        silent_s = silent_s + PAUSE_S if now == last else 0.0
        last = now
        if now.fetching is not None:
            progress(now.fetching.bytes, now.fetching.total)
        pause(PAUSE_S)
    return None


def _patience_s(state: SyncState, since: datetime) -> float:
    """How long nothing may be heard: the check of what was fetched writes nothing until its end."""
    fetching = state.fetching
    if fetching is None or fetching.bytes < fetching.total or fetching.at < since:
        return PATIENCE_S
    return LONGEST_CHECK.total_seconds()
