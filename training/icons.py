"""Icons of product labels."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from PIL import ImageDraw

from training.colours import Colour, Rng


@dataclass(frozen=True)
class Spot:
    """Where and how an icon is drawn: its middle, radius, line width and two colours."""

    x: float
    y: float
    radius: float
    line: int
    ink: Colour
    ground: Colour

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        x, y, r = self.x, self.y, self.radius
        return (x - r, y - r, x + r, y + r)


def regular(
    x: float, y: float, radius: float, corners: int, inner: float, turn: float
) -> list[tuple[float, float]]:
    """Corners of a polygon (inner = 1) or a star (inner < 1)."""
    count = corners if inner >= 1 else corners * 2
    points = []
    for i in range(count):
        r = radius * (inner if inner < 1 and i % 2 else 1.0)
        a = turn + 2 * math.pi * i / count
        points.append((x + r * math.sin(a), y - r * math.cos(a)))
    return points


def icon(
    draw: ImageDraw.ImageDraw, rng: Rng, x: float, y: float, r: float, ink: Colour, ground: Colour
) -> None:
    """Draw a random icon of radius `r` round (x, y)."""
    drawn = ICONS[int(rng.integers(len(ICONS)))]
    line = max(1, round(r * rng.uniform(0.15, 0.4)))
    drawn(draw, rng, Spot(x, y, r, line, ink, ground))


def _disc(draw: ImageDraw.ImageDraw, rng: Rng, spot: Spot) -> None:
    x, y, r = spot.x, spot.y, spot.radius
    draw.ellipse(spot.box, fill=spot.ink)
    inner = (x - r * 0.3, y - r * 0.8, x + r * 0.7, y + r * 0.2)
    draw.ellipse(inner, fill=spot.ground if rng.random() < 0.5 else spot.ink)


def _ring(draw: ImageDraw.ImageDraw, rng: Rng, spot: Spot) -> None:
    draw.ellipse(spot.box, outline=spot.ink, width=spot.line)


def _star(draw: ImageDraw.ImageDraw, rng: Rng, spot: Spot) -> None:
    corners, inner, turn = int(rng.integers(4, 10)), rng.uniform(0.35, 0.7), rng.uniform(0, 1)
    draw.polygon(regular(spot.x, spot.y, spot.radius, corners, inner, turn), fill=spot.ink)


def _polygon(draw: ImageDraw.ImageDraw, rng: Rng, spot: Spot) -> None:
    corners, turn = int(rng.integers(3, 7)), rng.uniform(0, 2)
    draw.polygon(regular(spot.x, spot.y, spot.radius, corners, 1.0, turn), fill=spot.ink)


def _leaf(draw: ImageDraw.ImageDraw, rng: Rng, spot: Spot) -> None:
    x, y, r = spot.x, spot.y, spot.radius
    draw.pieslice((x - r, y - r, x + r * 2, y + r * 2), 180, 270, fill=spot.ink)
    draw.pieslice((x - r * 2, y - r * 2, x + r, y + r), 0, 90, fill=spot.ink)
    draw.line((x - r, y + r, x + r, y - r), fill=spot.ground, width=max(1, spot.line // 3))


def _drop(draw: ImageDraw.ImageDraw, rng: Rng, spot: Spot) -> None:
    x, y, r = spot.x, spot.y, spot.radius
    corners = [(x, y - r), (x - r * 0.6, y + r * 0.2), (x + r * 0.6, y + r * 0.2)]
    draw.polygon(corners, fill=spot.ink)
    draw.ellipse((x - r * 0.68, y - r * 0.25, x + r * 0.68, y + r), fill=spot.ink)


def _heart(draw: ImageDraw.ImageDraw, rng: Rng, spot: Spot) -> None:
    x, y, r = spot.x, spot.y, spot.radius
    draw.ellipse((x - r, y - r * 0.8, x + r * 0.1, y + r * 0.25), fill=spot.ink)
    draw.ellipse((x - r * 0.1, y - r * 0.8, x + r, y + r * 0.25), fill=spot.ink)
    draw.polygon([(x - r * 0.93, y), (x + r * 0.93, y), (x, y + r)], fill=spot.ink)


def _bars(draw: ImageDraw.ImageDraw, rng: Rng, spot: Spot) -> None:
    x, y, r = spot.x, spot.y, spot.radius
    for i in range(4):
        top, left = y + r - 2 * r * rng.uniform(0.3, 1), x - r + i * r * 0.5
        draw.rectangle((left, top, left + r * 0.35, y + r), fill=spot.ink)


def _cross(draw: ImageDraw.ImageDraw, rng: Rng, spot: Spot) -> None:
    x, y, r = spot.x, spot.y, spot.radius
    draw.rectangle((x - r, y - r * 0.3, x + r, y + r * 0.3), fill=spot.ink)
    draw.rectangle((x - r * 0.3, y - r, x + r * 0.3, y + r), fill=spot.ink)


def _moon(draw: ImageDraw.ImageDraw, rng: Rng, spot: Spot) -> None:
    x, y, r = spot.x, spot.y, spot.radius
    draw.ellipse(spot.box, fill=spot.ink)
    draw.ellipse((x - r * 0.4, y - r * 1.1, x + r * 1.4, y + r * 0.7), fill=spot.ground)


def _sun(draw: ImageDraw.ImageDraw, rng: Rng, spot: Spot) -> None:
    x, y, r = spot.x, spot.y, spot.radius
    draw.polygon(regular(x, y, r, int(rng.integers(8, 16)), 0.7, 0), fill=spot.ink)
    draw.ellipse((x - r * 0.45, y - r * 0.45, x + r * 0.45, y + r * 0.45), fill=spot.ground)


def _waves(draw: ImageDraw.ImageDraw, rng: Rng, spot: Spot) -> None:
    x, y, r = spot.x, spot.y, spot.radius
    for i in range(3):
        top = y - r + i * r * 0.7
        for j in range(3):
            left = x - r + j * r * 0.67
            box = (left, top, left + r * 0.67, top + r * 0.6)
            start, end = (0, 180) if j % 2 else (180, 360)
            draw.arc(box, start, end, fill=spot.ink, width=spot.line)


ICONS: tuple[Callable[[ImageDraw.ImageDraw, Rng, Spot], None], ...] = (
    _disc,
    _ring,
    _star,
    _leaf,
    _drop,
    _heart,
    _polygon,
    _bars,
    _cross,
    _moon,
    _sun,
    _waves,
)
