"""Look at photos on a Ray cluster: the stage of `catalog.building.stage`, its records in a store.

Ray Data reads the photos and feeds the workers as fast as these take them. Each worker writes
finished records into the store by itself; what comes back are their keys alone. A photo whose
record is in the store is not looked at again, so a run that was interrupted goes on where it was.
Ray starts workers that died anew, and gives them their photos again.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from catalog.building.addresses import AddressCache
from catalog.building.cache import FeatureCache
from catalog.building.collect import StageProgress
from catalog.building.feature_store import FeatureStore
from catalog.building.features import (
    SEES_NOTHING,
    UNUSABLE,
    FeaturizedPhoto,
    SkippedPhoto,
    joined,
    known_record,
    read_place,
    reason_of,
)
from catalog.building.stage import PhotoRecord, PhotoStage
from catalog.building.stored_featurizer import open_featurizer, save_featurizer
from catalog.building.stored_records import RecordTable, fetch_records
from catalog.core.errors import ContentError, MissingExtraError, SurroundingsError
from catalog.core.photos import is_address
from catalog.core.settings import CatalogSettings, load
from catalog.core.worker import ONE_THREAD
from catalog.networks.featurizer import Featurizer
from catalog.recognition.local_features.extract import PER_PHOTO

# Ray would report to its maker; it reads whether it may when it starts.
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_DISABLE_PROGRESS_BARS": "1", **ONE_THREAD}
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # "0": a cluster of one machine, on 127.0.0.1 alone
os.environ |= QUIET if "RAY_ADDRESS" in os.environ else QUIET | {LOOPBACK: "0"}
try:
    import ray
    import ray.data
except ModuleNotFoundError as error:  # pragma: no cover
    raise MissingExtraError("building on Ray", "scale") from error

BATCH = 64  # photos of a call of a worker, and records of a file
READ_AT_ONCE = 16  # photos
READING = 0.25  # of a core, for each task that reads
READERS_SHARE = 4  # of a cluster's cores, one in so many is left to reading
KEY_BYTES = 64  # hex digits of a sha256


def featurize_on_ray(
    places: Sequence[str],
    featurizer: Featurizer,
    store: FeatureStore,
    cache: FeatureCache,
    workers: int | None,
    progress: StageProgress,
    *,
    refetch: bool = False,
) -> Iterator[FeaturizedPhoto | SkippedPhoto]:
    """Yield the features of photos in their order, as `features.featurize` does.

    Args:
        places: Paths that all machines of the cluster can read, or http(s) addresses.
        featurizer: The networks, not yet weighed.
        store: Where the records are, and will be.
        cache: The build cache, into which they are fetched.
        workers: How many; None for as many as there are cores, less a share for reading.
        progress: Called with each photo that is done.
        refetch: Fetch photos by address again; see `AddressCache`.
    """
    stage = PhotoStage(featurizer, PER_PHOTO)
    table = RecordTable(store, stage)
    save_featurizer(store, featurizer)
    there = table.keys()
    keys: list[str] = [""] * len(places)
    reasons: list[str] = [""] * len(places)
    results = _run(places, featurizer, store, workers, refetch=refetch)
    for done, (number, key, reason) in enumerate(results, 1):
        keys[number], reasons[number] = key, reason
        progress("photos on ray", done, len(places))
    table.compact()
    fetch_records(table, stage, {key for key in keys if key}, cache, progress)
    for place, key, reason in zip(places, keys, reasons, strict=True):
        if reason or not key:
            yield SkippedPhoto(place, reason or "was lost by Ray; build again")
        else:
            record = known_record(key, stage, cache)
            if not stage.is_complete(record):
                raise ContentError(f"{place}: left the build cache meanwhile; build again")
            yield joined(place, record, featurizer, reused=key in there)


def _run(
    places: Sequence[str],
    featurizer: Featurizer,
    store: FeatureStore,
    workers: int | None,
    *,
    refetch: bool,
) -> Iterator[tuple[int, str, str]]:
    """Yield the number, the key, and why it cannot be used, of each photo, in any order."""
    # Ray tells of a dead worker on standard output, which is for the command's own JSON.
    with redirect_stdout(sys.stderr):
        started = not ray.is_initialized()
        if started:
            _start(workers)
        try:
            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = False
            cores = int(ray.cluster_resources().get("CPU", 1))
            count = workers or max(1, cores - max(1, cores // READERS_SHARE))
            rows = ray.data.from_items(
                [
                    {
                        "number": number,
                        "place": place if is_address(place) else os.path.abspath(place),
                    }
                    for number, place in enumerate(places)
                ],
                override_num_blocks=max(1, -(-len(places) // BATCH)),
            )
            results = rows.map_batches(
                _read,
                batch_size=READ_AT_ONCE,
                num_cpus=READING,
                zero_copy_batch=True,
                fn_kwargs={"refetch": refetch},
            ).map_batches(
                _Worker,
                batch_size=BATCH,
                concurrency=count,
                num_cpus=1,
                fn_constructor_kwargs={
                    "store": store.address,
                    "featurizer": featurizer.id,
                    "engine": featurizer.networks[0].engine,
                },
            )
            for batch in results.iter_batches(batch_size=None):
                yield from zip(
                    batch["number"].tolist(),
                    map(str, batch["key"]),
                    map(str, batch["reason"]),
                    strict=True,
                )
        except ray.exceptions.RayError as error:
            raise SurroundingsError(f"Ray failed: {error}") from error
        finally:
            if started:
                ray.shutdown()


def _start(workers: int | None) -> None:
    """Join the cluster that RAY_ADDRESS names, or start one of this machine's own."""
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if "RAY_ADDRESS" not in os.environ:
        cores = len(os.sched_getaffinity(0))
        options |= {
            "num_cpus": 1 + (workers or cores),  # one more, so that reading never waits
            "include_dashboard": False,
        }
    try:
        ray.init(**options)
    except Exception as error:  # Ray itself raises no class of its own here
        raise SurroundingsError(f"Ray cannot be started or joined: {error}") from error


