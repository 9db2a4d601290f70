"""Compare networks on the owner's own photos: how often right, how fast, how large."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog.building.addresses import AddressCache
from catalog.building.cache import FeatureCache
from catalog.building.copies import Fingerprint, are_copies, fingerprint, originals
from catalog.building.features import SkippedPhoto, featurize, read_place
from catalog.core.errors import ContentError
from catalog.core.photos import decode
from catalog.core.vectors import Vectors, normalised
from catalog.networks.featurizer import Featurizer
from catalog.networks.projection import MOST_DIMENSIONS, fit
from catalog.sources.source import SourceItem

TIMED = 20  # photos
AMONG = 5

PhotoProgress = Callable[[int, int], None]  # photos done, of how many


@dataclass(frozen=True)
class NetworkResult:
    """What was measured of one network.

    Attributes:
        model: Its name, as given.
        asked: Number of photos that were used as queries.
        top1: Share of them whose item came first.
        top5: Share of them whose item was among the first five.
        milliseconds: Median time from a decoded picture to its vector, on one thread.
        megabytes: Size of the network's file.
        dimensions: Length of its vectors in a bundle.
        network_dimensions: Length of its own output.
        skipped: Photos that could not be used.
        copies: Number of labelled photos that are copies of others of their item, which count as
            one with them.
        asked_copies: Number of queries from another folder that are copies of labelled photos.
    """

    model: str
    asked: int
    top1: float
    top5: float
    milliseconds: float
    megabytes: float
    dimensions: int
    network_dimensions: int
    skipped: tuple[SkippedPhoto, ...]
    copies: int
    asked_copies: int


@dataclass(frozen=True)
class _RawPhotos:
    """The network's own outputs (n, d) with sku, place and fingerprint of each photo."""

    vectors: Vectors
    skus: list[str]
    places: list[str]
    fingerprints: list[Fingerprint]

    def without_copies(self) -> _RawPhotos:
        """Return the same photos, without copies of another photo of the same item."""
        by_item: dict[str, list[int]] = {}
        for number, sku in enumerate(self.skus):
            by_item.setdefault(sku, []).append(number)
        kept = sorted(
            numbers[original]
            for numbers in by_item.values()
            for original in set(originals([self.fingerprints[row] for row in numbers]).tolist())
        )
        return _RawPhotos(
            self.vectors[kept],
            [self.skus[number] for number in kept],
            [self.places[number] for number in kept],
            [self.fingerprints[number] for number in kept],
        )


def compare(
    model: str,
    featurizer: Featurizer,
    labelled: Sequence[SourceItem],
    queries: Sequence[SourceItem] | None,
    cache_folder: Path,
    progress: PhotoProgress = lambda done, total: None,
) -> NetworkResult:
    """Measure one network.

    Args:
        model: What to call it in the result.
        featurizer: The network.
        labelled: The items to search, with their photos.
        queries: Items with the photos to use as queries. None: each photo of `labelled` is a
            query to all others; an item's only photo is not used as one, nor is a copy.
        cache_folder: The build cache; what a build has computed is not computed again.
        progress: Called after each photo.

    Raises:
        ContentError: No photo could be used as a query.
    """
    skipped: list[SkippedPhoto] = []
    total = sum(len(source.photos) for source in (*labelled, *(queries or ())))
    done = 0

    def featurized(sources: Sequence[SourceItem], cache: FeatureCache) -> _RawPhotos:
        nonlocal done
        pairs = [(source.item.sku, place) for source in sources for place in source.photos]
        vectors, skus, places, fingerprints = [], [], [], []
        results = featurize((place for _, place in pairs), featurizer, cache)
        for (sku, place), result in zip(pairs, results, strict=True):
            done += 1
            progress(done, total)
            if isinstance(result, SkippedPhoto):
                skipped.append(result)
                continue
            vectors.append(result.feature.vector)
            skus.append(sku)
            places.append(place)
            fingerprints.append(fingerprint(result.feature.thumbnail, result.feature.size))
        if not vectors:
            raise ContentError("none of the photos could be used; nothing can be compared")
        return _RawPhotos(np.stack(vectors), skus, places, fingerprints)

    with closing(FeatureCache(cache_folder)) as cache:
        everything = featurized(labelled, cache)
        stored = everything.without_copies()
        asked = stored if queries is None else featurized(queries, cache)
    if featurizer.network_dimensions > MOST_DIMENSIONS and featurizer.projection is None:
        # As a build does: the owner sees what a bundle would answer.
        fitted = fit(normalised(stored.vectors), featurizer.network_id)
        featurizer = featurizer.projected(fitted)
    vectors = featurizer.vectors(stored.vectors)
    if queries is None:
        ranks = _ranks_among_others(vectors, stored.skus)
    else:
        ranks = _ranks(vectors, stored.skus, featurizer.vectors(asked.vectors), asked.skus)
    if len(ranks) == 0:
        raise ContentError(
            "no item has two photos, so none can ask; add photos, or name some with --queries"
        )
    return NetworkResult(
        model=model,
        asked=len(ranks),
        top1=round(float((ranks < 1).mean()), 4),
        top5=round(float((ranks < AMONG).mean()), 4),
        milliseconds=_milliseconds(featurizer, asked.places, cache.addresses),
        megabytes=round(featurizer.megabytes, 1),
        dimensions=featurizer.dimensions,
        network_dimensions=featurizer.network_dimensions,
        skipped=tuple(skipped),
        copies=len(everything.skus) - len(stored.skus),
        asked_copies=0
        if queries is None
        else int(are_copies(asked.fingerprints, stored.fingerprints).sum()),
    )


def _ranks(
    stored: Vectors, skus: list[str], queries: Vectors, query_skus: list[str]
) -> NDArray[np.int64]:
    """Count, for each query, the items that come before the right one."""
    names, owners = np.unique(np.asarray(skus), return_inverse=True)
    numbers = {name: number for number, name in enumerate(names.tolist())}
    ranks = []
    for query, sku in zip(queries, query_skus, strict=True):
        right = numbers.get(sku)  # None: the item is not among the stored ones
        similarities = stored @ query
        ranks.append(
            len(names) if right is None else _rank(similarities, owners, len(names), right)
        )
    return np.array(ranks, np.int64)


def _ranks_among_others(stored: Vectors, skus: list[str]) -> NDArray[np.int64]:
    """Count the same with each stored photo as a query, if its item has another."""
    names, owners = np.unique(np.asarray(skus), return_inverse=True)
    counts = np.bincount(owners)
    ranks = []
    for row, query in enumerate(stored):
        if counts[owners[row]] < 2:
            continue
        similarities = stored @ query
        similarities[row] = -2
        ranks.append(_rank(similarities, owners, len(names), owners[row]))
    return np.array(ranks, np.int64)


def _rank(similarities: Vectors, owners: NDArray[np.intp], items: int, right: int) -> int:
    """Count the items whose best photo is more similar than the right item's best."""
    best = np.full(items, -2, np.float32)
    np.maximum.at(best, owners, similarities)
    return int((best > best[right]).sum())


def _milliseconds(featurizer: Featurizer, places: list[str], addresses: AddressCache) -> float:
    chosen = places[:: max(1, len(places) // TIMED)][:TIMED]
    times = []
    for place in chosen[:1] + chosen:  # the first is to warm up
        picture = decode(read_place(place, addresses), place, enough=featurizer.enough)
        start = time.perf_counter()
        featurizer.embed([picture])
        times.append(time.perf_counter() - start)
    return round(1000 * statistics.median(times[1:]), 2)
