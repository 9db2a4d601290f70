"""Verify TUF's signed metadata, and compare it with what this machine has seen before.

python-tuf verifies the metadata (`the specification <https://theupdateframework.github.io/
specification/latest/>`_, section 5). `TrustedRepository` adds what a device in the field needs:

- The metadata files are flushed, so that after a power cut they are the old or the new ones. A
  damaged file is fetched again: verification always begins at the root that the owner gave.
- A rollback protection of its own: a device that has lost its metadata files still does not accept
  an older repository; see `sync.trust.rollback_protection`.
- The time that signatures are compared with is never before the newest ``issued`` of a verified
  timestamp. So a device whose clock begins in 1970 still notices an expired signature. The reading
  of the device's clock is never stored, so a wrong one has no effect once the clock is right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tuf.api.metadata import Metadata, Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.ngclient import Updater

from catalog.core import durable
from catalog.core.errors import ShelfBusyError, ShelfError
from catalog.core.locks import locked
from sync.errors import ExpiredError, ForgedError, RolledBackError, TooLargeError
from sync.stores.base import METADATA, TARGETS, Store
from sync.trust.delegations import LARGEST_LIST, ChannelList, check, delegation
from sync.trust.refusals import ANOTHER_STORE, expired_error, format_time, translated_errors
from sync.trust.release import is_number, issued_at
from sync.trust.renewal import SignatureExpiry, first_expiry
from sync.trust.rollback_protection import ListsSeenFile, NewestSeen, NewestSeenFile
from sync.trust.store_fetcher import StoreFetcher

LISTS_SEEN = "floor-of-lists"  # the file of `ListsSeen`
LOCK_TIMEOUT_S = 10.0  # while another process uses the folder
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)  # before any signature ends


def now() -> datetime:
    """The time by this machine's clock."""
    return datetime.now(UTC)


