"""Score a catalogue's calibration queries, each with models that were fitted without it.

Three kinds of queries are scored. In-catalogue: photos of the catalogue, with their burst
excluded; an item's only photo stays in and is augmented as a camera might see it. Held-out: the
same photos with their whole item excluded, which makes them near out-of-distribution. Distractors:
drawn things, hands, clutter and empty counters, and photos of things of many kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from catalog.core.vectors import Rows, Vectors, normalised
from catalog.recognition.bursts import assign_folds, burst_masks, burst_similarity
from catalog.recognition.candidates import CandidateScorer, MatchFeatures, QueryDescriptors
from catalog.recognition.cross_fitting import FittedScorer, PhotoVectors
from catalog.recognition.descriptors import Descriptors
from catalog.recognition.local_features.many_queries import Neighbours, find_neighbours
from catalog.recognition.local_features.store import LocalFeatureStore

PHOTO_QUERIES = 480
SEED = 4713
VERSION = 6  # raise it when the calibration queries or the drawn distractors change
FOLDS = 4  # of photos, and of items
FEWEST_ITEMS = 3  # with fewer, nothing is left to compare when one item is held out

IN_CATALOGUE, HELD_OUT, DISTRACTOR = KINDS = ("in-catalogue", "held-out", "distractor")


@dataclass(frozen=True)
class CalibrationQuery:
    """A picture to learn from.

    Attributes:
        vector: Its embedding (d,).
        descriptors: Its colours and local features.
        photo: The number of the photo it was made of; None for a distractor.
        augmented: Whether the photo was changed; then it teaches nothing.
        behind: The number of the photo that was put behind it, if any.
        raw: The network's own vector (k,), of length 1, where embeddings are projected.
    """

    vector: Vectors
    descriptors: Descriptors
    photo: int | None = None
    raw: Vectors | None = None
    augmented: bool = False
    behind: int | None = None


@dataclass(frozen=True)
class ScoredQuery:
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
class ScoredQueries:
    """The scored queries of a catalogue.

    Attributes:
        queries: All of them.
        scorer: The scorer that the device uses, fitted on all photos.
        burst_similarity: The mean similarity from which photos of one item are one burst.
    """

    queries: list[ScoredQuery]
    scorer: CandidateScorer
    burst_similarity: float


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


def score(
    photos: PhotoVectors,
    photo_queries: Sequence[CalibrationQuery],
    distractors: Sequence[Sequence[CalibrationQuery]],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ScoredQueries:
    """Score the calibration queries of a catalogue.

    Args:
        photos: The catalogue's photos.
        photo_queries: Queries made of its photos; each is scored twice, with its burst and with
            its whole item excluded.
        distractors: Queries at things that are not in the catalogue, in groups, one at least; the
            first tells how similar the network finds unlike things.
        progress: Called with the number of queries scored, and of how many.
    """
    # By unprojected vectors: a projection fits the photos, and distractors would look too alike.
    unlike = [query.vector if query.raw is None else query.raw for query in distractors[0]]
    similarity = burst_similarity(np.array(unlike))
    kinds = KINDS[:2] if len(np.unique(photos.owners)) >= FEWEST_ITEMS else KINDS[:1]
    total = len(kinds) * len(photo_queries) + sum(map(len, distractors))
    scored: list[ScoredQuery] = []

    def add(results: Iterator[ScoredQuery]) -> None:
        for result in results:
            scored.append(result)
            progress(len(scored), total)

    every = [*photo_queries, *(query for group in distractors for query in group)]
    descriptors = iter(_descriptors(every, photos.store))
    queries = [_photo_query(query, next(descriptors)) for query in photo_queries]
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
    add(_score_distractors(distractors, descriptors, final))
    return ScoredQueries(scored, final.scorer, similarity)


def _photo_query(query: CalibrationQuery, descriptors: QueryDescriptors) -> _PhotoQuery:
    assert query.photo is not None
    return _PhotoQuery(query, descriptors, query.photo)


def _descriptors(
    queries: Sequence[CalibrationQuery], store: LocalFeatureStore | None
) -> list[QueryDescriptors]:
    """Return the queries' descriptors, and what their local features are nearest to."""
    local = [query.descriptors.local_features for query in queries]
    found: Iterator[Neighbours] = iter(())
    if store is not None:
        found = find_neighbours(store, [features for features in local if features is not None])
    return [
        QueryDescriptors(query.descriptors, None if features is None else next(found, None))
        for query, features in zip(queries, local, strict=True)
    ]


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
) -> Iterator[ScoredQuery]:
    """Score queries made of photos with a scorer that was fitted without them."""
    scorer = fitted.scorer
    for query in queries:
        item = int(photos.owners[query.photo])
        excluded = unread = None
        if kind == HELD_OUT:
            excluded = photos.owners == item
            if (behind := query.query.behind) is not None:  # else that item would be found
                excluded |= photos.owners == photos.owners[behind]
        elif len(rows := scorer.rows(item)) > 1:
            excluded, unread = burst_masks(photos.vectors, rows, query.photo, similarity)
        features = scorer.score(query.vector(fitted), query.descriptors, excluded, unread)
        right = item if kind == IN_CATALOGUE else None
        yield ScoredQuery(kind, features, right, teaches=not query.query.augmented)


def _score_distractors(
    distractors: Sequence[Sequence[CalibrationQuery]],
    descriptors: Iterator[QueryDescriptors],
    fitted: FittedScorer,
) -> Iterator[ScoredQuery]:
    for group, queries in enumerate(distractors):
        for query in queries:
            features = fitted.scorer.score(query.vector, next(descriptors))
            yield ScoredQuery(DISTRACTOR, features, None, group)
