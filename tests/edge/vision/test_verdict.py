"""Which items are named, by their probabilities."""

from __future__ import annotations

from catalog.bundles.match import Match
from catalog.recognition.calibration import Calibration, ModelEntry, OutcomeShares
from catalog.recognition.decision import LEAST_GUESS, Verdict
from catalog.recognition.prior import prior
from edge.vision.verdict import Decision, decide

EXPECTED = OutcomeShares(right=0.9, one_of=0.05, unknown=0.04, wrong=0.01)
CALIBRATION = Calibration(
    model=ModelEntry.of(prior(0.3)),
    unknown_below=0.6,
    alone_from=0.8,
    one_go=0.7,
    own=EXPECTED,
    relatives=EXPECTED,
    shipped=EXPECTED,
)


def found(**probabilities: float) -> list[Match]:
    return [
        Match(sku, number, 0.5, value) for number, (sku, value) in enumerate(probabilities.items())
    ]


def test_a_clear_lead_is_a_match() -> None:
    decision = decide(found(apple=0.9, pear=0.07), CALIBRATION)
    assert decision.verdict is Verdict.MATCH
    assert decision.matches[0].sku == "apple"


def test_what_it_may_be_after_all_comes_after_a_match() -> None:
    decision = decide(found(apple=0.9, pear=0.07, plum=0.002), CALIBRATION)
    assert [match.sku for match in decision.matches] == ["apple", "pear"]


def test_who_follows_a_match_is_worth_a_guess() -> None:
    """The limit belongs to those that follow; an item without a probability does not follow."""
    limit = [Match("pear", 1, 0.5, LEAST_GUESS), Match("fig", 2, 0.5, LEAST_GUESS * 0.999)]
    decision = decide([*found(apple=0.9), *limit, Match("plum", 3, 0.5)], CALIBRATION)
    assert [match.sku for match in decision.matches] == ["apple", "pear"]


def test_the_answer_is_what_the_thing_is_said_or_guessed_to_be() -> None:
    items = tuple(found(apple=0.5, pear=0.3, plum=0.1))
    assert Decision(Verdict.MATCH, items).answer == {"apple"}
    assert Decision(Verdict.ONE_OF, items).answer == {"apple", "pear", "plum"}
    assert Decision(Verdict.PERHAPS, guesses=items[:2]).answer == {"apple", "pear"}
    assert Decision(Verdict.UNKNOWN).answer == set()


def test_two_that_are_likely_are_one_of_these() -> None:
    decision = decide(found(a=0.5, b=0.4, c=0.02), CALIBRATION)
    assert decision.verdict is Verdict.ONE_OF
    assert [match.sku for match in decision.matches] == ["a", "b"]


def test_one_of_these_has_at_most_three_cards() -> None:
    decision = decide(found(a=0.3, b=0.25, c=0.23, d=0.2), CALIBRATION)
    assert decision.verdict is Verdict.ONE_OF
    assert [match.sku for match in decision.matches] == ["a", "b", "c"]


def test_below_the_threshold_it_names_nothing_and_guesses() -> None:
    decision = decide(found(apple=0.55, pear=0.02, plum=0.002), CALIBRATION)
    assert decision.verdict is Verdict.PERHAPS
    assert decision.matches == ()
    assert [guess.sku for guess in decision.guesses] == ["apple", "pear"]


def test_what_is_not_worth_a_guess_is_unknown() -> None:
    assert decide(found(apple=0.2, pear=0.05), CALIBRATION) == Decision(Verdict.UNKNOWN)


def test_a_low_threshold_names_nothing_that_would_not_be_a_guess() -> None:
    low = CALIBRATION.model_copy(update={"rejection_threshold": 0.01})
    assert decide(found(apple=0.012), low).verdict is Verdict.UNKNOWN
    assert decide(found(apple=0.29, pear=0.05), low).verdict is Verdict.ONE_OF
    assert decide(found(apple=0.31, pear=0.05), low).verdict is Verdict.MATCH


def test_guesses_do_not_flicker() -> None:
    guess = decide(found(apple=0.32), CALIBRATION)
    assert guess.verdict is Verdict.PERHAPS
    assert decide(found(apple=0.27), CALIBRATION, guess).verdict is Verdict.PERHAPS
    assert decide(found(apple=0.24), CALIBRATION, guess).verdict is Verdict.UNKNOWN
    unknown = Decision(Verdict.UNKNOWN)
    assert decide(found(apple=0.32), CALIBRATION, unknown) == unknown
    assert decide(found(apple=0.36), CALIBRATION, unknown).verdict is Verdict.PERHAPS
    assert decide(found(apple=0.62), CALIBRATION, guess).verdict is Verdict.PERHAPS
    assert decide(found(apple=0.66), CALIBRATION, guess).verdict is Verdict.MATCH


def test_a_guess_says_more_than_nothing_and_less_than_a_name() -> None:
    match, guess = (
        Decision(Verdict.MATCH, tuple(found(apple=0.5))),
        Decision(Verdict.PERHAPS, guesses=tuple(found(apple=0.55))),
    )
    assert Decision(Verdict.UNKNOWN).strength < guess.strength < match.strength


def test_likely_one_of_three_is_not_unknown_though_none_alone_is_likely() -> None:
    assert decide(found(a=0.3, b=0.25, c=0.2), CALIBRATION).verdict is Verdict.ONE_OF


def test_nothing_found_is_unknown() -> None:
    assert decide([], CALIBRATION).verdict is Verdict.UNKNOWN
    assert decide([Match("apple", 1, 0.9)], CALIBRATION).verdict is Verdict.UNKNOWN


def test_the_current_decision_is_a_little_favoured() -> None:
    current = decide(found(apple=0.9, pear=0.05), CALIBRATION)
    assert decide(found(apple=0.57, pear=0.01), CALIBRATION, current).verdict is Verdict.MATCH
    assert decide(found(apple=0.52, pear=0.01), CALIBRATION, current).verdict is Verdict.PERHAPS
    unknown = Decision(Verdict.UNKNOWN)
    assert decide(found(apple=0.62, pear=0.01), CALIBRATION, unknown).verdict is Verdict.PERHAPS


def test_two_of_these_in_another_order_say_the_same() -> None:
    first, second = (
        decide(found(**both), CALIBRATION)
        for both in ({"a": 0.45, "b": 0.44}, {"b": 0.45, "a": 0.44})
    )
    assert first.verdict is Verdict.ONE_OF
    assert first.subject == second.subject


def test_what_names_nothing_has_no_strength() -> None:
    assert decide([], CALIBRATION).strength == (False, 0.0)
    assert Decision(Verdict.MATCH, (Match("apple", 1, 0.5),)).strength == (True, 0.0)
    assert Decision(Verdict.MATCH, tuple(found(apple=0.9))).strength == (True, 0.9)
