"""Find the pairs of items that the device will mix up, so that photos are added where they help."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader

from catalog.bundles.bundle import Bundle

MOST_PHOTOS = 1000  # used as queries, evenly spread over the catalogue
LEAST = 0.02  # a confusion below this probability is not reported
PICTURES = 3  # of each item in the report


@dataclass(frozen=True)
class Pair:
    """An item that is taken for another, and how likely: a mean over its photos as queries."""

    sku: str
    other: str
    likely: float
    title: str
    other_title: str


def confused(
    bundle: Bundle, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Pair]:
    """Find the pairs of items that are mixed up, the worst first.

    The catalogue's photos are the queries, as in `catalog.recognition.calibration`: the burst of
    the query is excluded. An item's only photo stays in, and an augmented copy of it is the query.

    Args:
        bundle: The bundle.
        progress: Called after each photo, with photos done and their number.
    """
    total = bundle.manifest.photos
    rows = sorted({int(row) for row in np.linspace(0, total - 1, min(total, MOST_PHOTOS))})
    confidence_sums: defaultdict[tuple[str, str], float] = defaultdict(float)
    queries: defaultdict[str, int] = defaultdict(int)
    for done, row in enumerate(rows, 1):
        sku = bundle.items.skus[row]
        queries[sku] += 1
        for other, confidence in bundle.confidences_of_photo(row).items():
            if other != sku:
                confidence_sums[sku, other] += confidence
        progress(done, len(rows))
    pairs = [
        Pair(sku, other, round(likely, 4), _title(bundle, sku), _title(bundle, other))
        for (sku, other), confidence in confidence_sums.items()
        if (likely := confidence / queries[sku]) >= LEAST
    ]
    return sorted(pairs, key=lambda pair: (-pair.likely, pair.sku, pair.other))


def report(bundle: Bundle, pairs: list[Pair]) -> str:
    """Return one HTML page, complete in itself, with the pictures of each pair side by side."""

    def jpegs(sku: str) -> list[str]:
        pictures = [bundle.thumbnail(photo.number) for photo in bundle.photos(sku)[:PICTURES]]
        return [base64.b64encode(jpeg).decode() for jpeg in pictures if jpeg]

    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, keep_trailing_newline=True
    )
    page = pages.get_template("confusions.html")
    return page.render(title=bundle.manifest.title, pairs=pairs, jpegs=jpegs)


def _title(bundle: Bundle, sku: str) -> str:
    item = bundle.item(sku)
    return item.title if item else ""
