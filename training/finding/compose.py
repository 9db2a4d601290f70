"""Compose pictures of which it is known what stands where."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from training.colours import Rng
from training.data import Floats, Image
from training.finding.grounds import ground, hand, shadowed
from training.finding.things import KINDS, Things
from training.views import photographed

SIZE = 160  # pixels; the network's input
KIND_SHARES = (0.33, 0.25, 0.42)
PLAIN, EMPTY, SINGLE = 0.1, 0.06, 0.55  # of the pictures; the others have several things
HELD = 0.2  # of the composed pictures: a hand holds a thing, or reaches in
MOST_THINGS = 8
MOST_HIDDEN = 0.25  # of a thing, by one that is put down after it
LEAST_VISIBLE = 0.35  # of a thing inside the picture, or it does not count
LEAST_PIXELS = 40

Numbers = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Composed:
    """A picture and what stands in it.

    Attributes:
        pixels: (160, 160, 3) uint8, RGB.
        numbers: Which thing each pixel shows, (160, 160) uint8; 0 is none.
    """

    pixels: Image
    numbers: Numbers


def placed(
    thing: Image, middle: tuple[float, float], size: float, rng: Rng, shape: float
) -> Floats:
    """A thing turned, tilted and scaled onto the picture.

    Args:
        thing: (h, w, 4) uint8 RGBA.
        middle: Where its middle comes, (x, y) in pixels.
        size: Its longer side in pixels.
        rng: Chooses what is random.
        shape: By how much everything in the picture is wider than it was.

    Returns:
        (160, 160, 4) float32, colour times opacity.
    """
    height, width = thing.shape[:2]
    scale = size / max(height, width)
    if scale < 0.6:
        small = max(2, round(width * scale)), max(2, round(height * scale))
        thing = np.asarray(cv2.resize(thing, small, interpolation=cv2.INTER_AREA), np.uint8)
        scale, (height, width) = 1.0, thing.shape[:2]
    tilt = 180 if rng.random() < 0.35 else 14
    yaw, pitch = (math.radians(rng.normal(0, 18)) for _ in range(2))
    roll = math.radians(rng.uniform(-tilt, tilt))
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float64) * [width, height]
    x, y = corners.T * scale / 2
    away = 1 + (x * math.sin(yaw) + y * math.sin(pitch)) / (SIZE * 2.0)
    x, y = x * math.cos(yaw) / away, y * math.cos(pitch) / away
    x, y = x * math.cos(roll) - y * math.sin(roll), x * math.sin(roll) + y * math.cos(roll)
    goal = np.stack([x * shape + middle[0], y / shape + middle[1]], 1).astype(np.float32)
    source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    premultiplied = thing.astype(np.float32)
    premultiplied[..., :3] *= premultiplied[..., 3:] / 255
    matrix = cv2.getPerspectiveTransform(source, goal)
    return np.asarray(cv2.warpPerspective(premultiplied, matrix, (SIZE, SIZE)), np.float32)


def relit(layer: Floats, rng: Rng) -> Floats:
    """The same layer in another light: brighter or darker, warmer or colder, with sheen."""
    gain = rng.uniform(0.55, 1.25) * np.array([1 + rng.normal(0, 0.06) for _ in range(3)])
    out = layer.copy()
    out[..., :3] *= gain.astype(np.float32)
    if rng.random() < 0.25:
        y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE - 0.5
        turn = rng.uniform(0, math.pi)
        along = x * math.cos(turn) + y * math.sin(turn) - rng.uniform(-0.3, 0.3)
        band = rng.uniform(20, 150) * np.exp(-((along / rng.uniform(0.02, 0.15)) ** 2))
        out[..., :3] += band[..., None] * out[..., 3:] / 255
    return out


class Composer:
    """Composes pictures.

    Args:
        things: What they are composed of.
        rng: Chooses what is random.
    """

    def __init__(self, things: Things, rng: Rng) -> None:
        self.things, self.rng = things, rng

    def picture(self) -> Composed:
        """A new picture."""
        chance = self.rng.random()
        if chance < PLAIN and len(self.things.plain):
            return self._plain()
        if chance < PLAIN + EMPTY:
            return self._composed(0)
        if chance < PLAIN + EMPTY + SINGLE:
            return self._composed(1)
        return self._composed(int(self.rng.integers(2, MOST_THINGS + 1)))

    def _any_thing(self) -> Image:
        kind = str(self.rng.choice(KINDS, p=KIND_SHARES))
        thing = self.things.thing(kind, int(self.rng.integers(len(self.things.sizes[kind]))))
        return thing[:, ::-1] if self.rng.random() < 0.5 else thing

    def _plain(self) -> Composed:
        """A photo as it was taken, or a part of it."""
        rng = self.rng
        photo = self.things.plain[int(rng.integers(len(self.things.plain)))]
        side = photo.shape[0]
        wide, high = (int(side * rng.uniform(0.7, 1)) for _ in range(2))
        left, top = int(rng.integers(side - wide + 1)), int(rng.integers(side - high + 1))
        part = photo[top : top + high, left : left + wide]
        if rng.random() < 0.5:
            part = part[:, ::-1]
        part = np.asarray(cv2.resize(part, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.uint8)
        pixels = photographed(part[..., :3].astype(np.float32), rng)
        return Composed(pixels, (part[..., 3] > 127).astype(np.uint8))

    def _composed(self, count: int) -> Composed:
        """A picture of `count` things, or a few less where they would hide one another."""
        rng = self.rng
        scene, numbers = self._behind(), np.zeros((SIZE, SIZE), np.uint8)
        shape = math.exp(rng.normal(0, 0.16))
        holding = rng.random() < HELD
        alike = self._any_thing() if count > 1 and rng.random() < 0.15 else None
        areas: dict[int, int] = {}
        for number, (spot, size) in enumerate(self._spots(max(count, int(holding))), 1):
            thing = alike if alike is not None else self._any_thing()
            above = relit(placed(thing, spot, size, rng, shape), rng)
            opaque = above[..., 3] > 127
            if count > 1 and hides_much(numbers[opaque], areas):
                continue
            held = hand(rng, SIZE, spot, size / 2) if holding and number == 1 else None
            if held is not None:
                scene = over(scene, held[0])
                numbers[held[0][..., 3] > 127] = 0
            if count > 0:
                scene, areas[number] = self._put(scene, above), int(opaque.sum())
                numbers[opaque] = number
            if held is not None:
                scene = over(scene, held[1])
                numbers[held[1][..., 3] > 127] = 0
        if rng.random() < 0.15:
            scene = shadowed(rng, scene)
        if rng.random() < 0.04:  # black strips
            strip = int(rng.integers(3, 24))
            scene[:strip], scene[SIZE - strip :] = 8, 8
            numbers[:strip], numbers[SIZE - strip :] = 0, 0
        for number, area in areas.items():
            visible = int((numbers == number).sum())
            if visible < max(LEAST_PIXELS, LEAST_VISIBLE * area):
                numbers[numbers == number] = 0
        return Composed(photographed(scene, rng), numbers)

    def _behind(self) -> Floats:
        """A background, at times with other things that are out of focus."""
        rng = self.rng
        scene = ground(rng, SIZE, self.things.grounds)
        if rng.random() < 0.2:
            for _ in range(int(rng.integers(2, 6))):
                spot = float(rng.uniform(0, SIZE)), float(rng.uniform(0, SIZE))
                far = placed(self._any_thing(), spot, float(rng.uniform(20, 90)), rng, 1.0)
                scene = scene * (1 - far[..., 3:] / 255) + far[..., :3] * rng.uniform(0.5, 1)
            scene = np.asarray(cv2.GaussianBlur(scene, (0, 0), rng.uniform(2.2, 5)), np.float32)
        return shadowed(rng, scene) if rng.random() < 0.2 else scene

    def _put(self, scene: Floats, above: Floats) -> Floats:
        """Put a layer down, with the shadow that it casts."""
        rng = self.rng
        alpha = above[..., 3:] / 255
        moved = np.roll(alpha[..., 0], tuple(int(v) for v in rng.integers(-3, 9, 2)), (0, 1))
        shade = cv2.GaussianBlur(moved, (0, 0), rng.uniform(1.5, 8))[..., None]
        strength = rng.uniform(0, 0.55) if rng.random() < 0.8 else 0.0
        return np.asarray(scene * (1 - shade * strength) * (1 - alpha) + above[..., :3], np.float32)

    def _spots(self, count: int) -> list[tuple[tuple[float, float], float]]:
        """Where things come, and their longer sides."""
        rng = self.rng
        if count == 1:
            size = SIZE * rng.uniform(0.2, 1.0) if rng.random() < 0.93 else SIZE * 1.3
            spread = max(0.05, 0.5 - size / SIZE / 2) * 0.6
            x, y = (SIZE * float(rng.normal(0.5, spread)) for _ in range(2))
            return [((x, y), size)]
        typical = rng.uniform(0.9, 1.5) / math.sqrt(count + 0.5)
        spots: list[tuple[tuple[float, float], float]] = []
        for _ in range(count):
            size = SIZE * min(0.7, typical * rng.uniform(0.45, 0.85))
            if spots and rng.random() < 0.5:  # beside another one
                (near_x, near_y), other = spots[int(rng.integers(len(spots)))]
                turn, far = rng.uniform(0, 2 * math.pi), (size + other) * rng.uniform(0.35, 0.55)
                x, y = near_x + far * math.cos(turn), near_y + far * math.sin(turn)
            else:
                x, y = (float(rng.uniform(0.08, 0.92)) * SIZE for _ in range(2))
            spots.append(((x, y), size))
        return spots


def hides_much(hidden: Numbers, areas: dict[int, int]) -> bool:
    """Whether a thing would hide too much of one that lies there.

    Args:
        hidden: The numbers of the things that its pixels hide, (n,) uint8.
        areas: The number of pixels of each thing.
    """
    return any(int((hidden == number).sum()) > MOST_HIDDEN * area for number, area in areas.items())


def over(scene: Floats, layer: Image) -> Floats:
    """A layer (h, w, 4) uint8 RGBA over a scene."""
    alpha = layer[..., 3:].astype(np.float32) / 255
    return np.asarray(scene * (1 - alpha) + layer[..., :3] * alpha, np.float32)
