"""What a newer release builds on: what can be read of the one before it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from catalog.bundles.manifest import MANIFEST, parse_manifest
from sync.errors import NotInStoreError
from sync.trust.former_release import FormerRelease, read_former
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
