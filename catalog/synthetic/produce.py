"""Make fruit and vegetables: a little lumpy, speckled, with stems and leaves.

Every builder takes two or three colours: the skin, what it is blended with, and the stem.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike

from catalog.synthetic.drawing import Drawing, bgr
from catalog.synthetic.meshes import (
    MATT,
    SATIN,
    Finish,
    Surface,
    Texture,
    curve,
    decal,
    moved,
    plain,
    rotation,
    swept,
    turned,
)

WAXY = Finish(0.55)
SKIN = Finish(0.28)


def _skin(
    drawing: Drawing, blend: str = "patches", speckles: float = 0.0, share: float = 0.5
) -> Texture:
    """Paint a skin (128, 256, 3) in the drawing's first two colours.

    `blend` says how they mix: "patches", "streaks" from top to foot, "foot" or "top".
    """
    random = np.random.default_rng(sum(map(ord, "".join(drawing.colours))))
    first, second = (np.asarray(bgr(colour)) for colour in drawing.colours[:2])
    coarse = random.standard_normal(
        (4 if blend == "streaks" else 7, 40 if blend == "streaks" else 9)
    )
    coarse[:, -1] = coarse[:, 0]  # the seam
    field = cv2.resize(coarse.astype(np.float32), (256, 128), interpolation=cv2.INTER_CUBIC)
    down = np.linspace(0, 1, 128, dtype=np.float32)[:, None]
    if blend == "foot":
        field = 0.3 * field + 6 * (down - 1 + share)
    elif blend == "top":
        field = 0.3 * field + 6 * (share - down)
    else:
        field = field + 2 * (share - 0.5)
    mix = 1 / (1 + np.exp(-2.2 * field))
    skin = first + (second - first) * mix[..., None]
    if speckles:
        dots = (random.random((128, 256)) < 0.02).astype(np.float32)
        skin *= 1 - speckles * cv2.GaussianBlur(dots, (0, 0), 0.8)[..., None] * 3
    skin *= 1 + 0.03 * random.standard_normal((128, 256, 1)).astype(np.float32)
    return np.asarray(np.clip(skin, 0, 255), np.uint8)


def _lumpy(surface: Surface, amount: float, often: float = 3.0, phase: float = 0.0) -> Surface:
    """Bumps of a share `amount` of the radius."""
    points = surface.points
    waves = sum(np.sin(often * points[..., axis] + phase + 2.1 * axis) for axis in range(3))
    bent = points * (1 + amount * np.asarray(waves)[..., None] / 3)
    return Surface(bent.astype(np.float32), surface.texture, surface.finish, surface.two_sided)


def _ribbed(surface: Surface, ribs: int, depth: float) -> Surface:
    """Grooves from top to foot."""
    points = surface.points.copy()
    angle = np.arctan2(points[..., 0], points[..., 2])
    points[..., [0, 2]] *= (1 - depth * (0.5 + 0.5 * np.cos(ribs * angle)) ** 3)[..., None]
    return Surface(points, surface.texture, surface.finish)


def _body(knots: ArrayLike, texture: Texture, finish: Finish = SKIN, rows: int = 26) -> Surface:
    """A turned body through (radius, height) knots, smooth also at its ends."""
    profile = curve(knots, rows)
    profile[:, 0] = np.maximum(profile[:, 0], 0)
    return turned(profile, texture, finish, 40)


def _stem(points: Sequence[tuple[float, float, float]], thick: float, colour: str) -> Surface:
    half = np.linspace(1.25, 1, 8) * thick
    half[0] *= 0.75
    return swept(curve(points, 8), half, plain(bgr(colour)), MATT, 10)


def _leaf(
    root: tuple[float, float, float], tip: tuple[float, float, float], wide: float, colour: str
) -> Surface:
    middle = tuple((a + b) / 2 + lift for a, b, lift in zip(root, tip, (0, 0.06, 0), strict=True))
    half = wide * np.sin(np.pi * np.linspace(0, 1, 9)) ** 0.8 + 0.004
    leaf = swept(
        curve([tip, middle, root], 9),
        np.stack([half, np.full(9, 0.012)], 1),
        plain(bgr(colour)),
        SATIN,
        10,
    )
    return Surface(leaf.points, leaf.texture, leaf.finish, two_sided=True)


APPLE = [
    (0, 0.8),
    (0.1, 0.84),
    (0.3, 0.94),
    (0.48, 0.8),
    (0.52, 0.55),
    (0.42, 0.2),
    (0.22, 0.02),
    (0.08, 0.05),
    (0, 0.07),
]


def apple(drawing: Drawing) -> list[Surface]:
    """An apple with a leaf."""
    body = _lumpy(_body(APPLE, _skin(drawing, "streaks", 0.2), WAXY), 0.05)
    stem = _stem([(0.06, 1.08, 0), (0.02, 0.95, 0), (0, 0.8, 0)], 0.022, drawing.colours[2])
    return [body, stem, _leaf((0.02, 0.96, 0), (0.34, 1.1, 0.08), 0.08, "#4d8b31")]


def pear(drawing: Drawing) -> list[Surface]:
    """A pear."""
    knots = [
        (0, 1.12),
        (0.1, 1.11),
        (0.2, 1.0),
        (0.24, 0.8),
        (0.34, 0.58),
        (0.44, 0.34),
        (0.38, 0.1),
        (0.2, 0),
        (0, 0.02),
    ]
    body = _lumpy(_body(knots, _skin(drawing, "patches", 0.6, 0.35)), 0.05)
    return [body, _stem([(0.09, 1.32, 0), (0.03, 1.2, 0), (0, 1.08, 0)], 0.022, drawing.colours[2])]


def banana(drawing: Drawing) -> list[Surface]:
    """A banana; its third colour is that of the ends."""
    angle = np.radians(np.linspace(62, -66, 26))
    path = np.stack([-0.75 + 0.85 * np.cos(angle), 0.85 * np.sin(angle), 0 * angle], 1)
    half = np.interp(
        np.linspace(0, 1, 26),
        [0, 0.02, 0.1, 0.22, 0.5, 0.82, 0.95, 1],
        [0.03, 0.05, 0.055, 0.125, 0.155, 0.125, 0.05, 0.01],
    )
    texture = _skin(drawing, "patches", 0.7, 0.2)
    texture[:10] = bgr(drawing.colours[2])
    texture[-6:] = bgr(drawing.colours[2])
    return [swept(path, half, texture, SKIN, 6, 1.7)]


def citrus(drawing: Drawing) -> list[Surface]:
    """Measures: length and point, both over the radius."""
    tall, point = drawing.measures
    knots = [
        (0, tall + point),
        (0.06, tall + point * 0.8),
        (0.2, tall * 0.93),
        (0.4, tall * 0.62),
        (0.47, 0),
        (0.4, -tall * 0.62),
        (0.2, -tall * 0.93),
        (0.06, -tall - point * 0.8),
        (0, -tall - point),
    ]
    body = _lumpy(_body(knots, _skin(drawing, "patches", 0.14, 0.4), WAXY), 0.03)
    stem = _stem(
        [(0, tall + point + 0.02, 0), (0, tall + point - 0.03, 0)], 0.035, drawing.colours[2]
    )
    turn = rotation(pitch=20, roll=-68 if point > 0.06 else -12)
    return [moved(body, turn), moved(stem, turn)]


def tomato(drawing: Drawing) -> list[Surface]:
    """A tomato with its calyx."""
    knots = [(0, 0.68), (0.14, 0.72), (0.36, 0.68), (0.5, 0.4), (0.42, 0.12), (0.2, 0), (0, 0.02)]
    pieces = [_ribbed(_lumpy(_body(knots, _skin(drawing), WAXY), 0.03), 5, 0.05)]
    for step in range(5):
        a = 2 * np.pi * step / 5 + 0.3
        tip = (0.34 * np.sin(a), 0.78, 0.34 * np.cos(a))
        pieces.append(_leaf((0, 0.7, 0), tip, 0.05, drawing.colours[2]))
    return [
        *pieces,
        _stem([(0.05, 0.88, 0), (0, 0.78, 0), (0, 0.66, 0)], 0.028, drawing.colours[2]),
    ]


def aubergine(drawing: Drawing) -> list[Surface]:
    """An aubergine with a green hood."""
    path = curve([(0.1, 1.3, 0), (0.03, 0.95, 0), (0, 0.5, 0), (-0.05, 0, 0)], 28)
    half = curve([(0.08,), (0.2,), (0.25,), (0.33,), (0.35,), (0.25,), (0.0,)], 28)[:, 0]
    cap = np.interp(np.linspace(0, 1, 10), [0, 0.5, 1], [0.08, 0.2, 0.255])
    green = drawing.colours[2]
    hood = swept(
        path[:7][np.linspace(0, 6, 10).astype(int)] + np.linspace(0, 1e-3, 10)[:, None],
        cap,
        plain(bgr(green)),
        SATIN,
        20,
    )
    stem = _stem([(0.17, 1.5, 0), (0.13, 1.4, 0), (0.1, 1.25, 0)], 0.05, green)
    return [swept(path, half, _skin(drawing), Finish(0.9), 32), hood, stem]


def carrot(drawing: Drawing) -> list[Surface]:
    """A carrot with the beginning of its greens."""
    path = curve([(0, 1.2, 0), (0.01, 0.8, 0), (-0.02, 0.4, 0), (0.04, -0.1, 0)], 30)
    half = np.interp(
        np.linspace(0, 1, 30), [0, 0.03, 0.1, 0.5, 0.9, 1], [0.06, 0.15, 0.175, 0.12, 0.045, 0.005]
    )
    texture = _skin(drawing)
    for row in (16, 30, 37, 52, 66, 71, 88, 101):  # rings around the root
        texture[row] = (texture[row] * 0.8).astype(np.uint8)
    pieces = [swept(path, half, texture, SKIN, 20)]
    for step in range(6):
        a, far = 2.4 * step, 0.1 + 0.03 * step
        tip = (far * np.sin(a) * 1.3, 1.62 + 0.05 * (step % 3), far * np.cos(a))
        pieces.append(_leaf((0, 1.18, 0), tip, 0.055, drawing.colours[2]))
    return pieces


def cucumber(drawing: Drawing) -> list[Surface]:
    """A cucumber."""
    path = curve([(0.08, 1.3, 0), (0, 0.7, 0), (0.05, 0, 0)], 24)
    half = np.interp(
        np.linspace(0, 1, 24), [0, 0.03, 0.1, 0.9, 0.97, 1], [0.02, 0.1, 0.15, 0.16, 0.1, 0.01]
    )
    return [_lumpy(swept(path, half, _skin(drawing, "streaks", 0.5), SKIN, 24), 0.03, 14)]


def potato(drawing: Drawing) -> list[Surface]:
    """A potato, lying aslant."""
    angle = np.linspace(0, np.pi, 24)
    body = turned(
        np.stack([0.4 * np.sin(angle), 0.58 * np.cos(angle)], 1),
        _skin(drawing, "patches", 1.0),
        MATT,
        36,
    )
    return [moved(_lumpy(body, 0.2, 4.2, 0.6), rotation(roll=62))]


def onion(drawing: Drawing) -> list[Surface]:
    """An onion."""
    knots = [
        (0.02, 1.12),
        (0.05, 1.0),
        (0.12, 0.86),
        (0.36, 0.68),
        (0.48, 0.42),
        (0.38, 0.14),
        (0.14, 0.02),
        (0, 0.02),
    ]
    return [_lumpy(_body(knots, _skin(drawing, "streaks", 0, 0.4), WAXY), 0.03)]


def pepper(drawing: Drawing) -> list[Surface]:
    """A bell pepper."""
    knots = [
        (0, 0.84),
        (0.1, 0.84),
        (0.3, 0.96),
        (0.44, 0.84),
        (0.44, 0.55),
        (0.36, 0.2),
        (0.24, 0.02),
        (0.1, 0.03),
        (0, 0.06),
    ]
    body = _ribbed(_lumpy(_body(knots, _skin(drawing), Finish(0.9)), 0.05), 4, 0.15)
    return [body, _stem([(0.07, 1.14, 0), (0.02, 1.0, 0), (0, 0.82, 0)], 0.055, drawing.colours[2])]


def avocado(drawing: Drawing) -> list[Surface]:
    """Half an avocado with its stone."""
    half = [(0, 0.62), (0.12, 0.58), (0.22, 0.43), (0.29, 0.2), (0.4, -0.12), (0.39, -0.4)]
    edge = curve([*half, (0.22, -0.59), (0, -0.645)], 30)
    rows = np.concatenate([edge, edge[::-1] * (-1, 1)])[:-1]
    middle = np.array([0, -0.12], np.float32)
    grow = np.array([0.02, 0.4, 0.7256, 0.939, 1.0], np.float32)[:, None, None]
    loop = np.concatenate([rows, rows[:1]])
    flat = middle + (loop - middle) * grow
    face = np.concatenate([flat, np.zeros((*flat.shape[:2], 1))], 2)[:, ::-1]
    flesh = np.full((64, 8, 3), bgr("#e9e08a"), np.uint8)
    flesh[46:] = bgr("#b9c85a")
    flesh[60:] = bgr(drawing.colours[0])
    fall = np.linspace(0, 1, 8)[:, None, None]
    shell = middle + (loop - middle) * np.sqrt(1 - fall**2 * 0.98)
    depth = np.broadcast_to(-0.34 * fall, (*shell.shape[:2], 1))
    hull = np.concatenate([shell, depth], 2)[:, ::-1]
    stone = [(np.sin(a) * 0.2, np.cos(a) * 0.2) for a in np.linspace(0, np.pi, 14)]
    pit = turned(stone, plain(bgr(drawing.colours[2])), WAXY, 24)
    return [
        Surface(face.astype(np.float32), flesh, SKIN),
        Surface(hull.astype(np.float32), _skin(drawing, "patches", 1.0), MATT),
        decal(moved(pit, np.eye(3), (0, -0.2, 0.04))),
    ]


def broccoli(drawing: Drawing) -> list[Surface]:
    """A head of broccoli."""
    random = np.random.default_rng(4)
    pieces = [
        swept(
            curve([(0, 0.6, 0), (0, 0.3, 0), (0, -0.15, 0)], 8),
            np.linspace(0.3, 0.17, 8),
            plain(bgr(drawing.colours[2])),
            MATT,
            16,
        )
    ]
    angle = np.linspace(0, np.pi, 9)
    texture = _skin(drawing, "patches", 1.5)
    for step in range(34):
        up = 1 - 1.25 * (step + 0.5) / 34
        a = 2.399 * step
        flat = np.sqrt(max(0.0, 1 - up * up))
        at = (0.46 * flat * np.sin(a), 0.66 + 0.32 * up, 0.46 * flat * np.cos(a))
        radius = float(random.uniform(0.13, 0.18))
        knob = turned(
            np.stack([radius * np.sin(angle), radius * np.cos(angle)], 1), texture, MATT, 12
        )
        pieces.append(moved(_lumpy(knob, 0.15, 30, step), rotation(40 * step, 30), at))
    return pieces


def strawberry(drawing: Drawing) -> list[Surface]:
    """A strawberry with its seeds."""
    knots = [(0, 0.86), (0.2, 0.88), (0.4, 0.76), (0.4, 0.52), (0.26, 0.2), (0.1, 0.02), (0, 0)]
    texture = _skin(drawing, "top", 0, 0.1)
    for row in range(12, 124, 11):
        for column in range(3 + row % 2 * 7, 250, 14):
            cv2.ellipse(texture, (column, row), (1, 2), 0, 0, 360, bgr("#f4d35e"), -1)
    pieces = [_body(knots, texture, WAXY)]
    for step in range(7):
        a = 2 * np.pi * step / 7
        pieces.append(
            _leaf(
                (0, 0.88, 0), (0.36 * np.sin(a), 0.84, 0.36 * np.cos(a)), 0.075, drawing.colours[2]
            )
        )
    return [
        *pieces,
        _stem([(0.03, 1.05, 0), (0, 0.95, 0), (0, 0.86, 0)], 0.025, drawing.colours[2]),
    ]


def pumpkin(drawing: Drawing) -> list[Surface]:
    """A ribbed pumpkin."""
    knots = [(0, 0.66), (0.16, 0.72), (0.46, 0.66), (0.62, 0.38), (0.5, 0.1), (0.2, 0), (0, 0.03)]
    body = turned(curve(knots, 26), _skin(drawing, "patches", 0.3), SKIN, 80)
    stem = _stem([(0.12, 1.0, 0), (0.04, 0.88, 0), (0, 0.64, 0)], 0.065, drawing.colours[2])
    return [_ribbed(body, 10, 0.13), stem]


def mushroom(drawing: Drawing) -> list[Surface]:
    """A mushroom; its third colour is the foot's."""
    hood = [(0, 0.9), (0.2, 0.87), (0.42, 0.7), (0.5, 0.5), (0.44, 0.44), (0.3, 0.46), (0, 0.48)]
    foot = [(0.15, 0.5), (0.16, 0.3), (0.19, 0.08), (0.14, 0), (0, 0)]
    return [
        _lumpy(_body(hood, _skin(drawing, "patches", 0.3)), 0.04),
        turned(foot, plain(bgr(drawing.colours[2])), MATT, 24),
    ]


BUILDERS = (
    apple,
    pear,
    banana,
    citrus,
    tomato,
    aubergine,
    carrot,
    cucumber,
    potato,
    onion,
    pepper,
    avocado,
    broccoli,
    strawberry,
    pumpkin,
    mushroom,
)
