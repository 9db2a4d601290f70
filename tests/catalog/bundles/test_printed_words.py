"""Items found by the words that were read on a thing."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.bundles.items import Item, Items, Photo, can_be_read, write_items, write_thumbnails
from catalog.bundles.match import Match
from catalog.bundles.printed_words import read_words
from catalog.bundles.word_evidence import weigh_words
from catalog.core.read_line import ReadLine

ITEMS = [
    Item("milk-05", "Meadow milk, 0,5 l"),
    Item("milk-15", "Meadow milk, 1,5 l"),
    Item("tea", "Kolibrio iced tea Peach", attributes={"gtin": "4006381333931"}),
    Item("soy", "酱油 老抽 500 毫升"),
    Item("seen", "4711"),
    Item("loaf", "Volante bread Toast"),
    *(Item(f"filler-{number}", f"Washer number{number:03}") for number in range(40)),
]


@pytest.fixture
def items(tmp_path: Path) -> Items:
    """The opened metadata; three items have photos, on two of which words were read."""
    skus = ("tea", "seen", "loaf")
    photos = [Photo(number, sku, "1.jpg", 9, 9, "") for number, sku in enumerate(skus)]
    printed = {"seen": ["BRAVURA", "Dark roast"], "loaf": ["VOLANTE", "Toast"]}
    write_items(tmp_path, ITEMS, photos, printed)
    write_thumbnails(tmp_path / "pictures.db", [(number, b"") for number in range(len(skus))])
    return Items(tmp_path / "items.db", tmp_path / "pictures.db", tmp_path / "words.db")


def best(items: Items, *lines: str) -> str:
    """The sku of the item that the words speak for most."""
    return weigh_words(items, [], lines)[0].sku


def test_items_are_found_by_the_words_of_their_titles(items: Items) -> None:
    assert best(items, "KOLIBRIO", "Peach") == "tea"
    assert best(items, "K0LIBRIO", "Reach") == "tea", "letters may be misread"
    assert best(items, "ICEDTEA", "KOLIBRIO") == "tea"
    assert best(items, "厨邦", "酱油", "老抽王") == "soy", "words run together"


def test_a_word_that_was_surely_read_is_another_word_than_a_similar_one(items: Items) -> None:
    def sure(word: str, score: float) -> float:
        (found,) = items.with_words([ReadLine(word, score)])
        return max(found.rows.values())

    assert sure("kolibria", 0.9) > 5 * sure("kolibria", 0.99), "it would seldom be misread"
    assert sure("olibrio", 0.99) == sure("olibrio", 0.9), "it may have been cut off"
    assert sure("bravuro", 0.99) == sure("bravuro", 0.9), "the photo's word may be misread"


def test_items_are_found_by_the_words_on_their_photos(items: Items) -> None:
    (match, *_) = weigh_words(items, [], ["bravura", "dark"])
    assert (match.sku, match.photo) == ("seen", 1)


def test_an_amount_tells_sizes_apart(items: Items) -> None:
    assert best(items, "Meadow", "MILK", "1.5 L") == "milk-15"
    assert best(items, "Meadow", "MILK", "500 ml") == "milk-05"


def test_words_change_the_confidence_of_what_was_seen(items: Items) -> None:
    found = [Match("milk-05", 0, 0.9, 0.48), Match("milk-15", 1, 0.9, 0.47)]
    (first, second, *_) = weigh_words(items, found, ["Meadow 1,5 l"])
    assert (first.sku, first.similarity) == ("milk-15", 0.9)
    assert first.confidence is not None
    assert second.confidence is not None
    assert first.confidence > 0.9 > 0.1 > second.confidence
    assert weigh_words(items, found, ["no", "0815", "%&§ \x00"]) == found
    assert weigh_words(items, found, []) == found


def test_words_that_no_item_has_speak_against_those_whose_print_is_known(items: Items) -> None:
    found = [Match("seen", 1, 0.9, 0.5), Match("tea", 0, 0.9, 0.4)]
    after = {
        match.sku: match.confidence or 0.0
        for match in weigh_words(items, found, ["Verdant", "Orchard"])
    }
    print_known, unread = after["seen"] / 0.5, after["tea"] / 0.4
    assert print_known < unread / 3, "no words were read on the photos of the other"
    assert print_known + unread < 1, "it may be an item without a photo"


def test_nothing_read_on_a_thing_leaves_it_as_likely_one_without_a_photo(items: Items) -> None:
    printed, unprinted = [Match("seen", 1, 0.9, 0.9)], [Match("tea", 0, 0.9, 0.9)]
    for lines in ([], ["0815"]):
        first, *_ = weigh_words(items, printed, lines)
        assert (first.confidence or 0.0) < 0.75, "its own print was not seen"
        assert weigh_words(items, unprinted, lines) == unprinted, "it may have none"


@pytest.mark.parametrize("word", ["Rye", "Mild"])
def test_a_short_name_that_was_surely_read_is_that_of_a_relative(items: Items, word: str) -> None:
    found = [Match("loaf", 2, 0.9, 0.9)]

    def confidence(score: float) -> float:
        lines = [ReadLine("VOLANTE", 1.0), ReadLine(word, score)]
        matches = {match.sku: match for match in weigh_words(items, found, lines)}
        return matches["loaf"].confidence or 0.0

    assert confidence(1.0) < 0.95 * confidence(0.8)


def test_an_item_without_a_photo_needs_a_title_or_a_code(items: Items) -> None:
    assert weigh_words(items, [], ["Meadow", "milk"])[0].photo is None
    assert [can_be_read(item) for item in ITEMS[:5]] == [True] * 5
    assert not can_be_read(Item("hex-bolt", "hex bolt")), "its title is its sku"
    assert can_be_read(Item("hex-bolt", "hex bolt", attributes={"g:ean": "4006381333931"}))
    assert can_be_read(Item("hex-bolt", "hex bolt", attributes={"EAN": "4006381333931"}))
    assert not can_be_read(Item("hex-bolt", "hex bolt", attributes={"gtin": " "}))


def test_much_text_is_cut() -> None:
    assert len(read_words([" ".join(f"word{number}" for number in range(5000))])) == 30
