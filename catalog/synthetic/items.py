"""The demonstration catalogue: invented goods, each with a drawing."""

from __future__ import annotations

import re
from functools import lru_cache

from catalog.synthetic.assortment import LINES, Line, Variety
from catalog.synthetic.drawing import Drawing, DrawnItem, Label
from catalog.synthetic.loose import GOODS, Good

AISLES = {
    "drink": 1,
    "oil": 3,
    "dairy": 2,
    "breakfast": 4,
    "coffee": 4,
    "larder": 3,
    "sauce": 3,
    "snack": 5,
    "frozen": 6,
    "care": 7,
    "household": 8,
    "produce": 9,
    "tool": 10,
}
SHELVES = "ABCDE"


@lru_cache(maxsize=1)
def drawn_items() -> tuple[DrawnItem, ...]:
    """Return all items, always the same and in the same order."""
    packed = [item for line in LINES for item in _line(line)]
    return tuple(packed + [_good(good) for good in GOODS])


def twins() -> list[tuple[DrawnItem, DrawnItem]]:
    """Return the pairs of items that differ by their label only."""
    by_sku = {item.sku: item for item in drawn_items()}
    return [
        (item, by_sku[item.twin])
        for item in drawn_items()
        if item.twin is not None and item.sku < item.twin
    ]


def _line(line: Line) -> list[DrawnItem]:
    skus = [_sku(line.brand, variety.name) for variety in line.varieties]
    return [
        DrawnItem(
            sku=skus[number],
            title=_title(line, variety),
            drawing=Drawing(line.shape, line.colours, line.measures, _label(line, variety)),
            price=f"€{line.price:.2f}",
            location=_location(line.kind, skus[0]),
            kind=line.kind,
            attributes={
                "kind": line.kind,
                "brand": line.brand.title() if line.brand.isupper() else line.brand,
                "variety": variety.name,
                "amount": line.amount,
            },
            twin=skus[number ^ 1] if number ^ 1 < len(skus) else None,
        )
        for number, variety in enumerate(line.varieties)
    ]


def _good(good: Good) -> DrawnItem:
    sku = _sku(good.kind, good.title)
    return DrawnItem(
        sku=sku,
        title=good.title,
        drawing=Drawing(good.shape, good.colours, good.measures),
        price=f"€{good.price:.2f}",
        location=_location(good.kind, sku),
        kind=good.kind,
        attributes={"kind": good.kind, "amount": good.amount},
    )


def _label(line: Line, variety: Variety) -> Label:
    return Label(
        brand=line.brand,
        name=variety.name,
        detail=line.amount,
        ground=line.ground,
        accent=variety.accent,
        ink=line.ink,
        layout=line.layout,
        icon=variety.icon,
        face=line.face,
    )


def _title(line: Line, variety: Variety) -> str:
    brand = line.brand.title() if line.brand.isupper() else line.brand
    return f"{brand} {line.product} {variety.name}, {line.amount}"


def _sku(*words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


def _location(kind: str, sku: str) -> str:
    return f"Aisle {AISLES[kind]}, shelf {SHELVES[sum(map(ord, sku)) % len(SHELVES)]}"
