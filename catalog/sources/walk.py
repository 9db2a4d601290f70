"""Walk through a folder of photos, and pass over what is no photo of its owner's."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from catalog.bundles.manifest import MANIFEST
from catalog.core.errors import ContentError
from catalog.core.photos import is_photo, is_photo_name
from catalog.core.terminal import counted, names
from catalog.sources.tree import ITEM_FILE, Folder

DEEPEST = 40  # folders within each other
# What operating systems, network storages and archives keep in folders beside the owner's files.
SYSTEM_FOLDERS = frozenset(
    "@eadir,@tmp,@recycle,@recently-snapshot,#recycle,#snapshot,~snapshot,$recycle.bin,recycler,"
    "system volume information,found.000,lost+found,__macosx,network trash folder,temporary items,"
    "__pycache__".split(",")
)
NO_PHOTOS = (".thm", ".ithmb", ".lrv")  # previews that cameras keep, JPEG inside


@dataclass
class PassedOver:
    """What a walk did not take for photos."""

    root: Path
    folders: Counter[str] = field(default_factory=Counter)  # by name
    files: Counter[str] = field(default_factory=Counter)  # by suffix
    hidden: int = 0  # files
    bundles: list[str] = field(default_factory=list)
    inner_links: list[str] = field(default_factory=list)
    outer_files: int = 0
    left_out: list[str] = field(default_factory=list)

    def notes(self) -> list[str]:
        """Return sentences about it."""
        kinds = []
        if self.folders:
            count = self.folders.total()
            kinds.append(
                f"{counted(count, 'system or hidden folder')} ({names(sorted(self.folders))})"
            )
        if self.bundles:
            kinds.append(f"{counted(len(self.bundles), 'bundle')} ({names(self.bundles)})")
        if self.hidden:
            kinds.append(f"{counted(self.hidden, 'hidden file')}")
        if self.files:
            count = self.files.total()
            files = counted(count, "file that is no picture", "files that are no pictures")
            kinds.append(f"{files} ({names(sorted(self.files))})")
        notes = [f"{self.root}: passed over {', '.join(kinds)}"] if kinds else []
        if self.inner_links:
            notes.append(
                f"{self.root}: links to folders are not followed, the pictures there are read "
                f"where they are: {names(self.inner_links)}"
            )
        if self.outer_files:
            pictures = counted(self.outer_files, "picture is a link", "pictures are links")
            notes.append(f"{self.root}: {pictures} to files outside of it")
        return notes


def walk(root: Path) -> tuple[Folder, PassedOver]:
    """Read a folder with everything below it; what is passed over is counted.

    Raises:
        ContentError: The name of a picture or folder is not UTF-8.
    """
    passed_over = PassedOver(root)
    return _Walk(passed_over, os.path.realpath(root)).read((), [root]), passed_over


def pictures_below(root: Path) -> list[Path]:
    """Return every picture in a folder and below it, without those that a walk passes over."""

    def below(folder: Folder) -> Iterable[Path]:
        yield from folder.pictures
        for child in folder.folders:
            yield from below(child)

    return sorted(below(walk(root)[0]))


@dataclass(frozen=True)
class _Walk:
    passed_over: PassedOver
    real_root: str

    def read(self, parts: tuple[str, ...], paths: list[Path]) -> Folder:
        """Read folders of one name as one folder."""
        pictures: list[Path] = []
        item_files: list[Path] = []
        below: dict[str, list[Path]] = defaultdict(list)
        for path in paths:
            for entry in self._entries(path):
                place = path / entry.name
                if entry.is_dir(follow_symlinks=False):
                    if self._is_own(place):
                        below[_checked_name(place)].append(place)
                elif entry.name.startswith("."):
                    self.passed_over.hidden += 1
                elif entry.is_symlink() and not os.path.isfile(place):
                    self._pass_over_link(place)
                elif entry.name == ITEM_FILE:
                    item_files.append(place)
                elif self._is_picture(place, is_link=entry.is_symlink()):
                    _checked_name(place)
                    pictures.append(place)
        if len(parts) == DEEPEST:
            for places in below.values():
                self._leave_out(places[0], f"lies below {DEEPEST} other folders")
            below.clear()
        folders = [self.read((*parts, name), below[name]) for name in sorted(below)]
        item_file = item_files[0] if item_files and parts else None
        return Folder(parts, tuple(sorted(pictures)), tuple(folders), item_file)

    def _entries(self, path: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(path) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self._leave_out(path, error.strerror or str(error))
            return []

    def _is_own(self, folder: Path) -> bool:
        """Return whether a folder is the owner's, and no bundle that was built here."""
        name = folder.name
        if name.startswith(".") or name.casefold() in SYSTEM_FOLDERS:
            self.passed_over.folders[name] += 1
        elif os.path.exists(folder / MANIFEST):
            self.passed_over.bundles.append(self._relative(folder))
        else:
            return True
        return False

    def _pass_over_link(self, link: Path) -> None:
        """Note a link to a folder, or to nothing.

        Links to folders are not followed: they may lead round in a circle, and out of the folder
        to what its owner never meant to show.
        """
        if os.path.isdir(link):
            target = os.path.realpath(link)
            if self._is_inside(target):
                self.passed_over.inner_links.append(self._relative(link))
            else:
                self._leave_out(
                    link, f"a link to {target}, outside of {self.passed_over.root}; not followed"
                )
        elif is_photo_name(link.name):
            self._leave_out(link, "a link that leads to no file")

    def _is_picture(self, file: Path, *, is_link: bool) -> bool:
        suffix = file.suffix.lower()
        if (
            os.path.isfile(file)  # no pipe, which would never end
            and suffix not in NO_PHOTOS
            and is_photo(file)
        ):
            if is_link and not self._is_inside(os.path.realpath(file)):
                self.passed_over.outer_files += 1
            return True
        self.passed_over.files[suffix or "no suffix"] += 1
        return False

    def _relative(self, place: Path) -> str:
        return str(place.relative_to(self.passed_over.root))

    def _is_inside(self, target: str) -> bool:
        return os.path.commonpath([self.real_root, target]) == self.real_root

    def _leave_out(self, place: Path, reason: str) -> None:
        self.passed_over.left_out.append(f"{place}: {reason}")


def _checked_name(place: Path) -> str:
    """Return the last name of a place in the Unicode form NFC."""
    try:
        place.name.encode()
    except UnicodeEncodeError as error:
        name = os.fsencode(place.name)
        raise ContentError(f"{name!r}: the name is not UTF-8; rename it") from error
    return unicodedata.normalize("NFC", place.name)
