"""The catalogues that teach: which photos they hold, and which looks are not of their making."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Photos = Mapping[str, Sequence[str]]  # the places of each item's photos

OWN_LOOKS, NEAR_LOOKS = 150, 90


@dataclass(frozen=True)
class Design:
    """A catalogue and looks at it.

    Attributes:
        source: Where the photos come from.
        name: What tells it from others of the source.
        photos: How many photos an item has at most.
        items: The places of each item's photos.
        looks: The places of the looks, each with its item's sku; None for an item that was left
            out.
    """

    source: str
    name: str
    photos: int
    items: Photos
    looks: tuple[tuple[str, str | None], ...]


def designs(data: Path, drawn: Path) -> list[Design]:
    """Return every catalogue.

    Args:
        data: The folder of photos; see the README there. Only photos to train with and to choose
            settings by are used.
        drawn: The folder that `training.confidence.drawn` filled.
    """
    grocery = data / "grocery"
    photos, days = _below(grocery / "photos"), _below(grocery / "dev")
    clean = {path.stem: [str(path)] for path in sorted((grocery / "iconic").glob("*.webp"))}
    more = {sku: [*days.get(sku, ()), *places[::6]] for sku, places in photos.items()}
    clothing = _below(data / "clothing", "train-")
    kinds = _below(data / "pool" / "caltech")
    rubbish = _below(data / "pool" / "trashnet")
    coins = _below(data / "coins" / "train"), _below(data / "coins" / "test")
    things = _below(drawn / "things" / "catalogue"), _below(drawn / "things" / "looks")
    held = {sku: places[:3] for sku, places in things[1].items()}
    seen = {sku: places[3:] for sku, places in things[1].items()}
    covers = _below(drawn / "covers" / "catalogue"), _below(drawn / "covers" / "looks")
    whole_things, whole_covers = (_below(drawn / name / "whole") for name in ("things", "covers"))
    pairs = (0, 1)
    return [
        *(_half("grocery", "own", photos, days, k, s) for k in (1, 2, 4, 8, 20) for s in pairs),
        *(_half("grocery", "own", photos, days, k, 5, n) for n in (5, 12) for k in (1, 4)),
        *(_half("grocery", "clean", clean, more, 1, s) for s in (0, 1, 2)),
        *(_half("grocery", "clean", clean, more, 1, 7, n) for n in (6, 15)),
        *(
            _half("clothing", "kinds", clothing, clothing, k, s)
            for k in (1, 2, 4, 12, 40)
            for s in pairs
        ),
        *(_half("caltech", "kinds", kinds, kinds, k, s) for k in (1, 2, 4, 10) for s in pairs),
        *(_half("caltech", "kinds", kinds, kinds, k, 3, 6) for k in (1, 4)),
        *(_half("trashnet", "kinds", rubbish, rubbish, k, s) for k in (2, 10) for s in pairs),
        *(_half("coins", "coins", *coins, k, s, 5) for k in (1, 2, 4, 12) for s in pairs),
        *(_half("things", "studio", *things, k, s) for k in (1, 2, 4) for s in pairs),
        *(_half("things", "studio", *things, 4, 4, n) for n in (6, 20)),
        *(_half("things", "camera", held, seen, k, 10) for k in (1, 2, 3)),
        *(_half("covers", "clean", *covers, 1, s) for s in pairs),
        *(_half("covers", "clean", *covers, 1, 4, n) for n in (8, 25)),
        *(_half("things", "studio, whole photos", things[0], whole_things, k, 20) for k in (1, 4)),
        *(_half("covers", "clean, whole photos", covers[0], whole_covers, 1, s) for s in pairs),
    ]


def _half(
    source: str,
    name: str,
    photos: Photos,
    looks: Photos,
    count: int,
    seed: int,
    items: int | None = None,
) -> Design:
    """Design a catalogue of half of the items, or of so many, with so many photos each."""
    draw = random.Random(f"{source} {name} {count} {seed}")
    skus = sorted(photos)
    draw.shuffle(skus)
    held = items or max(2, len(skus) // 2)
    chosen = {
        sku: sorted(draw.sample(list(photos[sku]), min(count, len(photos[sku]))))
        for sku in skus[:held]
    }
    own: list[tuple[str, str | None]] = [
        (place, sku)
        for sku, taken in chosen.items()
        for place in looks.get(sku, ())
        if place not in taken
    ]
    near: list[tuple[str, str | None]] = [
        (place, None) for sku in skus[held:] for place in looks.get(sku, ())
    ]
    draw.shuffle(own)
    draw.shuffle(near)
    label = f"{name}, {held} items of {count}, {seed}"
    return Design(source, label, count, chosen, (*own[:OWN_LOOKS], *near[:NEAR_LOOKS]))


def _below(folder: Path, prefix: str = "") -> dict[str, list[str]]:
    """Return the places of the photos in each folder below one, by the folder's name."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob(f"*/{prefix}*")):
        found.setdefault(path.parent.name, []).append(str(path))
    return found
