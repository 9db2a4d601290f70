"""The catalogue's metadata in SQLite: items, photos and full text; thumbnails in a second file."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from catalog.bundles.database import create, open_read_only
from catalog.bundles.item_codes import CODE_ATTRIBUTES, codes_in, codes_of
from catalog.bundles.printed_words import FoundWord, plain_words, printed_forms
from catalog.bundles.text_search import FILE as WORDS_FILE
from catalog.bundles.text_search import ItemTexts, TextSearch, write_text_search
from catalog.recognition.words import as_read


@dataclass(frozen=True)
class Item:
    """An item of the catalogue, with what a person wants to read of it."""

    sku: str
    title: str
    price: str = ""
    url: str = ""
    location: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Photo:
    """A photo of an item. Its number is its row in the vectors; `source` names its file."""

    number: int
    sku: str
    source: str
    width: int
    height: int
    sha256: str


class Items:
    """The metadata of an open bundle, read-only; safe to use from many threads."""

    def __init__(self, path: Path, pictures: Path, words: Path | None = None) -> None:
        self._items = open_read_only(path)
        self._pictures = open_read_only(pictures)
        self._text_search = TextSearch.open(words) if words is not None else None
        known: dict[str, str] = {}  # so that the photos of an item share one text
        self._skus: tuple[str, ...] = tuple(
            known.setdefault(sku, sku)
            for (sku,) in self._items.execute("select sku from photos order by number")
        )

    @property
    def skus(self) -> tuple[str, ...]:
        """Return the sku of each photo; the position is the photo's number."""
        return self._skus

    def count(self) -> int:
        """Return the number of items."""
        return int(self._items.execute("select count(*) from items").fetchone()[0])

    @cached_property
    def pictured(self) -> int:
        """The number of items that have photos."""
        return len(set(self._skus))

    def get(self, sku: str) -> Item | None:
        """Return the item with this sku, or None."""
        rows = self._query("select * from items where sku = ?", [sku])
        return next((_item(row) for row in rows), None)

    @cached_property
    def may_have_codes(self) -> bool:
        """Whether a code may name an item: items have codes, or skus that may stand in a code.

        Such a sku has digits and no space.
        """
        sql = "select 1 from items where sku glob '*[0-9]*' and sku not glob '* *' limit 1"
        return self._items.execute(sql).fetchone() is not None or bool(self._codes)

    @cached_property
    def some_without_photo(self) -> bool:
        """Whether there are items that have no photo."""
        return self.pictured < self.count()

    def with_code(self, spellings: Iterable[str]) -> Item | None:
        """Return the item whose sku, or one of whose codes, is among `spellings`.

        An item's codes are the words of its attributes that `CODE_ATTRIBUTES` names.
        """
        for text in spellings:
            item = self.get(text) or self.get(self._codes.get(text, ""))
            if item is not None:
                return item
        return None

    @cached_property
    def _codes(self) -> dict[str, str]:
        """The sku of the item that has each code; of several, the first one's."""
        rows = self._items.execute(
            "select sku, attribute.value from items, json_each(attributes) attribute "
            "where lower(replace(replace(replace(key, 'g:', ''), '_', ' '), ',', '')) in "
            "(select value from json_each(?)) order by sku desc",
            [json.dumps(CODE_ATTRIBUTES)],
        )
        return {code: sku for sku, text in rows for code in codes_in(str(text))}

    def row(self, sku: str) -> int:
        """Return the row number of an item, by which the text search knows it; 0 for none."""
        found = self._items.execute("select rowid from items where sku = ?", [sku]).fetchone()
        return 0 if found is None else int(found[0])

    def in_row(self, row: int) -> Item | None:
        """Return the item in a row, or None."""
        rows = self._query("select * from items where rowid = ?", [row])
        return next((_item(row) for row in rows), None)

    def with_words(self, lines: Sequence[str]) -> list[FoundWord]:
        """Find the items that have the words of `lines`, as they were read on a thing."""
        return [] if self._text_search is None else self._text_search.printed.find(lines)

    @property
    def can_be_read(self) -> bool:
        """Whether items can be found by words on things; not in a bundle without ``words.db``."""
        return self._text_search is not None

    def with_print(self, rows: Iterable[int]) -> set[int]:
        """Return those of some rows whose items have words on their photos that were read."""
        return set() if self._text_search is None else self._text_search.printed.with_print(rows)

    def strangeness(self, row: int, word: str, *, to_print: bool = False) -> float:
        """Return how much of a word the item in a row lacks; see `PrintedWordSearch`."""
        if self._text_search is None:
            return 1.0
        return self._text_search.printed.strangeness(row, word, to_print=to_print)

    def all_items(self) -> Iterator[Item]:
        """Yield every item.

        Raises:
            ValueError, RecursionError: The attributes of the next one cannot be read.
        """
        return map(_item, self._query("select * from items"))

    def all_photos(self) -> Iterator[Photo]:
        """Yield every photo, by number."""
        rows = self._query("select * from photos order by number")
        return (Photo(**row) for row in rows)

    def known_photos(self, digests: Iterable[str]) -> set[str]:
        """Return those of some SHA-256 digests that are a photo's."""
        rows = self._items.execute(
            "select sha256 from photos where sha256 in (select value from json_each(?))",
            [json.dumps(list(digests))],
        )
        return {digest for (digest,) in rows}

    def photos(self, sku: str) -> list[Photo]:
        """Return the photos of an item, in the catalogue's order."""
        rows = self._query("select * from photos where sku = ? order by number", [sku])
        return [Photo(**row) for row in rows]

    def titled(self, title: str) -> list[Item]:
        """Return the items with a title; A to Z count as a to z."""
        rows = self._query("select * from items where title = ? collate nocase", [title])
        return [_item(row) for row in rows]

    def find(self, text: str, limit: int = 20) -> list[Item]:
        """Find items by words of their title, sku or attributes; see `TextSearch.find`.

        An empty text finds the first items by title.
        """
        if not text.strip():
            rows = self._query("select * from items order by title limit ?", [limit])
            return [_item(row) for row in rows]
        if self._text_search is None:
            return self._find_beginnings(text, limit)
        items = map(self.in_row, self._text_search.find(text, limit))
        return [item for item in items if item is not None]

    def _find_beginnings(self, text: str, limit: int) -> list[Item]:
        """Find items with words that begin with the words of `text`, in an earlier bundle."""
        words = re.findall(r"\w+", text.encode(errors="ignore").decode())
        if not words:
            return []
        query = " ".join(f'"{word}"*' for word in words)
        sql = (
            "select items.* from items_fts join items on items.rowid = items_fts.rowid "
            "where items_fts match ? order by items_fts.rank limit ?"
        )
        return [_item(row) for row in self._query(sql, [query, limit])]

    def thumbnail(self, number: int) -> bytes | None:
        """Return the JPEG thumbnail of a photo, or None."""
        row = self._pictures.execute(
            "select jpeg from thumbnails where number = ?", [number]
        ).fetchone()
        return None if row is None else bytes(row[0])

    def _query(self, sql: str, values: Sequence[object] = ()) -> Iterator[sqlite3.Row]:
        """Run a query; its rows know their columns' names."""
        cursor = self._items.cursor()
        cursor.row_factory = sqlite3.Row
        return cursor.execute(sql, values)

    def close(self) -> None:
        """Close the files."""
        if self._text_search is not None:
            self._text_search.close()
        self._items.close()
        self._pictures.close()


