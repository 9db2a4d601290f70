"""Find what an owner perhaps meant otherwise: names that miss a field, and bare prices."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from functools import cache

from catalog.core.terminal import counted, names
from catalog.sources.source import FIELDS, KEEP_WHOLE, SourceItem
from catalog.sources.tables.column_names import field_of, names_of, plain

# What people write for a field, and may as well mean as something of their own.
_PERHAPS = {
    **dict.fromkeys(("place", "where", "ort", "platz", "lieu", "lugar"), "location"),
    **dict.fromkeys(("cost", "costs", "kosten", "cout", "coste"), "price"),
    **dict.fromkeys(("web page", "website", "web", "internet", "homepage"), "url"),
}
# These mean a title only where a table has nothing better; of an item they may say anything.
_WEAK = {
    "description", "beschreibung", "descripcion", "描述",
    "artikel", "product", "produkt", "produit", "producto",
}  # fmt: skip
_SHORTEST, _ALIKE = 5, 0.8  # letters of a name that others may be alike, and how much
_BARE = re.compile(r"[-+]?[\d\s.,'’]*\d[\d\s.,'’]*[-–—]?")  # noqa: RUF001
MOST_NAMED = 3  # of what a sentence names


def meant(name: str, given: Collection[str]) -> str:
    """The field that a column or a key most likely means, though it is not taken for it.

    Args:
        name: The column's or key's name.
        given: The fields that are there already, for which nothing more is meant.

    Returns:
        "title", "price", "url", "location" or `KEEP_WHOLE`; empty where it means none of these,
        and is an attribute.
    """
    compared = plain(name)
    # A field in one language, as "location:de", is an attribute with its name.
    if name in (*FIELDS, KEEP_WHOLE) or compared in _WEAK or ":" in name.removeprefix("g:"):
        return ""
    found = field_of(name)
    field = found[0] if found else _PERHAPS.get(compared) or _alike(compared)
    wanted = {"title", "price", "url", "location", KEEP_WHOLE}.difference(given)
    return field if field in wanted else ""


def keys_meant(items: Mapping[str, Collection[str]]) -> list[str]:
    """The sentences about the keys of files ``item.json``.

    Args:
        items: The keys of each file, by the file.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for file, keys in items.items():
        for key in keys:
            if field := meant(key, keys):
                found.setdefault((key, field), []).append(file)
    return [
        f"{names(files, MOST_NAMED)}: {key!r} is shown as an attribute; did you mean {field!r}?"
        for (key, field), files in found.items()
    ]


def columns_meant(columns: Collection[str], given: Collection[str]) -> list[str]:
    """The sentences about the columns of a table that become attributes."""
    given = {*given, *(name.lower() for name in columns)}
    return [
        f"{name!r} becomes an attribute; did you mean {field!r}? Then rename the column"
        for name in columns
        if (field := meant(name, given))
    ]


def without_currency(items: Collection[SourceItem]) -> str:
    """The sentence about prices that are bare numbers; empty where none is."""
    bare = [
        f"{source.item.sku}: {source.item.price}"
        for source in items
        if _BARE.fullmatch(source.item.price)
    ]
    if not bare:
        return ""
    prices = counted(
        len(bare),
        "price is a bare number, and visitors see it",
        "prices are bare numbers, and visitors see them",
    )
    return (
        f"{prices} without a currency ({names(bare, MOST_NAMED)}); write it with each, as in € 6.90"
    )


def _alike(compared: str) -> str:
    """The field whose usual names have one that differs by hardly more than a letter."""
    near = [
        name
        for name in _long_names()
        if name.startswith(compared[:1]) and abs(len(name) - len(compared)) <= 1
    ]
    found = difflib.get_close_matches(compared, near, n=1, cutoff=_ALIKE)
    return _long_names()[found[0]] if found else ""


@cache
def _long_names() -> dict[str, str]:
    """The single words that mean a field and are long enough to be alike another."""
    words = {
        word: field
        for field in ("title", "price", "location")
        for word in names_of(field)
        if len(word) >= _SHORTEST and " " not in word and word not in _WEAK
    }
    spellings = (KEEP_WHOLE, "keepwhole")
    return words | {plain(spelling): KEEP_WHOLE for spelling in spellings}
