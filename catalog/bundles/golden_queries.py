"""GoldenQueries: questions with known answers that travel in a bundle.

A device must reproduce them before the bundle goes live. Looks catch a swapped colour
order, a wrong network, a broken runtime; queries catch a damaged or foreign index.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.bundle import Bundle
from catalog.core.errors import BundleError
from catalog.core.photos import Picture
from catalog.core.vectors import Rows, Vectors
from catalog.recognition.index import NEIGHBOURS, Exact, Index, neighbours, noisy_queries, recall

LOOKS = 6
QUERIES = 500
SEED = 7
LEAST_COSINE = 0.999  # engines agree to 1e-7; a wrong colour order is far below
TIE = 0.001  # an expected row may give way to one as similar
RECALL_LOST = 0.01
SIMILARITY_ERROR = 0.001  # of float32 arithmetic, generously


@dataclass(frozen=True)
class GoldenQueries:
    """Looks (BGR uint8 pictures) with vectors (n, d); queries (q, d) with rows (q, k)."""

    looks: list[Picture]
    vectors: Vectors
    queries: Vectors
    rows: Rows
    recall: float


def make_golden_queries(
    looks: list[Picture], look_vectors: Vectors, stored: NDArray[np.float16], index: Index
) -> GoldenQueries:
    """Ask the questions once, at build."""
    queries = noisy_queries(stored, QUERIES, SEED)
    rows = neighbours(Exact(stored), queries, min(NEIGHBOURS, len(stored)))
    return GoldenQueries(looks, look_vectors, queries, rows, recall(index, queries, rows))


def write_golden_queries(probes: GoldenQueries, path: Path) -> None:
    """Write ``probes.npz``."""
    looks = {f"look_{number}": look for number, look in enumerate(probes.looks)}
    np.savez_compressed(
        path,
        vectors=probes.vectors,
        queries=probes.queries.astype(np.float16),
        rows=probes.rows.astype(np.int32),
        recall=np.float64(probes.recall),
        **looks,
    )


def read_golden_queries(path: Path) -> GoldenQueries:
    """Read ``probes.npz``."""
    try:
        with np.load(path, allow_pickle=False) as data:
            looks = [data[f"look_{number}"] for number in range(len(data["vectors"]))]
            return GoldenQueries(
                looks,
                data["vectors"],
                data["queries"].astype(np.float32),
                data["rows"].astype(np.int64),
                float(data["recall"]),
            )
    except (OSError, KeyError, ValueError) as error:
        raise BundleError(f"{path}: not a bundle's probes: {error}") from error


def check_golden_queries(bundle: Bundle) -> dict[str, float]:
    """Ask an open bundle its probes.

    Returns:
        ``cosine`` (the least of the looks), ``recall`` and ``expected_recall``.

    Raises:
        BundleError: An answer is not what it was at build.
    """
    probes = read_golden_queries(bundle.path / "probes.npz")
    cosine = float((bundle.featurizer.embed(probes.looks) * probes.vectors).sum(1).min())
    if not cosine >= LEAST_COSINE:  # so that NaN does not pass either
        raise BundleError(
            f"{bundle.path}: this device's {bundle.featurizer.engine} turns the probe pictures "
            f"into other vectors (cosine {cosine:.4f}, at least {LEAST_COSINE} wanted)"
        )
    index, stored = bundle.index(), bundle.vectors()
    found = 0.0
    for query, expected in zip(probes.queries, probes.rows, strict=True):
        rows, similarities = index.nearest(query, len(expected))
        if len(rows) and (rows.min() < 0 or rows.max() >= len(stored)):
            raise BundleError(f"{bundle.path}: the index names rows that do not exist")
        told = stored[rows].astype(np.float32) @ query
        if not np.allclose(told, similarities, atol=SIMILARITY_ERROR):
            raise BundleError(f"{bundle.path}: the index was not made from the bundle's vectors")
        hits = np.isin(expected, rows)
        truth = stored[expected].astype(np.float32) @ query
        worst = similarities[-1] if len(rows) == len(expected) else -np.inf
        found += float((hits | (np.abs(truth - worst) <= TIE)).mean())
    bundle.check_answers(probes.looks)
    measured = found / len(probes.queries)
    if not measured >= probes.recall - RECALL_LOST:
        raise BundleError(
            f"{bundle.path}: the index finds {measured:.3f} of the probe queries' neighbours, "
            f"{probes.recall:.3f} at build; build or copy the bundle again"
        )
    return {"cosine": cosine, "recall": measured, "expected_recall": probes.recall}
