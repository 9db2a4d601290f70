"""From similar items to a verdict, and when it may change."""

from __future__ import annotations

from catalog.bundle import Calibration, Match
from edge.sighting import Verdict
from edge.verdict import NOTHING, Opinion, Steadfast, judge

CALIBRATION = Calibration(
    unknown_below=0.6, one_of_margin=0.05, known_kept=0.97, foreign_refused=0.9
)


def found(**similarities: float) -> list[Match]:
    return [Match(sku, number, value) for number, (sku, value) in enumerate(similarities.items())]


def test_a_clear_lead_is_a_match() -> None:
    opinion = judge(found(apple=0.9, pear=0.7), CALIBRATION)
    assert opinion.verdict is Verdict.MATCH
    assert opinion.matches[0].sku == "apple"


def test_a_small_margin_is_one_of_these_with_at_most_three_cards() -> None:
    opinion = judge(found(a=0.9, b=0.89, c=0.88, d=0.87), CALIBRATION)
    assert opinion.verdict is Verdict.ONE_OF
    assert [match.sku for match in opinion.matches] == ["a", "b", "c"]


def test_below_the_threshold_it_is_unknown_and_names_nothing() -> None:
    opinion = judge(found(apple=0.59, pear=0.2), CALIBRATION)
    assert opinion == Opinion(Verdict.UNKNOWN)


def test_nothing_found_is_unknown() -> None:
    assert judge([], CALIBRATION).verdict is Verdict.UNKNOWN


def test_what_is_said_is_a_little_favoured() -> None:
    said = judge(found(apple=0.7, pear=0.5), CALIBRATION)
    assert judge(found(apple=0.59, pear=0.4), CALIBRATION, said).verdict is Verdict.MATCH
    assert judge(found(apple=0.55, pear=0.4), CALIBRATION, said).verdict is Verdict.UNKNOWN
    unknown = Opinion(Verdict.UNKNOWN)
    assert judge(found(apple=0.61, pear=0.4), CALIBRATION, unknown).verdict is Verdict.UNKNOWN


def test_the_mind_changes_only_after_three_in_a_row() -> None:
    mind = Steadfast()
    apple = judge(found(apple=0.9, pear=0.5), CALIBRATION)
    pear = judge(found(pear=0.9, apple=0.5), CALIBRATION)
    assert [mind.hear(one) for one in (apple, apple, pear, apple, apple)] == [False] * 5
    assert mind.current == NOTHING
    assert mind.hear(apple)
    assert mind.current == apple
    assert not mind.hear(apple)


def test_two_of_these_in_another_order_are_no_news() -> None:
    mind = Steadfast()
    for _ in range(3):
        mind.hear(judge(found(a=0.9, b=0.89), CALIBRATION))
    assert mind.current.verdict is Verdict.ONE_OF
    other_order = judge(found(b=0.9, a=0.89), CALIBRATION)
    assert not any(mind.hear(other_order) for _ in range(5))
