"""Which pairs of items the device will mix up, so that photos are added where they help."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import numpy as np

from catalog.bundles.bundle import Bundle

MOST_PHOTOS = 1000  # that ask, evenly spread
LEAST = 0.02  # how likely a mistake must be to be told
PICTURES = 3  # of each item


@dataclass(frozen=True)
class Pair:
    """An item that is taken for another: how likely, as a mean over its photos that asked."""

    sku: str
    other: str
    likely: float
    title: str
    other_title: str


def confused(
    bundle: Bundle, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Pair]:
    """Pairs that are mixed up, the worst first.

    Photos ask as in `catalog.recognition.calibration`: an item's only photo stays in and asks
    as a camera might see it, others ask without themselves and those taken in one go with them.
    """
    total = bundle.manifest.photos
    rows = sorted({int(one) for one in np.linspace(0, total - 1, min(total, MOST_PHOTOS))})
    likely: defaultdict[tuple[str, str], float] = defaultdict(float)
    asked: defaultdict[str, int] = defaultdict(int)
    for done, row in enumerate(rows, 1):
        sku = bundle.items.skus[row]
        asked[sku] += 1
        for other, sure in bundle.confidences_of_photo(row).items():
            if other != sku:
                likely[sku, other] += sure
        progress(done, len(rows))
    titles = {sku: item.title for sku in asked if (item := bundle.item(sku))}
    pairs = [
        Pair(sku, other, round(sum_ / asked[sku], 4), titles.get(sku, ""), _title(bundle, other))
        for (sku, other), sum_ in likely.items()
        if sum_ / asked[sku] >= LEAST
    ]
    return sorted(pairs, key=lambda pair: (-pair.likely, pair.sku, pair.other))


def report(bundle: Bundle, pairs: list[Pair]) -> str:
    """The pairs with their pictures side by side: one HTML file that needs no other."""
    sections = "\n".join(
        f"<section><h2>{escape(pair.title or pair.sku)} is taken for "
        f"{escape(pair.other_title or pair.other)}: {pair.likely:.0%}</h2>"
        f"<div class=pair>{_pictures(bundle, pair.sku)}{_pictures(bundle, pair.other)}</div>"
        "</section>"
        for pair in pairs
    )
    title = escape(bundle.manifest.title)
    return f"""<!doctype html>
<html lang=en>
<meta charset=utf-8>
<meta name=viewport content="width=device-width">
<title>What is mixed up in {title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: auto; padding: 1rem }}
h2 {{ font-size: 1.1rem; margin: 2rem 0 .5rem }}
.pair {{ display: grid; grid-template-columns: 1fr 1fr; gap: 1rem }}
figure {{ margin: 0; display: flex; flex-wrap: wrap; gap: .5rem; align-items: start }}
figcaption {{ width: 100%; color: #555 }}
img {{ height: 9rem; max-width: 100%; object-fit: contain }}
</style>
<h1>What is mixed up in {title}</h1>
<p>{len(pairs)} pairs, the worst first. Photos of the items at the top, taken by the device
itself, help most.</p>
{sections}
</html>
"""


def _pictures(bundle: Bundle, sku: str) -> str:
    pictures = [bundle.thumbnail(photo.number) for photo in bundle.photos(sku)[:PICTURES]]
    images = "".join(
        f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(one).decode()}">'
        for one in pictures
        if one
    )
    return f"<figure><figcaption>{escape(sku)}</figcaption>{images}</figure>"


def _title(bundle: Bundle, sku: str) -> str:
    item = bundle.item(sku)
    return item.title if item else ""
