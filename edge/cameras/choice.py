"""Find the kind of camera that a source names, and open it."""

from __future__ import annotations

import os
from pathlib import Path

from catalog.core.opencv import ERRORS, set_log_level
from edge.cameras.address import parse_address
from edge.cameras.arranged import ArrangedCamera
from edge.cameras.base import Camera, CameraSettings
from edge.cameras.deeplens import open_deeplens
from edge.cameras.device import DeviceCamera, device_path
from edge.cameras.libcamera import LibcameraCamera, camera_number
from edge.cameras.recorded import FolderCamera, SimulatedCamera, VideoFileCamera
from edge.cameras.source_names import public_name
from edge.errors import CameraError

SCHEMES = ("rtsp", "rtsps", "http", "https")
FFMPEG_SILENT = "-8"  # FFmpeg's number


def open_camera(source: str, settings: CameraSettings) -> Camera:
    """Open a camera; this may block as long as its driver does (`CameraReader` does not).

    Args:
        source: Which camera; the docstring of `edge.cameras` lists the kinds.
        settings: How to open it and what to do with its pictures.

    Raises:
        CameraError: There is no such camera, or it cannot be opened.
        MissingExtraError: A package that this kind of camera needs is not installed.
    """
    # OpenCV and FFmpeg would log some errors at every picture; our messages say the same.
    set_log_level(ERRORS)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", FFMPEG_SILENT)
    return ArrangedCamera(_open_source(source.strip(), settings), settings)


def check_source(source: str) -> None:
    """Refuse a source that names nothing; what may only be unplugged or switched off is not.

    Args:
        source: Which camera, as for `open_camera`.

    Raises:
        CameraError: It is a folder or a file that is not there, or no source at all.
    """
    source = source.strip()
    if source == "deeplens" or device_path(source) is not None:
        return
    kind, _, _ = source.partition(":")
    if kind == "libcamera":
        camera_number(source)
    elif kind == "simulated":
        _seed(source)
    elif "://" in source:
        _check_scheme(source)
    else:
        try:
            _place(source)
        except PermissionError as error:
            raise _unreadable(source) from error


def _open_source(source: str, settings: CameraSettings) -> Camera:
    if source == "deeplens":
        return open_deeplens(settings)
    if source == "simulated" or source.startswith("simulated:"):
        return SimulatedCamera(_seed(source), settings)
    if source == "libcamera" or source.startswith("libcamera:"):
        return LibcameraCamera(camera_number(source), settings)
    if "://" in source:
        _check_scheme(source)
        return _open_address(source, settings)
    device = device_path(source)
    if device is not None:
        return DeviceCamera(device, settings)
    try:
        path = _place(source)
        return FolderCamera(path, settings) if path.is_dir() else VideoFileCamera(path)
    except PermissionError as error:
        raise _unreadable(source) from error


def _place(source: str) -> Path:
    """The folder or file that a source names.

    Raises:
        CameraError: There is none.
        PermissionError: The folders above it may not be read.
    """
    path = Path(source).expanduser()
    if source and (path.is_dir() or path.is_file()):
        return path
    raise CameraError(
        f"camera {public_name(source)!r}: no such device, video file or folder; give a number, "
        f"a path, an address, deeplens, libcamera or simulated (visual-search doctor lists the "
        f"devices)"
    )


def _unreadable(source: str) -> CameraError:
    return CameraError(
        f"camera {public_name(source)}: the user of this program may not read it; let that "
        "user read it and the folders above it, or name another place"
    )


def _check_scheme(source: str) -> None:
    if source.partition("://")[0].lower() not in SCHEMES:
        raise CameraError(
            f"camera {public_name(source)}: addresses begin with "
            f"{', '.join(f'{name}://' for name in SCHEMES)}"
        )


def _open_address(source: str, settings: CameraSettings) -> Camera:
    """Open a network camera; FFmpeg and the HTTP client are loaded only where they are needed."""
    address, name = parse_address(source), public_name(source)
    if address.scheme.startswith("http"):
        from edge.cameras.http import HttpCamera, NoJpegError

        try:
            return HttpCamera(address, settings, name)
        except NoJpegError as other:
            address = other.address  # it may be a video
    from edge.cameras.stream import StreamCamera

    return StreamCamera(address, settings, name)


def _seed(source: str) -> int:
    _, _, seed = source.partition(":")
    if source != "simulated" and not (seed.isascii() and seed.isdigit()):
        raise CameraError(f"camera {source!r}: the seed must be a whole number, as simulated:7")
    return int(seed or 0)
