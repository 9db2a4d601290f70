"""Golden queries: questions with known answers that travel in a bundle.

A device must reproduce the answers before the bundle goes live. The pictures reveal a swapped
colour order, a wrong network and a broken runtime; the query vectors reveal a damaged or foreign
index.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.bundle import Bundle
from catalog.core.errors import BundleError
from catalog.core.photos import Picture
from catalog.core.vectors import Rows, Vectors
from catalog.recognition.index import NEIGHBOURS, Exact, Index, neighbours, noisy_queries, recall

PICTURES = 6
QUERIES = 500
SEED = 7
LEAST_COSINE = 0.999  # engines agree to 1e-7; a wrong colour order is far below
TIE = 0.001  # an expected row may give way to one as similar
RECALL_LOST = 0.01
LARGEST = 256 << 20  # bytes, unpacked; a small file may hold endless zeros
SIMILARITY_ERROR = 0.001  # of float32 arithmetic, generously


@dataclass(frozen=True)
class GoldenQueries:
    """Questions with the answers that were right at build.

    Attributes:
        pictures: BGR uint8 (h, w, 3) each.
        vectors: Their embeddings, float32 (n, d).
        queries: Query vectors, float32 (q, d).
        rows: The k nearest rows of each, int64 (q, k).
        recall: Share of those rows that the index found.
    """

    pictures: list[Picture]
    vectors: Vectors
    queries: Vectors
    rows: Rows
    recall: float


def make_golden_queries(
    pictures: list[Picture],
    vectors: Vectors,
    stored: NDArray[np.float16],
    index: Index,
) -> GoldenQueries:
    """Answer the questions once, at build."""
    queries = noisy_queries(stored, QUERIES, SEED)
    rows = neighbours(Exact(stored), queries, min(NEIGHBOURS, len(stored)))
    return GoldenQueries(pictures, vectors, queries, rows, recall(index, queries, rows))


def write_golden_queries(golden: GoldenQueries, path: Path) -> None:
    """Write ``probes.npz``."""
    pictures: dict[str, Any] = {
        f"look_{number}": picture for number, picture in enumerate(golden.pictures)
    }
    np.savez_compressed(
        path,
        vectors=golden.vectors,
        queries=golden.queries.astype(np.float16),
        rows=golden.rows.astype(np.int32),
        recall=np.float64(golden.recall),
        **pictures,
    )


def read_golden_queries(path: Path) -> GoldenQueries:
    """Read ``probes.npz``.

    Raises:
        BundleError: The file is missing or damaged.
    """
    try:
        with zipfile.ZipFile(path) as content:
            if sum(entry.file_size for entry in content.infolist()) > LARGEST:
                raise BundleError(f"{path}: larger than any bundle's probes")
        with np.load(path, allow_pickle=False) as data:
            pictures = [data[f"look_{number}"] for number in range(len(data["vectors"]))]
            return GoldenQueries(
                pictures,
                data["vectors"],
                data["queries"].astype(np.float32),
                data["rows"].astype(np.int64),
                float(data["recall"]),
            )
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise BundleError(f"{path}: not a bundle's probes: {error}") from error


def check_golden_queries(bundle: Bundle) -> dict[str, float]:
    """Put the golden queries to an open bundle.

    Returns:
        ``cosine`` (the least of the pictures), ``recall`` and ``expected_recall``.

    Raises:
        BundleError: An answer is not what it was at build.
    """
    golden = read_golden_queries(bundle.path / "probes.npz")
    # A picture alone and several together, as a device asks.
    parts = [golden.pictures[:1], golden.pictures[1:]]
    vectors = np.concatenate([bundle.featurizer.embed(part) for part in parts if part])
    cosine = float((vectors * golden.vectors).sum(1).min())
    if not cosine >= LEAST_COSINE:  # so that NaN does not pass either
        raise BundleError(
            f"{bundle.path}: this device's {bundle.featurizer.engine} turns the probe pictures "
            f"into other vectors (cosine {cosine:.4f}, at least {LEAST_COSINE} wanted)"
        )
    index, stored = bundle.index(), bundle.vectors()
    found = 0.0
    for query, expected in zip(golden.queries, golden.rows, strict=True):
        rows, similarities = index.nearest(query, len(expected))
        if len(rows) and (rows.min() < 0 or rows.max() >= len(stored)):
            raise BundleError(f"{bundle.path}: the index names rows that do not exist")
        told = stored[rows].astype(np.float32) @ query
        if not (np.abs(told - similarities) <= SIMILARITY_ERROR).all():  # nor does NaN pass
            raise BundleError(f"{bundle.path}: the index was not made from the bundle's vectors")
        hits = (expected[:, None] == rows).any(1)
        truth = stored[expected].astype(np.float32) @ query
        worst = similarities[-1] if len(rows) == len(expected) else -np.inf
        found += float((hits | (np.abs(truth - worst) <= TIE)).mean())
    bundle.check_answers(golden.pictures, vectors)
    measured = found / len(golden.queries)
    if not measured >= golden.recall - RECALL_LOST:
        raise BundleError(
            f"{bundle.path}: the index finds {measured:.3f} of the probe queries' neighbours, "
            f"{golden.recall:.3f} at build; build or copy the bundle again"
        )
    return {"cosine": cosine, "recall": measured, "expected_recall": golden.recall}
