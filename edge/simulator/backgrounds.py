"""Counters and tables to show things on: wood, stone, steel and cloth, all drawn."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.sighting import Image

Field = NDArray[np.float32]  # (height, width) or (height, width, 3)

WOODS = ((96, 140, 184), (60, 96, 142), (44, 62, 92), (140, 180, 210), (78, 118, 176))
STONES = ((150, 154, 158), (196, 200, 202), (96, 98, 104), (168, 178, 190), (120, 128, 122))
CLOTHS = ((150, 90, 60), (70, 110, 80), (180, 180, 190), (60, 60, 130), (120, 150, 190))


def background(seed: int, size: tuple[int, int] = (640, 480)) -> Image:
    """Draw an empty counter, uint8 BGR (h, w, 3), from a seed; `size` is (width, height)."""
    random = np.random.default_rng([seed, 11])
    width, height = size
    draw = SURFACES[int(random.integers(len(SURFACES)))]
    picture = draw(random, width, height)
    picture = _clutter(random, picture)
    return np.asarray(np.clip(_lighting(random, width, height) * picture, 0, 255), np.uint8)


def noise(random: Generator, width: int, height: int, across: float, down: float) -> Field:
    """Smooth noise of mean 0 and deviation about 1; its blotches are `across` x `down` pixels."""
    coarse = random.standard_normal(
        (max(2, int(height / down) + 2), max(2, int(width / across) + 2))
    )
    fine = cv2.resize(coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(fine, np.float32)


def wood(random: Generator, width: int, height: int) -> Field:
    """Planks with grain along them."""
    base = np.asarray(WOODS[int(random.integers(len(WOODS)))])
    wave = noise(random, width, height, width / 2, height / 5) * 14
    y = np.arange(height, dtype=np.float32)[:, None] + wave
    rings = np.sin(y * random.uniform(0.12, 0.3) + 2 * noise(random, width, height, 260, 30))
    fibre = noise(random, width, height, 90, 1.6)
    value = 1 + 0.05 * rings + 0.045 * fibre + 0.05 * noise(random, width, height, 240, 60)
    plank = int(random.integers(height // 5, height // 2))
    for top in range(int(random.integers(plank)), height, plank):
        value[top:] *= random.uniform(0.94, 1.06)
        value[top : top + 2] *= 0.72
    return np.asarray(value[..., None] * base, np.float32)


def stone(random: Generator, width: int, height: int) -> Field:
    """A speckled slab with veins."""
    base = np.asarray(STONES[int(random.integers(len(STONES)))])
    value = (
        1 + 0.05 * noise(random, width, height, 80, 80) + 0.03 * noise(random, width, height, 9, 9)
    )
    value += random.uniform(0.02, 0.07) * noise(random, width, height, 2, 2)
    vein = np.abs(
        noise(random, width, height, 150, 110) + 0.3 * noise(random, width, height, 40, 40)
    )
    value += random.uniform(-0.15, 0.12) * np.exp(-np.square(vein / 0.05))
    return np.asarray(value[..., None] * base, np.float32)


def steel(random: Generator, width: int, height: int) -> Field:
    """Brushed metal with soft reflections."""
    brushed = noise(random, width, height, 160, 1.2)
    sheen = noise(random, width, height, width, height / 3)
    value = 1 + 0.03 * brushed + 0.08 * sheen
    return np.asarray(value[..., None] * np.array([176, 172, 168], np.float32), np.float32)


def cloth(random: Generator, width: int, height: int) -> Field:
    """A woven cloth, plain or checked."""
    base = np.asarray(CLOTHS[int(random.integers(len(CLOTHS)))])
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    weave = 0.035 * np.sin(x * 2.1) * np.sin(y * 2.1) + 0.03 * noise(random, width, height, 2, 2)
    folds = 0.06 * noise(random, width, height, 200, 260)
    picture = (1 + weave + folds)[..., None] * base
    if random.random() < 0.6:
        other = np.array([225, 228, 230], np.float32)
        cell = int(random.integers(36, 80))
        share = 0.28 * ((x // cell % 2) + (y // cell % 2))
        picture = (
            picture * (1 - share[..., None])
            + (1 + weave + folds)[..., None] * other * share[..., None]
        )
    return np.asarray(picture, np.float32)


SURFACES: tuple[Callable[[Generator, int, int], Field], ...] = (wood, stone, steel, cloth)


def _lighting(random: Generator, width: int, height: int) -> Field:
    """A lamp's pool of light and its colour, (height, width, 3)."""
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    at_x, at_y = random.uniform(-0.7, 0.7), random.uniform(-0.9, 0.3)
    light = 1.1 - random.uniform(0.08, 0.2) * ((x - at_x) ** 2 + (y - at_y) ** 2)
    warmth = random.uniform(-0.05, 0.05)
    return np.asarray(
        light[..., None] * np.array([1 - warmth, 1, 1 + warmth], np.float32), np.float32
    )


def _clutter(random: Generator, picture: Field) -> Field:
    """Draw up to two sheets of paper, mats or pens at the counter's border."""
    height, width = picture.shape[:2]
    for _ in range(int(random.integers(0, 3))):
        long, short = random.uniform(0.2, 0.45) * width, random.uniform(0.02, 0.25) * height
        side = int(random.integers(3))
        x = (0.0, width, random.uniform(0, width))[side]
        y = (random.uniform(0, height), random.uniform(0, height), 0.0)[side]
        corners = cv2.boxPoints(((x, y), (long, short), random.uniform(0, 180))).astype(np.int32)
        drawn = np.zeros((height, width), np.uint8)
        cv2.fillConvexPoly(drawn, corners, (255,), cv2.LINE_AA)
        mask = drawn / np.float32(255)
        shadow = cv2.GaussianBlur(np.roll(mask, (5, 3), (0, 1)), (0, 0), 5)
        colour = np.asarray(random.uniform(60, 235, 3)) * 0.4 + random.uniform(40, 140)
        share = mask[..., None]
        shaded = picture * (1 - 0.35 * shadow * (1 - mask))[..., None]
        picture = np.asarray(shaded * (1 - share) + colour * share, np.float32)
    return picture
