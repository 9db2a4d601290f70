"""Make hand tools as they hang on a wall: facing the viewer, long side upright.

Every builder takes the colours of the handle, of what is on it, and of the metal or bristles.
"""

from __future__ import annotations

import numpy as np

from catalog.synthetic.drawing import Drawing, bgr
from catalog.synthetic.meshes import (
    GLOSSY,
    MATT,
    SATIN,
    STEEL,
    Finish,
    Surface,
    box,
    curve,
    decal,
    moved,
    plain,
    plate,
    rotation,
    swept,
    turned,
)
from catalog.synthetic.tool_parts import arc, bar, grained, stuck, tints


def hammer(drawing: Drawing) -> list[Surface]:
    """A claw hammer."""
    _, grip, metal = tints(drawing)
    claw = curve([(0.02, 1.16, 0), (0.2, 1.17, 0), (0.36, 1.1, 0), (0.46, 0.96, 0)], 12)
    return [
        bar(
            1.2,
            0.42,
            [(0.05, 0.045), (0.045, 0.04), (0.055, 0.05)],
            grained(drawing.colours[0]),
            SATIN,
        ),
        bar(0.45, 0.0, [(0.06, 0.055), (0.075, 0.065), (0.065, 0.06), (0.08, 0.065)], grip, MATT),
        swept(claw, [(w, 0.075) for w in np.linspace(0.085, 0.015, 12)], metal, STEEL, 16, 3),
        swept(
            [
                (-0.38, 1.16, 0),
                (-0.37, 1.16, 0),
                (-0.25, 1.16, 0),
                (-0.24, 1.16, 0),
                (-0.1, 1.16, 0),
                (0.05, 1.16, 0),
            ],
            [0.001, 0.115, 0.115, 0.08, 0.085, 0.09],
            metal,
            STEEL,
            20,
        ),
    ]


def spanner(drawing: Drawing) -> list[Surface]:
    """A spanner, open at one end and a ring at the other; one colour."""
    (metal,) = tints(drawing)
    jaw = arc(0, 1.2, 0.15, -232, 52, 20)
    thick = np.interp(
        np.linspace(0, 1, 20), [0, 0.12, 0.5, 0.88, 1], [0.045, 0.075, 0.09, 0.075, 0.045]
    )
    ring = arc(0, -0.02, 0.125, 90, 450, 24)
    return [
        bar(
            1.06,
            0.08,
            [(0.085, 0.04), (0.062, 0.032), (0.062, 0.032), (0.075, 0.04)],
            metal,
            STEEL,
            4,
        ),
        swept(jaw, np.stack([thick, np.full(20, 0.055)], 1), metal, STEEL, 16, 4),
        swept(ring, np.full((24, 2), (0.058, 0.055)), metal, STEEL, 16, 4),
    ]


def screwdriver(drawing: Drawing) -> list[Surface]:
    """A screwdriver with a ribbed handle."""
    _, collar, metal = tints(drawing)
    ribs = np.repeat(np.where(np.arange(48) % 6 < 4, 1.0, 0.72)[None, :, None], 4, 0)
    handle = (ribs * np.asarray(bgr(drawing.colours[0]))).astype(np.uint8)
    return [
        bar(
            0.62,
            0.0,
            [(0.075, 0.075), (0.1, 0.1), (0.125, 0.125), (0.13, 0.13), (0.1, 0.1)],
            handle,
            GLOSSY,
        ),
        bar(0.68, 0.58, [(0.085, 0.085), (0.085, 0.085)], collar, SATIN),
        bar(
            1.36,
            0.6,
            [(0.035, 0.012), (0.05, 0.02), (0.04, 0.04), (0.04, 0.04), (0.04, 0.04)],
            metal,
            STEEL,
        ),
    ]


def pliers(drawing: Drawing) -> list[Surface]:
    """Pliers, a little open."""
    grip, _, metal = tints(drawing)
    pieces: list[Surface] = []
    for side in (-1, 1):
        leg = curve(
            [
                (side * 0.03, 0.86, 0),
                (side * 0.13, 0.62, 0),
                (side * 0.2, 0.3, 0),
                (side * 0.13, -0.05, 0),
            ],
            16,
        )
        half = np.interp(
            np.linspace(0, 1, 16), [0, 0.06, 0.5, 0.94, 1], [0.03, 0.065, 0.075, 0.065, 0.01]
        )
        pieces.append(swept(leg, half, grip, SATIN, 16))
        jaw = curve(
            [
                (side * 0.022, 1.42, 0),
                (side * 0.07, 1.2, 0),
                (side * 0.075, 1.0, 0),
                (-side * 0.02, 0.84, 0),
            ],
            12,
        )
        pieces.append(
            swept(jaw, [(w, 0.05) for w in np.linspace(0.028, 0.085, 12)], metal, STEEL, 14, 3)
        )
    rivet = turned([(0, 0.05), (0.05, 0.045), (0.06, 0)], metal, STEEL, 20)
    return [*pieces, decal(moved(rivet, rotation(pitch=90), (0, 0.92, 0.07)))]


def saw(drawing: Drawing) -> list[Surface]:
    """A hand saw."""
    _, _, metal = tints(drawing)
    teeth = [
        (0.3 - 0.002 * step + (0.028 if step % 2 else 0), 0.08 + 0.05 * step) for step in range(26)
    ]
    outline = [(-0.1, 1.38), (0.2, 1.38), *teeth[::-1], (0.3, 0.05), (-0.16, 0.05)]
    blade = plate(outline, 0.02, metal, metal, Finish(0.4, 0.7))
    loop = [
        (-0.14, 0.16, 0),
        (0.3, 0.1, 0),
        (0.26, -0.14, 0),
        (0.22, -0.34, 0),
        (-0.06, -0.3, 0),
        (-0.16, -0.1, 0),
        (-0.14, 0.16, 0),
    ]
    wood = grained(drawing.colours[0])
    return [*blade, swept(curve(loop, 40), np.full((40, 2), (0.075, 0.055)), wood, SATIN, 16, 2.6)]


