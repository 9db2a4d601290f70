"""The search by words: what is found, in which order, and what is not."""

# ruff: noqa: RUF001

from __future__ import annotations

import sqlite3
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from catalog.bundles.folding import forms, joined, symbols, words
from catalog.bundles.items import Item, Items, Photo, write_items, write_thumbnails
from catalog.bundles.similar_words import typing_errors
from catalog.bundles.text_search import TextSearch
from catalog.core.errors import BundleError

TITLES = {
    "juice": "Apple juice",
    "mango": "Mango, ripe",
    "syrup": "Maple syrup",
    "cup": "Blue stoneware cup",
    "cups": "Cups of paper",
    "hiccup": "Hiccup remedy",
    "driver": "Screw driver flat",
    "saw": "Screwdriver set & saw",
    "screw": "Holzschraube 4x40",
    "screws": "Holzschrauben Messing",
    "muesli": "Müsli Früchte",
    "street": "Straßenbesen",
    "spoon": "Łyżka drewniana",
    "tree": "Ёлка искусственная",
    "oil": "Ελαιόλαδο",
    "chair": "Oﬃce chair ﬂexible",
    "tape": "ＦＵＬＬ ＷＩＤＴＨ ｔａｐｅ",
    "crepe": "Cre\u0301pe",
    "tea glass": "Çay bardağı ISITICI",
    "coffee": "قَهْوَة عَرَبِيَّة",
    "tea": "شـــاي أخضر",
    "chocolate": "שׁוֹקוֹלָד",
    "bits": "十字螺丝刀套装",
    "bottle": "ステンレス水筒 500ml",
    "cream": "ﾊﾝﾄﾞｸﾘｰﾑ",
    "red glass": "แก้วน้ำสีแดง",
    "korean": "십자드라이버",
    "turmeric": "हल्दी पाउडर",
    "AB-12 34": "Gasket",
    "KX_900.2": "Bearing",
    "water": "Water still 300 ml",
    "bolt": "Hex bolt M8x40",
    "tee": "T-Shirt by L'Oréal",
    "star": "★ Gift card 50 %",
    "party": 'Party "box" 🎉',
}
ATTRIBUTES = {"cups": {"note": "no mango"}, "water": {"code": "4 006381 333931"}}


def write(folder: Path, items: Sequence[Item]) -> None:
    photos = [Photo(number, item.sku, "a.jpg", 9, 9, "") for number, item in enumerate(items)]
    write_items(folder, items, photos)
    write_thumbnails(folder / "pictures.db", [(0, b"")])


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Items]:
    folder = tmp_path_factory.mktemp("words")
    written = [
        Item(sku, title, attributes=ATTRIBUTES.get(sku, {})) for sku, title in TITLES.items()
    ]
    write(folder, written)
    opened = Items(*(folder / name for name in ("items.db", "pictures.db", "words.db")))
    yield opened
    opened.close()


def found(items: Items, text: str) -> list[str]:
    return [item.sku for item in items.find(text)]


@pytest.mark.parametrize(
    ("text", "skus"),
    [
        ("螺丝刀", ["bits"]),
        ("螺丝", ["bits"]),
        ("刀", ["bits"]),
        ("水筒", ["bottle"]),
        ("すてんれす", ["bottle"]),
        ("ハンドクリーム", ["cream"]),
        ("สีแดง", ["red glass"]),
        ("드라이버", ["korean"]),
        ("हल्दी", ["turmeric"]),
        ("schraube", ["screw", "screws"]),
        ("holzschrauben", ["screws"]),
        ("besen", ["street"]),
        ("strassenbesen", ["street"]),
        ("STRAẞENBESEN", ["street"]),
        ("muesli", ["muesli"]),
        ("musli", ["muesli"]),
        ("mu\u0308sli fruechte", ["muesli"]),
        ("lyzka", ["spoon"]),
        ("елка", ["tree"]),
        ("ελαιολαδο", ["oil"]),
        ("office flexible", ["chair"]),
        ("full width", ["tape"]),
        ("ｔａｐｅ", ["tape"]),
        ("crêpe", ["crepe"]),
        ("cay ısıtıcı", ["tea glass"]),
        ("قهوة", ["coffee"]),
        ("قَهْوَة عربيه", ["coffee"]),
        ("شاي اخضر", ["tea"]),
        ("שוקולד", ["chocolate"]),
        ("ab1234", ["AB-12 34"]),
        ("AB 12 34", ["AB-12 34"]),
        ("ab12-34", ["AB-12 34"]),
        ("ab-123", ["AB-12 34"]),
        ("kx9002", ["KX_900.2"]),
        ("4006381333931", ["water"]),
        ("300ml", ["water"]),
        ("m 8 x 40", ["bolt"]),
        ("m8x", ["bolt"]),
        ("tshirt", ["tee"]),
        ("loreal", ["tee"]),
        ("juice apple", ["juice"]),
    ],
)
def test_spellings_that_people_take_for_the_same_are_found(
    items: Items, text: str, skus: list[str]
) -> None:
    assert found(items, text) == skus


@pytest.mark.parametrize(
    ("text", "sku"),
    [
        ("aple juice", "juice"),
        ("mnago", "mango"),
        ("stonware", "cup"),
        ("stnoewrae", "cup"),
        ("strasenbessen", "street"),
        ("схраубе", None),
        ("искуственая", "tree"),
        ("schrabue", "screw"),
        ("screwdrivers et", "saw"),
        ("officechair", "chair"),
        ("螺絲刀", "bits"),
        ("ステンレヌ", "bottle"),
        ("드라이브", "korean"),
        ("m9x40", None),
        ("xqzptlk", None),
    ],
)
def test_one_or_two_typing_errors_are_forgiven(items: Items, text: str, sku: str | None) -> None:
    assert found(items, text)[:1] == ([sku] if sku else [])


