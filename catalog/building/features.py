"""Compute features of photos: read, decode and shrink on threads while the network runs."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO

import cv2
import numpy as np

from catalog.building.addresses import AddressCache
from catalog.building.cache import FeatureCache, PhotoFeature
from catalog.bundles.content_check import LARGEST_SIDE
from catalog.core.errors import NetworkError, PhotoError
from catalog.core.photo_header import LEAST_SIDE, read_header
from catalog.core.photos import decode, encode_jpeg, is_address
from catalog.core.vectors import Tensor, Vectors
from catalog.networks.featurizer import Featurizer
from catalog.networks.finder import ThingFinder
from catalog.recognition.descriptors import Descriptors, extract_descriptors

BATCH = 4  # larger ones leave the processor's caches and halve the speed
WORKERS = 2
AHEAD = 64  # photos decoded before the network has asked for them
ENOUGH_TO_CUT = 1200  # pixels of the shorter side, where only a part of the photo may be used
THUMBNAIL = 400  # pixels, longer side
LARGEST_FILE = 128 << 20  # bytes
MOST_TIMES_AS_LONG = THUMBNAIL // LEAST_SIDE  # else the thumbnail is too thin to be read


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


@dataclass(frozen=True)
class _Prepared:
    """A photo as a worker hands it over.

    Attributes:
        bare: Its feature without a vector.
        outputs: The output of each network (d,), where the cache has it.
        tensors: The input of each other network (3, size, size).
        descriptors: Its descriptors, if asked for.
    """

    place: str
    bare: PhotoFeature
    outputs: tuple[Vectors | None, ...]
    tensors: tuple[Tensor | None, ...]
    descriptors: Descriptors | None


def featurize(
    places: Iterable[str],
    featurizer: Featurizer,
    cache: FeatureCache,
    local_features: int | None = None,
    finder: ThingFinder | None = None,
) -> Iterator[FeaturizedPhoto | SkippedPhoto]:
    """Yield the features of photos in their order; an unusable photo as `SkippedPhoto`.

    Finished features are stored batch by batch, so an interrupted build loses one batch at most.

    Args:
        places: Paths or http(s) addresses.
        featurizer: The network.
        cache: Where finished features are.
        local_features: How many local features of each photo to extract beside its colours; None
            extracts neither.
        finder: Finds the thing in each photo, of which alone the features are then; None for those
            of whole photos.
    """
    cv2.setNumThreads(1)  # the network and the workers already fill the processor
    stopped = threading.Event()
    waiting: deque[tuple[str, Future[_Prepared]]] = deque()
    remaining = iter(places)
    with ThreadPoolExecutor(WORKERS, "photo", _yield_to_network) as workers:

        def refill() -> None:
            while len(waiting) < AHEAD:
                place = next(remaining, None)
                if place is None:
                    return
                prepared = workers.submit(
                    _prepare, place, featurizer, cache, stopped, local_features, finder
                )
                waiting.append((place, prepared))

        refill()
        try:
            while waiting:
                batch: list[_Prepared | SkippedPhoto] = []
                while waiting and len(batch) < BATCH:
                    place, prepared = waiting.popleft()
                    try:
                        batch.append(prepared.result())
                    except (PhotoError, NetworkError, OSError, ValueError) as error:
                        batch.append(SkippedPhoto(place, reason_of(place, error)))
                refill()
                yield from _finish(batch, featurizer, cache)
        finally:
            stopped.set()
            for _, prepared in waiting:
                prepared.cancel()


def _yield_to_network() -> None:
    """Lower the worker's priority: Linux gives each thread a priority of its own."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def _finish(
    batch: list[_Prepared | SkippedPhoto], featurizer: Featurizer, cache: FeatureCache
) -> Iterator[FeaturizedPhoto | SkippedPhoto]:
    """Run the networks on a batch, as far as the cache lacks their outputs, and store these."""
    prepared = [photo for photo in batch if isinstance(photo, _Prepared)]
    outputs = [list(photo.outputs) for photo in prepared]
    for number, network in enumerate(featurizer.networks):
        tensors = {
            place: tensor
            for place, photo in enumerate(prepared)
            if (tensor := photo.tensors[number]) is not None
        }
        if not tensors:
            continue
        found = network.run(np.stack(list(tensors.values())))
        for place, vector in zip(tensors, found, strict=True):
            outputs[place][number] = vector
        new = [
            replace(prepared[place].bare, vector=vector)
            for place, vector in zip(tensors, found, strict=True)
            if vector.any()
        ]
        if new:
            cache.put(new, network.id)
    finished = iter(zip(prepared, outputs, strict=True))
    for result in batch:
        if isinstance(result, SkippedPhoto):
            yield result
            continue
        photo, own = next(finished)
        yield _joined(photo, [vector for vector in own if vector is not None], featurizer)


