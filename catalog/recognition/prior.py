"""What many catalogues taught: the confidence model that every catalogue starts from.

Catalogues of groceries, clothes, kinds of things, rubbish, coins, and drawn goods and covers, of 3
to 120 items with 1 to 40 photos each, were searched with looks that are not of their own photos.
What they have in common holds for a catalogue of another kind better than what it could learn
from its own few photos. ``python -m training.confidence`` makes the file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from catalog.recognition.candidates import FEATURES
from catalog.recognition.confidence import IN_CATALOGUE_FEATURES, ConfidenceModel, Numbers

FILE = Path(__file__).with_name("prior.json")
FOREIGN_SHARE = 0.2  # of the looks, for which the prior's confidence holds
OUTCOMES = ("right", "one_of", "perhaps", "unknown", "wrong")


@dataclass(frozen=True)
class Usual:
    """What came of looks at own things, for catalogues that taught; by models without their source.

    Attributes:
        thresholds: Rejection thresholds, ascending, (t,).
        outcomes: The mean share of each of `OUTCOMES` at each threshold, float64 (t, 5).
        own_share: How much a catalogue's own queries count in what to expect; the rest of 1 is
            what is usual. The share that made the expected and the measured most alike.
        uncertainty: By how much the share of right answers differed from what was expected, in
            nine of ten catalogues at most.
    """

    thresholds: Numbers
    outcomes: Numbers
    own_share: float
    uncertainty: float

    def at(self, threshold: float) -> dict[str, float]:
        """Return the usual outcomes at a rejection threshold, linear between those known."""
        shares = [np.interp(threshold, self.thresholds, column) for column in self.outcomes.T]
        return {name: round(float(share), 4) for name, share in zip(OUTCOMES, shares, strict=True)}


@dataclass(frozen=True)
class Prior:
    """The model that was taught, without a network's similarity of unlike things.

    Attributes:
        candidate: A weight for each of `FEATURES`, for catalogues with several photos of most
            items.
        single: The same for catalogues with one photo of most items. Colours do not count there:
            those of an only picture differ more from the thing's on a shelf than two things'
            colours do; and what is printed counts more.
        knots: See `ConfidenceModel`.
        gains: See `ConfidenceModel`.
        bias: See `ConfidenceModel`.
    """

    candidate: Numbers
    single: Numbers
    knots: Numbers
    gains: Numbers
    bias: float

    def model(self, unlike: float, *, single: bool) -> ConfidenceModel:
        """Return the model for a network that gives unlike things this mean cosine similarity."""
        candidate = self.single if single else self.candidate
        return ConfidenceModel(unlike, candidate, self.knots, self.gains, self.bias)


def prior(unlike: float, *, single: bool = False) -> ConfidenceModel:
    """Return the shipped model for a network that gives unlike things this mean similarity."""
    return read(FILE).model(unlike, single=single)


def usual(*, single: bool) -> Usual:
    """Return what is usual of catalogues with one photo of most items; else of the others."""
    content = _content(FILE)["single" if single else "several"]
    return Usual(
        np.array(content["thresholds"]),
        np.array([content["outcomes"][name] for name in OUTCOMES]).T,
        content["own_share"],
        content["uncertainty"],
    )


def read(path: Path) -> Prior:
    """Read what `write` wrote."""
    content = _content(path)
    rows = [content["in_catalogue"][name] for name in IN_CATALOGUE_FEATURES]
    candidate, single = (
        np.array([content[kind][name] for name in FEATURES])
        for kind in ("candidate", "candidate_single")
    )
    return Prior(
        candidate,
        single,
        np.array([row["knots"] for row in rows]),
        np.array([row["gains"] for row in rows]),
        content["bias"],
    )


def write(taught: Prior, single: Usual, several: Usual, path: Path) -> None:
    """Write what was taught, and what is usual."""
    rows = zip(IN_CATALOGUE_FEATURES, taught.knots, taught.gains, strict=True)
    content = {
        "candidate": dict(zip(FEATURES, taught.candidate.tolist(), strict=True)),
        "candidate_single": dict(zip(FEATURES, taught.single.tolist(), strict=True)),
        "in_catalogue": {
            name: {"knots": knots.tolist(), "gains": gains.tolist()} for name, knots, gains in rows
        },
        "bias": taught.bias,
        "single": _entry(single),
        "several": _entry(several),
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _entry(of: Usual) -> dict[str, object]:
    return {
        "thresholds": of.thresholds.tolist(),
        "outcomes": dict(zip(OUTCOMES, of.outcomes.T.tolist(), strict=True)),
        "own_share": of.own_share,
        "uncertainty": of.uncertainty,
    }


@cache
def _content(path: Path) -> dict:  # type: ignore[type-arg]
    content: dict = json.loads(path.read_text(encoding="utf-8"))  # type: ignore[type-arg]
    return content
