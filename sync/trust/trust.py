"""Whom to believe: TUF's signed metadata, held against what this machine has seen before.

python-tuf does the verifying (`the specification <https://theupdateframework.github.io/
specification/latest/>`_, section 5). Around it stands what a device in the field needs:

- Its files are flushed, so that a power cut leaves what was there or what is new. A damaged
  file is fetched again: the root that the owner gave is always the beginning.
- A floor of our own, flushed too: with its other files lost, a device still does not accept an
  older repository; see `sync.trust.rollback_protection`.
- Time never runs behind the newest ``issued`` of a timestamp that was verified, so a device
  that boots in 1970 still notices what has expired. The device's own clock is never stored:
  a wrong reading is forgotten as soon as the clock is right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tuf.api import exceptions
from tuf.api.metadata import Metadata, Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.ngclient import FetcherInterface, Updater

from catalog.bundles.manifest import LARGEST_MANIFEST, bundle_id, parse_manifest
from catalog.core import durable
from catalog.core.errors import ShelfBusy, ShelfError
from catalog.core.locks import locked
from sync.errors import (
    ExpiredError,
    ForgedError,
    NotInStoreError,
    NotPublishedError,
    RolledBackError,
    StoreRefusedError,
    StoreTooLargeError,
    TooLargeError,
    WrongChannelError,
)
from sync.stores.base import METADATA, TARGETS, Store
from sync.trust.renewal import SignatureExpiry, command, first
from sync.trust.rollback_protection import NewestSeen, NewestSeenFile

ISSUED = "issued"  # our field in the timestamp role
TIME = "%Y-%m-%dT%H:%M:%SZ"
CHANNEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
ANOTHER_STORE = (
    ". Each store counts for itself: a stick for a device that follows a bucket must be a copy of "
    "that bucket"
)
PATIENCE_S = 10.0  # with another process
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)  # nothing had expired by then


@dataclass(frozen=True)
class Release:
    """The newest of a channel, as its owner signed it.

    Attributes:
        channel: Its channel.
        number: Counts up by one with every publish in the channel.
        bundle: The bundle's id.
        manifest: Its ``manifest.json``, verified; `manifest.parse_manifest` reads it.
        issued: When the owner last signed the repository's state, if that is said.
        expires: When the first of the signatures ends, which is that of the role `ends`.
    """

    channel: str
    number: int
    bundle: str
    manifest: bytes
    issued: datetime | None
    expires: datetime
    ends: str = ""


def now() -> datetime:
    """What this machine's clock says."""
    return datetime.now(UTC)


