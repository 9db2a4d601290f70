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

from catalog.recognition.decision import Verdict

LISTED = 0.5  # share of the words on a thing that its item's texts or photos have, too
WORLD = 50  # things of no catalogue, without the word, beside those of the catalogue
BY_MISTAKE = 0.03  # the probability that a word of two letters is read where it does not stand
EACH_LETTER = 0.3  # times that probability, for each further letter
SEEN_TOO = 0.75  # of an item's log ratio counts where sight compared the same print
MISSING = 1.0  # how much it says against an item that no word of its title was read
CONTRADICTION = 2.5  # how much another amount says against an item
MOST = 8.0  # of the largest log ratio; the others keep their distance to it
UNSEEN = 0.5  # share of the things not recognized by sight that the items without a photo are
OVERLOOKED = 0.05  # the same share of items that have photos, and yet were not candidates
SURE = 0.95  # confidence from which an item is named without reading


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


def reading_may_help(verdict: Verdict, confidence: float) -> bool:
    """Return whether the answer by sight alone is unsure; `confidence` is its first item's."""
    return verdict is not Verdict.MATCH or confidence < SURE


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


def word_probability(word: str, items_with: float, items: int) -> float:
    """Return how likely a word is read on any thing, where `items_with` of `items` have it."""
    by_mistake = BY_MISTAKE * EACH_LETTER ** max(0, len(word) - 2)
    return min(1.0, (items_with + 0.5) / (items + WORLD) + by_mistake)


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
    has_photos = np.array(pictured, bool)
    before = np.where(known, np.array(confidences, float), 0.0)
    rest = max(0.0, 1 - float(before.sum()))  # the probability that it is none of them
    share = np.where(has_photos, OVERLOOKED, UNSEEN)
    prior = np.where(known, before, rest * share / max(1, items))
    ratios = np.array(log_ratios, float) * np.where(has_photos, SEEN_TOO, 1.0)
    weights = prior * np.exp(ratios - max(0.0, float(ratios.max(initial=0.0)) - MOST))
    none = max(0.0, 1 - float(prior.sum()))
    after: list[float] = (weights / max(float(weights.sum()) + none, 1e-12)).tolist()
    return after
