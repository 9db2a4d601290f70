"""Fit the confidence model to looks at many catalogues."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from catalog.recognition.bursts import unlike_of
from catalog.recognition.candidates import COLOUR, FEATURES
from catalog.recognition.confidence import (
    KNOTS,
    ConfidenceModel,
    Numbers,
    fit_candidate,
    fit_logistic,
    ramps,
    relative,
)
from catalog.recognition.prior import FOREIGN_SHARE, Prior
from catalog.recognition.scored_queries import DISTRACTOR, ScoredQuery
from training.confidence.looks import FAR, NEAR, OWN, Catalogue

# Of the looks at things that are not in the catalogue; together `FOREIGN_SHARE` of all.
SHARES = {NEAR: 0.7, FAR: 0.15, DISTRACTOR: 0.15}
QUANTILES = np.linspace(0.02, 0.98, KNOTS)  # of the evidence, where the knots are
CANDIDATE_PRECISION, SINGLE_PRECISION, PRECISION = 3e-3, 3e-4, 4e-4


def fit(catalogues: Sequence[Catalogue]) -> Prior:
    """Fit the model; every catalogue counts, those of one source less where there are many."""
    sources = Counter(catalogue.source for catalogue in catalogues)
    weights = [sources[catalogue.source] ** -0.5 for catalogue in catalogues]
    candidate, single = _fit_candidate(catalogues), _fit_single(catalogues)
    evidence, truth, weight = [], [], []
    for catalogue, share in zip(catalogues, weights, strict=True):
        own = single if catalogue.photos == 1 else candidate
        model = _without_knots(unlike_of(catalogue.similarity), own)
        looks = [*catalogue.looks, *_drawn(catalogue)]
        counts = Counter(look.kind for look in looks)
        for look in looks:
            evidence.append(model.evidence(look.features)[1])
            truth.append(look.right is not None)
            weight.append(share * _share(look.kind) / counts[look.kind])
    table = np.array(evidence)
    knots = np.quantile(table, QUANTILES, axis=0).T.round(5)
    knots += 1e-3 * np.arange(KNOTS) * (np.diff(knots, axis=1).min(1, keepdims=True) <= 0)
    columns = ramps(table, knots).reshape(len(table), -1)
    normed = np.array(weight) / np.sum(weight)
    start = np.zeros(columns.shape[1] + 1)
    precision = np.append(np.full(columns.shape[1], PRECISION), 0.0)
    found = fit_logistic(columns, np.array(truth, float), normed, start, precision)
    gains = found[:-1].reshape(len(knots), -1).round(4)
    return Prior(candidate.round(4), single.round(4), knots, gains, round(float(found[-1]), 4))


def _fit_single(catalogues: Sequence[Catalogue]) -> Numbers:
    """Fit the candidate weights for one photo an item: without colours."""
    labelled = _labelled([catalogue for catalogue in catalogues if catalogue.photos == 1])
    for values, *_ in labelled:
        values[:, COLOUR] = 0
    return fit_candidate(labelled, np.zeros(len(FEATURES)), SINGLE_PRECISION)


def _fit_candidate(catalogues: Sequence[Catalogue]) -> Numbers:
    return fit_candidate(_labelled(catalogues), np.zeros(len(FEATURES)), CANDIDATE_PRECISION)


def _labelled(catalogues: Sequence[Catalogue]) -> list[tuple[Numbers, int, float]]:
    """Return the candidates of each look at an own thing, the right one's place, and a weight."""
    sources = Counter(catalogue.source for catalogue in catalogues)
    labelled = []
    for catalogue in catalogues:
        unlike = unlike_of(catalogue.similarity)
        found = [look for look in catalogue.looks if look.right is not None]
        share = sources[catalogue.source] ** -0.5
        labelled += [
            (relative(look.features.values, unlike), look.right, share / len(found))
            for look in found
            if look.right is not None
        ]
    total = sum(weight for *_, weight in labelled)
    return [(values, right, weight / total) for values, right, weight in labelled]


def _drawn(catalogue: Catalogue) -> list[ScoredQuery]:
    """Return the queries at drawn distractors, which are the first group."""
    return [query for query in catalogue.queries if query.kind == DISTRACTOR and not query.group]


def _share(kind: str) -> float:
    return 1 - FOREIGN_SHARE if kind == OWN else FOREIGN_SHARE * SHARES[kind]


def _without_knots(unlike: float, candidate: Numbers) -> ConfidenceModel:
    return ConfidenceModel(unlike, candidate, np.zeros((0, KNOTS)), np.zeros((0, KNOTS - 1)), 0.0)
