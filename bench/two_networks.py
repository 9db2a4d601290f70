"""Measure what two networks find together, by their vectors alone, with equal and learned weights.

    python -m bench.two_networks [--test]

Each row is a catalogue of some photos of each item; other photos of the items ask. The weights are
learned as a build learns them. The sets of development are those that the way to learn was chosen
on. With ``--test``, other sets ask, which nothing was chosen on. The embedded network was trained
on the photos that are marked with a star.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.evidence import CACHE, networks
from bench.materials import materials
from catalog.building.cache import FeatureCache
from catalog.building.collect import BundlePhoto, CollectedPhotos
from catalog.building.features import FeaturizedPhoto, featurize
from catalog.building.weights import weigh
from catalog.bundles.items import Item
from catalog.core.vectors import Vectors
from catalog.networks.featurizer import EVEN, Featurizer

MOST_QUERIES = 20  # of each item
Photos = dict[str, list[Path]]  # of each item


@dataclass(frozen=True)
class Case:
    """A catalogue, and the photos that ask."""

    name: str
    catalogue: Photos
    queries: Photos


@dataclass(frozen=True)
class Row:
    """Per cent right first: either network alone, equal weights, learned ones.

    `weight` is the learned weight of the first network, `best` the one that is right most often.
    """

    name: str
    queries: int
    first: float
    second: float
    equal: float
    learned: float
    weight: float
    best: float


def photos_below(folder: Path, start: str = "") -> Photos:
    """Return the photos of each item in the order of their content's digests."""
    found = {
        item.name: [path for path in item.iterdir() if path.name.startswith(start)]
        for item in sorted(folder.iterdir())
    }
    return {
        name: sorted(paths, key=lambda path: hashlib.sha256(path.read_bytes()).hexdigest())
        for name, paths in found.items()
    }


def split(name: str, photos: Photos, count: int) -> Case:
    """Let `count` photos of each item answer and the next ones ask."""
    enough = {item: paths for item, paths in photos.items() if len(paths) > count}
    return Case(
        f"{name}, {count} of each",
        {item: paths[:count] for item, paths in enough.items()},
        {item: paths[count : count + MOST_QUERIES] for item, paths in enough.items()},
    )


def asked(name: str, catalogue: Photos, queries: Photos, count: int) -> Case:
    """Let `count` photos of each item answer and other photos ask."""
    items = [item for item in catalogue if queries.get(item)]
    return Case(
        f"{name}, {count} of each",
        {item: catalogue[item][:count] for item in items},
        {item: queries[item][:MOST_QUERIES] for item in items},
    )


def cases(data: Path, *, test: bool) -> Iterator[Case]:
    """Yield the catalogues of development, or those of the final test."""
    grocery, kind = data / "grocery", "test" if test else "dev"
    clean = {path.stem: [path] for path in sorted((grocery / "iconic").iterdir())}
    own = photos_below(grocery / "photos")
    queries = photos_below(grocery / ("queries" if test else "dev"))
    clothing = photos_below(data / "clothing", f"{kind}-")
    for count in (1, 2, 4):
        yield split(f"clothing, {kind}", clothing, count)
    coins = photos_below(data / "coins" / "train")
    for count in (1, 2, 4):
        if test:
            coin_queries = photos_below(data / "coins" / "test")
            yield asked("coins, test", coins, coin_queries, count)
        else:
            yield split("coins, train", coins, count)
    yield asked(f"groceries, clean picture, {kind}", clean, queries, 1)
    for count in (1, 2, 4):
        if test:
            yield asked("groceries *, test", own, queries, count)
            yield split("kinds, unseen", photos_below(data / "caltech-unseen"), count)
        else:
            yield split("groceries, dev", queries, count)
            yield split("kinds *, pool", photos_below(data / "pool" / "caltech"), count)


def measure(case: Case, both: Featurizer, cache: FeatureCache) -> Row:
    """Ask a catalogue."""
    skus = [item for item, paths in case.catalogue.items() for _ in paths]
    places = [str(path) for paths in case.catalogue.values() for path in paths]
    raw, photos = _raw(places, skus, both, cache)
    collected = CollectedPhotos(photos, np.zeros((0, 256), np.uint8), [], [], [], 0, 0)
    asking, _ = _raw(
        [str(path) for paths in case.queries.values() for path in paths], None, both, cache
    )
    items = sorted(case.catalogue)
    wanted = np.array([items.index(item) for item, paths in case.queries.items() for _ in paths])
    owners = collected.owners

    def right(first: float) -> float:
        stored, queries = raw.copy(), asking.copy()
        both.reweigh(stored, (first, 1 - first))
        both.reweigh(queries, (first, 1 - first))
        nearest: NDArray[np.int64] = (queries @ stored.T).argmax(1)
        return 100 * float((owners[nearest] == wanted).mean())

    learned = weigh(both, raw.copy(), collected, None, cache, lambda *_: None).weights[0]
    weights = np.linspace(0, 1, 11).tolist()
    return Row(
        name=case.name,
        queries=len(wanted),
        first=right(1),
        second=right(0),
        equal=right(EVEN[0]),
        learned=right(learned),
        weight=learned,
        best=max(weights, key=lambda first: (right(first), -abs(first - EVEN[0]))),
    )


def _raw(
    places: list[str], skus: list[str] | None, both: Featurizer, cache: FeatureCache
) -> tuple[Vectors, list[BundlePhoto]]:
    """Return the raw vectors (n, k), equally weighted, and the photos of a catalogue."""
    vectors, photos = [], []
    results = featurize(places, both, cache)
    for place, sku, result in zip(places, skus or places, results, strict=True):
        assert isinstance(result, FeaturizedPhoto), f"{place} cannot be used"
        vectors.append(result.feature.vector)
        item = Item(sku=sku, title=sku)
        photos.append(BundlePhoto(item, place, result.feature.sha256, *result.feature.size))
    return np.stack(vectors), photos


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--test", action="store_true", help="the sets that nothing was chosen on")
    arguments = parser.parse_args()
    root = materials()
    if root is None:
        sys.exit("error: the photos are not here; name their folder in VISUAL_SEARCH_MATERIALS")
    cv2.setNumThreads(1)
    known = networks(root)
    both = Featurizer(*known["embedded"].networks, *known["efficientnet_lite0"].networks)
    print(f"{'right first, %':40} queries embedded   Lite0   equal learned", end="")
    print("  weight of embedded: learned, best")
    rows = []
    with closing(FeatureCache(CACHE)) as cache:
        for case in cases(root / "data", test=arguments.test):
            row = measure(case, both, cache)
            rows.append(row)
            print(
                f"{row.name:40} {row.queries:7} {row.first:8.1f} {row.second:7.1f} "
                f"{row.equal:7.1f} {row.learned:7.1f} {row.weight:27.1f} {row.best:5.1f}",
                flush=True,
            )
    better = np.array([max(row.first, row.second) for row in rows])
    for name in ("equal", "learned"):
        gain = np.array([getattr(row, name) for row in rows]) - better
        print(f"{name} weights against the better network: {gain.mean():+.1f}", end="")
        print(f" on the average, {gain.min():+.1f} at least")
    spread = np.sqrt(np.mean([(row.best - EVEN[0]) ** 2 for row in rows]))
    print(f"spread of the best weights around {EVEN[0]}: {spread:.2f}")


if __name__ == "__main__":
    main()
