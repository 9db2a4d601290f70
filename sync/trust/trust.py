"""Verify TUF's signed metadata, and compare it with what this machine has seen before.

python-tuf verifies the metadata (`the specification <https://theupdateframework.github.io/
specification/latest/>`_, section 5). `Trust` adds what a device in the field needs:

- The metadata files are flushed, so that after a power cut they are the old or the new ones. A
  damaged file is fetched again: verification always begins at the root that the owner gave.
- A rollback protection of its own: a device that has lost its metadata files still does not accept
  an older repository; see `sync.trust.rollback_protection`.
- The time that signatures are compared with is never before the newest ``issued`` of a verified
  timestamp. So a device whose clock begins in 1970 still notices an expired signature. The reading
  of the device's clock is never stored, so a wrong one has no effect once the clock is right.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tuf.api import exceptions
from tuf.api.metadata import Metadata, Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.ngclient import Updater

from catalog.bundles.manifest import LARGEST_MANIFEST, bundle_id, parse_manifest
from catalog.core import durable
from catalog.core.errors import ShelfBusyError, ShelfError
from catalog.core.locks import locked
from sync.errors import (
    ExpiredError,
    ForgedError,
    NotInStoreError,
    NotPublishedError,
    RolledBackError,
    StoreRefusedError,
    TooLargeError,
    TrustError,
    WrongChannelError,
)
from sync.stores.base import METADATA, TARGETS, Store
from sync.trust.changes import LARGEST_CHANGES
from sync.trust.release import (
    TIME_FORMAT,
    Release,
    SoftwareRelease,
    changes_path,
    issued_at,
    manifest_path,
    software_path,
    staged_changes_path,
    staged_path,
)
from sync.trust.renewal import SignatureExpiry, command, first_expiry
from sync.trust.rollback_protection import NewestSeen, NewestSeenFile
from sync.trust.staging import Stage
from sync.trust.store_fetcher import StoreFetcher

log = logging.getLogger(__name__)

ANOTHER_STORE = (
    ". Each store counts for itself: a stick for a device that follows a bucket must be a copy of "
    "that bucket"
)
LOCK_TIMEOUT_S = 10.0  # while another process uses the folder
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)  # before any signature ends


def now() -> datetime:
    """The time by this machine's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class _SignedTarget:
    """A release's target: its number, all fields that were signed with it, its bytes.

    `copy` is the file in which the bytes are kept.
    """

    target: TargetFile
    number: int
    fields: dict[str, object]
    content: bytes
    copy: Path


