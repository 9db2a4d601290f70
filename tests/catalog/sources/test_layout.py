"""Random trees of folders: no picture is lost or counted twice, and marked folders stay items."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from catalog.core.errors import ContentError
from catalog.sources.layout import find_items
from catalog.sources.source import ItemFolders
from catalog.sources.tree import Folder

NAMES = ("front", "back", "cola", "tea", "Drinks", "1", "2", "2024-05-01", "cup", "cup_front")
TREES = 1500


def random_tree(chance: random.Random, parts: tuple[str, ...] = ()) -> Folder:
    """A tree of at most four folders within each other; a few are marked."""
    names = sorted(chance.sample(NAMES, chance.choice([0, 0, 1, 2, 3]))) if len(parts) < 4 else []
    folders = tuple(random_tree(chance, (*parts, name)) for name in names)
    pictures = [Path(*parts, f"{number}.png") for number in range(chance.choice([0, 0, 1, 2]))]
    item_file = Path("item.json") if parts and chance.random() < 0.1 else None
    return Folder(parts, tuple(pictures) if parts else (), folders, item_file)


def every_picture(folder: Folder) -> list[Path]:
    below = [picture for child in folder.folders for picture in every_picture(child)]
    return [*folder.pictures, *below]


@pytest.mark.parametrize("choice", [None, "leaf", "top"])
def test_each_picture_belongs_to_one_item(choice: ItemFolders | None) -> None:
    understood = 0
    for seed in range(TREES):
        root = random_tree(random.Random(seed))
        try:
            items = find_items(root, Path("photos"), choice).items
        except ContentError:
            assert choice is None
            continue
        understood += 1
        found = [picture for item in items for picture in item.pictures]
        assert sorted(found) == sorted(every_picture(root)), seed
        folders = [item.folder.parts for item in items]
        assert len(set(folders)) == len(folders), seed
        assert {folder.parts for folder in root.marked()} <= set(folders), seed
    assert understood > TREES / 2
