"""Render a thing as a camera sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.synthetic.drawing import Drawing, DrawnItem
from catalog.synthetic.meshes import Surface, Texture, rotation
from catalog.synthetic.raster import Mesh, Pixels, assemble, rasterize
from catalog.synthetic.shapes import FROM_ABOVE, surfaces

Cutout = NDArray[np.uint8]  # (height, width, 4), BGRA


@dataclass(frozen=True)
class View:
    """The camera's view of a thing and the light on it; angles in degrees.

    A positive `yaw` shows more of the thing's left side, a positive `pitch` more of its
    top, a positive `roll` turns it counterclockwise. The light comes from `azimuth` (0 is
    the viewer, positive is the right) and `elevation`; `strength` 1 is a well-lit shop and
    `warmth` shifts the light from bluish (-1) to reddish (1). `size` is the picture's
    longer side in pixels.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    azimuth: float = -35.0
    elevation: float = 45.0
    strength: float = 1.0
    warmth: float = 0.0
    size: int = 320


def render(item: DrawnItem | Drawing, view: View = View()) -> Cutout:
    """Render a thing as uint8 BGRA (height, width, 4), cropped; alpha is not premultiplied."""
    drawing = item if isinstance(item, Drawing) else item.drawing
    return _draw(_mesh(drawing), FROM_ABOVE.get(drawing.shape, FROM_ABOVE[""]), view)


def render_surfaces(parts: Sequence[Surface], view: View = View()) -> Cutout:
    """Render surfaces that are in no catalogue; see `render`."""
    return _draw(assemble(parts), 0.0, view)


@lru_cache(maxsize=4)  # up to 4 MB each
def _mesh(drawing: Drawing) -> Mesh:
    return assemble(surfaces(drawing))


def _draw(mesh: Mesh, from_above: float, view: View) -> Cutout:
    times = 2 if view.size >= 200 else 3
    turn = rotation(view.yaw, view.pitch + from_above, view.roll)
    lit = [(pixels, _lit(pixels, view)) for pixels in rasterize(mesh, turn, view.size * times)]
    return _shrunk(lit, times)


def _lit(pixels: Pixels, view: View) -> Texture:
    """Return the colours of pixels in the light, uint8 BGR (count, 3)."""
    azimuth, elevation = np.radians([view.azimuth, view.elevation])
    light = np.array(
        [
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation),
            np.cos(azimuth) * np.cos(elevation),
        ],
        np.float32,
    )
    half = light + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    normal = pixels.normal
    x, y = normal[:, 0], normal[:, 1]
    gloss, metal = pixels.finish[:, 0], pixels.finish[:, 1]

    direct = np.maximum((normal @ light + 0.25) / 1.25, 0)
    brightness = 0.56 + 0.1 * y + 0.56 * direct
    polished = np.flatnonzero(metal)  # it mirrors a room that is light above and dark at the sides
    sky = 0.5 + 0.55 * np.sin(4.6 * x[polished] - 2.2 * y[polished] + 0.9) + 0.3 * y[polished]
    brightness[polished] += metal[polished] * (0.35 + 0.75 * sky - brightness[polished])

    shine = np.maximum(normal @ half, 0) ** 2
    shine = np.square(np.square(np.square(np.square(shine))))
    strip = np.maximum(1 - np.square((x - 0.62 * np.sign(light[0])) / 0.11), 0)
    strip *= np.maximum(1 - np.square(y * 1.6), 0)  # a tall soft lamp beside the thing
    shine = gloss * (0.55 * shine + 0.42 * strip)

    lamp = (
        np.array([1 - 0.14 * view.warmth, 1.0, 1 + 0.1 * view.warmth], np.float32) * view.strength
    )
    colour = pixels.colour * brightness[:, None]
    colour += (250 - np.minimum(colour, 250)) * shine[:, None]
    return np.asarray(np.clip(colour * lamp, 0, 255), np.uint8)


def _shrunk(lit: Sequence[tuple[Pixels, Texture]], times: int) -> Cutout:
    """Average squares of `times` x `times` pixels, and crop the result."""
    rows, columns = lit[0][0].shape
    full = np.zeros((-(-rows // times) * times, -(-columns // times) * times, 4), np.uint8)
    flat = full.reshape(-1, 4)
    for pixels, colour in lit:
        row, column = np.divmod(pixels.where, columns)
        at = row * full.shape[1] + column
        flat[at, :3] = colour
        flat[at, 3] = 255
    size = (full.shape[1] // times, full.shape[0] // times)
    picture = cv2.resize(full, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    alpha = picture[..., 3]
    picture[..., :3] *= (255 / np.maximum(alpha, 1))[..., None]
    down, across = np.flatnonzero(alpha.max(1) > 8), np.flatnonzero(alpha.max(0) > 8)
    picture = picture[down[0] : down[-1] + 1, across[0] : across[-1] + 1]
    return np.asarray(np.clip(picture + 0.5, 0, 255), np.uint8)