class Trust:
    """The trusted state of one repository, kept in a folder.

    Args:
        folder: Where it is kept; made when missing. One process at a time.
        root: Bytes of the ``root.json`` that the owner gave.
        store: The repository.
        clock: What the time is.
        dates: False for the owner, who renews what has expired.
    """

    def __init__(
        self,
        folder: Path,
        root: bytes,
        store: Store,
        *,
        clock: Callable[[], datetime] = now,
        dates: bool = True,
    ) -> None:
        self._folder = folder
        self._root = root
        self._fetcher = _Fetcher(store)
        self._floor = NewestSeenFile(folder / "floor", root)
        self._store = store
        self._clock = clock
        self._dates = dates
        self._updater: Updater | None = None
        self._trying: Updater | None = None

    def refresh(self) -> None:
        """Fetch and verify the newest signed state.

        Raises:
            TrustError: It cannot be believed; see its subclasses for why.
            StoreError: It could not be fetched.
            ShelfError: The folder cannot be used, or another process is using it.
        """
        self._updater = None
        with self._locked(), self._named():
            for left in (*self._folder.glob("tmp*"), *self._folder.rglob(".*")):
                left.unlink()  # of a process that was killed while it wrote
            try:
                self._updater = self._refreshed()
            finally:
                durable.flush_tree(self._folder)

    def newest(self, channel: str) -> Release:
        """The channel's newest release, after `refresh`.

        Raises:
            NotPublishedError: There is none.
            TrustError: It cannot be believed; see its subclasses for why.
            StoreError: Its manifest could not be fetched.
        """
        path = manifest_path(channel)
        target = self.target(path)
        if target is None:
            raise NotPublishedError(
                f"{self._store.url}: nothing was published in the channel {channel!r}; "
                "check its name, or publish a bundle in it"
            )
        kept = self._folder / "manifests" / channel
        data = self._kept(kept, target) or self.content(target, LARGEST_MANIFEST)
        said = target.custom if isinstance(target.custom, dict) else {}
        number, bundle = said.get("release"), said.get("bundle")
        if said.get("channel") != channel:
            raise WrongChannelError(
                f"{self._store.url}: what is in the channel {channel!r} was signed for "
                f"{said.get('channel')!r}"
            )
        if type(number) is not int or number < 1:
            raise ForgedError(f"{self._store.url}: {path} has no release number")
        manifest = parse_manifest(data, f"{self._store.url}: {path}")
        if bundle_id(manifest, data) != bundle:
            raise ForgedError(f"{self._store.url}: {path} is not the manifest of {bundle}")
        with self._locked():
            floor = self._floor.read()
            seen = floor.releases.get(channel, 0)
            if number < seen:
                raise RolledBackError(
                    f"{self._store.url}: release {number} of {channel!r} is offered; "
                    f"this device has seen release {seen}{ANOTHER_STORE}"
                )
            if number > seen:
                self._floor.keep(floor, floor.seen(channel, number))
            if self._kept(kept, target) is None:
                durable.make_folder(kept.parent)
                durable.write(kept, data)
        ending = self.ending
        return Release(channel, number, str(bundle), data, self.issued, ending.expires, ending.role)

    def target(self, path: str) -> TargetFile | None:
        """What is signed of the target at `path`, after `refresh`; None if nothing is."""
        with self._locked(), self._named():
            return self._refreshed_updater.get_targetinfo(path)

    def content(self, target: TargetFile, limit: int) -> bytes:
        """Fetch a small target and hold it against what was signed.

        Raises:
            TooLargeError: More than `limit` bytes were signed, or more than signed are sent.
            ForgedError: It is not what was signed.
            StoreError: It could not be fetched.
        """
        if target.length > limit:
            raise TooLargeError(
                f"{self._store.url}: {target.path} has {target.length} bytes, {limit} are allowed"
            )
        with self._named():
            data = self._fetcher.download_bytes(self._name(target), target.length)
            target.verify_length_and_hashes(data)
        return data

    @property
    def issued(self) -> datetime | None:
        """When the owner last signed the repository's state, if that is said."""
        return issued_at(self.timestamp)

    @property
    def ending(self) -> SignatureExpiry:
        """Which of the four signatures ends first, and when."""
        return first(self.root, self.targets, self.snapshot, self.timestamp)

    @property
    def root(self) -> Root:
        """The newest root, after `refresh`."""
        return self._refreshed_updater._trusted_set.root

    @property
    def timestamp(self) -> Timestamp:
        """What is signed of the newest state, after `refresh`."""
        return self._refreshed_updater._trusted_set.timestamp

    @property
    def snapshot(self) -> Snapshot:
        """Which versions belong together, after `refresh`."""
        return self._refreshed_updater._trusted_set.snapshot

    @property
    def targets(self) -> Targets:
        """The owner's signed list, after `refresh`."""
        return self._refreshed_updater._trusted_set.targets

    @property
    def _refreshed_updater(self) -> Updater:
        if self._updater is None:
            raise RuntimeError("refresh first")
        return self._updater

    def _kept(self, file: Path, target: TargetFile) -> bytes | None:
        """What was fetched before, if it is what is signed now."""
        try:
            with file.open("rb") as kept:
                target.verify_length_and_hashes(kept)
            return file.read_bytes()
        except (OSError, exceptions.LengthOrHashMismatchError):
            return None

    def _name(self, target: TargetFile) -> str:
        """Where the target's content lies; python-tuf's rule for hashes in names."""
        folder, slash, name = target.path.rpartition("/")
        if self.root.consistent_snapshot:
            name = f"{next(iter(target.hashes.values()))}.{name}"
        return f"{TARGETS}/{folder}{slash}{name}"

    def _refreshed(self) -> Updater:
        """``Updater.refresh`` in its four steps, since ours come between them."""
        updater = Updater(
            str(self._folder), f"{METADATA}/", fetcher=self._fetcher, bootstrap=self._root
        )
        self._trying = updater
        trusted = updater._trusted_set
        self._set_time(updater, None)
        updater._load_root()
        floor = self._floor_under(trusted.root)
        self._set_time(updater, floor.issued)
        updater._load_timestamp()
        issued = issued_at(trusted.timestamp)
        if floor.issued and (issued is None or issued < floor.issued):
            raise RolledBackError(
                f"{self._store.url}: its state was signed {_said(issued)}; "
                f"this device has seen one of {_said(floor.issued)}{ANOTHER_STORE}"
            )
        self._floor.keep(floor, floor.model_copy(update={"issued": issued}))
        self._set_time(updater, issued)
        updater._load_snapshot()
        updater._load_targets(Targets.type, Root.type)
        return updater

    def _set_time(self, updater: Updater, issued: datetime | None) -> None:
        time = max(self._clock(), issued or LONG_AGO) if self._dates else LONG_AGO
        updater._trusted_set.reference_time = time

    def _floor_under(self, root: Root) -> NewestSeen:
        """The floor that still holds under this root, and is raised to it."""
        floor = self._floor.read()
        if root.version < floor.root:
            raise RolledBackError(
                f"{self._store.url}: root {root.version} is its newest; "
                f"this device has seen root {floor.root}"
            )
        return self._floor.keep(floor, floor.under(root))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            durable.make_folder(self._folder)
            with locked(self._folder / "lock", wait_s=PATIENCE_S):
                yield
        except BlockingIOError as error:
            raise ShelfBusy(f"{self._folder}: another process is using it; try again") from error
        except OSError as error:
            raise ShelfError(f"{self._folder}: cannot be used: {error}") from error

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Give python-tuf's errors our names."""
        url = self._store.url
        try:
            yield
        except exceptions.DownloadHTTPError as error:  # wrapped by our fetcher
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
        """The first that has expired: one already trusted, else what was fetched last."""
        assert self._trying is not None
        trusted = self._trying._trusted_set
        ended = [one for one in trusted if one.is_expired(trusted.reference_time)]
        signed: Signed = ended[0] if ended else Metadata.from_bytes(self._fetcher.last).signed
        clock = self._clock()
        return ExpiredError(
            f"{self._store.url}: the owner's signature ({signed.type}) was valid until "
            f"{_said(signed.expires)}; this device's clock says {_said(clock)}. If the clock is "
            f"wrong, set it; if not, the owner has to run: {command(signed.type)}",
            signed.expires,
            clock,
        )


