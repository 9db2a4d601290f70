"""From evidence to a probability: how sure it is that a look shows this item.

A conditional logit (McFadden 1974) with one more choice, "none of these": each candidate's
measures are weighed into a score, none's is a constant and how alike everything around is, and
a softmax shares out what is certain. What speaks for one item so speaks against all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.evidence import AROUND, MEASURES, Evidence

STEPS = 40
RIDGE = 2e-3  # of the weights, measures being of unit spread
SETTLED = 1e-8
SMALLEST = 1e-6  # spread of a measure that says anything

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """Evidence with the truth: the right candidate's place, or None; and what it counts."""

    evidence: Evidence
    right: int | None
    weight: float


@dataclass(frozen=True)
class Weights:
    """What each measure counts, and where "none of these" stands."""

    measures: tuple[float, ...]
    none: float
    none_around: tuple[float, ...]

    def sure(self, evidence: Evidence) -> Numbers:
        """The probability of each candidate (c,); together at most 1, the rest being none."""
        scores = np.append(
            evidence.measures @ np.array(self.measures),
            self.none + evidence.around @ np.array(self.none_around),
        )
        shares = np.exp(scores - scores.max())
        return np.asarray((shares / shares.sum())[:-1])


def fit(cases: Sequence[Case]) -> Weights:
    """The weights that make the cases most likely; no measure counts against its item.

    Newton's method on a concave likelihood: the same cases give the same weights.
    """
    table, present, right, weight = _tables(cases)
    used = table[present]
    spread = np.sqrt(np.square(used).sum(0) / np.maximum((used != 0).sum(0), 1))
    spread = np.where(spread > SMALLEST, spread, 1.0)
    free = np.ones(table.shape[2], bool)
    while True:
        found = np.zeros(table.shape[2])
        found[free] = _newton(table[:, :, free] / spread[free], present, right, weight)
        against = free.copy()
        against[len(MEASURES) :] = False
        against &= found < 0
        if not against.any():
            break
        free &= ~against
    found /= spread
    measures = found[: len(MEASURES)]
    return Weights(
        tuple(round(float(one), 5) for one in measures),
        round(float(found[len(MEASURES)]), 5),
        tuple(round(float(one), 5) for one in found[len(MEASURES) + 1 :]),
    )


def _tables(
    cases: Sequence[Case],
) -> tuple[Numbers, NDArray[np.bool_], NDArray[np.int64], Numbers]:
    """Cases padded to one size: (n, c + 1, 8); which places are used; the right one; weights.

    The last place is "none", whose own columns are 1 and how alike things around are.
    """
    width = max(len(case.evidence.items) for case in cases) + 1
    table = np.zeros((len(cases), width, len(MEASURES) + 1 + len(AROUND)))
    present = np.zeros((len(cases), width), bool)
    right = np.full(len(cases), width - 1)
    for number, case in enumerate(cases):
        count = len(case.evidence.items)
        table[number, :count, : len(MEASURES)] = case.evidence.measures
        table[number, -1, len(MEASURES) :] = (1.0, *case.evidence.around)
        present[number, [*range(count), -1]] = True
        if case.right is not None:
            right[number] = case.right
    weight = np.array([case.weight for case in cases])
    return table, present, right, weight / weight.sum()


def _newton(
    table: Numbers, present: NDArray[np.bool_], right: NDArray[np.int64], weight: Numbers
) -> Numbers:
    found = np.zeros(table.shape[2])
    ridge = RIDGE * np.eye(len(found))
    value = -np.inf
    step = np.zeros_like(found)
    for _ in range(STEPS):
        scores = np.where(present, table @ found, -np.inf)
        scores -= scores.max(1, keepdims=True)
        shares = np.exp(scores)
        shares /= shares.sum(1, keepdims=True)
        chosen = np.take_along_axis(shares, right[:, None], 1)[:, 0]
        now = float(weight @ np.log(np.maximum(chosen, 1e-300)) - found @ ridge @ found / 2)
        if now < value - SETTLED:  # too far: half the way back
            step /= 2
            found = found - step
            continue
        if now - value < SETTLED:
            break
        value = now
        expected = np.einsum("nc,ncf->nf", shares, table)
        truth = np.take_along_axis(table, right[:, None, None], 1)[:, 0]
        slope = weight @ (truth - expected) - ridge @ found
        second = np.einsum("n,nc,ncf,ncg->fg", weight, shares, table, table, optimize=True)
        curve = second - np.einsum("n,nf,ng->fg", weight, expected, expected) + ridge
        step = np.linalg.solve(curve, slope)
        found = found + step
    return found
