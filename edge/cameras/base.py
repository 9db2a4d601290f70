"""The interface of a camera, and the settings that it is opened with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from catalog.core.box import Box
from catalog.core.errors import SettingsError
from edge.sighting import Image

TURNS = (0, 90, 180, 270)  # degrees clockwise
MOST_PIXELS = 40_000_000  # of a picture; 8K has 33 million
PIXEL_FORMATS = ("", "MJPG", "YUYV")


class Camera(Protocol):
    """Gives pictures, one after the other."""

    @property
    def name(self) -> str:
        """The camera's name in messages; it never contains a password."""
        ...

    @property
    def learns_background(self) -> bool:
        """Whether the background stays the same; False for a folder of different pictures."""
        ...

    @property
    def paced(self) -> bool:
        """Whether `read` itself waits for the next picture."""
        ...

    @property
    def live(self) -> bool:
        """Whether a driver hands out a sensor's pictures: then equal ones mean that it is frozen.

        False for a network camera: its `read` returns only what has just been received, and an
        encoder may well send a still scene as equal pictures.
        """
        ...

    def read(self) -> Image:
        """Wait for the next picture: uint8 (height, width, 3), BGR, an array of its own.

        Raises:
            CameraError: The camera ended, failed, or gave nothing in time.
        """
        ...

    def close(self) -> None:
        """Release the device. It may be called twice; `read` must not follow."""
        ...


@dataclass(frozen=True)
class CameraSettings:
    """How to open a camera and what to do with its pictures.

    Attributes:
        width, height: The size to ask for, in pixels; a device may choose another one. The
            pictures of a folder are shrunk to the longer of both.
        fps: Pictures a second to ask for.
        pixel_format: "MJPG" or "YUYV" for a V4L2 device, "" for its own choice.
        rotate: Degrees clockwise: 0, 90, 180 or 270.
        mirror: Swap left and right, after turning.
        crop: The part to cut out, in pixels of the turned and mirrored picture; None for all.
        open_timeout_s: Seconds until opening, and until the first picture, counts as failed.
        read_timeout_s: Seconds without a picture until the camera counts as offline.
        frozen_after_s: Seconds of equal pictures until a camera on this machine counts as frozen;
            0 for never.
    """

    width: int = 640
    height: int = 480
    fps: float = 15.0
    pixel_format: str = ""
    rotate: int = 0
    mirror: bool = False
    crop: Box | None = None
    open_timeout_s: float = 10.0
    read_timeout_s: float = 5.0
    frozen_after_s: float = 10.0

    def __post_init__(self) -> None:
        if self.width < 16 or self.height < 16:
            raise SettingsError(
                f"camera size {self.width}x{self.height}: both must be 16 pixels or more"
            )
        if not 0 < self.fps <= 240:
            raise SettingsError(f"camera fps {self.fps:g}: must be above 0 and at most 240")
        if self.pixel_format not in PIXEL_FORMATS:
            raise SettingsError(
                f"camera pixel_format {self.pixel_format!r}: must be MJPG, YUYV or empty"
            )
        if self.rotate not in TURNS:
            raise SettingsError(f"camera rotate {self.rotate}: must be 0, 90, 180 or 270")
        if self.open_timeout_s <= 0 or self.read_timeout_s <= 0:
            raise SettingsError("camera open_timeout_s and read_timeout_s must be above 0")
        if self.frozen_after_s < 0:
            raise SettingsError(
                f"camera frozen_after_s {self.frozen_after_s:g}: must be 0 (never) or more"
            )


def parse_crop(text: str) -> Box | None:
    """Read "x,y,width,height" in pixels; None for an empty text.

    Raises:
        SettingsError: It is not four whole numbers, or the box is empty.
    """
    if not text.strip():
        return None
    numbers = re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*", text, re.ASCII)
    if numbers is None:
        raise SettingsError(f'camera crop {text!r}: write "x,y,width,height" in pixels')
    x, y, width, height = (int(number) for number in numbers.groups())
    if width == 0 or height == 0:
        raise SettingsError(f"camera crop {text!r}: width and height must be above 0")
    return Box(x, y, width, height)


def as_image(array: cv2.typing.MatLike) -> Image:
    """The same array, typed as BGR uint8 (height, width, 3)."""
    return np.asarray(array, dtype=np.uint8)