def test_a_whole_word_comes_before_a_beginning_and_that_before_a_part(items: Items) -> None:
    assert found(items, "cup") == ["cup", "cups", "hiccup"]


def test_a_part_comes_before_a_similar_word(items: Items) -> None:
    assert found(items, "aple") == ["syrup", "juice"]


def test_similar_words_count_only_where_no_word_begins_like_it(items: Items) -> None:
    assert found(items, "screwdriver") == ["saw"]


def test_a_title_comes_before_an_attribute(items: Items) -> None:
    assert found(items, "mango") == ["mango", "cups"]


@pytest.mark.parametrize(
    ("text", "skus"),
    [
        ("fresh mango", ["mango", "cups"]),  # no item has "fresh"
        ("cup mango", ["cups"]),
        ("rewnian mango", ["mango", "cups"]),  # begins no word
        ("cup syrup", []),  # items have both, but none has both at once
        ("blue cup syrup", ["cup"]),
        ("fresh cool mango", []),  # most of it is unknown
    ],
)
def test_a_word_too_many(items: Items, text: str, skus: list[str]) -> None:
    assert found(items, text) == skus


@pytest.mark.parametrize(
    ("text", "skus"),
    [
        ("★", ["star"]),
        ("%", ["star"]),
        ("🎉", ["party"]),
        ('"', ["party"]),
        ("&", ["saw"]),
        ("*", []),
        ("%★", ["star"]),
        ("★🎉", []),
        ("_", ["KX_900.2"]),
        ("\0", []),
        ("\ud800", []),
        ("\u200d\ufe0f", []),
    ],
)
def test_symbols_alone_find_what_holds_them(items: Items, text: str, skus: list[str]) -> None:
    assert found(items, text) == skus


@pytest.mark.parametrize("text", ["", " ", "\t\n"])
def test_an_empty_text_lists_items_by_title(items: Items, text: str) -> None:
    assert len(items.find(text)) == 20


@pytest.mark.parametrize(
    "text",
    [
        "a" * 10_000,
        "apple " * 2000,
        "螺" * 10_000,
        '"' * 10_000,
        "NEAR(apple juice, 3)",
        "apple AND NOT juice",
        'title : "apple"',
        '" OR 1',
        "apple\0juice",
        "\ud800apple",
        "-" * 300,
        "\u0301",
        "a-\u0301 \u0301 apple",
        "\u0301水\u0301-\u064b",
        "a-" * 3000,
        "'; drop table item_words; --",
        "\U0010ffff\ue000",
    ],
)
def test_no_text_is_more_than_words(items: Items, text: str) -> None:
    items.find(text)
    assert found(items, "apple juice") == ["juice"]


def test_the_limit_holds(items: Items) -> None:
    assert [item.sku for item in items.find("cup", 2)] == ["cup", "cups"]


def test_words_have_their_forms() -> None:
    assert list(forms(words("AB-12 34"))) == ["ab12", "ab", "12", "34"]
    assert list(forms(words("500ml 2 kg"))) == ["500ml", "500", "ml", "2", "kg", "2kg"]
    assert list(forms(words("LED灯泡"))) == ["led", "灯泡"]
    assert joined(words("AB-12 34")) == "ab1234"
    assert joined(words("blue cup")) == joined(words("ab1234")) == ""
    assert symbols("50 %, ok") == {"%", ","}


def test_typing_errors_are_counted_as_by_hand() -> None:
    others = ["apple", "aplle", "paple", "abcde", "apply", "apples", "ape", ""]
    assert typing_errors("apple", others, 5).tolist() == [0, 1, 1, 3, 1, 1, 2, 5]
    near = typing_errors("apple", others, 1)
    assert (near <= 1).tolist() == [True, True, True, False, True, True, False, False]
    assert near.dtype == np.uint8
    inside = typing_errors("apple", ["redaplejuice", "elppa"], 1, inside=True)
    assert inside.tolist() == [1, 3]
    assert typing_errors("apple", [], 1).tolist() == []


def test_a_bundle_without_the_words_finds_beginnings(tmp_path: Path) -> None:
    """Earlier versions built such bundles."""
    write(tmp_path, [Item("a", "Apple juice"), Item("b", "Mango")])
    items = Items(tmp_path / "items.db", tmp_path / "pictures.db")
    assert found(items, "jui app") == ["a"]
    assert found(items, "pple") == found(items, "*") == found(items, "\ud800") == []
    assert len(items.find("")) == 2
    items.close()


def test_words_without_their_tables_are_refused(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "words.db").execute("create table other (x)").connection.close()
    with pytest.raises(BundleError, match=r"words\.db: cannot be searched: no such table"):
        TextSearch(tmp_path / "words.db")


def test_an_old_sqlite_builds_and_opens_without_the_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, [Item("a", "Apple juice")])
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 1))
    assert TextSearch.open(tmp_path / "words.db") is None
    (tmp_path / "old").mkdir()
    write(tmp_path / "old", [Item("a", "Apple juice")])
    assert not (tmp_path / "old" / "words.db").exists()


def test_what_strangers_ask_for_does_not_stay_in_memory() -> None:
    """Long words, and very many characters."""
    many = "".join(filter(str.isalnum, map(chr, range(0x10000))))
    tracemalloc.start()
    try:
        for number in range(250):
            words(f"{number:05}" + "ö1" * 97)
        words(many)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2 << 20
