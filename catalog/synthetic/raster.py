"""Rasterize surfaces: find the face that each pixel shows, its texture, normal and finish."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.synthetic.meshes import Points, Surface, Texture

CREASE = np.cos(np.radians(38))  # degrees; faces that meet at a larger angle have a sharp edge
BLOCK = 16384  # pixels drawn at once
DISTANCE = 4.5  # from the eye to the thing's middle, in radii of the thing


@dataclass(frozen=True, eq=False)
class Mesh:
    """All faces of a thing, ready to be drawn.

    `corners` and `normals` are (faces, 4, 3); `places` (faces, 4, 2) are pixels of the
    `atlas`, which holds every surface's picture; `finish` (faces, 2) is gloss and metal.
    """

    corners: Points
    normals: Points
    places: Points
    finish: Points
    two_sided: NDArray[np.bool_]
    decal: NDArray[np.bool_]
    atlas: Texture


@dataclass(frozen=True, eq=False)
class Pixels:
    """A block of pixels that show something, in a picture of `shape` (height, width).

    `where` (count,) are their numbers, row by row; `colour` (count, 3) uint8 is BGR, `normal`
    (count, 3) and `finish` (count, 2) are float32.
    """

    shape: tuple[int, int]
    where: NDArray[np.intp]
    colour: Texture
    normal: Points
    finish: Points


def assemble(surfaces: Sequence[Surface]) -> Mesh:
    """Join surfaces into one mesh, centred on the origin and scaled to radius 1."""
    atlas, offsets = _atlas([surface.texture for surface in surfaces])
    corners, normals, places, sides, decals = [], [], [], [], []
    finish = []
    for surface, (left, top) in zip(surfaces, offsets, strict=True):
        height, width = surface.texture.shape[:2]
        place = _places(surface.points) * (width - 2, height - 2) + (left + 0.5, top + 0.5)
        face = _quads(surface.points)
        corners.append(face)
        normals.append(_normals(surface.points))
        places.append(_quads(place.astype(np.float32)))
        count = len(face)
        finish.append(
            np.tile(np.array([surface.finish.gloss, surface.finish.metal], np.float32), (count, 1))
        )
        sides.append(np.full(count, surface.two_sided))
        decals.append(np.full(count, surface.decal))
    points = np.concatenate(corners)
    low, high = points.min((0, 1)), points.max((0, 1))
    points = points - (low + high) / 2
    points /= np.linalg.norm(points, axis=-1).max()
    return Mesh(
        points.astype(np.float32),
        np.concatenate(normals),
        np.concatenate(places),
        np.concatenate(finish),
        np.concatenate(sides),
        np.concatenate(decals),
        atlas,
    )


def rasterize(mesh: Mesh, rotation: Points, size: int) -> Iterator[Pixels]:
    """Draw the rotated mesh in perspective; its longer side gets `size` pixels.

    The pixels come in blocks, small enough for a processor's cache.
    """
    turned = mesh.corners @ rotation.T
    flat = turned[..., :2] * (DISTANCE / (DISTANCE - turned[..., 2:])) * (1, -1)
    low, high = flat.min((0, 1)), flat.max((0, 1))
    scale = (size - 3) / float((high - low).max())
    flat = ((flat - low) * scale + 1).astype(np.float32)
    width, height = (int(side) for side in np.ceil((high - low) * scale) + 3)

    falling, rising = flat[:, 2] - flat[:, 0], flat[:, 3] - flat[:, 1]  # the diagonals
    facing = falling[:, 0] * rising[:, 1] - falling[:, 1] * rising[:, 0] > 0
    depth = np.linalg.norm(turned.mean(1) - (0, 0, DISTANCE), axis=1)
    shown = np.flatnonzero(facing | mesh.two_sided)
    shown = shown[np.lexsort((-depth[shown], mesh.decal[shown]))]

    numbers = np.zeros((height, width), np.float32)
    whole = np.round(flat * 16).astype(np.int32)
    for face in shown.tolist():
        cv2.fillConvexPoly(numbers, whole[face], face + 1, cv2.LINE_8, 4)

    normal = mesh.normals @ rotation.T
    normal[~facing] *= -1
    planes = _planes(flat, np.concatenate([mesh.places, normal], -1))
    everywhere = np.flatnonzero(numbers)
    for first in range(0, len(everywhere), BLOCK):
        where = everywhere[first : first + BLOCK]
        faces = numbers.ravel()[where].astype(np.intp) - 1
        y, x = (part.astype(np.float32)[:, None] for part in np.divmod(where, width))
        start, slope_x, slope_y = (np.take(part, faces, axis=0) for part in planes)
        values = np.asarray(start + slope_x * x + slope_y * y, np.float32)
        bent = values[:, 2:]
        bent /= np.sqrt(np.einsum("pc,pc->p", bent, bent) + 1e-6)[:, None]
        colour = _sampled(mesh.atlas, values[:, :2])
        yield Pixels((height, width), where, colour, bent, mesh.finish[faces])


def _planes(flat: Points, values: Points) -> Points:
    """Return how corner values (faces, 4, k) change over the picture: (3, faces, k).

    Each face gets the plane that fits its corners best: its value at the top left of the picture
    and its slopes to the right and down. A face that is seen edge on gets the mean.
    """
    middle = flat.mean(1)
    arm = flat - middle[:, None]
    mean = values.mean(1)
    xx, yy = (arm**2).sum(1).T + 0.5
    xy = (arm[..., 0] * arm[..., 1]).sum(1)
    both = np.einsum("fci,fck->fik", arm, values - mean[:, None])
    area = (xx * yy - xy * xy)[:, None]
    slope_x = (yy[:, None] * both[:, 0] - xy[:, None] * both[:, 1]) / area
    slope_y = (xx[:, None] * both[:, 1] - xy[:, None] * both[:, 0]) / area
    start = mean - middle[:, :1] * slope_x - middle[:, 1:] * slope_y
    return np.asarray([start, slope_x, slope_y], np.float32)


def _sampled(atlas: Texture, places: Points) -> Texture:
    """Return the atlas's colours, uint8 (count, 3), interpolated at places (count, 2)."""
    x, y = np.ascontiguousarray(places.T)[..., None]
    colour = np.asarray(cv2.remap(atlas, x, y, cv2.INTER_LINEAR), np.uint8)
    return colour.reshape(-1, 3)


