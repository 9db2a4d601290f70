"""Random products: boxes, round packs, pouches, blobs and tools, some in look-alike groups."""

import math
from dataclasses import dataclass
from zlib import crc32

import cv2
import numpy as np
import numpy.typing as npt

from training.colours import Colour, Rng, colour, contrasting, pattern
from training.data import Image
from training.paint import fine_grain, painted

FORMS = ("box", "can", "bottle", "jar", "pouch", "produce", "tool")
FORM_SHARES = (0.24, 0.16, 0.16, 0.12, 0.14, 0.10, 0.08)
CHANGES = (
    "words",
    "icon",
    "words icon",
    "accent words icon",
    "accent",
    "ground words",
    "ground body lid",
)
"""What differs between the look-alikes of one group."""


@dataclass(frozen=True)
class Recipe:
    """A product: its seed, and which of its group's look-alikes it is."""

    seed: int
    variant: int = 0
    grouped: bool = False

    def rng(self, part: str) -> Rng:
        """The generator of one part; look-alikes of a group share all but the changing parts."""
        number = self.variant if self.grouped and part in self.change().split() else 0
        return np.random.default_rng([self.seed, number, crc32(part.encode())])

    def change(self) -> str:
        """The parts that differ within this product's group."""
        return CHANGES[int(np.random.default_rng([self.seed, 99]).integers(len(CHANGES)))]


@dataclass(frozen=True)
class Box:
    """A cuboid: faces front, right, top (h, w, 3) uint8, and its width, height and depth."""

    front: Image
    side: Image
    top: Image
    sides: tuple[float, float, float]


@dataclass(frozen=True)
class Round:
    """A body of revolution: texture all round, radius (0..1) by row, width / height, lid colour."""

    texture: Image
    profile: npt.NDArray[np.float32]
    aspect: float
    lid: Colour


@dataclass(frozen=True)
class Flat:
    """A flat or nearly flat thing: (h, w, 4) uint8 RGBA."""

    layer: Image


Thing = Box | Round | Flat


def ground(recipe: Recipe, width: int, height: int) -> Image:
    """Draw the background that a product's faces are painted on."""
    paint = recipe.rng("ground")
    first = colour(paint, dull=paint.random() < 0.3)
    second = colour(paint) if paint.random() < 0.5 else contrasting(paint, first)
    return pattern(paint, width, height, first, second)


def face(recipe: Recipe, width: int, height: int, name: str = "") -> Image:
    """Paint a face; `name` tells the faces of one product apart."""
    draws = {part: recipe.rng(part) for part in ("accent", "words", "icon")}
    draws["layout"] = recipe.rng("layout" + name)
    needs_icon = recipe.grouped and "icon" in recipe.change()
    return painted(width, height, ground(recipe, width, height), draws, needs_icon=needs_icon)


def box(recipe: Recipe) -> Box:
    """A carton."""
    shape = recipe.rng("shape")
    width, height, depth = (
        shape.uniform(0.45, 1.0),
        shape.uniform(0.5, 1.0),
        shape.uniform(0.12, 0.6),
    )
    front = face(recipe, int(200 * width), int(200 * height))
    side = face(recipe, max(24, int(200 * depth)), int(200 * height), "side")
    top = ground(recipe, int(200 * width), max(24, int(200 * depth)))
    return Box(front, side, top, (width, height, depth))


