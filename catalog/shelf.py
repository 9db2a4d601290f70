"""The shelf: the versions of the catalogue on this device, and which of them is active.

::

    shelf/versions/<bundle id>/   immutable
    shelf/incoming/               being copied; swept
    shelf/active, previous        symbolic links, replaced in one step
    shelf/lock                    held while the shelf changes
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from catalog import durable, gate
from catalog.bundle import MANIFEST, read_manifest, verify
from catalog.errors import BundleError, ShelfError


@dataclass(frozen=True)
class Activated:
    """What activation did: the new and the former active bundle's id."""

    bundle: str
    previous: str | None
    engine: str
    recall: float


class Shelf:
    """The shelf in `folder` (``<data_dir>/shelf``)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.versions = folder / "versions"
        self.incoming = folder / "incoming"

    def active(self) -> Path | None:
        """Folder of the active bundle, or None."""
        return self._target("active")

    def previous(self) -> Path | None:
        """Folder of the bundle that was active before, or None."""
        return self._target("previous")

    def activation(self) -> int | None:
        """Changes with every activation, also of the same bundle; None before the first."""
        try:
            return os.lstat(self.folder / "active").st_mtime_ns
        except OSError:
            return None

    def activate(self, bundle: Path, engine: str = "auto") -> Activated:
        """Put a bundle on the shelf and make it the active one.

        Raises:
            BundleError: The bundle is damaged or did not pass the gate; nothing changed.
            ShelfError: The shelf cannot be written, or something else is changing it.
        """
        passed = gate.check(bundle, engine)
        with self._locked():
            version = self.versions / passed.bundle
            if not _is_sound(version):
                self._copy(bundle, passed.bundle)
            former = self.active()
            if former is not None and former != version:
                durable.point(self.folder / "previous", f"versions/{former.name}")
            durable.point(self.folder / "active", f"versions/{passed.bundle}")
            self._prune()
        previous = None if former is None else former.name
        return Activated(passed.bundle, previous, passed.engine, passed.recall)

    def _copy(self, bundle: Path, identity: str) -> None:
        """Copy only what the manifest lists, check it again, then name it."""
        target = self.incoming / identity
        manifest, found = read_manifest(bundle)
        if found != identity:
            raise BundleError(f"{bundle}: changed after it was checked; try again")
        for name in (MANIFEST, *manifest.files):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle / name, target / name)
        if verify(target)[1] != identity:
            raise BundleError(f"{bundle}: changed while it was copied; try again")
        durable.flush_tree(target)
        version = self.versions / identity
        if version.exists():  # damaged since it was put there
            durable.exchange(target, version)
            shutil.rmtree(target, ignore_errors=True)
        else:
            target.rename(version)
            durable.flush_folder(self.versions)

    def _prune(self) -> None:
        """Remove what is neither active nor previous; who has it open keeps what it opened."""
        kept = {one.name for one in (self.active(), self.previous()) if one is not None}
        for version in self.versions.iterdir():
            if version.name not in kept:
                shutil.rmtree(version, ignore_errors=True)

    def _target(self, name: str) -> Path | None:
        try:
            target = self.versions / Path(os.readlink(self.folder / name)).name
        except OSError:
            return None
        return target if target.is_dir() else None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            durable.make_folder(self.versions)
            with (self.folder / "lock").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise ShelfError(
                        f"{self.folder}: another process is changing the shelf; try again"
                    ) from error
                shutil.rmtree(self.incoming, ignore_errors=True)
                try:
                    yield
                finally:
                    shutil.rmtree(self.incoming, ignore_errors=True)
        except OSError as error:
            raise ShelfError(f"{self.folder}: cannot be written: {error}") from error


def _is_sound(version: Path) -> bool:
    try:
        return verify(version)[1] == version.name
    except BundleError:
        return False
