"""The taught items and photos on the disk: one SQLite file, ``taught.db``.

A photo that was said to be saved is on the disk: the transaction that holds it was flushed before.
What the network makes of a photo is kept beside it, and can be made again from the photo.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.items import Item
from catalog.core.errors import ContentError, DiskFullError, ShelfError
from catalog.recognition import thing_colours
from catalog.recognition.colours import DIMENSIONS
from catalog.recognition.descriptors import VERSION as DESCRIPTORS_VERSION
from catalog.recognition.descriptors import Descriptors
from edge.health import free_bytes
from edge.state_database import open_database
from edge.words import Words

FILE = "taught.db"
MOST_ITEMS = 1000
MOST_PHOTOS = 5000
MOST_PHOTOS_OF_ITEM = 12
LEAST_ROOM = 256 << 20  # bytes that must stay free on the disk
PhotoKind = Literal["taught", "confirmed"]

SCHEMA = """
create table if not exists items (
    sku text primary key, title text not null, price text not null, url text not null,
    location text not null, attributes text not null, at real not null);
create table if not exists photos (
    id integer primary key autoincrement, sku text not null, kind text not null, at real not null,
    sighting text not null, width integer not null, height integer not null, sha256 text not null,
    jpeg blob not null);
create index if not exists photos_by_sku on photos (sku);
create table if not exists features (
    photo integer not null references photos on delete cascade, network text not null,
    raw blob not null, descriptors blob not null, primary key (photo, network));
