"""What is said about a query, by the confidences of the items found."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.recognition.calibration import outcome
from catalog.recognition.decision import LEAST_GUESS, MOST_NAMED, Verdict, decide

MATCH, ONE_OF, PERHAPS, UNKNOWN = Verdict.MATCH, Verdict.ONE_OF, Verdict.PERHAPS, Verdict.UNKNOWN
share = st.floats(0, 1)


@st.composite
def confidences(draw: st.DrawFn) -> list[float]:
    """Probabilities of items, the likeliest first, that add up to at most 1."""
    weights = draw(st.lists(st.floats(0.001, 1), max_size=6))
    total = draw(st.floats(0.01, 1))
    return sorted((total * weight / sum(weights) for weight in weights), reverse=True)


@pytest.mark.parametrize(
    ("found", "threshold", "said"),
    [
        ([], 0.5, (UNKNOWN, 0)),
        ([0.29], 0.5, (UNKNOWN, 0)),
        ([0.3], 0.5, (PERHAPS, 1)),  # each limit belongs to the side that says more
        ([0.499], 0.5, (PERHAPS, 1)),
        ([0.5], 0.5, (MATCH, 1)),
        ([0.375, 0.125], 0.5, (ONE_OF, 2)),
        ([0.4375, 0.0625], 0.5, (MATCH, 1)),
        ([0.40625, 0.09375], 0.5, (ONE_OF, 2)),
        ([0.25, 0.25, 0.25, 0.25], 0.5, (ONE_OF, 3)),
        ([0.625, 0.0625, 0.0625], 0.5, (ONE_OF, 2)),
        ([0.5, 0.125, 0.125], 0.5, (ONE_OF, 3)),
        ([0.25, 0.25], 0.1, (ONE_OF, 2)),
        ([0.29, 0.02], 0.1, (ONE_OF, 2)),  # the first alone would not even be a guess
        ([0.97, 0.01], 0.95, (MATCH, 1)),
        ([0.9, 0.04], 0.95, (PERHAPS, 2)),
        ([0.3, LEAST_GUESS, LEAST_GUESS / 2], 0.9, (PERHAPS, 2)),
        ([0.1, 0.1, 0.1, 0.1], 0.3, (ONE_OF, 3)),
    ],
)
def test_what_is_said(found: list[float], threshold: float, said: tuple[Verdict, int]) -> None:
    assert decide(found, threshold) == said


@pytest.mark.parametrize(
    ("found", "ratio", "said"),
    [
        ([0.375, 0.125], 0.75, (MATCH, 1)),  # exactly the share
        ([0.5, 0.25, 0.25], 0.75, (ONE_OF, 2)),
        ([0.5, 0.25, 0.25], 0.8, (ONE_OF, 3)),
    ],
)
def test_the_share_itself_is_enough(
    found: list[float], ratio: float, said: tuple[Verdict, int]
) -> None:
    assert decide(found, 0.5, ratio) == said


@given(confidences(), share, st.floats(0.5, 1), share)
def test_the_verdict_follows_from_the_probability_of_the_first_three(
    found: list[float], threshold: float, ratio: float, guess: float
) -> None:
    verdict, count = decide(found, threshold, ratio, guess)
    together = sum(found[:MOST_NAMED])
    assert (verdict is UNKNOWN) == (not found or together < guess)
    assert (verdict in (MATCH, ONE_OF)) == (bool(found) and together >= max(guess, threshold))
    assert (count == 0) == (verdict is UNKNOWN or (verdict is PERHAPS and found[0] < LEAST_GUESS))
    if verdict is MATCH:
        assert count == 1
        assert found[0] >= max(guess, ratio * together)
    if verdict is ONE_OF:
        assert found[0] < max(guess, ratio * together)
        assert count <= min(MOST_NAMED, len(found))
        assert count == len(found) or sum(found[:count]) >= ratio * together
    if verdict is PERHAPS:
        assert all(value >= LEAST_GUESS for value in found[:count])
        assert all(value < LEAST_GUESS for value in found[count:MOST_NAMED])


@given(confidences(), share, share)
def test_a_higher_threshold_never_names_more(found: list[float], low: float, high: float) -> None:
    low, high = sorted((low, high))
    named = (MATCH, ONE_OF)
    assert decide(found, low)[0] in named or decide(found, high)[0] not in named


@given(confidences(), share)
def test_items_behind_the_third_change_nothing(found: list[float], threshold: float) -> None:
    assert decide(found[:MOST_NAMED], threshold) == decide(found, threshold)


def test_only_a_verdict_that_claims_is_a_claim() -> None:
    assert [verdict.claim for verdict in (MATCH, ONE_OF, PERHAPS, UNKNOWN, Verdict.NOTHING)] == [
        "match", "one_of", "unknown", "unknown", "nothing",
    ]  # fmt: skip
    assert math.isclose(LEAST_GUESS, 0.01)


@pytest.mark.parametrize(
    ("found", "became"),  # where the right item is the first, the second, another, or none
    [
        ([0.9, 0.05], ["right", "wrong", "wrong", "wrong"]),
        ([0.5, 0.4], ["one_of", "one_of", "wrong", "one_of"]),
        ([0.3, 0.2], ["perhaps", "perhaps", "unknown", "unknown"]),
        ([0.05, 0.02], ["unknown", "unknown", "unknown", "unknown"]),
    ],
)
def test_what_became_of_a_query(found: list[float], became: list[str]) -> None:
    assert [outcome(found, ["a", "b"], right, 0.6) for right in ("a", "b", "c", None)] == became
