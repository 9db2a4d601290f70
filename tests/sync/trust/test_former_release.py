"""What a newer release builds on: what can be read of the one before it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from catalog.bundles.manifest import MANIFEST, FileEntry, parse_manifest
from sync.errors import ForgedError, NotInStoreError, StoreTooLargeError
from sync.trust.changes import Changes, RecordTable, pack_tables
from sync.trust.former_release import FormerRelease, read_former, read_piece
from sync.trust.owner_metadata import OwnerMetadata
from tests.support.repository import MemoryStore


@dataclass
class ReadTargets:
    """Bytes of targets by their path; in place of the owner's metadata."""

    content: dict[str, bytes]

    def read_target(self, target: Any, limit: int) -> bytes:
        if target.path not in self.content:
            raise NotInStoreError(target.path)
        return self.content[target.path]


def test_a_newer_release_builds_on_what_can_be_read_of_the_former(small_bundle: Path) -> None:
    def target(path: str, bundle: str = "one") -> Any:
        return SimpleNamespace(path=path, custom={"bundle": bundle})

    manifest = (small_bundle / MANIFEST).read_bytes()
    there = ReadTargets({"manifest": manifest, "changes": b"nonsense", "broken": b"{"})
    parsed = parse_manifest(manifest, "manifest")

    def read(manifest: Any, changes: Any) -> FormerRelease | None:
        return read_former(MemoryStore(), cast(OwnerMetadata, there), manifest, changes)

    assert read(None, target("changes")) is None
    assert read(target("absent"), target("changes")) is None
    assert read(target("broken"), target("changes")) is None
    only = FormerRelease(parsed)
    assert (only.changes, only.tables) == (None, {})
    assert read(target("manifest"), None) == only
    assert read(target("manifest"), target("changes", "two")) == only
    assert read(target("manifest"), target("changes")) == only
    assert read(target("manifest"), target("absent")) == only


def test_the_tables_of_the_former_are_read_where_they_are_whole(small_bundle: Path) -> None:
    manifest = (small_bundle / MANIFEST).read_bytes()
    photos = parse_manifest(manifest, "manifest").photos
    table = RecordTable(
        np.arange(photos, dtype=np.uint64),
        np.ones(photos, np.uint32),
        np.zeros(photos, np.uint16),
        np.zeros(photos, np.uint64),
    )
    packed = pack_tables({"vectors": table})
    entry = FileEntry(bytes=len(packed), sha256=sha256(packed).hexdigest())
    without = Changes(
        bundle="one", kinds=(), table=None, packs=(), head="", patches={}, local_index=False
    )
    whole = without.model_copy(update={"kinds": ("vectors",), "table": entry})
    store, there = MemoryStore(), ReadTargets({"manifest": manifest})

    def read(changes: Changes) -> FormerRelease:
        there.content["changes"] = changes.model_dump_json().encode()
        target = SimpleNamespace(path="changes", custom={"bundle": "one"})
        of_manifest = SimpleNamespace(path="manifest", custom={"bundle": "one"})
        given = cast(Any, of_manifest), cast(Any, target)
        found = read_former(store, cast(OwnerMetadata, there), *given)
        assert found is not None
        return found

    assert (read(without).changes, read(without).tables) == (without, {})
    assert read(whole).changes is None, "its table is not in the store"
    store.objects[f"files/{entry.sha256}"] = packed[:-1] + b"x"
    assert read(whole).changes is None, "it is damaged"
    with pytest.raises(ForgedError, match=f"{entry.sha256} is not what was signed"):
        read_piece(store, entry, entry.bytes)
    store.objects[f"files/{entry.sha256}"] = packed
    found = read(whole)
    assert found.changes == whole
    assert np.array_equal(found.tables["vectors"].keys, np.arange(photos))
    with pytest.raises(StoreTooLargeError):
        read_piece(store, entry, entry.bytes - 1)
