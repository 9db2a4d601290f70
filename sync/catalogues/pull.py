"""Pull a release onto the shelf: link, fetch, verify and validate its files, then switch to it.

The only state between two steps is what is on the disk. So after a kill at any point the next
pull goes on where this one was. Files are flushed before their folders, and these before the link
that makes the release active.
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
from sync.stores.base import MinimumSpeed, Store
from sync.stores.fetch import FileFetcher, WantedFile, sweep
from sync.trust.release import Release

OPEN_TIMEOUT_S = 60.0  # for the appliance; twice the time of the validation here is added

# Called with the bytes present of all files to fetch, their total, and the bytes just fetched.
ReleaseProgress = Callable[[int, int, int], object]


@dataclass(frozen=True)
class Puller:
    """Pulls releases from one store onto one shelf.

    Args:
        store: Where the files are.
        shelf: Where the bundle goes.
        engine: Which engine validates the bundle.
        reserve: Bytes that must stay free on the disk.
        progress: Called as bytes arrive.
        minimum_speed: Makes the limit that each download is held to.
    """

    store: Store
    shelf: Shelf
    engine: str = "auto"
    reserve: int = 0
    progress: ReleaseProgress = lambda here, total, fetched: None
    minimum_speed: Callable[[], MinimumSpeed] = MinimumSpeed

    def pull(self, release: Release, edge: EdgeState | None) -> None:
        """Make a release the active bundle.

        Args:
            release: Signed and verified.
            edge: The appliance's state, from before it can know of this bundle.

        Raises:
            BundleError: The bundle did not pass the validation.
            ForgedError: A file is not what was signed.
            StoreError: A file could not be fetched; the fetched bytes stay for the next pull.
            DiskFullError: The disk has not enough free space.
            ShelfError: The shelf cannot be written, or another process is changing it.
            MissingExtraError, SurroundingsError: The bundle cannot be validated here.
        """
        manifest = parse_manifest(release.manifest, f"release {release.number}")
        version = self.shelf.versions / release.bundle
        try:
            folder = version if is_sound(version) else self._fetch_bundle(release, manifest)
        except OSError as error:
            raise unwritable(self.shelf.folder, error) from error
        began = time.monotonic()
        self._validate(folder, release.bundle)
        open_timeout_s = OPEN_TIMEOUT_S + 2 * (time.monotonic() - began)
        with self.shelf.changing():
            if folder != version:
                self.shelf.place(folder, release.bundle)
            state = self.shelf.state()
            if state.pinned not in (None, release.bundle):
                raise ShelfError(f"{self.shelf.folder}: {state.pinned} was pinned meanwhile")
            probation = Probation(bundle=release.bundle, patience_s=open_timeout_s, before=edge)
            releases = state.releases | {release.bundle: release.number}
            changes = {"releases": releases, "declined": None, "trial": probation}
            self.shelf.save_state(state.model_copy(update=changes))
            self.shelf.switch(release.bundle)

    def clean(self) -> None:
        """Remove everything that was fetched and is not part of a version yet."""
        sweep(self.shelf.incoming, set())

    def _validate(self, folder: Path, bundle: str) -> None:
        try:
            validator.validate_in_child(folder, bundle, self.engine)
        except BundleError as error:
            if is_sound(folder):
                raise
            raise ShelfError(f"{folder}: changed while it was checked; try again") from error

    def _fetch_bundle(self, release: Release, manifest: Manifest) -> Path:
        """Make the complete, verified bundle in `incoming`, and return its folder."""
        incoming = self.shelf.incoming
        durable.make_private_folder(incoming)
        files = {
            entry.sha256: WantedFile(entry.sha256, entry.bytes) for entry in manifest.files.values()
        }
        sweep(incoming, set(files))
        fetcher = FileFetcher(self.store, incoming, self.minimum_speed)
        linked = self._link(files, fetcher)
        with self.shelf.changing():
            self.shelf.prune()  # versions that the appliance had open at the last switch
        self._check_free_space(list(files.values()), fetcher)
        missing = [file for file in files.values() if file.sha256 not in linked]
        total, done = sum(file.bytes for file in missing), 0
        for file in missing:
            before = done

            def show(here: int, fetched: int, before: int = before) -> None:
                self.progress(before + here, total, fetched)

            fetcher.fetch(file, show)
            done += file.bytes
        return self._assemble(release, manifest)

    def _link(self, wanted: dict[str, WantedFile], fetcher: FileFetcher) -> set[str]:
        """Link the files that another version has, if they are undamaged; return their digests."""
        linked: set[str] = set()
        for version in self.shelf.versions.glob("*"):
            try:
                files = read_manifest(version)[0].files
            except BundleError:
                continue
            for name, entry in files.items():
                file = wanted.get(entry.sha256)
                if file is None or fetcher.bytes_present(file) == file.bytes:
                    continue
                with suppress(OSError):  # the file is fetched instead
                    if file_digest(version / name) == file.sha256:
                        fetcher.discard(file)
                        os.link(version / name, self.shelf.incoming / file.sha256)
                        linked.add(file.sha256)
        return linked

    def _check_free_space(self, files: list[WantedFile], fetcher: FileFetcher) -> None:
        missing = sum(file.bytes - fetcher.bytes_present(file) for file in files)
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
        except BundleError as error:  # each file was verified when it arrived
            self.clean()
            raise ShelfError(f"the disk does not keep what is written to it: {error}") from error
        if found != release.bundle:
            raise BundleError(f"release {release.number}: its bundle is {found}")
        return folder


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f}"
