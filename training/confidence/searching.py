"""Search catalogues with looks, as a device would, and keep the match features."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from catalog.building.cache import FeatureCache
from catalog.building.calibration_queries import photo_queries
from catalog.building.collect import collect
from catalog.building.distractors import drawn_distractors, photo_distractors
from catalog.building.features import SkippedPhoto, featurize
from catalog.building.weights import weigh
from catalog.bundles.items import Item
from catalog.core.errors import ContentError
from catalog.core.vectors import normalised
from catalog.networks import projection
from catalog.networks.featurizer import Featurizer
from catalog.recognition.candidates import QueryDescriptors
from catalog.recognition.cross_fitting import PhotoVectors
from catalog.recognition.local_features.extract import PER_PHOTO, PER_QUERY
from catalog.recognition.local_features.store import LocalFeatureStore
from catalog.recognition.scored_queries import CalibrationQuery, ScoredQuery, score
from catalog.sources.source import SourceItem
from training.confidence.designs import Design
from training.confidence.looks import FAR, NEAR, OWN, Catalogue

FAR_LOOKS = 25
QUERIES = 80  # photos of the catalogue that ask it; a build takes more
SEED = 4713


def search(
    designs: Sequence[Design], name: str, featurizer: Featurizer, cache: FeatureCache
) -> Iterator[Catalogue]:
    """Search each design's catalogue with its own queries, its looks, and looks of others.

    Args:
        designs: The catalogues.
        name: What the network is called.
        featurizer: The network, without a projection.
        cache: Where the features of photos are kept.
    """
    draw = random.Random(SEED)
    others = [(design.source, place) for design in designs for place, _ in design.looks]
    for design in designs:
        far = draw.sample([place for source, place in others if source != design.source], FAR_LOOKS)
        yield _search(design, far, name, featurizer, cache)


def _search(
    design: Design, far: Sequence[str], name: str, featurizer: Featurizer, cache: FeatureCache
) -> Catalogue:
    items = [SourceItem(Item(sku, sku), tuple(places)) for sku, places in design.items.items()]
    with tempfile.TemporaryDirectory() as folder:
        places = [place for source in items for place in source.photos]
        results = featurize(places, featurizer, cache, PER_PHOTO)
        dimensions = featurizer.network_dimensions
        collected, raw = collect(items, results, dimensions, Path(folder), _quiet, _refuse)
        featurizer = weigh(featurizer, raw, collected, None, cache, _quiet)
        if featurizer.network_dimensions > projection.MOST_DIMENSIONS:
            fitted = projection.fit(normalised(raw), featurizer.network_id)
            featurizer = featurizer.projected(fitted)
        skus, owners = np.unique(np.array(collected.skus, object), return_inverse=True)
        photos = PhotoVectors(
            featurizer.vectors(raw).astype(np.float16),
            owners.astype(np.int64),
            collected.colours,
            LocalFeatureStore(Path(folder), len(collected.photos)),
            raw if featurizer.projection else None,
        )
        own = score(
            photos,
            photo_queries(collected.photos, featurizer, cache, _quiet, QUERIES),
            [drawn_distractors(featurizer, cache, _quiet), photo_distractors(featurizer)],
        )
        numbers = {sku: number for number, sku in enumerate(skus.tolist())}
        labelled = [(place, NEAR if sku is None else OWN, sku) for place, sku in design.looks]
        labelled += [(place, FAR, None) for place in far]
        queries = _queries([place for place, *_ in labelled], featurizer, cache)
        looks = []
        for (_, kind, sku), query in zip(labelled, queries, strict=True):
            features = own.scorer.score(query.vector, QueryDescriptors(query.descriptors))
            looks.append(ScoredQuery(kind, features, None if sku is None else numbers[sku]))
    return Catalogue(
        design.source,
        design.name,
        name,
        len(skus),
        design.photos,
        own.burst_similarity,
        tuple(map(_by_place, own.queries)),
        tuple(map(_by_place, looks)),
    )


def _by_place(query: ScoredQuery) -> ScoredQuery:
    """Number the candidates by their places; which items they are no longer matters."""
    places = np.arange(len(query.features.items))
    return replace(query, item=query.right, features=replace(query.features, items=places))


def _queries(
    places: Sequence[str], featurizer: Featurizer, cache: FeatureCache
) -> Iterator[CalibrationQuery]:
    for result in featurize(places, featurizer, cache, PER_QUERY):
        if isinstance(result, SkippedPhoto):
            _refuse(result)
            continue
        assert result.descriptors is not None
        vector = featurizer.vectors(result.feature.vector[None])[0]
        yield CalibrationQuery(vector, result.descriptors)


def _quiet(stage: str, done: int, total: int) -> None:
    """Show no progress of a stage: there are hundreds of catalogues."""


def _refuse(photo: SkippedPhoto) -> None:
    raise ContentError(f"{photo.name}: {photo.reason}")