"""


@dataclass(frozen=True)
class TaughtPhoto:
    """A photo that the staff took or confirmed.

    Attributes:
        id: Its number; no other photo ever has it.
        sku: Its item.
        kind: Whether it was taken to teach, or is a look that was confirmed.
        at: When, in Unix seconds.
        sighting: The sighting whose look it is; empty for one that was taken to teach.
        width, height: Its size in pixels.
        sha256: The digest of its file.
    """

    id: int
    sku: str
    kind: PhotoKind
    at: float
    sighting: str
    width: int
    height: int
    sha256: str


@dataclass(frozen=True)
class Features:
    """What is searched of a photo.

    Attributes:
        raw: The network's own output, float32 (k,).
        descriptors: Its colours and local features.
    """

    raw: NDArray[np.float32]
    descriptors: Descriptors


@dataclass(frozen=True)
class NewPhoto:
    """A photo to be saved: its JPEG, its size, and its features by the open network."""

    jpeg: bytes
    width: int
    height: int
    features: Features


class TaughtStore:
    """The file in a folder. Many threads may use it at once, of one process.

    Args:
        folder: The folder; made where it is missing.

    Raises:
        ShelfError: The file cannot be opened or made.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._lock = threading.RLock()
        self._connection = open_database(self.path, SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def items(self) -> list[Item]:
        """The taught items, the newest first."""
        rows = self._rows(
            "select sku, title, price, url, location, attributes from items order by at desc"
        )
        return [
            Item(sku, title, price, url, location, json.loads(attributes))
            for sku, title, price, url, location, attributes in rows
        ]

    def photos(self) -> list[TaughtPhoto]:
        """All photos, in the order in which they were saved."""
        rows = self._rows(
            "select id, sku, kind, at, sighting, width, height, sha256 from photos order by id"
        )
        return [TaughtPhoto(*row) for row in rows]

    def jpeg(self, photo: int) -> bytes | None:
        """The JPEG of a photo, or None."""
        rows = self._rows("select jpeg from photos where id = ?", (photo,))
        return bytes(rows[0][0]) if rows else None

    def photo_bytes(self) -> int:
        """How many bytes all photos have together."""
        return int(self._rows("select coalesce(sum(length(jpeg)), 0) from photos")[0][0])

    def check_free(self, more: int = 0) -> None:
        """Check that so many bytes fit on the disk, and that enough stays free.

        Raises:
            DiskFullError: They do not.
        """
        if free_bytes(self.path.parent) < LEAST_ROOM + more:
            raise DiskFullError("there is too little room on the disk; make some")

    def features(self, network: str) -> dict[int, Features]:
        """What a network made of the photos, by their ids; photos that it has not seen lack."""
        rows = self._rows(
            "select photo, raw, descriptors from features where network = ?", (_key(network),)
        )
        return {
            photo: Features(np.frombuffer(raw, np.float32), _unpacked(descriptors))
            for photo, raw, descriptors in rows
        }

    def save(
        self,
        sku: str,
        item: Item | None,
        photos: Sequence[NewPhoto],
        network: str,
        sighting: str = "",
        instead_of: Sequence[int] = (),
    ) -> list[int]:
        """Save photos of an item, and the item where it is new; all of it or nothing.

        Args:
            sku: The item.
            item: Its fields where the staff made it; None for an item of the catalogue. Views that
                are taught of such an item take the place of what the staff made before.
            photos: The photos.
            network: The id of the network that made their features.
            sighting: The sighting whose look was confirmed; empty where the photos were taken to
                teach.
            instead_of: The photos that are removed for these.

        Returns:
            The ids of the photos. They are on the disk.

        Raises:
            ContentError: There are too many.
            DiskFullError: There is no room.
            ShelfError: The file cannot be written.
        """
        now = time.time()
        kind: PhotoKind = "confirmed" if sighting else "taught"
        with self._changing() as change:
            _remove_photos(change, instead_of)
            self._check_room(sku, item, len(photos))
            if item is None and kind == "taught":
                change.execute("delete from items where sku = ?", (sku,))
            if item is not None:
                fields = (item.title, item.price, item.url, item.location)
                attributes = json.dumps(item.attributes, ensure_ascii=False)
                change.execute(
                    "insert or replace into items values (?, ?, ?, ?, ?, ?, ?)",
                    (sku, *fields, attributes, now),
                )
            ids = []
            for photo in photos:
                digest = hashlib.sha256(photo.jpeg).hexdigest()
                size = (photo.width, photo.height)
                cursor = change.execute(
                    "insert into photos (sku, kind, at, sighting, width, height, sha256, jpeg) "
                    "values (?, ?, ?, ?, ?, ?, ?, ?)",
                    (sku, kind, now, sighting, *size, digest, photo.jpeg),
                )
                assert cursor.lastrowid is not None
                ids.append(cursor.lastrowid)
                _insert_features(change, cursor.lastrowid, network, photo.features)
            _remove_empty_items(change)
        return ids

    def add_features(self, network: str, made: Iterable[tuple[int, Features]]) -> None:
        """Keep what a network made of photos; a photo that was removed meanwhile is passed over."""
        with self._changing() as change:
            known = {photo for (photo,) in change.execute("select id from photos")}
            for photo, features in made:
                if photo in known:
                    _insert_features(change, photo, network, features)

    def keep_features_of(self, network: str) -> None:
        """Forget what other networks made of the photos."""
        with self._changing() as change:
            change.execute("delete from features where network != ?", (_key(network),))

    def remove_photos(self, photos: Iterable[int]) -> None:
        """Remove photos, and the taught items that have none left."""
        with self._changing() as change:
            _remove_photos(change, photos)
            _remove_empty_items(change)

    def remove_item(self, sku: str) -> None:
        """Remove a taught item, and all photos of that sku."""
        with self._changing() as change:
            change.execute("delete from photos where sku = ?", (sku,))
            change.execute("delete from items where sku = ?", (sku,))

    def change_item(self, sku: str, item: Item) -> None:
        """Give a taught item other fields, also another sku; all of it or nothing.

        Raises:
            ShelfError: The file cannot be written, or another taught item has that sku.
        """
        with self._changing() as change:
            fields = (item.sku, item.title, item.price, item.location)
            change.execute(
                "update items set sku = ?, title = ?, price = ?, location = ? where sku = ?",
                (*fields, sku),
            )
            change.execute("update photos set sku = ? where sku = ?", (item.sku, sku))

    def _check_room(self, sku: str, item: Item | None, more: int) -> None:
        counted = "select count(*) from photos"
        every = self._rows(counted)[0][0]
        of_item = self._rows(f"{counted} where sku = ?", (sku,))[0][0]
        items = self._rows("select count(*) from items where sku != ?", (sku,))[0][0]
        if item is not None and items >= MOST_ITEMS:
            raise ContentError(
                Words(
                    "{most} items are taught already; put them into the catalogue, or remove some.",
                    most=MOST_ITEMS,
                )
            )
        if of_item + more > MOST_PHOTOS_OF_ITEM:
            raise ContentError(
                Words(
                    "This item has {count} photos of this device already, and at most {most} are "
                    "kept. Remove some.",
                    count=of_item,
                    most=MOST_PHOTOS_OF_ITEM,
                )
            )
        if every + more > MOST_PHOTOS:
            raise ContentError(
                Words("{most} photos are kept already; remove some.", most=MOST_PHOTOS)
            )
        self.check_free()

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        with self._lock:
            try:
                return self._connection.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise ShelfError(f"{self.path}: cannot be read: {error}") from error

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, which is on the disk when the block has ended."""
        with self._lock:
            try:
                self._connection.execute("begin immediate")
                yield self._connection
                self._connection.execute("commit")
            except BaseException as error:
                if self._connection.in_transaction:  # SQLite ends it itself where the disk is full
                    self._connection.execute("rollback")
                if not isinstance(error, sqlite3.Error):
                    raise
                kind = DiskFullError if "full" in str(error) else ShelfError
                raise kind(f"{self.path}: cannot be written: {error}") from error


def _key(network: str) -> str:
    """What features are kept by: another way to describe a picture makes others."""
    return f"{network}-{DESCRIPTORS_VERSION}-{thing_colours.VERSION}"


def _remove_photos(change: sqlite3.Connection, photos: Iterable[int]) -> None:
    change.executemany("delete from photos where id = ?", ((photo,) for photo in photos))


def _remove_empty_items(change: sqlite3.Connection) -> None:
    change.execute("delete from items where sku not in (select sku from photos)")


def _insert_features(
    change: sqlite3.Connection, photo: int, network: str, features: Features
) -> None:
    change.execute(
        "insert or replace into features values (?, ?, ?, ?)",
        (
            photo,
            _key(network),
            np.asarray(features.raw, np.float32).tobytes(),
            _packed(features.descriptors),
        ),
    )


def _packed(descriptors: Descriptors) -> bytes:
    """Pack descriptors; colours of nothing but zeros stand for a thing that was not cut out."""
    own = descriptors.thing_colours
    return (bytes(DIMENSIONS) if own is None else own.tobytes()) + descriptors.to_bytes()


def _unpacked(data: bytes) -> Descriptors:
    own = np.frombuffer(data[:DIMENSIONS], np.uint8)
    described = Descriptors.from_bytes(data[DIMENSIONS:], with_local_features=True)
    return replace(described, thing_colours=own if own.any() else None)
