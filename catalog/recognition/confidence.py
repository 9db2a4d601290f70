"""Turn match features into confidence: the probability that a query shows an item.

Two models answer two questions and are fitted apart. Which of the candidates is it, if any? A
conditional logit (McFadden 1974), so that what speaks for one item speaks against all others.
Is it any of them at all? A logistic regression on how far ahead the likeliest candidate is. The
confidence in an item is the product of both probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.recognition.candidates import FEATURES, MatchFeatures

# Of the likeliest candidate: two margins, then the two plain similarities.
IN_CATALOGUE_FEATURES = ("wccn_margin", "inliers_margin", "wccn", "colour")
MARGIN_COLUMNS = [FEATURES.index("wccn"), FEATURES.index("inliers")]
STEPS = 60
RIDGE = 2e-3  # on the weights of features scaled to unit spread
CONVERGED = 1e-9
SMALLEST_SPREAD = 1e-6  # a feature with less says nothing

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
    """The fitted weights.

    Attributes:
        candidate: A weight for each of `FEATURES`.
        in_catalogue: A weight for each of `IN_CATALOGUE_FEATURES`.
        rejection_bias: What the weighted in-catalogue features have to outweigh.
    """

    candidate: tuple[float, ...]
    in_catalogue: tuple[float, ...]
    rejection_bias: float

    def confidences(self, features: MatchFeatures) -> Numbers:
        """Return the probability of each candidate, float64 (c,).

        They add up to at most 1; the rest is the probability that it is none of them.
        """
        shares = _softmax(features.values @ np.array(self.candidate))
        likeliest = _in_catalogue_features(features, int(shares.argmax()))
        score = float(likeliest @ np.array(self.in_catalogue))
        return np.asarray(1 / (1 + np.exp(self.rejection_bias - score)) * shares)


def fit(labelled: Sequence[LabelledFeatures]) -> ConfidenceModel:
    """Fit the model of maximum likelihood in which no feature speaks against its item.

    Newton's method on two concave likelihoods: equal input gives equal weights.
    """
    candidate = _fit_candidate([case for case in labelled if case.right is not None])
    likeliest = [
        _in_catalogue_features(case.features, int((case.features.values @ candidate).argmax()))
        for case in labelled
    ]
    in_catalogue = _fit_in_catalogue(
        np.array(likeliest),
        np.array([case.right is not None for case in labelled], float),
        np.array([case.weight for case in labelled]),
    )
    bias = round(-float(in_catalogue[-1]), 5)
    return ConfidenceModel(_rounded(candidate), _rounded(in_catalogue[:-1]), bias)


def _in_catalogue_features(features: MatchFeatures, place: int) -> Numbers:
    """Return the `IN_CATALOGUE_FEATURES` of the candidate at `place`, (4,)."""
    plain = features.wccn[place], features.colour[place]
    return np.append(features.values[place, MARGIN_COLUMNS], plain)


def _fit_candidate(labelled: Sequence[LabelledFeatures]) -> Numbers:
    """Fit the conditional logit: a weight for each feature, (6,), none below 0."""
    if not labelled:
        return np.ones(len(FEATURES))
    width = max(len(case.features.items) for case in labelled)
    table = np.zeros((len(labelled), width, len(FEATURES)))
    present = np.zeros((len(labelled), width), bool)
    for number, case in enumerate(labelled):
        count = len(case.features.items)
        table[number, :count], present[number, :count] = case.features.values, True
    right = np.array([case.right for case in labelled])
    weight = np.array([case.weight for case in labelled])
    weight = weight / weight.sum()
    spread = _spread(table[present])

    def likelihood(table: Numbers, weights: Numbers) -> tuple[float, Numbers, Numbers]:
        shares = _softmax(np.where(present, table @ weights, -np.inf))
        chosen = np.take_along_axis(shares, right[:, None], 1)[:, 0]
        expected = np.einsum("nc,ncf->nf", shares, table)
        truth = np.take_along_axis(table, right[:, None, None], 1)[:, 0]
        second = np.einsum("n,nc,ncf,ncg->fg", weight, shares, table, table, optimize=True)
        curvature = second - np.einsum("n,nf,ng->fg", weight, expected, expected)
        return float(weight @ _log(chosen)), weight @ (truth - expected), curvature

    return np.asarray(_fit_non_negative(table / spread, likelihood, len(FEATURES)) / spread)


def _fit_in_catalogue(likeliest: Numbers, in_catalogue: Numbers, weight: Numbers) -> Numbers:
    """Fit the logistic regression: a weight for each feature, none below 0, and a constant, (5,).

    Args:
        likeliest: The features of the likeliest candidate of n queries, float64 (n, 4).
        in_catalogue: 1 for a query that shows an item of the catalogue, else 0, float64 (n,).
        weight: The weight of each query, float64 (n,).
    """
    middle, spread = likeliest.mean(0), _spread(likeliest - likeliest.mean(0))
    # Centred: else the ridge would hold down a feature that is never near 0, such as a cosine.
    table = np.column_stack([(likeliest - middle) / spread, np.ones(len(likeliest))])
    weight = weight / weight.sum()

    def likelihood(table: Numbers, weights: Numbers) -> tuple[float, Numbers, Numbers]:
        chance = 1 / (1 + np.exp(-(table @ weights)))
        value = float(weight @ _log(np.where(in_catalogue > 0, chance, 1 - chance)))
        curvature = (table * (weight * chance * (1 - chance))[:, None]).T @ table
        return value, table.T @ (weight * (in_catalogue - chance)), curvature

    found = _fit_non_negative(table, likelihood, len(IN_CATALOGUE_FEATURES))
    weights = found[:-1] / spread
    return np.append(weights, found[-1] - weights @ middle)


def _fit_non_negative(table: Numbers, likelihood: Likelihood, non_negative: int) -> Numbers:
    """Fit weights to a table's columns, of which the first `non_negative` stay at 0 or above."""
    free = np.ones(table.shape[-1], bool)
    while True:
        weights = np.zeros(len(free))
        weights[free] = _newton(table[..., free], likelihood)
        rest = np.zeros(len(free) - non_negative, bool)
        negative = np.append(weights[:non_negative] < 0, rest)
        if not negative.any():
            return weights
        free &= ~negative


def _newton(table: Numbers, likelihood: Likelihood) -> Numbers:
    """Maximise a concave likelihood, less the ridge, by Newton's method with step halving."""
    weights = np.zeros(table.shape[-1])
    ridge = RIDGE * np.eye(len(weights))
    step, best = np.zeros(len(weights)), -np.inf
    for _ in range(STEPS):
        value, gradient, curvature = likelihood(table, weights)
        value -= float(weights @ ridge @ weights) / 2
        if value < best - CONVERGED:  # too far: half the way back
            step = step / 2
            weights = weights - step
            continue
        if value - best < CONVERGED:
            break
        best = value
        step = np.linalg.solve(curvature + ridge, gradient - ridge @ weights)
        weights = weights + step
    return weights


def _softmax(scores: Numbers) -> Numbers:
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(shares / shares.sum(-1, keepdims=True))


def _log(chance: Numbers) -> Numbers:
    return np.asarray(np.log(np.maximum(chance, 1e-300)))


def _spread(features: Numbers) -> Numbers:
    """Return the spread of each feature; 1 for one that says nothing."""
    spread = np.sqrt(np.square(features).mean(0))
    return np.where(spread > SMALLEST_SPREAD, spread, 1.0)


def _rounded(weights: Numbers) -> tuple[float, ...]:
    return tuple(round(float(weight), 5) for weight in weights)
