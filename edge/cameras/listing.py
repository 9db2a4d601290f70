"""List the V4L2 cameras of this machine and the kinds of picture that they offer.

No stream is opened, so a camera that is in use is not disturbed.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.cameras.device import STABLE_NAMES, reason_of_number
from edge.cameras.v4l2 import (
    CAPABILITY,
    ENUMERATE_FORMATS,
    ENUMERATE_SIZES,
    FORMAT,
    QUERY_CAPABILITIES,
    SIZE,
    SIZE_DISCRETE,
    TYPE_CAPTURE,
    Control,
    can_capture,
)

SYSTEM = Path("/sys/class/video4linux")
DEVICES = Path("/dev")

MOST_ENTRIES = 256  # of a driver's list, which might never end


@dataclass(frozen=True)
class CameraMode:
    """One kind of picture that a camera offers; of a range of sizes, the largest (pixels)."""

    pixel_format: str
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.pixel_format} {self.width}x{self.height}"


@dataclass(frozen=True)
class CameraInfo:
    """One camera of this machine.

    Attributes:
        path: Its device, as "/dev/video0".
        name: The name that it gives itself.
        stable_name: Its name below /dev/v4l/by-id, which survives replugging; "" for none.
        modes: What it offers; empty where it could not be asked.
        problem: Why it could not be asked, and what to do, after a ";"; "" where it could.
    """

    path: str
    name: str
    stable_name: str = ""
    modes: tuple[CameraMode, ...] = ()
    problem: str = ""


def list_cameras(
    system: Path = SYSTEM,
    devices: Path = DEVICES,
    stable_names: Path = STABLE_NAMES,
    control: Control = fcntl.ioctl,
) -> list[CameraInfo]:
    """List the cameras of this machine by number; nodes that give no pictures are left out.

    Args:
        system: The kernel's list of video devices.
        devices: Where the device nodes are.
        stable_names: Where the links with stable names are.
        control: Queries an open device, like `fcntl.ioctl`.
    """
    names = _stable_names(stable_names)
    cameras = []
    for entry in sorted(_entries(system), key=lambda entry: _number(entry.name)):
        if not entry.name.startswith("video"):
            continue
        device = devices / entry.name
        name = _text(entry / "name") or entry.name
        try:
            modes = _modes(device, control)
        except OSError as error:
            problem = reason_of_number(error)
            cameras.append(CameraInfo(str(device), name, names.get(entry.name, ""), (), problem))
            continue
        if modes is not None:
            cameras.append(CameraInfo(str(device), name, names.get(entry.name, ""), modes))
    return cameras


def _modes(device: Path, control: Control) -> tuple[CameraMode, ...] | None:
    """The modes of a device; None where it gives no pictures (metadata, output, codec)."""
    descriptor = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    try:
        answer = bytearray(CAPABILITY.size)
        control(descriptor, QUERY_CAPABILITIES, answer)
        if not can_capture(answer):
            return None
        return tuple(
            CameraMode(pixel_format.decode("ascii", "replace").strip("\0 "), width, height)
            for pixel_format in _formats(descriptor, control)
            for width, height in _sizes(descriptor, pixel_format, control)
        )
    finally:
        os.close(descriptor)


def _formats(descriptor: int, control: Control) -> Iterator[bytes]:
    for index in range(MOST_ENTRIES):
        answer = bytearray(FORMAT.pack(index, TYPE_CAPTURE, 0, b"", b"", 0))
        try:
            control(descriptor, ENUMERATE_FORMATS, answer)
        except OSError:  # the end of the list
            return
        yield FORMAT.unpack(answer)[4]


def _sizes(descriptor: int, pixel_format: bytes, control: Control) -> Iterator[tuple[int, int]]:
    for index in range(MOST_ENTRIES):
        answer = bytearray(SIZE.pack(index, pixel_format, 0, *[0] * 6))
        try:
            control(descriptor, ENUMERATE_SIZES, answer)
        except OSError:
            return
        _, _, kind, first, second, _, _, largest_height, _ = SIZE.unpack(answer)
        if (
            kind != SIZE_DISCRETE
        ):  # a range: least and largest width, step, and the same for the height
            yield second, largest_height
            return
        yield first, second


def _stable_names(folder: Path) -> dict[str, str]:
    """The stable name of each device name; of several, the shortest."""
    names: dict[str, str] = {}
    for link in sorted(_entries(folder), key=lambda link: (-len(link.name), link.name)):
        names[Path(os.path.realpath(link)).name] = link.name
    return names


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _number(name: str) -> tuple[int, str]:
    digits = re.search(r"\d+$", name)
    return int(digits.group()) if digits else 0, name


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
