"""From evidence to a probability: how sure it is that a look shows this item.

Two questions, learned apart. Which of the candidates is it, if any: a conditional logit
(McFadden 1974), so that what speaks for one item speaks against all others. And whether it is
any at all: a logistic regression on how far the likeliest is ahead. How sure an item is, is
the product of both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.recognition.candidates import MEASURES, MatchFeatures

HELD = ("distinct", "agreeing", "alike", "coloured")  # of the likeliest: two leads, two plain
STEPS = 60
RIDGE = 2e-3  # of the weights, measures being of unit spread
SETTLED = 1e-9
SMALLEST = 1e-6  # spread of a measure that says anything
_LEADS = [MEASURES.index(name) for name in HELD[:2]]

Numbers = NDArray[np.float64]
# Mean logarithm of the likelihood, its slope and its negative curve, of a table and weights.
Likelihood = Callable[[Numbers, Numbers], tuple[float, Numbers, Numbers]]


@dataclass(frozen=True)
class LabelledFeatures:
    """MatchFeatures with the truth: the right candidate's place, or None; and what it counts."""

    evidence: MatchFeatures
    right: int | None
    weight: float


@dataclass(frozen=True)
class ConfidenceModel:
    """What each of `MEASURES` counts among candidates, and each of `HELD` for there being any."""

    measures: tuple[float, ...]
    held: tuple[float, ...]
    none: float

    def confidences(self, evidence: MatchFeatures) -> Numbers:
        """The probability of each candidate (c,); together at most 1, the rest being none."""
        shares = _softmax(evidence.measures @ np.array(self.measures))
        first = _of_first(evidence, int(shares.argmax()))
        held = 1 / (1 + np.exp(self.none - float(first @ np.array(self.held))))
        return np.asarray(held * shares)


def fit(cases: Sequence[LabelledFeatures]) -> ConfidenceModel:
    """The weights that make the cases most likely; no measure counts against its item.

    Newton's method on two concave likelihoods: the same cases give the same weights.
    """
    measures = _fit_candidates([case for case in cases if case.right is not None])
    firsts = [
        _of_first(case.evidence, int((case.evidence.measures @ measures).argmax()))
        for case in cases
    ]
    held = _fit_held(
        np.array(firsts),
        np.array([case.right is not None for case in cases], float),
        np.array([case.weight for case in cases]),
    )
    return ConfidenceModel(_rounded(measures), _rounded(held[:-1]), round(-float(held[-1]), 5))


def _of_first(evidence: MatchFeatures, place: int) -> Numbers:
    """What `HELD` names, of the likeliest candidate."""
    plain = evidence.alike[place], evidence.coloured[place]
    return np.append(evidence.measures[place, _LEADS], plain)


def _fit_candidates(cases: Sequence[LabelledFeatures]) -> Numbers:
    """ConfidenceModel (6,) of the measures, none below 0."""
    if not cases:
        return np.ones(len(MEASURES))
    width = max(len(case.evidence.items) for case in cases)
    table = np.zeros((len(cases), width, len(MEASURES)))
    present = np.zeros((len(cases), width), bool)
    for number, case in enumerate(cases):
        count = len(case.evidence.items)
        table[number, :count], present[number, :count] = case.evidence.measures, True
    right = np.array([case.right for case in cases])
    weight = np.array([case.weight for case in cases])
    weight = weight / weight.sum()
    spread = _spread(table[present])

    def slope_and_curve(table: Numbers, found: Numbers) -> tuple[float, Numbers, Numbers]:
        shares = _softmax(np.where(present, table @ found, -np.inf))
        chosen = np.take_along_axis(shares, right[:, None], 1)[:, 0]
        expected = np.einsum("nc,ncf->nf", shares, table)
        truth = np.take_along_axis(table, right[:, None, None], 1)[:, 0]
        second = np.einsum("n,nc,ncf,ncg->fg", weight, shares, table, table, optimize=True)
        curve = second - np.einsum("n,nf,ng->fg", weight, expected, expected)
        return float(weight @ _log(chosen)), weight @ (truth - expected), curve

    return np.asarray(_positive(table / spread, slope_and_curve, len(MEASURES)) / spread)


def _fit_held(firsts: Numbers, held: Numbers, weight: Numbers) -> Numbers:
    """ConfidenceModel of `HELD`, none below 0, and the constant, (5,)."""
    middle, spread = firsts.mean(0), _spread(firsts - firsts.mean(0))
    # About their middle: else the ridge would hold down what never is near 0, as a cosine.
    table = np.column_stack([(firsts - middle) / spread, np.ones(len(firsts))])
    weight = weight / weight.sum()

    def slope_and_curve(table: Numbers, found: Numbers) -> tuple[float, Numbers, Numbers]:
        chance = 1 / (1 + np.exp(-(table @ found)))
        value = float(weight @ _log(np.where(held > 0, chance, 1 - chance)))
        curve = (table * (weight * chance * (1 - chance))[:, None]).T @ table
        return value, table.T @ (weight * (held - chance)), curve

    found = _positive(table, slope_and_curve, len(HELD))
    weights = found[:-1] / spread
    return np.append(weights, found[-1] - weights @ middle)


def _positive(table: Numbers, slope_and_curve: Likelihood, positive: int) -> Numbers:
    """The likeliest weights of a table's columns, of which the first `positive` stay above 0."""
    free = np.ones(table.shape[-1], bool)
    while True:
        found = np.zeros(len(free))
        found[free] = _newton(table[..., free], slope_and_curve)
        against = np.append(found[:positive] < 0, np.zeros(len(free) - positive, bool))
        if not against.any():
            return found
        free &= ~against


def _newton(table: Numbers, slope_and_curve: Likelihood) -> Numbers:
    found = np.zeros(table.shape[-1])
    ridge = RIDGE * np.eye(len(found))
    step, best = np.zeros(len(found)), -np.inf
    for _ in range(STEPS):
        value, slope, curve = slope_and_curve(table, found)
        value -= float(found @ ridge @ found) / 2
        if value < best - SETTLED:  # too far: half the way back
            step = step / 2
            found = found - step
            continue
        if value - best < SETTLED:
            break
        best = value
        step = np.linalg.solve(curve + ridge, slope - ridge @ found)
        found = found + step
    return found


def _softmax(scores: Numbers) -> Numbers:
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(shares / shares.sum(-1, keepdims=True))


def _log(chance: Numbers) -> Numbers:
    return np.asarray(np.log(np.maximum(chance, 1e-300)))


def _spread(measures: Numbers) -> Numbers:
    """Of each measure; 1 for one that says nothing."""
    spread = np.sqrt(np.square(measures).mean(0))
    return np.where(spread > SMALLEST, spread, 1.0)


def _rounded(weights: Numbers) -> tuple[float, ...]:
    return tuple(round(float(one), 5) for one in weights)
