"""How often a bundle is right on labelled photos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from catalog.bundle import Bundle
from catalog.cache import FeatureCache
from catalog.errors import ContentError
from catalog.features import Skipped, featurize
from catalog.photos import is_photo_name


@dataclass(frozen=True)
class Evaluation:
    """Fractions of the queries whose item is first, and among the first five.

    `unknown` is the fraction below the bundle's threshold; `foreign_labels` are folders
    whose sku the bundle does not hold, which count as wrong.
    """

    queries: int
    top1: float
    top5: float
    unknown: float
    skipped: tuple[Skipped, ...]
    foreign_labels: tuple[str, ...]


def evaluate(
    bundle: Bundle,
    folder: Path,
    cache_folder: Path,
    exact: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Search every photo below `folder`, which holds a folder for each sku."""
    if not folder.is_dir():
        raise ContentError(f"{folder}: no such folder; wanted is a folder for each sku")
    queries = [
        (child.name, str(photo))
        for child in sorted(folder.iterdir())
        if child.is_dir()
        for photo in sorted(child.iterdir())
        if is_photo_name(photo.name)
    ]
    if not queries:
        raise ContentError(f"{folder}: no photos in it; wanted is a folder for each sku")
    held = set(bundle.items.skus)
    cache = FeatureCache(cache_folder)
    skipped: list[Skipped] = []
    first = among_five = unknown = asked = 0
    results = featurize(
        (place for _, place in queries), bundle.featurizer, cache, cache_folder / "addresses"
    )
    for done, ((sku, _), result) in enumerate(zip(queries, results, strict=True), 1):
        progress(done, len(queries))
        if isinstance(result, Skipped):
            skipped.append(result)
            continue
        vector = bundle.featurizer.vectors(result.feature.vector[None])[0]
        matches = bundle.search(vector, 5, exact)
        found = [match.sku for match in matches]
        asked += 1
        first += found[:1] == [sku]
        among_five += sku in found
        unknown += matches[0].similarity < bundle.manifest.calibration.unknown_below
    cache.close()
    asked_or_one = max(asked, 1)
    return Evaluation(
        queries=asked,
        top1=first / asked_or_one,
        top5=among_five / asked_or_one,
        unknown=unknown / asked_or_one,
        skipped=tuple(skipped),
        foreign_labels=tuple(sorted({sku for sku, _ in queries} - held)),
    )
