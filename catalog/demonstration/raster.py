"""From surfaces to pixels: which face each pixel shows, and its texture, normal and finish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.demonstration.meshes import Points, Surface, Texture

CREASE = np.cos(np.radians(38))  # faces that meet at more than this keep a sharp edge
DISTANCE = 4.5  # from the eye to the thing's middle, in radii of the thing


@dataclass(frozen=True, eq=False)
class Mesh:
    """All faces of a thing, ready to be drawn.

    `corners` and `normals` are (faces, 4, 3); `places` (faces, 4, 2) are pixels of the
    `atlas`, which holds every surface's picture; `finish` (faces + 1, 2) is gloss and metal.
    """

    corners: Points
    normals: Points
    places: Points
    finish: Points
    two_sided: NDArray[np.bool_]
    atlas: Texture


@dataclass(frozen=True, eq=False)
class Pixels:
    """What each pixel shows: BGR colour (h, w, 3) uint8, normal (h, w, 3) and finish (h, w, 2)
    float32, and whether it shows anything (h, w) uint8, 0 or 255."""

    colour: Texture
    normal: Points
    finish: Points
    mask: NDArray[np.uint8]


def assemble(surfaces: Sequence[Surface]) -> Mesh:
    """Join surfaces into one mesh, centred on the origin and scaled to radius 1."""
    atlas, offsets = _atlas([surface.texture for surface in surfaces])
    corners, normals, places, finish, sides = [], [], [], [np.zeros((1, 2), np.float32)], []
    for surface, (left, top) in zip(surfaces, offsets, strict=True):
        height, width = surface.texture.shape[:2]
        place = _places(surface.points) * (width - 2, height - 2) + (left + 0.5, top + 0.5)
        face = _quads(surface.points)
        corners.append(face)
        normals.append(_normals(surface.points))
        places.append(_quads(place.astype(np.float32)))
        count = len(face)
        finish.append(np.tile(np.float32([surface.finish.gloss, surface.finish.metal]), (count, 1)))
        sides.append(np.full(count, surface.two_sided))
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
        atlas,
    )


def rasterize(mesh: Mesh, rotation: Points, size: int) -> Pixels:
    """Draw the rotated mesh in perspective; its longer side gets `size` pixels."""
    turned = mesh.corners @ rotation.T
    flat = turned[..., :2] * (DISTANCE / (DISTANCE - turned[..., 2:])) * (1, -1)
    low, high = flat.min((0, 1)), flat.max((0, 1))
    scale = (size - 3) / float((high - low).max())
    flat = ((flat - low) * scale + 1).astype(np.float32)
    width, height = (int(side) for side in np.ceil((high - low) * scale) + 3)

    diagonal, other = flat[:, 2] - flat[:, 0], flat[:, 3] - flat[:, 1]
    facing = diagonal[:, 0] * other[:, 1] - diagonal[:, 1] * other[:, 0] > 0
    depth = np.linalg.norm(turned.mean(1) - (0, 0, DISTANCE), axis=1)
    shown = np.flatnonzero(facing | mesh.two_sided)
    shown = shown[np.argsort(-depth[shown], kind="stable")]

    numbers = np.zeros((height, width), np.float32)
    whole = np.round(flat * 16).astype(np.int32)
    for face in shown.tolist():
        cv2.fillConvexPoly(numbers, whole[face], face + 1, cv2.LINE_8, 4)
    ids = numbers.astype(np.int32)

    normal = mesh.normals @ rotation.T
    normal[~facing] *= -1
    values = _across(flat, np.concatenate([mesh.places, normal], -1), ids)
    colour = cv2.remap(mesh.atlas, values[..., :2].copy(), None, cv2.INTER_LINEAR)
    bent = values[..., 2:]
    bent /= np.sqrt(np.einsum("hwc,hwc->hw", bent, bent) + 1e-6)[..., None]
    mask = (ids > 0).astype(np.uint8) * 255
    return Pixels(np.asarray(colour, np.uint8), bent, mesh.finish[ids], mask)


def _across(flat: Points, values: Points, ids: NDArray[np.int32]) -> Points:
    """Spread corner values (faces, 4, k) over the pixels (h, w, k) of their faces.

    Each face gets the plane that fits its corners best; a face seen edge on gets the mean.
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
    planes = np.zeros((3, len(flat) + 1, values.shape[-1]), np.float32)
    planes[:, 1:] = start, slope_x, slope_y
    x = np.arange(ids.shape[1], dtype=np.float32)[None, :, None]
    y = np.arange(ids.shape[0], dtype=np.float32)[:, None, None]
    result = np.take(planes[1], ids, axis=0)
    result *= x
    part = np.take(planes[2], ids, axis=0)
    part *= y
    result += part
    result += np.take(planes[0], ids, axis=0)
    return result


def _atlas(textures: Sequence[Texture]) -> tuple[Texture, list[tuple[int, int]]]:
    """Stack pictures into one, with the (left, top) of each."""
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
    """Where in its picture each point of a grid lies, (rows, columns, 2), by length of way."""

    def share(axis: int) -> Points:
        steps = np.linalg.norm(np.diff(points, axis=axis), axis=-1).mean(1 - axis)
        way = np.concatenate([[0], np.cumsum(steps)])
        return np.asarray(way / max(way[-1], 1e-9), np.float32)

    across, down = np.meshgrid(share(1), share(0))
    return np.stack([across, down], -1)


def _quads(grid: Points) -> Points:
    """Corners (faces, 4, k) of all cells of a grid, clockwise from the top left."""
    cells = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], 2)
    return cells.reshape(-1, 4, grid.shape[-1])


def _normals(points: Points) -> Points:
    """Normals (faces, 4, 3) at each face's corners, smooth except over creases."""
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
