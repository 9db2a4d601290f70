"""What a bundle keeps of each photo, and the files that are made of it again, byte for byte.

A device that has most photos of a new catalogue makes that catalogue's large files of the records
that it has and the few that it lacks. Records have three kinds, each of its own files, because one
may change where another does not: a new network changes all vectors and no thumbnail.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.database import open_read_only
from catalog.core import arrays
from catalog.core.errors import BundleError
from catalog.recognition.colours import DIMENSIONS as COLOURS
from catalog.recognition.colours import FILE as COLOURS_FILE
from catalog.recognition.local_features.extract import DIMENSIONS as CODE
from catalog.recognition.local_features.extract import LocalFeatures
from catalog.recognition.local_features.store import FILES as LOCAL_FEATURE_FILES
from catalog.recognition.local_features.store import (
    FOLDER,
    LocalFeatureStore,
    LocalFeatureWriter,
)

VECTORS_FILE, PICTURES_FILE = "vectors.npy", "pictures.db"
KEY = 8  # bytes of a record's digest; the digest of the whole file decides in the end
HEAD = 100  # bytes of an SQLite file that name the library's version and count the commits
FEATURE = CODE + 4 + 2  # bytes of a local feature: code, place, word

Keys = NDArray[np.uint64]


class Records(Protocol):
    """The records of one kind in a bundle, by the photo's number."""

    def __len__(self) -> int: ...

    def __getitem__(self, photo: int, /) -> bytes: ...

    def close(self) -> None:
        """Close the bundle's files."""


@dataclass(frozen=True)
class Kind:
    """A kind of record.

    Attributes:
        name: Its name.
        files: The files that are made of such records.
        open: Opens the records of the bundle in a folder.
        write: Writes the files into a folder from the records of all photos, by number; the
            second folder is that of a bundle with the same files.
    """

    name: str
    files: tuple[str, ...]
    open: Callable[[Path], Records]
    write: Callable[[Path, Path, Iterable[bytes]], None]

    def read(self, bundle: Path) -> Iterator[bytes]:
        """Yield the records of a bundle's photos, by number.

        Raises:
            BundleError, OSError, ValueError, sqlite3.Error: The bundle is damaged.
        """
        with closing(self.open(bundle)) as records:
            for photo in range(len(records)):
                yield records[photo]


def key(record: bytes) -> int:
    """Return the number by which a record is known."""
    return int.from_bytes(hashlib.sha256(record).digest()[:KEY], "little")


def keys_of(bundle: Path, kind: Kind) -> Keys:
    """Return the keys of a bundle's records, by the photo's number.

    Raises:
        BundleError, OSError, ValueError, sqlite3.Error: The bundle is damaged.
    """
    return np.fromiter((key(record) for record in kind.read(bundle)), np.uint64)


def read_head(bundle: Path) -> bytes:
    """Return the part of ``pictures.db`` that depends on who wrote it."""
    with (bundle / PICTURES_FILE).open("rb") as file:
        return file.read(HEAD)


def write_head(folder: Path, head: bytes) -> None:
    """Give ``pictures.db`` the head that `read_head` returned."""
    with (folder / PICTURES_FILE).open("r+b") as file:
        file.write(head)


class _Vectors:
    """Rows of ``vectors.npy``."""

    def __init__(self, bundle: Path) -> None:
        self._rows = arrays.read(bundle / VECTORS_FILE, np.float16, (None, None))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, photo: int) -> bytes:
        return bytes(self._rows[photo])

    def close(self) -> None:
        """Do nothing: the rows are mapped."""


def _write_vectors(folder: Path, like: Path, records: Iterable[bytes]) -> None:
    width = arrays.read(like / VECTORS_FILE, np.float16, (None, None)).shape[1]
    rows = np.frombuffer(b"".join(records), np.float16).reshape(-1, width)
    np.save(folder / VECTORS_FILE, rows)


class _Descriptors:
    """A photo's colours, then the codes and places of its local features, then their words."""

    def __init__(self, bundle: Path) -> None:
        self._colours = arrays.read(bundle / COLOURS_FILE, np.uint8, (None, COLOURS))
        self._store: LocalFeatureStore | None = None
        if (bundle / FOLDER).exists():
            self._store = LocalFeatureStore(bundle, len(self._colours))
            if self._store.words > 1 << 16:
                raise BundleError(f"{bundle / FOLDER}: too many words")

    def __len__(self) -> int:
        return len(self._colours)

    def __getitem__(self, photo: int) -> bytes:
        record = bytes(self._colours[photo])
        if self._store is None:
            return record
        words = self._store.words_of_photo(photo).astype("<u2")
        return b"".join([record, self._store.local_features(photo).to_bytes(), bytes(words)])

    def close(self) -> None:
        """Do nothing: the arrays are mapped."""


def _write_descriptors(folder: Path, like: Path, records: Iterable[bytes]) -> None:
    colours, words = [], []
    writer = LocalFeatureWriter(folder) if (like / FOLDER).exists() else None
    for record in records:
        colours.append(record[:COLOURS])
        if writer is not None:
            count = (len(record) - COLOURS) // FEATURE
            end = COLOURS + count * (CODE + 4)
            writer.add(LocalFeatures.from_bytes(record[COLOURS:end]))
            words.append(np.frombuffer(record[end:], "<u2"))
    rows = np.frombuffer(b"".join(colours), np.uint8).reshape(-1, COLOURS)
    np.save(folder / COLOURS_FILE, rows)
    if writer is not None:
        writer.finish(np.concatenate(words).astype(np.int32))


class _Pictures:
    """The JPEG thumbnails."""

    def __init__(self, bundle: Path) -> None:
        self._file = bundle / PICTURES_FILE
        self._database = open_read_only(self._file)
        rows = self._database.execute("select count(*), max(number) from thumbnails")
        self._count, last = rows.fetchone()
        if self._count and last != self._count - 1:
            raise BundleError(f"{self._file}: its thumbnails are not numbered")

    def __len__(self) -> int:
        return int(self._count)

    def __getitem__(self, photo: int) -> bytes:
        rows = self._database.execute("select jpeg from thumbnails where number = ?", [photo])
        (jpeg,) = rows.fetchone() or (None,)
        if not isinstance(jpeg, bytes):
            raise BundleError(f"{self._file}: has no thumbnail {photo}")
        return jpeg

    def close(self) -> None:
        self._database.close()


def _write_pictures(folder: Path, like: Path, records: Iterable[bytes]) -> None:
    with closing(open_read_only(like / PICTURES_FILE)) as former:
        (statement,) = former.execute("select sql from sqlite_master").fetchone()
    with closing(sqlite3.connect(folder / PICTURES_FILE)) as database:
        database.execute("pragma synchronous = off")
        database.execute("pragma journal_mode = off")
        database.execute(statement)
        with database:
            database.executemany("insert into thumbnails values (?, ?)", enumerate(records))


KINDS = (
    Kind("vectors", (VECTORS_FILE,), _Vectors, _write_vectors),
    Kind("descriptors", (COLOURS_FILE, *LOCAL_FEATURE_FILES), _Descriptors, _write_descriptors),
    Kind("pictures", (PICTURES_FILE,), _Pictures, _write_pictures),
)
