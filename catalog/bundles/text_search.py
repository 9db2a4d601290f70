"""Find items by the words of their title, sku and attributes.

``words.db`` holds the folded words of each item (`folding`), with two spaces around each, in
SQLite's index of trigrams. So one index answers whether a word is there ("  cup  "), begins
("  cup") or is inside another ("cup"). Characters of scripts that run words together have a
space between them, so that two of them, or one, make a trigram, too.

Items are numbered by the length of their titles. What matches equally well therefore comes out
of the index in the order in which it is shown, and a search reads no further than it must.

The file is one of its own, so that a changed price does not ship it again. Bundles of earlier
versions have none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, compress
from pathlib import Path
from typing import Self

from catalog.bundles.database import create, open_read_only
from catalog.bundles.folding import Word, forms, joined, symbols, words
from catalog.bundles.phrases import (
    Closeness,
    all_of,
    any_of,
    column,
    in_two,
    phrase,
    word_phrases,
)
from catalog.bundles.printed_words import PrintedWordSearch
from catalog.bundles.similar_words import SimilarWords, write_spellings
from catalog.core.errors import BundleError

FILE = "words.db"
OLDEST_SQLITE = (3, 34)  # has the index of trigrams
MOST_WORDS = 12  # of a text; further ones are not looked for
MOST_COMPARED = 6  # of its words, with all words of the catalogue
MOST_TO_LACK_ONE = 8  # words
LONGEST_TEXT = 500  # characters; what follows is not read
TITLE = "{title sku}"
ANYWHERE = "{title sku rest}"


class TextSearch:
    """The text search of an open bundle; safe to use from many threads.

    Attributes:
        printed: Finds items by the words that were read on a thing.
    """

    def __init__(self, path: Path) -> None:
        self._connection = open_read_only(path)
        try:
            self._connection.execute("select item_words.rowid from item_words, spellings limit 0")
        except sqlite3.Error as error:
            self.close()
            raise BundleError(f"{path}: cannot be searched: {error}") from error
        self._similar = SimilarWords(self._connection)
        self.printed = PrintedWordSearch(self._connection)

    @classmethod
    def open(cls, path: Path) -> Self | None:
        """Open ``words.db``; None where this machine's SQLite cannot read it.

        Raises:
            BundleError: It cannot be opened, or lacks a table.
        """
        return cls(path) if sqlite3.sqlite_version_info >= OLDEST_SQLITE else None

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def find(self, text: str, limit: int) -> list[int]:
        """Return the row numbers of at most `limit` items, the best first.

        First come items with all words of `text` as whole words, then as beginnings of words,
        then inside words; of equally good ones those with all of them in title and sku. Only if
        there are neither whole words nor beginnings, similar words count; and only if nothing
        has all words, items come that lack one.
        """
        text = text[:LONGEST_TEXT]
        found = _Found(self._connection, limit)
        every = words(text)
        if not every:
            signs = sorted(symbols(text))[:MOST_WORDS]
            if signs:
                found.add("{symbols}", all_of(phrase(sign, Closeness.WHOLE) for sign in signs))
            return found.rows
        asked, code = list(dict.fromkeys(every))[:MOST_WORDS], joined(every)
        by_beginnings = 0
        if self._exists(_all_words(asked, Closeness.INSIDE, code)):  # else nothing closer does
            found.add_by_place(_all_words(asked, Closeness.WHOLE, code))
            found.add_by_place(_all_words(asked, Closeness.BEGINNING, code))
            by_beginnings = len(found)
            found.add_by_place(_all_words(asked, Closeness.INSIDE, code))
        if not by_beginnings:
            self._add_similar(found, asked)
        return found.rows

    def _add_similar(self, found: _Found, asked: Sequence[Word]) -> None:
        """Add items with words like those that are `asked`, else items that lack a word."""
        plain = [word_phrases(word, Closeness.INSIDE) for word in asked]
        begun = [self._exists(word_phrases(word, Closeness.BEGINNING)) for word in asked]
        new = [place for place, begins in enumerate(begun) if not begins][:MOST_COMPARED]
        ways = {place: [plain[place], *in_two(asked[place])] for place in new}
        likely = plain
        for errors, inside in ((1, False), (2, False), (1, True)) if new else ():
            if inside and found:
                return
            for place in new:
                ways[place] += self._similar_phrases(asked[place], errors, inside=inside)
            before = likely
            likely = [any_of(ways.get(place, [each])) for place, each in enumerate(plain)]
            if likely != before:
                found.add_by_place(all_of(likely))
        if found:
            return
        for there in (
            [self._exists(expression) for expression in likely],
            [self._exists(expression) for expression in plain],
            begun,
        ):
            if len(asked) / 2 <= sum(there) < len(asked):
                found.add_by_place(all_of(compress(likely, there)))
            if found:
                return
        if 2 < len(asked) <= MOST_TO_LACK_ONE:
            for some in combinations(likely, len(likely) - 1):
                found.add(ANYWHERE, all_of(some))

    def _similar_phrases(self, word: Word, errors: int, *, inside: bool) -> list[str]:
        return [
            phrase(similar, Closeness.WHOLE)
            for spelling in word.spellings
            for similar in self._similar.find(spelling, errors, inside=inside)
        ]

    def _exists(self, expression: str) -> bool:
        found = _Found(self._connection, 1)
        found.add(ANYWHERE, expression)
        return bool(found)


class _Found:
    """The rows found so far, each once, in the order in which they were found."""

    def __init__(self, connection: sqlite3.Connection, limit: int) -> None:
        self._connection = connection
        self._limit = limit
        self._rows: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> list[int]:
        return list(self._rows)[: self._limit]

    def add_by_place(self, expression: str) -> None:
        """Add what matches `expression` in title and sku, then what matches it anywhere."""
        if len(self) < self._limit:
            anywhere = self._matching(ANYWHERE, expression)
            in_title = self._matching(TITLE, expression) if anywhere else {}
            self._rows |= in_title | anywhere

    def add(self, columns: str, expression: str) -> None:
        """Add what matches, as long as fewer than the limit are found."""
        if len(self) < self._limit:
            self._rows |= self._matching(columns, expression)

    def _matching(self, columns: str, expression: str) -> dict[int, None]:
        rows = self._connection.execute(
            "select rowid from item_words where item_words match ? limit ?",
            (f"{columns} : {expression}", self._limit + len(self)),
        )
        return dict.fromkeys(row for (row,) in rows)


def _all_words(asked: Sequence[Word], closeness: Closeness, code: str) -> str:
    every = all_of(word_phrases(word, closeness) for word in asked)
    return any_of([every, phrase(code, closeness)]) if code else every


def _forms_and_code(text: str) -> list[str]:
    found = words(text)
    return [*forms(found), joined(found)]


@dataclass(frozen=True)
class ItemTexts:
    """The texts of an item: title, sku, further texts, and the words that are printed on it.

    `has_print` is true where words were surely read on its photos.
    """

    title: str
    sku: str
    rest: Sequence[str]
    printed: Sequence[str] = ()
    has_print: bool = False


def write_text_search(path: Path, items: Iterable[ItemTexts]) -> None:
    """Write ``words.db`` of `items`, in their order, unless this SQLite is too old for it."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        return
    database = create(path)
    with database.conn as connection:
        connection.execute(
            "create virtual table item_words using fts5(title, sku, rest, symbols, printed, "
            "content='', columnsize=0, tokenize='trigram case_sensitive 1')"
        )
        connection.execute("create table with_print (row integer primary key)")
        known: set[str] = set()
        known_printed: set[str] = set()
        for number, item in enumerate(items, 1):
            columns = [
                [*forms(words(item.title))],
                _forms_and_code(item.sku),
                [form for text in item.rest for form in _forms_and_code(text)],
            ]
            known.update(*columns)
            known_printed.update(item.printed)
            signs = sorted(symbols("".join([item.title, item.sku, *item.rest])))
            connection.execute(
                "insert into item_words(rowid, title, sku, rest, symbols, printed) "
                "values (?, ?, ?, ?, ?, ?)",
                (number, *(column(texts) for texts in (*columns, signs, item.printed))),
            )
            if item.has_print:
                connection.execute("insert into with_print values (?)", (number,))
        connection.execute("insert into item_words(item_words) values ('optimize')")
        write_spellings(connection, known)
        write_spellings(connection, known_printed, "printed_spellings")
    database.vacuum()
    database.close()
