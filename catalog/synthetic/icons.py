"""Draw the small pictures on labels, each in a circle around a middle."""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import ImageDraw

from catalog.synthetic.drawing import mixed

Draw = ImageDraw.ImageDraw
Points = list[tuple[float, float]]


class Pen:
    """Draws in units of the icon's radius: (-1, -1) is the top left, (1, 1) the bottom right."""

    def __init__(self, draw: Draw, x: float, y: float, radius: float, colour: str) -> None:
        self.draw, self.x, self.y, self.radius = draw, x, y, radius
        self.colour = colour
        self.dark = mixed(colour, "#000000", 0.35)
        self.light = mixed(colour, "#ffffff", 0.45)

    def oval(self, x: float, y: float, rx: float, ry: float, colour: str | None = None) -> None:
        """A filled oval around (x, y)."""
        left, top = self._at(x - rx, y - ry)
        right, bottom = self._at(x + rx, y + ry)
        self.draw.ellipse((left, top, right, bottom), fill=colour or self.colour)

    def shape(self, points: Points, colour: str | None = None) -> None:
        """A filled polygon."""
        self.draw.polygon([self._at(*point) for point in points], fill=colour or self.colour)

    def line(self, points: Points, width: float, colour: str | None = None) -> None:
        """A line with round ends."""
        places = [self._at(*point) for point in points]
        wide = max(1, round(width * self.radius))
        self.draw.line(places, fill=colour or self.colour, width=wide, joint="curve")
        for x, y in (places[0], places[-1]):
            self.draw.ellipse(
                (x - wide / 2, y - wide / 2, x + wide / 2, y + wide / 2), fill=colour or self.colour
            )

    def leaf(self, x: float, y: float, length: float, angle: float, colour: str) -> None:
        """A pointed leaf from (x, y), `angle` degrees counterclockwise from the right."""
        a = math.radians(angle)
        outline: Points = []
        for side in (1, -1):
            steps = [step / 12 for step in range(13)]
            for t in steps if side > 0 else steps[::-1]:
                across = side * 0.28 * length * math.sin(math.pi * t**0.8)
                dx, dy = t * length, across
                outline.append(
                    (
                        x + dx * math.cos(a) + dy * math.sin(a),
                        y - dx * math.sin(a) + dy * math.cos(a),
                    )
                )
        self.shape(outline, colour)

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return self.x + x * self.radius, self.y + y * self.radius


def ring(count: int, inner: float, outer: float, start: float = -90.0) -> Points:
    """Corners of a star with `count` points."""
    result: Points = []
    for step in range(2 * count):
        a = math.radians(start + 180 * step / count)
        far = outer if step % 2 == 0 else inner
        result.append((far * math.cos(a), far * math.sin(a)))
    return result


GREEN = "#4f9a3a"


def _circle(pen: Pen) -> None:
    pen.oval(0, 0, 0.8, 0.8)
    pen.oval(0, 0, 0.45, 0.45, pen.light)


def _star(pen: Pen) -> None:
    pen.shape(ring(5, 0.42, 1.0))


def _sun(pen: Pen) -> None:
    pen.shape(ring(12, 0.66, 1.0))
    pen.oval(0, 0, 0.52, 0.52, pen.light)


def _drop(pen: Pen) -> None:
    pen.shape([(0, -1), (0.52, 0.05), (-0.52, 0.05)])
    pen.oval(0, 0.3, 0.6, 0.6)
    pen.oval(-0.2, 0.35, 0.13, 0.25, pen.light)


def _leaf(pen: Pen) -> None:
    pen.leaf(-0.75, 0.75, 2.1, 45, pen.colour)
    pen.line([(-0.85, 0.85), (0.4, -0.4)], 0.08, pen.light)


def _sprig(pen: Pen) -> None:
    pen.line([(0, 1), (0, -0.6)], 0.1)
    for y in (0.75, 0.25, -0.25):
        pen.leaf(0, y, 0.85, 35, pen.colour)
        pen.leaf(0, y, 0.85, 145, pen.colour)
    pen.leaf(0, -0.3, 0.75, 90, pen.colour)


def _wheat(pen: Pen) -> None:
    pen.line([(0, 1), (0, -0.5)], 0.09)
    for y in (0.35, 0.0, -0.35):
        pen.leaf(0, y, 0.6, 55, pen.colour)
        pen.leaf(0, y, 0.6, 125, pen.colour)
    pen.leaf(0, -0.4, 0.6, 90, pen.colour)


def _mango(pen: Pen) -> None:
    pen.oval(-0.05, 0.12, 0.8, 0.68)
    pen.oval(0.25, -0.02, 0.6, 0.62)
    pen.oval(0.32, 0.0, 0.36, 0.4, pen.light)
    pen.leaf(0.1, -0.5, 0.85, 30, GREEN)


def _berry(pen: Pen) -> None:
    for x, y in [(-0.4, -0.2), (0.4, -0.2), (0, -0.25), (-0.25, 0.2), (0.25, 0.2), (0, 0.6)]:
        pen.oval(x, y, 0.32, 0.32)
        pen.oval(x - 0.08, y - 0.1, 0.1, 0.1, pen.light)
    pen.leaf(0, -0.5, 0.6, 40, GREEN)
    pen.leaf(0, -0.5, 0.6, 140, GREEN)


