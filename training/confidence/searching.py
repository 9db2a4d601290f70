"""Search catalogues with looks, as a device would, and keep the match features."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from catalog.building.cache import FeatureCache
from catalog.building.collect import collect
from catalog.building.distractors import drawn_distractors
from catalog.building.features import SkippedPhoto, featurize
from catalog.bundles.items import Item
from catalog.core.errors import ContentError
from catalog.core.vectors import normalised
from catalog.networks import projection
from catalog.networks.featurizer import Featurizer
from catalog.recognition.bursts import burst_similarity, unlike_of
from catalog.recognition.calibrate import CalibrationQuery
from catalog.recognition.candidates import MatchFeatures, QueryDescriptors
from catalog.recognition.cross_fitting import PhotoVectors
from catalog.recognition.local_features.extract import PER_QUERY
from catalog.recognition.local_features.store import LocalFeatureStore
from catalog.sources.source import SourceItem
from training.confidence.designs import Design
from training.confidence.looks import Catalogue, Look

FAR_LOOKS, DRAWN_LOOKS = 25, 60
SEED = 4713


def search(
    designs: Sequence[Design], name: str, featurizer: Featurizer, cache: FeatureCache
) -> Iterator[Catalogue]:
    """Search each design's catalogue with its looks, with those of others, and with drawn things.

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
        collected, raw = collect(items, featurizer, cache, Path(folder), _quiet, _refuse)
        if featurizer.network_dimensions > projection.MOST_DIMENSIONS:
            fitted = projection.fit(normalised(raw), featurizer.network_id)
            featurizer = featurizer.projected(fitted)
        skus, owners = np.unique(np.array(collected.skus, object), return_inverse=True)
        photos = PhotoVectors(
            featurizer.vectors(raw).astype(np.float16),
            owners.astype(np.int64),
            collected.colours,
            LocalFeatureStore(Path(folder), len(collected.photos)),
        )
        scorer = photos.fit_on(np.ones(len(owners), bool)).scorer
        drawn = drawn_distractors(featurizer, cache, _quiet)
        unlike = np.array([query.vector if query.raw is None else query.raw for query in drawn])

        def ask(query: CalibrationQuery) -> MatchFeatures:
            return scorer.score(query.vector, QueryDescriptors(query.descriptors))

        numbers = {sku: number for number, sku in enumerate(skus.tolist())}
        labelled = [(place, "near" if sku is None else "own", sku) for place, sku in design.looks]
        labelled += [(place, "far", None) for place in far]
        queries = _queries([place for place, *_ in labelled], featurizer, cache)
        looks = []
        for (_, kind, sku), query in zip(labelled, queries, strict=True):
            features = ask(query)
            right = None if sku is None else _place(features, numbers[sku])
            looks.append(Look(kind, right, features.values))
        looks += [Look("drawn", None, ask(query).values) for query in drawn[:DRAWN_LOOKS]]
    mean = unlike_of(burst_similarity(unlike))
    return Catalogue(design.source, design.name, name, design.photos, mean, tuple(looks))


def _place(features: MatchFeatures, item: int) -> int | None:
    at = np.flatnonzero(features.items == item)
    return int(at[0]) if len(at) else None


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
