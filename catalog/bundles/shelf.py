"""The shelf: the versions of the catalogue on this device, one of which is active.

::

    shelf/versions/<bundle id>/   a bundle, complete and never changed
    shelf/incoming/               a bundle that is being fetched; see `sync.catalogues.pull`
    shelf/scratch/                bundles that are being copied or removed; emptied at each change
    shelf/active, previous        symbolic links, replaced in one step
    shelf/ledger.json             see `deployment_state`
    shelf/lock                    locked while the shelf changes
"""

from __future__ import annotations

import errno
import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from catalog.bundles import validator
from catalog.bundles.deployment_state import DeploymentState, write_deployment_state
from catalog.bundles.manifest import MANIFEST, local_files, read_manifest, verify
from catalog.bundles.shelf_view import ShelfView
from catalog.core import durable
from catalog.core.errors import BundleError, DiskFullError, ShelfBusyError, ShelfError
from catalog.core.locks import locked

LOCK_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Activated:
    """The result of an activation: the ids of the new and the former active bundle."""

    bundle: str
    previous: str | None
    engine: str
    recall: float


class Shelf(ShelfView):
    """The shelf in `folder` (``<data_dir>/shelf``)."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.incoming = folder / "incoming"
        self._scratch = folder / "scratch"

    def activate(self, bundle: Path, engine: str = "auto") -> Activated:
        """Put a bundle on the shelf and make it the active one.

        What is validated is the copy that the shelf keeps; nobody else changes the shelf meanwhile.

        Raises:
            BundleError: The bundle is damaged or did not pass validation; nothing changed.
            ShelfError: The shelf cannot be written, or another process is changing it.
        """
        _, identity = verify(bundle)
        with self.changing():
            version = self.versions / identity
            kept = version if is_sound(version) else self._copy(bundle, identity)
            try:
                validated = validator.validate_in_child(kept, identity, engine)
            except BundleError as error:  # it names the copy, which nobody knows
                raise type(error)(str(error).replace(str(kept), str(bundle))) from error
            if kept != version:
                self.place(kept, identity)
            former = self.active()
            self.switch(identity)
        previous = None if former is None else former.name
        return Activated(validated.bundle, previous, validated.engine, validated.recall)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Lock the shelf for the time of a `with` block that changes it.

        Raises:
            ShelfBusyError: Another process has locked it for longer than `LOCK_TIMEOUT_S`.
            ShelfError: It cannot be written.
        """
        try:
            durable.make_private_folder(self.versions)
            with self._locked():
                self._sweep()
                try:
                    yield
                finally:
                    shutil.rmtree(self._scratch, ignore_errors=True)
        except OSError as error:
            raise unwritable(self.folder, error) from error

    def place(self, folder: Path, identity: str) -> None:
        """Move `folder`, a complete bundle on the same disk, to the versions."""
        durable.flush_tree(folder)
        version = self.versions / identity
        if version.exists():  # it was damaged after it was put there
            durable.exchange(folder, version)
            shutil.rmtree(folder, ignore_errors=True)
        else:
            folder.rename(version)
            durable.flush_folder(self.versions)

    def switch(self, identity: str) -> None:
        """Make a version the active one; the former active version becomes the previous one."""
        former = self.active()
        if former is not None and former.name != identity:
            durable.point(self.folder / "previous", f"versions/{former.name}")
        durable.point(self.folder / "active", f"versions/{identity}")
        self.prune()

    def roll_back(self, *, keep: bool) -> None:
        """Make the previous version the active one.

        Args:
            keep: Whether the version that was active stays, as the previous one.

        Raises:
            ShelfError: There is no previous version.
        """
        active, previous = self.active(), self.previous()
        if previous is None or previous == active:
            raise ShelfError(f"{self.folder}: there is no version to go back to")
        durable.point(self.folder / "active", f"versions/{previous.name}")
        if keep and active is not None:
            durable.point(self.folder / "previous", f"versions/{active.name}")
        else:
            (self.folder / "previous").unlink()
            durable.flush_folder(self.folder)
        self.prune()

    def save_state(self, state: DeploymentState) -> None:
        """Write the deployment state, without releases of bundles that left the shelf."""
        present = {version.name for version in self.versions.iterdir()}
        releases = {name: number for name, number in state.releases.items() if name in present}
        write_deployment_state(self.folder, state.model_copy(update={"releases": releases}))

    def prune(self) -> None:
        """Remove versions that are neither active, previous, pinned nor open in any process."""
        needed = {folder.name for folder in (self.active(), self.previous()) if folder is not None}
        needed.add(self.state().pinned or "")
        for version in self.versions.iterdir():
            if version.name not in needed:
                self._remove(version)

    def _copy(self, bundle: Path, identity: str) -> Path:
        """Copy the files that the manifest lists, check them again and return their folder."""
        target = self._scratch / identity
        manifest, found = read_manifest(bundle)
        if found != identity:
            raise BundleError(f"{bundle}: changed after it was checked; try again")
        if local_files(bundle):
            raise BundleError(
                f"{bundle}: its index was built on another device, and nobody signed it; take the "
                "bundle that `visual-search catalog build` made"
            )
        for name in (MANIFEST, *manifest.files):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle / name, target / name)
        if verify(target)[1] != identity:
            raise BundleError(f"{bundle}: changed while it was copied; try again")
        return target

    def _remove(self, version: Path) -> None:
        """Remove a version unless an open `Bundle` has locked its manifest."""
        try:
            with (version / MANIFEST).open("rb") as manifest:
                fcntl.flock(manifest, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._discard(version)
        except BlockingIOError:
            return
        except OSError:  # without a manifest nobody can have it open
            self._discard(version)

    def _discard(self, version: Path) -> None:
        """Move a version out of `versions` in one step, then remove it."""
        self._scratch.mkdir(exist_ok=True)
        version.rename(self._scratch / f"removed-{version.name}")
        shutil.rmtree(self._scratch / f"removed-{version.name}", ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what killed processes left behind."""
        shutil.rmtree(self._scratch, ignore_errors=True)
        for name in ("active", "previous", "ledger.json"):
            for temporary in self.folder.glob(f".{name}.*"):  # see `durable`
                temporary.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            with locked(self.folder / "lock", wait_s=LOCK_TIMEOUT_S):
                yield
        except BlockingIOError as error:
            raise ShelfBusyError(
                f"{self.folder}: another process is changing the shelf; try again"
            ) from error


def unwritable(folder: Path, error: OSError) -> ShelfError:
    """Return the error to raise where a folder of the shelf cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(f"{folder}: the disk is full; make room")
    return ShelfError(f"{folder}: cannot be written: {error}")


def is_sound(version: Path) -> bool:
    """Return whether the folder `version` holds the bundle of its name, undamaged."""
    try:
        return verify(version)[1] == version.name
    except BundleError:
        return False
