"""Find the items that have the words that were read on a thing, allowing for misread letters."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from catalog.bundles.folding import Word, forms, is_run, words
from catalog.bundles.phrases import Closeness, any_of, in_two, phrase
from catalog.bundles.similar_words import SimilarWords, errors_allowed
from catalog.core.read_line import score_of
from catalog.recognition.amounts import amounts

MOST_WORDS = 30  # of a thing; further ones are not looked for
MOST_ITEMS = 2000  # with a word; one that more items have says little
SHORTEST = 2  # characters of a word that is looked for
TRIGRAM = 3  # characters
SHORTEST_NUMBER = 4  # digits of a number without a unit; shorter ones are on every package
SURE_SCORE = 0.95  # of a line that was surely read
READ_RIGHT = 0.9  # the probability that a word is read without an error
MISREAD = (0.2, 0.05)  # that it is read with one, with two errors
SELDOM = 0.1  # times that, in a line that was surely read, unless the word was only cut off
_ANYWHERE = "{title sku rest printed}"


@dataclass(frozen=True)
class FoundWord:
    """A word that was read, and the rows of the items that have it, each with how surely."""

    text: str
    rows: dict[int, float]


class PrintedWordSearch:
    """Finds items by printed words in an open ``words.db``; safe to use from many threads."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        columns = connection.execute("select name from pragma_table_info('item_words')")
        has_printed = "printed" in {name for (name,) in columns}  # bundles of before have not
        self._columns = _ANYWHERE if has_printed else "{title sku rest}"
        self._spellings = [SimilarWords(connection)]
        if has_printed:
            self._spellings.append(SimilarWords(connection, "printed_spellings"))
        tables = connection.execute("select 1 from sqlite_master where name = 'with_print'")
        self._knows_print = tables.fetchone() is not None  # bundles of before do not

    def find(self, lines: Sequence[str]) -> list[FoundWord]:
        """Return the words of some lines that items have."""
        found = []
        surely = surely_read(lines)
        for text in read_words(lines):
            rows: dict[int, float] = {}
            for sure, expression in self._expressions(text, surely=text in surely):
                for row in self._rows(expression):
                    rows.setdefault(row, sure)
            if rows:
                found.append(FoundWord(text, rows))
        return found

    def with_print(self, rows: Iterable[int]) -> set[int]:
        """Return those of some rows whose items have words on their photos that were read."""
        if not self._knows_print:
            return set()
        found = self._connection.execute(
            "select row from with_print where row in (select value from json_each(?))",
            [json.dumps(list(rows))],
        )
        return {row for (row,) in found}

    def strangeness(self, row: int, word: str, *, to_print: bool = False) -> float:
        """Return the share of a word's trigrams that an item's words lack.

        It is small for a part of a longer word, and for two words that were read as one.

        Args:
            row: The item's row.
            word: The word.
            to_print: Ask for the words that were read on its photos alone.
        """
        columns = "printed" if to_print else self._columns
        return _share(trigrams(word), lambda part: not self._holds(row, columns, part))

    def _holds(self, row: int, columns: str, part: str) -> bool:
        found = self._connection.execute(
            "select 1 from item_words where item_words match ? and rowid = ?",
            (f"{columns} : {phrase(part, Closeness.INSIDE)}", row),
        )
        return found.fetchone() is not None

    def _expressions(self, text: str, *, surely: bool) -> Iterator[tuple[float, str]]:
        """Yield how a word may stand in the index, the likeliest first.

        A word that was surely read is seldom one that its owner wrote otherwise, unless it was cut
        off. What was read on photos may itself be misread.
        """
        if is_run(text):
            yield READ_RIGHT, phrase(text, Closeness.INSIDE)
            return
        yield READ_RIGHT, phrase(text, Closeness.WHOLE)
        apart = in_two(Word((text,)))
        if apart:
            yield MISREAD[0], any_of(apart)
        allowed = 0 if text[0].isdigit() else errors_allowed(text)  # 500 ml is not 300 ml
        others: list[tuple[float, str]] = []
        for errors, sure in enumerate(MISREAD[:allowed], 1):
            written, *printed = (known.find(text, errors) for known in self._spellings)
            cut = [word for word in written if not surely or text in word or word in text]
            near = [*cut, *(word for words in printed for word in words)]
            if near:
                yield sure, any_of(phrase(word, Closeness.WHOLE) for word in near)
            far = [word for word in written if word not in near]
            if far:
                others.append(
                    (sure * SELDOM, any_of(phrase(word, Closeness.WHOLE) for word in far))
                )
        yield from others

    def _rows(self, expression: str) -> Iterator[int]:
        rows = self._connection.execute(
            "select rowid from item_words where item_words match ? limit ?",
            (f"{self._columns} : {expression}", MOST_ITEMS),
        )
        return (row for (row,) in rows)


def printed_forms(texts: Iterable[str], lines: Iterable[str]) -> list[str]:
    """Return the words to keep of an item: its amounts, and what was read on its photos.

    Args:
        texts: What its owner wrote.
        lines: The lines that were read on its photos.
    """
    read = tuple(lines)
    found = [form for line in read for form in forms(words(line)) if _says_something(form)]
    named = [amount.word for amount in amounts((*texts, *read))]
    return list(dict.fromkeys((*sorted(named), *found)))


def read_words(lines: Sequence[str]) -> list[str]:
    """Return the words of some lines, each once; runs of ideographs in pairs; and the amounts."""
    found: dict[str, None] = {amount.word: None for amount in sorted(amounts(lines), key=str)}
    for line in lines:
        found |= dict.fromkeys(plain_words(line))
    return list(found)[:MOST_WORDS]


def plain_words(text: str) -> list[str]:
    """Return the words of a text in one spelling each; runs of ideographs in pairs."""
    found: dict[str, None] = {}
    for word in words(text):
        for spelling in word.spellings[:1] or [part[0] for part in word.parts]:
            pieces = _pairs(spelling) if is_run(spelling) else [spelling]
            found |= dict.fromkeys(filter(_says_something, pieces))
    return list(found)


def trigrams(word: str) -> set[str]:
    """Return the parts of a word of three characters."""
    return {word[place : place + TRIGRAM] for place in range(len(word) - TRIGRAM + 1)}


def strangeness(word: str, others: Iterable[str]) -> float:
    """Return the share of a word's trigrams that other words lack."""
    known = {part for other in others for part in trigrams(other)}
    return _share(trigrams(word), lambda part: part not in known)


def _share(parts: Collection[str], is_strange: Callable[[str], bool]) -> float:
    return sum(map(is_strange, parts)) / max(1, len(parts))


def surely_read(lines: Sequence[str]) -> set[str]:
    """Return the words of those lines that were surely read."""
    sure = [line for line in lines if score_of(line) >= SURE_SCORE]
    return {word for line in sure for word in plain_words(line)}


def _pairs(run: str) -> list[str]:
    return [run[place : place + 2] for place in range(len(run) - 1)]


def _says_something(word: str) -> bool:
    return len(word) >= (SHORTEST_NUMBER if word.isdecimal() else SHORTEST)
