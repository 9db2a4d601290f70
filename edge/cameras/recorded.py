"""Cameras without a sensor: a video file, a folder of pictures, drawn scenes."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from catalog.core.errors import PhotoError
from catalog.core.photos import decode, is_photo, shrink
from edge.cameras.base import CameraSettings, as_image
from edge.cameras.pace import Pace
from edge.errors import CameraError
from edge.sighting import Image

if TYPE_CHECKING:
    from edge.simulator.simulator import Simulator

PICTURE_SECONDS = 3.0
PICTURE_FPS = 10.0  # a picture is repeated, as a camera would do
SIMULATED_FPS = 10.0

log = logging.getLogger(__name__)


class VideoFileCamera:
    """A video file at its own speed; when it ends, it starts again."""

    learns_background = True
    paced = True
    live = False

    def __init__(self, path: Path) -> None:
        """Open the file; CameraError where it is no video."""
        self.name = str(path)
        self._path = path.absolute()
        self._capture = self._open()
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self._pace = Pace(fps if math.isfinite(fps) and 0 < fps <= 240 else 25.0)

    def read(self) -> Image:
        """Wait for the next picture; CameraError where not a single one can be decoded."""
        self._pace.wait()
        success, image = self._capture.read()
        if not success:
            # Opened anew and not rewound, because some containers cannot seek.
            self._capture.release()
            self._capture = self._open()
            success, image = self._capture.read()
        if not success or image is None:
            raise CameraError(f"video {self.name} holds no picture that can be decoded")
        return as_image(image)

    def close(self) -> None:
        """Close the file."""
        self._capture.release()

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            capture.release()
            raise CameraError(
                f"video {self.name} cannot be opened: it is no video, or one of a kind that cannot "
                f"be decoded here (missing codec)"
            )
        return capture


class FolderCamera:
    """The pictures of a folder by name, each for 3 seconds; after the last, the first again."""

    learns_background = False
    paced = True
    live = False

    def __init__(
        self, folder: Path, settings: CameraSettings, seconds_each: float = PICTURE_SECONDS
    ) -> None:
        """Load the first picture; CameraError where the folder has none."""
        self.name = str(folder)
        self._folder = folder
        self._longest_side = max(settings.width, settings.height)
        self._repeats = max(1, round(seconds_each * PICTURE_FPS))
        self._pace = Pace(PICTURE_FPS)
        self._warned: set[Path] = set()
        self._last: Path | None = None
        self._shown = 0
        self._image = self._next()

    def read(self) -> Image:
        """Wait for the next picture; CameraError where no readable one is left."""
        self._pace.wait()
        if self._shown == self._repeats:
            self._image = self._next()
            self._shown = 0
        self._shown += 1
        return self._image.copy()

    def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def _next(self) -> Image:
        """The first readable picture after the last one; the folder is listed anew."""
        paths, why = self._pictures(), "add some"
        later = [path for path in paths if self._last is not None and path > self._last]
        for path in [*later, *(path for path in paths if path not in later)]:
            try:
                image = self._load(path)
            except (PhotoError, OSError) as error:
                why = _refusal(path, error)
                self._warn_once(path, why)
                continue
            self._last = path
            return image
        raise CameraError(f"folder {self.name} holds no picture that can be read; {why}")

    def _pictures(self) -> list[Path]:
        try:
            return sorted(
                path
                for path in self._folder.iterdir()
                if not path.name.startswith(".") and path.is_file() and is_photo(path)
            )
        except OSError as error:
            raise CameraError(
                f"folder {self.name} cannot be read: {error.strerror}; check that it is there"
            ) from None

    def _load(self, path: Path) -> Image:
        image = decode(path.read_bytes(), str(path), enough=self._longest_side)
        return shrink(image, self._longest_side)

    def _warn_once(self, path: Path, why: str) -> None:
        if path not in self._warned:  # not at every turn
            self._warned.add(path)
            log.warning("%s; it is skipped", why)


def _refusal(path: Path, error: PhotoError | OSError) -> str:
    """Why a picture cannot be read, and what to do where that is its owner's choice."""
    if isinstance(error, PermissionError):
        return f"{path}: the user of this program may not read it; let that user read it"
    return str(error)


class SimulatedCamera:
    """The drawn scenes of a seed."""

    learns_background = True
    paced = True
    live = False

    def __init__(self, seed: int, settings: CameraSettings) -> None:
        # Imported here, so that a device with a real camera does not load the packages that draw.
        from edge.simulator.simulator import Simulator

        self.name = f"simulated:{seed}"
        self._simulator: Simulator = Simulator(
            seed, size=(settings.width, settings.height), fps=SIMULATED_FPS
        )
        self._pace = Pace(SIMULATED_FPS)
        self._index = 0

    def read(self) -> Image:
        """Wait for the next picture."""
        self._pace.wait()
        image, _ = self._simulator.frame(self._index)
        self._index += 1
        return image

    def close(self) -> None:
        """Do nothing: there is nothing to release."""
