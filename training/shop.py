"""A shop's labelled photos: those to learn from, and a fifth that is held back."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from catalog.core import durable
from catalog.core.errors import ContentError, PhotoError, SurroundingsError
from catalog.core.photos import decode, is_address, shrink
from catalog.sources.source import SourceItem
from training.data import Image

LONGEST = 320  # pixels; larger photos are shrunk to it
ONE_OF = 5  # photos is held back
LEARNT, HELD_BACK = "learnt", "held-back"  # folders below the one of `write_parts`
LONGEST_NAME = 255  # bytes of a file's name


@dataclass(frozen=True)
class Labelled:
    """A photo of an item: RGB uint8 (h, w, 3), its file, and the file's digest in hex."""

    sku: str
    place: Path
    digest: str
    picture: Image


def photo_files(
    entries: Iterable[SourceItem], left_out: Callable[[str, str], None]
) -> list[SourceItem]:
    """The items with those photos that are files.

    Args:
        entries: As `catalog.sources.read.read_source` gives them.
        left_out: Called with the place of each photo that is left out, and the reason.

    Raises:
        ContentError: No photo is a file, or fewer than two items have one.
    """
    found = []
    for entry in entries:
        for place in filter(is_address, entry.photos):
            left_out(place, "an address; only files are learnt from")
        files = tuple(place for place in entry.photos if not is_address(place))
        if files:
            found.append(SourceItem(entry.item, files))
    if not found:
        raise ContentError("all photos are addresses; download them and name their folder")
    if len(found) < 2:
        raise ContentError(f"only {found[0].item.sku} has photos; wanted are at least two items")
    return found


def read_photos(
    entries: Sequence[SourceItem],
    left_out: Callable[[str, str], None],
    progress: Callable[[int, int], None],
) -> list[Labelled]:
    """Read the photos as `catalog build` does; a file that occurs twice is taken once.

    Args:
        entries: Items whose photos are files.
        left_out: Called with the place of each photo that is left out, and the reason.
        progress: Called with the number of photos that are done, and of all.
    """
    photos: list[Labelled] = []
    seen: dict[str, str] = {}
    pairs = [(entry.item.sku, place) for entry in entries for place in entry.photos]
    for number, (sku, place) in enumerate(pairs, 1):
        progress(number, len(pairs))
        try:
            data = Path(place).read_bytes()
            picture = shrink(decode(data, place, enough=LONGEST), LONGEST)
        except OSError as error:
            left_out(place, error.strerror or str(error))
            continue
        except PhotoError as error:
            left_out(place, str(error).removeprefix(f"{place}: "))
            continue
        digest = hashlib.sha256(data).hexdigest()
        if digest in seen:
            left_out(place, f"the same file as {seen[digest]}")
            continue
        seen[digest] = place
        colours = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
        photos.append(Labelled(sku, Path(place), digest, colours))
    return photos


def parted(photos: Iterable[Labelled]) -> tuple[list[Labelled], list[Labelled]]:
    """Part the photos: those to learn from, and a fifth of each item's, rounded, held back.

    The digests decide, so the same photos are held back each time. One photo of three to seven
    is held back, none of two or one.

    Raises:
        ContentError: Fewer than two items are left, or no item has three photos.
    """
    items: dict[str, list[Labelled]] = defaultdict(list)
    for photo in photos:
        items[photo.sku].append(photo)
    if len(items) < 2:
        raise ContentError("wanted are photos of at least two items that can be read")
    learnt: list[Labelled] = []
    held_back: list[Labelled] = []
    for own in items.values():
        own.sort(key=lambda photo: photo.digest)
        count = round(len(own) / ONE_OF)
        held_back += own[:count]
        learnt += own[count:]
    if not held_back:
        raise ContentError(
            "no item has three photos, so none can be held back and nothing would tell whether "
            "it helped; add photos"
        )
    return learnt, held_back


def write_parts(learnt: Iterable[Labelled], held_back: Iterable[Labelled], folder: Path) -> None:
    """Write both parts into a folder, as folders of links, one for each sku."""
    for name, photos in ((LEARNT, learnt), (HELD_BACK, held_back)):
        for photo in photos:
            item = folder / name / _folder_name(photo.sku)
            item.mkdir(parents=True, exist_ok=True)
            link = item / f"{photo.digest[:16]}{photo.place.suffix}"
            link.symlink_to(photo.place.resolve())


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A new folder for links; when all went well it takes the place of `folder`, in one step.

    Raises:
        SurroundingsError: It cannot be written.
    """
    work = folder.with_name(f".{folder.name}.writing")
    shutil.rmtree(work, ignore_errors=True)
    try:
        work.mkdir(parents=True)
        yield work
        if folder.exists():
            durable.exchange(work, folder)
        else:
            work.rename(folder)
    except OSError as error:
        raise SurroundingsError(f"{folder}: cannot be written: {error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def are_parts(folder: Path) -> bool:
    """Whether a folder is empty, or holds links alone, as `write_parts` writes them."""
    if not folder.is_dir() or not {p.name for p in folder.iterdir()} <= {LEARNT, HELD_BACK}:
        return False
    return all(path.is_symlink() or path.is_dir() for path in folder.rglob("*"))


def _folder_name(sku: str) -> str:
    """A sku as the name of a folder that `catalog compare` reads; the same for both parts."""
    name = sku.replace("%", "%25").replace("/", "%2F").replace("\0", "%00")
    name = f"%2E{name[1:]}" if name.startswith(".") else name
    return (
        name
        if len(os.fsencode(name)) <= LONGEST_NAME
        else hashlib.sha256(name.encode()).hexdigest()
    )
