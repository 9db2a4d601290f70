"""Collect what a build needs of every photo: vectors, colours, local features, thumbnails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog.building.copies import Fingerprint, fingerprint, originals
from catalog.building.features import FeaturizedPhoto, SkippedPhoto
from catalog.bundles.items import Item, write_thumbnails
from catalog.core.vectors import Rows, Vectors
from catalog.recognition.colours import DIMENSIONS as COLOURS
from catalog.recognition.local_features.store import LocalFeatureWriter
from catalog.sources.source import SourceItem

StageProgress = Callable[[str, int, int], None]  # the stage, how many are done, of how many
_Result = tuple[tuple[Item, str], FeaturizedPhoto | SkippedPhoto]


@dataclass(frozen=True)
class BundlePhoto:
    """One photo of the bundle that is being built.

    Attributes:
        key: The key of its record; see `catalog.building.stage`.
    """

    item: Item
    place: str
    key: str
    width: int
    height: int

    @property
    def sha256(self) -> str:
        """The sha256 of its bytes."""
        return self.key[:64]

    @property
    def may_be_cut(self) -> bool:
        """Whether the features are of the thing alone, where the photo shows more."""
        return self.key != self.sha256


@dataclass(frozen=True)
class PhotoCopy:
    """The place of a photo that is a copy of another photo of its item, and that one's place."""

    name: str
    original: str


@dataclass(frozen=True)
class CollectedPhotos:
    """What was collected of the photos.

    Thumbnails and local features are not here but in the workspace: those of 100,000 photos take
    a gigabyte and more.

    Attributes:
        photos: The usable photos without copies; a photo's position is its number.
        colours: Colour histograms, uint8 (n, 256).
        skipped: The photos that cannot be used.
        copies: The copies, which count as one photo with their original.
        same_picture: The skus of items that show the same picture, in groups.
        reused: How many photos were found in the build cache.
        local_features: How many local features all photos have together.
    """

    photos: list[BundlePhoto]
    colours: NDArray[np.uint8]
    skipped: list[SkippedPhoto]
    copies: list[PhotoCopy]
    same_picture: list[tuple[str, ...]]
    reused: int
    local_features: int

    @property
    def skus(self) -> list[str]:
        """The sku of each photo."""
        return [photo.item.sku for photo in self.photos]

    @property
    def owners(self) -> Rows:
        """The item number of each photo, int64 (n,); items are numbered by their skus' order."""
        numbers = np.unique(np.array(self.skus, object), return_inverse=True)[1]
        return np.asarray(numbers, np.int64)


def collect(
    items: Sequence[SourceItem],
    results: Iterable[FeaturizedPhoto | SkippedPhoto],
    dimensions: int,
    workspace: Path,
    progress: StageProgress,
    on_skip: Callable[[SkippedPhoto], None],
) -> tuple[CollectedPhotos, Vectors]:
    """Collect the features of all photos; write thumbnails and local features to the workspace.

    Args:
        items: The items.
        results: The features and descriptors of all their photos, in their order.
        dimensions: Length k of a raw vector.
        workspace: The folder to write to.
        progress: Called with each photo.
        on_skip: Called with each photo that cannot be used.

    Returns:
        What was collected; and apart, because they are large and needed for a while only, the
        network's own vectors, float32 (n, k), not normalised.
    """
    places = [(source.item, place) for source in items for place in source.photos]
    raw = np.empty((len(places), dimensions), np.float32)
    colours = np.empty((len(places), COLOURS), np.uint8)
    photos: list[BundlePhoto] = []
    fingerprints: list[Fingerprint] = []
    skipped: list[SkippedPhoto] = []
    copies: list[PhotoCopy] = []
    reused = done = 0
    local_features = LocalFeatureWriter(workspace)

    def usable(found: Iterable[_Result]) -> Iterator[tuple[Item, str, FeaturizedPhoto]]:
        nonlocal reused, done
        for (item, place), result in found:
            if isinstance(result, SkippedPhoto):
                skipped.append(result)
                on_skip(result)
            else:
                reused += result.reused
                yield item, place, result
            done += 1
            progress("photos", done, len(places))

    def thumbnails() -> Iterator[tuple[int, bytes]]:
        progress("photos", 0, len(places))
        # The photos of one item are held until all are known: the last may be the original.
        for _, group in groupby(zip(places, results, strict=True), lambda pair: pair[0][0].sku):
            found = list(usable(group))
            prints = [
                fingerprint(result.feature.thumbnail, result.feature.size) for *_, result in found
            ]
            original = originals(prints).tolist()
            copies.extend(
                PhotoCopy(found[number][1], found[of][1])
                for number, of in enumerate(original)
                if number != of
            )
            for chosen in dict.fromkeys(original):  # an original takes the place of its first copy
                item, place, result = found[chosen]
                feature, number = result.feature, len(photos)
                assert result.descriptors is not None
                assert result.descriptors.local_features is not None
                raw[number], colours[number] = feature.vector, result.descriptors.colours
                local_features.add(result.descriptors.local_features)
                photos.append(BundlePhoto(item, place, feature.sha256, *feature.size))
                fingerprints.append(prints[chosen])
                yield number, feature.thumbnail

    write_thumbnails(workspace / "pictures.db", thumbnails())
    count, feature_count = len(photos), local_features.finish()
    same_picture = _same_picture(fingerprints, [photo.item.sku for photo in photos])
    return (
        CollectedPhotos(
            photos, colours[:count], skipped, copies, same_picture, reused, feature_count
        ),
        raw[:count],
    )


def _same_picture(
    fingerprints: Sequence[Fingerprint], skus: Sequence[str]
) -> list[tuple[str, ...]]:
    """Return the skus of different items that show the same picture, in groups."""
    groups: dict[int, dict[str, None]] = {}
    for sku, original in zip(skus, originals(fingerprints).tolist(), strict=True):
        groups.setdefault(original, {})[sku] = None
    return list(dict.fromkeys(tuple(group) for group in groups.values() if len(group) > 1))
