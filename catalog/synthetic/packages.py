"""Make packages: cans, tins, bottles, jars, tubs, cartons, bags and tubes."""

from __future__ import annotations

import numpy as np

from catalog.synthetic import labels
from catalog.synthetic.drawing import Drawing, Label, bgr, mixed
from catalog.synthetic.meshes import (
    GLOSSY,
    PAPER,
    SATIN,
    STEEL,
    Finish,
    Surface,
    Texture,
    box,
    curve,
    decal,
    panel,
    pillow,
    plain,
    swept,
    turned,
)

METAL = "#c9ccd0"
COATED = Finish(0.5, 0.25)
GLASS = Finish(0.95)
FOIL = Finish(0.6, 0.35)


def _label(drawing: Drawing) -> Label:
    if drawing.label is None:
        raise ValueError(f"a {drawing.shape} needs a label")
    return drawing.label


def can(drawing: Drawing) -> list[Surface]:
    """A drink can; measures: radius for a height of 1."""
    (radius,) = drawing.measures or (0.28,)
    rim = radius - 0.045
    metal = plain(bgr(METAL))
    top = [(0, 0.975), (rim - 0.03, 0.975), (rim - 0.02, 1), (rim, 1), (rim + 0.003, 0.985)]
    return [
        turned(top, metal, STEEL),
        turned([(rim + 0.003, 0.985), (rim, 0.97), (radius, 0.9)], metal, STEEL),
        turned(_upright(radius, 0.9, 0.07), _wrap(drawing, radius, 0.83), COATED),
        turned([(radius, 0.07), (rim - 0.01, 0), (0, 0.01)], metal, STEEL),
        _ring_pull(rim),
    ]


def _ring_pull(rim: float) -> Surface:
    angle = np.linspace(0, 2 * np.pi, 13)
    path = np.stack([0.05 * np.sin(angle), 0 * angle + 0.985, 0.03 - 0.08 * np.cos(angle)], 1)
    return swept(path, np.full(13, 0.014), plain(bgr("#a9acb0")), STEEL, 6)


def tin(drawing: Drawing) -> list[Surface]:
    """A food tin; measures: radius and height."""
    radius, height = drawing.measures or (0.37, 1.0)
    metal = plain(bgr(METAL))
    top = [
        (0, height - 0.03),
        (radius * 0.6, height - 0.03),
        (radius * 0.62, height - 0.022),
        (radius * 0.93, height - 0.022),
        (radius * 0.95, height),
        (radius * 1.02, height),
        (radius * 1.02, height - 0.03),
        (radius * 0.985, height - 0.04),
    ]
    foot = [(radius * 0.985, 0.04), (radius * 1.02, 0.03), (radius * 1.02, 0), (0, 0)]
    return [
        turned(top, metal, STEEL),
        turned(_upright(radius, height - 0.04, 0.04), _wrap(drawing, radius, height - 0.08), PAPER),
        turned(foot, metal, STEEL),
    ]


def bottle(drawing: Drawing) -> list[Surface]:
    """A bottle; colours: glass, cap; measures: radius, shoulder, label top, label foot, neck."""
    glass, cap = drawing.colours
    radius, shoulder, top, foot, neck = drawing.measures
    body = plain(bgr(glass))
    bend = curve(
        [
            (neck, 0.86),
            (neck * 1.08, shoulder + 0.55 * (0.86 - shoulder)),
            (radius * 0.8, shoulder + 0.1),
            (radius, shoulder),
        ],
        16,
    )
    ends = [(radius, foot), (radius, 0.05), (radius * 0.93, 0.01), (0, 0)]
    printed = turned(_upright(radius * 1.006, top, foot), _wrap(drawing, radius, top - foot), PAPER)
    lip = neck * 1.22
    return [
        *_screwed(lip, 1, 0.895, cap),
        turned([(neck * 1.15, 0.895), (neck * 1.15, 0.87), (neck, 0.86)], body, GLASS),
        turned(np.concatenate([bend, [(radius, top)]]), body, GLASS),
        decal(printed),
        turned(ends, body, GLASS),
    ]


