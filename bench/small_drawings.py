"""Draw small packages with print on them, quickly: for catalogues of a hundred thousand photos.

Each has colours, words and marks of its own, and its photos show it turned and in other light.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core.photos import Picture

SIDE = 160  # pixels
PHOTOS_AN_ITEM = 5
LETTERS = np.array(list("abcdefghiklmnoprstuvz"))
WORDS, MARKS = 4, 6  # on a package
QUALITY = 85


def draw_packages(folder: Path, count: int) -> None:
    """Write `count` photos, five in the folder of each item; those that are there stay."""
    for item in range(-(-count // PHOTOS_AN_ITEM)):
        here = folder / sku_of(item)
        wanted = range(min(PHOTOS_AN_ITEM, count - item * PHOTOS_AN_ITEM))
        missing = [here / f"{photo}.jpg" for photo in wanted]
        if all(file.exists() for file in missing):
            continue
        here.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(item)
        package = _package(random)
        for file in missing:
            picture = _photo(package, random)
            cv2.imwrite(str(file), picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


def sku_of(item: int) -> str:
    """Return the sku of an item by its number."""
    return f"package-{item:06}"


def _package(random: np.random.Generator) -> Picture:
    colours = random.integers(30, 226, (WORDS + MARKS + 1, 3)).tolist()
    package = np.full((SIDE, SIDE, 3), 235, np.uint8)
    left, top = random.integers(10, 40, 2).tolist()
    cv2.rectangle(package, (left, top), (SIDE - left, SIDE - top), colours.pop(), cv2.FILLED)
    for _ in range(MARKS):
        place, size = random.integers(40, 120, 2).tolist(), int(random.integers(3, 16))
        if random.random() < 0.5:
            cv2.circle(package, place, size, colours.pop(), int(random.integers(-1, 4)) or -1)
        else:
            cv2.line(package, place, random.integers(40, 120, 2).tolist(), colours.pop(), 2)
    for row in range(WORDS):
        word = "".join(random.choice(LETTERS, random.integers(3, 8)))
        font, scale = int(random.integers(0, 5)), float(random.uniform(0.4, 1.0))
        place = (left + 4, top + 22 + row * (SIDE - 2 * top - 20) // WORDS)
        cv2.putText(package, word, place, font, scale, colours.pop(), 1, cv2.LINE_AA)
    return package


def _photo(package: Picture, random: np.random.Generator) -> NDArray[np.uint8]:
    turn = random.uniform(-20, 20)
    scale, shift = random.uniform(0.7, 1.1), random.uniform(-8, 8, (2, 1))
    turned = np.asarray(cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), turn, scale), np.float64)
    movement = turned + np.hstack([np.zeros((2, 2)), shift])
    seen = cv2.warpAffine(package, movement, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    light = random.uniform(0.7, 1.05) * np.linspace(1, random.uniform(0.7, 1.1), SIDE)
    return np.asarray(np.clip(seen * light[:, None], 0, 255), np.uint8)
