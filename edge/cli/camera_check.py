"""Open the camera that is set, measure it, and keep one picture of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2

from catalog.core import durable
from catalog.core.findings import Finding
from edge.cameras import Camera, CameraReader, CameraSettings, open_camera
from edge.cameras.refusals import IN_USE
from edge.settings import EdgeSettings
from edge.sighting import Frame

PICTURE = Path("doctor", "camera.jpg")  # in the data folder
MEASURED_S = 2.0
FRAME_TIMEOUT_S = 0.25  # how late it is noticed that the camera cannot be opened


def check_camera(
    settings: EdgeSettings,
    folder: Path,
    opener: Callable[[str, CameraSettings], Camera] = open_camera,
) -> Finding:
    """Open the camera, whatever kind it is, and keep its newest picture in the data folder.

    Args:
        settings: ``[edge]``.
        folder: The data folder.
        opener: Opens the camera.
    """
    is_chosen = "camera" in settings.model_fields_set
    with CameraReader(settings.camera, settings.camera_settings(), opener=opener) as reader:
        frames = _frames(reader)
        message = reader.state.message
    if not frames:
        is_wrong = is_chosen and IN_USE not in message
        return Finding(
            "camera",
            "wrong" if is_wrong else "note",
            message or f"camera {reader.name} gives no picture",
            "mend it, or set another [edge] camera; docs/cameras.md lists the kinds",
        )
    first, last = frames[0], frames[-1]
    height, width = last.image.shape[:2]
    seconds = last.at - first.at
    rate = f"{(last.sequence - first.sequence) / seconds:.1f}" if seconds > 0 else "less than one"
    return Finding(
        "camera",
        "ok",
        f"{reader.name}: {width}x{height}, {rate} pictures a second; {_keep(last, folder)}",
    )


def _frames(reader: CameraReader) -> list[Frame]:
    """The first frame and the newest one some seconds later; empty where none comes."""
    first: Frame | None = None
    newest: Frame | None = None
    while reader.state.status != "offline":
        frame = reader.frame(newest.sequence if newest else 0, FRAME_TIMEOUT_S)
        if frame is None:
            continue
        first, newest = first or frame, frame
        if newest.at - first.at >= MEASURED_S:
            break
    return [frame for frame in (first, newest) if frame is not None]


def _keep(frame: Frame, folder: Path) -> str:
    """Write a picture that only this user may read, and say where."""
    path = folder / PICTURE
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable.write(path, cv2.imencode(".jpg", frame.image)[1].tobytes())
        os.chmod(path, 0o600)
    except OSError as error:
        return f"no picture could be kept in {path.parent}: {error.strerror}"
    return f"one is kept in {path}"
