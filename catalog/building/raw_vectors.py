"""Keep the outputs of the networks for pictures that a build makes itself in the build cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from catalog.building.cache import FeatureCache, PhotoFeature
from catalog.core.photos import Picture
from catalog.core.vectors import Vectors
from catalog.networks.featurizer import Featurizer

NOTHING_SHIPPED: Mapping[str, Vectors] = {}


def cached_raw(
    key: str,
    featurizer: Featurizer,
    cache: FeatureCache,
    pictures: Callable[[], Iterable[Picture]],
    shipped: Mapping[str, Vectors] = NOTHING_SHIPPED,
) -> Vectors:
    """Return the raw vectors of n pictures, float32 (n, k).

    Args:
        key: What the pictures are called in the cache.
        featurizer: The networks.
        cache: Where their outputs are, each network's apart.
        pictures: Makes the pictures; called only if the outputs of a network are missing.
        shipped: Outputs (n, d) that need no cache, by the id of the network.
    """
    outputs = dict(shipped)
    for network in featurizer.networks:
        if network.id not in outputs and (feature := cache.get(key, network.id)) is not None:
            outputs[network.id] = feature.vector.reshape(-1, network.dimensions)
    missing = [network for network in featurizer.networks if network.id not in outputs]
    if missing:
        found: list[list[Vectors]] = [[] for _ in missing]
        for picture in pictures():
            for network, vectors in zip(missing, found, strict=True):
                vectors.append(network.raw([picture])[0])
        for network, vectors in zip(missing, found, strict=True):
            outputs[network.id] = np.stack(vectors)
            cache.put([PhotoFeature(key, np.concatenate(vectors), 0, 0, b"")], network.id)
    return featurizer.join([outputs[network.id] for network in featurizer.networks])
