"""Write what is asked as an expression for SQLite's index of trigrams (`text_search`)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from catalog.bundles.folding import Word, is_run

SHORTEST_INSIDE = 3  # letters; the trigrams find nothing shorter, and one letter is everywhere
SHORTEST_HALF, LONGEST_IN_TWO = 3, 20  # letters


class Closeness(Enum):
    """How a word that is asked for stands in the words of an item, the best first."""

    WHOLE = "whole"
    BEGINNING = "beginning"
    INSIDE = "inside"


def spelled(word: str) -> str:
    """Return `word` as the index has it, with spaces between characters that run together."""
    return " ".join(word) if is_run(word) else word


def column(words: Iterable[str]) -> str:
    """Return the text of a column of the index: each word once, between two spaces."""
    return "  ".join(["", *(spelled(word) for word in dict.fromkeys(words) if word), ""])


def phrase(word: str, closeness: Closeness) -> str:
    """Return the phrase for `word`; one of one or two letters is looked for as a beginning."""
    text = spelled(word)
    if closeness is Closeness.WHOLE:
        return quoted(f"  {text}  ")
    if is_run(word):
        return quoted(f"  {text} " if closeness is Closeness.BEGINNING else f" {text} ")
    inside = closeness is Closeness.INSIDE and len(word) >= SHORTEST_INSIDE
    return quoted(text if inside else f"  {text}")


def word_phrases(word: Word, closeness: Closeness) -> str:
    """Return the expression for `word`: any of its spellings, or all of its parts."""
    whole = [phrase(spelling, closeness) for spelling in word.spellings]
    parts = [any_of(_part(spelling, closeness) for spelling in part) for part in word.parts]
    return any_of([*whole, *([all_of(parts)] if parts else [])])


def _part(spelling: str, closeness: Closeness) -> str:
    short = len(spelling) < SHORTEST_INSIDE and not is_run(spelling)
    return phrase(spelling, Closeness.WHOLE if short else closeness)


def in_two(word: Word) -> list[str]:
    """Return the phrases for a word that items may write as two."""
    return [
        quoted(f"  {spelling[:end]}  {spelling[end:]}")
        for spelling in word.spellings
        if len(spelling) <= LONGEST_IN_TWO and spelling.isalpha() and not is_run(spelling)
        for end in range(SHORTEST_HALF, len(spelling) - SHORTEST_HALF + 1)
    ]


def any_of(expressions: Iterable[str]) -> str:
    """Return the expression that one of `expressions` fulfils."""
    return f"({' OR '.join(dict.fromkeys(expressions))})"


def all_of(expressions: Iterable[str]) -> str:
    """Return the expression that must fulfil all `expressions`."""
    return f"({' AND '.join(expressions)})"


def quoted(text: str) -> str:
    """Return `text` as a phrase; nothing in it is an operator."""
    return '"' + text.replace('"', '""') + '"'
