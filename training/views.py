"""Make photos of a drawn product: on a background, lit, and roughly cropped."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from training.colours import Rng, colour, pattern
from training.data import Image, letterboxed, resized
from training.solids import CANVAS, Floats, camera_pose, layer, studio_pose
from training.things import Thing


def studio_ground(rng: Rng) -> Image:
    """A plain, mostly light background."""
    base = np.array(
        [255.0] * 3
        if rng.random() < 0.4
        else [rng.uniform(190, 255)] * 3
        if rng.random() < 0.7
        else colour(rng, dull=True),
        np.float32,
    )
    fall = np.linspace(1.0, rng.uniform(0.85, 1.0), CANVAS, dtype=np.float32)[:, None, None]
    return np.broadcast_to(base * fall, (CANVAS, CANVAS, 3)).clip(0, 255).astype(np.uint8)


def camera_ground(rng: Rng, photos: npt.NDArray[np.uint8] | None) -> Image:
    """A counter, a wall or a part of a training photo, perhaps out of focus."""
    if photos is not None and rng.random() < 0.5:
        photo = np.asarray(photos[int(rng.integers(len(photos)))])
        out = cv2.resize(photo, (CANVAS, CANVAS), interpolation=cv2.INTER_LINEAR)
    else:
        out = pattern(rng, CANVAS, CANVAS, colour(rng, dull=True), colour(rng, dull=True))
        grain = cv2.resize(
            rng.normal(0, 12, (64, int(rng.integers(8, 64)))).astype(np.float32), (CANVAS, CANVAS)
        )
        out = (out.astype(np.float32) + grain[..., None]).clip(0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.5, 6))
    return np.asarray(out, np.uint8)


def photographed(picture: Floats, rng: Rng) -> Image:
    """Add a kiosk camera's light, colour temperature, blur, noise and compression."""
    gain, warm = rng.uniform(0.6, 1.4), rng.uniform(-0.14, 0.14)
    across = np.linspace(-1, 1, picture.shape[1], dtype=np.float32)[None, :, None]
    down = np.linspace(-1, 1, picture.shape[0], dtype=np.float32)[:, None, None]
    slope = across * rng.uniform(-0.2, 0.2) + down * rng.uniform(-0.2, 0.2)
    tone = np.array([1 + warm, 1 + rng.uniform(-0.03, 0.03), 1 - warm], np.float32)
    lit = picture * (gain * tone) * (1 + slope) + rng.uniform(-12, 12)
    if rng.random() < 0.6:
        lit = np.asarray(cv2.GaussianBlur(lit, (0, 0), rng.uniform(0.3, 1.4)))
    lit = lit + rng.normal(0, rng.uniform(0.5, 8), lit.shape).astype(np.float32)
    out = lit.clip(0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        coded = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(45, 95))])[1]
        return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(out, np.uint8)


def hidden(layer_: Image, rng: Rng) -> Image:
    """Draw a shape that hides a part of the product at an edge, as (CANVAS, CANVAS, 4) uint8."""
    rows, columns = np.nonzero(layer_[..., 3] > 127)
    over = np.zeros_like(layer_)
    if len(rows) == 0:
        return over
    angle = rng.uniform(0, 2 * math.pi)
    width, height = float(np.ptp(columns)) / 2, float(np.ptp(rows)) / 2
    spot = (
        int(columns.mean() + width * math.cos(angle) * 1.05),
        int(rows.mean() + height * math.sin(angle) * 1.05),
    )
    axes = (int(max(4, width * rng.uniform(0.2, 0.5))), int(max(4, height * rng.uniform(0.1, 0.3))))
    tone = (
        int(rng.integers(110, 240)),
        int(rng.integers(70, 190)),
        int(rng.integers(50, 160)),
        255,
    )
    cv2.ellipse(over, spot, axes, rng.uniform(0, 180), 0, 360, tone, -1, cv2.LINE_AA)
    return over


def sheen(above: Image, rng: Rng) -> Image:
    """Draw a soft band of reflected light across the product."""
    y, x = np.mgrid[0:CANVAS, 0:CANVAS].astype(np.float32) / CANVAS - 0.5
    turn = rng.uniform(0, math.pi)
    along = x * math.cos(turn) + y * math.sin(turn) - rng.uniform(-0.3, 0.3)
    band = rng.uniform(20, 140) * np.exp(-((along / rng.uniform(0.02, 0.15)) ** 2))
    out = above.copy()
    out[..., :3] = (
        (above[..., :3].astype(np.float32) + band[..., None]).clip(0, 255).astype(np.uint8)
    )
    return out


def view(
    thing: Thing,
    rng: Rng,
    photos: npt.NDArray[np.uint8] | None,
    size: int,
    resize: str | None = None,
    *,
    studio: bool,
) -> Image:
    """Make a photo of a product, cropped around it and resized to (size, size, 3) uint8.

    Args:
        thing: The product.
        rng: Chooses what is random.
        photos: Photos whose parts may be the background; None for drawn backgrounds only.
        size: Side of the result in pixels.
        resize: squash, crop or letterbox; None chooses one at random.
        studio: Whether it is a catalogue photo; False for a kiosk's.
    """
    pose = studio_pose(rng) if studio else camera_pose(rng)
    above = layer(thing, pose, rng, soft=studio)
    if rng.random() < (0.15 if studio else 0.35):
        above = sheen(above, rng)
    rows, columns = np.nonzero(above[..., 3] > 127)
    ground = studio_ground(rng) if studio else camera_ground(rng, photos)
    scene: Floats = ground.astype(np.float32)
    alpha: Floats = np.asarray(above[..., 3:] / 255, np.float32)
    shift = rng.integers(-8, 14, 2)
    moved = np.roll(alpha, (int(shift[0]), int(shift[1])), (0, 1))
    fallen = cv2.GaussianBlur(moved, (0, 0), rng.uniform(2, 9))
    scene *= (1 - fallen[..., None] * rng.uniform(0, 0.3 if studio else 0.55)).astype(np.float32)
    scene += (above[..., :3].astype(np.float32) - scene) * alpha
    if not studio and rng.random() < 0.15:
        cover = hidden(above, rng)
        seen: Floats = np.asarray(cover[..., 3:] / 255, np.float32)
        scene += (cover[..., :3].astype(np.float32) - scene) * seen
    picture = scene.clip(0, 255).astype(np.uint8) if studio else photographed(scene, rng)
    if len(rows) == 0:
        return resized(picture, size, size)
    left, right, top, bottom = (
        int(columns.min()),
        int(columns.max()) + 1,
        int(rows.min()),
        int(rows.max()) + 1,
    )
    chosen = resize or str(rng.choice(["squash", "crop", "letterbox"], p=[0.5, 0.25, 0.25]))
    wide, high = right - left, bottom - top
    margins = rng.uniform(0.03, 0.2, 4) + rng.normal(0, 0.02, 4)
    room = rng.uniform(1.0, 1.4 if studio else 1.2)  # catalogue photos show more ground around
    side = max(wide, high) * room if chosen == "crop" else 0.0
    extra_x, extra_y = max(0, side - wide) / 2, max(0, side - high) / 2
    left, right = int(left - margins[0] * wide - extra_x), int(right + margins[1] * wide + extra_x)
    top, bottom = int(top - margins[2] * high - extra_y), int(bottom + margins[3] * high + extra_y)
    cut = picture[max(0, top) : min(CANVAS, bottom), max(0, left) : min(CANVAS, right)]
    return letterboxed(cut, size) if chosen == "letterbox" else resized(cut, size, size)
