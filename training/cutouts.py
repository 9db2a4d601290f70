"""Put cut-out things over photos: one thing at two angles, in two lights, on two backgrounds."""

import math
from pathlib import Path

import cv2
import numpy as np

from catalog.core.errors import ContentError, PhotoError
from training.colours import Rng
from training.data import Floats, Image
from training.views import photographed

SKIN_TONES = ("1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff")


def cutout_files(folder: Path) -> list[Path]:
    """Pictures with transparency in a folder, but for skin tones of one figure, in order.

    Raises:
        ContentError: There is none.
    """
    files = sorted(folder.glob("*.webp"))
    found = [f for f in files if not any(tone in f.stem.split("-") for tone in SKIN_TONES)]
    if not found:
        raise ContentError(f"{folder}: no cut-out things (.webp) in it")
    return found


def read_cutout(file: Path) -> Image:
    """A picture with transparency: (height, width, 4) uint8, RGBA, cut to what is opaque."""
    picture = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.ndim != 3 or picture.shape[2] != 4:
        raise PhotoError(f"{file}: not a readable picture with transparency")
    rows, columns = np.nonzero(picture[..., 3] > 32)
    part = picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return np.asarray(cv2.cvtColor(part, cv2.COLOR_BGRA2RGBA), np.uint8)


def posed(thing: Image, size: int, rng: Rng) -> Floats:
    """The thing turned, tilted and scaled into (size, size, 4) float32, colour times opacity."""
    height, width = thing.shape[:2]
    scale = size * rng.uniform(0.55, 0.95) / max(height, width)
    yaw, pitch, roll = (math.radians(rng.normal(0, s)) for s in (22, 14, 14))
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float64) * [width, height]
    x, y = corners.T * scale / 2
    away = 1 + (x * math.sin(yaw) + y * math.sin(pitch)) / (size * 2.0)
    x, y = x * math.cos(yaw) / away, y * math.cos(pitch) / away
    x, y = x * math.cos(roll) - y * math.sin(roll), x * math.sin(roll) + y * math.cos(roll)
    shift = rng.normal(size / 2, size * 0.05, 2)
    goal = np.stack([x + shift[0], y + shift[1]], 1).astype(np.float32)
    source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    premultiplied = thing.astype(np.float32)
    premultiplied[..., :3] *= premultiplied[..., 3:] / 255
    matrix = cv2.getPerspectiveTransform(source, goal)
    out = cv2.warpPerspective(premultiplied, matrix, (size, size), flags=cv2.INTER_AREA)
    return np.asarray(out, np.float32)


def scene(thing: Image, ground: Image, rng: Rng) -> Image:
    """A camera's picture of a cut-out thing over a ground (size, size, 3): same shape, uint8."""
    above = posed(thing, ground.shape[0], rng)
    alpha = above[..., 3:] / 255
    under = ground.astype(np.float32)
    if rng.random() < 0.5:
        under = np.asarray(cv2.GaussianBlur(under, (0, 0), rng.uniform(0.5, 4)), np.float32)
    shade = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(2, 8))[..., None]
    under = under * (1 - shade * rng.uniform(0, 0.5))
    lit = above[..., :3] * rng.uniform(0.7, 1.2)
    return photographed(under * (1 - alpha) + lit, rng)
