"""Find the words of a catalogue that a mistyped word may mean.

Each row of the table ``spellings`` of ``words.db`` holds all words of one length, one behind the
other, those with digits and those without apart. ``printed_spellings`` holds the words that are
printed on the things in the same way. So a search reads the few rows with words of
about its length, and keeps nothing in memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

SHORTEST, LONGEST = 3, 32  # characters of words that are compared
MOST = 40  # similar words that are searched for
MANY = 100  # more typing errors than a word can have
IDEOGRAPHS = "\u2e80"  # from here on a character says more than a letter: Chinese, Japanese, Korean
SHORTEST_INSIDE = 6  # letters of a word that is compared with parts of longer ones

Letters = NDArray[np.uint32]
SpellingTable = Literal["spellings", "printed_spellings"]


class SimilarWords:
    """The words of an open ``words.db``; safe to use from many threads.

    Args:
        connection: The open file.
        table: The words to search: those that people wrote, or those that are printed on things.
    """

    def __init__(self, connection: sqlite3.Connection, table: SpellingTable = "spellings") -> None:
        self._connection = connection
        self._sql = f"select length, words from {table} where digits = ? and length between ? and ?"  # noqa: S608

    def find(self, word: str, errors: int, *, inside: bool = False) -> list[str]:
        """Return words that `word` may mean, the fewest typing errors first.

        Args:
            word: A folded word.
            errors: How many typing errors it may have, 1 or 2.
            inside: Return the longer words that begin with it, end with it or hold it.

        Nothing is found for a word that is too short for so many errors.
        """
        shortest = SHORTEST_INSIDE if inside and word < IDEOGRAPHS else SHORTEST
        if errors > errors_allowed(word) or len(word) < shortest:
            return []
        lengths = (len(word) - errors, len(word) + errors)
        if inside:
            lengths = (len(word) + 1, LONGEST)
        rows = self._connection.execute(self._sql, (has_digits(word), *lengths))
        letters = _letters(word)
        likely: list[str] = []
        for length, text in rows:
            places = _alike(letters, _letters(text).reshape(-1, length), errors)
            likely += [text[place * length : (place + 1) * length] for place in places.tolist()]
        counted = typing_errors(word, likely, errors, inside=inside).tolist()
        found = [pair for pair in zip(counted, likely, strict=True) if pair[0] <= errors]
        return [similar for _, similar in sorted(found)[:MOST]]


def has_digits(word: str) -> bool:
    """Return whether `word` has a digit; one that has is compared with others of that kind only."""
    return any(character.isdigit() for character in word)


def errors_allowed(word: str) -> int:
    """Return how many typing errors `word` may have: none in short words, in long ones two."""
    if not SHORTEST <= len(word) <= LONGEST:
        return 0
    if has_digits(word):
        return int(len(word) >= 6)  # an M8 is no M6
    return 1 if len(word) < 6 else 2


def typing_errors(
    word: str, others: Sequence[str], most: int, *, inside: bool = False
) -> NDArray[np.uint8]:
    """Count the typing errors between `word` and each of `others`, uint8 (count,).

    An error is a letter too many, too few or wrong, or two neighbours that changed places
    (optimal string alignment distance). With `inside`, what stands before and behind the most
    similar stretch of the other word does not count. Counts above `most` may be too high.
    """
    lengths = np.array([len(other) for other in others], np.intp)
    longest = int(lengths.max(initial=0))
    padded = "".join(other.ljust(longest, "\0") for other in others)
    columns = np.ascontiguousarray(_letters(padded).reshape(len(others), longest).T)
    one = np.uint8(1)
    too_many = np.full(len(others), MANY, np.uint8)
    letters = _letters(word)
    earlier: list[NDArray[np.uint8]] = []
    above = [np.full_like(too_many, 0 if inside else place) for place in range(longest + 1)]
    for row, letter in enumerate(letters, 1):
        line = [np.full_like(too_many, row)]
        for place, column in enumerate(columns, 1):
            if not inside and abs(row - place) > most:
                line.append(too_many)
                continue
            wrong = above[place - 1] + (column != letter)
            fewest = np.minimum(wrong, np.minimum(above[place], line[-1]) + one)
            if row > 1 and place > 1:
                swapped = (column == letters[row - 2]) & (columns[place - 2] == letter)
                fewest = np.minimum(fewest, np.where(swapped, earlier[place - 2] + one, fewest))
            line.append(fewest)
        earlier, above = above, line
    if inside:
        return np.asarray(np.minimum.reduce(above))
    return np.asarray(np.stack(above)[lengths, np.arange(len(others))])


def _alike(word: Letters, others: Letters, most: int) -> NDArray[np.intp]:
    """Return which rows of `others` lack at most so many letters of `word`: each is an error."""
    places = np.arange(len(others))
    columns = np.ascontiguousarray(others.T)
    missing = np.zeros(len(others), np.int8)
    for letter, times in zip(*np.unique(word, return_counts=True), strict=True):
        present = (columns == letter).sum(axis=0, dtype=np.int8)
        missing += np.maximum(np.int8(times) - present, 0)
        alike = missing <= most
        if np.count_nonzero(alike) < len(alike) / 2:  # else copying costs more than it saves
            places, columns, missing = places[alike], columns[:, alike], missing[alike]
    return places[missing <= most]


def _letters(text: str) -> Letters:
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def write_spellings(
    connection: sqlite3.Connection, words: Iterable[str], table: SpellingTable = "spellings"
) -> None:
    """Write a table from distinct `words` of a catalogue."""
    groups: dict[tuple[bool, int], list[str]] = {}
    for word in words:
        if SHORTEST - 1 <= len(word) <= LONGEST:
            groups.setdefault((has_digits(word), len(word)), []).append(word)
    connection.execute(
        f"create table {table} (digits integer, length integer, words text, "
        "primary key (digits, length))"
    )
    connection.executemany(
        f"insert into {table} values (?, ?, ?)",  # noqa: S608
        ((*kind, "".join(sorted(group))) for kind, group in sorted(groups.items())),
    )
