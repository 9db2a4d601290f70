"""The owner's side of `sync.trust.changes`: find what a new bundle shares with the former one."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from catalog.bundles.manifest import (
    INDEX,
    FileEntry,
    Manifest,
    file_digest,
)
from catalog.bundles.records import (
    KINDS,
    PICTURES_FILE,
    Kind,
    key,
    read_head,
    write_head,
)
from catalog.core.errors import BundleError
from sync.errors import ForgedError, StoreError
from sync.stores.base import Store
from sync.trust.changes import (
    LARGEST_PATCHED,
    MOST_PACKS,
    NO_PACK,
    QUICK,
    SMALL,
    Changes,
    Patch,
    RecordTable,
    compress,
    pack_tables,
)
from sync.trust.former_release import FormerRelease, read_piece

log = logging.getLogger(__name__)

WORTH = 0.5  # of the bytes that it saves, a pack or a patch may have at most
HOPELESS = 0.8  # a file of which a quick attempt leaves more than this share is not tried slowly

# What reading records raises that are no records.
DAMAGED = (BundleError, OSError, ValueError, IndexError, sqlite3.Error)


@dataclass(frozen=True)
class MadeChanges:
    """Changes to be published.

    Attributes:
        changes: What is signed.
        files: The new pieces on this machine, and what each holds.
    """

    changes: Changes
    files: dict[Path, FileEntry]

    @property
    def content(self) -> bytes:
        """The bytes of ``changes.json``; none where devices have no use for it."""
        changes = self.changes
        if not (changes.kinds or changes.patches or changes.local_index):
            return b""
        return (self.changes.model_dump_json(indent=1) + "\n").encode()


def make_changes(
    bundle: Path,
    manifest: Manifest,
    identity: str,
    former: FormerRelease | None,
    store: Store,
    folder: Path,
    *,
    local_index: bool,
) -> MadeChanges:
    """Make the changes from the former release of a channel to a bundle.

    Args:
        bundle: The bundle's folder.
        manifest: Its manifest.
        identity: Its id.
        former: The release that devices most likely have.
        store: The repository, for the former content of small files.
        folder: Where the pieces are written.
        local_index: Whether devices may build the index by themselves.

    Raises:
        BundleError: A file of the bundle cannot be read.
    """
    kinds = [kind for kind in KINDS if _can_be_made(kind, bundle, manifest)]
    pieces = _Pieces(folder)
    packs = list(former.changes.packs) if former and former.changes else []
    tables = {kind.name: _former_places(_table(kind, bundle), former, kind.name) for kind in kinds}
    pack = _write_pack(folder, bundle, kinds, tables, former)
    if pack is not None:
        names = {name for kind in kinds for name in kind.files} & set(manifest.files)
        if pack.stat().st_size <= WORTH * sum(manifest.files[name].bytes for name in names):
            packs.append(pieces.add_file(pack))
    tables, packs = _with_named_packs(tables, packs)
    table = pieces.add(pack_tables(tables)) if kinds else None
    made = {name for kind in kinds for name in kind.files} | {INDEX}
    formers = former.manifest.files if former is not None else {}
    patches = {}
    for name, entry in manifest.files.items():
        if name not in made and SMALL < entry.bytes <= LARGEST_PATCHED:
            if former is not None and formers.get(name) == entry:  # for who missed the former one
                found = former.changes.patches.get(name, ()) if former.changes else ()
            else:
                found = _patches(bundle / name, entry, formers.get(name), store, pieces)
            if found:
                patches[name] = found
    changes = Changes(
        bundle=identity,
        kinds=tuple(kind.name for kind in kinds),
        table=table,
        packs=tuple(packs),
        head=read_head(bundle).hex() if "pictures" in tables else "",
        patches=patches,
        local_index=(
            local_index and manifest.index.kind == "annoy" and manifest.files[INDEX].bytes > SMALL
        ),
    )
    return MadeChanges(changes, pieces.files)


class _Pieces:
    """The new pieces in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files: dict[Path, FileEntry] = {}

    def add(self, content: bytes) -> FileEntry:
        path = self._folder / f"piece-{len(self.files)}"
        path.write_bytes(content)
        return self.add_file(path)

    def add_file(self, path: Path) -> FileEntry:
        entry = FileEntry(bytes=path.stat().st_size, sha256=file_digest(path))
        self.files[path] = entry
        return entry


