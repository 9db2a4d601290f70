"""The verdict that holds is favoured a little, so that it does not flicker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.bundles.match import Match
from catalog.recognition.decision import Verdict
from edge.vision.verdict import HYSTERESIS, NOTHING, Decision, decide
from tests.catalog.recognition.test_decision import confidences
from tests.edge.vision.test_verdict import CALIBRATION

MATCH, ONE_OF, PERHAPS, UNKNOWN = Verdict.MATCH, Verdict.ONE_OF, Verdict.PERHAPS, Verdict.UNKNOWN


def items(*probabilities: float, first: int = 0) -> list[Match]:
    return [Match(f"item-{first + at}", at, 0.5, value) for at, value in enumerate(probabilities)]


CURRENT = {
    "nothing": NOTHING,
    "unknown": Decision(UNKNOWN),
    "perhaps": Decision(PERHAPS, guesses=tuple(items(0.4))),
    "match": Decision(MATCH, tuple(items(0.9))),
    "another match": Decision(MATCH, tuple(items(0.9, first=7))),
    "one of": Decision(ONE_OF, tuple(items(0.4, 0.4))),
}


def verdict(current: str, threshold: float, *probabilities: float) -> Verdict:
    calibration = CALIBRATION.model_copy(update={"rejection_threshold": threshold})
    return decide(items(*probabilities), calibration, CURRENT[current]).verdict


@pytest.mark.parametrize(
    ("current", "threshold", "from_here"),
    [
        ("nothing", 0.6, 0.6),
        ("unknown", 0.6, 0.65),
        ("perhaps", 0.6, 0.65),
        ("match", 0.6, 0.55),
        ("another match", 0.6, 0.55),
        ("one of", 0.6, 0.55),
        ("unknown", 0.96, 0.98),  # half the way to certainty, else nothing could be named again
        ("perhaps", 0.96, 0.98),
        ("nothing", 0.96, 0.96),
        ("match", 0.96, 0.91),
        ("nothing", 0.06, 0.3),  # what would not even be a guess is not named
        ("match", 0.06, 0.25),
        ("unknown", 0.06, 0.35),
    ],
)
def test_from_which_probability_an_item_is_named(
    current: str, threshold: float, from_here: float
) -> None:
    assert verdict(current, threshold, from_here + 0.001) is MATCH
    assert verdict(current, threshold, from_here - 0.001) in (PERHAPS, UNKNOWN)


@pytest.mark.parametrize(
    ("current", "ratio"),
    [("nothing", 0.8), ("unknown", 0.8), ("perhaps", 0.8), ("match", 0.75),
     ("another match", 0.8), ("one of", 0.85)],
)  # fmt: skip
def test_from_which_share_an_item_is_named_alone(current: str, ratio: float) -> None:
    """Only the item that is named already is favoured, not another one."""
    together = 0.9
    for share, said in ((ratio + 0.001, MATCH), (ratio - 0.001, ONE_OF)):
        first = share * together
        assert verdict(current, 0.6, first, together - first) is said


@pytest.mark.parametrize(
    ("current", "from_here"),
    [("nothing", 0.3), ("unknown", 0.35), ("perhaps", 0.25), ("match", 0.25), ("one of", 0.25)],
)
def test_from_which_probability_there_are_guesses(current: str, from_here: float) -> None:
    assert verdict(current, 0.6, from_here + 0.001) is PERHAPS
    assert verdict(current, 0.6, from_here - 0.001) is UNKNOWN


@given(confidences(), st.floats(0.01, 0.99), st.sampled_from(sorted(CURRENT)))
def test_with_the_same_items_the_verdict_comes_to_rest(
    found: list[float], threshold: float, current: str
) -> None:
    calibration = CALIBRATION.model_copy(update={"rejection_threshold": threshold})
    decisions = [CURRENT[current]]
    for _ in range(3):
        decisions.append(decide(items(*found), calibration, decisions[-1]))
    assert decisions[-1] == decisions[-2]


@given(confidences(), st.floats(0.01, 0.99), st.sampled_from(sorted(CURRENT)))
def test_no_favour_is_larger_than_the_hysteresis(
    found: list[float], threshold: float, current: str
) -> None:
    """What is named would be with a threshold that much lower, whatever was said before."""
    named = (MATCH, ONE_OF)
    calibration = CALIBRATION.model_copy(update={"rejection_threshold": threshold})
    if decide(items(*found), calibration, CURRENT[current]).verdict in named:
        together = sum(found[:3])
        assert together >= threshold - HYSTERESIS - 1e-9
        assert together >= 0.3 - HYSTERESIS - 1e-9


@pytest.mark.parametrize(
    ("decision", "subject"),
    [
        (Decision(MATCH, tuple(items(0.9, 0.1))), (MATCH, "item-0")),
        (Decision(ONE_OF, tuple(items(0.4, 0.3, 0.2))), (ONE_OF, frozenset({"item-0", "item-1"}))),
        (Decision(PERHAPS, guesses=tuple(items(0.3))), (PERHAPS, frozenset({"item-0"}))),
        (Decision(UNKNOWN), (UNKNOWN, frozenset())),
        (NOTHING, (Verdict.NOTHING, frozenset())),
    ],
)
def test_the_subject_is_the_item_or_the_likeliest_two(
    decision: Decision, subject: tuple[Verdict, object]
) -> None:
    assert decision.subject == subject


def test_two_likeliest_items_in_another_order_are_the_same_subject() -> None:
    first, second, third = items(0.4, 0.4, 0.1)
    assert Decision(ONE_OF, (first, second)).subject == Decision(ONE_OF, (second, first)).subject
    assert Decision(ONE_OF, (first, third)).subject != Decision(ONE_OF, (second, first)).subject
    assert Decision(MATCH, (first, second)).subject != Decision(MATCH, (second, first)).subject
