"""Find nearest neighbours: by exact search over the stored vectors, or with Annoy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from annoy import AnnoyIndex
from numpy.typing import NDArray

from catalog.core.errors import BundleError
from catalog.core.mapped_files import releasable
from catalog.core.vectors import Rows, Vectors

SEED = 20181130
TREES = (20, 50, 100)
FEWEST_CANDIDATES, MOST_CANDIDATES = 250, 32_000
QUERIES = 1000
QUERY_COSINE = 0.8  # of a query and the row that it was made from
NEIGHBOURS = 10
TARGET_RECALL = 0.99


class Index(Protocol):
    """Finds the stored vectors nearest to a query."""

    def nearest(self, query: Vectors, count: int) -> tuple[Rows, Vectors]:
        """Return rows and cosines of the `count` vectors nearest to float32 (d,), best first."""
        ...


@dataclass(frozen=True)
class IndexChoice:
    """How a bundle is searched, and its recall@10 measured against exact search."""

    kind: Literal["annoy", "exact"]
    n_trees: int
    search_k: int
    seed: int
    recall: float
    reason: str = ""


class Exact:
    """Exact search: compares a query with every vector; holds float32 (n, d) in memory."""

    def __init__(self, vectors: NDArray[np.floating[Any]]) -> None:
        self._vectors = np.ascontiguousarray(vectors, np.float32)

    def nearest(self, query: Vectors, count: int) -> tuple[Rows, Vectors]:
        """Return rows and cosines of the `count` vectors nearest to float32 (d,), best first."""
        similarities = self._vectors @ query
        count = min(count, len(similarities))
        rows = np.argpartition(-similarities, count - 1)[:count]
        rows = rows[np.argsort(-similarities[rows], kind="stable")]
        return rows, similarities[rows]


class Annoy:
    """An Annoy index file, mapped read-only. Open only files whose digest was checked."""

    def __init__(self, path: Path, dimensions: int, search_k: int) -> None:
        self._index = AnnoyIndex(dimensions, "angular")
        self._search_k = search_k
        try:
            self._index.load(str(path))
            releasable(self, path)
        except OSError as error:
            raise BundleError(f"{path}: Annoy cannot load it: {error}") from error

    def __len__(self) -> int:
        return int(self._index.get_n_items())

    def nearest(self, query: Vectors, count: int) -> tuple[Rows, Vectors]:
        """Return rows and cosines of the `count` vectors nearest to float32 (d,), best first."""
        rows, distances = self._index.get_nns_by_vector(
            query.tolist(), count, search_k=max(self._search_k, count), include_distances=True
        )
        # Annoy's angular distance is the chord: sqrt(2 (1 - cosine)).
        cosines = 1 - np.square(np.array(distances, np.float32)) / 2
        return np.array(rows, np.int64), np.asarray(cosines, np.float32)


def build_annoy(vectors: NDArray[np.floating[Any]], path: Path, n_trees: int) -> None:
    """Write an Annoy index of vectors (n, d); the same vectors give the same bytes."""
    index = AnnoyIndex(vectors.shape[1], "angular")
    index.set_seed(SEED)
    for row, vector in enumerate(np.asarray(vectors, np.float32)):
        index.add_item(row, vector.tolist())
    index.build(n_trees, n_jobs=1)
    index.save(str(path))  # building it on disk would end by SIGBUS where the disk is full


def noisy_queries(vectors: NDArray[np.floating[Any]], count: int, seed: int) -> Vectors:
    """Return queries float32 (count, d): random rows plus noise, with cosine 0.8 to their row."""
    random = np.random.default_rng(seed)
    rows = np.asarray(vectors[random.integers(0, len(vectors), count)], np.float32)
    noise = random.standard_normal(rows.shape, dtype=np.float32)
    noise -= (noise * rows).sum(1, keepdims=True) * rows
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    queries = QUERY_COSINE * rows + np.sqrt(1 - QUERY_COSINE**2) * noise
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    return np.asarray(queries, np.float32)


def recall(index: Index, queries: Vectors, expected: Rows) -> float:
    """Return the share of the expected neighbours (q, k) that `index` finds for queries (q, d)."""
    measured = recall_from(index, queries, expected, 0)
    assert measured is not None
    return measured


def recall_from(index: Index, queries: Vectors, expected: Rows, least: float) -> float | None:
    """Measure the recall as `recall` does; None as soon as it is sure to be below `least`."""
    count, found = expected.shape[1], expected.size
    for query, rows in zip(queries, expected, strict=True):
        found -= count - len({*rows.tolist()} & {*index.nearest(query, count)[0].tolist()})
        if found / expected.size < least:
            return None
    return float(found / expected.size)


def neighbours(index: Index, queries: Vectors, count: int) -> Rows:
    """Return the rows (q, count) nearest to each query (q, d)."""
    return np.stack([index.nearest(query, count)[0] for query in queries])


def choose_index(vectors: NDArray[np.floating[Any]], path: Path) -> IndexChoice:
    """Build an Annoy index at `path` that reaches the target recall with the least work.

    For each number of trees, ``search_k`` is doubled until recall@10 against exact search is at
    least 0.99 on noisy queries. The fewest candidates win, then the fewest trees. Where even as
    many candidates as there are vectors do not reach the target, exact search is chosen and the
    choice says why.

    Args:
        vectors: Float (n, d), each of length 1.
        path: The file to write.
    """
    queries = noisy_queries(vectors, QUERIES, SEED)
    expected = neighbours(Exact(vectors), queries, min(NEIGHBOURS, len(vectors)))
    chosen: IndexChoice | None = None
    built, dimensions = path.with_name(f"{path.name}.new"), vectors.shape[1]
    for n_trees in TREES:
        limit = chosen.search_k if chosen else 2 * max(len(vectors), MOST_CANDIDATES)
        search_k = FEWEST_CANDIDATES
        if search_k < limit:
            build_annoy(vectors, built, n_trees)
        while search_k < limit:
            index = Annoy(built, dimensions, search_k)
            measured = recall_from(index, queries, expected, TARGET_RECALL)
            if measured is not None:
                chosen = IndexChoice("annoy", n_trees, search_k, SEED, measured)
                built.replace(path)
                break
            search_k *= 2
    if chosen is None:
        most = recall(index, queries, expected)
        built.replace(path)
        reason = f"Annoy found only {most:.1%} of the true neighbours in {dimensions} dimensions"
        return IndexChoice("exact", TREES[-1], 0, SEED, 1.0, reason)
    built.unlink(missing_ok=True)
    return chosen
