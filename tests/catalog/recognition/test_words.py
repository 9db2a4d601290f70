"""What words say about items, and Bayes' rule."""

from __future__ import annotations

from itertools import pairwise

import pytest

from catalog.recognition.words import (
    Shares,
    WordEvidence,
    as_read,
    lacking,
    log_ratio,
    relative_ratio,
    with_words,
    word_probability,
)

RARITY = {"milk": word_probability("milk", 95, 100), "oatly": word_probability("oatly", 1, 100)}
ALL_PICTURED, SOME_PICTURED = Shares(0.2, 50, 0), Shares(0.2, 25, 25)


def evidence(
    *words: str, title_share: float = 1.0, contradicted: bool = False, lacks: float = 0.0
) -> WordEvidence:
    """Words that an item has, each read without an error."""
    return WordEvidence(dict.fromkeys(words, 0.9), title_share, contradicted, lacks)


def test_a_rare_word_says_more_than_a_common_one() -> None:
    rare, common = (log_ratio(evidence(word), RARITY) for word in ("oatly", "milk"))
    assert rare > 2 * common > 0


def test_words_of_the_title_that_were_not_read_weaken_what_the_others_say() -> None:
    whole, half = (log_ratio(evidence("oatly", title_share=share), RARITY) for share in (1, 0.5))
    assert half < whole
    assert log_ratio(evidence("milk", title_share=0.1), RARITY) == 0, "words say nothing against it"


def test_another_amount_speaks_against_an_item() -> None:
    assert log_ratio(evidence(contradicted=True), RARITY) < 0


def test_a_word_that_an_item_lacks_speaks_against_it_and_the_next_one_less() -> None:
    by_lacks = [log_ratio(evidence(lacks=lacks), RARITY) for lacks in (0, 1, 2)]
    assert by_lacks[0] == 0
    steps = [more - less for less, more in pairwise(by_lacks)]
    assert steps[0] < steps[1] < 0
    assert lacking(3, 1) < lacking(0, 1), "more against an item that has the others"
    assert lacking(3, 20) == lacking(0, 30) == -3, "small print does not outweigh all else"


def test_an_item_with_a_rare_word_outweighs_a_twin_that_lacks_it() -> None:
    rarity = RARITY | {"barista": word_probability("barista", 2, 100)}
    right = log_ratio(evidence("oatly", "barista"), rarity)
    twin = log_ratio(evidence("oatly", lacks=0.9), rarity)
    assert right > twin + 4


def test_short_words_and_numbers_are_not_surely_read() -> None:
    assert [as_read(word) for word in ("", "ml", "tee", "330", "20261129", "l0t7x")] == [0] * 6
    assert as_read("rye") == 0 < as_read("rye", surely=True)
    assert as_read("mild") < as_read("mild", surely=True)
    assert as_read("ml", surely=True) == as_read("330", surely=True) == 0
    assert 0 < as_read("mild") < as_read("peach") < as_read("papaya") == as_read("raspberry") < 1


def test_an_amount_says_less_than_another_rare_word() -> None:
    amount, word = (word_probability("500ml", 1, 100, is_amount=kind) for kind in (True, False))
    assert amount > 5 * word


def test_log_ratios_of_nothing_change_nothing_where_all_items_have_photos() -> None:
    after = with_words([0.7, 0.2], [0, 0], [True, True], [True, True], ALL_PICTURED)
    assert after == pytest.approx([0.7, 0.2])


def test_words_tell_two_equal_items_apart() -> None:
    first, second = with_words([0.45, 0.45], [0, 4], [True, True], [True, True], ALL_PICTURED)
    assert second > 0.9 > 0.05 > first
    assert first + second < 1


def test_words_that_it_lacks_take_the_name_from_an_item_that_was_sure_by_sight() -> None:
    (named,) = with_words([0.95], [lacking(0, 1.8)], [True], [True], ALL_PICTURED)
    assert named < 0.8
    (unread,) = with_words([0.95], [0], [True], [True], ALL_PICTURED)
    assert unread == pytest.approx(0.95)


def test_an_item_without_a_photo_comes_up_where_sight_knows_nothing() -> None:
    unsure = with_words([0.1, 0.0], [0, 8], [True, False], [True, False], SOME_PICTURED)
    sure = with_words([0.999, 0.0], [0, 8], [True, False], [True, False], SOME_PICTURED)
    assert unsure[1] > 0.8
    assert sure[0] > sure[1], "what is certain by sight stays so"


def test_items_without_a_photo_take_from_the_confidence_in_the_others() -> None:
    by_shares = [
        with_words([0.9], [0], [True], [True], Shares(0.2, 10, unpictured))[0]
        for unpictured in (0, 10, 40, 100_000)
    ]
    assert by_shares[0] == pytest.approx(0.9)
    assert by_shares[0] > by_shares[1] > by_shares[2] == by_shares[3] > 0.25
    # One in five is foreign; of the others half have no photo and look foreign to sight.
    assert by_shares[1] == pytest.approx(0.9 * 0.5 / (0.9 * 0.5 + 0.1 * (0.2 + 0.4) / 0.2))


def test_a_short_word_says_less_because_it_is_read_by_mistake() -> None:
    short, long = (word_probability(word, 1, 100) for word in ("go", "gondola"))
    assert short > 2 * long


def test_words_say_less_of_an_item_whose_print_was_compared_by_sight() -> None:
    pictured, unpictured = with_words(
        [0.2, 0.2], [4, 4], [True, True], [True, False], SOME_PICTURED
    )
    assert unpictured > pictured


def test_a_relative_takes_confidence_from_the_item_that_it_resembles() -> None:
    (alone,) = with_words([0.99], [0], [True], [True], ALL_PICTURED, [0.0])
    (doubted,) = with_words([0.99], [0], [True], [True], ALL_PICTURED, [1.0])
    assert alone == pytest.approx(0.99)
    assert doubted == pytest.approx(0.99 / 1.99)


def test_a_relative_has_what_is_common_to_both() -> None:
    nothing, brand = (
        relative_ratio(WordEvidence(found, 1.0, contradicted=False, differs=0.9), RARITY)
        for found in ({}, {"oatly": 0.9})
    )
    assert brand > 10 * nothing > 0
    assert relative_ratio(evidence("oatly"), RARITY) == 0, "nothing differs"