def brush(drawing: Drawing) -> list[Surface]:
    """A paint brush."""
    _, band, _ = tints(drawing)
    random = np.random.default_rng(9)
    hairs = np.asarray(bgr(drawing.colours[2])) * (1 + 0.16 * random.standard_normal((1, 96, 1)))
    bristles = np.clip(np.repeat(hairs, 8, 0), 0, 255).astype(np.uint8)
    wood = grained(drawing.colours[0])
    return [
        bar(1.3, 0.84, [(0.24, 0.05), (0.25, 0.07), (0.23, 0.075)], bristles, MATT, 4),
        bar(0.88, 0.66, [(0.24, 0.08), (0.24, 0.08)], band, STEEL, 4),
        bar(
            0.68,
            -0.1,
            [
                (0.2, 0.06),
                (0.17, 0.055),
                (0.065, 0.045),
                (0.05, 0.04),
                (0.06, 0.045),
                (0.075, 0.05),
                (0.055, 0.045),
            ],
            wood,
            GLOSSY,
            2.6,
        ),
    ]


def roller(drawing: Drawing) -> list[Surface]:
    """A paint roller."""
    grip, fleece, metal = tints(drawing)
    wire = curve(
        [
            (0.42, 1.2, 0),
            (0.52, 1.2, 0),
            (0.54, 1.05, 0),
            (0.5, 0.9, 0),
            (0.1, 0.82, 0),
            (0, 0.74, 0),
            (0, 0.4, 0),
        ],
        36,
    )
    sleeve = turned(
        [(0, 0.42), (0.13, 0.42), (0.155, 0.4), (0.155, -0.4), (0.13, -0.42), (0, -0.42)],
        fleece,
        MATT,
        32,
    )
    return [
        swept(wire, np.full(36, 0.022), metal, STEEL, 10),
        moved(sleeve, rotation(roll=90), (0, 1.2, 0)),
        bar(
            0.46,
            -0.1,
            [(0.06, 0.06), (0.08, 0.08), (0.065, 0.065), (0.08, 0.08), (0.07, 0.07)],
            grip,
            SATIN,
        ),
    ]


def scissors(drawing: Drawing) -> list[Surface]:
    """Scissors, a little open."""
    grip, _, metal = tints(drawing)
    pieces: list[Surface] = []
    for side in (-1, 1):
        blade = [
            (side * 0.05, 1.4, 0),
            (side * 0.05, 1.05, 0),
            (0, 0.7, 0),
            (-side * 0.09, 0.45, 0),
        ]
        half = [
            (w, 0.018)
            for w in np.interp(np.linspace(0, 1, 14), [0, 0.1, 0.6, 1], [0.008, 0.03, 0.075, 0.05])
        ]
        pieces.append(swept(curve(blade, 14), half, metal, STEEL, 12, 3))
        angle = np.linspace(0, 2 * np.pi, 26)
        loop = np.stack(
            [side * 0.2 + 0.15 * np.sin(angle), 0.16 + 0.24 * np.cos(angle), 0 * angle], 1
        )
        pieces.append(swept(loop, np.full(26, 0.052), grip, SATIN, 14))
        pieces.append(
            swept([(-side * 0.06, 0.56, 0), (side * 0.1, 0.38, 0)], [0.055, 0.06], grip, SATIN, 12)
        )
    rivet = turned([(0, 0.05), (0.04, 0.045), (0.05, 0)], metal, STEEL, 20)
    return [*pieces, decal(moved(rivet, rotation(pitch=90), (0, 0.68, 0.03)))]


def trowel(drawing: Drawing) -> list[Surface]:
    """A garden trowel."""
    _, _, metal = tints(drawing)
    outline = [
        (0, 1.4),
        (0.13, 1.24),
        (0.2, 1.0),
        (0.21, 0.78),
        (0.12, 0.6),
        (-0.12, 0.6),
        (-0.21, 0.78),
        (-0.2, 1.0),
        (-0.13, 1.24),
    ]
    neck = curve([(0, 0.78, 0.02), (0, 0.56, 0.05), (0, 0.36, 0)], 8)
    return [
        *plate(outline, 0.03, metal, metal, Finish(0.5, 0.7)),
        swept(neck, np.linspace(0.03, 0.04, 8), metal, STEEL, 12),
        bar(
            0.42,
            -0.1,
            [(0.06, 0.06), (0.085, 0.08), (0.07, 0.07), (0.085, 0.08)],
            grained(drawing.colours[0]),
            GLOSSY,
        ),
    ]


def knife(drawing: Drawing) -> list[Surface]:
    """A utility knife."""
    grip, slider, metal = tints(drawing)
    blade = [(-0.05, 0.84), (0.06, 0.84), (0.06, 1.04), (-0.05, 1.2)]
    return [
        *plate(blade[::-1], 0.015, metal, metal, STEEL),
        bar(
            0.9,
            -0.05,
            [(0.085, 0.05), (0.11, 0.06), (0.1, 0.06), (0.115, 0.065), (0.09, 0.055)],
            grip,
            SATIN,
            4,
        ),
        *stuck(box((0.06, 0.3, 0.02), [plain(bgr("#20242b"))] * 6, MATT, (0, 0.55, 0.058))),
        *stuck(box((0.07, 0.1, 0.05), [slider] * 6, SATIN, (0, 0.6, 0.07))),
    ]


BUILDERS = (hammer, spanner, screwdriver, pliers, saw, brush, roller, scissors, trowel, knife)
