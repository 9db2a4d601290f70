"""Follow the program's releases in the channel: fetch, install beside, prove, switch, watch.

At every point one complete version is the current one: a version becomes current in one step, after
it has been installed, flushed and proven. What a killed process left behind is done again.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from catalog.bundles.shelf import Shelf, unwritable
from catalog.core import durable
from catalog.core.errors import (
    DiskFullError,
    ShelfError,
    SurroundingsError,
    VisualSearchError,
)
from catalog.core.settings import DeviceSettings, load
from catalog.core.state import EdgeState, read_edge_state
from sync.errors import ReleaseError, StoreError, TrustError
from sync.settings import SyncSettings
from sync.software import appliance
from sync.software.install import copied, install, wheels_of
from sync.software.proof import prove
from sync.software.versions import SoftwareState, SoftwareVersions, Trial
from sync.stores.base import Store
from sync.stores.fetch import FileFetcher, WantedFile, sweep
from sync.trust.opening import configured_store, configured_trust
from sync.trust.release import SoftwareRelease
from sync.trust.repository import now
from sync.trust.software import Software, check_not_older, parse_list

MAX_CLOCK_SKEW = timedelta(minutes=5)  # between two clocks that are both right
INSTALLED_SIZE = 4  # times the size of the wheels, with them

Install = Callable[[Software, Mapping[str, Path], Path], None]
Prove = Callable[[Path, Path | None, Path | None], None]

log = logging.getLogger(__name__)


class SoftwareUpdater:
    """Installs releases of the program on one device.

    Args:
        settings: ``[sync]``.
        device: ``[device]``.
        config: The settings file of the command line, with which versions are proven.
        install: Makes a version's environment of its wheels.
        prove: Starts a version and checks it.
    """

    def __init__(
        self,
        settings: SyncSettings,
        device: DeviceSettings,
        config: Path | None = None,
        install: Install = install,
        prove: Prove = prove,
    ) -> None:
        self.settings = settings
        self.versions = SoftwareVersions(device.folder / "software")
        self._device = device
        self._config = config
        self._install = install
        self._prove = prove
        self._watch = appliance.TrialWatch(self._edge)

    @classmethod
    def from_settings(cls, config: Path | None, source: str | None = None) -> SoftwareUpdater:
        """Make the updater that the settings describe; `source` replaces ``[sync] source``.

        Raises:
            SettingsError: A setting is wrong.
        """
        settings = load("sync", SyncSettings, config)
        if source is not None:
            settings = settings.model_copy(update={"source": source})
        return cls(settings, load("device", DeviceSettings, config), config)

    def check(self, *, may_switch: bool, again: bool = False) -> SoftwareState:
        """Look for a newer release in the channel, fetch it, and let it run if it may.

        Args:
            may_switch: False to fetch only: it is not the hour to install and switch.
            again: Try also what was rejected, and what is older than the current version.

        Raises:
            ShelfError: The versions cannot be changed now.
        """
        with self.versions.changing():
            try:
                store = configured_store(self.settings, self._device)
                trust = configured_trust(self.settings, self._device, store)
                trust.refresh()
                release = trust.newest_software(self.settings.channel)
                software = parse_list(release.content, f"release {release.number}")
                if trust.issued is not None and now() < trust.issued - MAX_CLOCK_SKEW:
                    may_switch = again  # a clock that stands in the past knows no hour of the day
                outcome, message = self._follow(
                    release, software, store, may_switch=may_switch, again=again
                )
            except (TrustError, StoreError) as error:
                outcome, message = error.outcome, str(error)
            except DiskFullError as error:
                outcome, message = "disk-full", str(error)
            except VisualSearchError as error:
                outcome, message = "failed", str(error)
            return self._save(outcome=outcome, message=message)

    def install_folder(self, folder: Path, software: Software) -> SoftwareState:
        """Install a verified release from its folder, prove it, and let it run.

        Raises:
            ForgedError: A wheel has changed since the release was verified.
            ReleaseError: It cannot be installed, or did not pass the proof; nothing has changed.
            ShelfError: The versions cannot be changed now.
            SurroundingsError: It has no wheels for this device.
        """
        with self.versions.changing():
            with copied(software, folder, self.versions.incoming / "copied") as wheels:
                self._put(software, wheels)
            self._switch(software.id)
            return self._save(outcome="installed", message=f"{software.id} is the current version")

    def watch(self) -> appliance.TrialStatus | None:
        """Watch the appliance with a version on trial; go back where it is not well.

        Returns:
            How the trial goes, once "good" or "bad" at its end; None where there is no trial.

        Raises:
            ShelfError: The versions cannot be changed now; watch again.
        """
        state, current = self.versions.state(), self.versions.current()
        trial = state.trial
        status: appliance.TrialStatus | None = None
        if trial is None:
            return None
        if trial.version in state.rejected:
            status = "bad"  # a process was killed on the way back
        elif current is not None and current.name == trial.version:
            edge = self._edge()
            if edge is not None and (edge.pid, edge.started) == (trial.pid, trial.started):
                appliance.restart(self.versions.folder, edge)  # else killed before it was told to
            status = self._watch.check(trial)
        if status == "waiting":
            return status
        with self.versions.changing():
            state = self.versions.state()
            if state.trial != trial:
                return None
            if status == "bad":
                self._go_back(state, trial)
            else:  # well, or killed before the switch
                self.versions.save_state(state.model_copy(update={"trial": None}))
        return status

    def roll_back(self) -> SoftwareState:
        """Go back to the version before, and do not try the one that is left again.

        Raises:
            ShelfError: There is none, or the versions cannot be changed now.
        """
        with self.versions.changing():
            current = self.versions.current()
            previous = self.versions.previous()
            if current is None or previous is None:
                raise ShelfError(f"{self.versions.folder}: there is no version to go back to")
            state = self.versions.state().with_rejected(current.name, "rolled back from by hand")
            self.versions.save_state(state.model_copy(update={"trial": None}))
            self.versions.roll_back()
            appliance.restart(self.versions.folder, self._edge())
            return self._save(outcome="declined", message=f"{current.name} was rolled back from")

    def _follow(
        self,
        release: SoftwareRelease,
        software: Software,
        store: Store,
        *,
        may_switch: bool,
        again: bool,
    ) -> tuple[str, str]:
        """Bring the device to a release; returns outcome and message."""
        state, current = self.versions.state(), self.versions.current()
        name = f"release {release.number}, {software.version},"
        if current is None:
            return "not-set-up", (
                f"{self.versions.folder}: no version is installed there; install the first one by "
                "hand: visual-search sync software install FOLDER"
            )
        if current.name == software.id:
            sweep(self.versions.incoming, set())  # after a kill
            return "up-to-date", f"{name} is the current version"
        if software.id in state.rejected and not again:
            return "rejected", f"{name} is not tried again: {state.rejected[software.id]}"
        if not again:
            present = current.name.partition("-")[0]
            check_not_older(software, present, "installed here; 'sync software update' takes it")
        wheels = self._fetched(software, store, verify=may_switch)
        if not may_switch:
            return "waiting", f"{name} is here; it takes over at {self.settings.window}"
        try:
            self._put(software, wheels)
        except ReleaseError as error:
            self._check_current(current, error)
            self.versions.save_state(state.with_rejected(software.id, str(error)))
            return "rejected", f"{name} was not taken: {error}"
        self._switch(software.id, release.number)
        sweep(self.versions.incoming, set())
        return "installed", f"{name} is the current version"

    def _fetched(self, software: Software, store: Store, *, verify: bool) -> dict[str, Path]:
        """Fetch the wheels for this device; each one's file, by its name in the release.

        Args:
            software: The release.
            store: Where the wheels are.
            verify: Whether to hash again what is here already.
        """
        incoming = self.versions.incoming
        durable.make_private_folder(incoming)
        wanted = {
            name: WantedFile(entry.sha256, entry.bytes)
            for name, entry in software.wheels.items()
            if name in wheels_of(software)
        }
        sweep(incoming, {file.sha256 for file in wanted.values()})
        fetcher = FileFetcher(store, incoming)
        missing = sum(file.bytes - fetcher.bytes_present(file) for file in wanted.values())
        whole = sum(file.bytes for file in wanted.values())
        needed = missing + whole * (INSTALLED_SIZE - 1) + self.settings.reserve_mb * 1_000_000
        if not self.versions.is_complete(software.id) and needed > (
            free := shutil.disk_usage(incoming).free
        ):
            raise DiskFullError(
                f"{self.versions.folder}: release {software.version} needs {needed / 1e6:,.0f} MB, "
                f"but only {free / 1e6:,.0f} MB are free; make room"
            )
        for file in wanted.values():
            if verify or fetcher.bytes_present(file) < file.bytes:
                fetcher.fetch(file)
        return {name: incoming / file.sha256 for name, file in wanted.items()}

    def _put(self, software: Software, wheels: Mapping[str, Path]) -> None:
        """Install a version beside the others, if it is not there, and prove it."""
        version = self.versions.versions / software.id
        if not self.versions.is_complete(software.id):
            self.versions.prune()  # also what a killed process left of this one
            try:
                self._install(software, wheels, version)
            except OSError as error:
                raise unwritable(version, error) from error
        active = Shelf(self._device.shelf).active()
        try:
            self._prove(version, self._config, active)
        except ReleaseError:
            self.versions.prune()  # another attempt installs it anew
            raise

    def _check_current(self, current: Path, error: ReleaseError) -> None:
        """Hold the version that runs against the same proof: perhaps the device is the cause.

        Raises:
            SurroundingsError: It fails, too.
        """
        try:
            self._prove(current, self._config, Shelf(self._device.shelf).active())
        except ReleaseError as another:
            raise SurroundingsError(
                f"{error}; but the current version fails here too, which speaks against this "
                f"device: {another}"
            ) from another

    def _switch(self, version: str, release: int | None = None) -> None:
        """Let a version run, on trial if an appliance runs that can try it."""
        state, edge = self.versions.state(), self._edge()
        releases = state.releases | ({version: release} if release is not None else {})
        rejected = {name: text for name, text in state.rejected.items() if name != version}
        runs = edge is not None and appliance.runs_from(self.versions.folder, edge.pid)
        trial = None
        if edge is not None and runs and edge.alive and self.versions.current() is not None:
            trial = Trial(version=version, pid=edge.pid, started=edge.started)
        changes = {"releases": releases, "rejected": rejected, "trial": trial}
        self.versions.save_state(state.model_copy(update=changes))
        self.versions.switch(version)
        self.versions.prune()
        appliance.restart(self.versions.folder, edge)

    def _go_back(self, state: SoftwareState, trial: Trial) -> None:
        """Reject a version and go back; the trial ends last, so that a kill repeats the rest."""
        reason = "the appliance was not well with it"
        rejected = state.with_rejected(trial.version, reason)
        self.versions.save_state(rejected)
        current = self.versions.current()
        if current is not None and current.name == trial.version:
            self.versions.roll_back()
        appliance.restart(self.versions.folder, self._edge())
        message = f"{trial.version}: {reason}"
        changes = {"trial": None, "outcome": "gone-back", "message": message}
        self.versions.save_state(rejected.model_copy(update=changes))

    def _edge(self) -> EdgeState | None:
        return read_edge_state(self._device.state)

    def _save(self, **changes: object) -> SoftwareState:
        state = self.versions.state().model_copy(update=changes)
        self.versions.save_state(state)
        return state


def is_under(versions: SoftwareVersions) -> bool:
    """Whether this process itself was started from the versions, so that it may be restarted."""
    return appliance.runs_from(versions.folder, os.getpid())
