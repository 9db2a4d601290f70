"""What is said of a look: this item, one of these, or unknown."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

MOST_NAMED = 3  # items, where it is one of these
ALONE_FROM = 0.8  # share of the named items' certainty from which the first is named alone


class Verdict(StrEnum):
    """What is said about a picture: this item, one of these, none that is known, nothing there.

    Only a device with a camera says NOTHING: a catalogue always has something to look at.
    """

    MATCH = "match"
    ONE_OF = "one_of"
    UNKNOWN = "unknown"
    NOTHING = "nothing"


def decide(
    sure: Sequence[float], unknown_below: float, alone_from: float = ALONE_FROM
) -> tuple[Verdict, int]:
    """What is said, and of how many of the items.

    Args:
        sure: The probability of each item found, the likeliest first.
        unknown_below: Where "unknown" begins: how likely it must be that it is any of those
            that would be named.
        alone_from: Share of that from which the first is named alone.
    """
    together = sum(sure[:MOST_NAMED])
    if not sure or together < unknown_below:
        return Verdict.UNKNOWN, 0
    if sure[0] >= alone_from * together:
        return Verdict.MATCH, 1
    named = 2 if sum(sure[:2]) >= alone_from * together else MOST_NAMED
    return Verdict.ONE_OF, min(named, len(sure))
