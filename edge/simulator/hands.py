"""Draw hands that bring things, take them away, or only reach in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from catalog.synthetic.meshes import MATT, Finish, Surface, Texture, curve, decal, plain, swept
from catalog.synthetic.render import Cutout, View, render_surfaces

SKINS = (
    (150, 180, 226),
    (126, 158, 208),
    (100, 134, 190),
    (72, 104, 156),
    (48, 72, 112),
    (34, 50, 82),
)
SLEEVES = (
    (120, 70, 40),
    (50, 50, 54),
    (60, 60, 150),
    (200, 200, 204),
    (90, 110, 70),
    (140, 110, 150),
)
SKIN = Finish(0.1)
GRIP = (-0.08, 0.3)  # where the thing's side touches the palm; a palm is about 0.75 wide


@dataclass(frozen=True, eq=False)
class Hand:
    """A hand that points up, in two cutouts of the same scale.

    Attributes:
        behind: All but the thumb; it is drawn behind the thing that the hand holds.
        thumb: The thumb; it is drawn before the thing.
        thumb_at: The thumb's middle, (x, y) in pixels from the middle of `behind`.
        grip: Where the thing's side touches the palm, in the same way.
    """

    behind: Cutout
    thumb: Cutout
    thumb_at: tuple[float, float]
    grip: tuple[float, float]


def hand(random: Generator, size: int, light: View) -> Hand:
    """Draw a hand with its arm, `size` pixels long; of the view only the light is used."""
    skin = np.asarray(SKINS[int(random.integers(len(SKINS)))]) * random.uniform(0.92, 1.06)
    sleeve = SLEEVES[int(random.integers(len(SLEEVES)))] if random.random() < 0.7 else None
    spread = float(random.uniform(0.5, 1.4))
    tint = plain(np.clip(skin, 0, 255).astype(int).tolist())
    nail = plain(np.clip(skin * 0.8 + (44, 40, 52), 0, 255).astype(int).tolist())
    behind = [*_arm(tint, sleeve), *_fingers(tint, nail, spread)]
    thumb = [_thumb(tint, spread)]
    view = replace(light, yaw=0, pitch=0, roll=0, size=size)
    low, high = _bounds(behind)
    near, far = _bounds(thumb)
    scale = size / float((high - low).max())
    middle = (low + high) / 2
    across, up = ((near + far) / 2 - middle) * scale
    grip_x, grip_y = (np.asarray(GRIP) - middle) * scale
    part = replace(view, size=max(16, round(float((far - near).max()) * scale)))
    return Hand(
        render_surfaces(behind, view),
        render_surfaces(thumb, part),
        (float(across), -float(up)),
        (float(grip_x), -float(grip_y)),
    )


def _bounds(surfaces: Sequence[Surface]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    points = np.concatenate([surface.points.reshape(-1, 3)[:, :2] for surface in surfaces])
    return points.min(0), points.max(0)


def _fingers(tint: Texture, nail: Texture, spread: float) -> list[Surface]:
    pieces: list[Surface] = []
    for x, y, angle, length, thick in (
        (-0.27, 0.2, -10, 0.74, 0.088),
        (-0.09, 0.24, -2, 0.86, 0.094),
        (0.1, 0.24, 5, 0.8, 0.09),
        (0.26, 0.18, 13, 0.62, 0.077),
    ):
        a = np.radians(angle * spread)
        t = np.linspace(1, 0, 16)
        path = np.stack(
            [x + length * t * np.sin(a), y + length * t * np.cos(a), 0.02 + 0.1 * t**2], 1
        )
        knots = [0, 0.1, 0.35, 0.48, 0.6, 0.74, 0.9, 0.97, 1]
        half = np.interp(t, knots, [0.3, 1, 0.98, 1.08, 0.95, 1.02, 0.86, 0.6, 0.03])
        pieces.append(decal(swept(path, thick * half, tint, SKIN, 14)))
        tip = path[2] + np.array([0, 0, 0.8 * thick], np.float32)
        flat = [
            (0.01, 0.01),
            (0.55 * thick, 0.3 * thick),
            (0.55 * thick, 0.3 * thick),
            (0.01, 0.01),
        ]
        way = np.linspace(0.05, -0.06, 4)[:, None] * np.array([np.sin(a), np.cos(a), 0], np.float32)
        pieces.append(decal(swept(tip + way, flat, nail, Finish(0.4), 10)))
    return pieces


def _thumb(tint: Texture, spread: float) -> Surface:
    path = curve(
        [
            (-0.6 - 0.12 * spread, 0.3, 0.3),
            (-0.54, 0.06, 0.28),
            (-0.36, -0.2, 0.16),
            (-0.22, -0.36, 0.05),
        ],
        16,
    )
    half = np.interp(
        np.linspace(0, 1, 16),
        [0, 0.05, 0.16, 0.4, 0.55, 0.8, 1],
        [0.01, 0.06, 0.094, 0.1, 0.108, 0.12, 0.03],
    )
    return swept(path, half, tint, SKIN, 16)


def _arm(tint: Texture, sleeve: tuple[int, int, int] | None) -> list[Surface]:
    """Palm, wrist and forearm in one piece, with or without a sleeve."""
    y = np.linspace(0.46, -2.6, 40)
    wide = np.interp(
        -y, [-0.46, -0.42, -0.2, 0.2, 0.55, 0.9, 2.6], [0.1, 0.3, 0.37, 0.34, 0.22, 0.21, 0.34]
    )
    deep = np.interp(-y, [-0.46, -0.42, 0.1, 0.6, 2.6], [0.03, 0.1, 0.15, 0.16, 0.28])
    pieces = [swept(np.stack([0 * y, y, 0 * y], 1), np.stack([wide, deep], 1), tint, SKIN, 24, 2.4)]
    if sleeve is not None:
        y = np.linspace(-1.05, -2.7, 12)
        wide = 0.28 + 0.07 * np.sin(3 * y) ** 2 - 0.05 * (y + 1.05)
        cuff = np.stack([wide, wide], 1)
        pieces.append(swept(np.stack([0 * y, y, 0 * y], 1), cuff, plain(sleeve), MATT, 20))
    return pieces