def jar(drawing: Drawing) -> list[Surface]:
    """A jar; colours: contents, lid; measures: radius and height."""
    contents, cover = drawing.colours
    radius, height = drawing.measures or (0.34, 0.9)
    rim = radius * 0.88
    top, foot = height * 0.7, height * 0.14
    body = plain(bgr(contents))
    printed = turned(_upright(radius * 1.006, top, foot), _wrap(drawing, radius, top - foot), PAPER)
    shoulder = curve(
        [
            (rim * 0.93, height - 0.13),
            (rim * 0.97, height - 0.16),
            (radius * 0.985, height - 0.22),
            (radius, height - 0.28),
        ],
        8,
    )
    return [
        *_screwed(rim, height, height - 0.135, cover),
        turned(np.concatenate([shoulder, [(radius, top)]]), body, GLASS),
        decal(printed),
        turned([(radius, foot), (radius, 0.04), (radius * 0.9, 0), (0, 0)], body, GLASS),
    ]


def tub(drawing: Drawing) -> list[Surface]:
    """A tub that narrows to its foot; colours: lid; measures: radius, height and foot's share."""
    (cover,) = drawing.colours
    radius, height, share = drawing.measures or (0.45, 0.72, 0.78)
    edge = radius * 1.05
    closed = [
        (0, height - 0.01),
        (radius * 0.88, height - 0.01),
        (radius * 0.9, height),
        (edge * 0.98, height),
        (edge, height - 0.015),
        (edge, height - 0.07),
    ]
    return [
        turned(closed, plain(bgr(cover)), SATIN),
        turned(
            [(radius, height - 0.07), (radius * share, 0.02)], _wrap(drawing, radius, height), SATIN
        ),
        turned(
            [(radius * share, 0.02), (radius * share * 0.95, 0), (0, 0)], plain(bgr(cover)), SATIN
        ),
    ]


def carton(drawing: Drawing) -> list[Surface]:
    """A box; measures: width, height and depth."""
    width, height, depth = drawing.measures
    label = _label(drawing)
    pixels = 480 / max(width, height)
    face = labels.front(label, round(width * pixels), round(height * pixels))
    edge = labels.side(label, max(60, round(depth * pixels)), round(height * pixels))
    cover = labels.lid(label, round(width * pixels), max(60, round(depth * pixels)))
    return box(drawing.measures, [face, edge, face, edge, cover, cover], PAPER)  # type: ignore[arg-type]


def milk(drawing: Drawing) -> list[Surface]:
    """A drink carton with a gable; colours: cap; measures: width and height of the walls."""
    width, height = drawing.measures or (0.46, 0.86)
    label = _label(drawing)
    x, y, ridge = width / 2, height, height + 0.2
    face = labels.front(label, 300, round(300 * height / width))
    edge = labels.side(label, 300, round(300 * height / width))
    cover = plain(bgr(label.accent))
    ground, seam = plain(bgr(label.ground)), plain(bgr(mixed(label.accent, "#000000", 0.1)))
    walls = box(
        (width, height, width), [face, edge, face, edge, ground, ground], PAPER, (0, height / 2, 0)
    )
    roof = [
        panel([(-x, ridge, 0.0), (x, ridge, 0.0), (x, y, x), (-x, y, x)], cover, PAPER),
        panel([(x, ridge, 0), (-x, ridge, 0), (-x, y, -x), (x, y, -x)], cover, PAPER),
        panel([(x, ridge, 0), (x, ridge, 0), (x, y, -x), (x, y, x)], ground, PAPER),
        panel([(-x, ridge, 0), (-x, ridge, 0), (-x, y, x), (-x, y, -x)], ground, PAPER),
    ]
    fin = box((width, 0.09, 0.02), [seam] * 6, PAPER, (0, ridge + 0.04, 0))
    cap = swept(
        [(0.0, y + 0.16, x * 0.62), (0, y + 0.155, x * 0.62), (0, y + 0.08, x * 0.55)],
        [0.01, 0.085, 0.085],
        plain(bgr(drawing.colours[0])),
        SATIN,
    )
    return [*walls, *roof, *fin, cap]


