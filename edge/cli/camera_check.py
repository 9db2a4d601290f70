"""Open the camera that is set, measure it, and keep one picture of it."""

from __future__ import annotations

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
    *,
    appliance_runs: bool = False,
) -> Finding:
    """Open the camera, whatever kind it is, and keep its newest picture in the data folder.

    Args:
        settings: ``[edge]``.
        folder: The data folder.
        opener: Opens the camera.
        appliance_runs: Whether this device's appliance runs, which then uses the camera.
    """
    is_chosen = "camera" in settings.model_fields_set
    with CameraReader(settings.camera, settings.camera_settings(), opener=opener) as reader:
        found = _measure(reader)
    if isinstance(found, str) and appliance_runs and IN_USE in found:
        return Finding("camera", "ok", f"{reader.name}: this device's appliance uses it")
    if isinstance(found, str):
        is_wrong = is_chosen and IN_USE not in found
        return Finding(
            "camera",
            "wrong" if is_wrong else "note",
            found or f"camera {reader.name} gives no picture",
            "mend it, or set another [edge] camera; docs/cameras.md lists the kinds",
        )
    first, last = found
    height, width = last.image.shape[:2]
    rate = (last.sequence - first.sequence) / (last.at - first.at)
    return Finding(
        "camera",
        "ok",
        f"{reader.name}: {width}x{height}, {rate:.1f} pictures a second; {_keep(last, folder)}",
    )


def _measure(reader: CameraReader) -> tuple[Frame, Frame] | str:
    """The first frame and the newest one some seconds later, or why the camera is offline."""
    first: Frame | None = None
    newest: Frame | None = None
    while (state := reader.state).status != "offline":
        frame = reader.frame(newest.sequence if newest else 0, FRAME_TIMEOUT_S)
        if frame is None:
            continue
        first, newest = first or frame, frame
        if newest.at - first.at >= MEASURED_S:
            return first, newest
    return state.message


def _keep(frame: Frame, folder: Path) -> str:
    """Write a picture that only this user may read, and say where."""
    path = folder / PICTURE
    try:
        durable.make_private_folder(path.parent)
        durable.write(path, cv2.imencode(".jpg", frame.image)[1].tobytes(), durable.PRIVATE)
    except OSError as error:
        return f"no picture could be kept in {path.parent}: {error.strerror}"
    return f"one is kept in {path}"
