"""The owner's side: put a bundle into a store, signed, so that devices take all of it or none.

The order is what makes it safe: files, manifest, targets, snapshot, and last the timestamp,
which alone says what is newest. Whoever dies before it leaves the channel on the old bundle.
All other names are new with every publish, and the timestamp is only written over the one
that was read, so of two publishers at once one is told so and nothing is broken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BufferedReader
from pathlib import Path

from tuf.api.metadata import MetaFile, Root, Snapshot, T, TargetFile, Targets, Timestamp

from catalog.bundles import validator
from catalog.bundles.manifest import MANIFEST, FileEntry, bundle_id, parse_manifest
from catalog.core.errors import BundleError, SurroundingsError
from sync.errors import ForgedError, KeysError, NotInStoreError, StoreConflictError, TrustError
from sync.stores.base import FILES, METADATA, TARGETS, Store, UploadProgress
from sync.trust.keys import KeyFolder, expiry
from sync.trust.renewal import SignatureExpiry, first
from sync.trust.trust import ISSUED, TIME, Trust, issued_at, manifest_path, now

DAYS = 400
TIMESTAMP = f"{METADATA}/timestamp.json"
LARGEST_TIMESTAMP = 16384  # bytes; as python-tuf's
CLOCKS_DIFFER = timedelta(hours=1)
ATTEMPTS = 100  # names left over by publishes that died

StartUpload = Callable[[int], UploadProgress]  # given the bytes to send, returns who hears of them


@dataclass(frozen=True)
class Published:
    """What a publish did.

    Attributes:
        channel: Its channel.
        release: Its number there.
        bundle: The bundle's id.
        files: How many files it has; `sent` of them were not in the store.
        bytes: Their size in all; `bytes_sent` of them were sent.
        expires, ends: When the first signature ends, and which role's that is; the root counts.
    """

    channel: str
    release: int
    bundle: str
    files: int
    sent: int
    bytes: int
    bytes_sent: int
    expires: datetime
    ends: str


@dataclass(frozen=True)
class _State:
    """What is in the store: the timestamp's tag there, and what is signed."""

    tag: str | None
    root: Root | None
    timestamp: Timestamp
    snapshot: Snapshot
    targets: Targets


