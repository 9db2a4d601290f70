"""Weigh the words that were read on a thing: what they say for and against each item.

Each word that an item has speaks for it, by the logarithm of a likelihood ratio: how much likelier
is the word on this item than on any thing? Rare words say more. A word that an item lacks says
nothing, because nobody knows all that is printed on it. The ratio of an item changes its
confidence by Bayes' rule, however that confidence came about.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LISTED = 0.5  # share of the words on a thing that its item's texts or photos have, too
WORLD = 50  # things of no catalogue, without the word, beside those of the catalogue
MISSING = 1.0  # how much it says against an item that no word of its title was read
CONTRADICTION = 2.5  # how much another amount says against an item
MOST = 8.0  # of the largest log ratio; the others keep their distance to it
UNSEEN = 0.5  # share of the things not recognized by sight that the items without a photo are
OVERLOOKED = 0.05  # the same share of items that have photos, and yet were not candidates


@dataclass(frozen=True)
class WordEvidence:
    """What the words that were read say about one item.

    Attributes:
        found: Of each word that the item has, how surely it is that word, 0 to 1.
        title_share: Share of the words of its title that were read, 0 to 1.
        contradicted: Whether the thing has another amount than the item.
    """

    found: Mapping[str, float]
    title_share: float
    contradicted: bool


def log_ratio(evidence: WordEvidence, rarity: Mapping[str, float]) -> float:
    """Return the logarithm of an item's likelihood ratio, at least -2.5.

    Args:
        evidence: What the words say about the item.
        rarity: The probability of each word on any thing, above 0.
    """
    gained = sum(gain(sure, rarity[word]) for word, sure in evidence.found.items())
    spoken_for = max(0.0, gained - MISSING * (1 - evidence.title_share))
    return spoken_for - CONTRADICTION * evidence.contradicted


def gain(sure: float, probability: float) -> float:
    """Return what one word adds to an item's log ratio.

    Args:
        sure: The probability that the item's word would be read like this.
        probability: The probability of the word on any thing.
    """
    return math.log(1 - LISTED + LISTED * max(1.0, sure / probability))


def word_probability(items_with: float, items: int) -> float:
    """Return how likely a word is on any thing, where `items_with` of `items` have it."""
    return (items_with + 0.5) / (items + WORLD)


def with_words(
    confidences: Sequence[float],
    log_ratios: Sequence[float],
    seen: Sequence[bool],
    pictured: Sequence[bool],
    items: int,
) -> list[float]:
    """Return the confidence in each item after its words were weighed.

    Args:
        confidences: The confidence in each item before; together at most 1.
        log_ratios: Their log ratios.
        seen: Whether each was a candidate by sight; the others' confidence is not used.
        pictured: Whether each has photos.
        items: How many items the catalogue has.
    """
    known = np.array(seen, bool)
    before = np.where(known, np.array(confidences, float), 0.0)
    rest = max(0.0, 1 - float(before.sum()))  # the probability that it is none of them
    share = np.where(np.array(pictured, bool), OVERLOOKED, UNSEEN)
    prior = np.where(known, before, rest * share / max(1, items))
    ratios = np.array(log_ratios, float)
    weights = prior * np.exp(ratios - max(0.0, float(ratios.max(initial=0.0)) - MOST))
    none = max(0.0, 1 - float(prior.sum()))
    after: list[float] = (weights / max(float(weights.sum()) + none, 1e-12)).tolist()
    return after
