"""Collect what a build needs of every photo: vectors, colours, local features, thumbnails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog.building.cache import FeatureCache
from catalog.building.features import SkippedPhoto, featurize
from catalog.bundles.items import Item, write_thumbnails
from catalog.core.vectors import Vectors
from catalog.networks.featurizer import Featurizer
from catalog.recognition.colours import DIMENSIONS as COLOURS
from catalog.recognition.local_features.extract import PER_PHOTO
from catalog.recognition.local_features.store import LocalFeatureWriter
from catalog.sources.source import SourceItem

StageProgress = Callable[[str, int, int], None]  # the stage, how many are done, of how many


@dataclass(frozen=True)
class BundlePhoto:
    """One photo of the bundle that is being built."""

    item: Item
    place: str
    sha256: str
    width: int
    height: int


@dataclass(frozen=True)
class CollectedPhotos:
    """What was collected of the photos.

    Thumbnails and local features are not here but in the workspace: those of 100,000 photos take
    a gigabyte and more.

    Attributes:
        photos: The usable photos; a photo's position is its number.
        colours: Colour histograms, uint8 (n, 256).
        skipped: The photos that cannot be used.
        reused: How many photos were found in the build cache.
        local_features: How many local features all photos have together.
    """

    photos: list[BundlePhoto]
    colours: NDArray[np.uint8]
    skipped: list[SkippedPhoto]
    reused: int
    local_features: int

    @property
    def skus(self) -> list[str]:
        """The sku of each photo."""
        return [photo.item.sku for photo in self.photos]


def collect(
    items: Sequence[SourceItem],
    featurizer: Featurizer,
    cache: FeatureCache,
    workspace: Path,
    progress: StageProgress,
    on_skip: Callable[[SkippedPhoto], None],
) -> tuple[CollectedPhotos, Vectors]:
    """Collect the features of all photos; write thumbnails and local features to the workspace.

    Returns:
        What was collected; and apart, because they are large and needed for a while only, the
        network's own vectors, float32 (n, k), not normalised.
    """
    places = [(source.item, place) for source in items for place in source.photos]
    raw = np.empty((len(places), featurizer.network_dimensions), np.float32)
    colours = np.empty((len(places), COLOURS), np.uint8)
    photos: list[BundlePhoto] = []
    skipped: list[SkippedPhoto] = []
    reused = 0
    local_features = LocalFeatureWriter(workspace)

    def thumbnails() -> Iterator[tuple[int, bytes]]:
        nonlocal reused
        results = featurize((place for _, place in places), featurizer, cache, PER_PHOTO)
        progress("photos", 0, len(places))
        for done, ((item, place), result) in enumerate(zip(places, results, strict=True), 1):
            if isinstance(result, SkippedPhoto):
                skipped.append(result)
                on_skip(result)
            else:
                feature, number = result.feature, len(photos)
                assert result.descriptors is not None
                assert result.descriptors.local_features is not None
                raw[number], colours[number] = feature.vector, result.descriptors.colours
                local_features.add(result.descriptors.local_features)
                size = feature.width, feature.height
                photos.append(BundlePhoto(item, place, feature.sha256, *size))
                reused += result.reused
                yield number, feature.thumbnail
            progress("photos", done, len(places))

    write_thumbnails(workspace / "pictures.db", thumbnails())
    count = len(photos)
    features = local_features.finish()
    return CollectedPhotos(photos, colours[:count], skipped, reused, features), raw[:count]
