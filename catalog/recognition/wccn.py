"""What tells a catalogue's items apart, learned from photos of one item beside each other.

Photos of one item differ by light, place and neighbours. The directions in which they do are
made to count less, the others more (within-class covariance normalisation, Hatch, Kajarekar
and Stolcke 2006). The vectors in the index stay as they are: this speaks about candidates.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from catalog.core import arrays
from catalog.core.errors import BundleError
from catalog.core.vectors import Rows, Vectors

FILE = "metric.npy"
DAMPING = 0.5  # of the mean variance, added to each direction's
FEWEST = 16  # photos beside others of their item, below which there is nothing to learn


def fit(vectors: Vectors, owners: Rows) -> Vectors | None:
    """A matrix float32 (d, d) that vectors are multiplied by; None where photos are too few.

    Args:
        vectors: Float32 (n, d), each of length 1.
        owners: The number of each photo's item (n,).
    """
    counts = np.bincount(owners)
    several = counts[owners] > 1
    if several.sum() < FEWEST:
        return None
    rows, whose = vectors[several].astype(np.float64), owners[several]
    means = np.zeros((len(counts), vectors.shape[1]))
    np.add.at(means, whose, rows)
    apart = rows - means[whose] / counts[whose][:, None]
    scatter = apart.T @ apart / len(apart)
    damping = DAMPING * np.trace(scatter) / len(scatter)
    if damping < 1e-12:  # photos that are all the same
        return None
    values, directions = np.linalg.eigh(scatter + damping * np.eye(len(scatter)))
    scale = np.sqrt(damping / values)
    return np.asarray((directions * scale) @ directions.T, np.float32)


def apply(metric: Vectors, vectors: Vectors) -> Vectors:
    """Vectors (n, d) multiplied by the metric, each of length 1 again."""
    moved = vectors @ metric
    return np.asarray(moved / np.maximum(np.linalg.norm(moved, axis=-1, keepdims=True), 1e-9))


def read(path: Path, dimensions: int) -> Vectors:
    """Read a bundle's metric."""
    found = arrays.read(path, np.float32, (dimensions, dimensions))
    if not np.isfinite(found).all():
        raise BundleError(f"{path}: holds what is no number")
    return np.asarray(found)
