"""Draw things, hands and places that are in no catalogue, without the font packages."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from catalog.synthetic.drawing import Drawing, DrawnItem, Label
from catalog.synthetic.fonts import BUILT_IN
from catalog.synthetic.icons import ICONS
from catalog.synthetic.labels import LAYOUTS
from catalog.synthetic.render import View, render

Image = NDArray[np.uint8]  # (height, width, 3), BGR

SYLLABLES = (
    "ba",
    "dri",
    "fo",
    "gan",
    "hul",
    "ke",
    "lor",
    "mi",
    "nax",
    "pe",
    "quo",
    "ri",
    "sto",
    "tus",
    "vel",
    "wyn",
    "xa",
    "zo",
)


def foreign_things(
    seed: int, count: int, families: Sequence[str] | None = None
) -> Iterator[DrawnItem]:
    """Yield things that are not in the demonstration catalogue; each seed gives other things.

    `families` are names of `FAMILIES`, all by default.
    """
    names = list(families or FAMILIES)
    random = np.random.default_rng([seed, 71])
    for number in range(count):
        if number % len(names) == 0:
            order = random.permutation(len(names))
        name = names[order[number % len(names)]]
        yield DrawnItem(
            sku=f"foreign-{seed}-{number}",
            title=name,
            kind="foreign",
            drawing=FAMILIES[name](random),
        )


def foreign_photos(seed: int, count: int, size: int = 256) -> Iterator[Image]:
    """Yield pictures, uint8 BGR (size, size, 3), of things that are in no catalogue.

    Of 20 pictures, 12 show a foreign thing, 3 a hand, 2 a heap of things and 3 an empty
    surface. The things are of the families `LEARNT`. The same seed gives the same pictures.
    """
    random = np.random.default_rng([seed, 72])
    things = foreign_things(seed, count * 4, LEARNT)
    for number in range(count):
        picture = _surface(random, size)
        turn = number % 20
        if turn in (3, 9, 15):
            skin = ("#f1c7a5", "#d9a67e", "#b07a52", "#7a4e30", "#4c3120")[int(random.integers(5))]
            pose = (float(random.uniform(-20, 25)), float(random.uniform(0.35, 0.7)))
            _put(picture, Drawing("hand", (skin, _colour(random)), pose), random, 1.15)
        elif turn in (6, 17):
            for _ in range(3):
                _put(picture, next(things).drawing, random, 0.55)
        elif turn not in (0, 12, 19):
            _put(picture, next(things).drawing, random, 0.85)
        yield _exposed(picture, random)


def _put(picture: NDArray[np.float32], drawing: Drawing, random: Generator, share: float) -> None:
    """Draw a thing somewhere near the middle, as high as about `share` of the picture."""
    side = picture.shape[0]
    view = View(
        yaw=float(random.uniform(-45, 45)),
        pitch=float(random.uniform(-15, 25)),
        roll=float(random.uniform(-40, 40)),
        azimuth=float(random.uniform(-70, 70)),
        elevation=float(random.uniform(20, 70)),
        strength=float(random.uniform(0.6, 1.25)),
        warmth=float(random.uniform(-1, 1)),
        size=max(24, round(side * share * random.uniform(0.65, 1.1))),
    )
    cutout = render(drawing, view)
    height, width = cutout.shape[:2]
    spare = max(0.06, 0.7 - share) * side
    x = round((side - width) / 2 + random.uniform(-spare, spare))
    y = round((side - height) / 2 + random.uniform(-spare, spare))
    shift = np.array([[1, 0, x], [0, 1, y]], np.float32)
    alpha = cv2.warpAffine(cutout[..., 3].astype(np.float32) / 255, shift, (side, side))
    colour = cv2.warpAffine(cutout[..., :3], shift, (side, side))
    shadow = cv2.GaussianBlur(alpha, (0, 0), side / 40)
    shadow = np.roll(shadow, (side // 40, side // 60), (0, 1)) * random.uniform(0.1, 0.45)
    picture *= (1 - shadow)[..., None]
    picture += (colour - picture) * alpha[..., None]


def _surface(random: Generator, side: int) -> NDArray[np.float32]:
    """Draw an empty surface, float32 (side, side, 3): plain, blotched, striped or chequered."""
    base, second = (np.asarray(random.uniform(30, 240, 3)) for _ in range(2))
    base, second = (0.45 * colour + 0.55 * colour.mean() for colour in (base, second))
    x, y = np.meshgrid(*[np.linspace(-1, 1, side, dtype=np.float32)] * 2)
    a = random.uniform(0, np.pi)
    along, across = x * np.cos(a) + y * np.sin(a), y * np.cos(a) - x * np.sin(a)
    often = random.uniform(2, 14)
    fields = (
        0.5 + 0.4 * along,
        0.5 + 0.25 * _blotches(random, side, 6) + 0.15 * _blotches(random, side, 40),
        0.5 + 0.5 * np.tanh(4 * np.sin(often * along + 0.5 * _blotches(random, side, 4))),
        0.5 + 0.5 * np.sign(np.sin(often * along) * np.sin(often * across)),
    )
    share = fields[int(random.integers(4))] * random.uniform(0.15, 1)
    light = 1 + 0.25 * random.uniform(-1, 1) * across + 0.02 * _blotches(random, side, side // 2)
    return np.asarray((base + (second - base) * share[..., None]) * light[..., None], np.float32)


def _blotches(random: Generator, side: int, cells: int) -> NDArray[np.float32]:
    coarse = random.standard_normal((cells + 1, cells + 1)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)


def _exposed(picture: NDArray[np.float32], random: Generator) -> Image:
    """Add the blur and noise of a camera."""
    soft = cv2.GaussianBlur(picture, (0, 0), float(random.uniform(0.4, 1.3)))
    grain = random.uniform(1, 5) * random.standard_normal(soft.shape, np.float32)
    return np.asarray(np.clip((soft + grain) * random.uniform(0.8, 1.15), 0, 255), np.uint8)


def _colour(random: Generator, light: tuple[float, float] = (0.3, 0.95)) -> str:
    hue, saturation = random.random(), random.uniform(0.05, 0.9)
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, random.uniform(*light))
    return "#" + "".join(f"{round(255 * part):02x}" for part in (red, green, blue))


def _word(random: Generator, syllables: int) -> str:
    return "".join(random.choice(SYLLABLES, syllables)).title()


def _label(random: Generator) -> Label:
    dark = bool(random.random() < 0.35)
    return Label(
        brand=_word(random, 3),
        name=_word(random, 2),
        detail=f"{random.integers(1, 99)} g",
        ground=_colour(random, (0.1, 0.4) if dark else (0.75, 1.0)),
        accent=_colour(random, (0.35, 0.9)),
        ink="#f4f4f4" if dark else _colour(random, (0.05, 0.4)),
        layout=str(random.choice(sorted(LAYOUTS))),
        icon=str(random.choice(sorted(ICONS))),
        face=BUILT_IN,
    )


def _packed(
    shape: str, colours: int, *ranges: tuple[float, float]
) -> Callable[[Generator], Drawing]:
    def draw(random: Generator) -> Drawing:
        measures = tuple(float(random.uniform(*limits)) for limits in ranges)
        tints = tuple(_colour(random) for _ in range(colours))
        return Drawing(shape, tints, measures, _label(random))

    return draw


def _bare(shape: str, colours: int, *ranges: tuple[float, float]) -> Callable[[Generator], Drawing]:
    def draw(random: Generator) -> Drawing:
        measures = tuple(float(random.uniform(*limits)) for limits in ranges)
        return Drawing(shape, tuple(_colour(random) for _ in range(colours)), measures)

    return draw


FAMILIES: dict[str, Callable[[Generator], Drawing]] = {
    "mug": _bare("mug", 3, (0.36, 0.55)),
    "book": _bare("book", 2, (0.62, 0.8), (1.0, 1.1), (0.06, 0.25)),
    "plant pot": _bare("pot", 2),
    "toy block": _bare("block", 1, (2, 4.99), (2, 3.99)),
    "ball": _bare("ball", 2, (2, 7)),
    "phone": _bare("phone", 3),
    "shoe": _bare("shoe", 3),
    "spectacles": _bare("spectacles", 2, (0.26, 0.36), (0.18, 0.32)),
    "star": _bare("star", 2, (4, 8.99), (0.4, 0.7)),
    "key": _bare("key", 2),
    "other can": _packed("can", 0, (0.2, 0.33)),
    "other tin": _packed("tin", 0, (0.3, 0.5), (0.45, 1.1)),
    "other carton": _packed("carton", 0, (0.4, 0.9), (0.6, 1.0), (0.12, 0.4)),
    "other bag": _packed("pouch", 0, (0.55, 0.85), (0.8, 1.1), (0.2, 0.4)),
    "other jar": _packed("jar", 2, (0.28, 0.4), (0.75, 1.0)),
    "other tube": _packed("tube", 1, (0.14, 0.22)),
}

LEARNT = ("mug", "book", "toy block", "ball", "key", "other tin", "other carton", "other jar")
"""Families from which a build learns where the verdict becomes unknown."""

HELD_OUT = tuple(family for family in FAMILIES if family not in LEARNT)
"""Families that no build learns from, so that its thresholds can be tested with them."""
