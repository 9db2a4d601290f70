"""The validator reads what a bundle holds: what a device could not show, it refuses."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from catalog.bundles import content_check
from catalog.bundles.bundle import Bundle
from catalog.bundles.content_check import (
    LARGEST_SIDE,
    LONGEST_ITEM,
    _check_items,
    _check_photos,
    _check_searches,
    _is_usable,
    _sample,
    check_content,
)
from catalog.bundles.items import Item, Photo
from catalog.bundles.validator import validate
from catalog.core.errors import BundleError
from tests.conftest import sign_again

Change = Callable[[Path], None]


def items(*statements: str) -> Change:
    """Change ``items.db``."""
    return lambda bundle: execute(bundle / "items.db", statements)


def pictures(*statements: str) -> Change:
    """Change ``pictures.db``."""
    return lambda bundle: execute(bundle / "pictures.db", statements)


def words(*statements: str) -> Change:
    """Change ``words.db``."""
    return lambda bundle: execute(bundle / "words.db", statements)


def execute(file: Path, statements: tuple[str, ...]) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        for statement in statements:
            database.execute(statement)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (items("UPDATE items SET attributes = '{not json'"), "its attributes cannot be read"),
        (items("UPDATE items SET attributes = '[1]'"), "cannot be shown"),
        (items("""UPDATE items SET attributes = '{"a": {"b": 1}}'"""), "cannot be shown"),
        (
            items("UPDATE items SET title = printf('%.*c', 2000000, 'x')"),
            "cannot be shown",
        ),
        (
            items("UPDATE photos SET sku = 'absent' WHERE number = 3"),
            "photo 3 belongs to no item",
        ),
        (
            items("UPDATE photos SET sku = (SELECT sku FROM photos WHERE number = 0)"),
            "has no photo",
        ),
        (items("UPDATE photos SET width = 0"), "impossible size"),
        (items("ALTER TABLE photos DROP COLUMN height"), "photos are not described"),
        (words("INSERT INTO item_words (item_words) VALUES ('delete-all')"), "text search finds 0"),
        (pictures("ALTER TABLE thumbnails RENAME TO other"), "its items cannot be read"),
        (pictures("DELETE FROM thumbnails WHERE number = 5"), "photo 5 has no thumbnail"),
        (pictures("UPDATE thumbnails SET jpeg = x'FFD8FF00'"), "the thumbnail of photo 0"),
        (
            pictures("UPDATE thumbnails SET jpeg = zeroblob(2000000) WHERE number = 23"),
            "photo 23 has no thumbnail of a usable size",
        ),
    ],
)
def test_what_cannot_be_shown_is_refused(own_bundle: Path, change: Change, said: str) -> None:
    change(own_bundle)
    sign_again(own_bundle)
    with Bundle.open(own_bundle) as bundle, pytest.raises(BundleError, match=said):
        check_content(bundle)


def test_what_a_build_writes_passes(small_bundle: Path) -> None:
    with Bundle.open(small_bundle) as bundle:
        check_content(bundle)


def test_an_item_of_the_most_characters_can_be_shown() -> None:
    assert _is_usable(Item("A", "x" * (LONGEST_ITEM - 3), attributes={"a": "b"}))
    assert not _is_usable(Item("A", "x" * (LONGEST_ITEM - 2), attributes={"a": "b"}))


def test_the_validator_checks_the_content(own_bundle: Path) -> None:
    execute(own_bundle / "items.db", ("UPDATE items SET attributes = '{not json'",))
    sign_again(own_bundle)
    with pytest.raises(BundleError, match=r"own\.bundle: the first item: its attributes"):
        validate(own_bundle)


def test_the_item_after_which_one_cannot_be_read_is_named(own_bundle: Path) -> None:
    with Bundle.open(own_bundle) as bundle:
        skus = [item.sku for item in bundle.items.all_items()]
    broken = f"UPDATE items SET attributes = '{{not json' WHERE sku = '{skus[3]}'"
    execute(own_bundle / "items.db", (broken,))
    sign_again(own_bundle)
    with Bundle.open(own_bundle) as bundle, pytest.raises(BundleError) as refused:
        check_content(bundle)
    assert f"the item after {skus[2]!r}: its attributes" in str(refused.value)


@pytest.mark.parametrize("names", [(b"embedding", -1), (b"pooled", 1)], ids=["output", "inside"])
def test_a_network_with_names_that_are_no_text_is_refused(
    own_bundle: Path, names: tuple[bytes, int]
) -> None:
    """The engine prints them, and the validator's parent reads what it prints."""
    file = own_bundle / "featurizer" / "network.onnx"
    name, count = names
    file.write_bytes(file.read_bytes().replace(name, b"\xff\xfe" + name[2:], count))
    sign_again(own_bundle)
    with pytest.raises(BundleError, match=r"own\.bundle"):
        validate(own_bundle)


