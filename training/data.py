"""Read and cut pictures; `catalog.networks.featurizer` prepares what a network sees."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from catalog.core.errors import PhotoError

Image = npt.NDArray[np.uint8]
"""A picture: (height, width, 3) uint8, RGB."""

Floats = npt.NDArray[np.float32]

STORED_SIZE = 160
GREY = 128


def read_rgb(path: Path) -> Image:
    """Decode a picture file into RGB."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise PhotoError(f"{path}: not a readable picture")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def resized(picture: Image, width: int, height: int) -> Image:
    """Resize with area averaging when shrinking and bilinear interpolation otherwise."""
    shrinking = width < picture.shape[1] or height < picture.shape[0]
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), np.uint8)


def letterboxed(picture: Image, size: int) -> Image:
    """Bring a picture's longer side to `size` and fill up with grey: (size, size, 3)."""
    height, width = picture.shape[:2]
    scale = size / max(height, width)
    picture = resized(picture, max(1, round(width * scale)), max(1, round(height * scale)))
    top, left = (size - picture.shape[0]) // 2, (size - picture.shape[1]) // 2
    square = np.full((size, size, 3), GREY, np.uint8)
    square[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return square


def random_crop(picture: Image, rng: np.random.Generator, least: float = 0.3) -> Image:
    """A random part of a picture: `least` to all of its area, aspect changed by up to 4:3."""
    height, width = picture.shape[:2]
    for _ in range(10):
        area = rng.uniform(least, 1.0) * height * width
        aspect = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
        w, h = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if w <= width and h <= height:
            left, top = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
            return picture[top : top + h, left : left + w]
    return picture
