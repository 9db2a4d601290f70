"""The catalogue's metadata."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from catalog.bundles.items import (
    Item,
    Items,
    Photo,
    can_be_read,
    write_items,
    write_thumbnails,
)
from catalog.core.errors import BundleError

ITEMS = (
    Item("CUP-01", "Blue stoneware cup", "€ 14.50", "https://shop.example/1", "Shelf A 3"),
    Item("WR/17", "Combination wrench", attributes={"size": "17 mm", "Brand": "O'Neill"}),
    Item("KAF", 'Café "Größe" <b>', "€ 3"),
)
PHOTOS = (
    Photo(0, "CUP-01", "a.jpg", 640, 480, "0" * 64),
    Photo(1, "CUP-01", "b.jpg", 640, 480, "1" * 64),
    Photo(2, "WR/17", "c.jpg", 300, 300, "2" * 64),
    Photo(3, "KAF", "d.jpg", 300, 300, "3" * 64),
)


@pytest.fixture
def metadata(tmp_path: Path) -> Iterator[Items]:
    write_items(tmp_path, ITEMS, PHOTOS)
    write_thumbnails(tmp_path / "pictures.db", [(0, b"jpeg 0"), (2, b"jpeg 2")])
    items = Items(*(tmp_path / name for name in ("items.db", "pictures.db", "words.db")))
    yield items
    items.close()


def test_items_come_back_as_they_went_in(metadata: Items) -> None:
    assert [metadata.get(item.sku) for item in ITEMS] == list(ITEMS)
    assert metadata.count() == 3
    assert [metadata.in_row(metadata.row(item.sku)) for item in ITEMS] == list(ITEMS)
    assert metadata.row("ABSENT") == 0


def test_an_item_has_its_sku_as_a_code(metadata: Items) -> None:
    assert metadata.with_code(["ABSENT", "WR/17", "KAF"]) == ITEMS[1]
    assert metadata.with_code(["ABSENT"]) is None


def test_items_without_a_photo_are_told(metadata: Items, tmp_path: Path) -> None:
    assert metadata.some_without_photo is False
    (tmp_path / "more").mkdir()
    write_items(tmp_path / "more", [*ITEMS, Item("BOOK", "A book")], PHOTOS)
    more = Items(tmp_path / "more" / "items.db", tmp_path / "pictures.db")
    assert more.some_without_photo is True
    assert not more.can_be_read
    assert more.with_words(["a book"]) == []
    assert (more.with_print([4]), more.strangeness(4, "book")) == (set(), 1.0)
    more.close()


@pytest.mark.parametrize(
    ("item", "can"),
    [
        (Item("wr_17-a", "wr 17 a"), False),  # named by its folder alone
        (Item("wr_17-a", "wr_17-a"), False),
        (Item("wr_17-a", "Wrench"), True),
        (Item("wr_17-a", "wr 17 a", attributes={"gtin": "4006381333931"}), True),
    ],
)
def test_an_item_without_a_photo_has_a_title_of_its_own_or_a_code(item: Item, can: bool) -> None:
    assert can_be_read(item) is can


def test_the_same_attributes_make_the_same_file_in_any_order(tmp_path: Path) -> None:
    """A bundle's id is its content, and a changed order is no change."""
    for name, order in (("one", 1), ("another", -1)):
        attributes = dict([("size", "17 mm"), ("Größe", "klein")][::order])
        (tmp_path / name).mkdir()
        write_items(tmp_path / name, [Item("WR/17", "Wrench", attributes=attributes)], PHOTOS[2:3])
    stored = []
    for name in ("one", "another"):
        connection = sqlite3.connect(tmp_path / name / "items.db")
        stored.append(connection.execute("select attributes from items").fetchall())
        connection.close()
    assert stored == [[('{"Größe": "klein", "size": "17 mm"}',)]] * 2


@pytest.mark.parametrize(
    ("sku", "attributes", "expected"),
    [
        ("CUP-01", {}, True),
        ("CUP", {}, False),
        ("CUP 01", {}, False),
        ("CUP", {"gtin": "4006381333931"}, True),
    ],
)
def test_items_may_have_codes(
    tmp_path: Path, sku: str, attributes: dict[str, str], expected: bool
) -> None:
    photo = Photo(0, sku, "a.jpg", 640, 480, "0" * 64)
    write_items(tmp_path, [Item(sku, "Cup", attributes=attributes)], [photo])
    write_thumbnails(tmp_path / "pictures.db", [])
    items = Items(*(tmp_path / name for name in ("items.db", "pictures.db", "words.db")))
    assert items.may_have_codes is expected
    items.close()


def test_an_unknown_sku_is_none(metadata: Items) -> None:
    assert metadata.get("' or 1=1 --") is None


def test_photos_of_an_item_come_in_order(metadata: Items) -> None:
    assert metadata.photos("CUP-01") == list(PHOTOS[:2])
    assert metadata.photos("none") == []


def test_the_place_of_a_sku_is_its_photos_number(metadata: Items) -> None:
    assert metadata.skus == ("CUP-01", "CUP-01", "WR/17", "KAF")


@pytest.mark.parametrize(
    ("text", "sku"),
    [
        ("cup", "CUP-01"),
        ("STONE blu", "CUP-01"),
        ("cup-01", "CUP-01"),
        ("shelf a", "CUP-01"),
        ("o'neill", "WR/17"),
        ("17", "WR/17"),
        ("cafe", "KAF"),
        ("grosse", "KAF"),
        ("größe", "KAF"),
        ("cup wrench", None),
    ],
)
def test_finds_items_by_beginnings_of_words(metadata: Items, text: str, sku: str | None) -> None:
    assert [item.sku for item in metadata.find(text)] == ([sku] if sku else [])


@pytest.mark.parametrize("text", ['"', "* OR NEAR(", "title:cup", "'; drop table items; --", "^"])
def test_no_text_is_a_syntax_error(metadata: Items, text: str) -> None:
    metadata.find(text)
    assert metadata.count() == 3


def test_an_empty_text_lists_items_by_title(metadata: Items) -> None:
    assert [item.sku for item in metadata.find("", 2)] == ["CUP-01", "KAF"]


def test_thumbnails_are_found_by_number(metadata: Items) -> None:
    assert metadata.thumbnail(2) == b"jpeg 2"
    assert metadata.thumbnail(1) is None


def test_an_open_catalogue_cannot_be_written(metadata: Items) -> None:
    for database in (metadata._items, metadata._pictures):
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            database.execute("create table foreign_thing (x)")


def test_threads_read_at_once(metadata: Items) -> None:
    together = threading.Barrier(8)

    def read(_: int) -> list[tuple[Item | None, list[Item], list[Photo], bytes | None]]:
        together.wait(30)
        return [
            (metadata.get("KAF"), metadata.find("cup"), metadata.photos("WR/17"),
             metadata.thumbnail(2))
            for _ in range(50)
        ]  # fmt: skip

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(read, range(8)))
    assert answers == [[(ITEMS[2], [ITEMS[0]], [PHOTOS[2]], b"jpeg 2")] * 50] * 8


def test_a_file_that_is_no_database_is_refused_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "items.db").write_bytes(b"not a database" * 100)
    with pytest.raises(BundleError, match=r"items\.db: cannot be opened"):
        Items(tmp_path / "items.db", tmp_path / "pictures.db")