class ReleasePublisher:
    """One who may sign for a repository.

    Args:
        store: The repository.
        keys: The owner's.
        clock: What the time is.
    """

    def __init__(self, store: Store, keys: KeyFolder, clock: Callable[[], datetime] = now) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock

    def publish(
        self,
        bundle: Path,
        channel: str,
        days: float = DAYS,
        engine: str = "auto",
        begin: StartUpload = lambda total: lambda count: None,
        again: bool = False,
    ) -> Published:
        """Publish a bundle in a channel.

        Args:
            bundle: Its folder; it must pass the gate.
            channel: Small letters, digits, ``.``, ``_`` and ``-``.
            days: How long the signatures are valid.
            engine: Which engine asks the bundle for its probes.
            begin: Told how many bytes will be sent, returns who hears of them.
            again: Send also the files that the store has, since they may be damaged there.

        Raises:
            BundleError: It is damaged, or did not pass the gate.
            KeysError: Keys are missing or do not open.
            StoreConflictError: Somebody else published meanwhile; nothing was changed.
            StoreError: The store failed; the channel stays at what it was.
            TrustError: What is in the store is not what this owner signed.
        """
        manifest_path(channel)
        passed = validator.validate(bundle, engine)
        return self.put(bundle, channel, days, begin, passed.bundle, again)

    def put(
        self,
        bundle: Path,
        channel: str,
        days: float = DAYS,
        begin: StartUpload = lambda total: lambda count: None,
        expected: str | None = None,
        again: bool = False,
    ) -> Published:
        """Publish without asking the gate; otherwise as `publish`.

        Args:
            bundle, channel, days, begin, again: See `publish`.
            expected: The bundle's id, where it has passed a check.
        """
        path = manifest_path(channel)
        content = _read(bundle / MANIFEST)
        manifest = parse_manifest(content, str(bundle / MANIFEST))
        identity = bundle_id(manifest, content)
        if expected not in (None, identity):
            raise BundleError(f"{bundle}: changed while it was checked; try again")
        state = self._state()
        for folder in ("publisher", "online"):
            self._keys.signers(folder)  # before anything is sent
        sent = self._send_files(bundle, manifest.files, begin, again)

        target = TargetFile.from_data(path, content, ["sha256"])
        release = _release(state.targets.targets.get(path)) + 1
        target.unrecognized_fields["custom"] = {
            "channel": channel,
            "release": release,
            "bundle": identity,
        }
        digest = target.hashes["sha256"]
        self._store.write(f"{TARGETS}/{channel}/{digest}.{MANIFEST}", content)
        state.targets.targets[path] = target
        self._sign(state, days, list_anew=True)
        ending = self._ending(state)
        return Published(
            channel,
            release,
            identity,
            len(manifest.files),
            len(sent),
            sum(entry.bytes for entry in manifest.files.values()),
            sum(entry.bytes for entry in sent),
            ending.expires,
            ending.role,
        )

    def refresh(self, days: float = DAYS) -> SignatureExpiry:
        """Renew snapshot and timestamp, for which the online key is enough.

        Returns:
            Which signature ends first now, and when.

        Raises:
            KeysError: Keys are missing or do not open.
            StoreError, TrustError: As for `publish`.
        """
        state = self._state()
        if state.tag is None:
            raise NotInStoreError(
                f"{self._store.url}: nothing was published yet; publish a bundle first"
            )
        # a list signed by a key that was replaced is believed by nobody
        replaced = _keys_of(state.root, Targets.type) != _keys_of(self._keys.root, Targets.type)
        self._sign(state, days, list_anew=replaced)
        return self._ending(state)

    def _ending(self, state: _State) -> SignatureExpiry:
        return first(self._keys.root, state.targets, state.snapshot, state.timestamp)

    def _state(self) -> _State:
        """What the store holds, verified; an owner must not sign what others put there."""
        found = self._store.head(TIMESTAMP)
        seen = (
            self._keys.folder / "seen" / hashlib.sha256(self._store.url.encode()).hexdigest()[:12]
        )
        if found is None:
            if seen.is_dir():
                raise TrustError(
                    f"{self._store.url}: this owner has published here, and it is gone. Devices "
                    "will not accept a beginning from nothing: bring the store's content back; "
                    f"or, if there are no devices yet, remove {seen}"
                )
            first = _State(None, None, Timestamp(), Snapshot(), Targets())
            for signed in (first.timestamp, first.snapshot, first.targets):
                signed.version = 0
            return first
        trust = Trust(seen, self._keys.roots[1], self._store, clock=self._clock, dates=False)
        try:
            trust.refresh()
        except ForgedError as error:
            raise ForgedError(
                f"{error}; is {self._keys.folder} this store's key folder?"
            ) from error
        if trust.root.version > self._keys.root.version:
            raise KeysError(
                f"{self._keys.folder}: its newest root is {self._keys.root.version}, the store's "
                f"is {trust.root.version}; bring roots/ from where keys were rotated last"
            )
        state = _State(found.etag, trust.root, trust.timestamp, trust.snapshot, trust.targets)
        same = _keys_of(state.root, Timestamp.type) == _keys_of(self._keys.root, Timestamp.type)
        if trust.issued and same and trust.issued > self._clock() + CLOCKS_DIFFER:
            raise SurroundingsError(
                f"{self._store.url}: was signed last at {trust.issued:{TIME}}, and this "
                f"machine's clock says {self._clock():{TIME}}. If this clock is wrong, set it; if "
                "not, that time is wrong, and a new online key makes devices forget it: "
                "visual-search sync keys rotate DIR --replace online"
            )
        return state

    def _send_files(
        self, bundle: Path, files: dict[str, FileEntry], begin: StartUpload, again: bool
    ) -> list[FileEntry]:
        """Send what the store does not have yet; a file's name there is its digest."""
        missing = {}
        for name, entry in files.items():
            found = None if again else self._store.head(f"{FILES}/{entry.sha256}")
            if found is None or found.bytes != entry.bytes:
                missing[entry.sha256] = (name, entry)
        progress = begin(sum(entry.bytes for _, entry in missing.values()))
        for name, entry in missing.values():
            with _opened(bundle / name) as file:
                # the open file, since another build may take the folder's place at any time
                if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
                    raise BundleError(f"{bundle}: {name} changed while it was published")
                file.seek(0)
                self._store.write(f"{FILES}/{entry.sha256}", file, progress=progress)
        return [entry for _, entry in missing.values()]

    def _sign(self, state: _State, days: float, list_anew: bool) -> None:
        """Sign, and write in the order that leaves no gap; the timestamp decides."""
        moment = self._clock()
        expires = expiry(days, moment)
        timestamp, snapshot, targets = state.timestamp, state.snapshot, state.targets
        if list_anew:
            targets.expires = expires
            snapshot.meta["targets.json"] = self._write_new(targets)
        elif targets.expires <= moment:
            raise KeysError(
                f"{self._store.url}: its list was valid until {targets.expires:{TIME}}; "
                "that takes the publisher's key: publish a bundle again"
            )
        snapshot.expires = timestamp.expires = expires
        timestamp.snapshot_meta = self._write_new(snapshot)
        timestamp.version += 1
        if _keys_of(state.root, Timestamp.type) == _keys_of(self._keys.root, Timestamp.type):
            before = issued_at(timestamp)  # devices go by it, so it never stands still
            moment = max(moment, before + timedelta(seconds=1)) if before else moment
        timestamp.unrecognized_fields[ISSUED] = f"{moment:{TIME}}"
        signed = self._keys.sign(timestamp)
        for version, root in self._keys.roots.items():
            name = f"{METADATA}/{version}.root.json"
            if self._store.head(name) is None:
                self._store.write(name, root)
        try:
            self._store.write(TIMESTAMP, signed, replaces=state.tag, new=state.tag is None)
        except StoreConflictError as error:
            # a write whose answer was lost and that was tried again conflicts with itself
            if self._store.read(TIMESTAMP, LARGEST_TIMESTAMP) == signed:
                return
            raise StoreConflictError(
                f"{self._store.url}: somebody else published at the same time, and was first; "
                "nothing was changed: try again"
            ) from error

    def _write_new(self, signed: T) -> MetaFile:
        """Write the next version of a role, under a name that nobody has used."""
        for _ in range(ATTEMPTS):
            signed.version += 1
            data = self._keys.sign(signed)
            try:
                self._store.write(f"{METADATA}/{signed.version}.{signed.type}.json", data, new=True)
            except StoreConflictError:  # left over by a publish that died, or one that is under way
                continue
            return MetaFile.from_data(signed.version, data, ["sha256"])
        raise StoreConflictError(f"{self._store.url}: the next {ATTEMPTS} versions are all taken")


def _release(target: TargetFile | None) -> int:
    number = (target.custom or {}).get("release", 0) if target else 0
    return number if isinstance(number, int) else 0


def _keys_of(root: Root | None, role: str) -> list[str] | None:
    return None if root is None else sorted(root.roles[role].keyids)


def _read(file: Path) -> bytes:
    with _opened(file) as opened:
        return opened.read()


def _opened(file: Path) -> BufferedReader:
    try:
        return file.open("rb")
    except OSError as error:
        raise BundleError(f"{file}: cannot be read: {error}") from error
