"""Turn match features into confidence: the probability that a query shows an item.

Two models answer two questions. Which of the candidates is it, if any? A conditional logit
(McFadden 1974), so that what speaks for one item speaks against all others. Is it any of them at
all? A logistic regression on monotone piecewise linear functions of the likeliest candidate's
features. The confidence in an item is the product of both probabilities.

Many catalogues taught both models (`catalog.recognition.prior`). A catalogue's own photos move them
a little (`refit`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from catalog.recognition.candidates import FEATURES, UNREAD, MatchFeatures

IN_CATALOGUE_FEATURES = (
    "lead",
    "wccn",
    "wccn_margin",
    "cosine",
    "inliers",
    "inliers_margin",
    "votes",
    "colour",
    "colour_margin",
)
VECTOR_FEATURES = 3  # the first of FEATURES compare vectors
COSINE, WCCN, COLOUR, INLIERS, VOTES = (
    FEATURES.index(name) for name in ("cosine", "wccn", "colour", "inliers", "votes")
)
KNOTS = 3  # of each in-catalogue feature; more fit the catalogues that taught, not others
LEAD = (-3.0, 7.0)  # log odds; beyond them a lead says no more
MOST_ODDS = 50.0  # log odds; beyond them a probability is 0 or 1
STEPS = 60
SMALLEST_SPREAD = 1e-6  # a feature with less says nothing
CONVERGED = 1e-9
ROUNDS = 30  # of holding weights at 0 and letting them go
RISE = 1e-6  # slope from which a weight at 0 is let go

Numbers = NDArray[np.float64]
# The mean log-likelihood, its gradient and its negative Hessian, of a table and its weights.
Likelihood = Callable[[Numbers, Numbers], tuple[float, Numbers, Numbers]]


@dataclass(frozen=True)
class LabelledFeatures:
    """Match features with the truth: the right candidate's place, or None; and their weight."""

    features: MatchFeatures
    right: int | None
    weight: float


@dataclass(frozen=True)
class ConfidenceModel:
    """The weights of both models.

    Attributes:
        unlike: The mean cosine similarity that the network gives to things that differ. The
            vectors' features count from there: 0 is as unlike as any two things, 1 is equal.
        candidate: A weight for each of `FEATURES`.
        knots: For each of `IN_CATALOGUE_FEATURES` the values, ascending, between which its
            function is linear, float64 (9, k + 1).
        gains: By how much each function grows from knot to knot, none below 0, float64 (9, k).
        bias: The log odds of a thing for which nothing speaks.
    """

    unlike: float
    candidate: Numbers
    knots: Numbers
    gains: Numbers
    bias: float

    def confidences(self, features: MatchFeatures) -> Numbers:
        """Return the probability of each candidate, float64 (c,).

        They add up to at most 1; the rest is the probability that it is none of them.
        """
        shares, evidence = self.evidence(features)
        odds = self.bias + float((ramps(evidence[None], self.knots)[0] * self.gains).sum())
        return np.asarray(shares / (1 + np.exp(-np.clip(odds, -MOST_ODDS, MOST_ODDS))))

    def evidence(self, features: MatchFeatures) -> tuple[Numbers, Numbers]:
        """Return each candidate's share, (c,), and the `IN_CATALOGUE_FEATURES`, (9,)."""
        values = relative(features.values, self.unlike)
        shares = _softmax(values @ self.candidate)
        first = int(shares.argmax())
        others = np.delete(values, first, 0) if len(values) > 1 else values
        lead, votes = LEAD[0], UNREAD[1]  # an only candidate leads nobody, and has all votes
        if len(values) > 1:
            lead = float(np.clip(np.log(shares[first] / (1 - shares[first] + 1e-300)), *LEAD))
            votes = float(values[first, VOTES])
        margins = values[first] - others.mean(0)
        own = values[first]
        evidence = (
            lead,
            own[WCCN],
            margins[WCCN],
            own[COSINE],
            own[INLIERS],
            own[INLIERS] - others[:, INLIERS].max(),
            votes,
            own[COLOUR],
            margins[COLOUR],
        )
        return shares, np.array(evidence, np.float64)


def relative(values: Numbers, unlike: float) -> Numbers:
    """Count the vectors' similarities in match features (c, 6) from that of unlike things."""
    counted = values.copy()
    counted[:, :VECTOR_FEATURES] = (counted[:, :VECTOR_FEATURES] - unlike) / (1 - unlike)
    return counted


def ramps(evidence: Numbers, knots: Numbers) -> Numbers:
    """Return how far each feature has come from each knot to the next, 0 to 1.

    Args:
        evidence: Float64 (n, f).
        knots: Float64 (f, k + 1), ascending.

    Returns:
        Float64 (n, f, k).
    """
    way = (evidence[:, :, None] - knots[:, :-1]) / np.diff(knots)
    return np.asarray(np.clip(way, 0, 1))


