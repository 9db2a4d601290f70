"""Turn, mirror and crop a camera's pictures as the settings say."""

from __future__ import annotations

import cv2

from edge.cameras.base import Camera, CameraSettings, as_image
from edge.errors import CameraError
from edge.sighting import Image

ROTATIONS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


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
        """Close the camera."""
        self._camera.close()


def arrange(image: Image, settings: CameraSettings, name: str) -> Image:
    """Turn, mirror and crop a picture (height, width, 3); the result is contiguous.

    Raises:
        CameraError: The crop does not lie inside the turned picture.
    """
    if settings.rotate:
        image = as_image(cv2.rotate(image, ROTATIONS[settings.rotate]))
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
