"""Calibrate a catalogue: what many catalogues taught, moved a little by its own photos.

Its scored queries (`catalog.recognition.scored_queries`) move the model, choose from which
confidence on a thing is named, and tell what to expect.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from catalog.core.vectors import Vectors
from catalog.recognition.bursts import unlike_of
from catalog.recognition.calibration import Calibration, ModelEntry, OutcomeShares, outcome
from catalog.recognition.candidates import BY_VECTOR, FEATURES, UNREAD, MatchFeatures
from catalog.recognition.confidence import ConfidenceModel, LabelledFeatures, refit
from catalog.recognition.cross_fitting import PhotoVectors
from catalog.recognition.decision import AMBIGUITY_RATIO
from catalog.recognition.prior import FOREIGN_SHARE, prior, usual
from catalog.recognition.rejection import FALSE_ACCEPT_RATE, rejection_threshold
from catalog.recognition.scored_queries import (
    DISTRACTOR,
    HELD_OUT,
    IN_CATALOGUE,
    KINDS,
    CalibrationQuery,
    ScoredQuery,
    score,
)

INLIERS = FEATURES.index("inliers")
# To the prior's candidate weights, and to its rest; see `training.confidence.choices`.
LOYALTY = (1.0, 400.0)
PRINTED = 0.02  # share of own queries that local features must recognise to be stored
RECOGNISED = 0.8  # feature of 16 inliers, twice as many as chance gives


@dataclass(frozen=True)
class CalibrationResult:
    """A calibration, the WCCN transform (d, d), and whether local features are worth storing."""

    calibration: Calibration
    transform: Vectors | None
    local_features_help: bool


def calibrate(
    photos: PhotoVectors,
    photo_queries: Sequence[CalibrationQuery],
    distractors: Sequence[Sequence[CalibrationQuery]],
    progress: Callable[[int, int], None] = lambda done, total: None,
    false_accept_rate: float = FALSE_ACCEPT_RATE,
) -> CalibrationResult:
    """Learn the calibration of a catalogue.

    Args:
        photos: The catalogue's photos.
        photo_queries: Queries made of its photos; each is scored twice, with its burst and with
            its whole item excluded.
        distractors: Queries at things that are not in the catalogue, in groups, one at least; the
            first tells how similar the network finds unlike things.
        progress: Called with the number of queries scored, and of how many.
        false_accept_rate: See `rejection.rejection_threshold`.
    """
    scored = score(photos, photo_queries, distractors, progress)
    queries = scored.queries
    printed = photos.store is not None and are_printed(queries)
    if not printed:
        queries = [replace(query, features=unread(query.features)) for query in queries]
    counts = np.bincount(photos.owners)
    single = bool(np.median(counts) < 2)
    model = moved(prior(unlike_of(scored.burst_similarity), single=single), queries)
    threshold = rejection_threshold(queries, model, len(counts), false_accept_rate)
    found = {kind: answers(queries, kind, model) for kind in KINDS}
    expected = {
        kind: outcome_shares(of_kind, threshold) for kind, of_kind in found.items() if of_kind
    }
    calibration = Calibration(
        model=ModelEntry.of(model),
        foreign_share=FOREIGN_SHARE,
        unknown_below=threshold,
        alone_from=AMBIGUITY_RATIO,
        one_go=scored.burst_similarity,
        own=_tempered(expected[IN_CATALOGUE], threshold, single=single),
        uncertainty=usual(single=single).uncertainty,
        relatives=expected.get(HELD_OUT),
        shipped=expected[DISTRACTOR],
    )
    return CalibrationResult(calibration, scored.scorer.transform, printed)


def moved(
    start: ConfidenceModel,
    queries: Sequence[ScoredQuery],
    loyalty: tuple[float, float] = LOYALTY,
) -> ConfidenceModel:
    """Return a model moved by those of a catalogue's own queries that teach.

    Args:
        start: The model to start with.
        queries: The catalogue's scored queries.
        loyalty: How near the candidate weights and the rest stay to it; see `confidence.refit`.
    """
    labelled = _label(queries)
    found = sum(case.right is not None for case in labelled)
    if found in (0, len(labelled)):  # nothing to tell apart
        return start
    return refit(start, labelled, *loyalty)


def are_printed(scored: Sequence[ScoredQuery]) -> bool:
    """Return whether local features recognise enough of the catalogue's own queries."""
    own = [query for query in scored if query.kind == IN_CATALOGUE]
    recognised = sum(
        query.right is not None and query.features.values[query.right, INLIERS] >= RECOGNISED
        for query in own
    )
    return bool(recognised >= PRINTED * len(own))


def _label(scored: Sequence[ScoredQuery]) -> list[LabelledFeatures]:
    """Label the photos that may teach.

    They weigh as if things were shown as often as the prior says, and as much as there are
    photos.
    """
    shares = {IN_CATALOGUE: 1 - FOREIGN_SHARE, HELD_OUT: FOREIGN_SHARE}
    teaching = [query for query in scored if query.teaches]
    counts = {kind: sum(query.kind == kind for query in teaching) for kind in shares}
    return [
        LabelledFeatures(
            query.features,
            query.right,
            counts[IN_CATALOGUE] * shares[query.kind] / counts[query.kind],
        )
        for query in teaching
    ]


def unread(features: MatchFeatures) -> MatchFeatures:
    """Return match features as if no local features had been read."""
    found = slice(0, BY_VECTOR)  # those that the votes brought come last
    values = features.values[found].copy()
    values[:, -len(UNREAD) :] = UNREAD
    items, photos = features.items[found], features.photos[found]
    return MatchFeatures(items, photos, features.cosines[found], values)


@dataclass(frozen=True)
class Answer:
    """What is found for a query: confidences, descending, their candidates, and the right one."""

    confidences: list[float]
    candidates: list[int]
    right: int | None


def answers(queries: Sequence[ScoredQuery], kind: str, model: ConfidenceModel) -> list[Answer]:
    """Answer the queries of one kind."""
    found = []
    for query in queries:
        if query.kind == kind:
            confidences = model.confidences(query.features)
            order = np.argsort(-confidences, kind="stable")
            found.append(Answer(confidences[order].tolist(), order.tolist(), query.right))
    return found


def outcome_shares(answers: Sequence[Answer], threshold: float) -> OutcomeShares:
    """Return the shares of what becomes of answers, one at least, with a rejection threshold."""
    counts = Counter(
        outcome(answer.confidences, answer.candidates, answer.right, threshold)
        for answer in answers
    )
    names = OutcomeShares.model_fields
    return OutcomeShares(**{name: round(counts[name] / len(answers), 4) for name in names})


def _tempered(own: OutcomeShares, threshold: float, *, single: bool) -> OutcomeShares:
    """Mix what a catalogue's own photos promise with what came true for other catalogues.

    Looks at a thing differ from its photos, and more than an only photo can tell.
    """
    known = usual(single=single)
    elsewhere, share = known.at(threshold), known.own_share
    return OutcomeShares(
        **{
            name: round(share * value + (1 - share) * elsewhere[name], 4)
            for name, value in own.model_dump().items()
        }
    )
