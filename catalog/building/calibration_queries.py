"""Make the calibration queries: photos of the catalogue as a camera might see their things.

They are stored in the build cache.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from catalog.building.addresses import AddressCache
from catalog.building.cache import FeatureCache, PhotoFeature
from catalog.building.collect import BundlePhoto, StageProgress
from catalog.building.features import read_place
from catalog.building.raw_vectors import cached_raw
from catalog.building.stage import ENOUGH_TO_CUT, PhotoStage
from catalog.core.errors import ContentError
from catalog.core.photos import Picture, decode
from catalog.core.vectors import Vectors, normalised
from catalog.networks.featurizer import Featurizer
from catalog.networks.finder import open_finder
from catalog.recognition.augment import augment, has_surroundings
from catalog.recognition.descriptors import Descriptors, extract_descriptors
from catalog.recognition.local_features.extract import PER_QUERY
from catalog.recognition.scored_queries import PHOTO_QUERIES, SEED, VERSION, CalibrationQuery

LONGER_SIDE = 256  # pixels, of the pictures that are queries
ENOUGH = 3  # photos of an item: its burst is excluded, so a photo may be a query as it is


@dataclass(frozen=True)
class QueryRecord:
    """A calibration query by what it was made of.

    Attributes:
        photo: The key of the photo's record.
        behind: The key of that of the photo that was put behind it, if any.
        augmented: Whether the photo was changed.
        raw: Its raw vector, float32 (k,).
        descriptors: Its colours and local features.
    """

    photo: str
    behind: str | None
    augmented: bool
    raw: Vectors
    descriptors: Descriptors

    def query(self, number: int, behind: int | None, featurizer: Featurizer) -> CalibrationQuery:
        """Return the query, with the numbers of its photos in a catalogue."""
        raw = self.raw[None]
        own = normalised(raw)[0] if featurizer.projection else None
        vector = featurizer.vectors(raw)[0]
        return CalibrationQuery(vector, self.descriptors, number, own, self.augmented, behind)


@dataclass(frozen=True)
class _QueryPicture:
    """A picture that is made when it is first needed."""

    photo: BundlePhoto
    behind: BundlePhoto | None
    featurizer: Featurizer
    addresses: AddressCache
    augmented: bool

    @cached_property
    def picture(self) -> Picture:
        if self.photo.may_be_cut:
            image = _as_cut(self.photo, self.featurizer, self.addresses)
        else:
            image = read_picture(self.photo, self.addresses)
        if not self.augmented:
            return image
        background = None if self.behind is None else read_picture(self.behind, self.addresses)
        return augment(image, SEED + int(self.photo.key[:6], 16), background)


def photo_queries(
    photos: Sequence[BundlePhoto],
    featurizer: Featurizer,
    cache: FeatureCache,
    progress: StageProgress,
    most: int = PHOTO_QUERIES,
) -> list[CalibrationQuery]:
    """Make queries of at most so many of the photos, evenly spread."""
    numbers = evenly_spread(len(photos), most)
    neighbours = _neighbours(photos)
    return [
        record.query(number, None if record.behind is None else neighbours[number], featurizer)
        for number, record in zip(
            numbers, query_records(photos, numbers, featurizer, cache, progress), strict=True
        )
    ]


def query_records(
    photos: Sequence[BundlePhoto],
    numbers: Sequence[int],
    featurizer: Featurizer,
    cache: FeatureCache,
    progress: StageProgress,
) -> Iterator[QueryRecord]:
    """Make queries of the photos with some numbers.

    A photo of an item with enough photos is a query as it is, unless it is a studio photo in a
    catalogue of mostly studio photos: pictures from a camera look different. Every other photo is
    augmented.
    """
    counts = Counter(photo.item.sku for photo in photos)
    studio = _studio_photos([photos[number] for number in numbers], counts, cache, progress)
    neighbours = _neighbours(photos)
    for done, number in enumerate(numbers, 1):
        photo = photos[number]
        count = counts[photo.item.sku]
        # Behind the only photo of an item stands another: the photo alone shows no variation.
        behind = photos[neighbours[number]] if count == 1 else None
        augmented = count < ENOUGH or photo.key in studio
        key = f"{'as-seen' if augmented else 'as-it-is'}-{VERSION}-{SEED}-{photo.key}"
        if count < ENOUGH:
            key += f"-of-{count}"
        if behind is not None:
            key += f"-{behind.key}"
        source = _QueryPicture(photo, behind, featurizer, cache.addresses, augmented)
        yield _record(key, source, featurizer, cache)
        progress("as seen", done, len(numbers))


def _record(
    key: str, source: _QueryPicture, featurizer: Featurizer, cache: FeatureCache
) -> QueryRecord:
    """Make the query that is called `key` in the cache.

    A photo that is not augmented has the vector of its record.
    """
    raw = None if source.augmented else _recorded_raw(source.photo, featurizer, cache)
    if raw is None:
        raw = cached_raw(key, featurizer, cache, lambda: [source.picture])[0]
    descriptors = cache.get_descriptors(key, PER_QUERY)
    if descriptors is None:
        descriptors = extract_descriptors(source.picture, PER_QUERY)
        cache.put_descriptors(key, PER_QUERY, descriptors)
    behind = None if source.behind is None else source.behind.key
    return QueryRecord(source.photo.key, behind, source.augmented, raw, descriptors)


def _recorded_raw(
    photo: BundlePhoto, featurizer: Featurizer, cache: FeatureCache
) -> Vectors | None:
    """Return the raw vector (k,) of a photo's record; None where the cache does not have it."""
    found = [cache.get(photo.key, network.id) for network in featurizer.networks]
    outputs = [feature.vector[None] for feature in found if feature is not None]
    return featurizer.join(outputs)[0] if len(outputs) == len(found) else None


