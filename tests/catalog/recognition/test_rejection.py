"""The rejection threshold follows from what a catalogue's own held-out items and others tell."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from catalog.recognition.candidates import FEATURES, MatchFeatures
from catalog.recognition.confidence import ConfidenceModel, Numbers
from catalog.recognition.decision import REJECTION_THRESHOLD
from catalog.recognition.prior import prior
from catalog.recognition.rejection import BOUNDS, FALSE_ACCEPT_RATE, HIGHEST, rejection_threshold
from catalog.recognition.scored_queries import DISTRACTOR, HELD_OUT, IN_CATALOGUE, ScoredQuery

SURE = np.linspace(0, 0.7, 100)
MANY = 1_000_000  # items: nothing is left of the usual threshold


class Said(ConfidenceModel):
    """A model whose confidence is the first match feature."""

    def confidences(self, features: MatchFeatures) -> Numbers:
        """Return the first match feature of each candidate."""
        return features.values[:, 0]


def model() -> Said:
    start = prior(0.0)
    return Said(start.unlike, start.candidate, start.knots, start.gains, start.bias)


def shown(kind: str, confidences: Iterable[float], group: int = 0) -> list[ScoredQuery]:
    """Return queries with one candidate each, of these confidences."""
    found = []
    for confidence in confidences:
        values = np.full((1, len(FEATURES)), confidence)
        one = np.zeros(1, np.int64)
        found.append(
            ScoredQuery(kind, MatchFeatures(one, one, one.astype(np.float32), values), None, group)
        )
    return found


def chosen(
    held_out: Iterable[float],
    drawn: Iterable[float] = (),
    photos: Iterable[float] = (),
    items: int = MANY,
    rate: float = FALSE_ACCEPT_RATE,
    own: Iterable[float] = (),
) -> float:
    queries = shown(HELD_OUT, held_out) + shown(DISTRACTOR, drawn) + shown(DISTRACTOR, photos, 1)
    queries += shown(IN_CATALOGUE, own)
    return rejection_threshold(queries, model(), items, rate)


def test_five_in_a_hundred_held_out_items_may_be_named() -> None:
    threshold = chosen(SURE)
    assert (threshold <= SURE).sum() == 5
    assert BOUNDS[0] < threshold < REJECTION_THRESHOLD


def test_the_fewer_items_the_nearer_is_the_usual_threshold() -> None:
    found = [chosen(SURE, items=items) for items in (3, 10, 100, MANY)]
    assert found == sorted(found, reverse=True)
    assert REJECTION_THRESHOLD > found[0] > found[-1]
    assert chosen(()) == REJECTION_THRESHOLD


@pytest.mark.parametrize(("items", "own"), [(5, 1 / 2), (15, 3 / 4), (1, 1 / 6)])
def test_items_weigh_as_odds_beside_five_of_the_usual_threshold(items: int, own: float) -> None:
    def odds(chance: float) -> float:
        return float(np.log(chance / (1 - chance)))

    between = own * odds(0.7001) + (1 - own) * odds(REJECTION_THRESHOLD)
    assert chosen([0.7] * 50, items=items) == round(1 / (1 + np.exp(-between)), 4)


def test_where_all_may_be_named_the_least_sure_is() -> None:
    assert chosen([0.5, 0.3], rate=0.2) == 0.3001
    assert chosen([0.5, 0.3], rate=1.0) == 0.3001


@pytest.mark.parametrize(("confidence", "threshold"), [(0.99999, BOUNDS[1]), (0.0, BOUNDS[0])])
def test_the_threshold_stays_within_its_bounds(confidence: float, threshold: float) -> None:
    assert chosen([confidence] * 50) == threshold


@pytest.mark.parametrize(
    ("own", "threshold"),
    [
        ([0.95] * 50, HIGHEST),
        ([0.86] + [0.95] * 49, HIGHEST),  # one in fifty may lose its name
        ([0.86, 0.87] + [0.95] * 48, 0.87),
        ([0.2] * 50 + [0.95] * 50, HIGHEST),  # those without a name have none to lose
        ([0.85] * 2 + [0.95] * 48, BOUNDS[1]),
        ([0.2] * 50, BOUNDS[1]),
    ],
)
def test_the_threshold_rises_above_its_bound_where_own_queries_keep_their_names(
    own: list[float], threshold: float
) -> None:
    alike = [0.99999] * 50
    assert chosen(alike, own=own) == threshold
    assert chosen(SURE, own=own) == chosen(SURE)


def test_no_more_distractors_are_named_than_may_be() -> None:
    assert chosen(SURE, drawn=[0.95] * 2 + [0.1] * 98) == pytest.approx(0.95, abs=1e-3)
    assert chosen(SURE, drawn=[0.95] + [0.1] * 99) == chosen(SURE)
    assert chosen(SURE, photos=[0.82] * 6 + [0.1] * 94) == pytest.approx(0.82, abs=1e-3)
    assert chosen(SURE, photos=[0.82] * 5 + [0.1] * 95) == chosen(SURE)


def test_photos_of_things_that_the_catalogue_may_hold_do_not_silence_it() -> None:
    surely = [0.97] * 6 + [0.1] * 94
    assert chosen(SURE, photos=surely) == BOUNDS[1]
    assert chosen(SURE, photos=surely, rate=0.001) == pytest.approx(0.97, abs=1e-3)


def test_who_allows_more_foreign_names_gets_a_lower_threshold() -> None:
    assert chosen(SURE, rate=0.1) == pytest.approx(0.35, abs=0.01)
    assert chosen((), rate=0.1) == 0
    alike = np.full(40, 0.99)  # siblings that nobody tells apart
    assert chosen(alike, rate=0.02) <= chosen(alike, rate=0.01)


def test_who_allows_none_gets_no_held_out_item_named_within_the_bounds() -> None:
    assert not (chosen(SURE, drawn=[0.2], rate=0.0) <= SURE).any()
