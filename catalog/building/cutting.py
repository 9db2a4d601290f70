"""Decide whether the photos of a catalogue are cut to the thing that they show.

What is around a thing tells much where photos and pictures were taken in the same shop, and
misleads where each photo has other surroundings. The catalogue's own photos say which it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from catalog.building.cache import FeatureCache
from catalog.building.calibration_queries import evenly_spread, is_plain
from catalog.building.collect import BundlePhoto, StageProgress
from catalog.building.features import FeaturizedPhoto, featurize
from catalog.core.vectors import Vectors, normalised
from catalog.networks.featurizer import Featurizer
from catalog.networks.finder import ThingFinder

ITEMS, PHOTOS = 120, 3  # so many, and photos of each, are asked
MANY = 60  # items of which half may say enough
SURE = 2.0  # standard deviations by which cutting must be better than chance


def cutting_pays(
    photos: Sequence[BundlePhoto],
    raw: Vectors,
    keep_whole: Collection[str],
    featurizer: Featurizer,
    cache: FeatureCache,
    finder: ThingFinder,
    progress: StageProgress,
) -> bool:
    """Return whether more photos are nearest to one of their own item when they are cut.

    Some photos of items with several are asked, as a whole and cut; photos before a plain ground
    stay whole both times. Of many items the first half is tried first. Where enough of its photos
    are wrong as a whole, and cutting gains nothing, the others are not cut for the trial. The half
    keeps neighbours together, because similar items often follow each other in a catalogue.

    Args:
        photos: The catalogue's photos.
        raw: The networks' vectors of all of each, float32 (n, k).
        keep_whole: The places of photos that are not cut in any case, and not asked.
        featurizer: The networks.
        cache: Where features are, and new ones are stored.
        finder: Finds the thing in a photo.
        progress: Called with each photo that is cut.
    """
    of_items = _asked(photos, keep_whole)
    asked = _together(of_items)
    cluttered = {number for number in asked if not is_plain(photos[number], cache)}

    def found(vectors: Mapping[int, Vectors], numbers: Sequence[int]) -> NDArray[np.bool_]:
        skus = np.array([photos[number].item.sku for number in numbers])
        near = _finds_its_own([vectors[number] for number in numbers], skus)
        return near | ~np.isin(numbers, list(cluttered))  # those are the same both times

    def may_gain(numbers: Sequence[int]) -> bool:
        """Whether so many are wrong as a whole that cutting could be surely better."""
        return bool(np.count_nonzero(~found(whole, numbers)) > SURE**2)

    def try_cutting(numbers: Sequence[int]) -> tuple[int, int]:
        """Cut photos; return how many are right only when cut, and how many only as a whole."""
        more = [number for number in numbers if number in cluttered - looked]
        places = [photos[number].place for number in more]
        looks = featurize(places, featurizer, cache, finder=finder, cluttered_only=True)
        for number, look in zip(more, looks, strict=True):
            looked.add(number)
            if isinstance(look, FeaturizedPhoto):
                cut[number] = look.feature.vector
            progress("cut", len(looked), len(cluttered))
        before, after = found(whole, numbers), found(cut, numbers)
        return int((after & ~before).sum()), int((before & ~after).sum())

    whole = {number: raw[number] for number in asked}
    cut, looked = dict(whole), set[int]()
    if not may_gain(asked):
        return False
    half = _together(of_items[: len(of_items) // 2])
    if len(of_items) >= MANY and may_gain(half):
        better, worse = try_cutting(half)
        if better <= worse:
            return False
    better, worse = try_cutting(asked)
    return better - worse > SURE * float(np.sqrt(better + worse))


def _together(of_items: Sequence[Sequence[int]]) -> list[int]:
    return [number for own in of_items for number in own]


def _asked(photos: Sequence[BundlePhoto], keep_whole: Collection[str]) -> list[list[int]]:
    """Return the numbers of some photos: a few of each of some items that have several."""
    of_item: dict[str, list[int]] = {}
    for number, photo in enumerate(photos):
        if photo.place not in keep_whole:
            of_item.setdefault(photo.item.sku, []).append(number)
    several = [own for own in of_item.values() if len(own) > 1]
    return [
        [own[place] for place in evenly_spread(len(own), PHOTOS)]
        for own in (several[number] for number in evenly_spread(len(several), ITEMS))
    ]


def _finds_its_own(raw: Sequence[Vectors], skus: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Return of which photos (n,) the nearest other one is of the same item."""
    if len(raw) < 2:
        return np.ones(len(raw), np.bool_)
    vectors = normalised(np.stack(raw))
    similarities = vectors @ vectors.T
    np.fill_diagonal(similarities, -np.inf)
    return np.asarray(skus[similarities.argmax(1)] == skus)
