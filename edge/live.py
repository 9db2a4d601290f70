"""The live picture: the newest frame as JPEG, encoded once however many watch, never unwatched."""

from __future__ import annotations

import threading
import time

from catalog.core.photos import encode_jpeg
from edge.sighting import Frame

LIVE_S = 3.0  # as long as the page waits before it says that the picture stands still
LONGEST_SIDE = 960  # pixels; a kiosk's picture, not an archive


class LivePicture:
    """Holds the newest frame and encodes it when somebody asks."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._encoding = threading.Lock()
        self._frame: Frame | None = None
        self._shown_at = 0.0  # monotonic seconds
        self._jpeg: tuple[int, bytes] = (-1, b"")

    def show(self, frame: Frame | None) -> None:
        """Make `frame` the newest; None when the camera is offline."""
        with self._changed:
            self._frame, self._shown_at = frame, time.monotonic()
            self._changed.notify_all()

    def jpeg(self, after: int = -1, timeout: float = 0.0) -> tuple[int, bytes] | None:
        """The newest frame beyond sequence `after` as (sequence, JPEG).

        Waits at most `timeout` seconds and returns None when there is none: the camera is
        offline, or no newer frame came. A frame that is three seconds old is not live, and
        is not given to a viewer who comes, or comes again, after that.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._newer(after) is not None, timeout)
            frame = self._newer(after)
        if frame is None:
            return None
        with self._encoding:
            if self._jpeg[0] != frame.sequence:
                self._jpeg = (frame.sequence, encode_jpeg(frame.image, LONGEST_SIDE))
            return self._jpeg

    def _newer(self, after: int) -> Frame | None:
        if self._frame is None or time.monotonic() - self._shown_at > LIVE_S:
            return None
        return self._frame if self._frame.sequence > after else None
