"""The catalogue's metadata in SQLite: items, photos and full text; thumbnails in a second file."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import sqlite_utils

from catalog.core.errors import BundleError


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

    def __init__(self, path: Path, pictures: Path) -> None:
        self._items = _open_read_only(path)
        self._pictures = _open_read_only(pictures)
        self._codes: dict[str, str] | None = None
        self._skus: tuple[str, ...] = tuple(
            sku for (sku,) in self._items.execute("select sku from photos order by number")
        )

    @property
    def skus(self) -> tuple[str, ...]:
        """Return the sku of each photo; the position is the photo's number."""
        return self._skus

    def count(self) -> int:
        """Return the number of items."""
        return int(self._items.execute("select count(*) from items").fetchone()[0])

    def get(self, sku: str) -> Item | None:
        """Return the item with this sku, or None."""
        rows = self._items.query("select * from items where sku = ?", [sku])
        return next((_item(row) for row in rows), None)

    def with_code(self, spellings: Iterable[str]) -> Item | None:
        """Return the item whose sku, or a word of whose attribute "code", is among `spellings`."""
        if self._codes is None:
            rows = self._items.execute(
                "select sku, json_extract(attributes, '$.code') from items "
                "where json_extract(attributes, '$.code') is not null order by sku desc"
            )
            self._codes = {code: sku for sku, codes in rows for code in str(codes).split()}
        for text in spellings:
            item = self.get(text) or self.get(self._codes.get(text, ""))
            if item is not None:
                return item
        return None

    def photos(self, sku: str) -> list[Photo]:
        """Return the photos of an item, in the catalogue's order."""
        rows = self._items.query("select * from photos where sku = ? order by number", [sku])
        return [Photo(**row) for row in rows]

    def find(self, text: str, limit: int = 20) -> list[Item]:
        """Find items with words in title, sku or attributes that begin with the words of `text`."""
        words = re.findall(r"\w+", text)
        if not words:
            rows = self._items.query("select * from items order by title limit ?", [limit])
            return [_item(row) for row in rows]
        query = " ".join(f'"{word}"*' for word in words)
        sql = (
            "select items.* from items_fts join items on items.rowid = items_fts.rowid "
            "where items_fts match ? order by items_fts.rank limit ?"
        )
        return [_item(row) for row in self._items.query(sql, [query, limit])]

    def thumbnail(self, number: int) -> bytes | None:
        """Return the JPEG thumbnail of a photo, or None."""
        row = self._pictures.execute(
            "select jpeg from thumbnails where number = ?", [number]
        ).fetchone()
        return None if row is None else bytes(row[0])

    def close(self) -> None:
        """Close both files."""
        self._items.close()
        self._pictures.close()


def write_items(path: Path, items: Iterable[Item], photos: Iterable[Photo]) -> None:
    """Write ``items.db``."""
    database = _create(path)
    rows = (
        asdict(item)
        | {
            "attributes": json.dumps(item.attributes, ensure_ascii=False, sort_keys=True),
            "words": " ".join([item.location, *item.attributes.values()]),
        }
        for item in items
    )
    text = {"sku": str, "title": str, "price": str, "url": str, "location": str}
    database["items"].create(text | {"attributes": str, "words": str}, pk="sku")  # type: ignore[union-attr]
    database["items"].insert_all(rows)  # type: ignore[union-attr]
    database["items"].enable_fts(  # type: ignore[union-attr]
        ["title", "sku", "words"], tokenize="unicode61 remove_diacritics 2"
    )
    database["photos"].insert_all(  # type: ignore[union-attr]
        (asdict(photo) for photo in photos), pk="number", foreign_keys=[("sku", "items")]
    )
    database["photos"].create_index(["sku"])  # type: ignore[union-attr]
    database.vacuum()
    database.close()


def write_thumbnails(path: Path, thumbnails: Iterable[tuple[int, bytes]]) -> None:
    """Write ``pictures.db`` from (number, JPEG) pairs."""
    database = _create(path)
    database["thumbnails"].insert_all(  # type: ignore[union-attr]
        ({"number": number, "jpeg": jpeg} for number, jpeg in thumbnails), pk="number"
    )
    database.close()


def _create(path: Path) -> sqlite_utils.Database:
    """Create a database without flushing each commit; the whole bundle is flushed at the end."""
    database = sqlite_utils.Database(path)
    database.execute("pragma synchronous = off")
    return database


def _open_read_only(path: Path) -> sqlite_utils.Database:
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
        connection.execute("select 1 from sqlite_master limit 1")
    except sqlite3.Error as error:
        raise BundleError(f"{path}: cannot be opened: {error}") from error
    return sqlite_utils.Database(connection)


def _item(row: dict[str, object]) -> Item:
    fields = {key: str(row[key] or "") for key in ("sku", "title", "price", "url", "location")}
    return Item(**fields, attributes=json.loads(str(row["attributes"] or "{}")))
