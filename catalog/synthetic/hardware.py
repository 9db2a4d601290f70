"""Make small hardware and household things, facing the viewer."""

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
    decal,
    inside_out,
    moved,
    plain,
    plate,
    rotation,
    swept,
    turned,
)
from catalog.synthetic.tool_parts import arc, bar, grained, stuck, tints


def tape(drawing: Drawing) -> list[Surface]:
    """A tape measure; colours: case, disc, end of the tape."""
    case, side, metal = tints(drawing)
    scale = np.full((40, 12, 3), bgr("#ffe25a"), np.uint8)
    scale[::4, 6:] = scale[::8, 3:] = 20
    shell = [
        (-0.3, 0.5),
        (0.2, 0.5),
        (0.42, 0.34),
        (0.5, 0),
        (0.5, -0.42),
        (-0.42, -0.42),
        (-0.5, -0.3),
        (-0.5, 0.32),
    ]
    disc = turned([(0, 0.24), (0.26, 0.235), (0.28, 0.2)], side, SATIN, 40)
    strip = box((0.09, 0.5, 0.14), [scale] + [metal] * 5, SATIN, (0.48, -0.62, 0))
    return [*strip, *plate(shell, 0.4, case, case, GLOSSY), decal(moved(disc, rotation(pitch=90)))]


def torch(drawing: Drawing) -> list[Surface]:
    """A torch, upright; colours: body, rings, lens."""
    _, ring, lens = tints(drawing)
    ribs = np.repeat(np.where(np.arange(40) % 5 < 3, 1.0, 0.65)[:, None, None], 8, 1)
    knurled = (ribs * np.asarray(bgr(drawing.colours[0]))).astype(np.uint8)
    profile = [(0.19, 1.2), (0.2, 1.16), (0.2, 1.0), (0.12, 0.82)]
    return [
        turned([(0, 1.17), (0.17, 1.2), (0.19, 1.2)], lens, GLOSSY),
        turned(profile, ring, STEEL),
        turned([(0.12, 0.82), (0.12, 0.7), (0.115, 0.7), (0.115, 0.08)], knurled, SATIN),
        turned([(0.12, 0.08), (0.12, 0), (0, 0)], ring, STEEL),
        *stuck(box((0.05, 0.09, 0.04), [plain(bgr("#d62828"))] * 6, GLOSSY, (0, 0.6, 0.12))),
    ]


def bulb(drawing: Drawing) -> list[Surface]:
    """A lamp; colours: glass, collar, thread."""
    glass, collar, metal = tints(drawing)
    angle = np.linspace(0, np.pi * 0.8, 16)
    round_part = np.stack([0.33 * np.sin(angle), 0.75 + 0.33 * np.cos(angle)], 1)
    thread = [(0.13 + 0.014 * (step % 2), 0.2 - 0.03 * step) for step in range(7)]
    return [
        turned(np.concatenate([round_part, [(0.15, 0.36)]]), glass, Finish(0.8)),
        turned([(0.165, 0.37), (0.15, 0.2)], collar, SATIN),
        turned(thread, metal, STEEL),
        turned([(0.13, 0.02), (0.06, -0.05), (0, -0.05)], plain(bgr("#2b2b2b")), SATIN),
    ]


def padlock(drawing: Drawing) -> list[Surface]:
    """A padlock; colours: body, plaque, hoop."""
    body, plaque, metal = tints(drawing)
    hoop = np.concatenate([[(-0.22, 0.3, 0)], arc(0, 0.62, 0.22, 180, 0, 16), [(0.22, 0.3, 0)]])
    keyhole = turned([(0, 0.02), (0.045, 0.02), (0.05, 0)], plain(bgr("#1c1c1c")), MATT, 18)
    return [
        swept(hoop, np.full(18, 0.06), metal, STEEL, 14),
        bar(
            0.42,
            -0.3,
            [(0.33, 0.12), (0.36, 0.14), (0.36, 0.14), (0.36, 0.14), (0.33, 0.12)],
            body,
            Finish(0.6, 0.5),
            6,
        ),
        *stuck(box((0.5, 0.14, 0.02), [plaque] * 6, SATIN, (0, 0.2, 0.145))),
        decal(moved(keyhole, rotation(pitch=90), (0, -0.06, 0.145))),
    ]


def level(drawing: Drawing) -> list[Surface]:
    """A spirit level, lying down; colours: body, edges, glass."""
    body, edge, _ = tints(drawing)
    face = np.full((60, 400, 3), bgr(drawing.colours[0]), np.uint8)
    face[:7], face[-7:] = bgr(drawing.colours[1]), bgr(drawing.colours[1])
    face[16:44, 165:235] = bgr(drawing.colours[2])
    face[20:40, 190:210] = np.minimum(np.asarray(bgr(drawing.colours[2])) + 60, 255)
    face[14:46, (186, 187, 213, 214)] = 20
    for middle in (40, 360):
        face[10:50, middle - 16 : middle + 16] = bgr(drawing.colours[2])
        face[24:36, middle - 16 : middle + 16] = 235
    return box((1.6, 0.24, 0.12), [face, edge, body, edge, edge, edge], SATIN)


def reel(drawing: Drawing) -> list[Surface]:
    """A roll of sticky tape, turned a little; colours: film, core."""
    film, core, _ = tints(drawing)
    ring = turned([(0.3, 0.14), (0.5, 0.14), (0.5, -0.14), (0.3, -0.14)], film, GLOSSY)
    inner = inside_out(turned([(0.26, 0.14), (0.26, -0.14)], core, MATT))
    edge = turned([(0.26, 0.14), (0.3, 0.14)], core, MATT)
    turn = rotation(yaw=28) @ rotation(pitch=78)
    return [moved(piece, turn) for piece in (inner, edge, ring)]


def spoon(drawing: Drawing) -> list[Surface]:
    """A wooden spoon; colours: wood, hollow."""
    wood = grained(drawing.colours[0])
    bowl = [(0.11, 0.04), (0.17, 0.05), (0.175, 0.055), (0.14, 0.05), (0.06, 0.04)]
    hollow = turned([(0, 0.0), (0.1, 0.02), (0.13, 0.05)], plain(bgr(drawing.colours[1])), MATT, 30)
    dent = moved(hollow, np.diag([1, 1, 1.35]))
    return [
        bar(0.98, -0.3, [(0.045, 0.035), (0.04, 0.032), (0.042, 0.034), (0.055, 0.04)], wood, MATT),
        bar(1.36, 0.9, bowl, wood, MATT),
        decal(moved(dent, rotation(pitch=90), (0, 1.14, 0.03))),
    ]


def sweeper(drawing: Drawing) -> list[Surface]:
    """A hand brush; colours: handle, none, bristles."""
    random = np.random.default_rng(12)
    hairs = np.asarray(bgr(drawing.colours[2])) * (1 + 0.2 * random.standard_normal((1, 120, 1)))
    bristles = np.clip(np.repeat(hairs, 8, 0), 0, 255).astype(np.uint8)
    handle, _, _ = tints(drawing)
    fan = box((0.24, 0.8, 0.22), [np.rot90(bristles)] * 6, MATT, (0.2, 0.85, 0))
    return [
        *fan,
        bar(1.3, 0.4, [(0.07, 0.13), (0.08, 0.14), (0.08, 0.14), (0.07, 0.12)], handle, SATIN, 4),
        bar(
            0.46, -0.25, [(0.06, 0.05), (0.05, 0.045), (0.07, 0.055), (0.07, 0.055)], handle, SATIN
        ),
    ]


BUILDERS = (tape, torch, bulb, padlock, level, reel, spoon, sweeper)
