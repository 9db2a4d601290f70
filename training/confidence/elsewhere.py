"""Build catalogues with a confidence model that their source did not teach, and see what comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from catalog.core.errors import ContentError
from catalog.recognition.bursts import unlike_of
from catalog.recognition.calibrate import (
    Answer,
    answers,
    are_printed,
    moved,
    outcome_shares,
    unread,
)
from catalog.recognition.confidence import ConfidenceModel, Numbers
from catalog.recognition.prior import OUTCOMES, Prior, Usual
from catalog.recognition.rejection import FALSE_ACCEPT_RATE, rejection_threshold
from catalog.recognition.scored_queries import IN_CATALOGUE, ScoredQuery
from training.confidence.fit import fit
from training.confidence.looks import OWN, Catalogue

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.999)
OWN_SHARES = np.linspace(0, 1, 21)
MOST = 0.9  # of the catalogues, whose difference the uncertainty covers


@dataclass(frozen=True)
class Built:
    """A catalogue as it would be built where its source had not taught.

    Attributes:
        catalogue: The catalogue.
        start: The model that was taught without its source.
        model: Its own model, moved from there.
        threshold: Its rejection threshold.
        queries: Its own queries, as its device would see them.
        looks: Its looks, as its device would see them.
    """

    catalogue: Catalogue
    start: ConfidenceModel
    model: ConfidenceModel
    threshold: float
    queries: tuple[ScoredQuery, ...]
    looks: tuple[ScoredQuery, ...]

    @property
    def single(self) -> bool:
        """Whether its items have one photo each."""
        return self.catalogue.photos == 1


def built(catalogues: Sequence[Catalogue]) -> list[Built]:
    """Build every catalogue with a model that was taught without its source."""
    found = []
    for source in sorted({catalogue.source for catalogue in catalogues}):
        start = fit([catalogue for catalogue in catalogues if catalogue.source != source])
        found += [build(own, start) for own in catalogues if own.source == source]
    return found


def build(catalogue: Catalogue, start: Prior) -> Built:
    """Build a catalogue with what it starts from, as `catalog.recognition.calibrate` does."""
    queries, looks = catalogue.queries, catalogue.looks
    if not are_printed(queries):
        queries, looks = (
            tuple(replace(query, features=unread(query.features)) for query in some)
            for some in (queries, looks)
        )
    single = catalogue.photos == 1
    begin = start.model(unlike_of(catalogue.similarity), single=single)
    model = moved(begin, queries)
    threshold = rejection_threshold(queries, model, catalogue.items, FALSE_ACCEPT_RATE)
    return Built(catalogue, begin, model, threshold, queries, looks)


def usual(catalogues: Sequence[Built], *, single: bool) -> Usual:
    """Return what is usual of the catalogues with one photo an item, or of the others.

    Raises:
        ContentError: There are no such catalogues.
    """
    chosen = [one for one in catalogues if one.single == single]
    if not chosen:
        raise ContentError("no catalogues are left that tell what is usual of this kind")
    came = [answers(one.looks, OWN, one.model) for one in chosen]
    own = [answers(one.queries, IN_CATALOGUE, one.model) for one in chosen]
    at_each = [[_shares(found, threshold) for found in came] for threshold in THRESHOLDS]
    of_all = Usual(np.array(THRESHOLDS), np.mean(at_each, axis=1).round(4), 0.0, 0.0)
    thresholds = [one.threshold for one in chosen]
    truth, promised = (
        np.array([_shares(each, at) for each, at in zip(found, thresholds, strict=True)])
        for found in (came, own)
    )
    elsewhere = np.array([list(of_all.at(threshold).values()) for threshold in thresholds])
    differences = [
        np.abs(share * promised + (1 - share) * elsewhere - truth) for share in OWN_SHARES
    ]
    best = int(np.argmin([difference.mean() for difference in differences]))
    right = differences[best][:, OUTCOMES.index("right")]
    return replace(
        of_all,
        own_share=round(float(OWN_SHARES[best]), 2),
        uncertainty=round(float(np.quantile(right, MOST)), 2),
    )


def _shares(found: Sequence[Answer], threshold: float) -> Numbers:
    shares = outcome_shares(found, threshold)
    return np.array([getattr(shares, name) for name in OUTCOMES])
