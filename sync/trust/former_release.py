"""Read the release that a new one follows, to find what the two share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import TargetFile

from catalog.bundles.manifest import LARGEST_MANIFEST, FileEntry, Manifest, parse_manifest
from catalog.core.errors import BundleError
from sync.errors import ForgedError, StoreError
from sync.stores.base import FILES, Store
from sync.trust.changes import (
    LARGEST_CHANGES,
    Changes,
    RecordTable,
    parse_changes,
    unpack_tables,
)
from sync.trust.owner_metadata import OwnerMetadata
from sync.trust.release import fields_of

LARGEST_TABLE = 1 << 30  # bytes


@dataclass(frozen=True)
class FormerRelease:
    """A published release.

    Attributes:
        manifest: Its manifest.
        changes: Its changes; None where nothing says what records it has.
        tables: The tables of these records, by kind.
    """

    manifest: Manifest
    changes: Changes | None = None
    tables: Mapping[str, RecordTable] = field(default_factory=dict)


def read_former(
    store: Store,
    metadata: OwnerMetadata,
    manifest: TargetFile | None,
    changes: TargetFile | None,
) -> FormerRelease | None:
    """Read the newest release of a channel from its store; None where there is none to build on.

    Args:
        store: The repository.
        metadata: Its metadata.
        manifest: The release's target.
        changes: The target of its changes.
    """
    if manifest is None:
        return None
    try:
        content = metadata.read_target(manifest, LARGEST_MANIFEST)
        former = parse_manifest(content, manifest.path)
    except (StoreError, BundleError, RepositoryError):
        return None
    bundle = _bundle(manifest)
    if changes is None or _bundle(changes) != bundle:
        return FormerRelease(former)
    try:
        found = parse_changes(metadata.read_target(changes, LARGEST_CHANGES), bundle)
        if found.table is None:
            return FormerRelease(former, found)
        table = read_piece(store, found.table, LARGEST_TABLE)
        return FormerRelease(former, found, unpack_tables(table, found.kinds, former.photos))
    except (StoreError, ForgedError, RepositoryError, ValueError):
        return FormerRelease(former)


def read_piece(store: Store, piece: FileEntry, limit: int) -> bytes:
    """Read a piece, or another file of the store, into memory.

    Raises:
        ForgedError: It is not what was signed.
        StoreError: It could not be read.
    """
    name = f"{FILES}/{piece.sha256}"
    data = store.read(name, min(piece.bytes, limit))
    if hashlib.sha256(data).hexdigest() != piece.sha256:
        raise ForgedError(f"{store.url}: {name} is not what was signed")
    return data


def _bundle(target: TargetFile) -> str:
    """The id of the bundle that a target belongs to."""
    return str(fields_of(target).get("bundle"))
