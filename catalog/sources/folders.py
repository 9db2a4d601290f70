"""Read a catalogue from a folder: a folder for each item, or a picture for each item."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path

from catalog.bundles.items import Item
from catalog.core.errors import ContentError
from catalog.core.photos import is_photo_name
from catalog.core.terminal import names
from catalog.sources.json_mistakes import what_is_wrong
from catalog.sources.layout import ItemFolder, find_items
from catalog.sources.source import (
    DEFAULT_READING,
    ReadOptions,
    Source,
    SourceItem,
    as_title,
    source_item,
)
from catalog.sources.tables.likely_mistakes import keys_meant, without_currency
from catalog.sources.tree import ITEM_FILE
from catalog.sources.walk import walk

Parts = tuple[str, ...]  # names of folders from the root to an item


def read_folder(folder: Path, options: ReadOptions = DEFAULT_READING) -> Source:
    """Read a folder of folders, one for each item, or of pictures named by their sku.

    Raises:
        ContentError: It is not clear which folders are items, or a name or an item.json is wrong.
    """
    tree, passed_over = walk(folder)
    layout = find_items(tree, folder, options.items)
    keys: dict[str, list[str]] = {}  # of each item.json
    items = {each.folder.parts: _source_item(each, keys) for each in layout.items}
    for picture in tree.pictures:  # bolt.jpg beside bolt.png, or beside a folder bolt
        name = picture.stem if is_photo_name(picture.name) else picture.name
        name = unicodedata.normalize("NFC", name)
        first = items.get((name,), SourceItem(Item(_sku(name), as_title(name)), ()))
        items[(name,)] = SourceItem(first.item, (*first.photos, str(picture)))
    found, renamed = _distinct(dict(sorted(items.items())))
    if not any(source.photos for source in found):
        found = []
    bare = without_currency(found)
    doubts = (*keys_meant(keys), *([f"{ITEM_FILE}: {bare}"] if bare else []))
    notes = (*layout.notes, *renamed, *passed_over.notes(), *doubts)
    return Source(found, tuple(passed_over.left_out), notes)


def _source_item(found: ItemFolder, keys: dict[str, list[str]]) -> SourceItem:
    """Return the item of a folder: its name is the sku, ``item.json`` in it holds the rest.

    The keys in that file are added to `keys`, by the file.
    """
    name, photos = found.folder.name, tuple(map(str, found.pictures))
    fields: dict[str, object] = {"title": as_title(name)}
    if found.category:
        fields["category"] = found.category
    file = found.folder.item_file
    if file is None:
        return source_item(fields | {"sku": _sku(name)}, photos)
    try:
        more = json.loads(file.read_text(encoding="utf-8-sig"))
        json.dumps(more, ensure_ascii=False).encode()  # a lone surrogate cannot be stored
    except (ValueError, OSError, RecursionError) as error:
        reason = what_is_wrong(error)
        raise ContentError(f"{file}: not a JSON object that can be read: {reason}") from error
    if not isinstance(more, dict):
        raise ContentError(
            f"{file}: not a JSON object, but {_kind(more)}; wanted is "
            f'{{"title": {json.dumps(as_title(name), ensure_ascii=False)}}}, or more fields'
        )
    keys[str(file)] = list(more)
    return source_item(fields | more | {"sku": _sku(name)}, photos)


def _kind(value: object) -> str:
    """Return what a JSON value is that is no object."""
    if isinstance(value, list):
        return "a list"
    return "text" if isinstance(value, str) else json.dumps(value)


def _sku(name: str) -> str:
    return name.strip() or name


def _distinct(items: dict[Parts, SourceItem]) -> tuple[list[SourceItem], list[str]]:
    """Return the items with distinct skus, and sentences on those that were renamed.

    Folders of one name in different categories are different items. The sku of each is then its
    path, such as ``Drinks/set``.
    """
    counts = Counter(source.item.sku for source in items.values())
    found, namesakes = [], []
    for parts, source in items.items():
        if counts[source.item.sku] > 1:
            sku = "/".join(parts)
            namesakes.append(sku)
            source = replace(source, item=replace(source.item, sku=sku))
        found.append(source)
    if not namesakes:
        return found, []
    shown = names(namesakes)
    return found, [f"items of the same name in different folders have their path as sku: {shown}"]