def _atlas(textures: Sequence[Texture]) -> tuple[Texture, list[tuple[int, int]]]:
    """Stack pictures into one; return it with the (left, top) of each."""
    width = max(texture.shape[1] for texture in textures)
    height = sum(texture.shape[0] for texture in textures)
    atlas = np.zeros((height, width, 3), np.uint8)
    offsets, top = [], 0
    for texture in textures:
        rows, columns = texture.shape[:2]
        atlas[top : top + rows, :columns] = texture
        offsets.append((0, top))
        top += rows
    return atlas, offsets


def _places(points: Points) -> Points:
    """Return the place in its picture, by length along the grid, of each point of a grid."""

    def share(axis: int) -> Points:
        steps = np.linalg.norm(np.diff(points, axis=axis), axis=-1).mean(1 - axis)
        way = np.concatenate([[0], np.cumsum(steps)])
        return np.asarray(way / max(way[-1], 1e-9), np.float32)

    across, down = np.meshgrid(share(1), share(0))
    return np.stack([across, down], -1)


def _quads(grid: Points) -> Points:
    """Return the corners (faces, 4, k) of all cells of a grid, clockwise from the top left."""
    cells: Points = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], 2)
    return cells.reshape(-1, 4, grid.shape[-1])


def _normals(points: Points) -> Points:
    """Return the normals (faces, 4, 3) at each face's corners, smooth except over creases."""
    down = points[1:, 1:] - points[:-1, :-1]
    up = points[:-1, 1:] - points[1:, :-1]
    face = np.cross(down, up)
    face /= np.linalg.norm(face, axis=-1, keepdims=True) + 1e-9
    rows, columns = face.shape[:2]
    padded = np.pad(face, ((1, 1), (1, 1), (0, 0)), mode="edge")
    closed = np.abs(points[:, 0] - points[:, -1]).max() < 1e-4
    if closed:
        padded[1:-1, 0], padded[1:-1, -1] = face[:, -1], face[:, 0]
    result = np.empty((rows, columns, 4, 3), np.float32)
    for corner, (row, column) in enumerate([(0, 0), (0, 1), (1, 1), (1, 0)]):
        total = np.zeros_like(face)
        for i in (row, row + 1):
            for j in (column, column + 1):
                neighbour = padded[i : i + rows, j : j + columns]
                alike = (neighbour * face).sum(-1, keepdims=True) > CREASE
                total += neighbour * alike
        result[:, :, corner] = total
    result /= np.linalg.norm(result, axis=-1, keepdims=True) + 1e-9
    return result.reshape(-1, 4, 3)
