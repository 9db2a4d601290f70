"""Make things that the demonstration shop does not sell: shapes without a label."""

from __future__ import annotations

import numpy as np

from catalog.synthetic.drawing import Drawing, bgr, mixed
from catalog.synthetic.meshes import (
    GLOSSY,
    MATT,
    SATIN,
    STEEL,
    Surface,
    box,
    curve,
    inside_out,
    moved,
    plain,
    plate,
    rotation,
    swept,
    turned,
)


def mug(drawing: Drawing) -> list[Surface]:
    """A mug; colours: outside, inside, band; measures: radius for a height of 1."""
    outside, inside, stripe = (plain(bgr(colour)) for colour in drawing.colours)
    (radius,) = drawing.measures
    angle = np.linspace(0.15, np.pi - 0.15, 14)
    path = np.stack([radius + 0.28 * np.sin(angle), 0.5 + 0.3 * np.cos(angle), 0 * angle], 1)
    return [
        inside_out(turned([(radius * 0.92, 1), (radius * 0.9, 0.12), (0, 0.12)], inside, GLOSSY)),
        turned([(radius * 0.92, 1), (radius, 1)], outside, GLOSSY),
        turned([(radius, 1), (radius, 0.62)], outside, GLOSSY),
        turned([(radius, 0.62), (radius, 0.3)], stripe, GLOSSY),
        turned([(radius, 0.3), (radius, 0.06), (radius * 0.9, 0), (0, 0)], outside, GLOSSY),
        swept(path, np.full(14, 0.055), outside, GLOSSY, 12),
    ]


def book(drawing: Drawing) -> list[Surface]:
    """A book; colours: cover, field; measures: width, height, depth."""
    cover, pages = plain(bgr(drawing.colours[0])), plain(bgr("#ece5d3"))
    width, height, depth = drawing.measures
    face = np.full((100, 70, 3), bgr(drawing.colours[0]), np.uint8)
    face[18:46, 10:60] = bgr(drawing.colours[1])
    face[80:84, 10:44] = bgr(drawing.colours[1])
    face[:, :6] = (face[:, :6] * 0.8).astype(np.uint8)
    return box((width, height, depth), [face, pages, cover, cover, pages, pages], SATIN)


def pot(drawing: Drawing) -> list[Surface]:
    """A plant pot with leaves; colours: clay, leaf."""
    clay, leaf = drawing.colours
    pieces = [
        turned([(0, 0.5), (0.34, 0.5)], plain(bgr("#3a2a1e")), MATT),
        turned(
            [(0.34, 0.52), (0.38, 0.52), (0.38, 0.4), (0.34, 0.4), (0.26, 0), (0, 0)],
            plain(bgr(clay)),
            MATT,
        ),
    ]
    for step in range(9):
        a, far = 2.4 * step, 0.2 + 0.04 * (step % 4)
        tip = (far * np.sin(a) * 1.6, 0.8 + 0.06 * (step % 5), far * np.cos(a) * 1.6)
        path = curve([tip, (tip[0] * 0.6, 0.85, tip[2] * 0.6), (0.02, 0.5, 0.02)], 9)
        half = np.stack(
            [[0.005, 0.05, 0.09, 0.1, 0.09, 0.06, 0.04, 0.02, 0.015], np.full(9, 0.012)], 1
        )
        shade = mixed(leaf, "#000000", 0.07 * (step % 4))
        pieces.append(swept(path, half, plain(bgr(shade)), SATIN, 8))
    return pieces


def block(drawing: Drawing) -> list[Surface]:
    """A toy block with studs; colours: a single one; measures: studs along and across."""
    (colour,) = drawing.colours
    along, across = (int(count) for count in drawing.measures)
    coat = plain(bgr(colour))
    pieces = box((along * 0.3, 0.36, across * 0.3), [coat] * 6, GLOSSY)
    for i in range(along):
        for j in range(across):
            stud = turned([(0, 0.25), (0.09, 0.25), (0.09, 0.18)], coat, GLOSSY, 16)
            at = (0.3 * (i - (along - 1) / 2), 0, 0.3 * (j - (across - 1) / 2))
            pieces.append(moved(stud, np.eye(3), at))
    return pieces