def _joined(
    photo: _Prepared, outputs: Sequence[Vectors], featurizer: Featurizer
) -> FeaturizedPhoto | SkippedPhoto:
    """Join the outputs (d,) of all networks."""
    if not all(vector.any() for vector in outputs):
        return SkippedPhoto(photo.place, "the network sees nothing in it (all zeros)")
    raw = featurizer.join([vector[None] for vector in outputs])[0]
    reused = all(output is not None for output in photo.outputs)
    return FeaturizedPhoto(replace(photo.bare, vector=raw), photo.descriptors, reused)


def _prepare(
    place: str,
    featurizer: Featurizer,
    cache: FeatureCache,
    stopped: threading.Event,
    local_features: int | None,
    finder: ThingFinder | None,
) -> _Prepared:
    """Read and decode a photo, as far as the cache does not have its features."""
    data = read_place(place, cache.addresses, stopped)
    sha256 = hashlib.sha256(data).hexdigest()
    if finder is not None:
        sha256 += f"-{finder.id}"
    known = [cache.get(sha256, network.id) for network in featurizer.networks]
    found = next((feature for feature in known if feature is not None), None)
    width, height = found.size if found else read_header(data, place).upright_size
    check_shape(place, width, height)
    descriptors = None
    if local_features is not None:
        descriptors = cache.get_descriptors(sha256, local_features)
    outputs = tuple(None if feature is None else feature.vector for feature in known)
    if found is not None and None not in known and (local_features is None or descriptors):
        return _Prepared(place, found, outputs, (None,) * len(outputs), descriptors)
    enough = max(featurizer.enough, THUMBNAIL if finder is None else ENOUGH_TO_CUT)
    image = whole = decode(data, place, enough=enough)
    if finder is not None and (part := finder.look(whole).part) is not None:
        image = part.cut(whole)
    if local_features is not None and descriptors is None:
        descriptors = extract_descriptors(image, local_features)
        cache.put_descriptors(sha256, local_features, descriptors)
    if found is None:
        thumbnail = encode_jpeg(whole, THUMBNAIL)
        found = PhotoFeature(sha256, np.empty(0, np.float32), width, height, thumbnail)
    tensors = tuple(
        network.preprocess([image])[0] if feature is None else None
        for network, feature in zip(featurizer.networks, known, strict=True)
    )
    return _Prepared(place, found, outputs, tensors, descriptors)


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


def check_shape(place: str, width: int, height: int) -> None:
    """Check the width and height of a photo; PhotoError where it is too long and thin."""
    longer, shorter = max(width, height), min(width, height)
    if longer > MOST_TIMES_AS_LONG * shorter or longer > LARGEST_SIDE:
        raise PhotoError(
            f"{place}: {width} x {height} pixels are too long and thin "
            f"(at most {MOST_TIMES_AS_LONG} times as long, and {LARGEST_SIDE} pixels)"
        )


def reason_of(place: str, error: Exception) -> str:
    """Return why a photo cannot be used, without its place."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).removeprefix(f"{place}: ")