def _cherry(pen: Pen) -> None:
    pen.line([(-0.45, 0.4), (0.15, -0.9), (0.45, 0.4)], 0.09, GREEN)
    for x in (-0.45, 0.45):
        pen.oval(x, 0.5, 0.43, 0.43)
        pen.oval(x - 0.14, 0.36, 0.12, 0.12, pen.light)
    pen.leaf(0.15, -0.85, 0.8, 5, GREEN)


def _citrus(pen: Pen) -> None:
    pen.oval(0, 0, 0.92, 0.92)
    pen.oval(0, 0, 0.78, 0.78, "#fff6d8")
    for step in range(8):
        a, b = math.radians(45 * step + 5), math.radians(45 * step + 40)
        pen.shape(
            [
                (0.1 * math.cos((a + b) / 2), 0.1 * math.sin((a + b) / 2)),
                (0.68 * math.cos(a), 0.68 * math.sin(a)),
                (0.68 * math.cos(b), 0.68 * math.sin(b)),
            ]
        )


def _apple(pen: Pen) -> None:
    pen.oval(-0.33, 0.15, 0.5, 0.68)
    pen.oval(0.33, 0.15, 0.5, 0.68)
    pen.line([(0, -0.35), (0.08, -0.85)], 0.1, "#5b3a1e")
    pen.leaf(0.08, -0.6, 0.65, 25, GREEN)
    pen.oval(-0.42, -0.08, 0.14, 0.22, pen.light)


def _tomato(pen: Pen) -> None:
    pen.oval(0, 0.15, 0.88, 0.75)
    pen.oval(-0.38, -0.1, 0.2, 0.14, pen.light)
    for angle in (20, 60, 90, 120, 160):
        pen.leaf(0, -0.5, 0.5, angle, GREEN)


def _olive(pen: Pen) -> None:
    pen.line([(-0.9, -0.6), (0.9, -0.75)], 0.08, GREEN)
    for x, y in [(-0.42, 0.25), (0.4, 0.2)]:
        pen.oval(x, y, 0.4, 0.58)
        pen.oval(x - 0.1, y - 0.2, 0.1, 0.18, pen.light)
    pen.leaf(0.1, -0.65, 0.7, 60, GREEN)


def _bean(pen: Pen) -> None:
    for x, y in [(-0.45, 0.3), (0.4, -0.3)]:
        pen.oval(x, y, 0.48, 0.62)
        crease = [
            (x + 0.1, y - 0.55),
            (x - 0.07, y - 0.15),
            (x + 0.07, y + 0.15),
            (x - 0.1, y + 0.55),
        ]
        pen.line(crease, 0.1, pen.light)


def _cup(pen: Pen) -> None:
    pen.shape([(-0.75, -0.2), (0.55, -0.2), (0.38, 0.75), (-0.58, 0.75)])
    pen.line([(0.5, 0.0), (0.9, 0.1), (0.75, 0.45), (0.42, 0.5)], 0.14)
    for x in (-0.4, 0.0, 0.3):
        pen.line([(x, -0.4), (x + 0.12, -0.65), (x, -0.9)], 0.1)


def _fish(pen: Pen) -> None:
    pen.oval(-0.15, 0, 0.72, 0.42)
    pen.shape([(0.4, 0), (0.98, -0.45), (0.98, 0.45)])
    pen.oval(-0.5, -0.1, 0.09, 0.09, "#ffffff")
    pen.line([(-0.2, -0.28), (-0.1, 0), (-0.2, 0.28)], 0.07, pen.light)


def _cow(pen: Pen) -> None:
    pen.oval(0, 0.1, 0.62, 0.78, mixed(pen.colour, "#ffffff", 0.82))
    pen.oval(-0.35, -0.25, 0.3, 0.38)
    pen.oval(0.75, -0.35, 0.28, 0.15)
    pen.oval(-0.75, -0.35, 0.28, 0.15)
    pen.oval(0, 0.6, 0.48, 0.32, "#f0b6a6")
    for x in (-0.18, 0.18):
        pen.oval(x, 0.58, 0.07, 0.1, pen.dark)
        pen.oval(x * 1.4, 0.0, 0.08, 0.11, "#202020")


def _flower(pen: Pen) -> None:
    for step in range(6):
        a = math.radians(60 * step)
        pen.oval(0.55 * math.cos(a), 0.55 * math.sin(a), 0.38, 0.38)
    pen.oval(0, 0, 0.32, 0.32, "#ffd75a")


def _mountain(pen: Pen) -> None:
    pen.shape([(-1, 0.7), (-0.25, -0.75), (0.4, 0.7)])
    pen.shape([(-0.2, 0.7), (0.42, -0.3), (1, 0.7)], pen.dark)
    pen.shape([(-0.25, -0.75), (-0.48, -0.3), (-0.25, -0.42), (-0.04, -0.28)], "#ffffff")


