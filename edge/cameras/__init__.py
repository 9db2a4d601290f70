"""Where the pictures come from: `open_camera` for one, `CameraReader` for the newest frame.

A source is written as one word:

- ``/dev/video0``, ``0``, ``/dev/v4l/by-id/usb-...`` or only ``usb-...``: a V4L2 camera;
- ``rtsp://...``, ``http://...``, ``https://...``: a network camera (HTTP: MJPEG);
- the path of a video file, which is played at its own speed, over and over;
- the path of a folder, whose pictures are shown for 3 seconds each, over and over;
- ``deeplens``: a DeepLens' library where it can be imported, else the stream it writes;
- ``simulated`` or ``simulated:7``: drawn scenes, the same for the same seed.
"""

from __future__ import annotations

from edge.cameras.base import Camera, CameraSettings, parse_crop, public_name
from edge.cameras.choice import open_camera
from edge.cameras.clock import Clock
from edge.cameras.listing import CameraInfo, CameraMode, list_cameras
from edge.cameras.reader import CameraReader, CameraState

__all__ = [
    "Camera",
    "CameraInfo",
    "CameraMode",
    "CameraReader",
    "CameraSettings",
    "CameraState",
    "Clock",
    "list_cameras",
    "open_camera",
    "parse_crop",
    "public_name",
]
