"""What changed from one release of a channel to the next: signed beside the release's manifest.

``<channel>/changes.json`` names pieces, which lie in the store as files do, at ``files/<sha256>``:

- *packs* hold the photo records (`catalog.bundles.records`) that the former release did not have;
- the *table* says of each photo's records by which key they are known, and in which pack they are;
- a *patch* is a small file, compressed with its former content as the dictionary.

A device makes the new files of these pieces and of what it has. Nothing in them is trusted: a file
is used if its size and digest are those of the manifest, and fetched whole if not.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from catalog.bundles.manifest import FileEntry
from catalog.bundles.records import KINDS, Keys
from sync.errors import ForgedError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LARGEST_CHANGES = 1 << 18  # bytes of changes.json
LARGEST_TABLE = 256 << 20  # bytes of the tables of all kinds, because they are held in memory
LARGEST_PATCHED = 32 << 20  # bytes of a file that is patched, because it is held in memory
SMALL = 1 << 16  # bytes; smaller files are fetched whole, because a request costs more
MOST_PACKS = 32  # that a release names; who lacks an older record fetches whole files
LEVEL, QUICK = 17, 3  # of zstd; the quick one takes a hundredth of the time
WINDOWS = (10, 27)  # log2 of bytes, of which the format knows no fewer; twice `LARGEST_PATCHED`
SHORTEST_DICTIONARY = 8  # bytes; zstd takes nothing from a shorter one
NO_PACK = 0

COLUMNS = (("keys", "<u8"), ("sizes", "<u4"), ("packs", "<u2"), ("starts", "<u8"))
ROW = sum(np.dtype(kind).itemsize for _, kind in COLUMNS)  # bytes


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Patch(FileEntry):
    """A compressed file; `old` is the sha256 of its dictionary, or empty for none."""

    old: str = Field(pattern=r"^([0-9a-f]{64})?$")


class Changes(_Strict):
    """The content of ``changes.json``.

    Attributes:
        bundle: The id of the release's bundle.
        kinds: The kinds of records of which a device can make the bundle's files.
        table: The table of these records; None where there is no kind.
        packs: The packs that the table names, from 1 on.
        head: The head of ``pictures.db``, hex; see `records.write_head`.
        patches: Patches by the name of the file.
        local_index: Whether devices may build ``index.ann`` by themselves.
    """

    format: Literal[1] = 1
    bundle: str
    kinds: tuple[str, ...]
    table: FileEntry | None
    packs: tuple[FileEntry, ...] = Field(max_length=MOST_PACKS)
    head: str = Field(pattern=r"^([0-9a-f]{200})?$")
    patches: dict[str, tuple[Patch, ...]]
    local_index: bool

    def pieces(self) -> dict[str, int]:
        """Return the bytes of all pieces, by digest."""
        patches = [patch for patches in self.patches.values() for patch in patches]
        table = [self.table] if self.table is not None else []
        return {piece.sha256: piece.bytes for piece in (*table, *self.packs, *patches)}


@dataclass(frozen=True)
class RecordTable:
    """Where the records of one kind are, by the photo's number.

    Attributes:
        keys: The record's key, uint64 (n,).
        sizes: Its bytes, uint32 (n,).
        packs: The number of its pack, from 1 on; `NO_PACK` where it is in none. Uint16 (n,).
        starts: Its first byte in the pack, uint64 (n,).
    """

    keys: Keys
    sizes: NDArray[np.uint32]
    packs: NDArray[np.uint16]
    starts: NDArray[np.uint64]


def parse_changes(data: bytes, bundle: str) -> Changes:
    """Parse the content of a ``changes.json`` of the bundle with this id.

    Raises:
        ForgedError: It is none.
    """
    try:
        changes = Changes.model_validate(json.loads(data))
    except (ValueError, RecursionError, ValidationError) as error:
        raise ForgedError(f"the changes of {bundle} cannot be read: {error}") from error
    known = [kind.name for kind in KINDS]
    if len(set(changes.kinds)) < len(changes.kinds):
        raise ForgedError(f"the changes of {bundle} name a kind of records twice")
    if changes.bundle != bundle or not set(changes.kinds) <= set(known):
        raise ForgedError(f"the changes of {bundle} are those of another bundle")
    return changes


def pack_tables(tables: Mapping[str, RecordTable]) -> bytes:
    """Return the bytes of the tables of all kinds, in the order of the kinds."""
    columns = [
        np.asarray(getattr(table, name), dtype).tobytes()
        for table in tables.values()
        for name, dtype in COLUMNS
    ]
    return compress(b"".join(columns))


def unpack_tables(data: bytes, kinds: tuple[str, ...], photos: int) -> dict[str, RecordTable]:
    """Return the tables that `pack_tables` packed, by kind.

    Raises:
        ValueError: They are not those of so many photos, or too large.
    """
    size = len(kinds) * photos * ROW
    if size > LARGEST_TABLE:
        raise ValueError(f"the table has {size} bytes, {LARGEST_TABLE} are allowed")
    content = uncompress(data, size)
    tables, at = {}, 0
    for kind in kinds:
        columns = []
        for _, dtype in COLUMNS:
            columns.append(np.frombuffer(content, dtype, photos, at))
            at += photos * np.dtype(dtype).itemsize
        tables[kind] = RecordTable(*columns)
    return tables


def compress(content: bytes, old: bytes = b"", level: int = LEVEL) -> bytes:
    """Compress `content`, with what it has in common with `old` left out."""
    shortest, longest = WINDOWS
    window = min(max((len(content) + len(old)).bit_length(), shortest), longest)
    kinds = zstd.CompressionParameter
    options: dict[int, int] = {kinds.compression_level: level, kinds.window_log: window}
    return zstd.compress(content, options=options, zstd_dict=_dictionary(old))


def uncompress(data: bytes, size: int, old: bytes = b"") -> bytes:
    """Return the `size` bytes that `compress` compressed.

    Raises:
        ValueError: They are not there, or not so many.
    """
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: WINDOWS[1]}
    try:
        if zstd.get_frame_info(data).decompressed_size != size:
            raise ValueError("the compressed data has another size than was signed")
        reader = zstd.ZstdDecompressor(_dictionary(old), options)
        content = reader.decompress(data, size)
    except zstd.ZstdError as error:
        raise ValueError(f"cannot be uncompressed: {error}") from error
    if len(content) != size:
        raise ValueError("cannot be uncompressed: the data ends early")
    return content


def _dictionary(old: bytes) -> zstd.ZstdDict | None:
    return zstd.ZstdDict(old, is_raw=True) if len(old) >= SHORTEST_DICTIONARY else None