def _bolt(pen: Pen) -> None:
    pen.shape([(0.25, -1), (-0.6, 0.15), (-0.05, 0.15), (-0.25, 1), (0.6, -0.2), (0.05, -0.2)])


def _heart(pen: Pen) -> None:
    pen.oval(-0.38, -0.25, 0.45, 0.45)
    pen.oval(0.38, -0.25, 0.45, 0.45)
    pen.shape([(-0.78, -0.05), (0.78, -0.05), (0, 0.9)])


def _chilli(pen: Pen) -> None:
    pen.line([(0.5, -0.6), (0.45, 0.0), (0.1, 0.45)], 0.42)
    pen.line([(0.1, 0.45), (-0.3, 0.68)], 0.28)
    pen.line([(-0.3, 0.68), (-0.75, 0.72)], 0.12)
    pen.line([(0.5, -0.75), (0.62, -1)], 0.14, GREEN)


def _nut(pen: Pen) -> None:
    pen.oval(0, 0.25, 0.62, 0.68)
    pen.oval(0, -0.2, 0.72, 0.36, pen.dark)
    pen.line([(0, -0.5), (0.08, -0.85)], 0.13, pen.dark)
    pen.oval(-0.22, 0.25, 0.11, 0.25, pen.light)


def _bee(pen: Pen) -> None:
    pen.oval(-0.25, -0.45, 0.3, 0.42, "#ffffff")
    pen.oval(0.2, -0.45, 0.3, 0.42, "#ffffff")
    pen.oval(0, 0.15, 0.8, 0.48)
    for x in (-0.3, 0.02, 0.34):
        pen.line([(x, -0.18), (x, 0.48)], 0.16, "#2a1c0c")


def _wave(pen: Pen) -> None:
    for y in (-0.45, 0.05, 0.55):
        points = [(x / 10, y + 0.2 * math.sin(x / 10 * 6.3)) for x in range(-10, 11)]
        pen.line(points, 0.18)


def _snow(pen: Pen) -> None:
    for step in range(3):
        a = math.radians(60 * step + 30)
        x, y = math.cos(a), math.sin(a)
        pen.line([(-x, -y), (x, y)], 0.15)
        for side in (-1, 1):
            for far in (0.55, -0.55):
                b = a + side * 0.8 + (math.pi if far < 0 else 0)
                pen.line(
                    [
                        (far * x, far * y),
                        (far * x + 0.35 * math.cos(b), far * y + 0.35 * math.sin(b)),
                    ],
                    0.11,
                )


def _cross(pen: Pen) -> None:
    pen.shape([(-0.3, -0.9), (0.3, -0.9), (0.3, 0.9), (-0.3, 0.9)])
    pen.shape([(-0.9, -0.3), (0.9, -0.3), (0.9, 0.3), (-0.9, 0.3)])


def _paw(pen: Pen) -> None:
    pen.oval(0, 0.35, 0.52, 0.45)
    for x, y in [(-0.7, -0.1), (-0.27, -0.6), (0.27, -0.6), (0.7, -0.1)]:
        pen.oval(x, y, 0.22, 0.3)


def _moon(pen: Pen) -> None:
    outline = [
        (0.85 * math.cos(math.radians(a)), 0.85 * math.sin(math.radians(a)))
        for a in range(-50, -311, -10)
    ]
    inner = [
        (0.3 + 0.62 * math.cos(math.radians(a)), 0.62 * math.sin(math.radians(a)))
        for a in range(-290, -69, 10)
    ]
    pen.shape(outline + inner)


def _gear(pen: Pen) -> None:
    teeth: Points = []
    for step in range(9):
        for turn, far in ((0, 0.72), (8, 0.98), (20, 0.98), (28, 0.72)):
            a = math.radians(40 * step + turn)
            teeth.append((far * math.cos(a), far * math.sin(a)))
    pen.shape(teeth)
    pen.oval(0, 0, 0.32, 0.32, pen.light)


def _biscuit(pen: Pen) -> None:
    pen.oval(0, 0, 0.88, 0.88)
    for x, y in [(-0.35, -0.3), (0.3, -0.42), (0.42, 0.2), (-0.1, 0.12), (-0.42, 0.4), (0.1, 0.58)]:
        pen.oval(x, y, 0.15, 0.13, pen.dark)


ICONS: dict[str, Callable[[Pen], None]] = {
    icon.__name__[1:]: icon
    for icon in (
        _circle,
        _star,
        _sun,
        _drop,
        _leaf,
        _sprig,
        _wheat,
        _mango,
        _berry,
        _cherry,
        _citrus,
        _apple,
        _tomato,
        _olive,
        _bean,
        _cup,
        _fish,
        _cow,
        _flower,
        _mountain,
        _bolt,
        _heart,
        _chilli,
        _nut,
        _bee,
        _wave,
        _snow,
        _cross,
        _paw,
        _moon,
        _gear,
        _biscuit,
    )
}


def draw_icon(draw: Draw, name: str, x: float, y: float, radius: float, colour: str) -> None:
    """Draw the icon `name` around (x, y), in pixels."""
    ICONS[name](Pen(draw, x, y, radius, colour))
