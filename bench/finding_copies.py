"""Measure which copies of photos are found, what is taken for one wrongly, and what it costs.

    python -m bench.finding_copies

Copies are made of 300 photos of six sets. The sets' own photos, bursts of one thing among them,
and drawn things on a turntable should not count as copies. A 64-bit difference hash, as packages
for perceptual hashes have it, is measured beside.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.materials import materials
from catalog.building.build import build
from catalog.building.copies import Fingerprint, are_copies, fingerprint, originals
from catalog.building.stage import THUMBNAIL
from catalog.core.photos import Picture, decode, encode_jpeg
from catalog.networks.featurizer import Featurizer
from catalog.sources.read import read_source
from catalog.synthetic.items import drawn_items
from catalog.synthetic.photos import SIDE, studio
from catalog.synthetic.render import View, render

SETS = {
    "groceries, clean": "grocery/iconic/*",
    "groceries, in bursts": "grocery/photos/*/*",
    "groceries, other days": "grocery/queries/*/*",
    "clothing": "clothing/*/*",
    "Caltech-101": "caltech-unseen/*/*",
    "coins": "coins/*/*/*",
}
CHOSEN = 50  # photos of each set, of which copies are made
TURNS = (1, 2, 4, 5, 8, 15)  # degrees
BITS = 3  # by which two difference hashes may differ
COST_ITEMS = 4  # items whose own photos are built to measure the cost
SEED = 5

Bits = NDArray[np.bool_]


def _compressed(picture: Picture, quality: int) -> Picture:
    return decode(_encoded(picture, ".jpg", cv2.IMWRITE_JPEG_QUALITY, quality), "copy")


def _encoded(picture: Picture, suffix: str, *options: int) -> bytes:
    return cv2.imencode(suffix, picture, options)[1].tobytes()


def _resized(picture: Picture, width: float, height: float, method: int) -> Picture:
    size = max(8, round(width)), max(8, round(height))
    return np.asarray(cv2.resize(picture, size, interpolation=method), np.uint8)


def _longer_side(picture: Picture, side: int, method: int) -> Picture:
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    return _resized(picture, width * scale, height * scale, method)


def _centre(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


KINDS: dict[str, Callable[[Picture], Picture]] = {
    "JPEG, quality 90": lambda photo: _compressed(photo, 90),
    "JPEG, quality 50": lambda photo: _compressed(photo, 50),
    "JPEG, quality 20": lambda photo: _compressed(photo, 20),
    "JPEG, quality 10": lambda photo: _compressed(photo, 10),
    "WebP, quality 30": lambda photo: decode(
        _encoded(photo, ".webp", cv2.IMWRITE_WEBP_QUALITY, 30), "copy"
    ),
    "twice as large": lambda photo: _compressed(
        _longer_side(photo, 2 * max(photo.shape), cv2.INTER_CUBIC), 75
    ),
    "150 pixels": lambda photo: _compressed(_longer_side(photo, 150, cv2.INTER_AREA), 75),
    "100 pixels": lambda photo: _compressed(_longer_side(photo, 100, cv2.INTER_AREA), 75),
    "100 pixels, Lanczos": lambda photo: _compressed(
        _longer_side(photo, 100, cv2.INTER_LANCZOS4), 75
    ),
    "64 pixels": lambda photo: _compressed(_longer_side(photo, 64, cv2.INTER_AREA), 75),
    "squeezed to 120 x 120": lambda photo: _compressed(
        _resized(photo, 120, 120, cv2.INTER_AREA), 75
    ),
    "cut to 150 x 150": lambda photo: _compressed(
        _resized(_centre(photo), 150, 150, cv2.INTER_AREA), 75
    ),
}


def printed(picture: Picture) -> Fingerprint:
    """Return a picture's fingerprint, as a build makes it."""
    height, width = picture.shape[:2]
    return fingerprint(encode_jpeg(picture, THUMBNAIL), (width, height))


