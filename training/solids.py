"""Draw a product turned, tilted and lit, as a layer with transparency."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from training.colours import Rng
from training.data import Image, resized
from training.things import Box, Flat, Round, Thing

CANVAS = 256
REACH = 78.0
"""Half of the size in canvas pixels that a product of unit size gets."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pose:
    """How a product is turned: yaw and pitch in radians, roll in degrees, scale."""

    yaw: float
    pitch: float
    roll: float
    scale: float


def studio_pose(rng: Rng) -> Pose:
    """A catalogue photo's pose."""
    yaw, pitch = math.radians(rng.uniform(-38, 38)), math.radians(rng.uniform(-8, 18))
    return Pose(yaw, pitch, rng.uniform(-4, 4), rng.uniform(0.85, 1.1))


def camera_pose(rng: Rng) -> Pose:
    """A kiosk photo's pose."""
    yaw, pitch = math.radians(rng.uniform(-38, 38)), math.radians(rng.uniform(-12, 30))
    return Pose(yaw, pitch, rng.uniform(-18, 18), rng.uniform(0.5, 1.15))


def turned(points: Floats, pose: Pose) -> Floats:
    """Project points (n, 3) onto the canvas after yaw and pitch: (n, 2) float32."""
    cy, sy = math.cos(pose.yaw), math.sin(pose.yaw)
    cp, sp = math.cos(pose.pitch), math.sin(pose.pitch)
    x = points[:, 0] * cy + points[:, 2] * sy
    z = -points[:, 0] * sy + points[:, 2] * cy
    y, z = points[:, 1] * cp + z * sp, -points[:, 1] * sp + z * cp
    near = 5.0 / (5.0 - z)
    spots = np.stack([x * near, y * near], 1) * REACH * pose.scale + CANVAS / 2
    return np.asarray(spots, np.float32)


def put(canvas: Image, picture: Image, corners: Floats, light: float) -> None:
    """Warp a face (h, w, 3 or 4) onto the RGBA canvas; corners (4, 2) clockwise from left top."""
    height, width = picture.shape[:2]
    if picture.shape[2] == 3:
        picture = np.dstack([picture, np.full((height, width), 255, np.uint8)])
    edges = np.linalg.norm(corners[[1, 3]] - corners[0], axis=1)
    shrink = max(height, width) / max(1.0, float(edges.max()))
    if shrink > 1.6:
        picture = resized(picture, max(2, round(width / shrink)), max(2, round(height / shrink)))
        height, width = picture.shape[:2]
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
    warped = cv2.warpPerspective(
        picture,
        cv2.getPerspectiveTransform(source, corners),
        (CANVAS, CANVAS),
        flags=cv2.INTER_LINEAR,
    )
    seen = warped[..., 3] > 127
    lit = (warped[..., :3].astype(np.float32) * light).clip(0, 255).astype(np.uint8)
    canvas[..., :3][seen] = lit[seen]
    canvas[..., 3] = np.maximum(canvas[..., 3], warped[..., 3])


def box_layer(thing: Box, pose: Pose, sun: Sequence[float]) -> Image:
    """A carton as (CANVAS, CANVAS, 4) uint8."""
    canvas = np.zeros((CANVAS, CANVAS, 4), np.uint8)
    w, h, d = thing.sides
    corner = {(i, j, k): (i * w, j * h, k * d) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)}
    faces = (
        (thing.side, ((1, -1, 1), (1, -1, -1), (1, 1, -1), (1, 1, 1)), sun[1]),
        (thing.side, ((-1, -1, -1), (-1, -1, 1), (-1, 1, 1), (-1, 1, -1)), sun[2]),
        (thing.top, ((-1, -1, -1), (1, -1, -1), (1, -1, 1), (-1, -1, 1)), sun[3]),
        (thing.front, ((-1, -1, 1), (1, -1, 1), (1, 1, 1), (-1, 1, 1)), sun[0]),
    )
    for picture, names, light in faces:
        spots = turned(np.array([corner[n] for n in names], np.float32), pose)
        first, second = spots[1] - spots[0], spots[3] - spots[0]
        if first[0] * second[1] - first[1] * second[0] > 4:
            put(canvas, picture, spots, light)
    return canvas