def test_a_sample_has_the_first_and_the_last() -> None:
    assert _sample(range(3), 4) == [0, 1, 2]
    assert _sample(range(1000), 4) == [0, 333, 666, 999]


def holding(*found: Item | Exception, photos: Sequence[Photo] = ()) -> Bundle:
    """A bundle of which only items and photos are read."""

    def all_items() -> Iterator[Item]:
        for item in found:
            if isinstance(item, Exception):
                raise item
            yield item

    items = SimpleNamespace(all_items=all_items, all_photos=lambda: iter(photos))
    return cast(Bundle, SimpleNamespace(path=Path("shop"), items=items))


def photo(number: int, sku: str = "A", width: object = 1, height: object = 1) -> Photo:
    return Photo(number, sku, "a.jpg", cast(int, width), cast(int, height), "")


@pytest.mark.parametrize(
    ("item", "usable"),
    [
        (Item("A", ""), True),
        (Item("", "A title"), False),
        (Item("A", cast(str, 5)), False),
        (Item("A", "t", attributes=cast(dict[str, str], [])), False),
        (Item("A", "t", attributes=cast(dict[str, str], {"a": 3})), False),
        (Item("A", "t", attributes=cast(dict[str, str], {3: "a"})), False),
    ],
)
def test_an_item_has_a_sku_and_texts(item: Item, usable: bool) -> None:
    assert bool(_is_usable(item)) is usable
    if not usable:
        with pytest.raises(BundleError, match="cannot be shown"):
            _check_items(holding(Item("B", "t"), item))


def test_a_long_sku_is_named_by_its_beginning() -> None:
    long = Item("x" * 150, "t")
    named = "'" + "x" * 100 + "'"
    with pytest.raises(BundleError, match=f"item {named} cannot be shown"):
        _check_items(holding(replace(long, title=cast(str, 5))))
    with pytest.raises(BundleError, match=f"the item after {named}: its attributes"):
        _check_items(holding(Item("A", "t"), long, ValueError("no JSON")))
    with pytest.raises(BundleError, match="the first item: its attributes cannot be read"):
        _check_items(holding(RecursionError()))
    with pytest.raises(BundleError, match=f"item {named} has no photo, and no title or code"):
        _check_photos(holding(), [Item("x" * 150, "x" * 150)])


def test_each_photo_is_that_of_an_item_and_has_sides() -> None:
    shown, readable = Item("A", "A"), Item("B", "A title of its own")
    good = [photo(0), photo(1, width=LARGEST_SIDE), photo(2, height=LARGEST_SIDE)]
    _check_photos(holding(photos=good), [shown, readable])
    for bad in (photo(4), photo(2), photo(3, "C")):
        with pytest.raises(BundleError, match="photo 3 belongs to no item"):
            _check_photos(holding(photos=[*good, bad]), [shown, readable])
    for side in (0, -1, LARGEST_SIDE + 1, 1.5, "5", None):
        for wrong in (photo(3, width=side), photo(3, height=side)):
            with pytest.raises(BundleError, match="photo 3 has an impossible size"):
                _check_photos(holding(photos=[*good, wrong]), [shown, readable])


def test_a_thumbnail_may_have_the_most_bytes(
    small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Bundle.open(small_bundle) as bundle:
        largest = max(len(bundle.thumbnail(number) or b"") for number in range(24))
        monkeypatch.setattr(content_check, "LARGEST_THUMBNAIL", largest)
        check_content(bundle)
        monkeypatch.setattr(content_check, "LARGEST_THUMBNAIL", largest - 1)
        with pytest.raises(BundleError, match="has no thumbnail of a usable size"):
            check_content(bundle)


@pytest.mark.parametrize(("known", "of", "said"), [(3, 6, ""), (2, 6, "finds 2 of 6"), (0, 0, "")])
def test_text_search_finds_half_of_the_titles(known: int, of: int, said: str) -> None:
    named = [Item(str(number), f"title {number}") for number in range(of)]
    found = [item.title for item in named[:known]]
    bundle = SimpleNamespace(
        path="shop",
        items=SimpleNamespace(with_code=lambda codes: []),
        find=lambda title, count: [title] * (title in found),
    )
    signs = [Item("s", "+++")] * 50  # of which no search is asked
    if said:
        with pytest.raises(BundleError, match=said):
            _check_searches(cast(Bundle, bundle), [*named, *signs])
    else:
        _check_searches(cast(Bundle, bundle), [*named, *signs])
