"""Weigh the words that were read on a thing against the texts of a catalogue's items."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from catalog.bundles.items import Item, Items
from catalog.bundles.match import Match
from catalog.bundles.printed_words import FoundWord, plain_words, read_words
from catalog.bundles.similar_words import errors_allowed, typing_errors
from catalog.recognition.amounts import Amount, amounts, contradict
from catalog.recognition.words import WordEvidence, gain, log_ratio, with_words, word_probability

BY_WORDS = 10  # items that become candidates by their words


def weigh_words(items: Items, found: Sequence[Match], lines: Sequence[str]) -> list[Match]:
    """Return the items found and others that have the words of `lines`, the likeliest first."""
    words = items.with_words(lines)
    if not words:
        return list(found)
    total = items.count()
    rarity = {
        word.text: word_probability(word.text, sum(word.rows.values()), total) for word in words
    }
    rows = {items.row(match.sku): match for match in found}
    for row in _best_rows(words, rarity, set(rows)):
        item = items.in_row(row)
        if item is not None:
            photos = items.photos(item.sku)
            rows[row] = Match(item.sku, photos[0].number if photos else None, 0.0, 0.0)
    read, named = read_words(lines), amounts(lines)
    ratios = [
        log_ratio(_evidence(items.get(match.sku), row, words, read, named), rarity)
        for row, match in rows.items()
    ]
    matches = list(rows.values())
    seen = [place < len(found) for place in range(len(matches))]
    pictured = [match.photo is not None for match in matches]
    before = [match.confidence or 0.0 for match in matches]
    after = with_words(before, ratios, seen, pictured, total)
    weighed = [
        replace(match, confidence=confidence)
        for match, confidence in zip(matches, after, strict=True)
    ]
    return sorted(weighed, key=lambda match: -(match.confidence or 0.0))


def _best_rows(
    words: Sequence[FoundWord], rarity: Mapping[str, float], known: set[int]
) -> list[int]:
    """Return the rows of the items that most and the rarest words speak for."""
    scores: defaultdict[int, float] = defaultdict(float)
    for word in words:
        gains = {sure: gain(sure, rarity[word.text]) for sure in set(word.rows.values())}
        for row, sure in word.rows.items():
            scores[row] += gains[sure]
    new = ((score, -row) for row, score in scores.items() if row not in known)
    return [-row for _, row in heapq.nlargest(BY_WORDS, new)]


def _evidence(
    item: Item | None,
    row: int,
    words: Sequence[FoundWord],
    read: Sequence[str],
    named: frozenset[Amount],
) -> WordEvidence:
    assert item is not None, "every match has an item"
    own = amounts([item.title, *item.attributes.values()])
    return WordEvidence(
        {word.text: word.rows[row] for word in words if row in word.rows},
        _share_read(item.title, read),
        contradict(own, named),
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