class TrustedRepository:
    """The trusted state of one repository, kept in a folder.

    Args:
        folder: Made when missing; one process uses it at a time.
        root: Bytes of the ``root.json`` that the owner gave.
        store: The repository.
        clock: Tells the time.
        check_expiry: False for the owner, who renews what has expired.
    """

    def __init__(
        self,
        folder: Path,
        root: bytes,
        store: Store,
        *,
        clock: Callable[[], datetime] = now,
        check_expiry: bool = True,
    ) -> None:
        self._folder = folder
        self._root = root
        self._fetcher = StoreFetcher(store)
        self._newest_seen = NewestSeenFile(folder / "floor", root)  # the file keeps its first name
        self._lists_seen = ListsSeenFile(folder / LISTS_SEEN, root)
        self._store = store
        self._clock = clock
        self._check_expiry = check_expiry
        self._updater: Updater | None = None
        self._current_updater: Updater | None = None

    def refresh(self) -> None:
        """Fetch and verify the newest signed state.

        Raises:
            TrustError: It cannot be trusted; its subclasses say why.
            StoreError: It could not be fetched.
            ShelfError: The folder cannot be used, or another process is using it.
        """
        self._updater = None
        with self._locked(), self._translated_errors():
            for temporary in (*self._folder.glob("tmp*"), *self._folder.rglob(".*")):
                temporary.unlink()  # of a process that was killed while it wrote
            try:
                self._updater = self._refreshed()
            finally:
                durable.flush_tree(self._folder)

    def target(self, path: str) -> TargetFile | None:
        """The signed length and digest of the target at `path`, after `refresh`; None for none.

        Raises:
            TrustError: The owner delegated it to a key whose list cannot be trusted.
            StoreError: That list could not be fetched.
        """
        if path in self.targets.targets:
            return self.targets.targets[path]
        return self._delegated(path).get(path)

    def signers(self, path: str) -> list[str]:
        """Ids of the keys that the owner delegated `path` to; none for what the owner signs."""
        role = delegation(self.targets, path.partition("/")[0])
        if path in self.targets.targets or role is None or path not in (role.paths or ()):
            return []
        return sorted(role.keyids)

    def channel_list(self, channel: str) -> ChannelList | None:
        """What the channel's own key has signed, after `refresh`; None for no such key.

        Raises:
            TrustError: It cannot be trusted; its subclasses say why.
            StoreError: It could not be fetched.
        """
        found = self.unchecked_list(channel)
        if found is not None:
            check(found, self._store.url)
        return found

    def unchecked_list(self, channel: str) -> ChannelList | None:
        """As `channel_list`, whatever the key has signed in it."""
        role = delegation(self.targets, channel)
        if role is None:
            return None
        updater, name = self._refreshed_updater, f"{role.name}.json"
        listed = self.snapshot.meta.get(name)
        if listed is None:
            raise ForgedError(
                f"{self._store.url}: the owner gave the channel {channel!r} a key of its own, and "
                f"the newest state has no list that it signed ({name})"
            )
        if not is_number(listed.version):
            raise ForgedError(
                f"{self._store.url}: the newest state counts {name} at a number that no list has; "
                "who signed that has the online key"
            )
        if (listed.length or 0) > LARGEST_LIST:
            raise TooLargeError(
                f"{self._store.url}: {name} has {listed.length} bytes, {LARGEST_LIST} are allowed"
            )
        with self._locked(), self._translated_errors(role.name):
            is_new = not updater._trusted_set.contains(role.name, Targets.type)
            try:
                signed = updater._load_targets(role.name, Targets.type)
            finally:
                if is_new:
                    durable.flush_tree(self._folder)
        return ChannelList(role, signed)

    def content(self, target: TargetFile, limit: int) -> bytes:
        """Fetch a small target and verify it.

        Raises:
            TooLargeError: It has more than `limit` bytes, or more than were signed.
            ForgedError: It is not what was signed.
            StoreError: It could not be fetched.
        """
        if target.length > limit:
            raise TooLargeError(
                f"{self._store.url}: {target.path} has {target.length} bytes, {limit} are allowed"
            )
        with self._translated_errors():
            data = self._fetcher.download_bytes(self._name(target), target.length)
            target.verify_length_and_hashes(data)
        return data

    @property
    def issued(self) -> datetime | None:
        """When the owner last signed the repository's state; None where that is not signed."""
        return issued_at(self.timestamp)

    @property
    def first_expiry(self) -> SignatureExpiry:
        """Which of the four signatures ends first, and when."""
        return first_expiry(self.root, self.targets, self.snapshot, self.timestamp)

    def first_expiry_for(self, path: str) -> SignatureExpiry:
        """As `first_expiry`; the signature of the key to which `path` was delegated counts, too."""
        found = self.channel_list(path.partition("/")[0]) if self.signers(path) else None
        signed = (self.root, self.targets, self.snapshot, self.timestamp)
        return first_expiry(*signed, own={found.role.name: found.signed} if found else None)

    @property
    def root(self) -> Root:
        """The newest root, after `refresh`."""
        return self._refreshed_updater._trusted_set.root

    @property
    def timestamp(self) -> Timestamp:
        """The newest timestamp, after `refresh`."""
        return self._refreshed_updater._trusted_set.timestamp

    @property
    def snapshot(self) -> Snapshot:
        """The newest snapshot, after `refresh`."""
        return self._refreshed_updater._trusted_set.snapshot

    @property
    def targets(self) -> Targets:
        """The newest list of targets, after `refresh`."""
        return self._refreshed_updater._trusted_set.targets

    @property
    def _refreshed_updater(self) -> Updater:
        if self._updater is None:
            raise RuntimeError("call `refresh` first")
        return self._updater

    def _delegated(self, path: str) -> dict[str, TargetFile]:
        """The targets that the key signed to which the owner delegated `path`."""
        if not self.signers(path):
            return {}
        found = self.channel_list(path.partition("/")[0])
        return found.signed.targets if found is not None else {}

    def _name(self, target: TargetFile) -> str:
        """The name of the target's object, with the digest in it as python-tuf builds it."""
        folder, slash, name = target.path.rpartition("/")
        if self.root.consistent_snapshot:
            name = f"{next(iter(target.hashes.values()))}.{name}"
        return f"{TARGETS}/{folder}{slash}{name}"

    def _refreshed(self) -> Updater:
        """Do the four steps of ``Updater.refresh``, with the rollback protection between them."""
        updater = Updater(
            str(self._folder), f"{METADATA}/", fetcher=self._fetcher, bootstrap=self._root
        )
        self._current_updater = updater
        trusted = updater._trusted_set
        self._set_time(updater, None)
        updater._load_root()
        newest_seen = self._checked_root(trusted.root)
        self._set_time(updater, newest_seen.issued)
        updater._load_timestamp()
        issued = issued_at(trusted.timestamp)
        if newest_seen.issued and (issued is None or issued < newest_seen.issued):
            raise RolledBackError(
                f"{self._store.url}: its state was signed {format_time(issued)}; "
                f"this device has seen one of {format_time(newest_seen.issued)}{ANOTHER_STORE}"
            )
        self._newest_seen.save(newest_seen, newest_seen.model_copy(update={"issued": issued}))
        self._set_time(updater, issued)
        updater._load_snapshot()
        updater._load_targets(Targets.type, Root.type)
        self._check_targets(trusted.targets, trusted.root)
        updater.config.targets_max_length = LARGEST_LIST  # from now on only lists of channels
        return updater

    def _set_time(self, updater: Updater, issued: datetime | None) -> None:
        time = max(self._clock(), issued or LONG_AGO) if self._check_expiry else LONG_AGO
        updater._trusted_set.reference_time = time

    def _checked_root(self, root: Root) -> NewestSeen:
        """Compare a root with the newest one seen; return what is still trusted under it."""
        newest_seen = self._newest_seen.read()
        if root.version < newest_seen.root:
            raise RolledBackError(
                f"{self._store.url}: root {root.version} is its newest; "
                f"this device has seen root {newest_seen.root}"
            )
        return self._newest_seen.save(newest_seen, newest_seen.under(root))

    def _check_targets(self, targets: Targets, root: Root) -> None:
        """Refuse an older list of the owner's, which would bring back what it delegated then."""
        former = self._lists_seen.read()
        seen = former.under(root)
        if targets.version < seen.targets:
            raise RolledBackError(
                f"{self._store.url}: list {targets.version} is the owner's newest; "
                f"this device has seen list {seen.targets}{ANOTHER_STORE}"
            )
        self._lists_seen.save(former, seen.model_copy(update={"targets": targets.version}))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            durable.make_private_folder(self._folder)
            with locked(self._folder / "lock", wait_s=LOCK_TIMEOUT_S):
                yield
        except BlockingIOError as error:
            raise ShelfBusyError(
                f"{self._folder}: another process is using it; try again"
            ) from error
        except OSError as error:
            raise ShelfError(f"{self._folder}: cannot be used: {error}") from error

    def _translated_errors(self, role: str = "") -> AbstractContextManager[None]:
        """Raise sync's errors in place of python-tuf's; `role`: a delegated one that is loaded."""
        return translated_errors(self._store.url, role, lambda: self._expired(role))

    def _expired(self, role: str) -> ExpiredError:
        """The error for an expired role: a trusted one, else the one that was fetched last."""
        assert self._current_updater is not None
        trusted = self._current_updater._trusted_set
        expired = [signed for signed in trusted if signed.is_expired(trusted.reference_time)]
        signed: Signed = expired[0] if expired else Metadata.from_bytes(self._fetcher.last).signed
        name = role or signed.type
        return expired_error(self._store.url, name, signed.expires, self._clock())
