"""Cameras: `CameraReader` gives the newest frame of one, `list_cameras` finds those connected.

`base.py` has the interface of a camera and `choice.py` opens one; each kind of camera is one
file. A camera is chosen by its source, which is one of these:

- ``/dev/video0``, ``0``, ``/dev/v4l/by-id/usb-...`` or only ``usb-...``: a V4L2 camera;
- ``rtsp://...``, ``http://...``, ``https://...``: a network camera (HTTP: MJPEG, or single
  pictures);
- ``libcamera`` or ``libcamera:1``: a camera module of a Raspberry Pi;
- the path of a video file, which is played at its own speed, again and again;
- the path of a folder, whose pictures are shown for 3 seconds each, again and again;
- ``deeplens``: the camera of a DeepLens;
- ``simulated`` or ``simulated:7``: drawn scenes; the number is the seed.
"""

from __future__ import annotations

from edge.cameras.base import Camera, CameraSettings, parse_crop
from edge.cameras.choice import open_camera
from edge.cameras.listing import CameraInfo, CameraMode, list_cameras
from edge.cameras.reader import CameraReader, CameraState

__all__ = [
    "Camera",
    "CameraInfo",
    "CameraMode",
    "CameraReader",
    "CameraSettings",
    "CameraState",
    "list_cameras",
    "open_camera",
    "parse_crop",
]
