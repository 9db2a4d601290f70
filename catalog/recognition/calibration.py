"""How evidence becomes "how sure", and where "unknown" begins: learned at build.

Known: photos of the catalogue ask among the others; not only without themselves but without
those taken in one go with them, since such photos flatter each other. An item's only photo
stays in, and asks as a camera might see it. Relatives: the same looks ask with their whole
item left out, and so are what the catalogue does not hold but comes near to.
Shipped: foreign things, hands, clutter and empty counters, all drawn, and photos of things of
many kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from catalog.core.vectors import Vectors, normalised
from catalog.recognition.bursts import assign_folds, burst_masks, burst_similarity
from catalog.recognition.candidates import MEASURES, MatchFeatures, QueryDescriptors
from catalog.recognition.confidence import HELD, ConfidenceModel, LabelledFeatures, fit
from catalog.recognition.cross_fitting import Catalogue, FittedScorer
from catalog.recognition.decision import ALONE_FROM, Verdict, decide
from catalog.recognition.descriptors import Descriptors

FOREIGN = 120
KNOWN = 480
SEED = 4713
VERSION = (
    6  # raise it when `catalog.building.calibration_queries` or the drawn foreign things change
)
FOLDS = 4  # of photos, and of items: what those of one taught judges no look of it
FEWEST_ITEMS = 3  # with fewer, nothing is left to compare when one is left out
SHIPPED_WEIGHT = 0.1  # beside known looks and relatives, which count 1 each
LEAST = 0.5  # probability below which nothing is named: none of these is likelier
FOREIGN_NAMED = 0.01  # share of the shipped foreign things that may be named
GAIN = 0.01  # nats a look by which local features must help to be kept


Probability = Annotated[float, Field(ge=0, le=1)]
Similarity = Annotated[float, Field(ge=-1, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Shares(_Strict):
    """Of 100 looks: answered rightly, with the right one among a few, not at all, wrongly.

    For things that are not in the catalogue `right` is 0, since nothing named is right.
    """

    right: Probability
    one_of: Probability
    unknown: Probability
    wrong: Probability


class MeasureWeights(_Strict):
    """What each of `catalog.recognition.candidates.MEASURES` counts."""

    cosine: float
    several: float
    distinct: float
    coloured: float
    agreeing: float
    votes: float


class HeldWeights(_Strict):
    """What each of `catalog.recognition.confidence.HELD` counts."""

    distinct: float
    agreeing: float
    alike: float
    coloured: float


class Calibration(_Strict):
    """What was learned; probabilities.

    Attributes:
        measures: What each of `evidence.MEASURES` counts for one item against others.
        held: What those of `confidence.HELD` count for its being any item at all.
        none: What they have to outweigh.
        unknown_below: The probability that it is any of the items named, below which none is.
        alone_from: Share of it from which the first is named alone.
        one_go: Similarity from which on photos of one item passed for taken in one go.
        own: What to expect of looks at the catalogue's own things.
        relatives: Of things like them that it does not hold.
        shipped: Of the foreign things, hands and empty counters that are shipped.
    """

    measures: MeasureWeights
    held: HeldWeights
    none: float
    unknown_below: Probability
    alone_from: Probability
    one_go: Similarity
    own: Shares
    relatives: Shares | None
    shipped: Shares

    @property
    def weights(self) -> ConfidenceModel:
        """For `catalog.recognition.confidence`."""
        return ConfidenceModel(
            tuple(getattr(self.measures, name) for name in MEASURES),
            tuple(getattr(self.held, name) for name in HELD),
            self.none,
        )


@dataclass(frozen=True)
class CalibrationQuery:
    """A look to learn from.

    Attributes:
        vector: Its embedding (d,).
        details: Its colours and print.
        photo: The photo that it was made of; None of what the catalogue does not hold.
        raw: The network's own vector (k,), of length 1, where embeddings are shortened ones.
    """

    vector: Vectors
    details: Descriptors
    photo: int | None = None
    raw: Vectors | None = None


@dataclass(frozen=True)
class Learned:
    """A calibration, what tells the items apart, and whether local features are worth it."""

    calibration: Calibration
    metric: Vectors | None
    print_helps: bool


@dataclass(frozen=True)
class _Look:
    """A look at a thing of the catalogue, asked twice."""

    shown: CalibrationQuery
    seen: QueryDescriptors

    @property
    def photo(self) -> int:
        assert self.shown.photo is not None
        return self.shown.photo

    def vector(self, taught: FittedScorer) -> Vectors:
        """Its embedding (d,), as those who were so taught have it."""
        if taught.shorter is None:
            return self.shown.vector
        assert self.shown.raw is not None
        return np.asarray(normalised(self.shown.raw[None] @ taught.shorter)[0])


@dataclass(frozen=True)
class _Asked:
    """MatchFeatures of one look: known (with the right item's number), a relative, or shipped."""

    kind: str
    evidence: MatchFeatures
    item: int | None
    group: int = 0
    is_read: bool = True

    @property
    def right(self) -> int | None:
        """The place of the right item among the candidates."""
        at = np.flatnonzero(self.evidence.items == self.item)
        return int(at[0]) if self.item is not None and len(at) else None


def calibrate(
    catalogue: Catalogue,
    known: Sequence[CalibrationQuery],
    shipped: Sequence[Sequence[CalibrationQuery]],
    progress: Callable[[int, int], None] = lambda done, total: None,
    foreign_named: float = FOREIGN_NAMED,
) -> Learned:
    """Learn from looks at known and at foreign things.

    Each look at a known thing is asked twice: as it is, and with its whole item left out.

    Args:
        catalogue: Its photos.
        known: Looks made from them.
        shipped: Looks at things that are not in the catalogue, in groups, one at least; how
            alike those of the first are tells how alike the network finds things that differ.
        progress: Called with looks asked, and of how many.
        foreign_named: Share of each group of `shipped` that may be named; above `FOREIGN_NAMED`,
            things are named also where none of them is likelier.
    """
    owners, printed = catalogue.owners, catalogue.printed
    several = np.bincount(owners) > 1
    # By the network's own vectors: of what no photo is like, a projection cuts most off.
    alike = burst_similarity(
        np.array([shown.vector if shown.raw is None else shown.raw for shown in shipped[0]])
    )
    looks = [_Look(shown, QueryDescriptors(shown.details)) for shown in known]
    kinds = 2 if len(several) >= FEWEST_ITEMS else 1
    done, total = 0, kinds * len(known) + sum(map(len, shipped))
    asked: list[_Asked] = []
    judged = True
    for which, folds in (
        ("own", assign_folds(catalogue.vectors, owners, FOLDS, alike)),
        ("relative", owners % FOLDS),
    )[:kinds]:
        for fold in range(FOLDS):
            here = [look for look in looks if max(0, folds[look.photo]) == fold]
            if not here:
                continue
            taught = catalogue.fit_on(folds != fold)
            judged &= taught.scorer.metric is not None
            for look in here:
                item = int(owners[look.photo])
                absent = unread = None
                if which == "relative":
                    absent = owners == item
                elif several[item]:
                    rows = taught.scorer.rows(item)
                    absent, unread = burst_masks(catalogue.vectors, rows, look.photo, alike)
                found = taught.scorer.gather(look.vector(taught), look.seen, absent, unread)
                asked.append(_Asked(which, found, item if which == "own" else None))
                progress(done := done + 1, total)
            del taught  # two at a time would be much for the memory
    # A metric that nothing could judge, for want of photos to learn one without, is not taken.
    everyone = catalogue.fit_on(np.full(len(owners), judged)).scorer
    for group, strangers in enumerate(shipped):
        for shown in strangers:
            seen = QueryDescriptors(shown.details)
            found = everyone.gather(shown.vector, seen)
            asked.append(_Asked("shipped", found, None, group, seen.description is not None))
            progress(done := done + 1, total)
    # That no print agrees where none was read says nothing about print.
    cases = _cases([one for one in asked if one.is_read or printed is None])
    taken_often = several.mean() > 0.5
    if not taken_often:
        # A copy's colours are its picture's; how the thing's differ, it cannot tell.
        cases = [_without(case, "coloured") for case in cases]
    weights = fit(cases)
    helps = False
    if printed is not None:
        plain = fit([_without(case, "agreeing", "votes") for case in cases])
        helps = _likelihood(cases, weights) - _likelihood(cases, plain) >= GAIN
        weights = weights if helps else plain
    # Copies alone do not tell what is likelier; and who wants more named has said so.
    least = LEAST if taken_often and foreign_named <= FOREIGN_NAMED else 0.0
    threshold = max(
        _threshold(
            [
                float(_best(weights, one)[:3].sum())
                for one in asked
                if one.kind == "shipped" and one.group == group
            ],
            foreign_named,
            least,
        )
        for group in range(len(shipped))
    )
    expected = {kind: _shares(asked, kind, weights, threshold) for kind in _KINDS}
    own, foreign = expected["own"], expected["shipped"]
    assert own is not None
    assert foreign is not None
    calibration = Calibration(
        measures=MeasureWeights(**dict(zip(MEASURES, weights.measures, strict=True))),
        held=HeldWeights(**dict(zip(HELD, weights.held, strict=True))),
        none=weights.none,
        unknown_below=threshold,
        alone_from=ALONE_FROM,
        one_go=alike,
        own=own,
        relatives=expected["relative"],
        shipped=foreign,
    )
    return Learned(calibration, everyone.metric, helps)


_KINDS = ("own", "relative", "shipped")


def _cases(asked: Sequence[_Asked]) -> list[LabelledFeatures]:
    counts = {kind: sum(one.kind == kind for one in asked) for kind in _KINDS}
    shipped = SHIPPED_WEIGHT if counts["relative"] else 1.0
    weight = {"own": 1.0, "relative": 1.0, "shipped": shipped}
    return [
        LabelledFeatures(one.evidence, one.right, weight[one.kind] / counts[one.kind])
        for one in asked
    ]


def _without(case: LabelledFeatures, *names: str) -> LabelledFeatures:
    """A case in which these measures say nothing, and so are given no weight."""
    found = case.evidence
    measures = found.measures.copy()
    measures[:, [MEASURES.index(name) for name in names]] = 0
    coloured = found.coloured * ("coloured" not in names)
    return replace(case, evidence=replace(found, measures=measures, coloured=coloured))


def _likelihood(cases: Sequence[LabelledFeatures], weights: ConfidenceModel) -> float:
    """Mean logarithm of the probability of what was so."""
    total = 0.0
    for case in cases:
        sure = weights.confidences(case.evidence)
        chance = 1 - sure.sum() if case.right is None else sure[case.right]
        total += case.weight * float(np.log(max(float(chance), 1e-9)))
    return total / sum(case.weight for case in cases)


def _best(weights: ConfidenceModel, one: _Asked) -> NDArray[np.float64]:
    return np.sort(weights.confidences(one.evidence))[::-1]


def _threshold(foreign: Sequence[float], named: float, least: float) -> float:
    """Where at most a share `named` of the foreign things is named; not below `least`."""
    allowed = int(named * len(foreign))
    highest = sorted(foreign, reverse=True)[allowed : allowed + 1]
    return round(min(max([least, *(one + 1e-4 for one in highest)]), 1.0), 4)


def _shares(
    asked: Sequence[_Asked], kind: str, weights: ConfidenceModel, threshold: float
) -> Shares | None:
    outcomes = [
        outcome(
            list(_best(weights, one)),
            [int(at) for at in np.argsort(-weights.confidences(one.evidence), kind="stable")],
            one.right,
            threshold,
        )
        for one in asked
        if one.kind == kind
    ]
    if not outcomes:
        return None
    return Shares(
        **{name: round(outcomes.count(name) / len(outcomes), 4) for name in Shares.model_fields}
    )


def outcome(
    sure: Sequence[float],
    found: Sequence[object],
    right: object,
    unknown_below: float,
    alone_from: float = ALONE_FROM,
) -> str:
    """What became of a look: the name of one of `Shares`.

    "One of these" is right where the right one is among those named; of a foreign thing
    (`right` is None) it counts as itself, since a person is asked to choose.
    """
    answer, named = decide(sure, unknown_below, alone_from)
    if answer is Verdict.UNKNOWN:
        return "unknown"
    if answer is Verdict.ONE_OF:
        return "one_of" if right is None or right in found[:named] else "wrong"
    return "right" if right is not None and found[0] == right else "wrong"