def refit(
    model: ConfidenceModel,
    labelled: Sequence[LabelledFeatures],
    candidate_loyalty: float,
    loyalty: float,
) -> ConfidenceModel:
    """Move a model towards what a catalogue's own photos say.

    The model of maximum posterior probability, where the numbers were normally distributed around
    those of `model`.

    Args:
        model: The model to start with.
        labelled: The catalogue's own queries; their weights add up to how many they count for.
        candidate_loyalty: The precision of the candidate's weights, for features of unit spread;
            the higher, the less they are moved.
        loyalty: The precision of the gains and the bias.
    """
    found = [case for case in labelled if case.right is not None]
    total = sum(case.weight for case in found)
    tables = [
        (relative(case.features.values, model.unlike), case.right, case.weight / total)
        for case in found
        if case.right is not None
    ]
    candidate = fit_candidate(tables, model.candidate, candidate_loyalty / total)
    model = replace(model, candidate=candidate.round(5))
    evidence = np.array([model.evidence(case.features)[1] for case in labelled])
    table = ramps(evidence, model.knots).reshape(len(labelled), -1)
    truth = np.array([case.right is not None for case in labelled], float)
    weight = np.array([case.weight for case in labelled])
    start = np.append(model.gains.ravel(), model.bias)
    precision = np.full(len(start), loyalty / weight.sum())
    weights = fit_logistic(table, truth, weight / weight.sum(), start, precision)
    gains = weights[:-1].reshape(model.gains.shape)
    return replace(model, gains=gains.round(5), bias=round(float(weights[-1]), 5))


def fit_candidate(
    labelled: Sequence[tuple[Numbers, int, float]], start: Numbers, precision: float
) -> Numbers:
    """Fit the conditional logit: a weight for each column of the candidates' tables, none below 0.

    Args:
        labelled: For each query the table of its candidates, float64 (c, f), the right one's
            place, and its weight. The weights add up to 1.
        start: The weights to stay near to, (f,).
        precision: How near, in features of unit spread.
    """
    width = max(len(table) for table, _, _ in labelled)
    tables = np.zeros((len(labelled), width, len(start)))
    present = np.zeros((len(labelled), width), bool)
    for number, (table, right, _) in enumerate(labelled):
        tables[number, : len(table)] = table - table[right]
        present[number, : len(table)] = True
    weight = np.array([weight for _, _, weight in labelled])
    rights = np.array([right for _, right, _ in labelled])
    spread = np.sqrt(np.square(tables[present]).mean(0))
    spread = np.where(spread > SMALLEST_SPREAD, spread, 1.0)

    def likelihood(table: Numbers, weights: Numbers) -> tuple[float, Numbers, Numbers]:
        shares = _softmax(np.where(present, table @ weights, -np.inf))
        chosen = np.take_along_axis(shares, rights[:, None], 1)[:, 0]
        expected = np.einsum("nc,ncf->nf", shares, table)
        second = np.einsum("n,nc,ncf,ncg->fg", weight, shares, table, table, optimize=True)
        curvature = second - np.einsum("n,nf,ng->fg", weight, expected, expected)
        return float(weight @ _log(chosen)), -(weight @ expected), curvature

    found = _non_negative(
        tables / spread, likelihood, start * spread, np.full(len(start), precision), len(start)
    )
    return np.asarray(found / spread)


def fit_logistic(
    table: Numbers, truth: Numbers, weight: Numbers, start: Numbers, precision: Numbers
) -> Numbers:
    """Fit a logistic regression: a weight for each column, none below 0, and a constant.

    Args:
        table: Float64 (n, f).
        truth: 1 where it is true, else 0, float64 (n,).
        weight: The weight of each row, float64 (n,); they add up to 1.
        start: The weights and the constant to stay near to, (f + 1,).
        precision: How near, for each, (f + 1,).
    """
    table = np.column_stack([table, np.ones(len(table))])

    def likelihood(table: Numbers, weights: Numbers) -> tuple[float, Numbers, Numbers]:
        chance = 1 / (1 + np.exp(-(table @ weights)))
        value = float(weight @ _log(np.where(truth > 0, chance, 1 - chance)))
        curvature = (table * (weight * chance * (1 - chance))[:, None]).T @ table
        return value, table.T @ (weight * (truth - chance)), curvature

    return _non_negative(table, likelihood, start, precision, len(start) - 1)


def _non_negative(
    table: Numbers, likelihood: Likelihood, start: Numbers, precision: Numbers, count: int
) -> Numbers:
    """Maximise as `_newton` does, with the first `count` weights at 0 or above.

    An active set (Lawson and Hanson 1974): weights that would be negative are held at 0, and one
    that would rise from there is let go again.
    """
    free = np.ones(len(start), bool)
    for _ in range(ROUNDS):
        weights = np.zeros(len(start))
        weights[free] = _newton(table[..., free], likelihood, start[free], precision[free])
        negative = weights[:count] < 0
        if negative.any():
            free[:count] &= ~negative
            continue
        rise = likelihood(table, weights)[1] - precision * (weights - start)
        rise[free] = -np.inf
        if rise.max() <= RISE:
            break
        free[int(rise.argmax())] = True
    return np.maximum(weights, np.where(np.arange(len(start)) < count, 0.0, -np.inf))


def _newton(table: Numbers, likelihood: Likelihood, start: Numbers, precision: Numbers) -> Numbers:
    """Maximise a concave likelihood, less the distance from the start, with step halving."""
    weights = start.copy()
    ridge = np.diag(precision)
    step: Numbers = np.zeros(len(weights))
    best = -np.inf
    for _ in range(STEPS):
        value, gradient, curvature = likelihood(table, weights)
        away = weights - start
        value -= float(away @ ridge @ away) / 2
        if value < best - CONVERGED:  # too far: half the way back
            step = step / 2
            weights = weights - step
            continue
        if value - best < CONVERGED:
            break
        best = value
        step = np.asarray(np.linalg.solve(curvature + ridge, gradient - ridge @ away))
        weights = weights + step
    return weights


def _softmax(scores: Numbers) -> Numbers:
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(shares / shares.sum(-1, keepdims=True))


def _log(chance: Numbers) -> Numbers:
    return np.asarray(np.log(np.maximum(chance, 1e-300)))
