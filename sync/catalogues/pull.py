"""A release comes onto the shelf: linked, fetched, verified, proven, then switched to.

Nothing is remembered between two steps but what lies on the disk, so that a pull which was
killed anywhere goes on with the next one. Files, their folders, then the pointer: each is
flushed before the next.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from catalog.bundles import validator
from catalog.bundles.deployment_state import Probation
from catalog.bundles.manifest import (
    MANIFEST,
    Manifest,
    file_digest,
    parse_manifest,
    read_manifest,
    verify,
)
from catalog.bundles.shelf import Shelf, is_sound, unwritable
from catalog.core import durable
from catalog.core.errors import BundleError, DiskFullError, ShelfError
from catalog.core.state import EdgeState
from sync.catalogues.fetch import FileFetcher, WantedFile, sweep
from sync.stores.base import MinimumSpeed, Store
from sync.trust.trust import Release

MINUTE = 60.0  # seconds that edge has to open a new bundle, beyond what the gate took here

Progress = Callable[
    [int, int, int], object
]  # bytes here of what is fetched, of how many; just fetched


@dataclass(frozen=True)
class Puller:
    """Brings releases from one store onto one shelf.

    Args:
        store: Where the files are.
        shelf: Where the bundle goes.
        engine: Which engine the gate asks.
        reserve: Bytes that must stay free on the disk.
        progress: Hears of bytes.
        pace: Makes what holds the store to a least speed.
    """

    store: Store
    shelf: Shelf
    engine: str = "auto"
    reserve: int = 0
    progress: Progress = lambda here, total, fetched: None
    pace: Callable[[], MinimumSpeed] = MinimumSpeed

    def pull(self, release: Release, edge: EdgeState | None) -> None:
        """Make a release the active bundle.

        Args:
            release: Signed and verified.
            edge: What edge last said, before it can know of this bundle.

        Raises:
            BundleError: The bundle did not prove itself.
            ForgedError: A file is not what was signed.
            StoreError: Something could not be fetched; what was is kept.
            DiskFullError: There is no room.
            ShelfError: The shelf cannot be written, or somebody else is changing it.
            MissingExtraError, SurroundingsError: The bundle could not be asked here.
        """
        manifest = parse_manifest(release.manifest, f"release {release.number}")
        version = self.shelf.versions / release.bundle
        try:
            folder = version if is_sound(version) else self._gather(release, manifest)
        except OSError as error:
            raise unwritable(self.shelf.folder, error) from error
        began = time.monotonic()
        self._prove(folder, release.bundle)
        patience = MINUTE + 2 * (time.monotonic() - began)
        with self.shelf.changing():
            if folder != version:
                self.shelf.place(folder, release.bundle)
            ledger = self.shelf.state()
            if ledger.pinned not in (None, release.bundle):
                raise ShelfError(f"{self.shelf.folder}: {ledger.pinned} was pinned meanwhile")
            trial = Probation(bundle=release.bundle, patience_s=patience, before=edge)
            releases = ledger.releases | {release.bundle: release.number}
            changes = {"releases": releases, "declined": None, "trial": trial}
            self.shelf.save_state(ledger.model_copy(update=changes))
            self.shelf.switch(release.bundle)

    def clean(self) -> None:
        """Leave nothing of any release that is still on its way."""
        sweep(self.shelf.incoming, set())

    def _prove(self, folder: Path, bundle: str) -> None:
        try:
            validator.validate_in_child(folder, bundle, self.engine)
        except BundleError as error:
            if is_sound(folder):
                raise
            raise ShelfError(f"{folder}: changed while it was checked; try again") from error

    def _gather(self, release: Release, manifest: Manifest) -> Path:
        """The whole, verified bundle in `incoming`."""
        incoming = self.shelf.incoming
        durable.make_folder(incoming)
        wanted = {
            entry.sha256: WantedFile(entry.sha256, entry.bytes) for entry in manifest.files.values()
        }
        sweep(incoming, set(wanted))
        fetch = FileFetcher(self.store, incoming, self.pace)
        linked = self._link(wanted, fetch)
        with self.shelf.changing():
            self.shelf.prune()  # what edge had open at the last switch
        self._check_room(list(wanted.values()), fetch)
        missing = [one for one in wanted.values() if one.sha256 not in linked]
        total, done = sum(one.bytes for one in missing), 0
        for one in missing:
            before = done

            def show(here: int, fetched: int, before: int = before) -> None:
                self.progress(before + here, total, fetched)

            fetch.fetch(one, show)
            done += one.bytes
        return self._assemble(release, manifest)

    def _link(self, wanted: dict[str, WantedFile], fetch: FileFetcher) -> set[str]:
        """Take what is on the shelf already, if it still is what it was; returns its digests."""
        linked: set[str] = set()
        for version in self.shelf.versions.glob("*"):
            try:
                files = read_manifest(version)[0].files
            except BundleError:
                continue
            for name, entry in files.items():
                one = wanted.get(entry.sha256)
                if one is None or fetch.here(one) == one.bytes:
                    continue
                with suppress(OSError):  # then it is fetched
                    if file_digest(version / name) == one.sha256:
                        fetch.discard(one)
                        os.link(version / name, self.shelf.incoming / one.sha256)
                        linked.add(one.sha256)
        return linked

    def _check_room(self, wanted: list[WantedFile], fetch: FileFetcher) -> None:
        missing = sum(one.bytes - fetch.here(one) for one in wanted)
        free = shutil.disk_usage(self.shelf.incoming).free
        if missing and missing + self.reserve > free:
            raise DiskFullError(
                f"{self.shelf.folder}: the new catalogue needs {_megabytes(missing)} MB and "
                f"{_megabytes(self.reserve)} MB are kept free, but only {_megabytes(free)} MB "
                "are free; make room"
            )

    def _assemble(self, release: Release, manifest: Manifest) -> Path:
        folder = self.shelf.incoming / release.bundle
        folder.mkdir()
        (folder / MANIFEST).write_bytes(release.manifest)
        for name, entry in manifest.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.link(self.shelf.incoming / entry.sha256, folder / name)
        try:
            found = verify(folder)[1]
        except BundleError as error:  # every file was right when it came
            self.clean()
            raise ShelfError(f"the disk does not keep what is written to it: {error}") from error
        if found != release.bundle:
            raise BundleError(f"release {release.number}: its bundle is {found}")
        return folder


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f}"
