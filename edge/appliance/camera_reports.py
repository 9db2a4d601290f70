"""Choose the changes of the camera that are reported: one that comes and goes must not flood."""

from __future__ import annotations

import math
from typing import Literal

from edge.cameras.reader import CameraState

STEADY_S = 30.0  # of pictures, before a camera that was offline is reported as online
LONGEST_STEADY_S = 1800.0  # the time doubles with each relapse, up to this


class CameraReports:
    """Reports a loss at once, and the return only when pictures have come for a while.

    Attributes:
        due_at: When the camera counts as steadily back, in monotonic seconds; infinite where that
            is not waited for.
    """

    def __init__(self) -> None:
        self.due_at = math.inf
        self._reported: Literal["starting", "online", "offline"] = "starting"
        self._online_at = -math.inf  # when "online" was reported
        self._steady_s = STEADY_S / 2

    def is_news(self, state: CameraState, now: float) -> bool:
        """Whether a change is to be reported at once; `now` in monotonic seconds."""
        if state.status == "offline":
            self.due_at = math.inf
            if self._reported == "offline":
                return False
            relapsed = now - self._online_at < LONGEST_STEADY_S
            self._steady_s = min(self._steady_s * 2, LONGEST_STEADY_S) if relapsed else STEADY_S
            self._reported = "offline"
            return True
        if state.status == "online" and self._reported == "starting":
            self._report_online(now)
            return True
        if state.status == "online" and self._reported == "offline":
            self.due_at = now + self._steady_s
        return False

    def is_steady(self, now: float) -> bool:
        """Whether the camera is back since so long that it is to be reported now."""
        if now < self.due_at:
            return False
        self._report_online(now)
        return True

    def _report_online(self, now: float) -> None:
        self._reported, self._online_at, self.due_at = "online", now, math.inf
