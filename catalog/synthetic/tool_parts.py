"""Make the parts of tools: handles, bars, arcs and plaques."""

from __future__ import annotations

import numpy as np

from catalog.synthetic.drawing import Drawing, bgr
from catalog.synthetic.meshes import Finish, Points, Surface, Texture, decal, plain, swept


def tints(drawing: Drawing) -> list[Texture]:
    """Return a plain texture for each of the drawing's colours."""
    return [plain(bgr(colour)) for colour in drawing.colours]


def grained(colour: str) -> Texture:
    """Return the texture of wood (64, 64, 3), with fine lines along the sweep."""
    random = np.random.default_rng(3)
    lines = 1 + 0.09 * random.standard_normal(64) + 0.05 * np.sin(np.arange(64) / 3)
    picture = np.asarray(bgr(colour)) * lines[None, :, None] * np.ones((64, 1, 1))
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def bar(
    top: float,
    foot: float,
    half: list[tuple[float, float]],
    texture: Texture,
    finish: Finish,
    squareness: float = 2.0,
    x: float = 0.0,
) -> Surface:
    """Make an upright bar, closed at its ends, with the (half width, half depth) in `half`."""
    at = np.linspace(0, len(half) - 1, 14)
    width, depth = (np.interp(at, np.arange(len(half)), side) for side in zip(*half, strict=True))
    knots = [(0.001, 0.001), *np.stack([width, depth], 1), (0.001, 0.001)]
    heights = [top, *np.linspace(top - 0.01, foot + 0.01, 14), foot]
    return swept([(x, height, 0.0) for height in heights], knots, texture, finish, 24, squareness)


def stuck(surfaces: list[Surface]) -> list[Surface]:
    """Return surfaces that lie on others, without their backs."""
    return [decal(surface) for surface in surfaces if surface.points[..., 2].max() > 0]


def arc(x: float, y: float, radius: float, start: float, end: float, count: int = 16) -> Points:
    """Return points of an arc in the picture's plane; degrees from the right, counterclockwise."""
    a = np.radians(np.linspace(start, end, count))
    return np.stack(
        [x + radius * np.cos(a), y + radius * np.sin(a), 0 * a],
        1,
        dtype=np.float32,
        casting="same_kind",
    )
