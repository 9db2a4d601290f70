"""Weigh the words that were read on a thing against the texts of a catalogue's items."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from catalog.bundles.items import Item, Items
from catalog.bundles.match import Match
from catalog.bundles.printed_words import (
    FoundWord,
    plain_words,
    read_words,
    strangeness,
    surely_read,
)
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
    relative_ratio,
    with_words,
    word_probability,
)

BY_WORDS = 10  # items that become candidates by their words
STRANGE = 0.5  # share of a word from which it is another word than those of an item
LIKELY = 0.1  # confidence by sight from which it is asked whether the thing is a relative


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
    if not (look.says_something or look.lacks_print_of(found)):
        return list(found)
    rows = {items.row(match.sku): match for match in found}
    rows |= look.candidates(set(rows))
    matches = list(rows.values())
    evidence = look.evidence(rows)
    after = with_words(
        [match.confidence or 0.0 for match in matches],
        [log_ratio(said, look.rarity) for said in evidence],
        [place < len(found) for place in range(len(matches))],
        [match.photo is not None for match in matches],
        Shares(foreign_share, items.pictured, items.count() - items.pictured),
        [relative_ratio(said, look.rarity) for said in evidence],
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
    def sure(self) -> set[str]:
        """Those of the words that were surely read."""
        return surely_read(self.lines)

    @cached_property
    def amounts(self) -> frozenset[Amount]:
        """The amounts on the thing."""
        return amounts(self.lines)

    @property
    def says_something(self) -> bool:
        """Whether the words can speak for or against an item."""
        return self.items.can_be_read and (bool(self.found) or any(self.as_read.values()))

    def lacks_print_of(self, found: Sequence[Match]) -> bool:
        """Whether words were read on the photos of the likeliest item, and none on the thing.

        Then the thing may be one without a photo as well as where words are read on it.
        """
        return bool(self.items.with_print(self.items.row(match.sku) for match in found[:1]))

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

    def evidence(self, rows: Mapping[int, Match]) -> list[WordEvidence]:
        """Return what the words say about each item."""
        printed = self.items.with_print(rows)
        return [self._evidence(row, match, has_print=row in printed) for row, match in rows.items()]

    def _evidence(self, row: int, match: Match, *, has_print: bool) -> WordEvidence:
        """Return what the words say about an item.

        What it lacks is known where words were read on its photos, or it has none, and its words
        alone tell it from others.

        Args:
            row: Its row.
            match: Its match.
            has_print: Whether words were read on its photos.
        """
        item = self.items.get(match.sku)
        assert item is not None, "every match has an item"
        found = {word.text: word.rows[row] for word in self.found if row in word.rows}
        lacks = {word: sure for word, sure in self.as_read.items() if word not in found}
        own = amounts([item.title, *item.attributes.values()])
        return WordEvidence(
            found,
            _share_read(item.title, self.read),
            contradict(own, self.amounts),
            sum(lacks.values()) if has_print or match.photo is None else 0.0,
            self._differs(row, item.title, found)
            if has_print and found and _is_likely(match)
            else 0.0,
        )

    def _differs(self, row: int, title: str, found: Collection[str]) -> float:
        """Return the probability that the thing has another name than the item in a row.

        It has where a word of the title that was read on the item's photos is not on the thing, and
        another word is.
        """
        strangeness_to_item = self.items.strangeness
        own = (
            word
            for word in plain_words(title)
            if as_read(word, surely=True)
            and strangeness_to_item(row, word, to_print=True) < STRANGE
        )
        if all(strangeness(word, self.read) < STRANGE for word in own):
            return 0.0
        same = 1.0
        for word in self.sure.difference(found):
            sure = as_read(word, surely=True)
            if sure and strangeness_to_item(row, word) > STRANGE:
                same *= 1 - sure
        return 1 - same


def _is_likely(match: Match) -> bool:
    return (match.confidence or 0.0) >= LIKELY


def _share_read(title: str, read: Sequence[str]) -> float:
    """Return the share of a title's words that are among those that were read."""
    wanted = plain_words(title)
    known = set(read)
    found = sum(word in known or _is_misread(word, read) for word in wanted)
    return found / max(1, len(wanted))


def _is_misread(word: str, read: Sequence[str]) -> bool:
    allowed = errors_allowed(word)
    return allowed > 0 and bool((typing_errors(word, read, allowed) <= allowed).any())
