"""The live picture: the newest frame as JPEG.

A frame is encoded once for all viewers, and not at all while nobody watches.
"""

from __future__ import annotations

import threading
import time

from catalog.core.photos import encode_jpeg
from edge.sighting import Frame

LIVE_S = 3.0  # an older frame is not live; the page waits for as long
LONGEST_SIDE = 960  # pixels; enough for a kiosk's screen


class LivePicture:
    """Holds the newest frame and encodes it when somebody asks. Any thread may use it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._encoding = threading.Lock()
        self._frame: Frame | None = None
        self._shown_at = 0.0  # monotonic seconds
        self._encoded: tuple[int, bytes] = (-1, b"")  # sequence and JPEG

    def show(self, frame: Frame | None) -> None:
        """Make `frame` the newest; None when the camera is offline."""
        with self._changed:
            self._frame, self._shown_at = frame, time.monotonic()
            self._changed.notify_all()

    def jpeg(self, after: int = -1, timeout: float = 0.0) -> tuple[int, bytes] | None:
        """The newest frame whose sequence is greater than `after`.

        Args:
            after: The sequence of the frame that the viewer has.
            timeout: How many seconds to wait for a newer frame.

        Returns:
            Sequence and JPEG; None where the camera is offline, no newer frame came in time,
            or the newest frame is too old to be live.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._newer(after) is not None, timeout)
            frame = self._newer(after)
        if frame is None:
            return None
        with self._encoding:
            if self._encoded[0] != frame.sequence:
                self._encoded = (frame.sequence, encode_jpeg(frame.image, LONGEST_SIDE))
            return self._encoded

    def _newer(self, after: int) -> Frame | None:
        if self._frame is None or time.monotonic() - self._shown_at > LIVE_S:
            return None
        return self._frame if self._frame.sequence > after else None