def write_items(
    folder: Path,
    items: Iterable[Item],
    photos: Iterable[Photo],
    printed: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write ``items.db`` and ``words.db``, the items with the shortest titles first.

    Args:
        folder: The bundle's folder.
        items: The items.
        photos: Their photos, by number.
        printed: The lines that were read on the photos of each item, by its sku.
    """
    database = create(folder / "items.db")
    ordered = sorted(items, key=lambda item: (len(item.title), item.title, item.sku))
    rows = (
        vars(item)
        | {
            "attributes": json.dumps(item.attributes, ensure_ascii=False, sort_keys=True),
            "words": " ".join([item.location, *item.attributes.values()]),
        }
        for item in ordered
    )
    text = {"sku": str, "title": str, "price": str, "url": str, "location": str}
    database["items"].create(text | {"attributes": str, "words": str}, pk="sku")  # type: ignore[union-attr]
    database["items"].insert_all(rows)  # type: ignore[union-attr]
    # Earlier versions search this, and an SQLite that cannot read words.db.
    database["items"].enable_fts(  # type: ignore[union-attr]
        ["title", "sku", "words"], tokenize="unicode61 remove_diacritics 2"
    )
    database["photos"].insert_all(  # type: ignore[union-attr]
        (vars(photo) for photo in photos), pk="number", foreign_keys=[("sku", "items")]
    )
    database["photos"].create_index(["sku"])  # type: ignore[union-attr]
    database.vacuum()
    database.close()
    read = printed or {}
    write_text_search(
        folder / WORDS_FILE, (_texts(item, read.get(item.sku, ())) for item in ordered)
    )


def _texts(item: Item, lines: Sequence[str]) -> ItemTexts:
    rest = [item.location, *item.attributes.values()]
    printed = printed_forms([item.title, *item.attributes.values()], lines)
    has_print = any(as_read(word) for line in lines for word in plain_words(line))
    return ItemTexts(item.title, item.sku, rest, printed, has_print=has_print)


def write_thumbnails(path: Path, thumbnails: Iterable[tuple[int, bytes]]) -> None:
    """Write ``pictures.db`` from (number, JPEG) pairs."""
    database = create(path)
    database["thumbnails"].insert_all(  # type: ignore[union-attr]
        ({"number": number, "jpeg": jpeg} for number, jpeg in thumbnails), pk="number"
    )
    database.close()


def can_be_read(item: Item) -> bool:
    """Return whether an item can be found without a photo: it has a title of its own, or a code."""
    names = {item.sku, item.sku.replace("_", " ").replace("-", " ").strip()}
    return item.title not in names or any(codes_of(item.attributes))


def _item(row: sqlite3.Row) -> Item:
    fields = {key: str(row[key] or "") for key in ("sku", "title", "price", "url", "location")}
    return Item(**fields, attributes=json.loads(str(row["attributes"] or "{}")))
