"""Compute features of photos: several at a time, each on a worker thread."""

from __future__ import annotations

import os
import stat
import threading
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import cv2

from catalog.building.addresses import AddressCache
from catalog.building.cache import FeatureCache, PhotoFeature
from catalog.building.stage import PhotoRecord, PhotoStage
from catalog.core.errors import NetworkError, PhotoError
from catalog.core.photos import is_address
from catalog.networks.featurizer import Featurizer
from catalog.networks.finder import ThingFinder
from catalog.recognition.descriptors import Descriptors

WORKERS = max(2, len(os.sched_getaffinity(0)))
AHEAD = 64  # photos that are worked on before their features are asked for
LARGEST_FILE = 128 << 20  # bytes
UNUSABLE = (PhotoError, NetworkError, OSError, ValueError)  # what reading a photo may raise
SEES_NOTHING = "the network sees nothing in it (all zeros)"


@dataclass(frozen=True)
class SkippedPhoto:
    """A photo that cannot be used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class FeaturizedPhoto:
    """A photo's features, whether the cache had them, and its descriptors if asked for."""

    feature: PhotoFeature
    descriptors: Descriptors | None
    reused: bool


def featurize(
    places: Iterable[str],
    featurizer: Featurizer,
    cache: FeatureCache,
    local_features: int | None = None,
    finder: ThingFinder | None = None,
    *,
    cluttered_only: bool = False,
    whole: Collection[str] = (),
) -> Iterator[FeaturizedPhoto | SkippedPhoto]:
    """Yield the features of photos in their order; an unusable photo as `SkippedPhoto`.

    Finished features are stored photo by photo, so an interrupted build loses few.

    Args:
        places: Paths or http(s) addresses.
        featurizer: The network.
        cache: Where finished features are.
        local_features: How many local features of each photo to extract beside its colours; None
            extracts neither.
        finder: Finds the thing in each photo, of which alone the features are then; None for those
            of whole photos.
        cluttered_only: Whether photos that show a thing alone stay whole.
        whole: The places of photos that stay whole in any case.
    """
    cv2.setNumThreads(1)  # the workers already fill the processor
    cutting = PhotoStage(featurizer, local_features, finder, cluttered_only)
    not_cutting = PhotoStage(featurizer, local_features)
    stopped = threading.Event()
    waiting: deque[tuple[str, Future[FeaturizedPhoto | SkippedPhoto]]] = deque()
    remaining = iter(places)
    with ThreadPoolExecutor(WORKERS, "photo") as workers:

        def refill() -> None:
            while len(waiting) < AHEAD:
                place = next(remaining, None)
                if place is None:
                    return
                stage = not_cutting if place in whole else cutting
                waiting.append((place, workers.submit(_featurize, place, stage, cache, stopped)))

        refill()
        try:
            while waiting:
                place, photo = waiting.popleft()
                result: FeaturizedPhoto | SkippedPhoto
                try:
                    result = photo.result()
                except UNUSABLE as error:
                    result = SkippedPhoto(place, reason_of(place, error))
                refill()
                yield result
        finally:
            stopped.set()
            for _, photo in waiting:
                photo.cancel()


def _featurize(
    place: str, stage: PhotoStage, cache: FeatureCache, stopped: threading.Event
) -> FeaturizedPhoto | SkippedPhoto:
    """Compute the features of a photo, as far as the cache lacks them, and store these."""
    data = read_place(place, cache.addresses, stopped)
    known = known_record(stage.key(data), stage, cache)
    record = stage.record(data, place, known)
    store_record(record, known, stage, cache)
    return joined(
        place, record, stage.featurizer, reused=record.outputs.keys() == known.outputs.keys()
    )


def known_record(key: str, stage: PhotoStage, cache: FeatureCache) -> PhotoRecord:
    """Return what the cache knows of a photo's record."""
    features = {
        network.id: feature
        for network in stage.featurizer.networks
        if (feature := cache.get(key, network.id)) is not None
    }
    descriptors = None
    if stage.local_features is not None:
        descriptors = cache.get_descriptors(key, stage.local_features)
    if not features:
        return PhotoRecord(key, descriptors=descriptors)
    found = next(iter(features.values()))
    outputs = {network: feature.vector for network, feature in features.items()}
    return PhotoRecord(key, *found.size, found.thumbnail, outputs, descriptors)


def store_record(
    record: PhotoRecord, known: PhotoRecord, stage: PhotoStage, cache: FeatureCache
) -> None:
    """Store in the cache what is new in a photo's record; no network's output that is zeros."""
    if stage.local_features is not None and record.descriptors and known.descriptors is None:
        cache.put_descriptors(record.key, stage.local_features, record.descriptors)
    for network, vector in record.outputs.items():
        if network not in known.outputs and vector.any():
            feature = PhotoFeature(
                record.key, vector, record.width, record.height, record.thumbnail
            )
            cache.put([feature], network)


def joined(
    place: str, record: PhotoRecord, featurizer: Featurizer, *, reused: bool
) -> FeaturizedPhoto | SkippedPhoto:
    """Return the features of a photo by its record, the outputs of all networks joined."""
    outputs = [record.outputs[network.id] for network in featurizer.networks]
    if not all(vector.any() for vector in outputs):
        return SkippedPhoto(place, SEES_NOTHING)
    raw = featurizer.join([vector[None] for vector in outputs])[0]
    feature = PhotoFeature(record.key, raw, record.width, record.height, record.thumbnail)
    return FeaturizedPhoto(feature, record.descriptors, reused)


def read_place(
    place: str, addresses: AddressCache, stopped: threading.Event | None = None
) -> bytes:
    """Read the bytes of a photo by its path or http(s) address."""
    if is_address(place):
        return addresses.fetch(place, stopped)
    with open_photo(place) as (file, size):
        return file.read(size)


@contextmanager
def open_photo(place: str) -> Iterator[tuple[BinaryIO, int]]:
    """Open a photo's file, and tell its size in bytes.

    Raises:
        PhotoError: It is a pipe or a device, which may never end, or it is too large.
    """
    with open(place, "rb", opener=_open_at_once) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise PhotoError(f"{place}: not a file")
        if status.st_size > LARGEST_FILE:
            raise PhotoError(f"{place}: larger than {LARGEST_FILE >> 20} MiB")
        yield file, status.st_size


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting until somebody writes to a pipe."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def reason_of(place: str, error: Exception) -> str:
    """Return why a photo cannot be used, without its place."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).removeprefix(f"{place}: ")
