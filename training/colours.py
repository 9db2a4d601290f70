"""Draw random colours, and backgrounds of two colours."""

import math

import cv2
import numpy as np

from training.data import Image

Rng = np.random.Generator
Colour = tuple[int, int, int]

PATTERNS = (
    "plain",
    "plain",
    "gradient",
    "stripes",
    "dots",
    "checks",
    "waves",
    "rays",
    "noise",
    "halves",
)


def colour(rng: Rng, *, dull: bool = False) -> Colour:
    """A random colour; one in five is white, black or grey."""
    if rng.random() < 0.2:
        grey = int(rng.choice([250, 240, 205, 130, 60, 25]))
        return (grey, grey, grey)
    hsv = np.array(
        [
            [
                [
                    rng.integers(180),
                    rng.integers(20, 140) if dull else rng.integers(90, 256),
                    rng.integers(70, 256),
                ]
            ]
        ],
        np.uint8,
    )
    red, green, blue = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0]
    return (int(red), int(green), int(blue))


def lightness(value: Colour) -> float:
    """Rough lightness, 0 to 255."""
    return 0.3 * value[0] + 0.6 * value[1] + 0.1 * value[2]


def contrasting(rng: Rng, ground: Colour) -> Colour:
    """A colour that can be read on `ground`."""
    for _ in range(12):
        ink = colour(rng)
        if abs(lightness(ink) - lightness(ground)) > 85:
            return ink
    return (20, 20, 20) if lightness(ground) > 128 else (245, 245, 245)


def pattern(rng: Rng, width: int, height: int, first: Colour, second: Colour) -> Image:
    """Draw a background of two colours, (height, width, 3) uint8."""
    kind = PATTERNS[int(rng.integers(len(PATTERNS)))]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    step, angle = rng.uniform(8, 44), rng.uniform(0, math.pi)
    along = x * math.cos(angle) + y * math.sin(angle)
    if kind == "plain":
        mix = np.zeros_like(x)
    elif kind == "gradient":
        mix = (along - along.min()) / (np.ptp(along) + 1e-6)
    elif kind == "stripes":
        mix = ((along % step) < step * rng.uniform(0.2, 0.6)).astype(np.float32)
    elif kind == "dots":
        radius = step * rng.uniform(0.18, 0.4)
        mix = (((x % step) - step / 2) ** 2 + ((y % step) - step / 2) ** 2 < radius**2).astype(
            np.float32
        )
    elif kind == "checks":
        mix = ((x // step + y // step) % 2).astype(np.float32)
    elif kind == "waves":
        mix = (
            ((y + rng.uniform(3, 12) * np.sin(x / rng.uniform(6, 24))) % step) < step / 2
        ).astype(np.float32)
    elif kind == "rays":
        turn = np.arctan2(y - height * rng.uniform(0.2, 0.8), x - width * rng.uniform(0.2, 0.8))
        mix = (np.sin(turn * int(rng.integers(6, 24))) > 0).astype(np.float32)
    elif kind == "noise":
        small = rng.random((int(rng.integers(4, 20)), int(rng.integers(4, 20)))).astype(np.float32)
        mix = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    else:
        mix = (along > np.quantile(along, rng.uniform(0.3, 0.7))).astype(np.float32)
    blend = (
        np.array(first, np.float32) * (1 - mix[..., None])
        + np.array(second, np.float32) * mix[..., None]
    )
    return np.asarray(blend, np.uint8)
