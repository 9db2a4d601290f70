"""Measures of confidences: AUROC, reliability and the expected calibration error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 15  # of equal width, for the expected calibration error

Numbers = NDArray[np.float64]


def auroc(known: Numbers, foreign: Numbers) -> float:
    """Return the probability that a number of `known` is above one of `foreign`; ties are half."""
    order = np.sort(foreign)
    below = np.searchsorted(order, known, "left") + np.searchsorted(order, known, "right")
    return float(below.mean() / 2 / len(foreign))


def calibration_error(
    confidences: Numbers, right: NDArray[np.bool_], weights: Numbers | None = None
) -> float:
    """Return the expected calibration error over 15 bins of equal width.

    See Naeini, Cooper and Hauskrecht 2015. Each answer has a weight, where they are given.
    """
    bins = reliability(confidences, right, weights)
    return float(sum(share * abs(confidence - accuracy) for confidence, accuracy, share in bins))


def reliability(
    confidences: Numbers, right: NDArray[np.bool_], weights: Numbers | None = None
) -> list[tuple[float, float, float]]:
    """Return, for each bin with answers: mean confidence, share that was right, share of all."""
    bins = np.minimum((np.clip(confidences, 0, 1) * BINS).astype(int), BINS - 1)
    weights = np.ones(len(bins)) if weights is None else weights
    found = []
    for number in np.unique(bins):
        weight = weights * (bins == number)
        total = float(weight.sum())
        if total == 0:
            continue
        confidence, accuracy = weight @ confidences / total, weight @ right / total
        found.append((float(confidence), float(accuracy), total / float(weights.sum())))
    return found
