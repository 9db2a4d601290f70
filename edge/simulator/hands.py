"""Hands that bring things, take them away, or just reach in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from catalog.demonstration.meshes import MATT, Finish, Surface, curve, plain, swept
from catalog.demonstration.render import View, render_surfaces

Cutout = NDArray[np.uint8]  # (height, width, 4), BGRA

SKINS = ((150, 180, 226), (126, 158, 208), (100, 134, 190), (72, 104, 156), (48, 72, 112), (34, 50, 82))
SLEEVES = ((120, 70, 40), (50, 50, 54), (60, 60, 150), (200, 200, 204), (90, 110, 70), (140, 110, 150))
SKIN = Finish(0.12)


@dataclass(frozen=True, eq=False)
class Hand:
    """A hand that points up: what lies behind a held thing, and the thumb before it.

    Both are BGRA cutouts of the same scale; `grip` is the (x, y) pixel of `whole` at which
    a held thing's side touches it.
    """

    whole: Cutout
    thumb: Cutout
    grip: tuple[int, int]


def hand(random: Generator, size: int, view: View = View()) -> Hand:
    """A hand and forearm; `size` is its length in pixels, the view gives the light."""
    skin = np.asarray(SKINS[int(random.integers(len(SKINS)))], np.float64)
    skin = skin * random.uniform(0.92, 1.06)
    sleeve = SLEEVES[int(random.integers(len(SLEEVES)))] if random.random() < 0.7 else None
    light = View(
        yaw=float(random.uniform(-15, 15)), pitch=float(random.uniform(-10, 15)), size=size,
        azimuth=view.azimuth, elevation=view.elevation, strength=view.strength, warmth=view.warmth,
    )  # fmt: skip
    spread = float(random.uniform(0.6, 1.3))
    thumb = _thumb(skin, spread)
    whole = render_surfaces([*_palm(skin, spread), *_arm(skin, sleeve), thumb], light)
    scale = size / 2.6
    alone = View(yaw=light.yaw, pitch=light.pitch, size=max(24, round(0.62 * scale)),
                 azimuth=view.azimuth, elevation=view.elevation, strength=view.strength,
                 warmth=view.warmth)  # fmt: skip
    return Hand(whole, render_surfaces([thumb], alone), (whole.shape[1] // 2, whole.shape[0] // 5))


def _finger(base: tuple[float, float], angle: float, length: float, thick: float,
            bend: float, skin: NDArray[np.float64]) -> Surface:  # fmt: skip
    """A finger from its base upwards, `angle` degrees from upright, bent towards the viewer."""
    a = np.radians(angle)
    t = np.linspace(1, 0, 12)
    far = length * t
    path = np.stack([base[0] + far * np.sin(a), base[1] + far * np.cos(a), bend * t**2], 1)
    half = thick * np.interp(t, [0, 0.3, 0.55, 0.85, 0.96, 1], [1.1, 0.98, 1.0, 0.84, 0.55, 0.02])
    return swept(path, half, plain(np.clip(skin, 0, 255).astype(int).tolist()), SKIN, 14)


def _palm(skin: NDArray[np.float64], spread: float) -> list[Surface]:
    tint = plain(np.clip(skin, 0, 255).astype(int).tolist())
    t = np.linspace(0, 1, 10)
    path = np.stack([0 * t, 0.42 - 0.95 * t, 0 * t], 1)
    wide = np.interp(t, [0, 0.06, 0.3, 0.7, 1], [0.05, 0.33, 0.38, 0.32, 0.2])
    deep = np.interp(t, [0, 0.06, 0.4, 1], [0.03, 0.11, 0.15, 0.14])
    fingers = [
        _finger((-0.27, 0.36), -9 * spread, 0.62, 0.088, 0.12, skin),
        _finger((-0.09, 0.4), -2 * spread, 0.72, 0.092, 0.1, skin),
        _finger((0.1, 0.39), 5 * spread, 0.66, 0.09, 0.12, skin),
        _finger((0.27, 0.33), 13 * spread, 0.5, 0.078, 0.15, skin),
    ]
    return [swept(path, np.stack([wide, deep], 1), tint, SKIN, 24, 2.6), *fingers]


def _thumb(skin: NDArray[np.float64], spread: float) -> Surface:
    path = curve([(-0.64 - 0.1 * spread, 0.22, 0.24), (-0.52, 0.0, 0.22), (-0.3, -0.26, 0.1)], 12)
    t = np.linspace(0, 1, 12)
    half = np.interp(t, [0, 0.06, 0.2, 0.6, 1], [0.02, 0.07, 0.1, 0.105, 0.14])
    return swept(path, half, plain(np.clip(skin, 0, 255).astype(int).tolist()), SKIN, 14)


def _arm(skin: NDArray[np.float64], sleeve: tuple[int, int, int] | None) -> list[Surface]:
    tint = plain(np.clip(skin, 0, 255).astype(int).tolist())
    t = np.linspace(0, 1, 8)
    path = np.stack([0.03 * t, -0.4 - 1.15 * t, 0 * t], 1)
    half = np.stack([0.2 + 0.09 * t, 0.15 + 0.09 * t], 1)
    pieces = [swept(path, half, tint, SKIN, 20)]
    if sleeve is not None:
        cuff = np.stack([0.03 + 0 * t, -0.85 - 0.72 * t, 0 * t], 1)
        pieces.append(swept(cuff, half * 1.22 + 0.02, plain(sleeve), MATT, 20))
    return pieces