def pouch(drawing: Drawing) -> list[Surface]:
    """A bag; measures: width, height and depth."""
    width, height, depth = drawing.measures or (0.7, 1.0, 0.26)
    label = _label(drawing)
    face = labels.front(label, round(460 * width / height), 460).copy()
    for edge in (slice(0, 14), slice(-14, None)):  # the crimped seams
        face[edge][::4] = (face[edge][::4] * 0.82).astype(np.uint8)
    return pillow(width, height, depth, face, plain(bgr(label.ground)), FOIL)


def tube(drawing: Drawing) -> list[Surface]:
    """A tube that stands on its cap; colours: cap; measures: radius for a height of 1."""
    (radius,) = drawing.measures or (0.17,)
    label = _label(drawing)
    texture = labels.wrap(label, 720, 520)
    share = np.linspace(0, 1, 10)[:, None]
    path = np.concatenate([0 * share, 1 - 0.82 * share, 0 * share], 1)
    flat = np.concatenate([radius * (1.35 - 0.35 * share), radius * (0.06 + 0.94 * share**0.7)], 1)
    seam = plain(bgr(mixed(label.ground, "#000000", 0.12)))
    fin = box((2.7 * radius, 0.07, 0.02), [seam] * 6, SATIN, (0, 1.02, 0))
    cap = [(radius * 1.0, 0.18), (radius * 1.02, 0.17), (radius * 0.86, 0), (0, 0)]
    return [
        swept(path, flat, texture, SATIN, 32),
        *fin,
        turned(cap, _ribs(drawing.colours[0]), SATIN),
    ]


def flask(drawing: Drawing) -> list[Surface]:
    """An oblong bottle, as for shampoo; colours: body, cap; measures: half width, half depth."""
    body, cap = drawing.colours
    wide, deep = drawing.measures or (0.24, 0.14)
    ends = [(0.3, 0.8), (0.7, 0.9), (0.97, 1), (1, 1), (1, 1), (0.97, 1), (0.9, 0.94), (0.02, 0.1)]
    heights = [0.84, 0.825, 0.76, 0.7, 0.1, 0.04, 0.0, 0.0]
    half = np.array(ends) * (wide, deep)
    path = [(0.0, height, 0.0) for height in heights]
    coat = plain(bgr(body))
    texture = labels.wrap(_label(drawing), 800, 470)
    printed = swept([(0, 0.69, 0), (0, 0.12, 0)], half[3:5] * 1.005, texture, SATIN, 40, 3.2)
    return [
        *_screwed(0.11, 1, 0.83, cap),
        swept(path, half, coat, GLOSSY, 40, 3.2),
        decal(printed),
    ]


def _upright(radius: float, top: float, foot: float) -> list[tuple[float, float]]:
    return [(radius, float(height)) for height in np.linspace(top, foot, 7)]


def _screwed(radius: float, top: float, foot: float, colour: str) -> list[Surface]:
    """A screw cap: a smooth top and a grooved side."""
    rim = [(radius, top - 0.02), (radius, foot + 0.005), (radius * 0.95, foot)]
    smooth = [(0, top), (radius * 0.5, top), (radius * 0.92, top), (radius, top - 0.02)]
    return [turned(smooth, plain(bgr(colour)), SATIN), turned(rim, _ribs(colour), SATIN)]


def _wrap(drawing: Drawing, radius: float, height: float) -> Texture:
    rows = 360
    return labels.wrap(_label(drawing), round(rows * 2 * np.pi * radius / height), rows)


def _ribs(colour: str) -> Texture:
    """Fine upright grooves, as on a screw cap, (16, 384, 3)."""
    light = 1 - 0.22 * (np.arange(384) % 8 >= 5)
    rows = np.asarray(bgr(colour))[None] * light[:, None]
    return np.repeat(rows[None].astype(np.uint8), 16, 0)
