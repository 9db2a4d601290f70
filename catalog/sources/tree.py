"""A folder of photos with the folders in it, as it was read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ITEM_FILE = "item.json"


@dataclass(frozen=True)
class Folder:
    """A folder and what is in it.

    A folder with an ``item.json`` is marked: its owner says that it is an item.

    Attributes:
        parts: The names of the folders from the root to this one, in the Unicode form NFC.
        pictures: The picture files directly in it.
        folders: The folders directly in it. Folders whose names differ in nothing but their
            Unicode form are one.
        item_file: Its ``item.json``.
    """

    parts: tuple[str, ...]
    pictures: tuple[Path, ...] = ()
    folders: tuple[Folder, ...] = ()
    item_file: Path | None = None

    @property
    def name(self) -> str:
        """Its own name."""
        return self.parts[-1]

    @property
    def short_name(self) -> str:
        """Its name without that of the folder above: ``front`` for ``cup/cup_front``."""
        above = self.parts[-2] if len(self.parts) > 1 else ""
        rest = self.name[len(above) :]
        if above.casefold() != self.name[: len(above)].casefold() or rest[:1].isalnum():
            return self.name
        return rest.strip(" _-.")

    @property
    def path(self) -> str:
        """The path from the root, with slashes."""
        return "/".join(self.parts)

    def holds_pictures(self) -> bool:
        """Return whether a picture is in it or anywhere below it."""
        return bool(self.pictures) or any(folder.holds_pictures() for folder in self.folders)

    def own_pictures(self) -> tuple[Path, ...]:
        """Return the pictures in and below it, without those of marked folders below it."""
        found = list(self.pictures)
        for folder in self.folders:
            if folder.item_file is None:
                found += folder.own_pictures()
        return tuple(sorted(found))

    def marked(self) -> Iterator[Folder]:
        """Yield the marked folders, from this one on downwards."""
        if self.item_file is not None:
            yield self
        for folder in self.folders:
            yield from folder.marked()

    def holders(self) -> Iterator[Folder]:
        """Yield the folders that hold pictures, from this one on downwards, up to marked ones."""
        if self.item_file is None:
            if self.pictures:
                yield self
            for folder in self.folders:
                yield from folder.holders()

    def is_nested(self) -> bool:
        """Return whether folders in it hold pictures, and no mark says that they are its own."""
        return self.item_file is None and any(folder.holds_pictures() for folder in self.folders)
