"""Pull a release onto the shelf: link, make, fetch, verify and validate its files, then switch.

The only state between two steps is what is on the disk. So after a kill at any point the next
pull goes on where this one was. Files are flushed before their folders, and these before the link
that makes the release active.
"""

from __future__ import annotations

import errno
import logging
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
    INDEX,
    MANIFEST,
    Manifest,
    file_digest,
    local_files,
    parse_manifest,
    read_manifest,
    verify,
)
from catalog.bundles.shelf import Shelf, is_sound, unwritable
from catalog.core import durable
from catalog.core.errors import BundleError, DiskFullError, ShelfError
from catalog.core.state import EdgeState
from sync.catalogues.changes import FileMaker
from sync.catalogues.downloads import Downloads, ReleaseProgress
from sync.catalogues.index_process import IndexNotBuiltError
from sync.catalogues.local_index import can_build, make_index
from sync.errors import ForgedError
from sync.stores.base import MinimumSpeed, Store
from sync.stores.fetch import FileFetcher, WantedFile, sweep
from sync.trust.changes import Changes, parse_changes
from sync.trust.release import Release

log = logging.getLogger(__name__)

OPEN_TIMEOUT_S = 60.0  # for the appliance; twice the time of the validation here is added


@dataclass(frozen=True)
class Puller:
    """Pulls releases from one store onto one shelf.

    Args:
        store: Where the files are.
        shelf: Where the bundle goes.
        engine: Which engine validates the bundle.
        reserve: Bytes that must stay free on the disk.
        progress: Called as bytes arrive.
        require_wanted: Called right before the release becomes active; raises `ShelfError` where
            it is no longer wanted.
        minimum_speed: Makes the limit that each download is held to.
    """

    store: Store
    shelf: Shelf
    engine: str = "auto"
    reserve: int = 0
    progress: ReleaseProgress = lambda here, total, fetched: None
    require_wanted: Callable[[], None] = lambda: None
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
        folder = version
        if not is_sound(version):
            folder = self._fetch_bundle(release, manifest, _changes_of(release))
        began = time.monotonic()
        try:
            self._validate(folder, release.bundle)
        except BundleError as error:
            if not local_files(folder):
                raise
            log.warning("the index that was built here does not serve, so it is fetched: %s", error)
            folder = self._fetch_bundle(release, manifest, None)
            began = time.monotonic()
            self._validate(folder, release.bundle)
        open_timeout_s = OPEN_TIMEOUT_S + 2 * (time.monotonic() - began)
        with self.shelf.changing():
            if folder != version:
                self.shelf.place(folder, release.bundle)
            state = self.shelf.state()
            if state.pinned not in (None, release.bundle):
                raise ShelfError(f"{self.shelf.folder}: {state.pinned} was pinned meanwhile")
            self.require_wanted()
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

    def _fetch_bundle(self, release: Release, manifest: Manifest, changes: Changes | None) -> Path:
        """Make the complete, verified bundle in `incoming`, and return its folder.

        Args:
            release: What is fetched.
            manifest: Its manifest.
            changes: What it shares with earlier ones; None to fetch all files whole.
        """
        try:
            return self._fetch_files(release, manifest, changes)
        except OSError as error:
            raise unwritable(self.shelf.folder, error) from error

    def _fetch_files(self, release: Release, manifest: Manifest, changes: Changes | None) -> Path:
        incoming = self.shelf.incoming
        durable.make_private_folder(incoming)
        files = {
            entry.sha256: WantedFile(entry.sha256, entry.bytes) for entry in manifest.files.values()
        }
        sweep(incoming, set(files) | set(changes.pieces() if changes else ()))
        fetcher = FileFetcher(self.store, incoming, self.minimum_speed)
        linked = self._link(files, fetcher)
        with self.shelf.changing():
            self.shelf.prune()  # versions that the appliance had open at the last switch
        self._check_free_space(list(files.values()), fetcher)
        downloads = Downloads(fetcher, self.progress)
        base = self._base()
        index = manifest.files[INDEX].sha256
        local_index = False
        if changes is not None and base is not None:
            local_index = (
                changes.local_index
                and not fetcher.is_complete(files[index])
                and can_build(manifest, incoming)
            )
            if local_index:
                del files[index]
            self._make_files(changes, manifest, base, files, fetcher, downloads)
        missing = [file for file in files.values() if file.sha256 not in linked]
        downloads.expect(missing)
        for file in missing:
            downloads.fetch(file)
        try:
            return self._assemble(release, manifest, base[0] if base and local_index else None)
        except IndexNotBuiltError as error:
            log.warning("the owner's index is fetched: %s", error)
        shutil.rmtree(incoming / release.bundle)
        owners = WantedFile(index, manifest.files[INDEX].bytes)
        downloads.fetch(owners)
        return self._assemble(release, manifest, None)

    def _base(self) -> tuple[Path, Manifest] | None:
        """The version that most of a release is made of; None where there is none to be read."""
        active = self.shelf.active()
        with suppress(BundleError):
            if active is not None:
                return active, read_manifest(active)[0]
        return None

    def _make_files(
        self,
        changes: Changes,
        manifest: Manifest,
        base: tuple[Path, Manifest],
        files: dict[str, WantedFile],
        fetcher: FileFetcher,
        downloads: Downloads,
    ) -> None:
        """Make what can be made of the base and of pieces, and take it out of `files`."""
        absent = {
            name: files[entry.sha256].bytes - fetcher.bytes_present(files[entry.sha256])
            for name, entry in manifest.files.items()
            if entry.sha256 in files and not fetcher.is_complete(files[entry.sha256])
        }
        maker = FileMaker(changes, manifest, *base, self.shelf.incoming, absent)
        try:
            plan = maker.plan(downloads.fetch, downloads.missing)
            pieces = [WantedFile(piece.sha256, piece.bytes) for piece in plan.pieces]
            self._check_free_space([*files.values(), *pieces], fetcher)
            downloads.expect(pieces)
            maker.make(plan, downloads.fetch)
        except (DiskFullError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            log.warning("without room for pieces, files are fetched whole: %s", error)
            for digest, size in changes.pieces().items():
                fetcher.discard(WantedFile(digest, size))
        for name in absent:
            digest = manifest.files[name].sha256
            if fetcher.is_complete(WantedFile(digest, manifest.files[name].bytes)):
                files.pop(digest, None)

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

    def _assemble(self, release: Release, manifest: Manifest, index_like: Path | None) -> Path:
        """Put the bundle's folder together.

        Args:
            release: What was fetched.
            manifest: Its manifest.
            index_like: The version whose index may serve, where the index is made here.
        """
        folder = self.shelf.incoming / release.bundle
        folder.mkdir()
        (folder / MANIFEST).write_bytes(release.manifest)
        for name, entry in manifest.files.items():
            if name != INDEX or index_like is None:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                os.link(self.shelf.incoming / entry.sha256, folder / name)
        if index_like is not None:
            make_index(folder, manifest, index_like)
        try:
            found = verify(folder)[1]
        except BundleError as error:  # each file was verified when it arrived
            self.clean()
            raise ShelfError(f"the disk does not keep what is written to it: {error}") from error
        if found != release.bundle:
            raise BundleError(f"release {release.number}: its bundle is {found}")
        return folder


def _changes_of(release: Release) -> Changes | None:
    """What the owner published beside a release; None where all files are fetched whole."""
    if not release.changes:
        return None
    try:
        return parse_changes(release.changes, release.bundle)
    except ForgedError as error:
        log.warning("all files are fetched whole: %s", error)
        return None


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f}"
