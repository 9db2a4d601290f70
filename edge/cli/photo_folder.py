"""Write an item's photos and its title into its folder, without overwriting anything."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable
from pathlib import Path

import cv2

from catalog.core import durable
from catalog.core.access import why_unwritable
from catalog.core.errors import ContentError, SurroundingsError
from edge.sighting import Frame, Image

JPEG_QUALITY = 93
LONGEST_SKU = 100  # characters
LONGEST_NAME = 240  # bytes of a file's name


def save_views(photos: Path, sku: str, title: str, views: Iterable[Frame]) -> list[Path]:
    """Write views as ``photos/sku/1.jpg`` and on, and the title into ``item.json`` there.

    Only their owner can read them. No file is overwritten: numbers continue after the highest one,
    and what else ``item.json`` holds stays. Each file is whole and on the disk before the next view
    is taken from `views`; nothing is written before the first.

    Raises:
        ContentError: The sku cannot name a folder, or item.json is damaged.
        SurroundingsError: The folder cannot be written.
    """
    check_sku(sku)
    folder = photos / sku
    paths: list[Path] = []
    for view in views:
        try:
            if not paths:
                photos.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.mkdir(mode=0o700, exist_ok=True)
                durable.flush_folder(photos)
                _write_title(folder / "item.json", title)
            paths.append(_write_photo(folder, view.image))
        except OSError as error:
            raise SurroundingsError(
                f"{folder}: cannot be written: {why_unwritable(error)}"
            ) from error
    return paths


def check_sku(sku: str) -> None:
    """Check that a sku can name a folder; ContentError where it cannot."""
    try:
        too_long = len(sku) > LONGEST_SKU or len(sku.encode()) > LONGEST_NAME
    except UnicodeEncodeError:
        too_long = True
    if (
        too_long
        or not sku
        or sku != sku.strip()
        or sku.startswith(".")
        or not sku.isprintable()
        or any(character in sku for character in "/\\")
    ):
        raise ContentError(
            f"sku {sku[: LONGEST_SKU + 1]!r} cannot name a folder; use 1 to {LONGEST_SKU} "
            f"characters, no slashes, no dot at its beginning, no space at its ends"
        )


def titled(file: Path, title: str) -> bytes | None:
    """The content of an item's file with a title; None where the file stays as it is.

    Raises:
        ContentError: The file is damaged, or it or the title cannot be written in UTF-8.
        OSError: The file cannot be read.
    """
    if not title.strip():
        return None
    fields: object = {}
    if file.exists():
        try:
            fields = json.loads(file.read_text(encoding="utf-8-sig"))
        except (ValueError, RecursionError):
            fields = None
    if not isinstance(fields, dict):
        raise ContentError(f"{file}: not a JSON object in UTF-8; mend or remove it")
    if fields.get("title") == title.strip():
        return None
    text = json.dumps(fields | {"title": title.strip()}, ensure_ascii=False, indent=2)
    try:
        return f"{text}\n".encode()
    except UnicodeEncodeError as error:
        raise ContentError(f"{file}: its title, or another text in it, is not UTF-8") from error


def _write_title(file: Path, title: str) -> None:
    content = titled(file, title)
    if content is not None:
        durable.write(file, content, durable.PRIVATE)


def _write_photo(folder: Path, image: Image) -> Path:
    """Write a photo under the next free number."""
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    numbers = [int(path.stem) for path in folder.iterdir() if path.stem.isdecimal()]
    for number in itertools.count(max(numbers, default=0) + 1):
        # The unfinished file claims the number. Renaming alone could overwrite a photo, and the
        # file systems of memory cards have no links.
        unfinished = folder / f".{number}.jpg.unfinished"
        try:
            new = durable.private(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            continue
        path = folder / f"{number}.jpg"
        try:
            with os.fdopen(new, "wb") as file:
                if path.exists():
                    continue
                file.write(jpeg.tobytes())
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        durable.flush_folder(folder)
        return path
    raise AssertionError("numbers do not end")
