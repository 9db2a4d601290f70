"""The live picture: the newest frame as JPEG.

A frame is encoded once in each size for all viewers, and not at all while nobody watches.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from catalog.core.photos import encode_jpeg
from edge.sighting import Frame, Place

LIVE_S = 3.0  # an older frame is not live; the page waits for as long
SIZES = (960, 640, 480, 320)  # pixels of the longer side; the first is enough for a kiosk's screen


@dataclass(frozen=True)
class Outline:
    """Where the thing lies in the picture.

    Attributes:
        place: Its bounding box.
        is_looking: Whether it is still being looked at; False once the answer is about it.
    """

    place: Place
    is_looking: bool


class LivePicture:
    """Holds the newest frame and encodes it when somebody asks. Any thread may use it.

    Attributes:
        outline: Where the thing lay in the last analysed frame; None where none was found.
    """

    outline: Outline | None = None

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._encoding = threading.Lock()
        self._frame: Frame | None = None
        self._shown_at = 0.0  # monotonic seconds
        self._encoded_frame = -1  # its sequence
        self._encoded: dict[int, bytes] = {}  # by the longer side, in pixels; of that frame only

    def show(self, frame: Frame | None) -> None:
        """Make `frame` the newest; None when the camera is offline."""
        with self._changed:
            self._frame, self._shown_at = frame, time.monotonic()
            if frame is None:
                self.outline = None
            self._changed.notify_all()

    def jpeg(
        self, after: int = -1, timeout: float = 0.0, size: int = SIZES[0]
    ) -> tuple[int, bytes] | None:
        """The newest frame, unless it is the frame `after`.

        Args:
            after: The sequence of the frame that the viewer has.
            timeout: How many seconds to wait for a newer frame.
            size: The most pixels of the longer side; rounded down to one of `SIZES`, but not below
                the smallest.

        Returns:
            Sequence and JPEG; None where the camera is offline, no newer frame came in time,
            or the newest frame is too old to be live.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._newer(after) is not None, timeout)
            frame = self._newer(after)
        if frame is None:
            return None
        fitting = next((known for known in SIZES if known <= size), SIZES[-1])
        longer_side = min(fitting, max(frame.image.shape[:2]))
        with self._encoding:
            if self._encoded_frame != frame.sequence:
                self._encoded_frame, self._encoded = frame.sequence, {}
            if longer_side not in self._encoded:
                self._encoded[longer_side] = encode_jpeg(frame.image, longer_side)
            return frame.sequence, self._encoded[longer_side]

    def _newer(self, after: int) -> Frame | None:
        if self._frame is None or time.monotonic() - self._shown_at > LIVE_S:
            return None
        # not "greater": after a restart the sequence begins anew, and viewers ask as before
        return self._frame if self._frame.sequence != after else None