def ball(drawing: Drawing) -> list[Surface]:
    """A ball; colours: those of its gores in turn; measures: number of gores."""
    first, second = (bgr(colour) for colour in drawing.colours)
    (gores,) = drawing.measures
    skin = np.empty((64, 256, 3), np.uint8)
    odd = (np.arange(256) * gores // 128).astype(int) % 2 == 1
    skin[:, odd], skin[:, ~odd] = first, second
    skin[28:36] = first
    angle = np.linspace(0, np.pi, 19)
    sphere = turned(np.stack([np.sin(angle), np.cos(angle)], 1), skin, SATIN, 40)
    return [moved(sphere, rotation(20, 25, 15))]


def phone(drawing: Drawing) -> list[Surface]:
    """A phone; colours: its case, and the tiles on its dark screen in turn."""
    case, first, second = drawing.colours
    screen = mixed(first, "#101418", 0.85)
    face = np.full((200, 100, 3), bgr(case), np.uint8)
    face[8:192, 5:95] = bgr(screen)
    for row in range(4):
        for column in range(3):
            tint = first if (row + column) % 2 else second
            face[40 + 36 * row : 62 + 36 * row, 16 + 27 * column : 34 + 27 * column] = bgr(tint)
    back = plain(bgr(case))
    return box((0.5, 1, 0.05), [face, back, back, back, back, back], GLOSSY)


def shoe(drawing: Drawing) -> list[Surface]:
    """A shoe seen from the side; colours: upper, sole, laces."""
    upper, sole, laces = (plain(bgr(colour)) for colour in drawing.colours)
    path = curve(
        [
            (-0.5, 0.34, 0),
            (-0.36, 0.3, 0),
            (-0.1, 0.24, 0),
            (0.2, 0.15, 0),
            (0.45, 0.1, 0),
            (0.56, 0.08, 0),
        ],
        20,
    )
    tall = np.interp(
        np.linspace(0, 1, 20),
        [0, 0.03, 0.2, 0.4, 0.7, 0.95, 1],
        [0.01, 0.25, 0.27, 0.22, 0.14, 0.1, 0.01],
    )
    body = swept(path, np.stack([tall, np.minimum(tall, 0.17)], 1), upper, SATIN, 20, 2.6)
    base = box((1.1, 0.09, 0.34), [sole] * 6, MATT, (0.03, -0.01, 0))
    pieces = [body, *base]
    for step in range(4):
        x = -0.06 + 0.1 * step
        top = 0.5 - 0.36 * (x + 0.12)
        lace = [(x, top, -0.1), (x + 0.01, top + 0.02, 0.0), (x + 0.02, top - 0.04, 0.14)]
        pieces.append(swept(curve(lace, 6), np.full(6, 0.02), laces, MATT, 8))
    return pieces


def spectacles(drawing: Drawing) -> list[Surface]:
    """Spectacles; colours: frame, lens; measures: a lens's half width and half height."""
    rim, lens = (plain(bgr(colour)) for colour in drawing.colours)
    wide, tall = drawing.measures
    angle = np.linspace(0, 2 * np.pi, 25)
    pieces: list[Surface] = []
    for side in (-1, 1):
        ring = np.stack([wide * np.sin(angle), tall * np.cos(angle), 0 * angle], 1)
        ring += np.array([side * wide * 1.25, 0, 0], np.float32)
        pieces += plate(ring[:-1, :2], 0.01, lens, lens, GLOSSY)
        pieces.append(swept(ring, np.full(25, 0.035), rim, SATIN, 8))
        x = side * wide * 2.25
        arm = [(x, tall * 0.4, 0), (x * 1.02, tall * 0.4, -0.5), (x, tall * 0.1, -0.9)]
        pieces.append(swept(curve(arm, 8), np.full(8, 0.03), rim, SATIN, 8))
    bridge = curve([(-wide * 0.3, 0.05, 0), (0, 0.1, 0.02), (wide * 0.3, 0.05, 0)], 7)
    return [*pieces, swept(bridge, np.full(7, 0.035), rim, SATIN, 8)]


def star(drawing: Drawing) -> list[Surface]:
    """A star; colours: face, side; measures: points and their depth."""
    points, inner = drawing.measures
    angle = np.pi * np.arange(2 * int(points)) / int(points)
    far = np.where(np.arange(2 * int(points)) % 2, inner, 1.0)
    outline = np.stack([far * np.sin(angle), far * np.cos(angle)], 1)
    face, side = (plain(bgr(colour)) for colour in drawing.colours)
    return plate(outline, 0.3, face, side, SATIN)


def key(drawing: Drawing) -> list[Surface]:
    """A key; colours: metal, head."""
    metal, head = (plain(bgr(mixed(colour, "#b8b4a8", 0.6))) for colour in drawing.colours)
    angle = np.linspace(0, 2.1 * np.pi, 25)
    ring = np.stack([0.17 * np.sin(angle), 0.36 + 0.17 * np.cos(angle), 0 * angle], 1)
    pieces = [
        swept(ring, np.full((25, 2), (0.07, 0.035)), head, SATIN, 12),
        *box((0.1, 0.78, 0.04), [metal] * 6, STEEL, (0, -0.2, 0)),
    ]
    for y, wide in [(-0.52, 0.12), (-0.42, 0.07), (-0.34, 0.12)]:
        pieces += box((wide, 0.06, 0.035), [metal] * 6, STEEL, (0.04 + wide / 2, y, 0))
    return pieces


def hand(drawing: Drawing) -> list[Surface]:
    """A pointing hand; colours: skin, sleeve; measures: a finger's lean in degrees and length."""
    skin, sleeve = (plain(bgr(colour)) for colour in drawing.colours)
    lean, length = drawing.measures
    a = np.radians(lean)
    finger = curve(
        [
            (0.24 + length * np.sin(a), 0.3 + length * np.cos(a), 0.1),
            (0.24 + 0.5 * length * np.sin(a), 0.3 + 0.5 * length * np.cos(a), 0.16),
            (0.24, 0.25, 0.1),
            (0.2, -0.1, 0),
        ],
        14,
    )
    thin = np.concatenate([[0.01, 0.06, 0.085], np.full(11, 0.1)])
    pieces = [
        swept(
            [(0, 0.42, 0), (0, 0.36, 0), (0, 0.1, 0), (0, -0.4, 0), (0, -0.6, 0)],
            [(0.05, 0.05), (0.3, 0.18), (0.36, 0.22), (0.28, 0.18), (0.2, 0.16)],
            skin,
            SATIN,
            20,
            2.6,
        ),
        swept(finger, thin, skin, SATIN, 12),
        swept([(0, -0.5, 0), (0, -1.2, 0)], [0.2, 0.24], skin, SATIN, 16),
        swept([(0, -0.9, 0), (0, -1.5, 0)], [0.29, 0.33], sleeve, MATT, 16),
    ]
    for step in range(3):  # the folded fingers
        x = 0.06 - 0.17 * step
        knuckle = curve([(x, 0.36, 0.1), (x, 0.3, 0.24), (x, 0.05, 0.27), (x, -0.02, 0.15)], 9)
        pieces.append(
            swept(knuckle, [0.02, 0.07, 0.09, 0.09, 0.09, 0.09, 0.085, 0.06, 0.02], skin, SATIN, 12)
        )
    return pieces
