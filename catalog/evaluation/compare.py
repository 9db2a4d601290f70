"""Networks side by side on the owner's own photos: how often right, how fast, how large."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog.building.cache import FeatureCache
from catalog.building.features import SkippedPhoto, featurize, read_place
from catalog.building.sources import SourceItem
from catalog.core.errors import ContentError
from catalog.core.photos import decode
from catalog.core.vectors import Vectors, normalised
from catalog.networks.featurizer import Featurizer
from catalog.networks.projection import MOST_DIMENSIONS, fit

TIMED = 20  # photos
AMONG = 5

Progress = Callable[[int, int], None]  # photos done, of how many


@dataclass(frozen=True)
class Compared:
    """What one network is worth on these photos.

    Attributes:
        model: As it was named.
        asked: Photos that asked.
        top1: Share of them whose item came first.
        top5: Share of them whose item came among the first five.
        milliseconds: A photo, from decoded picture to vector, on one thread: the median.
        megabytes: The network's file.
        dimensions: Of its vectors, as a bundle holds them.
        network_dimensions: Of its own output.
        skipped: Photos that could not be used.
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


@dataclass(frozen=True)
class _Embedded:
    """Raw vectors (n, d) with the sku and the place of each photo."""

    raw: Vectors
    skus: list[str]
    places: list[str]


def compare(
    model: str,
    featurizer: Featurizer,
    labelled: Sequence[SourceItem],
    queries: Sequence[SourceItem] | None,
    cache_folder: Path,
    progress: Progress = lambda done, total: None,
) -> Compared:
    """Measure one network.

    Args:
        model: What to call it in the answer.
        featurizer: The network.
        labelled: Items with their photos, which answer.
        queries: Items with the photos that ask. None: each of `labelled` asks among all
            others, where its item has another; items with one photo only answer.
        cache_folder: The build cache; what a build has computed is not computed again.
        progress: Called after each photo.

    Raises:
        ContentError: No photo could ask.
    """
    cache = FeatureCache(cache_folder)
    skipped: list[SkippedPhoto] = []
    total = sum(len(one.photos) for one in (*labelled, *(queries or ())))
    done = 0

    def embedded(entries: Sequence[SourceItem]) -> _Embedded:
        nonlocal done
        pairs = [(entry.item.sku, place) for entry in entries for place in entry.photos]
        raw, skus, places = [], [], []
        results = featurize((place for _, place in pairs), featurizer, cache)
        for (sku, place), result in zip(pairs, results, strict=True):
            done += 1
            progress(done, total)
            if isinstance(result, SkippedPhoto):
                skipped.append(result)
                continue
            raw.append(result.feature.vector)
            skus.append(sku)
            places.append(place)
        if not raw:
            raise ContentError("none of the photos could be used; nothing can be compared")
        return _Embedded(np.stack(raw), skus, places)

    try:
        answering = embedded(labelled)
        asking = answering if queries is None else embedded(queries)
    finally:
        cache.close()
    if featurizer.network_dimensions > MOST_DIMENSIONS and featurizer.projection is None:
        # As a build does: the owner sees what a bundle would answer.
        own = fit(normalised(answering.raw), featurizer.network_id)
        featurizer = featurizer.projected(own)
    ranks = _ranks(
        featurizer.vectors(answering.raw),
        answering.skus,
        featurizer.vectors(asking.raw),
        asking.skus,
        alone=queries is None,
    )
    if len(ranks) == 0:
        raise ContentError(
            "no item has two photos, so none can ask; add photos, or name some with --queries"
        )
    return Compared(
        model=model,
        asked=len(ranks),
        top1=round(float((ranks < 1).mean()), 4),
        top5=round(float((ranks < AMONG).mean()), 4),
        milliseconds=_milliseconds(featurizer, asking.places, cache_folder / "addresses"),
        megabytes=round(featurizer.path.stat().st_size / 1e6, 1),
        dimensions=featurizer.dimensions,
        network_dimensions=featurizer.network_dimensions,
        skipped=tuple(skipped),
    )


def _ranks(
    vectors: Vectors, skus: list[str], asked: Vectors, wanted: list[str], alone: bool
) -> NDArray[np.int64]:
    """How many items come before the right one, for each query that can be answered.

    With `alone` the queries are the vectors themselves and each is left out when it asks.
    """
    names, owners = np.unique(np.asarray(skus), return_inverse=True)
    number = {name: at for at, name in enumerate(names.tolist())}
    counts = np.bincount(owners)
    ranks = []
    for row, (query, sku) in enumerate(zip(asked, wanted, strict=True)):
        if alone and counts[owners[row]] < 2:
            continue
        similarities = vectors @ query
        if alone:
            similarities[row] = -2
        best = np.full(len(names), -2, np.float32)
        np.maximum.at(best, owners, similarities)
        # An item that nobody holds is never found.
        right = number.get(sku)
        ranks.append(len(names) if right is None else int((best > best[right]).sum()))
    return np.array(ranks, np.int64)


def _milliseconds(featurizer: Featurizer, places: list[str], addresses: Path) -> float:
    chosen = places[:: max(1, len(places) // TIMED)][:TIMED]
    times = []
    for place in chosen[:1] + chosen:  # the first is to warm up
        picture = decode(read_place(place, addresses), place, enough=featurizer.descriptor.enough)
        start = time.perf_counter()
        featurizer.embed([picture])
        times.append(time.perf_counter() - start)
    return round(1000 * statistics.median(times[1:]), 2)
