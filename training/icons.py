"""Icons of product labels."""

import math

from PIL import ImageDraw

from training.colours import Colour, Rng

ICONS = (
    "disc",
    "ring",
    "star",
    "leaf",
    "drop",
    "heart",
    "polygon",
    "bars",
    "cross",
    "moon",
    "sun",
    "waves",
)


def regular(
    x: float, y: float, radius: float, corners: int, inner: float, turn: float
) -> list[tuple[float, float]]:
    """Corners of a polygon (inner = 1) or a star (inner < 1)."""
    count = corners if inner >= 1 else corners * 2
    out = []
    for i in range(count):
        r = radius * (inner if inner < 1 and i % 2 else 1.0)
        a = turn + 2 * math.pi * i / count
        out.append((x + r * math.sin(a), y - r * math.cos(a)))
    return out


def icon(  # noqa: C901  # a few lines for each kind of icon
    draw: ImageDraw.ImageDraw, rng: Rng, x: float, y: float, r: float, ink: Colour, ground: Colour
) -> None:
    """Draw a random icon of radius `r` round (x, y)."""
    kind = ICONS[int(rng.integers(len(ICONS)))]
    box = (x - r, y - r, x + r, y + r)
    thick = max(1, round(r * rng.uniform(0.15, 0.4)))
    if kind == "disc":
        draw.ellipse(box, fill=ink)
        draw.ellipse(
            (x - r * 0.3, y - r * 0.8, x + r * 0.7, y + r * 0.2),
            fill=ground if rng.random() < 0.5 else ink,
        )
    elif kind == "ring":
        draw.ellipse(box, outline=ink, width=thick)
    elif kind == "star":
        draw.polygon(
            regular(x, y, r, int(rng.integers(4, 10)), rng.uniform(0.35, 0.7), rng.uniform(0, 1)),
            fill=ink,
        )
    elif kind == "polygon":
        draw.polygon(regular(x, y, r, int(rng.integers(3, 7)), 1.0, rng.uniform(0, 2)), fill=ink)
    elif kind == "leaf":
        draw.pieslice((x - r, y - r, x + r * 2, y + r * 2), 180, 270, fill=ink)
        draw.pieslice((x - r * 2, y - r * 2, x + r, y + r), 0, 90, fill=ink)
        draw.line((x - r, y + r, x + r, y - r), fill=ground, width=max(1, thick // 3))
    elif kind == "drop":
        draw.polygon([(x, y - r), (x - r * 0.6, y + r * 0.2), (x + r * 0.6, y + r * 0.2)], fill=ink)
        draw.ellipse((x - r * 0.68, y - r * 0.25, x + r * 0.68, y + r), fill=ink)
    elif kind == "heart":
        draw.ellipse((x - r, y - r * 0.8, x + r * 0.1, y + r * 0.25), fill=ink)
        draw.ellipse((x - r * 0.1, y - r * 0.8, x + r, y + r * 0.25), fill=ink)
        draw.polygon([(x - r * 0.93, y), (x + r * 0.93, y), (x, y + r)], fill=ink)
    elif kind == "bars":
        for i in range(4):
            top = y + r - 2 * r * rng.uniform(0.3, 1)
            draw.rectangle(
                (x - r + i * r * 0.5, top, x - r + i * r * 0.5 + r * 0.35, y + r), fill=ink
            )
    elif kind == "cross":
        draw.rectangle((x - r, y - r * 0.3, x + r, y + r * 0.3), fill=ink)
        draw.rectangle((x - r * 0.3, y - r, x + r * 0.3, y + r), fill=ink)
    elif kind == "moon":
        draw.ellipse(box, fill=ink)
        draw.ellipse((x - r * 0.4, y - r * 1.1, x + r * 1.4, y + r * 0.7), fill=ground)
    elif kind == "sun":
        draw.polygon(regular(x, y, r, int(rng.integers(8, 16)), 0.7, 0), fill=ink)
        draw.ellipse((x - r * 0.45, y - r * 0.45, x + r * 0.45, y + r * 0.45), fill=ground)
    else:
        for i in range(3):
            top = y - r + i * r * 0.7
            for j in range(3):
                left = x - r + j * r * 0.67
                draw.arc(
                    (left, top, left + r * 0.67, top + r * 0.6),
                    0 if j % 2 else 180,
                    180 if j % 2 else 360,
                    fill=ink,
                    width=thick,
                )
