"""Weigh the words that were read on a thing: what they say for and against each item.

Each word that an item has speaks for it, by the logarithm of a likelihood ratio: how much likelier
is the word on this item than on any thing? Rare words say more. A word that was surely read and
that the item lacks speaks against it, where it is known what is printed on the item. The ratio of
an item changes its confidence by Bayes' rule, however that confidence came about.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from catalog.recognition.decision import Verdict

LISTED = 0.5  # share of the words on a thing that its item's texts or photos have, too
HAS, LACKS = 3.0, 0.5  # words of a thing that its item has and lacks, before any was read
WORLD = 300  # things of no catalogue, without the word, beside those of the catalogue
BY_MISTAKE = 0.03  # the probability that a word of two letters is read where it does not stand
EACH_LETTER = 0.3  # times that probability, for each further letter
SAME_AMOUNT = 0.1  # the probability that any thing has the same amount
AS_READ = (0.5, 0.8, 0.9)  # that a word of 4, 5, more letters stands there as it was read
AS_READ_FROM = 4  # letters; shorter words are often no words
SURELY_AS_READ = (0.6, 0.8, 0.9)  # the same of 3, 4, more letters, in a line that was surely read
SURELY_AS_READ_FROM = 3  # letters
MOST_LACKING = 3.0  # how much all the words that an item lacks say against it, at most
RELATIVES = 0.1  # looks at a relative of an item that no catalogue has, for each at the item
SEEN_TOO = 0.75  # of what words say for an item counts where sight compared the same print
MISSING = 1.0  # how much it says against an item that no word of its title was read
CONTRADICTION = 2.5  # how much another amount says against an item
MOST = 8.0  # of the largest log ratio; the others keep their distance to it
UNPICTURED = 0.8  # at most, of the looks at the catalogue's things: items without a photo
OVERLOOKED = 0.05  # share of the things not recognized that have photos, and were no candidates
SURE = 0.95  # confidence from which an item is named without reading


@dataclass(frozen=True)
class WordEvidence:
    """What the words that were read say about one item.

    Attributes:
        found: Of each word that the item has, how surely it is that word, 0 to 1.
        title_share: Share of the words of its title that were read, 0 to 1.
        contradicted: Whether the thing has another amount than the item.
        lacks: How many of the words that were surely read the item lacks; 0 where it is not known
            what is printed on it.
        differs: The probability that the thing has another name than the item, and is a relative
            of it, such as another variety; 0 where no word is common to both.
    """

    found: Mapping[str, float]
    title_share: float
    contradicted: bool
    lacks: float = 0.0
    differs: float = 0.0


@dataclass(frozen=True)
class Shares:
    """What a device looks at, before it looks.

    Attributes:
        foreign: The share of looks at things of no catalogue, above 0 and below 1.
        pictured: How many items have photos.
        unpictured: How many have none.
    """

    foreign: float
    pictured: int
    unpictured: int

    @property
    def unpictured_share(self) -> float:
        """The share of looks at items without a photo, among those at things of the catalogue.

        Each item is shown as often as any other, but where few have photos: those were chosen
        because they are shown.
        """
        return min(UNPICTURED, self.unpictured / max(1, self.pictured + self.unpictured))


def reading_may_help(verdict: Verdict, confidence: float) -> bool:
    """Return whether the answer by sight alone is unsure; `confidence` is its first item's."""
    return verdict is not Verdict.MATCH or confidence < SURE


def log_ratio(evidence: WordEvidence, rarity: Mapping[str, float]) -> float:
    """Return the logarithm of an item's likelihood ratio.

    Args:
        evidence: What the words say about the item.
        rarity: The probability of each word on any thing, above 0.
    """
    spoken_against = lacking(len(evidence.found), evidence.lacks)
    spoken_against -= CONTRADICTION * evidence.contradicted
    return _spoken_for(evidence, rarity) + spoken_against


def relative_ratio(evidence: WordEvidence, rarity: Mapping[str, float]) -> float:
    """Return the likelihood ratio of an item's relatives that no catalogue has.

    To sight a relative is the item: it has its design. It has its brand, too, but another word that
    the item lacks.
    """
    return RELATIVES * evidence.differs * math.exp(SEEN_TOO * _spoken_for(evidence, rarity))


