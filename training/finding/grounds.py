"""Draw what lies behind things: photos, walls, tables, boards, light and shadow, and hands."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from training.colours import Rng, colour, pattern
from training.data import Floats, Image, resized

Point = npt.NDArray[np.float64]

SKINS = ((226, 180, 150), (208, 158, 126), (190, 134, 100), (150, 100, 70), (100, 66, 46))


def grain(rng: Rng, size: int) -> Floats:
    """Streaked or blotched brightness around 1, (size, size, 1)."""
    across, down = (int(rng.integers(3, 80)) for _ in range(2))
    field = rng.normal(0, 1, (down, across)).astype(np.float32)
    strength = rng.uniform(0.02, 0.14)
    wide = cv2.resize(field, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(1 + strength * wide[..., None], np.float32)


def drawn_ground(rng: Rng, size: int) -> Floats:
    """A plain or patterned surface with grain."""
    first = colour(rng, dull=rng.random() < 0.8)
    second = colour(rng, dull=True)
    if rng.random() < 0.5:  # nearly one colour
        near = np.array(first, np.float32) + rng.normal(0, 14, 3)
        red, green, blue = near.clip(0, 255).astype(int).tolist()
        second = (red, green, blue)
    picture = pattern(rng, size, size, first, second).astype(np.float32) * grain(rng, size)
    if rng.random() < 0.3:  # tiles or planks
        step, gap = int(rng.integers(14, 70)), int(rng.integers(1, 4))
        for start in range(int(rng.integers(step)), size, step):
            picture[start : start + gap] *= rng.uniform(0.5, 0.9)
            if rng.random() < 0.6:
                picture[:, start : start + gap] *= rng.uniform(0.5, 0.9)
    return np.asarray(picture, np.float32)


def photo_ground(rng: Rng, size: int, photo: Image) -> Floats:
    """A part of a photo, turned or mirrored, at times out of focus."""
    side = photo.shape[0]
    wide, high = (int(side * rng.uniform(0.25, 0.8)) for _ in range(2))
    left, top = int(rng.integers(side - wide + 1)), int(rng.integers(side - high + 1))
    part = np.rot90(photo[top : top + high, left : left + wide], int(rng.integers(4)))
    part = resized(np.ascontiguousarray(part), size, size)
    return np.asarray(part * rng.uniform(0.6, 1.15), np.float32)


def ground(rng: Rng, size: int, photos: npt.NDArray[np.uint8]) -> Floats:
    """A background, (size, size, 3) float32: one surface, a wall above a table, or boards."""

    def surface() -> Floats:
        if rng.random() < 0.55:
            picture = photo_ground(rng, size, photos[int(rng.integers(len(photos)))])
            if rng.random() < 0.45:
                picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.7, 5)))
            return picture
        return drawn_ground(rng, size)

    picture = surface()
    chance = rng.random()
    if chance < 0.3:  # a table before a wall
        other, line = surface(), rng.uniform(0.2, 0.8) * size
        tilt = rng.normal(0, 0.08)
        x, y = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
        below = (y > line + tilt * (x - size / 2))[..., None]
        picture = np.where(below, other, picture).astype(np.float32)
    elif chance < 0.4:  # boards of a shelf
        for _ in range(int(rng.integers(1, 4))):
            top, thick = int(rng.integers(size)), int(rng.integers(2, 12))
            picture[top : top + thick] = np.array(colour(rng, dull=True), np.float32)
            picture[top + thick : top + 3 * thick] *= rng.uniform(0.4, 0.9)
    return picture


def shadowed(rng: Rng, picture: Floats) -> Floats:
    """The same picture with a shadow or a patch of light that lies across it."""
    size = picture.shape[0]
    corners = rng.uniform(-0.3, 1.3, (int(rng.integers(3, 6)), 2)) * size
    mask = np.zeros((size, size), np.float32)
    cv2.fillPoly(mask, [cv2.convexHull(corners.astype(np.int32))], (1.0,))
    soft = cv2.GaussianBlur(mask, (0, 0), rng.uniform(1, 14))[..., None]
    factor = rng.uniform(0.45, 0.85) if rng.random() < 0.7 else rng.uniform(1.15, 1.6)
    return np.asarray(picture * (1 + (factor - 1) * soft), np.float32)


def hand(rng: Rng, size: int, at: tuple[float, float], reach: float) -> tuple[Image, Image]:
    """A hand that holds a thing at a point.

    Args:
        rng: Chooses what is random.
        size: Side of the layers.
        at: Middle of the thing, (x, y) in pixels.
        reach: Half of the thing's size in pixels.

    Returns:
        What lies behind the thing and what lies before it, each (size, size, 4) uint8 RGBA.
    """
    skin = np.array(SKINS[int(rng.integers(len(SKINS)))], np.float32) * rng.uniform(0.85, 1.1)
    behind, before = np.zeros((size, size, 4), np.uint8), np.zeros((size, size, 4), np.uint8)
    angle = rng.uniform(0, 2 * math.pi)
    away = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-away[1], away[0]])
    palm = np.array(at) + away * reach * rng.uniform(0.6, 1.1)
    wide = max(5.0, reach * rng.uniform(0.5, 0.9))

    def tone(layer: Image, mask: Image, shade: float) -> None:
        lit = (skin * shade).clip(0, 255)
        layer[mask > 0, :3] = lit.astype(np.uint8)
        layer[..., 3] = np.maximum(layer[..., 3], mask)

    def line(layer: Image, start: Point, end: Point, thick: float, shade: float) -> None:
        mask = np.zeros((size, size), np.uint8)
        first, last = (tuple(int(v) for v in point) for point in (start, end))
        cv2.line(mask, first, last, (255,), max(2, int(thick)), cv2.LINE_AA)
        tone(layer, mask, shade)

    line(behind, palm + away * size * 1.5, palm + away * wide * 0.6, wide * 1.05, 0.95)
    if rng.random() < 0.6:  # a sleeve
        mask = np.zeros((size, size), np.uint8)
        start = palm + away * wide * rng.uniform(1.8, 3.5)
        ends = [tuple(int(v) for v in p) for p in (start, palm + away * size * 1.5)]
        cv2.line(mask, ends[0], ends[1], (255,), max(3, int(wide * 1.5)), cv2.LINE_AA)
        behind[mask > 0, :3] = colour(rng, dull=True)
        behind[..., 3] = np.maximum(behind[..., 3], mask)
    mask = np.zeros((size, size), np.uint8)
    axes = (int(wide * 0.75), int(wide * 0.65))
    middle = tuple(int(v) for v in palm)
    cv2.ellipse(mask, middle, axes, math.degrees(angle), 0, 360, (255,), -1, cv2.LINE_AA)
    tone(behind, mask, 1.0)
    for finger in range(4):
        root = palm + across * wide * (finger - 1.5) * 0.38
        tip = root - away * wide * rng.uniform(0.7, 1.4) + across * rng.normal(0, wide * 0.1)
        layer = before if rng.random() < 0.25 else behind
        line(layer, root, tip, wide * 0.3, rng.uniform(0.9, 1.06))
    side = 1 if rng.random() < 0.5 else -1
    root = palm + across * wide * 0.8 * side
    tip = root - away * wide * rng.uniform(0.5, 1.1) - across * wide * 0.4 * side
    line(before, root, tip, wide * 0.34, rng.uniform(0.92, 1.08))
    shade = grain(rng, size)
    for layer in (behind, before):
        layer[..., :3] = (layer[..., :3] * shade).clip(0, 255).astype(np.uint8)
    return behind, before
