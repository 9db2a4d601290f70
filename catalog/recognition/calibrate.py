"""Learn a catalogue's calibration from its own photos and from distractors.

Three kinds of queries are scored. In-catalogue: photos of the catalogue, with their burst
excluded; an item's only photo stays in and is augmented as a camera might see it. Held-out: the
same photos with their whole item excluded, which makes them near out-of-distribution. Distractors:
drawn things, hands, clutter and empty counters, and photos of things of many kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from catalog.core.vectors import Rows, Vectors, normalised
from catalog.recognition.bursts import assign_folds, burst_masks, burst_similarity
from catalog.recognition.calibration import (
    Calibration,
    CandidateWeights,
    InCatalogueWeights,
    OutcomeShares,
    outcome,
)
from catalog.recognition.candidates import FEATURES, MatchFeatures, QueryDescriptors
from catalog.recognition.confidence import (
    IN_CATALOGUE_FEATURES,
    ConfidenceModel,
    LabelledFeatures,
    fit,
)
from catalog.recognition.cross_fitting import FittedScorer, PhotoVectors
from catalog.recognition.decision import AMBIGUITY_RATIO, MOST_NAMED
from catalog.recognition.descriptors import Descriptors

PHOTO_QUERIES = 480
SEED = 4713
VERSION = 6  # raise it when the calibration queries or the drawn distractors change
FOLDS = 4  # of photos, and of items
FEWEST_ITEMS = 3  # with fewer, nothing is left to compare when one item is held out
DISTRACTOR_WEIGHT = 0.1  # beside in-catalogue and held-out queries, which weigh 1 each
LEAST_THRESHOLD = 0.5  # below it, none of the items is the likeliest answer
FALSE_ACCEPT_RATE = 0.01  # share of the distractors that may be named
LOCAL_FEATURES_GAIN = 0.01  # nats a query by which local features must help to be stored

IN_CATALOGUE, HELD_OUT, DISTRACTOR = KINDS = ("in-catalogue", "held-out", "distractor")


@dataclass(frozen=True)
class CalibrationQuery:
    """A picture to learn from.

    Attributes:
        vector: Its embedding (d,).
        descriptors: Its colours and local features.
        photo: The number of the photo it was made of; None for a distractor.
        raw: The network's own vector (k,), of length 1, where embeddings are projected.
    """

    vector: Vectors
    descriptors: Descriptors
    photo: int | None = None
    raw: Vectors | None = None


@dataclass(frozen=True)
class CalibrationResult:
    """A calibration, the WCCN transform (d, d), and whether local features are worth storing."""

    calibration: Calibration
    transform: Vectors | None
    local_features_help: bool


@dataclass(frozen=True)
class _Scored:
    """The match features of one query, and the truth about it.

    Attributes:
        kind: One of `KINDS`.
        features: The match features.
        item: The number of the right item; None where it is not in the catalogue.
        group: The group of a distractor.
        has_local_features: Whether local features were extracted from the query.
    """

    kind: str
    features: MatchFeatures
    item: int | None
    group: int = 0
    has_local_features: bool = True

    @property
    def right(self) -> int | None:
        """The place of the right item among the candidates, or None."""
        at = np.flatnonzero(self.features.items == self.item)
        return int(at[0]) if self.item is not None and len(at) else None


@dataclass(frozen=True)
class _PhotoQuery:
    """A query made of a photo of the catalogue; its inliers are counted once for both kinds."""

    query: CalibrationQuery
    descriptors: QueryDescriptors
    photo: int

    def vector(self, fitted: FittedScorer) -> Vectors:
        """Return the embedding (d,) that is compared with the fitted scorer's vectors."""
        if fitted.projection is None:
            return self.query.vector
        assert self.query.raw is not None
        return np.asarray(normalised(self.query.raw[None] @ fitted.projection)[0])


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
        false_accept_rate: Share of each group of distractors that may be named. Above
            `FALSE_ACCEPT_RATE`, things are named even where none of the items is likelier.
    """
    has_several = np.bincount(photos.owners) > 1
    # By unprojected vectors: a projection fits the photos, and distractors would look too alike.
    unlike = [query.vector if query.raw is None else query.raw for query in distractors[0]]
    similarity = burst_similarity(np.array(unlike))
    kinds = KINDS[:2] if len(has_several) >= FEWEST_ITEMS else KINDS[:1]
    total = len(kinds) * len(photo_queries) + sum(map(len, distractors))
    scored: list[_Scored] = []

    def add(results: Iterator[_Scored]) -> None:
        for result in results:
            scored.append(result)
            progress(len(scored), total)

    queries = [_photo_query(query) for query in photo_queries]
    every_fold_has_transform = True
    for kind in kinds:
        folds = _folds(kind, photos, similarity)
        for fold in range(FOLDS):
            in_fold = [query for query in queries if max(0, folds[query.photo]) == fold]
            if in_fold:
                fitted = photos.fit_on(folds != fold)
                every_fold_has_transform &= fitted.scorer.transform is not None
                add(_score_photo_queries(kind, in_fold, fitted, photos, similarity))
                del fitted  # two at a time take much memory
    # The transform is used only if every fold had photos enough to fit and test one.
    final = photos.fit_on(np.full(len(photos.owners), every_fold_has_transform))
    add(_score_distractors(distractors, final))
    mostly_several = bool(has_several.mean() > 0.5)
    labelled = _label(scored, photos, use_colour=mostly_several)
    model, local_features_help = _fit_model(labelled, photos)
    # Augmented copies alone do not tell which answer is likelier; a higher rate asks for more.
    strict = mostly_several and false_accept_rate <= FALSE_ACCEPT_RATE
    least = LEAST_THRESHOLD if strict else 0.0
    threshold = _rejection_threshold(scored, model, false_accept_rate, least)
    calibration = _calibration(scored, model, threshold, similarity)
    return CalibrationResult(calibration, final.scorer.transform, local_features_help)


def _photo_query(query: CalibrationQuery) -> _PhotoQuery:
    assert query.photo is not None
    return _PhotoQuery(query, QueryDescriptors(query.descriptors), query.photo)


def _folds(kind: str, photos: PhotoVectors, similarity: float) -> Rows:
    """Assign photos to folds: whole items for held-out queries, else whole bursts."""
    if kind == HELD_OUT:
        return photos.owners % FOLDS
    return assign_folds(photos.vectors, photos.owners, FOLDS, similarity)


def _score_photo_queries(
    kind: str,
    queries: Sequence[_PhotoQuery],
    fitted: FittedScorer,
    photos: PhotoVectors,
    similarity: float,
) -> Iterator[_Scored]:
    """Score queries made of photos with a scorer that was fitted without them."""
    scorer = fitted.scorer
    for query in queries:
        item = int(photos.owners[query.photo])
        excluded = unread = None
        if kind == HELD_OUT:
            excluded = photos.owners == item
        elif len(rows := scorer.rows(item)) > 1:
            excluded, unread = burst_masks(photos.vectors, rows, query.photo, similarity)
        features = scorer.score(query.vector(fitted), query.descriptors, excluded, unread)
        yield _Scored(kind, features, item if kind == IN_CATALOGUE else None)


def _score_distractors(
    distractors: Sequence[Sequence[CalibrationQuery]], fitted: FittedScorer
) -> Iterator[_Scored]:
    for group, queries in enumerate(distractors):
        for query in queries:
            descriptors = QueryDescriptors(query.descriptors)
            features = fitted.scorer.score(query.vector, descriptors)
            has_local_features = descriptors.local_features is not None
            yield _Scored(DISTRACTOR, features, None, group, has_local_features)


def _label(
    scored: Sequence[_Scored], photos: PhotoVectors, *, use_colour: bool
) -> list[LabelledFeatures]:
    """Label the scored queries and weigh the kinds.

    Without colour where most items have one photo: the copy's colours are the photo's own and do
    not tell how the thing's colours differ from picture to picture.
    """
    # A query without local features tells nothing about them.
    usable = [query for query in scored if query.has_local_features or photos.store is None]
    counts = {kind: sum(query.kind == kind for query in usable) for kind in KINDS}
    weights = dict.fromkeys(KINDS, 1.0)
    weights[DISTRACTOR] = DISTRACTOR_WEIGHT if counts[HELD_OUT] else 1.0
    labelled = [
        LabelledFeatures(query.features, query.right, weights[query.kind] / counts[query.kind])
        for query in usable
    ]
    return labelled if use_colour else [_without(case, "colour") for case in labelled]


def _fit_model(
    labelled: Sequence[LabelledFeatures], photos: PhotoVectors
) -> tuple[ConfidenceModel, bool]:
    """Fit the confidence model, and tell whether local features gain enough to be stored."""
    model = fit(labelled)
    if photos.store is None:
        return model, False
    plain = fit([_without(case, "inliers", "votes") for case in labelled])
    gain = _log_likelihood(labelled, model) - _log_likelihood(labelled, plain)
    return (model, True) if gain >= LOCAL_FEATURES_GAIN else (plain, False)


def _without(case: LabelledFeatures, *names: str) -> LabelledFeatures:
    """Blank match features, so that the fit gives them no weight."""
    features = case.features
    values = features.values.copy()
    values[:, [FEATURES.index(name) for name in names]] = 0
    colour = features.colour * ("colour" not in names)
    return replace(case, features=replace(features, values=values, colour=colour))


def _log_likelihood(labelled: Sequence[LabelledFeatures], model: ConfidenceModel) -> float:
    """Return the mean logarithm of the probability that the model gave to the truth."""
    total = 0.0
    for case in labelled:
        confidences = model.confidences(case.features)
        chance = 1 - confidences.sum() if case.right is None else confidences[case.right]
        total += case.weight * float(np.log(max(float(chance), 1e-9)))
    return total / sum(case.weight for case in labelled)


def _descending(model: ConfidenceModel, query: _Scored) -> NDArray[np.float64]:
    return np.sort(model.confidences(query.features))[::-1]


def _rejection_threshold(
    scored: Sequence[_Scored], model: ConfidenceModel, false_accept_rate: float, least: float
) -> float:
    """Return the lowest threshold that keeps the rate in each group; not below `least`."""
    groups: dict[int, list[float]] = {}
    for query in scored:
        if query.kind == DISTRACTOR:
            named = float(_descending(model, query)[:MOST_NAMED].sum())
            groups.setdefault(query.group, []).append(named)
    thresholds = [least]
    for confidences in groups.values():
        accepted = int(false_accept_rate * len(confidences))
        thresholds += [
            named + 1e-4 for named in sorted(confidences, reverse=True)[accepted : accepted + 1]
        ]
    return round(min(max(thresholds), 1.0), 4)


def _calibration(
    scored: Sequence[_Scored], model: ConfidenceModel, threshold: float, similarity: float
) -> Calibration:
    expected = {kind: _expected(scored, kind, model, threshold) for kind in KINDS}
    in_catalogue, distractors = expected[IN_CATALOGUE], expected[DISTRACTOR]
    assert in_catalogue is not None
    assert distractors is not None
    candidate = dict(zip(FEATURES, model.candidate, strict=True))
    weights = dict(zip(IN_CATALOGUE_FEATURES, model.in_catalogue, strict=True))
    return Calibration(
        measures=CandidateWeights.model_validate(candidate, by_name=True, by_alias=False),
        held=InCatalogueWeights.model_validate(weights, by_name=True, by_alias=False),
        none=model.rejection_bias,
        unknown_below=threshold,
        alone_from=AMBIGUITY_RATIO,
        one_go=similarity,
        own=in_catalogue,
        relatives=expected[HELD_OUT],
        shipped=distractors,
    )


def _expected(
    scored: Sequence[_Scored], kind: str, model: ConfidenceModel, threshold: float
) -> OutcomeShares | None:
    """Return the shares of outcomes of one kind of queries; None where there are none."""
    outcomes = []
    for query in scored:
        if query.kind == kind:
            confidences = model.confidences(query.features)
            order = np.argsort(-confidences, kind="stable").tolist()
            descending = list(np.sort(confidences)[::-1])
            outcomes.append(outcome(descending, order, query.right, threshold))
    if not outcomes:
        return None
    shares = {
        name: round(outcomes.count(name) / len(outcomes), 4) for name in OutcomeShares.model_fields
    }
    return OutcomeShares(**shares)
