"""Camera modules of a Raspberry Pi, and others that libcamera drives, through picamera2."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from catalog.core.errors import MissingExtraError
from edge.cameras.base import CameraSettings, as_image
from edge.cameras.refusals import IN_USE, cannot_open
from edge.errors import CameraError
from edge.sighting import Image
from edge.words import Words

BUSY_WORDS = ("busy", "acquire", "did not complete")  # in the words of libcamera and picamera2
NOT_FOUND = (
    "libcamera finds no such camera; check its ribbon cable, and that rpicam-hello --list-cameras "
    "lists it"
)


class LibcameraCamera:
    """A camera that libcamera drives; reading waits for the sensor."""

    learns_background = True
    paced = True
    live = True

    def __init__(self, number: int, settings: CameraSettings) -> None:
        """Open the camera and start it.

        Args:
            number: Its place in the list of ``rpicam-hello --list-cameras``.
            settings: Size and rate to ask for.

        Raises:
            MissingExtraError: picamera2 is not installed, or its libcamera is not.
            CameraError: There is no such camera, or another program uses it.
        """
        self.name = "libcamera" if number == 0 else f"libcamera:{number}"
        try:
            module: Any = importlib.import_module("picamera2")
        except ImportError as error:
            raise MissingExtraError("a camera by libcamera", "libcamera") from error
        try:
            self._camera = module.Picamera2(number)
        except Exception as error:  # RuntimeError, IndexError, and whatever libcamera raises
            raise cannot_open(self.name, _reason(error)) from None
        try:
            self._camera.configure(
                self._camera.create_video_configuration(
                    # In an array, picamera2's "RGB888" is blue, green, red.
                    main={"format": "RGB888", "size": (settings.width, settings.height)},
                    controls={"FrameRate": settings.fps},
                )
            )
            self._camera.start()
        except Exception as error:
            self.close()
            raise cannot_open(self.name, _reason(error)) from None

    def read(self) -> Image:
        """Wait for the next picture; CameraError when none can be captured."""
        try:
            frame = self._camera.capture_array("main")
        except Exception as error:
            raise CameraError(
                Words(
                    "camera {name} gives no pictures: {reason}; check its ribbon cable",
                    name=self.name,
                    reason=error,
                )
            ) from None
        return as_image(np.ascontiguousarray(frame[:, :, :3]))

    def close(self) -> None:
        """Stop the camera and release it."""
        self._camera.stop()
        self._camera.close()


def camera_number(source: str) -> int:
    """The number in ``libcamera:1``; 0 for ``libcamera``.

    Raises:
        CameraError: It is no whole number.
    """
    _, _, number = source.partition(":")
    if source != "libcamera" and not (number.isascii() and number.isdigit()):
        raise CameraError(f"camera {source!r}: the number must be whole, as libcamera:1")
    return int(number or 0)


def _reason(error: Exception) -> str:
    words = f"{error} {error.__cause__ or ''}".strip()
    if isinstance(error, IndexError) or "no camera number" in words.lower():
        return NOT_FOUND
    if any(word in words.lower() for word in BUSY_WORDS):
        return IN_USE
    return f"libcamera says: {words}"
