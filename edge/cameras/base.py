"""What every camera has in common: the interface, its settings, the turned and cropped picture."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from catalog.core.errors import SettingsError
from edge.errors import CameraError
from edge.sighting import Box, Image

TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
PIXEL_FORMATS = ("", "MJPG", "YUYV")


class Camera(Protocol):
    """Something that gives pictures, one after the other."""

    @property
    def name(self) -> str:
        """What to call it in messages; never holds a password."""
        ...

    @property
    def learns_background(self) -> bool:
        """Whether the scene stays the same between two things; False for mixed pictures."""
        ...

    @property
    def paced(self) -> bool:
        """Whether `read` itself waits for the next picture."""
        ...

    @property
    def live(self) -> bool:
        """Whether a sensor is behind it: pictures equal to the last byte are suspicious then."""
        ...

    def read(self) -> Image:
        """Wait for the next picture: uint8 (height, width, 3), BGR, an array of its own.

        Raises:
            CameraError: The camera ended, failed, or gave nothing in time.
        """
        ...

    def close(self) -> None:
        """Give the device back. May be called twice; `read` must not follow."""
        ...


@dataclass(frozen=True)
class CameraSettings:
    """How to open a camera and what to do with its pictures.

    Attributes:
        width, height: Wanted size in pixels; a device may choose another, pictures in a
            folder are shrunk until their longer side is not longer than its longer one.
        fps: Wanted pictures a second.
        pixel_format: "MJPG" or "YUYV" for a V4L2 device, "" for its own choice.
        rotate: Degrees clockwise: 0, 90, 180 or 270.
        mirror: Swap left and right, after turning.
        crop: The part to keep, in pixels of the turned and mirrored picture.
        open_timeout_s: Seconds until opening, and until the first picture, counts as failed.
        read_timeout_s: Seconds without a picture until the camera counts as offline.
        frozen_after_s: Seconds of pictures equal to the last byte until a live camera
            counts as frozen; 0 never.
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
        if self.rotate != 0 and self.rotate not in TURNS:
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


class ArrangedCamera:
    """A camera whose pictures are turned, mirrored and cropped as the settings say."""

    def __init__(self, camera: Camera, settings: CameraSettings) -> None:
        self._camera = camera
        self._settings = settings
        self.name = camera.name
        self.learns_background = camera.learns_background
        self.paced = camera.paced
        self.live = camera.live

    def read(self) -> Image:
        """The next picture; CameraError also when the crop does not fit into it."""
        return arrange(self._camera.read(), self._settings, self.name)

    def close(self) -> None:
        """Close the camera behind."""
        self._camera.close()


def arrange(image: Image, settings: CameraSettings, name: str) -> Image:
    """Turn, mirror and crop a picture (height, width, 3); the result is contiguous.

    Raises:
        CameraError: The crop does not lie inside the turned picture.
    """
    if settings.rotate:
        image = as_image(cv2.rotate(image, TURNS[settings.rotate]))
    if settings.mirror:
        image = as_image(cv2.flip(image, 1))
    crop = settings.crop
    if crop is None:
        return image
    height, width = image.shape[:2]
    if crop.x + crop.width > width or crop.y + crop.height > height:
        raise CameraError(
            f"camera {name} gives {width}x{height} pixels, and the crop "
            f"{crop.x},{crop.y},{crop.width},{crop.height} reaches beyond them; change the crop"
        )
    return image[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width].copy()


def as_image(array: cv2.typing.MatLike) -> Image:
    """The same array, typed as BGR uint8 (height, width, 3)."""
    return np.asarray(array, dtype=np.uint8)


class Pace:
    """Lets a loop through `fps` times a second; lost time is not caught up in a burst."""

    def __init__(
        self,
        fps: float,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1.0 / fps
        self._monotonic = monotonic
        self._sleep = sleep
        self._due = monotonic()

    def wait(self) -> None:
        """Sleep until the next turn; the first one comes at once."""
        now = self._monotonic()
        if now < self._due:
            self._sleep(self._due - now)
        elif now > self._due + self._interval:
            self._due = now
        self._due += self._interval


def public_name(source: str) -> str:
    """The source as it may be written into logs: without user, password and query.

    Passwords also hide in paths (``/user=admin_password=...``) and unescaped ones make the
    address ambiguous; then only the part that is certainly safe is kept.
    """
    scheme, separator, rest = source.partition("://")
    if not separator:
        before, at, after = source.rpartition("@")
        return f"...@{after}" if at and ":" in before else source  # a misspelt address
    authority = re.split(r"[/?#]", rest)[0]
    path = rest[len(authority) :]
    if "@" in path:
        return f"{scheme}://..."
    path = re.split(r"[?#]", path)[0]
    return f"{scheme}://{authority.rpartition('@')[2]}{'/...' if '=' in path else path}"
