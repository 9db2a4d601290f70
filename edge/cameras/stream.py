"""Cameras that send a stream: RTSP, or MJPEG over HTTP or through a pipe."""

from __future__ import annotations

import cv2

from edge.cameras.base import CameraSettings, as_image
from edge.cameras.source_names import public_name
from edge.errors import CameraError
from edge.sighting import Image

SCHEMES = ("rtsp", "rtsps", "http", "https")


class StreamCamera:
    """A stream that FFmpeg reads, within the settings' time limits."""

    learns_background = True
    paced = True
    live = True

    def __init__(self, address: str, settings: CameraSettings, name: str = "") -> None:
        """Open the stream at an address or a path.

        Raises:
            CameraError: Nothing answers there in time, or what answers is no video.
        """
        self.name = name or public_name(address)
        self._read_timeout_s = settings.read_timeout_s
        limits = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            round(settings.open_timeout_s * 1000),
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            round(settings.read_timeout_s * 1000),
        ]
        self._capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)
        if not self._capture.isOpened():
            self._capture.release()
            raise CameraError(
                f"camera {self.name} cannot be opened; check its address, user and password, "
                f"and that it sends video"
            )

    def read(self) -> Image:
        """Wait for the next picture; CameraError when the stream ends or stands still."""
        success, image = self._capture.read()
        if not success or image is None:
            raise CameraError(
                f"camera {self.name} ended its stream or sent nothing for "
                f"{self._read_timeout_s:g} s; check its power and network"
            )
        return as_image(image)

    def close(self) -> None:
        """Close the stream."""
        self._capture.release()
