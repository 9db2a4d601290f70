"""Read a catalogue from a folder: a folder for each item, or a picture for each item."""

from __future__ import annotations

import json
import os
from pathlib import Path

from catalog.bundles.items import Item
from catalog.bundles.manifest import MANIFEST
from catalog.core.errors import ContentError
from catalog.core.photos import is_photo_name
from catalog.sources.source import Source, SourceItem, as_title, item_of


def read_folder(folder: Path) -> Source:
    """Read a folder of folders, one for each item, or of pictures named by their sku."""
    items: dict[str, SourceItem] = {}
    for child in sorted(folder.iterdir()):
        if child.name.startswith(".") or (child / MANIFEST).exists():
            continue  # a bundle that was built here is no item
        if child.is_dir():
            photos = tuple(
                str(file)
                for file in sorted(child.rglob("*"))
                if file.is_file() and file.name != "item.json" and not file.name.startswith(".")
            )
            source = SourceItem(_folder_item(child), photos)
        elif is_photo_name(child.name):
            source = SourceItem(Item(child.stem, as_title(child.stem)), (str(child),))
        else:
            continue
        for name in (child.name, *source.photos):
            _check_name(name)
        first = items.get(source.item.sku)  # bolt.jpg beside bolt.png, or beside a folder bolt
        items[source.item.sku] = (
            SourceItem(first.item, first.photos + source.photos) if first else source
        )
    return Source(list(items.values()) if any(source.photos for source in items.values()) else [])


def _check_name(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ContentError(f"{os.fsencode(name)!r}: the name is not UTF-8; rename it") from error


def _folder_item(folder: Path) -> Item:
    """Return the item of a folder: its name is the sku, ``item.json`` in it holds the rest."""
    file = folder / "item.json"
    if not file.exists():
        return Item(folder.name, as_title(folder.name))
    try:
        fields = json.loads(file.read_text(encoding="utf-8-sig"))
        json.dumps(fields, ensure_ascii=False).encode()  # a lone surrogate cannot be stored
        return item_of({"title": as_title(folder.name)} | fields | {"sku": folder.name})
    except (ValueError, TypeError, OSError, RecursionError) as error:
        raise ContentError(f"{file}: not a JSON object in UTF-8: {error}") from error
