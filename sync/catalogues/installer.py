"""Decide whether a release is installed on this device, and install it."""

from __future__ import annotations

from pathlib import Path

from catalog.bundles import validator
from catalog.bundles.deployment_state import DeploymentState
from catalog.bundles.shelf import Shelf, is_sound
from catalog.core.errors import BundleError, DiskFullError, SlowBundleError, SurroundingsError
from catalog.core.state import read_edge_state
from sync.catalogues.check_result import CheckResult
from sync.catalogues.pull import Puller
from sync.trust.release import Release


class ReleaseInstaller:
    """Installs releases on one shelf.

    Args:
        shelf: The shelf.
        state: The state folder, where the appliance says how it is.
        engine: Which engine validates bundles.
    """

    def __init__(self, shelf: Shelf, state: Path, engine: str) -> None:
        self._shelf = shelf
        self._state = state
        self._engine = engine
        self._active_is_sound = False  # whether the active version's files have been verified

    def install(self, release: Release, puller: Puller, *, wait_for: str = "") -> CheckResult:
        """Pull a release and make it active, unless there is a reason to skip it.

        Args:
            release: The release.
            puller: Pulls it.
            wait_for: The window that a release has to wait for now, if it must be fetched and
                there is another catalogue meanwhile; empty for none.

        Raises:
            StoreError, TrustError: It could not be fetched, or is not what was signed.
            ShelfError: The shelf cannot be written; `DiskFullError` where the disk is full.
            SurroundingsError: This device cannot validate bundles now.
        """
        result = self._skipped(release)
        if result is None and wait_for and self._can_wait(release):
            name = f"release {release.number}, {release.bundle},"
            return CheckResult("waiting", f"{name} waits for the window {wait_for}")
        if result is None:
            try:
                puller.pull(release, read_edge_state(self._state))
            except BundleError as error:
                self._reject(release, error)
                result = CheckResult("rejected", f"release {release.number}: {error}")
            except DiskFullError as error:
                if error.__cause__ is not None:  # the disk is full now, for other programs too
                    puller.clean()
                raise
            else:
                result = CheckResult(
                    "installed", f"release {release.number}, {release.bundle}, is active"
                )
        puller.clean()
        return result

    def is_refused(self, bundle: str, release: int) -> bool:
        """Whether a bundle was rejected on this device, or its release rolled back from by hand."""
        state = self._shelf.state()
        rejected = state.rejection(bundle, self._engine) is not None
        return rejected or self._was_rolled_back(state, bundle, release)

    def _reject(self, release: Release, error: BundleError) -> None:
        """Remember not to try the bundle again, unless the cause is this device.

        Raises:
            SurroundingsError: The cause is, or may be, this device.
        """
        reason, active = str(error), self._shelf.active()
        if active is None and isinstance(error, SlowBundleError):
            raise SurroundingsError(
                f"{reason}; perhaps this device was too busy: it is tried again"
            ) from error
        if active is not None and active.name != release.bundle:
            try:
                validator.validate(active, self._engine)
            except BundleError as another:
                raise SurroundingsError(
                    f"{reason}; but the active catalogue fails here too, which speaks against "
                    f"this device: {another}"
                ) from another
        with self._shelf.changing():
            state = self._shelf.state()
            self._shelf.save_state(state.with_rejected(release.bundle, reason, self._engine))

    def _skipped(self, release: Release) -> CheckResult | None:
        """Why a release is not installed; None where it is to be installed."""
        state, active = self._shelf.state(), self._shelf.active()
        name = f"release {release.number}, {release.bundle},"
        if state.pinned not in (None, release.bundle):
            return CheckResult("pinned", f"{state.pinned} is pinned; the newest is {name[:-1]}")
        reason = state.rejection(release.bundle, self._engine)
        if reason is not None:
            return CheckResult("rejected", f"{name} is not tried again: {reason}")
        if self._was_rolled_back(state, release.bundle, release.number):
            return CheckResult(
                "declined",
                f"{name} was rolled back from by hand; a newer release will be installed, "
                "or this one after: visual-search sync unpin",
            )
        if active is not None and active.name == release.bundle and self._is_sound(active):
            self._save_number(state, release)
            return CheckResult("up-to-date", f"{name} is active")
        return None

    def _can_wait(self, release: Release) -> bool:
        """Whether there is a catalogue meanwhile, and the release is not on the shelf already."""
        active = self._shelf.active()
        here = is_sound(self._shelf.versions / release.bundle)
        return active is not None and not here and self._is_sound(active)

    def _was_rolled_back(self, state: DeploymentState, bundle: str, release: int) -> bool:
        """Whether a person has rolled this release back; later releases of it are installed."""
        skipped = state.declined
        if skipped is None or skipped.bundle != bundle:
            return False
        if skipped.release is None:  # it was installed by hand: its release is known only now
            known = skipped.model_copy(update={"release": release})
            with self._shelf.changing():
                self._shelf.save_state(self._shelf.state().model_copy(update={"declined": known}))
            return True
        return release <= skipped.release

    def _save_number(self, state: DeploymentState, release: Release) -> None:
        """Remember the release's number where the bundle came otherwise or under another one."""
        if state.releases.get(release.bundle) != release.number:
            releases = state.releases | {release.bundle: release.number}
            with self._shelf.changing():
                state = self._shelf.state()
                self._shelf.save_state(state.model_copy(update={"releases": releases}))

    def _is_sound(self, active: Path) -> bool:
        """Whether the active version is undamaged.

        Its files are verified once, and again when the appliance cannot open it.
        """
        edge = read_edge_state(self._state)
        failed = edge is not None and (edge.phase, edge.bundle) == ("failed", active.name)
        if self._active_is_sound and not failed:
            return True
        self._active_is_sound = is_sound(active)
        return self._active_is_sound
