"""Calibrate a catalogue: what many catalogues taught, moved a little by its own photos.

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
from catalog.recognition.bursts import assign_folds, burst_masks, burst_similarity, unlike_of
from catalog.recognition.calibration import Calibration, ModelEntry, OutcomeShares, outcome
from catalog.recognition.candidates import (
    BY_VECTOR,
    FEATURES,
    UNREAD,
    MatchFeatures,
    QueryDescriptors,
)
from catalog.recognition.confidence import ConfidenceModel, LabelledFeatures, refit
from catalog.recognition.cross_fitting import FittedScorer, PhotoVectors
from catalog.recognition.decision import AMBIGUITY_RATIO, MOST_NAMED, REJECTION_THRESHOLD
from catalog.recognition.descriptors import Descriptors
from catalog.recognition.prior import FOREIGN_SHARE, UNCERTAINTY, prior, usual_outcomes

PHOTO_QUERIES = 480
SEED = 4713
VERSION = 6  # raise it when the calibration queries or the drawn distractors change
INLIERS = FEATURES.index("inliers")
FOLDS = 4  # of photos, and of items
FEWEST_ITEMS = 3  # with fewer, nothing is left to compare when one item is held out
CANDIDATE_LOYALTY, LOYALTY = 1.0, 400.0  # to the prior; chosen with whole data sources left out
OWN_SHARE = {False: 0.7, True: 0.15}  # of what is expected, by whether most items have one photo
FALSE_ACCEPT_RATE = 0.01  # share of the distractors that may be named
PHOTOS_RATE = (
    5  # times as many of the other groups, which hold kinds of things that catalogues hold
)
PRINTED = 0.02  # share of own queries that local features must recognise to be stored
RECOGNISED = 0.8  # feature of 16 inliers, twice as many as chance gives

IN_CATALOGUE, HELD_OUT, DISTRACTOR = KINDS = ("in-catalogue", "held-out", "distractor")


@dataclass(frozen=True)
class CalibrationQuery:
    """A picture to learn from.

    Attributes:
        vector: Its embedding (d,).
        descriptors: Its colours and local features.
        photo: The number of the photo it was made of; None for a distractor.
        augmented: Whether the photo was changed; then it teaches nothing.
        raw: The network's own vector (k,), of length 1, where embeddings are projected.
    """

    vector: Vectors
    descriptors: Descriptors
    photo: int | None = None
    raw: Vectors | None = None
    augmented: bool = False


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
        teaches: Whether it is a photo of the catalogue as it was taken.
    """

    kind: str
    features: MatchFeatures
    item: int | None
    group: int = 0
    teaches: bool = False

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
        false_accept_rate: Share of the first group of distractors that may be named, and a fifth
            of the share of the others. Above
            `FALSE_ACCEPT_RATE`, things are named even where a wrong name would cost more.
    """
    # By unprojected vectors: a projection fits the photos, and distractors would look too alike.
    unlike = [query.vector if query.raw is None else query.raw for query in distractors[0]]
    similarity = burst_similarity(np.array(unlike))
    kinds = KINDS[:2] if len(np.unique(photos.owners)) >= FEWEST_ITEMS else KINDS[:1]
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
    local_features_help = photos.store is not None and _are_printed(scored)
    if not local_features_help:
        scored = [replace(query, features=_unread(query.features)) for query in scored]
    single = bool(np.median(np.bincount(photos.owners)) < 2)
    model = _taught(_start(unlike_of(similarity), single=single), _label(scored))
    least = REJECTION_THRESHOLD if false_accept_rate <= FALSE_ACCEPT_RATE else 0.0
    threshold = _rejection_threshold(scored, model, false_accept_rate, least)
    calibration = _calibration(scored, model, threshold, similarity, single=single)
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
        right = item if kind == IN_CATALOGUE else None
        yield _Scored(kind, features, right, teaches=not query.query.augmented)


def _score_distractors(
    distractors: Sequence[Sequence[CalibrationQuery]], fitted: FittedScorer
) -> Iterator[_Scored]:
    for group, queries in enumerate(distractors):
        for query in queries:
            descriptors = QueryDescriptors(query.descriptors)
            features = fitted.scorer.score(query.vector, descriptors)
            yield _Scored(DISTRACTOR, features, None, group)


def _start(unlike: float, *, single: bool) -> ConfidenceModel:
    """Return the model that the catalogue's own photos move.

    Where most items have one photo, colours do not tell candidates apart: those of an only
    picture differ more from the thing's on a shelf than two things' colours do.
    """
    model = prior(unlike)
    if not single:
        return model
    candidate = model.candidate.copy()
    candidate[FEATURES.index("colour")] = 0
    return replace(model, candidate=candidate)


def _are_printed(scored: Sequence[_Scored]) -> bool:
    """Return whether local features recognise enough of the catalogue's own queries."""
    own = [query for query in scored if query.kind == IN_CATALOGUE]
    recognised = sum(
        query.right is not None and query.features.values[query.right, INLIERS] >= RECOGNISED
        for query in own
    )
    return bool(recognised >= PRINTED * len(own))


