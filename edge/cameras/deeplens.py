"""The camera of a DeepLens: its library where it can be imported, else the stream it writes."""

from __future__ import annotations

import importlib
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from edge.cameras.base import Camera, CameraSettings, as_image
from edge.errors import CameraError
from edge.sighting import Image

STREAM = Path("/opt/awscam/out/ch2_out.mjpeg")
RETRY_S = 0.05  # between two calls while there is no frame yet


class AwscamCamera:
    """Reads frames by ``awscam.getLastFrame() -> (ret, frame)``, as in its developer guide."""

    name = "deeplens"
    learns_background = True
    paced = False  # the last frame is returned at once, also a second time
    live = True

    def __init__(self, awscam: Any, settings: CameraSettings) -> None:
        self._awscam = awscam
        self._timeout_s = settings.read_timeout_s / 2  # less than the reader waits

    def read(self) -> Image:
        """The newest picture; CameraError when none comes for a while."""
        deadline = time.monotonic() + self._timeout_s
        while time.monotonic() < deadline:
            success, frame = self._awscam.getLastFrame()
            if success and frame is not None:
                return as_image(np.array(frame))
            time.sleep(RETRY_S)
        raise CameraError(
            "camera deeplens: awscam gives no frame; check that its camera service is running"
        )

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


def open_deeplens(settings: CameraSettings, stream: Path = STREAM) -> Camera:
    """Open a DeepLens' camera.

    Raises:
        CameraError: Neither its library nor its stream is there: this is no DeepLens, or its
            camera service is not running.
    """
    try:
        return AwscamCamera(importlib.import_module("awscam"), settings)
    except ImportError:
        pass  # the library is made for the device's own, older Python
    if not stream.exists():
        raise CameraError(
            f"camera deeplens: {stream} is not there; this is no DeepLens, or its camera "
            f"service is not running"
        )
    if not os.access(stream, os.R_OK):
        raise CameraError(f"camera deeplens: {stream} may not be read by this user")
    from edge.cameras.stream import StreamCamera  # loads FFmpeg

    return StreamCamera(str(stream), settings, "deeplens")