def _spoken_for(evidence: WordEvidence, rarity: Mapping[str, float]) -> float:
    gained = sum(gain(sure, rarity[word]) for word, sure in evidence.found.items())
    return max(0.0, gained - MISSING * (1 - evidence.title_share))


def gain(sure: float, probability: float) -> float:
    """Return what one word adds to an item's log ratio.

    Args:
        sure: The probability that the item's word would be read like this.
        probability: The probability of the word on any thing.
    """
    return math.log(1 - LISTED + LISTED * max(1.0, sure / probability))


def lacking(has: float, lacks: float) -> float:
    """Return the log probability that an item lacks so many of the words on a thing, -3 to 0.

    The share of words that an item has follows a beta distribution: a word more that it lacks
    says the less the more it lacks, and the more the more it has. A side full of small print,
    which no photo shows, says no more than a few words.
    """
    before, after = (
        math.lgamma(LACKS + more) - math.lgamma(HAS + has + LACKS + more) for more in (0, lacks)
    )
    return max(-MOST_LACKING, after - before)


def word_probability(word: str, items_with: float, items: int, *, is_amount: bool = False) -> float:
    """Return how likely a word is read on any thing, where `items_with` of `items` have it."""
    by_mistake = BY_MISTAKE * EACH_LETTER ** max(0, len(word) - 2)
    other = SAME_AMOUNT if is_amount else by_mistake
    return min(1.0, (items_with + 0.5) / (items + WORLD) + other)


def as_read(word: str, *, surely: bool = False) -> float:
    """Return the probability that a word stands on the thing as it was read.

    Numbers count as 0: codes, dates and prices are on many things, and in few catalogues.

    Args:
        word: The word.
        surely: Whether its line was surely read.
    """
    shares, shortest = (SURELY_AS_READ, SURELY_AS_READ_FROM) if surely else (AS_READ, AS_READ_FROM)
    if len(word) < shortest or not word.isalpha():
        return 0.0
    return shares[min(len(word) - shortest, len(shares) - 1)]


def with_words(
    confidences: Sequence[float],
    log_ratios: Sequence[float],
    seen: Sequence[bool],
    pictured: Sequence[bool],
    shares: Shares,
    relatives: Sequence[float] = (),
) -> list[float]:
    """Return the confidence in each item after its words were weighed.

    Args:
        confidences: The confidence in each item before, as if the catalogue had none without a
            photo; together at most 1.
        log_ratios: Their log ratios.
        seen: Whether each was a candidate by sight; the others' confidence is not used.
        pictured: Whether each has photos.
        shares: How often what is looked at.
        relatives: The likelihood ratio of each item's relatives; none by default.
    """
    known, has_photos = np.array(seen, bool), np.array(pictured, bool)
    before = np.where(known, np.array(confidences, float), 0.0)
    rest = max(0.0, 1 - float(before.sum()))  # the probability that it is none of them
    # To sight, items without a photo are foreign things: they take from all others.
    hidden = shares.unpictured_share
    before *= 1 - hidden
    unpictured = rest * hidden * (1 - shares.foreign) / shares.foreign
    together = float(before.sum()) + rest + unpictured
    items = shares.pictured + shares.unpictured
    of_each = np.where(
        has_photos, rest * OVERLOOKED / max(1, items), unpictured / max(1, shares.unpictured)
    )
    prior = np.where(known, before, of_each) / max(together, 1e-12)
    said = np.array(log_ratios, float)
    ratios = np.where(has_photos, np.minimum(said, said * SEEN_TOO), said)
    too_much = max(0.0, float(ratios.max(initial=0.0)) - MOST)
    weights = prior * np.exp(ratios - too_much)
    none = max(0.0, 1 - float(prior.sum()))
    if relatives:
        none += (
            float(before @ np.array(relatives, float)) / max(together, 1e-12) * math.exp(-too_much)
        )
    after: list[float] = (weights / max(float(weights.sum()) + none, 1e-12)).tolist()
    return after
