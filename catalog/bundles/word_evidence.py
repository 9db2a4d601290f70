"""Weigh the words that were read on a thing against the texts of a catalogue's items."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from catalog.bundles.items import Item, Items
from catalog.bundles.match import Match
from catalog.bundles.printed_words import FoundWord, plain_words, read_words
from catalog.bundles.similar_words import errors_allowed, typing_errors
from catalog.recognition.amounts import Amount, amounts, contradict
from catalog.recognition.calibration import Calibration
from catalog.recognition.decision import decide
from catalog.recognition.prior import FOREIGN_SHARE
from catalog.recognition.words import (
    Shares,
    WordEvidence,
    as_read,
    gain,
    log_ratio,
    reading_may_help,
    with_words,
    word_probability,
)

BY_WORDS = 10  # items that become candidates by their words


def words_may_help(items: Items, calibration: Calibration, found: Sequence[Match]) -> bool:
    """Return whether a device would read the words on a thing after this answer by sight.

    It would where the answer is not sure. Where some items have no photo sight never is, because
    it takes such an item for another.
    """
    confidences = [match.confidence or 0.0 for match in found]
    verdict, _ = decide(confidences, calibration.rejection_threshold, calibration.ambiguity_ratio)
    first = confidences[0] if confidences else 0.0
    return items.some_without_photo or reading_may_help(verdict, first)


def weigh_words(
    items: Items, found: Sequence[Match], lines: Sequence[str], foreign_share: float = FOREIGN_SHARE
) -> list[Match]:
    """Return the items found and others that have the words of `lines`, the likeliest first.

    Args:
        items: The items of the catalogue.
        found: The items found by sight.
        lines: The lines of text on the thing.
        foreign_share: The share of foreign things that the confidence by sight holds for.
    """
    look = _ReadThing(items, lines)
    if not look.says_something:
        return list(found)
    rows = {items.row(match.sku): match for match in found}
    rows |= look.candidates(set(rows))
    matches = list(rows.values())
    after = with_words(
        [match.confidence or 0.0 for match in matches],
        look.log_ratios(rows),
        [place < len(found) for place in range(len(matches))],
        [match.photo is not None for match in matches],
        Shares(foreign_share, items.pictured, items.count() - items.pictured),
    )
    weighed = [
        replace(match, confidence=confidence)
        for match, confidence in zip(matches, after, strict=True)
    ]
    return sorted(weighed, key=lambda match: -(match.confidence or 0.0))


@dataclass(frozen=True)
class _ReadThing:
    """A thing whose words were read, beside the items of a catalogue."""

    items: Items
    lines: Sequence[str]

    @cached_property
    def read(self) -> list[str]:
        """The words on the thing."""
        return read_words(self.lines)

    @cached_property
    def found(self) -> list[FoundWord]:
        """Those of them that items have."""
        return self.items.with_words(self.lines)

    @cached_property
    def as_read(self) -> dict[str, float]:
        """How surely each word stands there as it was read."""
        return {word: as_read(word) for word in self.read}

    @cached_property
    def amounts(self) -> frozenset[Amount]:
        """The amounts on the thing."""
        return amounts(self.lines)

    @property
    def says_something(self) -> bool:
        """Whether the words can speak for or against an item."""
        return self.items.can_be_read and (bool(self.found) or any(self.as_read.values()))

    @cached_property
    def rarity(self) -> dict[str, float]:
        """How likely each word that items have is on any thing."""
        total = self.items.count()
        named = {amount.word for amount in self.amounts}
        return {
            word.text: word_probability(
                word.text, sum(word.rows.values()), total, is_amount=word.text in named
            )
            for word in self.found
        }

    def candidates(self, known: set[int]) -> dict[int, Match]:
        """Return other items than the known rows, for which most and the rarest words speak."""
        scores: defaultdict[int, float] = defaultdict(float)
        for word in self.found:
            probability = self.rarity[word.text]
            gains = {sure: gain(sure, probability) for sure in set(word.rows.values())}
            for row, sure in word.rows.items():
                scores[row] += gains[sure]
        new = ((score, -row) for row, score in scores.items() if row not in known)
        best = {-row: self.items.in_row(-row) for _, row in heapq.nlargest(BY_WORDS, new)}
        return {row: self._match(item) for row, item in best.items() if item is not None}

    def _match(self, item: Item) -> Match:
        photos = self.items.photos(item.sku)
        return Match(item.sku, photos[0].number if photos else None, 0.0, 0.0)

    def log_ratios(self, rows: Mapping[int, Match]) -> list[float]:
        """Return the logarithm of the likelihood ratio of each item."""
        printed = self.items.with_print(rows)
        return [
            log_ratio(
                self._evidence(row, match.sku, is_known=match.photo is None or row in printed),
                self.rarity,
            )
            for row, match in rows.items()
        ]

    def _evidence(self, row: int, sku: str, *, is_known: bool) -> WordEvidence:
        """Return what the words say about an item.

        Args:
            row: Its row.
            sku: Its sku.
            is_known: Whether it is known what is printed on it: words were read on its photos, or
                it has none, and its words alone tell it from others.
        """
        item = self.items.get(sku)
        assert item is not None, "every match has an item"
        found = {word.text: word.rows[row] for word in self.found if row in word.rows}
        lacks = sum(sure for word, sure in self.as_read.items() if word not in found)
        own = amounts([item.title, *item.attributes.values()])
        return WordEvidence(
            found,
            _share_read(item.title, self.read),
            contradict(own, self.amounts),
            lacks if is_known else 0.0,
        )


def _share_read(title: str, read: Sequence[str]) -> float:
    """Return the share of a title's words that are among those that were read."""
    wanted = plain_words(title)
    known = set(read)
    found = sum(word in known or _is_misread(word, read) for word in wanted)
    return found / max(1, len(wanted))


def _is_misread(word: str, read: Sequence[str]) -> bool:
    allowed = errors_allowed(word)
    return allowed > 0 and bool((typing_errors(word, read, allowed) <= allowed).any())
