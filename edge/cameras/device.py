"""Cameras on the machine itself: V4L2 devices, by number, path or stable name."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

import cv2

from edge.cameras.base import CameraSettings, as_image
from edge.cameras.refusals import IN_USE, LOST, NOT_ALLOWED, cannot_open
from edge.cameras.v4l2 import (
    BUFFERS,
    CAPABILITY,
    MEMORY_MMAP,
    QUERY_CAPABILITIES,
    REQUEST_BUFFERS,
    TYPE_CAPTURE,
    Control,
    can_capture,
)
from edge.errors import CameraError
from edge.sighting import Image
from edge.words import Words

STABLE_NAMES = Path("/dev/v4l/by-id")  # links whose names stay when the numbers change


def device_path(source: str, stable_names: Path = STABLE_NAMES) -> Path | None:
    """The path of a device source, or None where the source is of another kind.

    A device source is a number, a path below /dev, or a name in `stable_names`.
    """
    if source.isascii() and source.isdigit():
        return Path(f"/dev/video{int(source)}")
    if source.startswith("/dev/"):
        return Path(source)
    if "/" not in source and ((stable_names / source).is_symlink() or source.startswith("usb-")):
        return stable_names / source
    return None


class DeviceCamera:
    """A V4L2 camera; reading waits for the sensor."""

    learns_background = True
    paced = True
    live = True

    def __init__(self, path: Path, settings: CameraSettings) -> None:
        """Open the device.

        Raises:
            CameraError: It is not there, may not be opened, is busy, or is no camera.
        """
        self.name = str(path)
        # The link is resolved at every opening: a replugged camera may get another number.
        device = Path(os.path.realpath(path))
        _check_device(self.name, device)
        self._capture = cv2.VideoCapture(str(device), cv2.CAP_V4L2)
        if not self._capture.isOpened():
            self._capture.release()
            raise cannot_open(self.name, reason_of_device(device))
        if settings.pixel_format:  # first, because the possible sizes depend on it
            fourcc = cv2.VideoWriter.fourcc(*settings.pixel_format)
            self._capture.set(cv2.CAP_PROP_FOURCC, fourcc)
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
        self._capture.set(cv2.CAP_PROP_FPS, settings.fps)

    def read(self) -> Image:
        """Wait for the next picture; CameraError when the device is gone."""
        success, image = self._capture.read()
        if not success or image is None:
            raise CameraError(
                Words(
                    "camera {name} gives no pictures; check its cable, and that no other program "
                    "uses it",
                    name=self.name,
                )
            )
        return as_image(image)

    def close(self) -> None:
        """Release the device."""
        self._capture.release()


def reason_of_device(device: Path, control: Control = fcntl.ioctl) -> str:
    """Why a V4L2 device does not open.

    Args:
        device: Its node.
        control: Queries an open device, like `fcntl.ioctl`.
    """
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        return reason_of_number(error)
    try:
        answer = bytearray(CAPABILITY.size)
        control(descriptor, QUERY_CAPABILITIES, answer)
        if not can_capture(answer):
            return "it gives no pictures; a camera often has several devices, try the one before"
        # Any program may open a device; the one that has requested buffers uses it.
        control(descriptor, REQUEST_BUFFERS, bytearray(BUFFERS.pack(1, TYPE_CAPTURE, MEMORY_MMAP)))
    except OSError as error:
        return reason_of_number(error)
    finally:
        os.close(descriptor)
    return "it offers no kind of picture that can be read here; set [edge] pixel_format"


def reason_of_number(error: OSError) -> str:
    """What is wrong with a V4L2 device by the system's error, and what to do, after a ";"."""
    if error.errno == errno.EBUSY:
        return IN_USE
    if error.errno in (errno.EACCES, errno.EPERM):
        return NOT_ALLOWED
    if error.errno in (errno.ENODEV, errno.ENXIO):
        return LOST
    if error.errno in (errno.ENOTTY, errno.EINVAL):
        return "it is no camera (see: visual-search doctor)"
    return f"{error.strerror or error}; unplug it and plug it in again"


def _check_device(name: str, device: Path) -> None:
    try:
        mode = device.stat().st_mode
    except OSError:
        raise CameraError(
            Words(
                "camera {name} is not there; plug it in, or choose one that visual-search doctor "
                "lists",
                name=name,
            )
        ) from None
    if not stat.S_ISCHR(mode):
        raise CameraError(f"camera {name} is no video device; see: visual-search doctor")
    if not os.access(device, os.R_OK | os.W_OK):
        raise CameraError(
            f"camera {name} may not be opened by this user; add the user to the group video"
        )