class _Fetcher(FetcherInterface):
    """Lets python-tuf read from a `Store`; what goes wrong there keeps its own error."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.last = b""

    def _fetch(self, url: str) -> Iterator[bytes]:
        # The interface wants it; `download_bytes`, all that is asked of us, is replaced below.
        raise NotImplementedError(f"{url}: without a bound nothing is fetched")

    def download_bytes(self, url: str, max_length: int) -> bytes:
        try:
            self.last = self._store.read(url, max_length)
        except (NotInStoreError, StoreRefusedError) as error:
            # no next root; S3 refuses to say that something is absent to who may not list
            status = 404 if isinstance(error, NotInStoreError) else 403
            raise exceptions.DownloadHTTPError(str(error), status) from error
        except StoreTooLargeError as error:
            raise exceptions.DownloadLengthMismatchError(str(error)) from error
        return self.last


def manifest_path(channel: str) -> str:
    """The target path of a channel's manifest.

    Raises:
        NotPublishedError: That is no name for a channel.
    """
    if not CHANNEL.fullmatch(channel):
        raise NotPublishedError(
            f"{channel!r} is no name for a channel: small letters, digits, '.', '_' and '-', "
            "at most 63"
        )
    return f"{channel}/manifest.json"


def issued_at(timestamp: Timestamp) -> datetime | None:
    """When a timestamp was signed, if it says so.

    Raises:
        ForgedError: What it says is no time.
    """
    said = timestamp.unrecognized_fields.get(ISSUED)
    if said is None:
        return None
    try:
        return datetime.strptime(said, TIME).replace(tzinfo=UTC)
    except (TypeError, ValueError) as error:
        raise ForgedError(f"{said!r} is no time of issue") from error


def _said(time: datetime | None) -> str:
    return "without a date" if time is None else time.strftime(TIME)
