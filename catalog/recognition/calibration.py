"""The calibration of a bundle: the confidence model, thresholds, and what to expect of its answers.

The keys of ``manifest.json`` are given as aliases.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from catalog.recognition.bursts import MOST_ALIKE, unlike_of
from catalog.recognition.candidates import FEATURES
from catalog.recognition.confidence import IN_CATALOGUE_FEATURES, KNOTS, ConfidenceModel
from catalog.recognition.decision import (
    AMBIGUITY_RATIO,
    REJECTION_THRESHOLD,
    Verdict,
    decide,
)
from catalog.recognition.prior import FOREIGN_SHARE, prior, usual

FORMAT_1 = {"measures", "held", "none"}  # keys of a calibration in a bundle of format 1

Probability = Annotated[float, Field(ge=0, le=1)]
Similarity = Annotated[float, Field(ge=-1, le=1)]
Weight = Annotated[float, Field(ge=0, le=1000)]
LEAST_STEP = 1e-4  # between two knots


class _Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, serialize_by_alias=True
    )


class OutcomeShares(_Strict):
    """Shares of answers: right, the right item among a few, among the guesses, unknown, wrong.

    Guesses without the right item count as unknown, because they claim nothing. For things that
    are not in the catalogue `right` and `perhaps` are 0, because no item is right.
    """

    right: Probability
    one_of: Probability
    perhaps: Probability = 0.0
    unknown: Probability
    wrong: Probability


class CandidateWeights(_Strict):
    """A weight for each of `candidates.FEATURES`."""

    cosine: Weight
    top_mean: Weight
    wccn: Weight
    colour: Weight
    inliers: Weight
    votes: Weight


class FeatureGains(_Strict):
    """The function of one in-catalogue feature; see `confidence.ConfidenceModel`."""

    knots: tuple[Annotated[float, Field(ge=-100, le=100)], ...]
    gains: tuple[Weight, ...]

    @model_validator(mode="after")
    def _fit_each_other(self) -> FeatureGains:
        if len(self.knots) != KNOTS or len(self.gains) != KNOTS - 1:
            raise ValueError(f"{KNOTS} knots and {KNOTS - 1} gains are wanted")
        if any(after - before < LEAST_STEP for before, after in pairwise(self.knots)):
            raise ValueError("the knots do not ascend")
        return self


class ModelEntry(_Strict):
    """The numbers of a `confidence.ConfidenceModel`."""

    unlike: float = Field(ge=-1, le=MOST_ALIKE)
    candidate: CandidateWeights
    in_catalogue: dict[str, FeatureGains]
    bias: float = Field(ge=-100, le=100)

    @field_validator("in_catalogue")
    @classmethod
    def _names_each_feature(cls, rows: dict[str, FeatureGains]) -> dict[str, FeatureGains]:
        if set(rows) != set(IN_CATALOGUE_FEATURES):
            raise ValueError(f"wanted are {', '.join(IN_CATALOGUE_FEATURES)}")
        return rows

    @classmethod
    def of(cls, model: ConfidenceModel) -> Self:
        """Return the numbers of a model."""
        rows = zip(IN_CATALOGUE_FEATURES, model.knots, model.gains, strict=True)
        return cls(
            unlike=model.unlike,
            candidate=CandidateWeights(**dict(zip(FEATURES, model.candidate, strict=True))),
            in_catalogue={
                name: FeatureGains(knots=tuple(knots), gains=tuple(gains))
                for name, knots, gains in rows
            },
            bias=model.bias,
        )

    def model(self) -> ConfidenceModel:
        """Return the model with these numbers."""
        rows = [self.in_catalogue[name] for name in IN_CATALOGUE_FEATURES]
        return ConfidenceModel(
            self.unlike,
            np.array([getattr(self.candidate, name) for name in FEATURES]),
            np.array([row.knots for row in rows]),
            np.array([row.gains for row in rows]),
            self.bias,
        )


class Calibration(_Strict):
    """What a build knows about its own answers.

    Attributes:
        entry: The confidence model.
        foreign_share: The share of looks at foreign things for which the confidence holds.
        rejection_threshold: The probability that it is any of the items to be named, below which
            the items are guesses at most.
        ambiguity_ratio: Share of that probability from which the first item is named alone.
        burst_similarity: The mean similarity from which photos of one item are one burst.
        expected_in_catalogue: Outcomes to expect for things of the catalogue.
        expected_held_out: Outcomes to expect for things like its items that it does not hold.
        expected_distractors: Outcomes to expect for other things, hands and empty counters.
        uncertainty: By how much the share of right answers may differ from what is expected, in
            nine of ten catalogues.
    """

    entry: ModelEntry = Field(alias="model")
    foreign_share: float = Field(default=FOREIGN_SHARE, gt=0, lt=1)
    rejection_threshold: Probability = Field(alias="unknown_below")
    ambiguity_ratio: Probability = Field(alias="alone_from")
    burst_similarity: Similarity = Field(alias="one_go")
    expected_in_catalogue: OutcomeShares = Field(alias="own")
    expected_held_out: OutcomeShares | None = Field(alias="relatives")
    expected_distractors: OutcomeShares = Field(alias="shipped")
    uncertainty: Probability = Field(default_factory=lambda: usual(single=True).uncertainty)

    @model_validator(mode="before")
    @classmethod
    def _of_format_1(cls, content: object) -> object:
        """Give a bundle of format 1, which learned from its own photos alone, the prior.

        What it expected does not hold for this model; what is usual does.
        """
        if not isinstance(content, dict) or not content.keys() >= FORMAT_1:
            return content
        kept = {name: value for name, value in content.items() if name not in FORMAT_1}
        try:
            unlike, threshold = unlike_of(float(content["one_go"])), float(content["unknown_below"])
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"of format 1, and damaged: {error}") from error
        threshold = max(threshold, REJECTION_THRESHOLD)
        return kept | {
            "model": ModelEntry.of(prior(unlike)),
            "unknown_below": threshold,
            "own": usual(single=True).at(threshold),
            "relatives": None,
        }

    @cached_property
    def model(self) -> ConfidenceModel:
        """The confidence model."""
        return self.entry.model()


def outcome(
    confidences: Sequence[float],
    found: Sequence[object],
    right: object,
    rejection_threshold: float,
    ambiguity_ratio: float = AMBIGUITY_RATIO,
) -> str:
    """Return what became of a query: the name of a field of `OutcomeShares`.

    "One of" is right where the right item is among those named. For a thing that is not in the
    catalogue (`right` is None) it counts as itself, because a person is asked to choose.
    """
    verdict, named = decide(confidences, rejection_threshold, ambiguity_ratio)
    if verdict is Verdict.PERHAPS:
        return "perhaps" if right is not None and right in found[:named] else "unknown"
    if verdict is Verdict.UNKNOWN:
        return "unknown"
    if verdict is Verdict.ONE_OF:
        return "one_of" if right is None or right in found[:named] else "wrong"
    return "right" if right is not None and found[0] == right else "wrong"
