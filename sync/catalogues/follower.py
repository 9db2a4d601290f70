"""Follow a channel: check for a newer release, install it, and write the state file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.bundles.shelf import Shelf, unwritable
from catalog.core import durable
from catalog.core.errors import SettingsError, ShelfBusyError, ShelfError, VisualSearchError
from catalog.core.locks import locked
from catalog.core.settings import CatalogSettings, DeviceSettings, device_id, load
from catalog.core.state import (
    UNPINNED,
    Fetching,
    SyncState,
    Version,
    read_edge_state,
    read_sync_state,
    write_sync_state,
)
from sync.catalogues import fleet_pin, overrides
from sync.catalogues.check_result import CheckResult, result_of
from sync.catalogues.installer import ReleaseInstaller
from sync.catalogues.probation import ProbationStatus, ProbationWatcher
from sync.catalogues.pull import Puller
from sync.catalogues.status import current_state, versions_on
from sync.fleet.desired import NOTHING, Desired, read_desired
from sync.settings import OutboxSettings, SyncSettings
from sync.stores.base import Store
from sync.trust.opening import configured_store, configured_trust
from sync.trust.release import Release
from sync.trust.trust import Trust
from sync.window import is_open, length_of, seconds_until

if TYPE_CHECKING:
    from sync.catalogues.progress import DownloadProgress

PROGRESS_INTERVAL_S = 2.0  # between two writes of how far a download is
CHANGED = "the fleet's owner wants something else now; the next check obeys"
MAX_CLOCK_SKEW = timedelta(minutes=5)  # between two clocks that are both right


class ChannelFollower:
    """Follows one channel of one store.

    Args:
        settings: ``[sync]``.
        device: ``[device]``.
        engine: Which engine validates bundles.
        clock: Tells the time, in UTC.
        publish: Called with the state when a check, or a rollback, has brought a change.
        desired: Reads what the fleet's owner wants; None where that is not known.
    """

    def __init__(
        self,
        settings: SyncSettings,
        device: DeviceSettings,
        engine: str = "auto",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        publish: Callable[[SyncState], object] = lambda state: None,
        desired: Callable[[], Desired | None] = lambda: NOTHING,
    ) -> None:
        self.settings = settings
        self.shelf = Shelf(device.shelf)
        self.watcher = ProbationWatcher(self.shelf, lambda: read_edge_state(device.state), engine)
        self._installer = ReleaseInstaller(self.shelf, device.state, engine)
        self._device = device
        self._engine = engine
        self._clock = clock
        self._publish = publish
        self._desired = desired
        self._bytes_fetched = 0
        self._progress_due = 0.0  # monotonic seconds

    @classmethod
    def from_settings(
        cls,
        config: Path | None,
        source: str | None = None,
        publish: Callable[[SyncState], object] = lambda state: None,
    ) -> ChannelFollower:
        """Make the follower that the settings describe; `source` replaces ``[sync] source``.

        Raises:
            SettingsError: A setting is wrong.
        """
        settings = load("sync", SyncSettings, config)
        if source is not None:
            settings = settings.model_copy(update={"source": source})
        engine = load("catalog", CatalogSettings, config).engine
        device = load("device", DeviceSettings, config)
        try:
            shadow = load("outbox", OutboxSettings, config).shadow
        except SettingsError:  # it must not stop the pull; what was desired last holds
            shadow = True
        if shadow:
            desired = partial(read_desired, device.state)
            return cls(settings, device, engine, publish=publish, desired=desired)
        return cls(settings, device, engine, publish=publish)

    def state(self) -> SyncState:
        """The state file's content, with the versions that are on the shelf now."""
        return current_state(self._device.state, self.shelf)

    def check(
        self,
        progress: DownloadProgress = lambda here, total: None,
        next_check: Callable[[SyncState], datetime | None] = lambda state: state.next_check_at,
        *,
        any_time: bool = False,
    ) -> SyncState:
        """Check for a newer release, install it, and write the result into the state file.

        Args:
            progress: Called as bytes arrive; what it raises passes through.
            next_check: When the next check is due, given the state after this one.
            any_time: Whether a release is installed outside ``[sync] catalogue_window``, too.

        Raises:
            ShelfError: Another process is checking, or the state file cannot be written.
        """
        with self._lock():
            self._bytes_fetched, self._progress_due = 0, 0.0
            former = read_sync_state(self._device.state)
            try:
                result = self._check(progress, any_time=any_time)
            except Exception as error:
                state = self._save_state(
                    outcome="failed",
                    message=f"{type(error).__name__}: {error}",
                    checked_at=self._clock(),
                    fetching=None,
                )
                self._publish_change(former, state)
                raise
            state = self._save_state(
                outcome=result.outcome,
                message=result.message,
                source=self.settings.source,
                channel=self.channel,
                newest=result.newest or former.newest,
                expires_at=result.expires or former.expires_at,
                ends=result.ends or former.ends,
                clock=result.clock,
                checked_at=self._clock(),
                bytes_fetched=self._bytes_fetched,
                bytes_fetched_ever=former.bytes_fetched_ever + self._bytes_fetched,
                fetching=None,
            )
            self._publish_change(former, state)
            return self._save_state(next_check_at=next_check(state))

    def check_probation(self) -> ProbationStatus:
        """See `ProbationWatcher.check`; after a rollback, the state file and `publish` say so.

        Raises:
            ShelfError: The shelf cannot be changed now; check again.
        """
        probation = self.shelf.state().trial
        status = self.watcher.check()
        if status == "bad":
            active = self.shelf.active()
            if active is None or (probation is not None and active.name == probation.bundle):
                rollback = "there is nothing to go back to, it stays active"
            else:
                rollback = f"back to {active.name}"
            self._publish(
                self._save_state(outcome="gone-back", message=f"{self.watcher.reason}; {rollback}")
            )
        return status

    def roll_back(self) -> SyncState:
        """See `overrides.roll_back`."""
        skipped = overrides.roll_back(self.shelf)
        return self._save_state(
            outcome="declined", message=f"{skipped} was rolled back from by hand"
        )

    def pin(self, version: str) -> SyncState:
        """See `overrides.pin`."""
        pinned = overrides.pin(self.shelf, version)
        return self._save_state(outcome="pinned", message=f"{pinned} stays until it is unpinned")

    def unpin(self) -> SyncState:
        """See `overrides.unpin`."""
        newest = read_sync_state(self._device.state).newest
        overrides.unpin(self.shelf, newest.bundle if newest else None)
        if self.state().outcome in ("pinned", "declined"):
            return self._save_state(message=UNPINNED)
        return self._save_state()

    def store(self) -> Store:
        """See `configured_store`."""
        return configured_store(self.settings, self._device)

    def trust(self, store: Store) -> Trust:
        """See `configured_trust`."""
        return configured_trust(self.settings, self._device, store, self._clock)

    def _publish_change(self, former: SyncState, state: SyncState) -> None:
        if (state.outcome, state.newest) != (former.outcome, former.newest):
            self._publish(state)

    def seconds_until_window(self, late: float = 0.0) -> float:
        """Seconds until the window for catalogues opens next.

        Args:
            late: How late in it to come, so that devices do not all come at the same time: 0 for
                its beginning, 1 for a tenth of the interval later, or half of a short window.
        """
        window = self.settings.catalogue_window
        latest = min(0.1 * self.settings.interval_s, 0.5 * length_of(window))
        return seconds_until(window, self._clock().astimezone()) + late * latest

    @property
    def channel(self) -> str:
        """The channel that the fleet's owner wants, else the one in the settings."""
        return _channel(self._desired(), self.settings)

    def _check(self, progress: DownloadProgress, *, any_time: bool) -> CheckResult:
        desired = self._desired()
        try:
            fleet_pin.obey(self.shelf, desired, self._engine)
            store = self.store()
            trust = self.trust(store)
            trust.refresh()
            active = self.shelf.active()
            release = trust.newest(
                _channel(desired, self.settings),
                device_id(self._device.folder),
                active.name if active is not None else "",
                self._installer.is_refused,
            )
        except VisualSearchError as error:
            return result_of(error)

        def require_wanted() -> None:
            if self._desired() != desired:
                raise ShelfError(CHANGED)

        def count(here: int, total: int, fetched: int) -> None:
            self._bytes_fetched += fetched
            if time.monotonic() >= self._progress_due:
                require_wanted()
            self._save_progress(here, total)
            progress(here, total)

        reserve = self.settings.reserve_mb * 1_000_000
        puller = Puller(store, self.shelf, self._engine, reserve, count, require_wanted)
        try:
            window = self.settings.catalogue_window
            opened = any_time or is_open(window, self._clock().astimezone())
            held = fleet_pin.refusal(desired, release)
            if held:
                result = CheckResult("pinned", held)
            else:
                fleet_pin.make_way(self.shelf, desired, release, self._engine)
                result = self._installer.install(release, puller, wait_for="" if opened else window)
                fleet_pin.obey(self.shelf, desired, self._engine)
        except VisualSearchError as error:
            result = result_of(error)
        return replace(
            result,
            newest=Version(bundle=release.bundle, release=release.number),
            expires=release.expires,
            ends=release.ends,
            clock=result.clock or self._clock_problem(release),
        )

    def _save_progress(self, here: int, total: int) -> None:
        """Write how far the download is into the state file, every few seconds and at its end."""
        if time.monotonic() < self._progress_due and here < total:
            return
        self._progress_due = time.monotonic() + PROGRESS_INTERVAL_S
        with suppress(ShelfError):  # the download is more important
            self._save_state(fetching=Fetching(bytes=here, total=total, at=self._clock()))

    def _clock_problem(self, release: Release) -> str:
        """What is wrong with the clock: it cannot be earlier than the newest signature."""
        clock = self._clock()
        if release.issued is None or clock >= release.issued - MAX_CLOCK_SKEW:
            return ""
        return (
            f"this device's clock says {clock:%Y-%m-%d %H:%M} UTC, before the newest signature "
            f"({release.issued:%Y-%m-%d %H:%M}): set it; dates are held against the signature's"
        )

    def _save_state(self, **changes: object) -> SyncState:
        """Change the state file, under a lock: commands and ``sync run`` may do so together."""
        folder = self._device.state
        try:
            durable.make_private_folder(folder)
            with locked(folder / "sync.lock", wait=True):
                former = read_sync_state(folder)
                state = former.model_copy(update=changes | versions_on(self.shelf))
                write_sync_state(folder, state)
                return state
        except OSError as error:
            raise unwritable(folder, error) from error

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Let no other process of this device check at the same time."""
        try:
            durable.make_private_folder(self.shelf.folder)
            with locked(self.shelf.folder / "pull.lock"):
                yield
        except BlockingIOError as error:
            raise ShelfBusyError(
                f"{self.shelf.folder}: another sync is at work on this device; wait for it"
            ) from error
        except OSError as error:
            raise unwritable(self.shelf.folder, error) from error


def _channel(desired: Desired | None, settings: SyncSettings) -> str:
    return (desired.channel if desired is not None else None) or settings.channel
