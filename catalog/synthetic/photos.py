"""Write the demonstration catalogue: a table and clean photos, like those of a shop."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core.errors import ContentError, ShelfError
from catalog.core.worker import prepare_worker
from catalog.synthetic.drawing import DrawnItem
from catalog.synthetic.fonts import FACES, path
from catalog.synthetic.items import drawn_items
from catalog.synthetic.render import Cutout, View, render

VERSION = 1  # raise it whenever the drawings change
SIDE = 480  # pixels of a photo
STAMP, TABLE = "complete", "items.csv"
COLUMNS = ("sku", "title", "price", "location", "kind", "brand", "variety", "amount", "photo")
ANGLES = ((0.0, 0.0), (28.0, 6.0), (-28.0, 2.0), (12.0, 16.0), (-14.0, -8.0), (40.0, 10.0))

Image = NDArray[np.uint8]  # (height, width, 3), BGR


def draw_catalogue(
    folder: Path, photos: int = 4, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write `items.csv` and `photos/<sku>/<number>.jpg` into the folder, replacing it.

    The photos are the same, byte for byte, on each run. A killed run leaves the folder as it was,
    or none.
    `progress` is called with the number of finished items and of all items.

    Raises:
        MissingExtraError: The font packages are not installed.
    """
    stamp = _stamp(photos)
    items = drawn_items()
    for old in folder.parent.glob(f".{folder.name}.draft-*"):  # of a run that was killed
        shutil.rmtree(old, ignore_errors=True)
    draft = folder.with_name(f".{folder.name}.draft-{os.getpid()}")
    former = folder.with_name(f"{draft.name}-former")
    fresh = get_context("spawn")  # a fork would inherit the locks of OpenCV's threads
    pool = ProcessPoolExecutor(min(2, os.cpu_count() or 1), fresh, prepare_worker)
    try:
        draft.mkdir(parents=True)
        jobs = [pool.submit(_photograph, item, draft, photos) for item in items]
        for done, job in enumerate(jobs, 1):
            job.result()
            if progress is not None:
                progress(done, len(items))
        _write_table(draft / TABLE, items, photos)
        (draft / STAMP).write_text(stamp)
        if folder.exists():
            folder.rename(former)  # all of it: half of it would be taken for somebody's own
        draft.rename(folder)
    finally:
        pool.shutdown(cancel_futures=True)  # drawings in progress are finished first
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)


def is_complete(folder: Path, photos: int = 4) -> bool:
    """Return whether the folder holds the complete demonstration catalogue of this version.

    Raises:
        MissingExtraError: The font packages are not installed.
    """
    stamp = folder / STAMP
    return stamp.is_file() and stamp.read_bytes() == _stamp(photos).encode()


def check_replaceable(folder: Path) -> None:
    """Refuse a folder that `draw_catalogue` did not write, since it replaces what is there.

    Raises:
        ContentError: It holds something else.
        ShelfError: It cannot be read.
    """
    try:
        if folder.exists() and any(folder.iterdir()) and not _is_drawn(folder):
            raise ContentError(
                f"{folder}: holds something else than the drawn goods; name another folder"
            )
    except OSError as error:
        raise ShelfError(f"{folder}: cannot be read: {error.strerror}") from error


def _is_drawn(folder: Path) -> bool:
    """Whether a folder has a stamp of some version, which is a digest, and a table."""
    stamp = folder / STAMP
    is_stamped = stamp.is_file() and re.fullmatch(rb"[0-9a-f]{64}\n", stamp.read_bytes())
    return bool(is_stamped) and (folder / TABLE).is_file()


def photograph(item: DrawnItem, number: int) -> Image:
    """Draw the item's photo `number`, from 0, on a light ground with a soft shadow."""
    yaw, pitch = ANGLES[number % len(ANGLES)]
    turn = (
        7.0 * (sum(map(ord, item.sku)) % 5 - 2) / 2
    )  # things are never placed in exactly the same way
    view = View(yaw=yaw + turn, pitch=pitch, size=round(SIDE * 0.76), azimuth=-38, elevation=42)
    return studio(render(item, view), number)


def studio(cutout: Cutout, number: int = 0) -> Image:
    """Set a cutout on a light ground, with a shadow under it and one to its right."""
    height, width = cutout.shape[:2]
    left, top = (SIDE - width) // 2, min((SIDE - height) // 2, SIDE - height - 40)
    foot, spread = top + height, max(width * 0.5, 30)
    at = np.arange(SIDE, dtype=np.float32)
    contact = np.outer(
        np.exp(-np.square((at - foot + 4) / 14)), np.exp(-(((at - SIDE / 2) / spread) ** 4))
    )
    alpha = np.zeros((SIDE // 4, SIDE // 4), np.float32)
    small = cv2.resize(cutout[..., 3], None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    rows, columns = small.shape
    alpha[top // 4 : top // 4 + rows, left // 4 : left // 4 + columns] = small / np.float32(255)
    slant = np.array([[1, -0.16, 0.04 * foot], [0, 0.94, 0.015 * foot]], np.float32)
    cast = cv2.GaussianBlur(cv2.warpAffine(alpha, slant, alpha.shape), (0, 0), 4)
    cast = cv2.resize(cast, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)

    shade = (1 - 0.34 * contact.astype(np.float32)) * (1 - 0.2 * cast)
    photo = np.repeat((_ground(number % 3) * shade)[..., None], 3, 2)
    inside = photo[top:foot, left : left + width]
    inside += (cutout[..., :3] - inside) * (cutout[..., 3:] / np.float32(255))
    return np.asarray(np.clip(photo, 0, 255), np.uint8)


@lru_cache(maxsize=3)
def _ground(number: int) -> NDArray[np.float32]:
    """Draw white paper that runs down from a wall, (SIDE, SIDE), in a light of three."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    fall = 26 * np.clip(y - 0.35, 0, 1) ** 1.2 + 10 * ((x - 0.5) ** 2 + (y - 0.4) ** 2)
    return np.asarray(252 - 3 * number - fall, np.float32)


def _photograph(item: DrawnItem, folder: Path, photos: int) -> None:
    cv2.setNumThreads(1)
    place = folder / "photos" / item.sku
    place.mkdir(parents=True)
    for number in range(photos):
        quality = [cv2.IMWRITE_JPEG_QUALITY, 90]
        jpeg = cv2.imencode(".jpg", photograph(item, number), quality)[1]
        (place / f"{number + 1}.jpg").write_bytes(jpeg.tobytes())  # which tells of a full disk


def _write_table(target: Path, items: tuple[DrawnItem, ...], photos: int) -> None:
    with target.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        table.writeheader()
        for item in items:
            table.writerow(
                {
                    "sku": item.sku,
                    "title": item.title,
                    "price": item.price,
                    "location": item.location,
                    **item.attributes,
                    "photo": "|".join(f"photos/{item.sku}/{n + 1}.jpg" for n in range(photos)),
                }
            )


def _stamp(photos: int) -> str:
    digest = hashlib.sha256(f"{VERSION} {SIDE} {photos} {ANGLES}".encode())
    for face in sorted(FACES):
        digest.update(path(face).read_bytes())
    return digest.hexdigest() + "\n"