class Trust:
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

    def newest(
        self,
        channel: str,
        device: str = "",
        active: str = "",
        is_refused: Callable[[str, int], bool] = lambda bundle, release: False,
    ) -> Release:
        """The channel's newest release, after `refresh`.

        Args:
            channel: The channel.
            device: The device's id; without one, a staged release is passed over.
            active: The id of the device's active bundle; see `staging.Stage.is_for`.
            is_refused: Tells whether the device does not take a staged bundle, given its id and
                its release's number; such a release is passed over.

        Raises:
            NotPublishedError: There is none.
            TrustError: It cannot be trusted; its subclasses say why.
            StoreError: Its manifest could not be fetched.
        """
        path, changes = manifest_path(channel), changes_path(channel)
        copy = counted_as = channel
        staged = self.target(staged_path(channel)) if device else None
        stage = Stage.of(staged) if staged is not None else None
        if (
            stage is not None
            and stage.is_for(device, active)
            and not is_refused(stage.bundle, stage.release)
        ):
            path, changes = staged_path(channel), staged_changes_path(channel)
            copy, counted_as = f"{channel}+staged", path
        signed = self._newest(channel, path, self._folder / "manifests" / copy)
        bundle = signed.fields.get("bundle")
        manifest = parse_manifest(signed.content, f"{self._store.url}: {path}")
        if bundle_id(manifest, signed.content) != bundle:
            raise ForgedError(f"{self._store.url}: {path} is not the manifest of {bundle}")
        self._remember(signed, counted_as)
        expiry = self.first_expiry
        return Release(
            channel,
            signed.number,
            str(bundle),
            signed.content,
            self.issued,
            expiry.expires,
            expiry.role,
            self._changes(changes, str(bundle), self._folder / "changes" / copy),
        )

    def newest_software(self, channel: str) -> SoftwareRelease:
        """The newest release of the program in a channel, after `refresh`.

        Raises:
            NotPublishedError: There is none.
            TrustError: It cannot be trusted; its subclasses say why.
            StoreError: Its list could not be fetched.
        """
        path = software_path(channel)
        signed = self._newest(channel, path, self._folder / "software" / channel)
        self._remember(signed, path)
        return SoftwareRelease(channel, signed.number, signed.content)

    def target(self, path: str) -> TargetFile | None:
        """The signed length and digest of the target at `path`, after `refresh`; None for none."""
        with self._locked(), self._translated_errors():
            return self._refreshed_updater.get_targetinfo(path)

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

    def _newest(self, channel: str, path: str, copy: Path) -> _SignedTarget:
        """The target at `path` of a channel, as it is signed now; `copy` may hold its bytes."""
        target = self.target(path)
        if target is None:
            what = "a bundle" if path == manifest_path(channel) else "the program"
            raise NotPublishedError(
                f"{self._store.url}: nothing was published in the channel {channel!r}; "
                f"check its name, or publish {what} in it"
            )
        content = self._stored(copy, target) or self.content(target, LARGEST_MANIFEST)
        fields = target.custom if isinstance(target.custom, dict) else {}
        number = fields.get("release")
        if fields.get("channel") != channel:
            raise WrongChannelError(
                f"{self._store.url}: what is in the channel {channel!r} was signed for "
                f"{fields.get('channel')!r}"
            )
        if type(number) is not int or number < 1:
            raise ForgedError(f"{self._store.url}: {path} has no release number")
        return _SignedTarget(target, number, fields, content, copy)

    def _changes(self, path: str, bundle: str, copy: Path) -> bytes:
        """What changed in a bundle; empty where that is not known: then all is fetched whole."""
        try:
            target = self.target(path)
            if target is None or (target.custom or {}).get("bundle") != bundle:
                return b""
            content = self._stored(copy, target)
            if content is None:
                content = self.content(target, LARGEST_CHANGES)
                with self._locked():
                    durable.make_private_folder(copy.parent)
                    durable.write(copy, content)
        except (NotInStoreError, StoreRefusedError, TrustError) as error:
            log.warning("what changed in %s is not known: %s", bundle, error)
            return b""
        return content

    def _remember(self, signed: _SignedTarget, counted_as: str) -> None:
        """Refuse an older release than was seen; keep this one's number and content.

        Args:
            signed: What is offered.
            counted_as: Under which name its numbers are remembered.
        """
        with self._locked():
            newest_seen = self._newest_seen.read()
            seen = newest_seen.releases.get(counted_as, 0)
            if signed.number < seen:
                raise RolledBackError(
                    f"{self._store.url}: release {signed.number} of {counted_as!r} is offered; "
                    f"this device has seen release {seen}{ANOTHER_STORE}"
                )
            if signed.number > seen:
                newer = newest_seen.with_release(counted_as, signed.number)
                self._newest_seen.save(newest_seen, newer)
            if self._stored(signed.copy, signed.target) is None:
                durable.make_private_folder(signed.copy.parent)
                durable.write(signed.copy, signed.content)

    def _stored(self, file: Path, target: TargetFile) -> bytes | None:
        """The bytes that were stored in `file`, if these are what is signed now."""
        try:
            with file.open("rb") as stored:
                target.verify_length_and_hashes(stored)
            return file.read_bytes()
        except (OSError, exceptions.LengthOrHashMismatchError):
            return None

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
                f"{self._store.url}: its state was signed {_format(issued)}; "
                f"this device has seen one of {_format(newest_seen.issued)}{ANOTHER_STORE}"
            )
        self._newest_seen.save(newest_seen, newest_seen.model_copy(update={"issued": issued}))
        self._set_time(updater, issued)
        updater._load_snapshot()
        updater._load_targets(Targets.type, Root.type)
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

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Raise sync's errors in place of python-tuf's."""
        url = self._store.url
        try:
            yield
        except exceptions.DownloadHTTPError as error:  # its cause is the store's error
            raise (error.__cause__ or error) from None
        except exceptions.DownloadLengthMismatchError as error:
            raise TooLargeError(f"{url}: {error}") from error
        except exceptions.ExpiredMetadataError as error:
            raise self._expired() from error
        except exceptions.BadVersionNumberError as error:
            raise RolledBackError(
                f"{url}: older than what was seen: {error}{ANOTHER_STORE}"
            ) from error
        except exceptions.UnsignedMetadataError as error:
            raise ForgedError(
                f"{url}: not signed by enough of the owner's keys: {error}"
            ) from error
        except exceptions.RepositoryError as error:
            raise ForgedError(f"{url}: not what the owner signed: {error}") from error

    def _expired(self) -> ExpiredError:
        """The error for an expired role: a trusted one, else the one that was fetched last."""
        assert self._current_updater is not None
        trusted = self._current_updater._trusted_set
        expired = [role for role in trusted if role.is_expired(trusted.reference_time)]
        signed: Signed = expired[0] if expired else Metadata.from_bytes(self._fetcher.last).signed
        clock = self._clock()
        return ExpiredError(
            f"{self._store.url}: the owner's signature ({signed.type}) was valid until "
            f"{_format(signed.expires)}; this device's clock says {_format(clock)}. If the clock "
            f"is wrong, set it; if not, the owner has to run: {command(signed.type)}",
            signed.expires,
            clock,
        )


def _format(time: datetime | None) -> str:
    return "without a date" if time is None else time.strftime(TIME_FORMAT)
