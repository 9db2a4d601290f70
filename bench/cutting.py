"""Measure what it gains to cut a catalogue's photos to the thing that they show.

    python -m bench.cutting [--only composed|grocery]

Vectors of the embedded network alone. Composed: 215 things on backgrounds and in hands as in
`bench.finding`, of other seeds, two pictures of each as catalogue and a third that asks; and clean
pictures of the same things, as a device makes them on its counter. Grocery: the 2,640 photos as
catalogue; the validation photos and the clean pictures ask. Both are development sets.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bench.finding import SIZE, THERE, RealThing, behind, cut_thing, showing, with_real_thing
from bench.materials import materials
from catalog.core.photos import Picture, decode
from catalog.core.vectors import Vectors
from catalog.networks.featurizer import Featurizer
from catalog.networks.finder import ThingFinder
from catalog.synthetic.drawing import DrawnItem
from catalog.synthetic.items import drawn_items
from catalog.synthetic.photos import photograph
from edge.simulator.compose import flattened, layers
from edge.simulator.timeline import ShowingState

SEED = 777_000
CATALOGUE = 2  # pictures of each composed thing
NUMBER = 5  # of the studio photo of a drawn thing that asks; its catalogue shows none


@dataclass(frozen=True)
class Looks:
    """Pictures with their items, as vectors of all of them and of what was found in them."""

    skus: list[str]
    whole: Vectors
    cut: Vectors


class Looking:
    """Embeds pictures, whole and cut."""

    def __init__(self) -> None:
        self._featurizer, self._finder = Featurizer.open(), ThingFinder()

    def looks(self, pictures: Iterator[tuple[str, Picture]]) -> Looks:
        """Embed pictures, which are given with their skus."""
        skus, whole, cut = [], [], []
        for sku, picture in pictures:
            skus.append(sku)
            whole.append(self._featurizer.embed([picture])[0])
            part = self._finder.look(picture).part
            cut.append(
                whole[-1] if part is None else self._featurizer.embed([part.cut(picture)])[0]
            )
        return Looks(skus, np.stack(whole), np.stack(cut))


def composed(item: DrawnItem, real: RealThing | None, seed: int, data: Path) -> Picture:
    """A thing on a background or in a hand, BGR uint8 (480, 640, 3)."""
    random = np.random.default_rng([SEED, seed])
    parts = layers(showing(seed, item, random), SIZE)
    if real is not None:
        parts = with_real_thing(parts, real)
    placed = [layer.at(ShowingState(None, away=THERE, hand_away=THERE)) for layer in parts]
    image = flattened(behind(data, random), placed)
    noisy = image + random.normal(0, random.uniform(1, 5), image.shape)
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)


def composed_sets(data: Path, looking: Looking) -> dict[str, Looks]:
    """The composed catalogue, and what asks it."""
    items = drawn_items()
    things: list[tuple[str, DrawnItem, RealThing | None]] = [(i.sku, i, None) for i in items]
    for file in sorted((data / "grocery" / "iconic").glob("*.webp")):
        cutout = cut_thing(file)
        if cutout is not None:
            sku = f"grocery-{file.stem}"
            things.append((sku, items[0], RealThing(sku, file, cutout)))
    each = CATALOGUE + 1

    def pictures(numbers: Sequence[int]) -> Iterator[tuple[str, Picture]]:
        for place, (sku, item, real) in enumerate(things):
            for number in numbers:
                yield sku, composed(item, real, place * each + number, data)

    def clean() -> Iterator[tuple[str, Picture]]:
        for sku, item, real in things:
            yield sku, photograph(item, NUMBER) if real is None else _read(real.file)

    return {
        "catalogue": looking.looks(pictures(range(CATALOGUE))),
        "composed pictures": looking.looks(pictures([CATALOGUE])),
        "clean pictures": looking.looks(clean()),
    }


def grocery_sets(data: Path, looking: Looking) -> dict[str, Looks]:
    """Photos of groceries, and what asks them."""

    def pictures(pattern: str) -> Iterator[tuple[str, Picture]]:
        for file in sorted((data / "grocery").glob(pattern)):
            yield file.stem if file.parent.name == "iconic" else file.parent.name, _read(file)

    return {
        "catalogue": looking.looks(pictures("photos/*/*.webp")),
        "validation photos": looking.looks(pictures("dev/*/*.webp")),
        "clean pictures": looking.looks(pictures("iconic/*.webp")),
    }


def right(asking: Vectors, skus: Sequence[str], stored: Vectors, owners: Sequence[str]) -> float:
    """The share of pictures whose nearest photo is of their item."""
    nearest = (asking @ stored.T).argmax(1)
    return float(np.mean([owners[int(row)] == sku for row, sku in zip(nearest, skus, strict=True)]))


def own(vectors: Vectors, skus: Sequence[str]) -> float:
    """The share of a catalogue's photos whose nearest other one is of their item."""
    similarities = vectors @ vectors.T
    np.fill_diagonal(similarities, -np.inf)
    nearest = similarities.argmax(1)
    return float(np.mean([skus[int(row)] == sku for row, sku in zip(nearest, skus, strict=True)]))


def _read(file: Path) -> Picture:
    return decode(file.read_bytes(), file.name)


def main() -> None:
    """Measure, and print a table for each catalogue."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", choices=("composed", "grocery"))
    arguments = parser.parse_args()
    root = materials()
    if root is None:
        raise SystemExit("error: no photos here; name their folder in VISUAL_SEARCH_MATERIALS")
    cv2.setNumThreads(1)
    looking = Looking()
    for name, sets in (("composed", composed_sets), ("grocery", grocery_sets)):
        if arguments.only not in (None, name):
            continue
        found = sets(root / "data", looking)
        stored = found.pop("catalogue")
        ways = {
            "whole": (stored.whole, stored.skus),
            "cut": (stored.cut, stored.skus),
            "both": (np.concatenate([stored.whole, stored.cut]), stored.skus * 2),
        }
        print(
            f"{name}: {len(stored.skus)} photos, own photos nearest: "
            f"whole {own(stored.whole, stored.skus):.1%}, cut {own(stored.cut, stored.skus):.1%}"
        )
        for way, (vectors, owners) in ways.items():
            for what, asking in found.items():
                print(
                    f"  catalogue {way:5}, {what}: asked whole "
                    f"{right(asking.whole, asking.skus, vectors, owners):.1%}, "
                    f"asked cut {right(asking.cut, asking.skus, vectors, owners):.1%}"
                )


if __name__ == "__main__":
    main()
