"""The match of a query with an item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Match:
    """An item found.

    Attributes:
        sku: The item's.
        photo: The number of its best photo; None where it has none.
        similarity: The cosine similarity of that photo, in [-1, 1]; 0 where it was not measured,
            because the words or a code on the thing named the item.
        confidence: The probability that it is this item; None where only vectors were compared.
    """

    sku: str
    photo: int | None
    similarity: float
    confidence: float | None = None


def sureness(found: Sequence[Match]) -> float:
    """The confidence in the likeliest of the items found, which is the first; 0 without any."""
    return found[0].confidence or 0.0 if found else 0.0
