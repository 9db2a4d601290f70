"""Make a new catalogue's files of the active version and of the pieces that its owner published.

See `sync.trust.changes`. Whatever cannot be made, or turns out to be another file than was signed,
is left out here, and fetched whole.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from catalog.bundles.manifest import FileEntry, Manifest, file_digest
from catalog.bundles.records import (
    KINDS,
    PICTURES_FILE,
    VECTORS_FILE,
    Keys,
    Kind,
    keys_of,
    write_head,
)
from catalog.core import durable
from catalog.core.errors import BundleError
from sync.errors import ForgedError, NotInStoreError, StoreRefusedError, StoreTooLargeError
from sync.trust.changes import (
    LARGEST_PATCHED,
    NO_PACK,
    Changes,
    Patch,
    RecordTable,
    uncompress,
    unpack_tables,
)

log = logging.getLogger(__name__)

FOLDER = "made"  # in `incoming`; holds files until they are known to be those that were signed

UNUSABLE = (BundleError, ValueError, IndexError, sqlite3.Error)  # a base or a table is damaged
# S3 refuses what is absent where a device may not list the bucket.
ABSENT = (NotInStoreError, StoreRefusedError, StoreTooLargeError, ForgedError)

FetchPiece = Callable[[FileEntry], Path]
MissingBytes = Callable[[FileEntry], int]


@dataclass(frozen=True)
class Plan:
    """What is made of what.

    Attributes:
        kinds: The kinds of records of which files are made.
        packs: The packs that hold the records that are not here, by their number.
        patches: The patches that are used, by the name of the file.
    """

    kinds: tuple[Kind, ...] = ()
    packs: Mapping[int, FileEntry] = field(default_factory=dict)
    patches: Mapping[str, Patch] = field(default_factory=dict)

    @property
    def pieces(self) -> list[FileEntry]:
        """The pieces to fetch."""
        return [*self.packs.values(), *self.patches.values()]


class FileMaker:
    """Makes files of one release.

    Args:
        changes: What its owner published beside it.
        manifest: Its manifest.
        base: A version on the shelf that most of it is made of.
        base_manifest: Its manifest.
        incoming: Where files are put, under their digests.
        missing: The bytes that would be fetched of each file that is not here, by its name.
    """

    def __init__(
        self,
        changes: Changes,
        manifest: Manifest,
        base: Path,
        base_manifest: Manifest,
        incoming: Path,
        missing: Mapping[str, int],
    ) -> None:
        self._changes = changes
        self._manifest = manifest
        self._base = base
        self._base_files = base_manifest.files
        self._incoming = incoming
        self._missing = missing
        self._tables: dict[str, RecordTable] = {}
        self._base_keys: dict[str, Keys] = {}

    def plan(self, fetch: FetchPiece, missing: MissingBytes) -> Plan:
        """Find out what can be made with fewer bytes than fetching it takes.

        Args:
            fetch: Fetches the table of the records, if it is needed.
            missing: Tells how many bytes of a piece are not here.

        Raises:
            StoreError: The table could not be fetched now.
        """
        patches = {
            name: patch
            for name in self._missing
            if (patch := self._smallest_patch(name, missing)) is not None
        }
        kinds, packs = self._plan_records(fetch, missing)
        return Plan(kinds, packs, patches)

    def make(self, plan: Plan, fetch: FetchPiece) -> None:
        """Make the files of a plan.

        Raises:
            StoreError: A piece could not be fetched now; what came stays.
            OSError: A file cannot be written.
        """
        try:
            for name, patch in plan.patches.items():
                self._try(name, partial(self._patch, name, patch, fetch))
            packs: dict[int, Path] = {}

            def fetch_packs() -> None:
                packs.update({number: fetch(pack) for number, pack in plan.packs.items()})

            if self._try("packs", fetch_packs):
                for kind in plan.kinds:
                    self._try(kind.name, partial(self._make, kind, packs))
        finally:
            shutil.rmtree(self._incoming / FOLDER, ignore_errors=True)

    def _try(self, what: str, step: Callable[[], None]) -> bool:
        """Do a step; return whether it succeeded, and log why not."""
        try:
            step()
        except (*UNUSABLE, *ABSENT) as error:
            log.warning("%s: is not made of changes, but fetched whole: %s", what, error)
            return False
        return True

    def _plan_records(
        self, fetch: FetchPiece, missing: MissingBytes
    ) -> tuple[tuple[Kind, ...], dict[int, FileEntry]]:
        kinds = [kind for kind in KINDS if kind.name in self._changes.kinds and self._fits(kind)]
        saved = {
            kind.name: sum(self._missing.get(name, 0) for name in kind.files) for kind in kinds
        }
        table = self._changes.table
        if table is None or sum(saved.values()) <= missing(table):
            return (), {}
        needed: dict[str, set[int]] = {}

        def look() -> None:
            data = fetch(table).read_bytes()
            photos = self._manifest.photos
            if photos > self._manifest.files[VECTORS_FILE].bytes // 2:
                raise ValueError("more photos than the vectors have numbers")
            self._tables.update(unpack_tables(data, self._changes.kinds, photos))
            for kind in kinds:
                if saved[kind.name]:
                    needed[kind.name] = self._packs_needed(kind)

        if not self._try("records", look):
            return (), {}
        useful = [kind for kind in kinds if NO_PACK not in needed.get(kind.name, {NO_PACK})]
        numbers = sorted(set().union(*(needed[kind.name] for kind in useful)))
        packs = {number: self._changes.packs[number - 1] for number in numbers}
        if sum(missing(pack) for pack in packs.values()) >= sum(
            saved[kind.name] for kind in useful
        ):
            return (), {}
        return tuple(useful), packs

    def _fits(self, kind: Kind) -> bool:
        """Whether the base has the same files of a kind."""
        return all((name in self._base_files) == (name in self._manifest.files)
                   for name in kind.files)  # fmt: skip

    def _packs_needed(self, kind: Kind) -> set[int]:
        """The numbers of the packs with the records that the base does not have.

        Raises:
            ValueError: The table names a pack that does not exist, or too many bytes.
        """
        table = self._tables[kind.name]
        most = sum(self._manifest.files[name].bytes for name in kind.files
                   if name in self._manifest.files)  # fmt: skip
        if int(table.sizes.sum(dtype=np.int64)) > most:
            raise ValueError("the table names more bytes than were signed")
        if len(table.packs) and table.packs.max() > len(self._changes.packs):
            raise ValueError("the table names a pack that does not exist")
        here = self._base_keys[kind.name] = keys_of(self._base, kind)
        return {int(number) for number in np.unique(table.packs[~np.isin(table.keys, here)])}

    def _smallest_patch(self, name: str, missing: MissingBytes) -> Patch | None:
        """The patch to make a file of; None where fetching the file takes fewer bytes."""
        if self._manifest.files[name].bytes > LARGEST_PATCHED:
            return None
        former = self._base_files.get(name)
        olds = {""}
        if former is not None and former.bytes <= LARGEST_PATCHED:
            olds.add(former.sha256)
        usable = [
            patch
            for patch in self._changes.patches.get(name, ())
            if patch.old in olds and missing(patch) < self._missing[name]
        ]
        return min(usable, key=missing, default=None)

    def _patch(self, name: str, patch: Patch, fetch: FetchPiece) -> None:
        """Make a file of its former content and a patch."""
        old = b""
        if patch.old:
            with suppress(OSError):
                old = (self._base / name).read_bytes()
            if hashlib.sha256(old).hexdigest() != patch.old:
                raise ValueError(f"{self._base / name} is damaged")
        data = fetch(patch).read_bytes()
        content = uncompress(data, self._manifest.files[name].bytes, old)
        made = self._folder() / Path(name).name
        made.write_bytes(content)
        self._accept(made, name)

    def _make(self, kind: Kind, packs: Mapping[int, Path]) -> None:
        """Make the files of a kind of records."""
        folder = self._folder()
        kind.write(folder, self._base, self._records(kind, packs))
        if PICTURES_FILE in kind.files:
            write_head(folder, bytes.fromhex(self._changes.head))
        for name in kind.files:
            if name in self._manifest.files:
                self._accept(folder / name, name)

    def _records(self, kind: Kind, packs: Mapping[int, Path]) -> Iterator[bytes]:
        """Yield the records of all photos, from the base where it has them, else from the packs."""
        table = self._tables[kind.name]
        places = {record: photo for photo, record in enumerate(self._base_keys[kind.name].tolist())}
        mapped = {number: np.memmap(path, np.uint8, "r") for number, path in packs.items()}
        rows = zip(table.keys.tolist(), table.packs.tolist(), table.starts.tolist(),
                   table.sizes.tolist(), strict=True)  # fmt: skip
        with closing(kind.open(self._base)) as base:
            for record, pack, start, size in rows:
                place = places.get(record)
                if place is not None:
                    yield base[place]
                else:
                    yield mapped[pack][start : start + size].tobytes()

    def _folder(self) -> Path:
        folder = self._incoming / FOLDER
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def _accept(self, made: Path, name: str) -> None:
        """Keep a made file under its digest, if it is the file that was signed.

        Raises:
            ValueError: It is another one.
        """
        entry = self._manifest.files[name]
        if made.stat().st_size != entry.bytes or file_digest(made) != entry.sha256:
            raise ValueError(f"{name} does not become what was signed")
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(self._incoming / entry.sha256)
        durable.flush_folder(self._incoming)
