"""This device as the link sees it: what is checked, what is decided, what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from catalog.bundles import validator
from catalog.bundles.shelf import Shelf, is_sound, unwritable
from catalog.core import durable
from catalog.core.errors import (
    BundleError,
    DiskFullError,
    MissingExtraError,
    SettingsError,
    ShelfBusy,
    SlowBundleError,
    SurroundingsError,
    VisualSearchError,
)
from catalog.core.locks import locked
from catalog.core.settings import CatalogSettings, DeviceSettings, load
from catalog.core.state import (
    SyncState,
    Version,
    read_edge_state,
    read_sync_state,
    write_sync_state,
)
from sync.catalogues import overrides as by_hand
from sync.catalogues.probation import ProbationWatcher, Verdict
from sync.catalogues.pull import Puller
from sync.errors import ExpiredError, StoreError, TrustError
from sync.settings import SyncSettings
from sync.stores.base import Store
from sync.stores.choice import open_store
from sync.trust.root import factory_root
from sync.trust.trust import Release, Trust

SKEW = timedelta(minutes=5)  # of two clocks that are both right

Progress = Callable[[int, int], object]  # bytes here, of how many


@dataclass(frozen=True)
class CheckResult:
    """How a check went: a word, a sentence, and what was learned of the channel."""

    outcome: str
    message: str
    newest: Version | None = None
    expires: datetime | None = None
    ends: str = ""
    clock: str = ""


class ChannelFollower:
    """Follows one channel of one store.

    Args:
        settings: ``[sync]``.
        device: ``[device]``.
        engine: Which engine the gate asks.
        clock: What the time is.
        publish: Hears how checks end, when that is news.
    """

    def __init__(
        self,
        settings: SyncSettings,
        device: DeviceSettings,
        engine: str = "auto",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        publish: Callable[[SyncState], object] = lambda state: None,
    ) -> None:
        self.settings = settings
        self.shelf = Shelf(device.shelf)
        self.watcher = ProbationWatcher(self.shelf, lambda: read_edge_state(device.state), engine)
        self._device = device
        self._engine = engine
        self._clock = clock
        self._publish = publish
        self._fetched = 0
        self._verified_active = False  # whether the active version's files were

    @classmethod
    def from_settings(
        cls,
        config: Path | None,
        source: str | None = None,
        publish: Callable[[SyncState], object] = lambda state: None,
    ) -> ChannelFollower:
        """The device that the settings describe, or one that looks at `source` instead."""
        settings = load("sync", SyncSettings, config)
        if source is not None:
            settings = settings.model_copy(update={"source": source})
        engine = load("catalog", CatalogSettings, config).engine
        return cls(settings, load("device", DeviceSettings, config), engine, publish=publish)

    def state(self) -> SyncState:
        """What was last said, with the versions as they are on the shelf now."""
        return read_sync_state(self._device.state).model_copy(update=self._versions())

    def check(
        self,
        progress: Progress = lambda here, total: None,
        next_check: Callable[[SyncState], datetime | None] = lambda state: state.next_check_at,
    ) -> SyncState:
        """Look for a newer release and install it; whatever happens is said in the state file.

        Args:
            progress: Hears of bytes; what it raises goes through.
            next_check: When the next one is due, by the outcome of this one.

        Raises:
            ShelfError: Another process is at it, or the state cannot be written.
        """
        with self._alone():
            self._fetched = 0
            former = read_sync_state(self._device.state)
            try:
                said = self._check(progress)
            except Exception as error:
                state = self._save_state(
                    outcome="failed", message=f"{type(error).__name__}: {error}"
                )
                self._publish_change(former, state)
                raise
            state = self._save_state(
                outcome=said.outcome,
                message=said.message,
                source=self.settings.source,
                channel=self.settings.channel,
                newest=said.newest or former.newest,
                expires_at=said.expires or former.expires_at,
                ends=said.ends or former.ends,
                clock=said.clock,
                checked_at=self._clock(),
                bytes_fetched=self._fetched,
                bytes_fetched_ever=former.bytes_fetched_ever + self._fetched,
            )
            self._publish_change(former, state)
            return self._save_state(next_check_at=next_check(state))

    def watch(self) -> Verdict:
        """Look how edge lives with what was installed; a bundle taken back is said.

        Raises:
            ShelfError: The shelf cannot be changed just now; look again.
        """
        trial = self.shelf.state().trial
        verdict = self.watcher.look()
        if verdict == "bad":
            active = self.shelf.active()
            if active is None or (trial is not None and active.name == trial.bundle):
                back = "there is nothing to go back to, it stays active"
            else:
                back = f"back to {active.name}"
            self._publish(
                self._save_state(outcome="gone-back", message=f"{self.watcher.reason}; {back}")
            )
        return verdict

    def roll_back(self) -> SyncState:
        """See `by_hand.roll_back`."""
        left = by_hand.roll_back(self.shelf)
        return self._save_state(outcome="declined", message=f"{left} was rolled back from by hand")

    def pin(self, wanted: str) -> SyncState:
        """See `by_hand.pin`."""
        pinned = by_hand.pin(self.shelf, wanted)
        return self._save_state(outcome="pinned", message=f"{pinned} stays until it is unpinned")

    def unpin(self) -> SyncState:
        """See `by_hand.unpin`."""
        newest = read_sync_state(self._device.state).newest
        by_hand.unpin(self.shelf, newest.bundle if newest else None)
        return self._save_state()

    def store(self) -> Store:
        """The store that the settings name; nothing is asked of it yet.

        Raises:
            SettingsError, MissingExtraError: It cannot be asked.
        """
        from sync.credentials import session

        source = self.settings.source
        if not source:
            raise SettingsError(
                "[sync] source: not set; set it to s3://bucket/prefix or file:///folder"
            )
        return open_store(
            source,
            endpoint_url=self.settings.endpoint_url,
            region=self.settings.region,
            session=session(self.settings, self._device) if source.startswith("s3:") else None,
        )

    def trust(self, store: Store) -> Trust:
        """The trusted state of the repository in `store`.

        Raises:
            SettingsError: No root was given.
        """
        root = factory_root(self.settings.root, self._device.folder)
        return Trust(self._device.folder / "trust", root, store, clock=self._clock)

    def _publish_change(self, former: SyncState, state: SyncState) -> None:
        if (state.outcome, state.newest) != (former.outcome, former.newest):
            self._publish(state)

    def _check(self, progress: Progress) -> CheckResult:
        try:
            store = self.store()
            trust = self.trust(store)
            trust.refresh()
            release = trust.newest(self.settings.channel)
        except VisualSearchError as error:
            return result_of(error)

        def heard(here: int, total: int, fetched: int) -> None:
            self._fetched += fetched
            progress(here, total)

        reserve = self.settings.reserve_mb * 1_000_000
        puller = Puller(store, self.shelf, self._engine, reserve, heard)
        try:
            said = self._install(release, puller)
        except VisualSearchError as error:
            said = result_of(error)
        newest = Version(bundle=release.bundle, release=release.number)
        return replace(
            said,
            newest=newest,
            expires=release.expires,
            ends=release.ends,
            clock=said.clock or self._clock_problem(release),
        )

    def _install(self, release: Release, puller: Puller) -> CheckResult:
        """Bring the release, unless something speaks against it."""
        said = self._reason_to_skip(release)
        if said is None:
            try:
                puller.pull(release, read_edge_state(self._device.state))
            except BundleError as error:
                self._reject(release, error)
                said = CheckResult("rejected", f"release {release.number}: {error}")
            except DiskFullError as error:
                if error.__cause__ is not None:  # no room was left for anybody
                    puller.clean()
                raise
            else:
                said = CheckResult(
                    "installed", f"release {release.number}, {release.bundle}, is active"
                )
        puller.clean()
        return said

    def _reject(self, release: Release, error: BundleError) -> None:
        """Remember it, unless this device cannot even run what it runs.

        Raises:
            SurroundingsError: So it is; that says nothing of the release.
        """
        reason, active = str(error), self.shelf.active()
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
        with self.shelf.changing():
            ledger = self.shelf.state()
            self.shelf.save_state(ledger.with_rejected(release.bundle, reason, self._engine))

    def _reason_to_skip(self, release: Release) -> CheckResult | None:
        """Why a release is not to be installed; None where nothing speaks against it."""
        ledger, active = self.shelf.state(), self.shelf.active()
        what = f"release {release.number}, {release.bundle},"
        if ledger.pinned not in (None, release.bundle):
            return CheckResult("pinned", f"{ledger.pinned} is pinned; the newest is {what[:-1]}")
        reason = ledger.rejection(release.bundle, self._engine)
        if reason is not None:
            return CheckResult("rejected", f"{what} is not tried again: {reason}")
        declined = ledger.declined
        if (
            declined is not None
            and declined.bundle == release.bundle
            and (declined.release is None or release.number <= declined.release)
        ):
            if declined.release is None:  # it did not come from the channel: count from here
                known = declined.model_copy(update={"release": release.number})
                with self.shelf.changing():
                    self.shelf.save_state(self.shelf.state().model_copy(update={"declined": known}))
            return CheckResult(
                "declined",
                f"{what} was rolled back from by hand; a newer release will be installed, "
                "or this one after: visual-search sync unpin",
            )
        if active is not None and active.name == release.bundle and self._is_whole(active):
            if ledger.releases.get(release.bundle) != release.number:
                releases = ledger.releases | {release.bundle: release.number}
                with self.shelf.changing():
                    ledger = self.shelf.state()
                    self.shelf.save_state(ledger.model_copy(update={"releases": releases}))
            return CheckResult("up-to-date", f"{what} is active")
        return None

    def _is_whole(self, active: Path) -> bool:
        """Whether the active version is undamaged; looked at once, and when edge complains."""
        edge = read_edge_state(self._device.state)
        failed = edge is not None and (edge.phase, edge.bundle) == ("failed", active.name)
        if self._verified_active and not failed:
            return True
        self._verified_active = is_sound(active)
        return self._verified_active

    def _clock_problem(self, release: Release) -> str:
        """What is wrong with the clock: it cannot be earlier than what was signed."""
        clock = self._clock()
        if release.issued is None or clock >= release.issued - SKEW:
            return ""
        return (
            f"this device's clock says {clock:%Y-%m-%d %H:%M} UTC, before the newest signature "
            f"({release.issued:%Y-%m-%d %H:%M}): set it; dates are held against the signature's"
        )

    def _versions(self) -> dict[str, Version | str | None]:
        ledger = self.shelf.state()

        def version(folder: Path | None) -> Version | None:
            if folder is None:
                return None
            return Version(bundle=folder.name, release=ledger.releases.get(folder.name))

        return {
            "active": version(self.shelf.active()),
            "previous": version(self.shelf.previous()),
            "pinned": ledger.pinned,
        }

    def _save_state(self, **changes: object) -> SyncState:
        """Change what the state file says; commands and the running sync do it in turn."""
        folder = self._device.state
        try:
            durable.make_folder(folder)
            with locked(folder / "sync.lock", wait=True):
                former = read_sync_state(folder)
                state = former.model_copy(update=changes | self._versions())
                write_sync_state(folder, state)
                return state
        except OSError as error:
            raise unwritable(folder, error) from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One check at a time on this device."""
        try:
            durable.make_folder(self.shelf.folder)
            with locked(self.shelf.folder / "pull.lock"):
                yield
        except BlockingIOError as error:
            raise ShelfBusy(
                f"{self.shelf.folder}: another sync is at work on this device; wait for it"
            ) from error
        except OSError as error:
            raise unwritable(self.shelf.folder, error) from error


def result_of(error: VisualSearchError) -> CheckResult:
    """The word for an error."""
    if isinstance(error, ExpiredError):
        clock = (
            f"this device's clock says {error.clock:%Y-%m-%d %H:%M} UTC; if that is wrong, what "
            f"ended on {error.expired:%Y-%m-%d} may still be valid: set the clock"
        )
        return CheckResult(error.outcome, str(error), clock=clock)
    if isinstance(error, TrustError | StoreError):
        return CheckResult(error.outcome, str(error))
    if isinstance(error, DiskFullError):
        return CheckResult("disk-full", str(error))
    if isinstance(error, BundleError):  # refused before anything of it was fetched
        return CheckResult("rejected", str(error))
    if isinstance(error, SettingsError | MissingExtraError):
        return CheckResult("not-set-up", str(error))
    return CheckResult("failed", str(error))
