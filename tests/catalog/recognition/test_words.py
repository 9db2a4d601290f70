"""What words say about items, and Bayes' rule."""

from __future__ import annotations

import pytest

from catalog.recognition.words import WordEvidence, log_ratio, with_words, word_probability

RARITY = {"milk": word_probability("milk", 50, 100), "oatly": word_probability("oatly", 1, 100)}


def evidence(*words: str, title_share: float = 1.0, contradicted: bool = False) -> WordEvidence:
    """Words that an item has, each read without an error."""
    return WordEvidence(dict.fromkeys(words, 0.9), title_share, contradicted)


def test_a_rare_word_says_more_than_a_common_one() -> None:
    rare, common = (log_ratio(evidence(word), RARITY) for word in ("oatly", "milk"))
    assert rare > 2 * common > 0


def test_words_of_the_title_that_were_not_read_weaken_what_the_others_say() -> None:
    whole, half = (log_ratio(evidence("oatly", title_share=share), RARITY) for share in (1, 0.5))
    assert half < whole
    assert log_ratio(evidence("milk", title_share=0.1), RARITY) == 0, "words say nothing against it"


def test_another_amount_speaks_against_an_item() -> None:
    assert log_ratio(evidence(contradicted=True), RARITY) < 0


def test_words_that_no_item_has_change_nothing() -> None:
    assert with_words([0.7, 0.2], [0, 0], [True, True], [True, True], 50) == pytest.approx(
        [0.7, 0.2]
    )


def test_words_tell_two_equal_items_apart() -> None:
    first, second = with_words([0.45, 0.45], [0, 4], [True, True], [True, True], 50)
    assert second > 0.9 > 0.05 > first
    assert first + second < 1


def test_an_item_without_a_photo_comes_up_where_sight_knows_nothing() -> None:
    unsure = with_words([0.1, 0.0], [0, 8], [True, False], [True, False], 50)
    sure = with_words([0.99, 0.0], [0, 8], [True, False], [True, False], 50)
    assert unsure[1] > 0.8
    assert sure[0] > sure[1], "what is certain by sight stays so"


def test_a_short_word_says_less_because_it_is_read_by_mistake() -> None:
    short, long = (word_probability(word, 1, 100) for word in ("go", "gondola"))
    assert short > 2 * long


def test_words_say_less_of_an_item_whose_print_was_compared_by_sight() -> None:
    pictured, unpictured = with_words([0.2, 0.2], [4, 4], [True, True], [True, False], 50)
    assert unpictured > pictured