def _read(batch: dict[str, Any], *, refetch: bool) -> dict[str, Any]:
    """Read photos; what cannot be read has a reason and no bytes."""
    addresses = AddressCache(_cache() / "addresses", refetch=refetch)
    data: list[bytes] = []
    reasons: list[str] = []
    for place in map(str, batch["place"]):
        try:
            data.append(read_place(place, addresses))
            reasons.append("")
        except UNUSABLE as error:
            data.append(b"")
            reasons.append(reason_of(place, error))
    addresses.close()
    return {
        "number": batch["number"],
        "place": batch["place"],
        "data": np.array(data, object),
        "reason": np.array(reasons, object),
    }


def _cache() -> Path:
    """Return the folder of the build cache on the machine that runs this."""
    return load("catalog", CatalogSettings).cache


class _Worker:
    """A process of the cluster with open networks."""

    def __init__(self, store: str, featurizer: str, engine: str) -> None:
        cv2.setNumThreads(1)
        opened = FeatureStore(store)
        self._stage = PhotoStage(open_featurizer(opened, featurizer, _cache(), engine), PER_PHOTO)
        self._table = RecordTable(opened, self._stage)
        self._there = np.sort(np.array(list(self._table.keys()), f"S{KEY_BYTES}"))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Make the records of photos, and write them as one file."""
        records: dict[str, PhotoRecord] = {}
        keys: list[str] = []
        reasons: list[str] = []
        for place, data, unread in zip(
            map(str, batch["place"]), batch["data"], map(str, batch["reason"]), strict=True
        ):
            key, reason = "", unread
            if not reason:
                key = self._stage.key(data)
                reason = self._make(key, data, place, records)
            keys.append("" if reason else key)
            reasons.append(reason)
        self._table.append(records.values())
        return {
            "number": batch["number"],
            "key": np.array(keys, object),
            "reason": np.array(reasons, object),
        }

    def _make(self, key: str, data: bytes, place: str, records: dict[str, PhotoRecord]) -> str:
        """Add the record of a photo to others; return why it cannot be used, or nothing."""
        if key in records or self._is_there(key):
            return ""
        try:
            record = self._stage.record(data, place, PhotoRecord(key))
        except UNUSABLE as error:
            return reason_of(place, error)
        if not all(output.any() for output in record.outputs.values()):
            return SEES_NOTHING
        records[key] = record
        return ""

    def _is_there(self, key: str) -> bool:
        at = int(np.searchsorted(self._there, key.encode()))
        return at < len(self._there) and bool(self._there[at] == key.encode())
