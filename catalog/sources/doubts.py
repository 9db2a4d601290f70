"""Say where the folders of a tree leave open which of them are items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from catalog.sources.tree import Folder
from catalog.sources.view_names import is_vague_name, is_view_name


def doubt(root: Folder) -> str:
    """Say why it is not clear that the folders which hold pictures are the items.

    They are in a tree of categories. They are not where they are views of one thing each, or
    parts of it. Both look alike, so a wrong guess would mix up things in silence.

    Args:
        root: The tree; folders with plain views are in it no more.

    Returns:
        The reason; empty where it is clear.
    """
    nested = [folder for folder in root.folders if folder.is_nested()]
    for folder in nested:
        for inner in _unmarked(folder):
            if inner.pictures and inner.is_nested():
                return f"{inner.path} holds pictures and folders with pictures"
    # A folder above a marked one is a category for certain.
    open_folders = [folder for folder in nested if next(folder.marked(), None) is None]
    if not open_folders:
        return ""
    flat = [
        folder.path
        for folder in root.folders
        if folder.item_file is None and folder.pictures and not folder.is_nested()
    ]
    flat += [picture.name for picture in root.pictures]
    if flat:
        return f"{open_folders[0].path} holds folders with pictures, {flat[0]} is beside it"
    known = [item for folder in root.folders for item in folder.marked() if len(item.parts) > 1]
    return _doubt_of_leaves([leaf for folder in nested for leaf in folder.holders()], known)


def _doubt_of_leaves(leaves: list[Folder], known: list[Folder]) -> str:
    """Say why leaves may be something else than items, as `known` folders in categories are."""
    for leaf in leaves:
        if is_view_name(leaf.short_name):
            return f"{leaf.path} may be an item or a view of one"
    every = leaves + known
    siblings = Counter(leaf.parts[:-1] for leaf in every)
    names = Counter(leaf.short_name for leaf in every)
    vague = [leaf for leaf in leaves if is_vague_name(leaf.short_name)]
    alone = [leaf for leaf in leaves if siblings[leaf.parts[:-1]] == 1]
    namesakes = [leaf for leaf in leaves if names[leaf.short_name] > 1]
    for doubtful, reason in (
        (vague, "may be an item or a view of one"),
        (alone, "is alone in its folder"),
        (namesakes, "has the name of a folder elsewhere"),
    ):
        if 2 * len(doubtful) > len(every):
            return f"{doubtful[0].path} {reason}, like most others"
    return ""


def _unmarked(folder: Folder) -> Iterator[Folder]:
    if folder.item_file is None:
        yield folder
        for child in folder.folders:
            yield from _unmarked(child)
