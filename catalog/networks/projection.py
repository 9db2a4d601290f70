"""Project long vectors to a length that Annoy searches well, with as little loss as possible.

A principal component analysis of the catalogue's own vectors, about the origin to preserve
cosines, finds the directions in which its photos lie. Where there are fewer photos than
dimensions of the projection, random directions of the rest are added. They are scaled so that a
similarity is on average unchanged: a thing that resembles no photo still resembles none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from catalog.core.errors import FeaturizerError
from catalog.core.vectors import Rows, Vectors

MOST_DIMENSIONS = 256  # Annoy's recall falls with more
MOST_ROWS = 8192  # to learn from; more make no difference
QUERIES = 1000
AT_ONCE = 8  # queries that are compared with all photos at a time
NEIGHBOURS = 10
SEED = 20181130
FILE = "projection.npz"


@dataclass(frozen=True)
class Projection:
    """Shortens vectors of one network: ``vectors @ matrix``.

    Attributes:
        matrix: Float32 (d, k).
        network_id: Id of the network; see `catalog.networks.featurizer.Featurizer`.
    """

    matrix: Vectors
    network_id: str

    @property
    def digest(self) -> str:
        """Return 16 hex digits of the matrix's digest."""
        return hashlib.sha256(self.matrix.tobytes()).hexdigest()[:16]

    @property
    def dimensions(self) -> int:
        """Return the length k of a shortened vector."""
        return int(self.matrix.shape[1])

    def apply(self, vectors: Vectors) -> Vectors:
        """Project float32 (n, d), each of length 1, to float32 (n, k), not of length 1."""
        return np.asarray(vectors @ self.matrix, np.float32)

    def write(self, folder: Path) -> None:
        """Write ``projection.npz`` into a featurizer folder."""
        np.savez(folder / FILE, matrix=self.matrix, network_id=np.array(self.network_id))


@dataclass(frozen=True)
class Loss:
    """The loss by a projection, measured with the catalogue's own photos.

    Attributes:
        dimensions: Length of the vectors before the projection.
        top1_before: Share of photos whose nearest other photo is of the same item; None
            where no item has two photos.
        top1_after: The same with shortened vectors.
        neighbours_kept: Share of the ten nearest photos that are still among the ten nearest.
    """

    dimensions: int
    top1_before: float | None
    top1_after: float | None
    neighbours_kept: float


def fit(vectors: Vectors, network_id: str) -> Projection:
    """Learn a projection to 256 dimensions from vectors float32 (n, d), each of length 1."""
    return Projection(learn(vectors), network_id)


def learn(vectors: Vectors) -> Vectors:
    """Learn the matrix float32 (d, 256) from vectors float32 (n, d), each of length 1."""
    random = np.random.default_rng(SEED)
    vectors = vectors[sampled(np.arange(len(vectors)))]
    dimensions = vectors.shape[1]
    principal = _principal(vectors.astype(np.float64), MOST_DIMENSIONS)
    missing = MOST_DIMENSIONS - principal.shape[1]
    if missing:
        fillers = random.standard_normal((dimensions, missing))
        for _ in range(2):  # a single pass leaves rounding errors
            fillers -= principal @ (principal.T @ fillers)
        fillers = np.linalg.qr(fillers)[0]
        fillers *= np.sqrt((dimensions - principal.shape[1]) / missing)
        principal = np.hstack([principal, fillers])
    return np.asarray(principal, np.float32)


def sampled(rows: Rows) -> Rows:
    """Return a random sample of rows that is enough to learn from, in their order."""
    if len(rows) <= MOST_ROWS:
        return rows
    random = np.random.default_rng(SEED)
    return np.sort(random.choice(rows, MOST_ROWS, replace=False))


def read(folder: Path, network_id: str) -> Projection | None:
    """Read the projection of a featurizer folder; None where it has none.

    Raises:
        FeaturizerError: The file is damaged or belongs to another network.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as data:
            found = Projection(data["matrix"], str(data["network_id"]))
    except (OSError, KeyError, ValueError, EOFError, BadZipFile) as error:
        raise FeaturizerError(f"{path}: not a projection: {error}") from error
    if found.matrix.dtype != np.float32 or found.matrix.ndim != 2:
        raise FeaturizerError(f"{path}: not a projection: no float32 matrix")
    if found.network_id != network_id:
        raise FeaturizerError(
            f"{path}: made for the network {found.network_id}, this one is {network_id}"
        )
    return found


def measure(before: Vectors, after: Vectors, skus: Sequence[str]) -> Loss:
    """Measure the loss between vectors (n, d) and shortened ones (n, k), all of length 1.

    Args:
        before: The vectors.
        after: The shortened vectors.
        skus: The sku of each photo.
    """
    owners = np.unique(np.asarray(skus), return_inverse=True)[1]
    total = len(before)
    queries = np.unique(np.linspace(0, total - 1, min(QUERIES, total)).astype(int))
    paired = np.bincount(owners)[owners] > 1
    count = min(NEIGHBOURS, total - 1)
    right: NDArray[np.int64] = np.zeros(2, np.int64)
    common = 0
    for at in range(0, len(queries), AT_ONCE):
        rows = queries[at : at + AT_ONCE]
        nearest = [_nearest(vectors, rows, count) for vectors in (before, after)]
        for place, found in enumerate(nearest):
            right[place] += (owners[found[:, :1]] == owners[rows, None])[paired[rows]].sum()
        common += sum(len(np.intersect1d(*found)) for found in zip(*nearest, strict=True))
    pairs = int(paired[queries].sum())
    return Loss(
        dimensions=before.shape[1],
        top1_before=round(float(right[0]) / pairs, 4) if pairs else None,
        top1_after=round(float(right[1]) / pairs, 4) if pairs else None,
        neighbours_kept=round(common / (len(queries) * count), 4) if count else 1.0,
    )


def _nearest(vectors: Vectors, rows: Rows, count: int) -> Rows:
    """Return the `count` nearest others of some rows of vectors, int64 (rows, k), nearest first."""
    similarities = vectors[rows] @ vectors.T
    similarities[np.arange(len(rows)), rows] = -2
    chosen = np.argpartition(similarities, -max(count, 1), axis=1)[:, len(vectors) - count :]
    order = np.argsort(-np.take_along_axis(similarities, chosen, 1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(chosen, order, 1), np.int64)


def _principal(vectors: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """Return at most `most` orthonormal columns (d, k): the directions of greatest variance."""
    rows, dimensions = vectors.shape
    small = vectors.T @ vectors if dimensions <= rows else vectors @ vectors.T
    values, found = np.linalg.eigh(small)
    order = np.argsort(values)[::-1][:most]
    order = order[values[order] > 1e-9 * max(values[order[0]], 1e-30)]
    if dimensions <= rows:
        return np.asarray(found[:, order])
    return np.asarray(np.linalg.qr(vectors.T @ found[:, order] / np.sqrt(values[order]))[0])
