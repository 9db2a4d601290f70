"""The WCCN transform: it makes the vectors of one catalogue's items easier to tell apart.

Photos of one item differ by light, place and neighbours. The transform shrinks the directions
in which they differ, so that the other directions count more (within-class covariance
normalisation, Hatch, Kajarekar and Stolcke 2006). The vectors in the index stay as they are; the
transform is applied to candidates only.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from catalog.core import arrays
from catalog.core.errors import BundleError
from catalog.core.vectors import Rows, Vectors

FILE = "metric.npy"
DAMPING = 0.5  # share of the mean variance that is added to each direction's
FEWEST = 16  # photos of items with several; with fewer there is nothing to learn


def fit(vectors: Vectors, owners: Rows) -> Vectors | None:
    """Fit the transform, float32 (d, d), to a catalogue's photos; None where they are too few.

    Args:
        vectors: Float32 (n, d), each of length 1.
        owners: The item number of each photo, int64 (n,).
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
    if damping < 1e-12:  # all photos are the same
        return None
    values, directions = np.linalg.eigh(scatter + damping * np.eye(len(scatter)))
    scale = np.sqrt(damping / values)
    return np.asarray((directions * scale) @ directions.T, np.float32)


def apply(transform: Vectors, vectors: Vectors) -> Vectors:
    """Transform vectors, float32 (n, d) or (d,), and scale them to length 1 again."""
    moved = vectors @ transform
    return np.asarray(moved / np.maximum(np.linalg.norm(moved, axis=-1, keepdims=True), 1e-9))


def read(path: Path, dimensions: int) -> Vectors:
    """Read a bundle's transform, float32 (d, d).

    Raises:
        BundleError: The file is damaged, or holds something that is not a number.
    """
    transform = arrays.read(path, np.float32, (dimensions, dimensions))
    if not np.isfinite(transform).all():
        raise BundleError(f"{path}: holds what is no number")
    return np.asarray(transform)