def difference_hash(picture: Picture) -> Bits:
    """Return 64 bits: whether each pixel of 9 x 8 is brighter than its left neighbour."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    return np.asarray(small[:, 1:] > small[:, :-1]).ravel()


def pairs_found(pairs: Iterable[tuple[Picture, Picture]]) -> tuple[int, int, int]:
    """Return how many pairs there are, and how many count as copies, and by their hashes."""
    total = found = hashed = 0
    for photo, other in pairs:
        total += 1
        found += bool(are_copies([printed(other)], [printed(photo)])[0])
        hashed += (difference_hash(photo) != difference_hash(other)).sum() <= BITS
    return total, found, hashed


def among(items: Iterable[list[Path]]) -> tuple[int, int, int]:
    """Return the number of photos, and how many count as copies of others of their item."""
    total = found = hashed = 0
    for files in items:
        photos = [decode(file.read_bytes(), file.name) for file in files]
        original = originals([printed(photo) for photo in photos])
        bits = np.stack([difference_hash(photo) for photo in photos])
        distances = (bits[:, None] != bits).sum(2)
        total += len(photos)
        found += int((original != np.arange(len(photos))).sum())
        hashed += int((np.tril(distances <= BITS, -1)).any(1).sum())
    return total, found, hashed


def turned_things(degrees: int) -> Iterator[tuple[Picture, Picture]]:
    """Yield studio photos of drawn things before and after a turn."""
    size = round(SIDE * 0.76)
    for thing in drawn_items()[::3]:
        yield (
            studio(render(thing, View(size=size))),
            studio(render(thing, View(yaw=degrees, size=size))),
        )


def cost(photos: Path) -> str:
    """Return what finding copies takes of the processor time of a build, in words."""
    featurizer = Featurizer.open()
    items = read_source(photos).items[:COST_ITEMS]
    files = [decode(Path(place).read_bytes(), place) for item in items for place in item.photos]
    sizes = [(file.shape[1], file.shape[0]) for file in files]
    thumbnails = [encode_jpeg(file, THUMBNAIL) for file in files]
    start = time.process_time()
    originals([fingerprint(*photo) for photo in zip(thumbnails, sizes, strict=True)])
    finding = time.process_time() - start
    spent = []
    with tempfile.TemporaryDirectory() as name:
        for _ in range(2):
            start = time.process_time()
            build(items, Path(name, "bundle"), featurizer, Path(name, "cache"), "cost")
            spent.append(time.process_time() - start)
    return (
        f"finding copies among {len(files)} photos: {1000 * finding / len(files):.2f} ms a photo; "
        f"{finding / spent[0]:.1%} of the processor time of a first build ({spent[0]:.1f} s), "
        f"{finding / spent[1]:.1%} of a second one ({spent[1]:.1f} s)"
    )


def main() -> None:
    """Measure and print a table."""
    root = materials()
    if root is None:
        sys.exit("error: the photos are not here; name their folder in VISUAL_SEARCH_MATERIALS")
    cv2.setNumThreads(1)
    table = Table(title="counted as copies")
    for column in ("what", "of", "here", "difference hash"):
        table.add_column(column, justify="left" if column == "what" else "right")

    def add(what: str, counts: tuple[int, int, int]) -> None:
        table.add_row(what, *map(str, counts))

    files = {name: sorted((root / "data").glob(pattern)) for name, pattern in SETS.items()}
    chosen = [file for of in files.values() for file in random.Random(SEED).sample(of, CHOSEN)]
    photos = [decode(file.read_bytes(), file.name) for file in chosen]
    for name, copied in KINDS.items():
        add(f"copies: {name}", pairs_found((photo, copied(photo)) for photo in photos))
    for name, of in files.items():
        items: dict[Path, list[Path]] = {}
        for file in of:
            items.setdefault(file.parent, []).append(file)
        add(f"photos of one item or class: {name}", among(items.values()))
    for degrees in TURNS:
        add(f"drawn things turned by {degrees} degrees", pairs_found(turned_things(degrees)))
    Console(width=110).print(table)
    print(cost(root / "data" / "grocery" / "photos"))


if __name__ == "__main__":
    main()
