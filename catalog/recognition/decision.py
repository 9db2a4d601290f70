"""Decide what to say about a query: this item, one of these, or unknown."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

MOST_NAMED = 3  # items that are named together where the answer is ambiguous
AMBIGUITY_RATIO = 0.8  # share of the named items' confidence from which the first is named alone


class Verdict(StrEnum):
    """What is said about a picture: this item, one of these, an unknown thing, nothing there.

    Only a device with a camera says NOTHING: a catalogue always has something to look at.
    """

    MATCH = "match"
    ONE_OF = "one_of"
    UNKNOWN = "unknown"
    NOTHING = "nothing"


def decide(
    confidences: Sequence[float],
    rejection_threshold: float,
    ambiguity_ratio: float = AMBIGUITY_RATIO,
) -> tuple[Verdict, int]:
    """Decide the verdict, and how many of the items it names.

    Args:
        confidences: The probability of each item found, the likeliest first.
        rejection_threshold: How likely it must be that it is any of the items to be named; below,
            the verdict is unknown.
        ambiguity_ratio: Share of that probability from which the first item is named alone.
    """
    together = sum(confidences[:MOST_NAMED])
    if not confidences or together < rejection_threshold:
        return Verdict.UNKNOWN, 0
    if confidences[0] >= ambiguity_ratio * together:
        return Verdict.MATCH, 1
    named = 2 if sum(confidences[:2]) >= ambiguity_ratio * together else MOST_NAMED
    return Verdict.ONE_OF, min(named, len(confidences))
