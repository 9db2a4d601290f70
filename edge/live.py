"""The live picture: the newest frame as JPEG, encoded once however many watch, never unwatched."""

from __future__ import annotations

import threading

import cv2

from edge.sighting import Frame

QUALITY = 80
LONGEST_SIDE = 960  # pixels; a kiosk's picture, not an archive


class LivePicture:
    """Holds the newest frame and encodes it when somebody asks."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._encoding = threading.Lock()
        self._frame: Frame | None = None
        self._jpeg: tuple[int, bytes] = (-1, b"")

    def show(self, frame: Frame | None) -> None:
        """Make `frame` the newest; None when the camera is offline."""
        with self._changed:
            self._frame = frame
            self._changed.notify_all()

    def jpeg(self, after: int = -1, timeout: float = 0.0) -> tuple[int, bytes] | None:
        """The newest frame beyond sequence `after` as (sequence, JPEG).

        Waits at most `timeout` seconds and returns None when there is none: the camera is
        offline, or no newer frame came.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._newer(after) is not None, timeout)
            frame = self._newer(after)
        if frame is None:
            return None
        with self._encoding:
            if self._jpeg[0] != frame.sequence:
                self._jpeg = (frame.sequence, encode_jpeg(frame.image))
            return self._jpeg

    def _newer(self, after: int) -> Frame | None:
        return self._frame if self._frame is not None and self._frame.sequence > after else None


def encode_jpeg(image: cv2.typing.MatLike, longest_side: int = LONGEST_SIDE) -> bytes:
    """Encode a BGR uint8 image (h, w, 3) as JPEG, shrunk to `longest_side` pixels."""
    scale = longest_side / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
