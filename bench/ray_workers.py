"""Measure how much faster two workers on Ray look at photos than one, a core each.

    python -m bench.ray_workers [PHOTOS]

Needs the extra `scale` (`make .venv/scale`). The photos are small drawn packages. Counted is the
time from the first finished batch to the last one, so that Ray's start is left out. Beside it
stands the bare network, on one thread and on as many cores as there are workers.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.small_drawings import draw_packages
from bench.timing import network_ms
from catalog.building.cache import FeatureCache
from catalog.building.feature_store import FeatureStore
from catalog.building.on_ray import featurize_on_ray
from catalog.core.worker import one_thread_each
from catalog.networks.featurizer import Featurizer

PHOTOS, LEAST = 4000, 1000
WORKERS = (1, 2)


def bare_speed(cores: int) -> float:
    """Photos a second of the bare network, on `cores` cores at once."""
    with one_thread_each(), multiprocessing.get_context("spawn").Pool(cores) as pool:
        return sum(1000 / spent for spent in pool.map(_network_ms, range(cores), chunksize=1))


def _network_ms(_: int) -> float:
    return network_ms(Featurizer.open())


def ray_speed(places: Sequence[str], workers: int, folder: Path) -> float:
    """Photos a second of workers on Ray, with a store and a cache of their own."""
    finished: list[tuple[float, int]] = []

    def note(stage: str, done: int, total: int) -> None:
        if stage == "photos on ray":
            finished.append((time.perf_counter(), done))

    cache = FeatureCache(folder / "cache")
    store = FeatureStore(str(folder / "store"))
    for _ in featurize_on_ray(places, Featurizer.open(), store, cache, workers, note):
        pass
    cache.close()
    # Batches come back whole: of the first one only its last photo counts.
    began, at_begin = max(entry for entry in finished if entry[0] - finished[0][0] < 0.05)
    ended, at_end = finished[-1]
    return (at_end - at_begin) / (ended - began)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=int, nargs="?", default=PHOTOS)
    count = parser.parse_args().photos
    if count < LEAST:
        parser.error(f"at least {LEAST} photos: workers get them in batches")
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_packages(folder / "photos", count)
        places = sorted(map(str, (folder / "photos").rglob("*.jpg")))
        for workers in WORKERS:
            bare = bare_speed(workers)
            speed = ray_speed(places, workers, folder / str(workers))
            figures[f"photos/s, {workers} of Ray"] = round(speed, 1)
            figures[f"photos/s, bare network on {workers}"] = round(bare, 1)
            figures[f"ratio of both, {workers}"] = round(speed / bare, 2)
    one, two = (figures[f"photos/s, {workers} of Ray"] for workers in WORKERS)
    figures["two workers, of one"] = round(two / one, 2)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
