"""From similar items to a verdict."""

from __future__ import annotations

from catalog.bundle import Calibration, Match
from edge.sighting import Verdict
from edge.verdict import Opinion, judge

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


def test_two_of_these_in_another_order_say_the_same() -> None:
    one, other = (
        judge(found(**both), CALIBRATION) for both in ({"a": 0.9, "b": 0.89}, {"b": 0.9, "a": 0.89})
    )
    assert one.verdict is Verdict.ONE_OF
    assert one.subject == other.subject
