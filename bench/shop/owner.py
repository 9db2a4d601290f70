"""The owner of the shops: draws photos of a range, builds catalogues and publishes them."""

from __future__ import annotations

import csv
import os
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2

from bench.process import PROGRAM
from catalog.synthetic.drawing import DrawnItem
from catalog.synthetic.items import drawn_items
from catalog.synthetic.photos import photograph

PHOTOS = 3  # of each item
PASSPHRASE = "five words by chance, no more"  # noqa: S105 - of keys that are made here
COLUMNS = ("sku", "title", "price", "location", "kind", "photo")


def item_range(count: int, besides: DrawnItem) -> list[DrawnItem]:
    """Choose items of all kinds of goods, none of which differs from another by its label only.

    Args:
        count: How many.
        besides: An item that is left out.
    """
    twins = {besides.sku}
    chosen = []
    for item in drawn_items():
        if item.sku not in twins:
            chosen.append(item)
        if item.twin is not None:
            twins.add(item.twin)
    step = max(1, len(chosen) // count)
    return chosen[::step][:count]


class Owner:
    """Whoever owns the shops.

    Args:
        folder: Where photos, catalogues and keys are put.
        source: The address of the store.
        environment: For the commands.
    """

    def __init__(self, folder: Path, source: str, environment: Mapping[str, str]) -> None:
        self.folder, self.source = folder, source
        self.environment = {
            **os.environ,
            **environment,
            "VISUAL_SEARCH_CATALOG__CACHE_DIR": str(folder / "cache"),
            "VISUAL_SEARCH_DEVICE__DATA_DIR": str(folder / "data"),
        }
        folder.mkdir(parents=True)
        self._passphrase = folder / "passphrase"
        self._passphrase.touch(0o600)
        self._passphrase.write_text(PASSPHRASE)

    @property
    def root(self) -> Path:
        """What devices trust."""
        return self.folder / "keys" / "root.json"

    def make_keys(self) -> None:
        """Make the keys."""
        self._run("sync", "keys", "init", "keys", "--passphrase-file", str(self._passphrase))

    def photograph(self, items: Sequence[DrawnItem]) -> None:
        """Draw photos of the items, and write the table."""
        fresh = get_context("spawn")  # a fork would inherit the locks of OpenCV's threads
        with ProcessPoolExecutor(min(2, os.cpu_count() or 1), fresh) as pool:
            jobs = [pool.submit(_photograph, item, self.folder / "photos") for item in items]
            for job in jobs:
                job.result()
        with (self.folder / "items.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            table.writeheader()
            for item in items:
                photos = [f"photos/{item.sku}/{number}.jpg" for number in range(PHOTOS)]
                row = (item.sku, item.title, item.price, item.location, item.kind, "|".join(photos))
                table.writerow(dict(zip(COLUMNS, row, strict=True)))

    def build(self, name: str, *more: str) -> Path:
        """Build a catalogue of the table; `more` are further options."""
        self._run(
            "catalog",
            "build",
            "items.csv",
            "--out",
            name,
            "--title",
            "The corner shop",
            "--no-read",
            *more,
        )
        return self.folder / name

    def publish(self, bundle: Path, *more: str) -> None:
        """Publish a catalogue."""
        signing = ("--keys", "keys", "--passphrase-file", str(self._passphrase))
        self._run("sync", "publish", str(bundle), self.source, *signing, *more)

    def _run(self, *words: str) -> None:
        done = subprocess.run(
            [str(PROGRAM), *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise AssertionError(f"{' '.join(words)}: {done.stdout} {done.stderr}")


def _photograph(item: DrawnItem, folder: Path) -> None:
    cv2.setNumThreads(1)
    place = folder / item.sku
    place.mkdir(parents=True)
    for number in range(PHOTOS):
        quality = [cv2.IMWRITE_JPEG_QUALITY, 90]
        cv2.imwrite(str(place / f"{number}.jpg"), photograph(item, number), quality)
