"""The confidence model that many catalogues taught, which every catalogue starts from.

Catalogues of groceries, clothes, kinds of things, rubbish, coins, and drawn goods and covers, of 3
to 120 items with 1 to 40 photos each, were searched with looks that are not of their own photos.
What they have in common holds for a catalogue of another kind better than what it could learn
from its own few photos. ``python -m training.confidence`` makes the file.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np

from catalog.recognition.candidates import FEATURES
from catalog.recognition.confidence import IN_CATALOGUE_FEATURES, ConfidenceModel

FILE = Path(__file__).with_name("prior.json")
FOREIGN_SHARE = 0.2  # of the looks, for which the prior's confidence holds

# By how much the share of right answers differed from what was expected, in nine of ten catalogues
# whose source had not taught; by whether most items have one photo.
UNCERTAINTY = {False: 0.25, True: 0.3}


def prior(unlike: float) -> ConfidenceModel:
    """Return the model for a network that gives unlike things this mean cosine similarity."""
    return read(FILE, unlike)


def read(path: Path, unlike: float) -> ConfidenceModel:
    """Read a model that `write` wrote."""
    content = _content(path)
    rows = [content["in_catalogue"][name] for name in IN_CATALOGUE_FEATURES]
    return ConfidenceModel(
        unlike,
        np.array([content["candidate"][name] for name in FEATURES]),
        np.array([row["knots"] for row in rows]),
        np.array([row["gains"] for row in rows]),
        content["bias"],
    )


def usual_outcomes(*, single: bool) -> dict[str, float]:
    """Return the mean outcome shares of the catalogues that taught, each without its source.

    Args:
        single: Of those of one photo an item; else of those of several.
    """
    outcomes: dict[str, float] = _content(FILE)["single" if single else "several"]
    return outcomes


def write(
    model: ConfidenceModel, single: dict[str, float], several: dict[str, float], path: Path
) -> None:
    """Write a model without its network's similarity of unlike things, and usual outcomes."""
    rows = zip(IN_CATALOGUE_FEATURES, model.knots, model.gains, strict=True)
    content = {
        "candidate": dict(zip(FEATURES, model.candidate.tolist(), strict=True)),
        "in_catalogue": {
            name: {"knots": knots.tolist(), "gains": gains.tolist()} for name, knots, gains in rows
        },
        "bias": model.bias,
        "single": single,
        "several": several,
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


@cache
def _content(path: Path) -> dict:  # type: ignore[type-arg]
    content: dict = json.loads(path.read_text(encoding="utf-8"))  # type: ignore[type-arg]
    return content
