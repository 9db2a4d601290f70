"""What is said of the answers to expect, and what to do where they are few."""

from __future__ import annotations

import pytest

from catalog.cli.expected import FEW, advice, expectation
from catalog.recognition.calibration import Calibration, ModelEntry, OutcomeShares
from catalog.recognition.prior import prior


def expecting(right: float) -> Calibration:
    """A calibration that expects so many right answers, as a share."""
    shares = OutcomeShares(right=right, one_of=0.0, perhaps=1 - right, unknown=0.0, wrong=0.0)
    return Calibration(
        model=ModelEntry.of(prior(0.3)),
        unknown_below=0.6,
        alone_from=0.8,
        one_go=0.7,
        own=shares,
        relatives=None,
        shipped=shares,
        uncertainty=0.04,
    )


@pytest.mark.parametrize("right", [0.0, FEW - 0.01])
def test_where_few_would_be_named_a_sentence_says_what_to_do(right: float) -> None:
    said = advice(expecting(right), "our shop.bundle")
    assert "visual-search edge capture" in said
    assert "'visual-search catalog confusions" in said
    assert "our shop.bundle" in said


@pytest.mark.parametrize("right", [FEW, 0.9])
def test_where_most_would_be_named_nothing_is_to_do(right: float) -> None:
    assert advice(expecting(right), "shop.bundle") == ""


def test_the_expectation_says_how_far_off_it_may_be() -> None:
    said = expectation(expecting(0.05))
    assert said.startswith("5 right, 0 one of these, 95 among the guesses, 0 unknown, 0 wrong; ")
    assert said.endswith("nine times of ten it is 1 to 9 right")
