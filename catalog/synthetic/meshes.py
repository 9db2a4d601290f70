"""Make surfaces in space as grids of points: turned, swept, flat and puffed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float32]  # (..., 3): x to the right, y up, z towards the viewer
Texture = NDArray[np.uint8]  # (height, width, 3), BGR


@dataclass(frozen=True)
class Finish:
    """How a surface reflects light: `gloss` and `metal`, each from 0 to 1."""

    gloss: float = 0.2
    metal: float = 0.0


MATT = Finish(0.03)
PAPER = Finish(0.08)
SATIN = Finish(0.3)
GLOSSY = Finish(0.75)
STEEL = Finish(0.7, 0.9)


@dataclass(frozen=True, eq=False)
class Surface:
    """A grid of points (rows, columns, 3) that carries a picture.

    Seen from outside, columns run from left to right and rows from top to bottom, like those of
    the picture. A surface that is not `two_sided` is invisible from behind. A `decal` lies on
    another surface and is drawn after all surfaces that are none.
    """

    points: Points
    texture: Texture
    finish: Finish = Finish()
    two_sided: bool = False
    decal: bool = False


def plain(colour: Sequence[int]) -> Texture:
    """Return a picture of a single BGR colour, (4, 4, 3)."""
    return np.full((4, 4, 3), colour, np.uint8)


def curve(knots: ArrayLike, count: int) -> Points:
    """Return `count` points, float32 (count, d), on a smooth curve through the knots (n, d)."""
    points = np.asarray(knots, np.float64)
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    at = np.linspace(0, len(points) - 1, count)
    index = np.minimum(at.astype(int), len(points) - 2)
    t = (at - index)[:, None]
    a, b, c, d = (padded[index + shift] for shift in range(4))
    smooth = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return np.asarray(smooth, np.float32)


def turned(profile: ArrayLike, texture: Texture, finish: Finish, columns: int = 48) -> Surface:
    """Turn a profile of (radius, height), from top to bottom, about the upright axis.

    The picture's middle faces the viewer; its seam is behind.
    """
    radius, height = np.asarray(profile, np.float32).T
    angle = np.linspace(-np.pi, np.pi, columns + 1, dtype=np.float32)
    points = np.stack(
        [
            np.outer(radius, np.sin(angle)),
            np.repeat(height[:, None], columns + 1, 1),
            np.outer(radius, np.cos(angle)),
        ],
        axis=-1,
    )
    return Surface(points.astype(np.float32), texture, finish)


def swept(
    path: ArrayLike,
    radii: ArrayLike,
    texture: Texture,
    finish: Finish,
    columns: int = 20,
    squareness: float = 2.0,
) -> Surface:
    """Sweep a rounded section along a path (n, 3), best from top to bottom.

    `radii` is (n,) or (n, 2): half width and half thickness. The section is an ellipse at
    `squareness` 2 and nears a rectangle as it grows.
    """
    middle = np.asarray(path, np.float32)
    half = np.asarray(radii, np.float32)
    half = np.stack([half, half], 1) if half.ndim == 1 else half
    along = np.gradient(middle, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    front = np.array([0, 0, 1], np.float32) - along * along[:, 2:]
    front /= np.linalg.norm(front, axis=1, keepdims=True) + 1e-9
    across = np.cross(front, -along)  # rightwards, for a path that runs down
    across *= -1
    angle = np.linspace(-np.pi, np.pi, columns + 1, dtype=np.float32)
    x, z = (np.sign(f) * np.abs(f) ** (2 / squareness) for f in (np.sin(angle), np.cos(angle)))
    points = (
        middle[:, None]
        + across[:, None] * (half[:, :1] * x)[..., None]
        + front[:, None] * (half[:, 1:] * z)[..., None]
    )
    return Surface(points.astype(np.float32), texture, finish)


def panel(corners: ArrayLike, texture: Texture, finish: Finish, cells: int = 5) -> Surface:
    """A flat piece between four corners (4, 3): top left, top right, bottom right, bottom left."""
    a, b, c, d = np.asarray(corners, np.float32)
    t = np.linspace(0, 1, cells + 1, dtype=np.float32)
    x, y = t[None, :, None], t[:, None, None]
    points = (a * (1 - x) + b * x) * (1 - y) + (d * (1 - x) + c * x) * y
    return Surface(points.astype(np.float32), texture, finish)


def box(
    size: tuple[float, float, float],
    faces: Sequence[Texture],
    finish: Finish,
    centre: tuple[float, float, float] = (0, 0, 0),
) -> list[Surface]:
    """Make the faces of a box (width, height, depth): front, right, back, left, top, bottom."""
    x, y, z = (length / 2 for length in size)
    corner = {
        "front": [(-x, y, z), (x, y, z), (x, -y, z), (-x, -y, z)],
        "right": [(x, y, z), (x, y, -z), (x, -y, -z), (x, -y, z)],
        "back": [(x, y, -z), (-x, y, -z), (-x, -y, -z), (x, -y, -z)],
        "left": [(-x, y, -z), (-x, y, z), (-x, -y, z), (-x, -y, -z)],
        "top": [(-x, y, -z), (x, y, -z), (x, y, z), (-x, y, z)],
        "bottom": [(-x, -y, z), (x, -y, z), (x, -y, -z), (-x, -y, -z)],
    }
    middle = np.asarray(centre, np.float32)
    return [
        panel(np.asarray(corners, np.float32) + middle, face, finish)
        for corners, face in zip(corner.values(), faces, strict=True)
    ]


def pillow(
    width: float, height: float, depth: float, front: Texture, back: Texture, finish: Finish
) -> list[Surface]:
    """Make a filled bag of two sheets sealed along the edges, fullest below the middle."""
    u = np.linspace(-1, 1, 17, dtype=np.float32)[None, :]
    v = np.linspace(-1, 1, 21, dtype=np.float32)[:, None]  # -1 is the top
    fullness = np.clip(1 - np.abs(u) ** 3.2, 0, 1) ** 0.7 * np.clip(1 - np.abs(v) ** 3, 0, 1) ** 0.8
    z = depth / 2 * fullness * (1 + 0.25 * v)
    waist = 1 - 0.05 * fullness.max(1, keepdims=True)
    x = width / 2 * u * waist
    y = np.repeat(-height / 2 * v, u.size, 1)
    near = np.stack([x, y, z], -1).astype(np.float32)
    far = np.stack([x, y, -z], -1)[:, ::-1].astype(np.float32)
    return [Surface(near, front, finish), Surface(far, back, finish)]


def plate(
    outline: ArrayLike, thickness: float, texture: Texture, side: Texture, finish: Finish
) -> list[Surface]:
    """Make a slab with a star-shaped outline (n, 2), given clockwise from the top."""
    edge = np.asarray(outline, np.float32)
    edge = np.concatenate([edge, edge[:1]])
    middle = edge[:-1].mean(0)
    shrink = np.linspace(0.001, 1, 6, dtype=np.float32)[:, None, None]
    flat = middle + (edge - middle) * shrink
    depth = np.full((*flat.shape[:2], 1), thickness / 2, np.float32)
    front = np.concatenate([flat, depth], 2)[:, ::-1]
    back = np.concatenate([flat, -depth], 2)
    rim = np.stack([front[-1], back[-1, ::-1]])
    return [
        Surface(front, texture, finish),
        Surface(back, side, finish),
        Surface(rim, side, finish),
    ]


def moved(surface: Surface, matrix: ArrayLike, shift: ArrayLike = (0, 0, 0)) -> Surface:
    """Return the surface moved by `matrix` (3, 3), then by `shift` (3,)."""
    points = surface.points @ np.asarray(matrix, np.float32).T + np.asarray(shift, np.float32)
    return replace(surface, points=points.astype(np.float32))


def inside_out(surface: Surface) -> Surface:
    """Return the surface turned so that it is seen from its other side."""
    return replace(surface, points=np.ascontiguousarray(surface.points[:, ::-1]))


def decal(surface: Surface) -> Surface:
    """Return the surface as a decal, which lies on another surface."""
    return replace(surface, decal=True)


def rotation(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Points:
    """Return a matrix (3, 3) that turns about the upright axis, tips towards the viewer and rolls.

    Angles are in degrees. A positive yaw shows more of the thing's left side, a positive roll is
    counterclockwise in the picture.
    """
    a, b, c = np.radians([yaw, pitch, roll])
    turn = [[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]]
    tip = [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    spin = [[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]]
    return (np.array(spin) @ np.array(tip) @ np.array(turn)).astype(np.float32)
