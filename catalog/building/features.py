"""Photos to features: read, decode and shrink on worker threads while the network runs."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from catalog.building.cache import Feature, FeatureCache, fetch
from catalog.core.errors import NetworkError, PhotoError
from catalog.core.photos import decode, encode_jpeg, is_address, upright_size
from catalog.core.vectors import Tensor
from catalog.networks.featurizer import Featurizer
from catalog.recognition.descriptors import Descriptors, extract_descriptors

BATCH = 4  # larger ones leave the processor's caches and halve the speed
WORKERS = 2
AHEAD = 64  # photos decoded before the network has asked for them
THUMBNAIL = 400  # pixels, longer side
LARGEST_FILE = 128 << 20  # bytes


@dataclass(frozen=True)
class Skipped:
    """A photo that was left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Featurized:
    """A photo's feature, whether the cache already had it, and its details if wanted."""

    feature: Feature
    reused: bool
    details: Descriptors | None = None


@dataclass(frozen=True)
class _Prepared:
    """A photo as a worker hands it over: a kept feature, or a tensor still to be run."""

    place: str
    feature: Feature
    tensor: Tensor | None
    details: Descriptors | None


def featurize(
    places: Iterable[str],
    featurizer: Featurizer,
    cache: FeatureCache,
    addresses: Path,
    local: int | None = None,
) -> Iterator[Featurized | Skipped]:
    """Features of photos by path or address, in their order; unusable ones as `Skipped`.

    `local` is how many local features of each are wanted beside its colours; None for neither.
    Finished features are kept batch by batch, so an interrupted build loses at most one.
    """
    cv2.setNumThreads(1)  # the network and the workers already fill the processor
    stopped = threading.Event()
    waiting: deque[tuple[str, Future[_Prepared]]] = deque()
    remaining = iter(places)
    with ThreadPoolExecutor(WORKERS, "photo", _step_back) as workers:

        def refill() -> None:
            while len(waiting) < AHEAD:
                place = next(remaining, None)
                if place is None:
                    return
                waiting.append(
                    (
                        place,
                        workers.submit(
                            _prepare, place, featurizer, cache, addresses, stopped, local
                        ),
                    )
                )

        refill()
        try:
            while waiting:
                batch: list[_Prepared | Skipped] = []
                while waiting and len(batch) < BATCH:
                    place, prepared = waiting.popleft()
                    try:
                        batch.append(prepared.result())
                    except (PhotoError, NetworkError, OSError, ValueError) as error:
                        batch.append(Skipped(place, _reason(place, error)))
                refill()
                yield from _finish(batch, featurizer, cache)
        finally:
            stopped.set()
            for _, prepared in waiting:
                prepared.cancel()


def _step_back() -> None:
    """Let the network's thread go first: Linux gives each thread a priority of its own."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def _finish(
    batch: list[_Prepared | Skipped], featurizer: Featurizer, cache: FeatureCache
) -> Iterator[Featurized | Skipped]:
    tensors = [one.tensor for one in batch if isinstance(one, _Prepared) and one.tensor is not None]
    vectors = iter(featurizer.run(np.stack(tensors))) if tensors else iter(())
    new = []
    results: list[Featurized | Skipped] = []
    for one in batch:
        if isinstance(one, Skipped):
            results.append(one)
        elif one.tensor is None:
            results.append(Featurized(one.feature, True, one.details))
        elif not (vector := next(vectors)).any():
            results.append(Skipped(one.place, "the network sees nothing in it (all zeros)"))
        else:
            kept = one.feature
            feature = Feature(kept.sha256, vector, kept.width, kept.height, kept.thumbnail)
            new.append(feature)
            results.append(Featurized(feature, False, one.details))
    if new:
        cache.put(new, featurizer.network_id)
    yield from results


def _prepare(
    place: str,
    featurizer: Featurizer,
    cache: FeatureCache,
    addresses: Path,
    stopped: threading.Event,
    local: int | None,
) -> _Prepared:
    data = read_place(place, addresses, stopped)
    sha256 = hashlib.sha256(data).hexdigest()
    kept = cache.get(sha256, featurizer.network_id)
    shown = None if local is None else cache.get_details(sha256, local)
    if kept is not None and (shown is not None or local is None):
        return _Prepared(place, kept, None, shown)
    image = decode(data, place, enough=max(featurizer.descriptor.enough, THUMBNAIL))
    if local is not None and shown is None:
        shown = extract_descriptors(image, local)
        cache.put_details(sha256, local, shown)
    if kept is not None:
        return _Prepared(place, kept, None, shown)
    width, height = upright_size(data, place)
    feature = Feature(sha256, np.empty(0, np.float32), width, height, encode_jpeg(image, THUMBNAIL))
    return _Prepared(place, feature, featurizer.preprocess([image])[0], shown)


def read_place(place: str, addresses: Path, stopped: threading.Event | None = None) -> bytes:
    """The bytes of a photo by its path or http(s) address."""
    if is_address(place):
        return fetch(place, addresses, stopped)
    path = Path(place)
    if path.stat().st_size > LARGEST_FILE:
        raise PhotoError(f"{place}: larger than {LARGEST_FILE >> 20} MiB")
    return path.read_bytes()


def _reason(place: str, error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).removeprefix(f"{place}: ")