def smooth(points: list[tuple[float, float]], rows: int) -> npt.NDArray[np.float32]:
    """Radii of `rows` rows through (height share, radius) points, slightly rounded."""
    at = np.linspace(0, 1, rows)
    line = np.interp(at, [p[0] for p in points], [p[1] for p in points]).astype(np.float32)
    kernel = np.hanning(13)[1:-1]
    padded = np.pad(line, 5, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid").astype(np.float32)


def round_pack(recipe: Recipe, form: str) -> Round:
    """A can, bottle or jar; the label covers part of the height and is repeated behind."""
    shape = recipe.rng("shape")
    rows, columns = 220, 560
    paint = recipe.rng("body")
    body, lid = colour(paint, dull=paint.random() < 0.5), colour(recipe.rng("lid"))
    texture = np.empty((rows, columns, 3), np.uint8)
    texture[:] = body
    if form == "can":
        aspect, top, bottom = shape.uniform(0.4, 1.1), 0.0, 1.0
        rim = shape.uniform(0.85, 1.0)
        profile = smooth([(0, rim), (0.05, 1), (0.95, 1), (1, rim)], rows)
    elif form == "bottle":
        aspect, shoulder = shape.uniform(0.25, 0.5), shape.uniform(0.25, 0.45)
        neck, cap = shape.uniform(0.25, 0.5), shape.uniform(0.06, 0.15)
        top, bottom = shoulder + 0.06, shape.uniform(0.85, 0.98)
        waist = shape.uniform(0.85, 1.0)
        profile = smooth(
            [
                (0, neck),
                (cap, neck),
                (cap + 0.04, neck * 0.9),
                (shoulder, 1),
                (0.65, waist),
                (1, 1),
            ],
            rows,
        )
        texture[: int(cap * rows)] = lid
    else:
        aspect, cap = shape.uniform(0.55, 1.0), shape.uniform(0.12, 0.25)
        top, bottom = cap + shape.uniform(0.05, 0.12), shape.uniform(0.85, 0.97)
        profile = smooth(
            [(0, 0.9), (cap, 0.9), (cap + 0.02, 0.8), (cap + 0.1, 1), (0.95, 1), (1, 0.9)], rows
        )
        texture[: int(cap * rows)] = lid
    first, last = int(top * rows), int(bottom * rows)
    share = 1.0 if form == "can" or shape.random() < 0.5 else shape.uniform(0.4, 0.7)
    label = face(recipe, int(columns / 2 * min(share, 0.62)), last - first)
    back = ground(recipe, columns, last - first)
    if share == 1.0:
        texture[first:last] = back
    start = (columns - label.shape[1]) // 2
    texture[first:last, start : start + label.shape[1]] = label
    return Round(texture, profile, aspect, lid)


def pouch(recipe: Recipe) -> Flat:
    """A bag with a wavy outline."""
    shape = recipe.rng("shape")
    width, height = int(200 * shape.uniform(0.5, 1.0)), int(200 * shape.uniform(0.6, 1.0))
    front = face(recipe, width, height)
    turns = np.linspace(0, 2 * math.pi, 120, endpoint=False)
    power = shape.uniform(3, 10)
    radius = (np.abs(np.cos(turns)) ** power + np.abs(np.sin(turns)) ** power) ** (-1 / power)
    radius = radius * (1 + 0.02 * np.sin(turns * int(shape.integers(3, 30)) + shape.uniform(0, 6)))
    outline = np.stack([np.cos(turns) * radius * 0.97, np.sin(turns) * radius * 0.97], 1)
    scaled = ((outline + 1) / 2 * [width - 1, height - 1]).astype(np.int32)
    alpha = np.zeros((height, width), np.uint8)
    cv2.fillPoly(alpha, [scaled], (255,), cv2.LINE_AA)
    folds = cv2.resize(
        shape.normal(0, 1, (6, 6)).astype(np.float32),
        (width, height),
        interpolation=cv2.INTER_CUBIC,
    )
    shaded = (
        (front.astype(np.float32) * (1 + 0.09 * folds[..., None])).clip(0, 255).astype(np.uint8)
    )
    return Flat(np.dstack([shaded, alpha]))


def produce(recipe: Recipe) -> Flat:
    """A fruit-like blob with spots or stripes, a stem, and sometimes a sticker."""
    shape = recipe.rng("shape")
    size, aspect = 200, shape.uniform(0.4, 1.0)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / (size / 2) - 1
    x, y = x / aspect, y
    turn, far = np.arctan2(y, x), np.hypot(x, y)
    edge = np.full_like(far, 0.82)
    for wave in range(1, 6):
        edge += 0.12 / wave**1.5 * shape.normal() * np.cos(wave * turn + shape.uniform(0, 6))
    alpha = ((edge - far) * size / 3 + 0.5).clip(0, 1)
    skin = pattern(shape, size, size, colour(shape), colour(shape))
    tint = np.array(colour(shape), np.float32)
    blend = shape.uniform(0.3, 0.9)
    body = (
        fine_grain(shape, skin, shape.uniform(3, 14)).astype(np.float32) * (1 - blend)
        + tint * blend
    )
    body = body * (1.12 - 0.5 * (far / edge.clip(0.1)).clip(0, 1)[..., None] ** 2)
    picture = np.ascontiguousarray(body.clip(0, 255).astype(np.uint8))
    opaque = np.ascontiguousarray((alpha * 255).astype(np.uint8))
    if shape.random() < 0.6:
        stem = colour(shape, dull=True)
        end = (int(100 + shape.normal() * 20), int(100 - shape.uniform(80, 98)))
        root = (100, int(100 - 60 * shape.uniform(0.8, 1.2)))
        thick = int(shape.integers(4, 14))
        cv2.line(picture, root, end, stem, thick, cv2.LINE_AA)
        cv2.line(opaque, root, end, (255,), thick, cv2.LINE_AA)
    if shape.random() < 0.5 or recipe.grouped:
        side = int(shape.integers(36, 70))
        sticker = face(recipe, side, side)
        top, left = (
            int(shape.integers(60, 80)),
            int(shape.integers(100 - side // 2 - 8, 100 - side // 2 + 8)),
        )
        picture[top : top + side, left : left + side] = sticker
    return Flat(np.dstack([picture, opaque]))


def tool(recipe: Recipe) -> Flat:
    """A silhouette of bars, discs and polygons in a few colours, with a label on its handle."""
    shape = recipe.rng("shape")
    picture, opaque = np.zeros((200, 200, 3), np.uint8), np.zeros((200, 200), np.uint8)
    tones = [colour(shape, dull=True) for _ in range(3)]
    for part in range(int(shape.integers(3, 8))):
        tone = tones[part % 3]
        spot = np.array([100 + shape.normal() * 22, shape.uniform(15, 185)])
        kind = int(shape.integers(3))
        if kind == 0:
            rect = (
                (float(spot[0]), float(spot[1])),
                (float(shape.uniform(10, 60)), float(shape.uniform(30, 120))),
                float(shape.choice([0, 90, 0, shape.uniform(-40, 40)])),
            )
            corners = np.asarray(cv2.boxPoints(rect), np.int32)
        elif kind == 1:
            radii = (int(shape.integers(10, 40)), int(shape.integers(10, 40)))
            around = cv2.ellipse2Poly((int(spot[0]), int(spot[1])), radii, 0, 0, 360, 10)
            corners = np.asarray(around, np.int32)
        else:
            corners = (spot + shape.normal(0, 28, (int(shape.integers(3, 6)), 2))).astype(np.int32)
        cv2.fillPoly(picture, [corners], tone, cv2.LINE_AA)
        cv2.fillPoly(opaque, [corners], (255,), cv2.LINE_AA)
    left, top = int(shape.integers(82, 92)), int(shape.integers(20, 90))
    cv2.rectangle(picture, (left - 4, top - 10), (left + 40, 190), tones[0], -1)
    cv2.rectangle(opaque, (left - 4, top - 10), (left + 40, 190), (255,), -1)
    picture[top : top + 84, left : left + 36] = np.rot90(face(recipe, 84, 36))
    return Flat(np.dstack([fine_grain(shape, picture, 3.0), opaque]))


def make(recipe: Recipe) -> Thing:
    """Draw the product of a recipe."""
    form = str(recipe.rng("form").choice(FORMS, p=FORM_SHARES))
    if form == "box":
        return box(recipe)
    if form == "pouch":
        return pouch(recipe)
    if form == "produce":
        return produce(recipe)
    if form == "tool":
        return tool(recipe)
    return round_pack(recipe, form)


def recipes(
    count: int, first_seed: int, grouped_share: float = 0.55, group: int = 4
) -> list[Recipe]:
    """`count` products: look-alikes in groups of `group` next to one another, then single ones."""
    groups = int(count * grouped_share / group)
    out = [Recipe(first_seed + g, v, grouped=True) for g in range(groups) for v in range(group)]
    out += [Recipe(first_seed + groups + i) for i in range(count - len(out))]
    return out
