"""Light that changes over a part of the counter: clouds, lamps, people, and arms above it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.simulator.acts import Act
from edge.simulator.compose import Placed

COMING, GOING = 0.6, 0.4  # seconds in which a cloud or lamp comes, and goes
COOL = np.array([1.05, 1.0, 0.95], np.float32)  # what a cloud leaves is the sky's blue light

Shade = NDArray[np.float32]  # (height, width, 1) or (height, width, 3); factors of the light


def person_shade(act: Act, passed: float, size: tuple[int, int]) -> tuple[Shade | None, bool]:
    """The shadow of somebody who steps near and stays until the end; and whether it moves."""
    if passed < 0 or passed >= act.end:
        return None, False
    random = np.random.default_rng([act.seed, 4])
    width, height = size
    near = float(np.clip(passed / 0.5, 0, 1)) * float(np.clip((act.end - passed) / 0.3, 0, 1))
    side = -1 if random.random() < 0.5 else 1
    at = width / 2 + side * width * (1.3 - near * random.uniform(0.7, 1.0))
    dark = np.zeros((height // 4, width // 4), np.float32)
    axes = (round(width * random.uniform(0.08, 0.11)), round(height * 0.3))
    cv2.ellipse(dark, (round(at / 4), height // 8), axes, 10, 0, 360, (1.0,), -1)
    soft = cv2.GaussianBlur(dark, (0, 0), float(random.uniform(4, 8)))
    shade = 1 - random.uniform(0.2, 0.4) * cv2.resize(soft, size)[..., None]
    return np.asarray(shade, np.float32), near < 1


def regional_light(act: Act, passed: float, size: tuple[int, int]) -> tuple[Shade | None, bool]:
    """A cloud's shadow over a part of the counter, or a lamp's pool; and whether it changes.

    It comes at `event_at` and goes a little before the end, so that it also leaves from under a
    thing that rests.
    """
    going = act.end - 2.5 * GOING
    if not act.event_at <= passed < going + GOING:
        return None, False
    random = np.random.default_rng([act.seed, 6])
    coming = min(1.0, (passed - act.event_at) / COMING)
    strength = coming * float(np.clip((going + GOING - passed) / GOING, 0, 1))
    if act.kind == "cloud":
        region, factor = _half(random, size), float(random.uniform(0.55, 0.8)) * COOL
    else:
        region, factor = _pool(random, size), float(random.uniform(1.2, 1.5)) * COOL[::-1]
    shade = 1 + strength * region[..., None] * (factor - 1)
    return np.asarray(shade, np.float32), strength < 1


def arm_shade(arms: Sequence[Placed], act: Act, size: tuple[int, int]) -> Shade | None:
    """The shadow of arms high above the counter; it lies beside them. None without an arm."""
    if not arms:
        return None
    random = np.random.default_rng([act.seed, 7])
    width, height = size
    x, y = (float(random.choice((-1, 1)) * random.uniform(0.06, 0.18) * width) for _ in range(2))
    dark = np.zeros((height // 4, width // 4), np.float32)
    for arm in arms:
        small = cv2.resize(arm.cutout[..., 3], None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        move = np.array([[1, 0, (arm.x + x) / 4], [0, 1, (arm.y + y) / 4]], np.float32)
        dark = np.maximum(dark, cv2.warpAffine(small / np.float32(255), move, dark.shape[::-1]))
    soft = cv2.GaussianBlur(dark, (0, 0), float(random.uniform(1.5, 5)))
    shade = 1 - float(random.uniform(0.2, 0.4)) * cv2.resize(soft, size)[..., None]
    return np.asarray(shade, np.float32)


def _half(random: Generator, size: tuple[int, int]) -> NDArray[np.float32]:
    """About one half of the picture (h, w), 0 to 1, with a soft or a rather sharp edge."""
    width, height = size
    angle = random.uniform(0, 2 * np.pi)
    edge = random.uniform(0.01, 0.08) * width
    x, y = np.meshgrid(np.arange(width) - width / 2, np.arange(height) - height / 2)
    at = x * np.cos(angle) + y * np.sin(angle) + random.uniform(-0.15, 0.15) * width
    return np.asarray(1 / (1 + np.exp(-at / edge)), np.float32)


def _pool(random: Generator, size: tuple[int, int]) -> NDArray[np.float32]:
    """An ellipse of the picture (h, w), 0 to 1, with a soft edge."""
    width, height = size
    lit = np.zeros((height // 4, width // 4), np.float32)
    middle = (round(random.uniform(0, width) / 4), round(random.uniform(0, height) / 4))
    axes = tuple(round(random.uniform(0.2, 0.4) * width / 4) for _ in range(2))
    cv2.ellipse(lit, middle, axes, float(random.uniform(0, 180)), 0, 360, (1.0,), -1)
    soft = cv2.GaussianBlur(lit, (0, 0), float(random.uniform(2, 10)) * width / 640)
    return np.asarray(cv2.resize(soft, size), np.float32)
