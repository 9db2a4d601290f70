"""Amounts in texts, and whether they contradict each other."""

from __future__ import annotations

import pytest

from catalog.recognition.amounts import amounts, contradict


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Meadow milk, 1,5 l", {"1500ml"}),
        ("500 ml", {"500ml"}),
        ("0.5L", {"500ml"}),
        ("50 cl e", {"500ml"}),
        ("1.3 kg", {"1300g"}),
        ("苏打水 330 毫升", {"330ml"}),
        ("3,0% fat", {"3%"}),
        ("20 pieces", {"20x"}),
        ("M8 x 40", set()),
        ("4006381333931", set()),
        ("12 large eggs", set()),
        ("2.5 lm", set()),
    ],
)
def test_an_amount_is_one_word_however_it_is_written(text: str, words: set[str]) -> None:
    assert {amount.word for amount in amounts([text])} == words


def test_amounts_of_one_kind_contradict_each_other() -> None:
    assert contradict(amounts(["0,5 l"]), amounts(["1,5 l"]))
    assert not contradict(amounts(["0,5 l"]), amounts(["500 ml", "100 ml"]))
    assert not contradict(amounts(["0,5 l"]), amounts(["500 g"]))
    assert not contradict(amounts(["3 %"]), amounts(["100 %"])), "of anything"
