"""Decide which folders of a tree are items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from catalog.core.errors import ContentError
from catalog.core.terminal import counted
from catalog.sources.doubts import doubt
from catalog.sources.source import ItemFolders
from catalog.sources.tree import ITEM_FILE, Folder
from catalog.sources.view_names import is_view_name


@dataclass(frozen=True)
class ItemFolder:
    """A folder that is an item.

    Attributes:
        folder: The folder.
        pictures: The item's pictures, in it and below it.
    """

    folder: Folder
    pictures: tuple[Path, ...]

    @property
    def category(self) -> str:
        """The names of the folders above it, the widest first."""
        return " / ".join(self.folder.parts[:-1])


@dataclass(frozen=True)
class Layout:
    """The items of a tree, and sentences on how they were found where that is not plain."""

    items: list[ItemFolder]
    notes: tuple[str, ...] = ()


def find_items(root: Folder, place: Path, choice: ItemFolders | None = None) -> Layout:
    """Find the folders of a tree that are items.

    A folder with an ``item.json`` is an item with all pictures below it, except those of another
    such folder. Without a choice, the other folders are understood by their names and depth.

    Args:
        root: The tree. The pictures directly in it belong to none of these items.
        place: The root's path, for messages.
        choice: "leaf" makes an item of each folder that holds pictures, "top" of each folder
            directly in the root with all pictures below it.

    Raises:
        ContentError: Which folders are items is not clear; the message says why and what to choose.
    """
    if choice == "top":
        return Layout(list(_tops(root)))
    if choice == "leaf":
        return Layout(list(_leaves(root)))
    folded = replace(root, folders=tuple(_fold_views(folder) for folder in root.folders))
    views = _views_note(root, folded, place)
    if not any(folder.is_nested() for folder in folded.folders) or _is_alone(folded):
        return Layout(list(_tops(root)), views)
    reason = doubt(folded)
    if reason:
        raise ContentError(_question(root, place, reason))
    items = list(_leaves(folded))
    example = next(item for item in items if item.category)
    categories = (
        f"{place}: each folder that holds pictures is an item, the folders above it are its "
        f"category: {example.folder.name} is an item of the category {example.category}; "
        f"with --items top each folder in {place} is an item instead"
    )
    return Layout(items, (categories, *views))


def _tops(root: Folder) -> Iterator[ItemFolder]:
    """Yield the folders directly in the root, and each marked folder."""
    for folder in root.folders:
        marked = list(folder.marked())
        if folder.item_file is None:
            pictures = folder.own_pictures()
            if pictures or not marked:
                yield ItemFolder(folder, pictures)
        yield from (ItemFolder(each, each.own_pictures()) for each in marked)


def _leaves(folder: Folder) -> Iterator[ItemFolder]:
    """Yield each folder below that holds pictures or is marked, and the empty ones."""
    for child in folder.folders:
        if child.item_file is not None:
            yield from (ItemFolder(each, each.own_pictures()) for each in child.marked())
            continue
        if child.pictures or not (child.folders or folder.pictures):
            yield ItemFolder(child, child.pictures)
        yield from _leaves(child)


def _is_alone(root: Folder) -> bool:
    """Return whether all pictures are in one folder: then nothing can be mixed up."""
    return len(list(root.holders())) == 1 and next(root.marked(), None) is None


def _fold_views(folder: Folder) -> Folder:
    """Return a folder with the pictures of its views as its own, where all in it are views."""
    folders = [_fold_views(child) for child in folder.folders]
    holding = [child for child in folders if child.holds_pictures()]
    views = [
        child
        for child in holding
        if next(child.marked(), None) is None
        and is_view_name(child.short_name)
        and not any(grandchild.holds_pictures() for grandchild in child.folders)
    ]
    if not views or len(views) < len(holding) or folder.item_file is not None:
        return replace(folder, folders=tuple(folders))
    pictures = list(folder.pictures)
    for view in views:
        pictures += view.pictures
    rest = tuple(child for child in folders if not child.holds_pictures())
    return replace(folder, pictures=tuple(sorted(pictures)), folders=rest)


def _views_note(root: Folder, folded: Folder, place: Path) -> tuple[str, ...]:
    holders = {folder.parts for folder in folded.holders()}
    views = [folder.path for folder in root.holders() if folder.parts not in holders]
    if not views:
        return ()
    return (
        f"{place}: the pictures in {len(views)} folders such as {views[0]} belong to the item "
        "above them",
    )


def _question(root: Folder, place: Path, reason: str) -> str:
    return (
        f"{place}: it is not clear which folders are items: {reason}. Choose --items leaf "
        f"(each folder that holds pictures is an item: {_examples(list(_leaves(root)))}) or "
        f"--items top (each folder in {place} is an item with all pictures below it: "
        f"{_examples(list(_tops(root)))}), or put a file {ITEM_FILE} that holds {{}} into each "
        "folder that is an item"
    )


def _examples(items: list[ItemFolder]) -> str:
    shown = ", ".join(item.folder.path for item in items[:3])
    return f"{counted(len(items), 'item')}, {shown}{', ...' if len(items) > 3 else ''}"