def _as_cut(photo: BundlePhoto, featurizer: Featurizer, addresses: AddressCache) -> Picture:
    """Read the thing in a photo of which the catalogue has the thing alone."""
    stage = PhotoStage(featurizer, finder=open_finder(featurizer.engine), cluttered_only=True)
    return stage.used(read_picture(photo, addresses, ENOUGH_TO_CUT))


def read_picture(photo: BundlePhoto, addresses: AddressCache, enough: int = LONGER_SIDE) -> Picture:
    """Read a photo of the catalogue again, BGR uint8 (h, w, 3), its shorter side at least `enough`.

    Raises:
        ContentError: It is no longer there.
    """
    try:
        return decode(read_place(photo.place, addresses), photo.place, enough=enough)
    except OSError as error:
        raise ContentError(
            f"{photo.place}: went away while the bundle was built ({error.strerror}); try again"
        ) from error


def evenly_spread(total: int, count: int) -> list[int]:
    """Return at most `count` numbers below `total`, evenly spread."""
    return sorted({int(number) for number in np.linspace(0, total - 1, min(count, total))})


def _neighbours(photos: Sequence[BundlePhoto]) -> dict[int, int]:
    """Give each photo another as its neighbour, in the order of their digests.

    By content, so that one photo more in the catalogue changes few of the neighbours.
    """
    ring = sorted(range(len(photos)), key=lambda number: photos[number].key)
    return dict(zip(ring, ring[1:] + ring[:1], strict=True))


def is_plain(photo: BundlePhoto, cache: FeatureCache) -> bool:
    """Return whether a photo shows a thing alone, before a plain ground."""
    key = f"ground-{VERSION}-{photo.sha256}"
    feature = cache.get(key, "")
    if feature is None:
        plain = not has_surroundings(read_picture(photo, cache.addresses))
        feature = PhotoFeature(key, np.array([plain], np.float32), 0, 0, b"")
        cache.put([feature], "")
    return bool(feature.vector[0])


def _studio_photos(
    photos: Sequence[BundlePhoto],
    counts: Counter[str],
    cache: FeatureCache,
    progress: StageProgress,
) -> set[str]:
    """Return the digests of photos before a plain ground, where most of them are such."""
    candidates = [photo for photo in photos if counts[photo.item.sku] >= ENOUGH]
    plain: list[str] = []
    for done, photo in enumerate(candidates, 1):
        if is_plain(photo, cache):
            plain.append(photo.key)
        progress("surroundings", done, len(candidates))
    return set(plain) if 2 * len(plain) > len(candidates) else set()
