"""Large vectors made short enough for Annoy, with as little loss as the catalogue allows.

A principal component analysis of the catalogue's own vectors, about the origin, so that
cosines stay what they are, keeps the directions in which its photos lie. Where there are
fewer photos than directions to keep, random directions of the rest fill up, scaled so that a
similarity is on average what it was: a thing that is like no photo still looks like none.
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

MOST_DIMENSIONS = 256  # beyond, Annoy's recall falls
MOST_ROWS = 8192  # to learn from; more change nothing
QUERIES = 1000
NEIGHBOURS = 10
SEED = 20181130
FILE = "projection.npz"


@dataclass(frozen=True)
class Projection:
    """Shortens vectors of one network: ``vectors @ matrix``.

    Attributes:
        matrix: Float32 (d, k).
        network_id: Whose vectors; see `catalog.networks.featurizer.Featurizer`.
    """

    matrix: Vectors
    network_id: str

    @property
    def digest(self) -> str:
        """16 hex digits that change with any of its numbers."""
        return hashlib.sha256(self.matrix.tobytes()).hexdigest()[:16]

    @property
    def dimensions(self) -> int:
        """Length k of a shortened vector."""
        return int(self.matrix.shape[1])

    def apply(self, vectors: Vectors) -> Vectors:
        """Float32 (n, d), each of length 1, to float32 (n, k), not of length 1."""
        return np.asarray(vectors @ self.matrix, np.float32)

    def write(self, folder: Path) -> None:
        """Write ``projection.npz`` into a featurizer folder."""
        np.savez(folder / FILE, matrix=self.matrix, network_id=np.array(self.network_id))


@dataclass(frozen=True)
class Loss:
    """What a projection costs, measured with the catalogue's own photos.

    Attributes:
        dimensions: Length of the vectors before.
        top1_before: Share of photos whose nearest other photo is of the same item; None
            where no item has two photos.
        top1_after: The same with shortened vectors.
        neighbours_kept: Share of the ten nearest photos that stay among the ten nearest.
    """

    dimensions: int
    top1_before: float | None
    top1_after: float | None
    neighbours_kept: float


def fit(vectors: Vectors, network_id: str) -> Projection:
    """Learn a projection to 256 dimensions from vectors float32 (n, d), each of length 1."""
    return Projection(learn(vectors), network_id)


def learn(vectors: Vectors) -> Vectors:
    """A projection's matrix float32 (d, 256), of vectors float32 (n, d), each of length 1."""
    random = np.random.default_rng(SEED)
    vectors = vectors[sampled(np.arange(len(vectors)))]
    dimensions = vectors.shape[1]
    principal = _principal(vectors.astype(np.float64), MOST_DIMENSIONS)
    missing = MOST_DIMENSIONS - principal.shape[1]
    if missing:
        others = random.standard_normal((dimensions, missing))
        for _ in range(2):  # once leaves rounding errors
            others -= principal @ (principal.T @ others)
        others = np.linalg.qr(others)[0]
        others *= np.sqrt((dimensions - principal.shape[1]) / missing)
        principal = np.hstack([principal, others])
    return np.asarray(principal, np.float32)


def sampled(rows: Rows) -> Rows:
    """As many of the rows as are worth learning from, in their order."""
    if len(rows) <= MOST_ROWS:
        return rows
    random = np.random.default_rng(SEED)
    return np.sort(random.choice(rows, MOST_ROWS, replace=False))


def read(folder: Path, network_id: str) -> Projection | None:
    """The projection of a featurizer folder, or None where it has none.

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
    """What is lost between vectors (n, d) and shortened ones (n, k), all of length 1."""
    owners = np.unique(np.asarray(skus), return_inverse=True)[1]
    number = len(before)
    asked = np.unique(np.linspace(0, number - 1, min(QUERIES, number)).astype(int))
    paired = np.bincount(owners)[owners] > 1
    count = min(NEIGHBOURS, number - 1)
    right: NDArray[np.int64] = np.zeros(2, np.int64)
    kept = 0
    for row in asked:
        nearest: list[NDArray[np.int64]] = []
        for at, vectors in enumerate((before, after)):
            similarities = vectors @ vectors[row]
            similarities[row] = -2
            if paired[row]:
                right[at] += owners[similarities.argmax()] == owners[row]
            nearest.append(np.argsort(-similarities)[:count])
        kept += len(np.intersect1d(nearest[0], nearest[1]))
    pairs = int(paired[asked].sum())
    return Loss(
        dimensions=before.shape[1],
        top1_before=round(float(right[0]) / pairs, 4) if pairs else None,
        top1_after=round(float(right[1]) / pairs, 4) if pairs else None,
        neighbours_kept=round(kept / (len(asked) * count), 4) if count else 1.0,
    )


def _principal(vectors: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """At most `most` orthonormal columns (d, k): the directions of greatest spread."""
    rows, dimensions = vectors.shape
    small = vectors.T @ vectors if dimensions <= rows else vectors @ vectors.T
    values, found = np.linalg.eigh(small)
    order = np.argsort(values)[::-1][:most]
    order = order[values[order] > 1e-9 * max(values[order[0]], 1e-30)]
    if dimensions <= rows:
        return np.asarray(found[:, order])
    return np.asarray(np.linalg.qr(vectors.T @ found[:, order] / np.sqrt(values[order]))[0])
