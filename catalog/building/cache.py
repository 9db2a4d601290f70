"""The build cache: features by photo content and network, descriptors, printed words, addresses.

Everything in it can be computed again. A damaged cache is put aside; it is neither trusted nor
fatal.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sqlite_utils

from catalog.building import cache_size
from catalog.building.addresses import AddressCache
from catalog.building.cache_size import CachePart
from catalog.core.errors import ShelfError
from catalog.core.read_line import ReadLine
from catalog.core.vectors import Vectors
from catalog.recognition.descriptors import VERSION as DESCRIPTORS_VERSION
from catalog.recognition.descriptors import Descriptors

DECODING = 2  # raise it when photos are decoded to other pixels; all is then computed anew
LIMIT = 20_000_000_000  # bytes
# A full disk, a lock, and use by a thread that did not yet notice that the build was stopped.
NO_DAMAGE = (sqlite3.OperationalError, sqlite3.ProgrammingError)


@dataclass(frozen=True)
class PhotoFeature:
    """The features of one photo: raw vector float32 (d,), upright size, JPEG thumbnail."""

    sha256: str
    vector: Vectors
    width: int
    height: int
    thumbnail: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height


class FeatureCache:
    """Features in SQLite, keyed by the photo's sha256, the network id and `DECODING`.

    Attributes:
        addresses: The pictures fetched by http(s).

    Args:
        folder: Where the cache is.
        refetch: Fetch pictures again that were fetched before.
        limit: How many bytes it may have; what was not used for the longest time leaves it when
            it is closed. What was used since it was opened stays; with None everything does.
    """

    def __init__(self, folder: Path, *, refetch: bool = False, limit: int | None = LIMIT) -> None:
        self._folder = folder / "addresses"
        self.addresses = AddressCache(self._folder, refetch=refetch)
        self._path = folder / "features.db"
        self._limit = limit
        self._lock = threading.Lock()
        self._used: dict[str, set[str]] = {table: set() for table in cache_size.TABLES}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                self._database = _open(self._path)
            except sqlite3.DatabaseError as error:
                self._database = _begin_anew(self._path, error)
        except (OSError, sqlite3.OperationalError) as error:
            raise ShelfError(f"{self._path}: the build cache cannot be used: {error}") from error

    def get(self, sha256: str, network_id: str) -> PhotoFeature | None:
        """The feature of a photo, or None."""
        with self._lock:
            try:
                row = self._row(
                    "features",
                    "vector, width, height, thumbnail",
                    f"{sha256}-{network_id}-{DECODING}",
                )
            except sqlite3.DatabaseError as error:
                self._heal(error)
                row = None
        if row is None:
            return None
        return PhotoFeature(sha256, np.frombuffer(row[0], np.float32), row[1], row[2], row[3])

    def put(self, features: Iterable[PhotoFeature], network_id: str) -> None:
        """Store features; on return they survive a crash of this process."""
        rows = [
            (
                f"{feature.sha256}-{network_id}-{DECODING}",
                feature.vector.tobytes(),
                feature.width,
                feature.height,
                feature.thumbnail,
            )
            for feature in features
        ]
        with self._lock:
            try:
                self._insert(rows)
            except sqlite3.DatabaseError as error:
                self._heal(error)
                self._insert(rows)

    def get_descriptors(self, key: str, most: int) -> Descriptors | None:
        """The colours and `most` strongest local features of a photo, by its sha256, or None."""
        with self._lock:
            try:
                row = self._row(
                    "details", "details", f"{key}-{DESCRIPTORS_VERSION}-{most}-{DECODING}"
                )
            except sqlite3.DatabaseError as error:
                self._heal(error)
                row = None
        return None if row is None else Descriptors.from_bytes(row[0], with_local_features=most > 0)

    def put_descriptors(self, key: str, most: int, descriptors: Descriptors) -> None:
        """Store the descriptors of a photo."""
        row = (f"{key}-{DESCRIPTORS_VERSION}-{most}-{DECODING}", descriptors.to_bytes())
        with self._lock:
            try:
                self._insert_descriptors(row)
            except sqlite3.DatabaseError as error:
                self._heal(error)
                self._insert_descriptors(row)

    def complete(self, networks: Sequence[str], most: int) -> set[str]:
        """The sha256 of the photos whose outputs of all networks and descriptors are here."""
        queries = [
            *(("features", f"-{network}-{DECODING}") for network in networks),
            ("details", f"-{DESCRIPTORS_VERSION}-{most}-{DECODING}"),
        ]
        with self._lock:
            found = [
                {
                    key.removesuffix(suffix)
                    for (key,) in self._database.execute(f"select key from {table}")  # noqa: S608
                    if key.endswith(suffix)
                }
                for table, suffix in queries
            ]
        return set.intersection(*found)

    def get_lines(self, key: str) -> tuple[ReadLine, ...] | None:
        """The lines that were read on a photo, by its sha256 and the reader's version, or None."""
        with self._lock:
            try:
                row = self._row("printed", "lines", f"{key}-{DECODING}")
            except sqlite3.DatabaseError as error:
                self._heal(error)
                row = None
        return None if row is None else tuple(ReadLine(*line) for line in json.loads(row[0]))

    def put_lines(self, key: str, lines: Sequence[ReadLine]) -> None:
        """Store the lines that were read on a photo."""
        scored = [(line, round(line.score, 3)) for line in lines]
        row = (f"{key}-{DECODING}", json.dumps(scored, ensure_ascii=False))
        with self._lock:
            try:
                self._insert_lines(row)
            except sqlite3.DatabaseError as error:
                self._heal(error)
                self._insert_lines(row)

    def parts(self) -> list[CachePart]:
        """Return what is in the cache, and how large it is."""
        with self._lock:
            return cache_size.parts(self._database.conn, self._folder)

    def prune(self, limit: int) -> int:
        """Remove what was not used for the longest time, and give its room back to the disk.

        Args:
            limit: How many bytes may stay.

        Returns:
            How many bytes were removed.
        """
        with self._lock:
            removed = cache_size.prune(self._database.conn, self._folder, limit)
            self._database.execute("vacuum")
        return removed

    def close(self) -> None:
        """Note what was used, keep to the limit, and close the file and the connections."""
        with self._lock:
            with suppress(sqlite3.DatabaseError):  # closed already, busy, or damaged: no matter
                cache_size.note_use(self._database.conn, self._used)
                if self._limit is not None and self._size() > self._limit:
                    cache_size.prune(self._database.conn, self._folder, self._limit, self._used)
            self._database.close()
        self.addresses.close()

    def _row(self, table: str, columns: str, key: str) -> Any:
        """Read a row, and remember that it was used."""
        row = self._database.execute(
            f"select {columns} from {table} where key = ?",  # noqa: S608
            [key],
        ).fetchone()
        if row is not None:
            self._used[table].add(key)
        return row

    def _size(self) -> int:
        """Return the bytes of all files, those of the database that are free less."""
        (free,) = self._database.execute("pragma freelist_count").fetchone()
        (page,) = self._database.execute("pragma page_size").fetchone()
        files = self._folder.iterdir() if self._folder.is_dir() else ()
        sizes = [file.stat().st_size for file in files]
        return int(self._path.stat().st_size - free * page + sum(sizes))

    def _insert(self, rows: list[tuple[str, bytes, int, int, bytes]]) -> None:
        with self._database.conn:
            self._database.conn.executemany(
                "insert or replace into features values (?, ?, ?, ?, ?)", rows
            )
            cache_size.note_use(self._database.conn, {"features": [row[0] for row in rows]})
        self._used["features"].update(row[0] for row in rows)

    def _insert_descriptors(self, row: tuple[str, bytes]) -> None:
        with self._database.conn:
            self._database.conn.execute("insert or replace into details values (?, ?)", row)
            cache_size.note_use(self._database.conn, {"details": [row[0]]})
        self._used["details"].add(row[0])

    def _insert_lines(self, row: tuple[str, str]) -> None:
        with self._database.conn:
            self._database.conn.execute("insert or replace into printed values (?, ?)", row)
            cache_size.note_use(self._database.conn, {"printed": [row[0]]})
        self._used["printed"].add(row[0])

    def _heal(self, error: sqlite3.DatabaseError) -> None:
        if not isinstance(error, NO_DAMAGE):
            self._database.close()
        self._database = _begin_anew(self._path, error)


def _open(path: Path) -> sqlite_utils.Database:
    connection = sqlite3.connect(path, check_same_thread=False, timeout=30)
    try:
        database = sqlite_utils.Database(connection)
        database.enable_wal()
        connection.execute("pragma synchronous = normal")
        connection.execute(
            "create table if not exists features "
            "(key text primary key, vector blob, width integer, height integer, thumbnail blob)"
        )
        connection.execute(
            "create table if not exists details (key text primary key, details blob)"
        )
        connection.execute("create table if not exists printed (key text primary key, lines text)")
        connection.execute(
            "create table if not exists used "
            "(tab text, key text, day integer, primary key (tab, key)) without rowid"
        )
        connection.execute("drop table if exists described")  # of earlier versions: gigabytes
        connection.commit()
        connection.execute("select 1 from features limit 1").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return database


def _begin_anew(path: Path, error: sqlite3.DatabaseError) -> sqlite_utils.Database:
    """Put a damaged file aside and open a new one."""
    if isinstance(error, NO_DAMAGE):
        raise error
    path.replace(path.with_suffix(".damaged"))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return _open(path)