def flat_layer(thing: Flat, pose: Pose, sun: Sequence[float]) -> Image:
    """A flat thing as (CANVAS, CANVAS, 4) uint8."""
    canvas = np.zeros((CANVAS, CANVAS, 4), np.uint8)
    height, width = thing.layer.shape[:2]
    w, h = width / max(height, width), height / max(height, width)
    corners = np.array([(-w, -h, 0), (w, -h, 0), (w, h, 0), (-w, h, 0)], np.float32)
    put(canvas, thing.layer, turned(corners, pose), sun[0])
    return canvas


def round_layer(thing: Round, pose: Pose, sun: Sequence[float]) -> Image:
    """A body of revolution as (CANVAS, CANVAS, 4) uint8; the texture's middle faces forward."""
    rows, columns = thing.texture.shape[:2]
    tall = min(1.0, 1.0 / thing.aspect) * REACH * pose.scale * 2
    wide = tall * thing.aspect / 2
    bulge = math.sin(pose.pitch)
    y, x = np.mgrid[0:CANVAS, 0:CANVAS].astype(np.float32)
    x, y = (x - CANVAS / 2) / wide, y - (CANVAS - tall * math.cos(pose.pitch)) / 2
    height = tall * math.cos(pose.pitch)
    guess = (y / height).clip(0, 1)
    for _ in range(2):
        radius = thing.profile[(guess * (rows - 1)).astype(np.int32)]
        cosine = np.sqrt((1 - (x / radius) ** 2).clip(0))
        down = y - bulge * wide * radius * cosine
        guess = (down / height).clip(0, 1)
    angle = np.arcsin((x / radius).clip(-1, 1)) - pose.yaw
    across = (angle / (2 * math.pi) + 0.5) % 1.0 * (columns - 1)
    shrink = max(1, round(rows / max(height, 1)))
    texture = cv2.blur(thing.texture, (shrink, shrink)) if shrink > 1 else thing.texture
    colours = cv2.remap(
        texture, across.astype(np.float32), guess * (rows - 1), cv2.INTER_LINEAR
    ).astype(np.float32)
    slope = np.sin(np.arcsin((x / radius).clip(-1, 1)) - sun[4])
    shade = sun[0] * (0.62 + 0.38 * np.sqrt((1 - slope**2).clip(0)))
    shine = sun[5] * np.exp(-((x / radius - sun[6]) ** 2) / 0.008)
    body = colours * shade[..., None] + shine[..., None]
    inside = (np.abs(x) <= radius) & (down >= 0) & (down <= height)
    picture = np.where(inside[..., None], body, 0)
    if bulge > 0.02:
        lid = (x / thing.profile[0]) ** 2 + (y / (bulge * wide * thing.profile[0])) ** 2 <= 1
        picture[lid] = np.array(thing.lid, np.float32) * sun[3]
        inside |= lid
    alpha = cv2.GaussianBlur(inside.astype(np.uint8) * 255, (3, 3), 0)
    return np.dstack([picture.clip(0, 255).astype(np.uint8), alpha])


def layer(thing: Thing, pose: Pose, rng: Rng, *, soft: bool) -> Image:
    """Draw a product alone, as (CANVAS, CANVAS, 4) uint8; `soft` light is nearly even."""
    spread = 0.12 if soft else 0.35
    sun = [
        1.0,
        *(1 - rng.uniform(0, spread + 0.15, 3)),
        rng.uniform(-0.6, 0.6),
        rng.uniform(0, 30 if soft else 110),
        rng.uniform(-0.7, 0.7),
    ]
    if isinstance(thing, Box):
        flat = box_layer(thing, pose, sun)
    elif isinstance(thing, Round):
        flat = round_layer(thing, pose, sun)
    else:
        flat = flat_layer(thing, pose, sun)
    roll = cv2.getRotationMatrix2D((CANVAS / 2, CANVAS / 2), pose.roll, 1.0)
    return np.asarray(
        cv2.warpAffine(flat, roll, (CANVAS, CANVAS), flags=cv2.INTER_LINEAR), np.uint8
    )
