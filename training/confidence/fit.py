"""Fit the confidence model to looks at many catalogues."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from catalog.recognition.calibration import OutcomeShares, outcome
from catalog.recognition.candidates import FEATURES, MatchFeatures
from catalog.recognition.confidence import (
    KNOTS,
    ConfidenceModel,
    Numbers,
    fit_candidate,
    fit_logistic,
    ramps,
    relative,
)
from catalog.recognition.decision import REJECTION_THRESHOLD
from catalog.recognition.prior import FOREIGN_SHARE
from training.confidence.looks import Catalogue, Look

# Of the looks at things that are not in the catalogue; together `FOREIGN_SHARE` of all.
NEAR, FAR, DRAWN = 0.7, 0.15, 0.15
QUANTILES = np.linspace(0.02, 0.98, KNOTS)  # of the evidence, where the knots are
CANDIDATE_PRECISION, PRECISION = 3e-3, 4e-4


def fit(catalogues: Sequence[Catalogue]) -> ConfidenceModel:
    """Fit the model; every catalogue counts, those of one source less where there are many.

    The model's `unlike` is 0: the network's own is given where it is used.
    """
    sources = Counter(catalogue.source for catalogue in catalogues)
    weights = [sources[catalogue.source] ** -0.5 for catalogue in catalogues]
    candidate = _fit_candidate(catalogues, weights)
    evidence, truth, weight = [], [], []
    for catalogue, share in zip(catalogues, weights, strict=True):
        model = _without_knots(catalogue.unlike, candidate)
        counts = Counter(look.kind for look in catalogue.looks)
        for look in catalogue.looks:
            evidence.append(model.evidence(_features(look.values))[1])
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
    return ConfidenceModel(0.0, candidate.round(4), knots, gains, round(float(found[-1]), 4))


def usual_outcomes(catalogues: Sequence[Catalogue], *, single: bool) -> dict[str, float]:
    """Return the mean outcome shares of looks at own things, by models without their source."""
    found = []
    for source in sorted({catalogue.source for catalogue in catalogues}):
        model = fit([catalogue for catalogue in catalogues if catalogue.source != source])
        for catalogue in catalogues:
            if catalogue.source == source and (catalogue.photos == 1) == single:
                outcomes = [
                    _outcome(replace(model, unlike=catalogue.unlike), look)
                    for look in catalogue.looks
                    if look.kind == "own"
                ]
                counts = Counter(outcomes)
                found.append([counts[name] / len(outcomes) for name in OutcomeShares.model_fields])
    means = np.mean(found, axis=0).round(4).tolist()
    return dict(zip(OutcomeShares.model_fields, means, strict=True))


def _outcome(model: ConfidenceModel, look: Look) -> str:
    confidences = model.confidences(_features(look.values))
    order = np.argsort(-confidences, kind="stable")
    descending = confidences[order].tolist()
    return outcome(descending, order.tolist(), look.right, REJECTION_THRESHOLD)


def _fit_candidate(catalogues: Sequence[Catalogue], weights: Sequence[float]) -> Numbers:
    labelled = []
    for catalogue, share in zip(catalogues, weights, strict=True):
        found = [look for look in catalogue.looks if look.right is not None]
        labelled += [
            (relative(look.values, catalogue.unlike), look.right, share / len(found))
            for look in found
            if look.right is not None
        ]
    total = sum(weight for *_, weight in labelled)
    normed = [(table, right, weight / total) for table, right, weight in labelled]
    return fit_candidate(normed, np.zeros(len(FEATURES)), CANDIDATE_PRECISION)


def _share(kind: str) -> float:
    if kind == "own":
        return 1 - FOREIGN_SHARE
    return FOREIGN_SHARE * {"near": NEAR, "far": FAR, "drawn": DRAWN}[kind]


def _without_knots(unlike: float, candidate: Numbers) -> ConfidenceModel:
    return ConfidenceModel(unlike, candidate, np.zeros((0, KNOTS)), np.zeros((0, KNOTS - 1)), 0.0)


def _features(values: Numbers) -> MatchFeatures:
    numbers = np.arange(len(values))
    return MatchFeatures(numbers, numbers, values[:, 0].astype(np.float32), values)