def _label(scored: Sequence[_Scored]) -> list[LabelledFeatures]:
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


def _taught(model: ConfidenceModel, labelled: Sequence[LabelledFeatures]) -> ConfidenceModel:
    """Return a model moved by a catalogue's own photos."""
    found = sum(case.right is not None for case in labelled)
    if found in (0, len(labelled)):  # nothing to tell apart
        return model
    return refit(model, labelled, CANDIDATE_LOYALTY, LOYALTY)


def _unread(features: MatchFeatures) -> MatchFeatures:
    """Return match features as if no local features had been read."""
    found = slice(0, BY_VECTOR)  # those that the votes brought come last
    values = features.values[found].copy()
    values[:, -len(UNREAD) :] = UNREAD
    items, photos = features.items[found], features.photos[found]
    return MatchFeatures(items, photos, features.cosines[found], values)


def _descending(model: ConfidenceModel, query: _Scored) -> NDArray[np.float64]:
    return np.sort(model.confidences(query.features))[::-1]


def _rejection_threshold(
    scored: Sequence[_Scored], model: ConfidenceModel, false_accept_rate: float, least: float
) -> float:
    """Return the lowest threshold that keeps the rate in each group; not below `least`.

    The first group has no thing that a catalogue might hold; of the others, more may be named.
    """
    groups: dict[int, list[float]] = {}
    for query in scored:
        if query.kind == DISTRACTOR:
            named = float(_descending(model, query)[:MOST_NAMED].sum())
            groups.setdefault(query.group, []).append(named)
    thresholds = [least]
    for group, confidences in groups.items():
        rate = false_accept_rate * (PHOTOS_RATE if group else 1)
        accepted = min(int(rate * len(confidences)), len(confidences) - 1)
        thresholds += [
            named + 1e-4 for named in sorted(confidences, reverse=True)[accepted : accepted + 1]
        ]
    return round(min(max(thresholds), 1.0), 4)


def _calibration(
    scored: Sequence[_Scored],
    model: ConfidenceModel,
    threshold: float,
    similarity: float,
    *,
    single: bool,
) -> Calibration:
    expected = {kind: _expected(scored, kind, model, threshold) for kind in KINDS}
    in_catalogue, distractors = expected[IN_CATALOGUE], expected[DISTRACTOR]
    assert in_catalogue is not None
    assert distractors is not None
    return Calibration(
        model=ModelEntry.of(model),
        foreign_share=FOREIGN_SHARE,
        unknown_below=threshold,
        alone_from=AMBIGUITY_RATIO,
        one_go=similarity,
        own=_tempered(in_catalogue, single=single),
        uncertainty=UNCERTAINTY[single],
        relatives=expected[HELD_OUT],
        shipped=distractors,
    )


def _tempered(own: OutcomeShares, *, single: bool) -> OutcomeShares:
    """Mix what a catalogue's own photos promise with what came true for other catalogues.

    Looks at a thing differ from its photos, and more than an only photo can tell.
    """
    usual, share = usual_outcomes(single=single), OWN_SHARE[single]
    return OutcomeShares(
        **{
            name: round(share * value + (1 - share) * usual[name], 4)
            for name, value in own.model_dump().items()
        }
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
