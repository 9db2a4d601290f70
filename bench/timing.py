"""Measure medians of repeated work."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from catalog.networks.featurizer import Featurizer


def median_ms(work: Callable[[], object], times: int) -> float:
    """Median milliseconds of `times` calls of `work`, after a warm-up."""
    work()
    measured = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        measured.append((time.perf_counter() - start) * 1000)
    return statistics.median(measured)


def network_ms(featurizer: Featurizer, batch: int = 1) -> float:
    """Milliseconds of the bare network for each picture of a batch in memory, on one thread."""
    (network,) = featurizer.networks
    side = network.descriptor.size
    tensor = np.random.default_rng(0).normal(size=(batch, 3, side, side)).astype(np.float32)
    return median_ms(lambda: network.run(tensor), 200 // batch) / batch
