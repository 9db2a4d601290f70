"""The calibration of a bundle: fitted weights, thresholds, and what to expect of its answers.

The keys of ``manifest.json`` are those of format 1 and given as aliases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from catalog.recognition.candidates import FEATURES
from catalog.recognition.confidence import IN_CATALOGUE_FEATURES, ConfidenceModel
from catalog.recognition.decision import AMBIGUITY_RATIO, Verdict, decide

Probability = Annotated[float, Field(ge=0, le=1)]
Similarity = Annotated[float, Field(ge=-1, le=1)]


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

    cosine: float
    top_mean: float = Field(alias="several")
    wccn: float = Field(alias="distinct")
    colour: float = Field(alias="coloured")
    inliers: float = Field(alias="agreeing")
    votes: float


class InCatalogueWeights(_Strict):
    """A weight for each of `confidence.IN_CATALOGUE_FEATURES`."""

    wccn_margin: float = Field(alias="distinct")
    inliers_margin: float = Field(alias="agreeing")
    wccn: float = Field(alias="alike")
    colour: float = Field(alias="coloured")


class Calibration(_Strict):
    """What a build learned about its own answers.

    Attributes:
        candidate: What each match feature weighs for one item against the others.
        in_catalogue: What each feature weighs for the thing being in the catalogue at all.
        rejection_bias: What the in-catalogue features have to outweigh.
        rejection_threshold: The probability that it is any of the items to be named, below which
            the verdict is unknown.
        ambiguity_ratio: Share of that probability from which the first item is named alone.
        burst_similarity: The mean similarity from which photos of one item are one burst.
        expected_in_catalogue: Outcomes to expect for things of the catalogue.
        expected_held_out: Outcomes to expect for things like its items that it does not hold.
        expected_distractors: Outcomes to expect for other things, hands and empty counters.
    """

    candidate: CandidateWeights = Field(alias="measures")
    in_catalogue: InCatalogueWeights = Field(alias="held")
    rejection_bias: float = Field(alias="none")
    rejection_threshold: Probability = Field(alias="unknown_below")
    ambiguity_ratio: Probability = Field(alias="alone_from")
    burst_similarity: Similarity = Field(alias="one_go")
    expected_in_catalogue: OutcomeShares = Field(alias="own")
    expected_held_out: OutcomeShares | None = Field(alias="relatives")
    expected_distractors: OutcomeShares = Field(alias="shipped")

    @property
    def model(self) -> ConfidenceModel:
        """The confidence model with these weights."""
        return ConfidenceModel(
            tuple(getattr(self.candidate, name) for name in FEATURES),
            tuple(getattr(self.in_catalogue, name) for name in IN_CATALOGUE_FEATURES),
            self.rejection_bias,
        )


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