def _can_be_made(kind: Kind, bundle: Path, manifest: Manifest) -> bool:
    """Return whether the records of a kind give the bundle's files again, byte for byte."""
    names = [name for name in kind.files if name in manifest.files]
    if sum(manifest.files[name].bytes for name in names) <= SMALL:
        return False
    with tempfile.TemporaryDirectory(prefix="made-") as made:
        try:
            kind.write(Path(made), bundle, kind.read(bundle))
            if PICTURES_FILE in names:
                write_head(Path(made), read_head(bundle))
            return all(
                file_digest(Path(made, name)) == manifest.files[name].sha256 for name in names
            )
        except OSError as error:
            log.warning(
                "devices fetch the %s whole, they cannot be made here: %s", kind.name, error
            )
            return False
        except DAMAGED:
            return False


def _table(kind: Kind, bundle: Path) -> RecordTable:
    """Return the table of a bundle's records, which are in no pack yet."""
    known = [(key(record), len(record)) for record in kind.read(bundle)]
    keys, sizes = zip(*known, strict=True)
    count = len(known)
    return RecordTable(
        np.array(keys, np.uint64),
        np.array(sizes, np.uint32),
        np.full(count, NO_PACK, np.uint16),
        np.zeros(count, np.uint64),
    )


def _former_places(table: RecordTable, former: FormerRelease | None, kind: str) -> RecordTable:
    """Return a table with the places that its records have in the packs of the former release."""
    known = former.tables.get(kind) if former is not None else None
    if known is None:
        return table
    rows = {record: row for row, record in enumerate(known.keys.tolist())}
    found = np.array([rows.get(record, -1) for record in table.keys.tolist()])
    here = found >= 0
    packs, starts = table.packs.copy(), table.starts.copy()
    packs[here], starts[here] = known.packs[found[here]], known.starts[found[here]]
    return replace(table, packs=packs, starts=starts)


def _write_pack(
    folder: Path,
    bundle: Path,
    kinds: list[Kind],
    tables: dict[str, RecordTable],
    former: FormerRelease | None,
) -> Path | None:
    """Write the records that the former release does not have; note their places in the tables.

    Returns:
        The pack; None where there is no former release to compare with, or nothing new.
    """
    if former is None or former.changes is None:
        return None
    number, end = len(former.changes.packs) + 1, 0
    path = folder / "pack"
    with path.open("wb") as pack:
        for kind in kinds:
            table = tables[kind.name]
            known = former.tables.get(kind.name)
            if known is None:
                continue
            new = ~np.isin(table.keys, known.keys)
            places: dict[int, int] = {}
            for photo, record in enumerate(kind.read(bundle) if new.any() else ()):
                if not new[photo]:
                    continue
                place = places.get(int(table.keys[photo]))
                if place is None:
                    place = places[int(table.keys[photo])] = end
                    pack.write(record)
                    end += len(record)
                table.packs[photo], table.starts[photo] = number, place
    return path if end else None


def _with_named_packs(
    tables: dict[str, RecordTable], packs: list[FileEntry]
) -> tuple[dict[str, RecordTable], list[FileEntry]]:
    """Name those packs alone that hold a record, the newest ones; number them from 1 on."""
    used = sorted({int(number) for table in tables.values() for number in np.unique(table.packs)})
    named = [number for number in used if NO_PACK < number <= len(packs)][-MOST_PACKS:]
    numbers = np.full(max([*used, len(packs)]) + 1, NO_PACK, np.uint16)
    numbers[named] = np.arange(1, len(named) + 1)
    renamed = {kind: replace(table, packs=numbers[table.packs]) for kind, table in tables.items()}
    return renamed, [packs[number - 1] for number in named]


def _patches(
    file: Path, entry: FileEntry, former: FileEntry | None, store: Store, pieces: _Pieces
) -> tuple[Patch, ...]:
    """Return the patches that make a file: from its former content, and from nothing."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BundleError(f"{file}: cannot be read: {error}") from error
    olds = [b""]
    if former is not None and former.bytes <= LARGEST_PATCHED:
        with suppress(StoreError, ForgedError):  # the patch from nothing is larger, and serves too
            olds.insert(0, read_piece(store, former, LARGEST_PATCHED))
    alone = len(compress(content, level=QUICK))
    found = []
    for old in olds:
        # What is common to both saves no more than the former content has.
        if alone - len(old) > HOPELESS * len(content):
            continue
        data = compress(content, old)
        if len(data) <= WORTH * len(content):
            piece = pieces.add(data)
            digest = hashlib.sha256(old).hexdigest() if old else ""
            found.append(Patch(old=digest, bytes=piece.bytes, sha256=piece.sha256))
    return tuple(found)
