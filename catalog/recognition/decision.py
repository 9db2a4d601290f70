"""Decide what to say about a query: this item, one of these, perhaps one of these, or unknown."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

Claim = Literal["match", "one_of", "unknown", "nothing"]

MOST_NAMED = 3  # items that are named together where the answer is ambiguous
AMBIGUITY_RATIO = 0.85  # share of the named items' confidence from which the first is named alone
WRONG_NAME_COST = 4.0  # times what a right name gains
REJECTION_THRESHOLD = WRONG_NAME_COST / (1 + WRONG_NAME_COST)  # below it, naming costs more
GUESS_THRESHOLD = 0.3  # probability that the guesses hold the right item, from which they are shown
LEAST_GUESS = 0.01  # probability of an item from which it is worth a place among the guesses


class Verdict(StrEnum):
    """What is said about a picture.

    This item, one of these, perhaps one of these, an unknown thing, nothing there. Only a device
    with a camera says NOTHING: a catalogue always has something to look at.
    """

    MATCH = "match"
    ONE_OF = "one_of"
    PERHAPS = "perhaps"
    UNKNOWN = "unknown"
    NOTHING = "nothing"

    @property
    def claim(self) -> Claim:
        """The verdict as events and the API have it: guesses claim nothing, so they are "unknown".

        Guesses travel in a field of their own, which programs may ignore.
        """
        value: Literal["match", "one_of", "perhaps", "unknown", "nothing"] = self.value
        return "unknown" if value == "perhaps" else value


def decide(
    confidences: Sequence[float],
    rejection_threshold: float,
    ambiguity_ratio: float = AMBIGUITY_RATIO,
    guess_threshold: float = GUESS_THRESHOLD,
) -> tuple[Verdict, int]:
    """Decide the verdict, and how many of the items it is about.

    However low the rejection threshold is, no item is named that would not even be a guess.

    Args:
        confidences: The probability of each item found, the likeliest first.
        rejection_threshold: How likely it must be that it is any of the items to be named; below,
            they are guesses at most.
        ambiguity_ratio: Share of that probability from which the first item is named alone.
        guess_threshold: How likely it must be that it is any of the items to show guesses; below,
            the verdict is unknown.
    """
    together = sum(confidences[:MOST_NAMED])
    if not confidences or not together >= guess_threshold:  # nor where one is no number
        return Verdict.UNKNOWN, 0
    if together < rejection_threshold:
        guesses = [value for value in confidences[:MOST_NAMED] if value >= LEAST_GUESS]
        return Verdict.PERHAPS, len(guesses)
    if confidences[0] >= max(ambiguity_ratio * together, guess_threshold):
        return Verdict.MATCH, 1
    named = 2 if sum(confidences[:2]) >= ambiguity_ratio * together else MOST_NAMED
    return Verdict.ONE_OF, min(named, len(confidences))
