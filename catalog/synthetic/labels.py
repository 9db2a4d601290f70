"""Draw what is printed on packages: fronts, sides and wraps, from a `Label`."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from catalog.synthetic.drawing import Label, mixed
from catalog.synthetic.fonts import font
from catalog.synthetic.icons import draw_icon
from catalog.synthetic.meshes import Texture

TIMES = 2  # labels are drawn larger and shrunk, so that edges are smooth
WHITE, BLACK = "#ffffff", "#000000"


class Sheet:
    """A picture to print on, addressed in shares of its width and height."""

    def __init__(self, width: int, height: int, ground: str) -> None:
        self.size = (width, height)
        self.width, self.height = width * TIMES, height * TIMES
        self.image = Image.new("RGB", (self.width, self.height), ground)
        self.draw = ImageDraw.Draw(self.image)

    def block(self, left: float, top: float, right: float, bottom: float, colour: str) -> None:
        """A filled rectangle."""
        self.draw.rectangle(self._corners(left, top, right, bottom), fill=colour)

    def oval(self, left: float, top: float, right: float, bottom: float, colour: str) -> None:
        """A filled oval that touches these sides."""
        self.draw.ellipse(self._corners(left, top, right, bottom), fill=colour)

    def shape(self, points: list[tuple[float, float]], colour: str) -> None:
        """A filled polygon."""
        self.draw.polygon([(x * self.width, y * self.height) for x, y in points], fill=colour)

    def icon(self, name: str, x: float, y: float, radius: float, colour: str) -> None:
        """`radius` is a share of the side, of the shorter one at most 1.3 times that."""
        side = min((self.width * self.height) ** 0.5, 1.3 * min(self.width, self.height))
        draw_icon(self.draw, name, x * self.width, y * self.height, radius * side, colour)

    def text(
        self, words: str, x: float, y: float, width: float, height: float, face: str, colour: str
    ) -> None:
        """Words as large as fit around (x, y), on two lines where that makes them larger."""
        if not words:
            return
        choices = [words, *_broken(words)]
        size, lines = max(
            (self._fitting(choice, face, width * self.width, height * self.height), choice)
            for choice in choices
        )
        self.draw.multiline_text(
            (x * self.width, y * self.height),
            lines,
            fill=colour,
            font=font(face, size),
            anchor="mm",
            align="center",
            spacing=size * 0.08,
        )

    def texture(self) -> Texture:
        """Return the printed sheet as BGR uint8 (height, width, 3)."""
        return np.asarray(self.image.resize(self.size, Image.Resampling.BOX))[..., ::-1].copy()

    def _fitting(self, lines: str, face: str, width: float, height: float) -> int:
        left, top, right, bottom = self.draw.multiline_textbbox(
            (0, 0), lines, font=font(face, 100), spacing=8
        )
        return max(6, int(100 * min(width / (right - left), height / (bottom - top))))

    def _corners(
        self, left: float, top: float, right: float, bottom: float
    ) -> tuple[float, float, float, float]:
        return left * self.width, top * self.height, right * self.width, bottom * self.height


def _broken(words: str) -> list[str]:
    parts = words.split(" ")
    return [" ".join(parts[:at]) + "\n" + " ".join(parts[at:]) for at in range(1, len(parts))]


def band(sheet: Sheet, label: Label) -> None:
    """A broad band with the name, the icon below it."""
    sheet.block(0, 0.34, 1, 0.62, label.accent)
    sheet.block(0, 0.315, 1, 0.33, mixed(label.accent, WHITE, 0.4))
    sheet.block(0, 0.63, 1, 0.645, mixed(label.accent, WHITE, 0.4))
    sheet.text(label.brand, 0.5, 0.18, 0.84, 0.18, label.face, label.ink)
    sheet.text(label.name, 0.5, 0.475, 0.88, 0.2, label.face, _over(label.accent))
    sheet.icon(label.icon, 0.5, 0.79, 0.13, label.accent)
    sheet.text(label.detail, 0.5, 0.95, 0.5, 0.05, label.face, label.ink)


def arch(sheet: Sheet, label: Label) -> None:
    """A coloured hill at the foot with a large icon over it."""
    sheet.oval(-0.35, 0.52, 1.35, 1.7, label.accent)
    sheet.text(label.brand, 0.5, 0.13, 0.82, 0.15, label.face, label.ink)
    sheet.text(label.name, 0.5, 0.335, 0.86, 0.18, label.face, label.accent)
    short = 0.2
    sheet.icon("circle", 0.5, 0.69, short * 1.42, WHITE)
    sheet.icon(label.icon, 0.5, 0.69, short, label.accent)
    sheet.text(label.detail, 0.5, 0.945, 0.5, 0.055, label.face, _over(label.accent))


def swell(sheet: Sheet, label: Label) -> None:
    """Two colours parted by a wave that meets itself around a can."""
    for colour, rise in ((mixed(label.accent, WHITE, 0.55), 0.03), (label.accent, 0.0)):
        crest = [
            (x / 48, 0.44 - rise + 0.075 * float(np.sin(2 * np.pi * (x / 48 + 0.55))))
            for x in range(49)
        ]
        sheet.shape([*crest, (1, 1), (0, 1)], colour)
    sheet.text(label.brand, 0.5, 0.18, 0.84, 0.19, label.face, label.ink)
    sheet.text(label.name, 0.5, 0.64, 0.84, 0.17, label.face, _over(label.accent))
    sheet.icon(label.icon, 0.5, 0.84, 0.085, _over(label.accent))


def badge(sheet: Sheet, label: Label) -> None:
    """A round badge with icon and name on a plain ground."""
    ratio = sheet.width / sheet.height
    rx = min(0.44, 0.34 / ratio)
    ry = rx * ratio
    sheet.oval(0.5 - rx, 0.58 - ry, 0.5 + rx, 0.58 + ry, label.accent)
    sheet.oval(0.5 - rx * 0.92, 0.58 - ry * 0.92, 0.5 + rx * 0.92, 0.58 + ry * 0.92, WHITE)
    sheet.oval(0.5 - rx * 0.88, 0.58 - ry * 0.88, 0.5 + rx * 0.88, 0.58 + ry * 0.88, label.accent)
    sheet.text(label.brand, 0.5, 0.12, 0.84, 0.14, label.face, label.ink)
    over = _over(label.accent)
    sheet.icon(label.icon, 0.5, 0.58 - ry * 0.34, rx * 0.42 * max(1, ratio), over)
    sheet.text(label.name, 0.5, 0.58 + ry * 0.32, rx * 1.45, ry * 0.6, label.face, over)


def pattern(sheet: Sheet, label: Label) -> None:
    """A ground strewn with icons around a calm field with brand and name."""
    light = mixed(label.ground, label.accent, 0.75)
    step = 0.19
    ratio = sheet.width / sheet.height
    rows = int(1 / (step * min(1, ratio))) + 2
    columns = int(1 / (step * min(1, 1 / ratio))) + 2
    for row in range(rows):
        for column in range(columns):
            x = (column + 0.5 * (row % 2)) / (columns - 1)
            sheet.icon(label.icon, x, row / (rows - 1), 0.062, light)
    sheet.block(0.1, 0.24, 0.9, 0.76, label.accent)
    sheet.block(0.12, 0.255, 0.88, 0.745, WHITE)
    sheet.text(label.brand, 0.5, 0.37, 0.68, 0.15, label.face, label.accent)
    sheet.text(label.name, 0.5, 0.59, 0.68, 0.2, label.face, "#252525")


def frame(sheet: Sheet, label: Label) -> None:
    """A framed label of the old kind."""
    sheet.block(0.04, 0.04, 0.96, 0.96, label.accent)
    sheet.block(0.065, 0.065, 0.935, 0.935, label.ground)
    sheet.text(label.brand, 0.5, 0.2, 0.74, 0.15, label.face, label.ink)
    sheet.block(0.2, 0.315, 0.8, 0.325, label.accent)
    sheet.icon(label.icon, 0.5, 0.48, 0.13, label.accent)
    sheet.text(label.name, 0.5, 0.735, 0.76, 0.2, label.face, label.accent)
    sheet.text(label.detail, 0.5, 0.885, 0.4, 0.05, label.face, label.ink)


def halves(sheet: Sheet, label: Label) -> None:
    """Brand above on the ground, name below on the accent, the icon over the border."""
    sheet.block(0, 0.5, 1, 1, label.accent)
    sheet.text(label.brand, 0.5, 0.17, 0.86, 0.2, label.face, label.ink)
    sheet.text(label.name, 0.5, 0.83, 0.86, 0.2, label.face, _over(label.accent))
    sheet.icon("circle", 0.5, 0.5, 0.22, WHITE)
    sheet.icon(label.icon, 0.5, 0.5, 0.14, label.accent)


def rays(sheet: Sheet, label: Label) -> None:
    """Rays from the middle, a plate with the name across them."""
    pale = mixed(label.ground, label.accent, 0.55)
    for step in range(0, 24, 2):
        a, b = (2 * np.pi * (step + more) / 24 for more in (0, 1))
        sheet.shape(
            [(0.5, 0.62)]
            + [(0.5 + 2 * float(np.cos(t)), 0.62 + 2 * float(np.sin(t))) for t in (a, b)],
            pale,
        )
    sheet.text(label.brand, 0.5, 0.14, 0.86, 0.17, label.face, label.ink)
    sheet.icon("circle", 0.5, 0.48, 0.27, WHITE)
    sheet.icon(label.icon, 0.5, 0.48, 0.19, label.accent)
    sheet.block(0, 0.72, 1, 0.92, label.accent)
    sheet.text(label.name, 0.5, 0.82, 0.88, 0.14, label.face, _over(label.accent))


LAYOUTS: dict[str, Callable[[Sheet, Label], None]] = {
    layout.__name__: layout for layout in (arch, badge, band, frame, halves, pattern, rays, swell)
}


@lru_cache(maxsize=4)  # up to 2 MB each
def front(label: Label, width: int, height: int) -> Texture:
    """Draw the front of a package, uint8 BGR (height, width, 3)."""
    sheet = Sheet(width, height, label.ground)
    LAYOUTS[label.layout](sheet, label)
    return sheet.texture()


def wrap(label: Label, width: int, height: int) -> Texture:
    """Draw the label of a round package: the front in the middle and again on both sides."""
    return np.concatenate([front(label, width // 3, height)] * 3, 1)


@lru_cache(maxsize=4)  # up to 2 MB each
def side(label: Label, width: int, height: int) -> Texture:
    """Draw a side of a box: brand, small print and a bar code."""
    sheet = Sheet(width, height, label.ground)
    sheet.block(0, 0.86, 1, 1, label.accent)
    sheet.text(label.brand, 0.5, 0.12, 0.8, 0.1, label.face, label.ink)
    sheet.text(label.name, 0.5, 0.24, 0.8, 0.07, label.face, label.ink)
    grey = mixed(label.ground, label.ink, 0.55)
    for line in range(9):
        length = 0.68 - 0.09 * (line * 7 % 4)
        sheet.block(0.16, 0.34 + 0.032 * line, 0.16 + length, 0.348 + 0.032 * line, grey)
    sheet.block(0.2, 0.66, 0.8, 0.82, WHITE)
    bars = sum(map(ord, label.brand + label.name)) * 2654435761 % 2**32
    for bar in range(28):
        if bars >> (bar % 31) & 1 or bar % 9 == 0:
            sheet.block(0.24 + 0.0186 * bar, 0.68, 0.24 + 0.0186 * (bar + 0.75), 0.8, BLACK)
    return sheet.texture()


@lru_cache(maxsize=4)  # up to 2 MB each
def lid(label: Label, width: int, height: int) -> Texture:
    """Draw the top of a box: brand and name on the accent colour."""
    sheet = Sheet(width, height, label.accent)
    sheet.text(label.brand, 0.5, 0.3, 0.8, 0.34, label.face, _over(label.accent))
    sheet.text(label.name, 0.5, 0.72, 0.7, 0.24, label.face, _over(label.accent))
    return sheet.texture()


def _over(colour: str) -> str:
    """Return white or near-black, whichever is easier to read on the colour."""
    red, green, blue = bytes.fromhex(colour[1:])
    return "#1d1d1d" if 0.3 * red + 0.59 * green + 0.11 * blue > 165 else WHITE
