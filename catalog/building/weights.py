"""Choose how much each of two networks counts in a bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from catalog.building.cache import FeatureCache
from catalog.building.calibration_queries import photo_queries
from catalog.building.collect import CollectedPhotos, StageProgress
from catalog.building.distractors import drawn_distractors
from catalog.bundles.manifest import verify
from catalog.core.errors import FeaturizerError
from catalog.core.vectors import Vectors
from catalog.networks.featurizer import EVEN, Featurizer
from catalog.networks.pair import Weights, read_pair
from catalog.recognition.bursts import burst_similarity
from catalog.recognition.network_weights import WeightQuery, learn_weight


def weigh(
    featurizer: Featurizer,
    raw: Vectors,
    collected: CollectedPhotos,
    former: Weights | None,
    cache: FeatureCache,
    progress: StageProgress,
) -> Featurizer:
    """Return the featurizer with the weights of its networks, and change `raw` to them in place.

    Args:
        featurizer: One network or two. The weights of two are learned, unless they are unequal or
            the vectors are projected: then they are those of a featurizer folder.
        raw: The raw vectors of the photos, float32 (n, k).
        collected: The photos.
        former: Weights to use instead of learning them.
        cache: Where the calibration queries are or will be.
        progress: Called with each query that is made.
    """
    if featurizer.weights != EVEN or featurizer.projection is not None:
        return featurizer
    weights = former or _learn(featurizer, raw, collected, cache, progress)
    return featurizer.reweigh(raw, weights)


def former_weights(bundle: Path, featurizer: Featurizer) -> Weights | None:
    """Return the weights of a bundle's networks, where they are those of the featurizer."""
    try:
        former = read_pair(bundle / "featurizer")
    except FeaturizerError:  # damaged
        return None
    if former is None or former.ids != tuple(network.id for network in featurizer.networks):
        return None
    return former.weights


def is_made_by(bundle: Path, featurizer: Featurizer) -> bool:
    """Return whether the networks of a featurizer made a bundle's vectors, with any weights.

    Raises:
        BundleError: There is no bundle, or it is damaged.
    """
    manifest, _ = verify(bundle)
    weights = former_weights(bundle, featurizer)
    made = featurizer if weights is None else Featurizer(*featurizer.networks, weights=weights)
    return manifest.featurizer.network == made.network_id


def _learn(
    featurizer: Featurizer,
    raw: Vectors,
    collected: CollectedPhotos,
    cache: FeatureCache,
    progress: StageProgress,
) -> Weights:
    queries = photo_queries(collected.photos, featurizer, cache, progress)
    drawn = drawn_distractors(featurizer, cache, progress)
    first = learn_weight(
        raw,
        collected.owners,
        [WeightQuery(query.photo, query.vector) for query in queries if query.photo is not None],
        featurizer.networks[0].dimensions,
        burst_similarity(np.array([query.vector for query in drawn])),
    )
    return first, round(1 - first, 6)
