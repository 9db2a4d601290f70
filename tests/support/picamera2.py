"""A stand-in for picamera2, with the part of its documented interface that is used here.

Names, arguments, errors and the order of bytes are those of version 0.3.38 and of its manual.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray


class Picamera2:
    """One camera of `cameras`; frames of a rising grey, whose first channel is blue."""

    cameras: ClassVar[int] = 1
    in_use: ClassVar[bool] = False
    opened: ClassVar[list[Picamera2]] = []

    def __init__(self, camera_num: int = 0) -> None:
        if camera_num >= self.cameras:
            raise RuntimeError(
                f"No camera number {camera_num} found - use "
                f'"rpicam-hello --list-cameras" to check connected cameras'
            )
        if self.in_use:
            busy = RuntimeError("Failed to acquire camera: Device or resource busy")
            raise RuntimeError("Camera __init__ sequence did not complete.") from busy
        self.started = self.closed = self.broken = False
        self.configuration: dict[str, Any] = {}
        self._level = 0
        self.opened.append(self)

    def create_video_configuration(
        self, main: dict[str, Any], controls: dict[str, Any]
    ) -> dict[str, Any]:
        """The configuration with its defaults; sizes must be even."""
        if main["size"][0] % 2 or main["size"][1] % 2:
            raise RuntimeError("width and height should be even")
        return {"main": main, "controls": controls, "buffer_count": 6}

    def configure(self, camera_config: dict[str, Any]) -> None:
        """Take a configuration."""
        self.configuration = camera_config

    def start(self) -> None:
        """Start the sensor."""
        if not self.configuration:
            raise RuntimeError("Camera has not been configured")
        self.started = True

    def capture_array(self, name: str = "main") -> NDArray[np.uint8]:
        """The next frame (height, width, 3); "RGB888" is blue, green, red in memory."""
        if not self.started or self.broken:
            raise RuntimeError("Camera grab failed.")
        width, height = self.configuration[name]["size"]
        self._level += 1
        frame = np.full((height, width, 3), self._level, np.uint8)
        frame[:, :, 0] = 255
        return frame

    def stop(self) -> None:
        """Stop the sensor; nothing where it was not started."""
        self.started = False

    def close(self) -> None:
        """Release the camera."""
        self.closed = True
