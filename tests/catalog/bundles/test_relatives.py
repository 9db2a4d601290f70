"""A thing that differs from an item by its name, and is in no catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.bundles.items import Item, Items, Photo, write_items, write_thumbnails
from catalog.bundles.match import Match
from catalog.bundles.word_evidence import weigh_words
from catalog.core.read_line import ReadLine

ITEMS = [
    Item("mango", "Kolibrio tea Mango"),
    Item("translated", "Zarrovel milk Medium"),
    *(Item(f"filler-{number}", f"Washer number{number:03}") for number in range(40)),
]
PRINT = {"mango": ["KOLIBRIO", "MANGO", "ice cold"], "translated": ["ZARROVEL", "Mellanmjölk"]}


@pytest.fixture
def items(tmp_path: Path) -> Items:
    """Two items with photos, on which words were read."""
    photos = [Photo(number, sku, "1.jpg", 9, 9, "") for number, sku in enumerate(PRINT)]
    write_items(tmp_path, ITEMS, photos, PRINT)
    write_thumbnails(tmp_path / "pictures.db", [(number, b"") for number in range(len(photos))])
    return Items(tmp_path / "items.db", tmp_path / "pictures.db", tmp_path / "words.db")


def confidence(items: Items, sku: str, *lines: str) -> float:
    """The confidence in an item that is sure by sight, after some lines were read on the thing."""
    after = {match.sku: match for match in weigh_words(items, [Match(sku, 0, 0.9, 0.99)], lines)}
    return after[sku].confidence or 0.0


def test_another_variety_does_not_get_an_items_name(items: Items) -> None:
    assert confidence(items, "mango", "Kolibrio", "MANGO") > 0.98
    assert confidence(items, "mango", "Kolibrio", "Peach") < 0.75
    assert confidence(items, "mango", "Kolibrio", "MANGO", "Peach") > 0.9, "it stands beside it"


def test_what_was_hardly_read_or_is_part_of_a_word_is_no_other_name(items: Items) -> None:
    assert confidence(items, "mango", "Kolibrio") > 0.98, "the other word may be hidden"
    assert confidence(items, "mango", "Kolibrio", ReadLine("Peach", 0.8)) > 0.9
    assert confidence(items, "mango", "Kolibrio", "ango") > 0.98
    assert confidence(items, "mango", "Kolibrio", "KOLIBRIOMANG") > 0.9


def test_a_title_in_another_language_than_the_print_says_nothing(items: Items) -> None:
    assert confidence(items, "translated", "ZARROVEL", "Laktosfri") > 0.9


def test_the_share_of_a_word_that_an_item_lacks(items: Items) -> None:
    row = items.row("mango")
    assert items.strangeness(row, "mangoice") == pytest.approx(2 / 6), "two words read as one"
    assert items.strangeness(row, "peach") == 1
    assert items.strangeness(row, "tea") == 0
    assert items.strangeness(row, "tea", to_print=True) == 1
