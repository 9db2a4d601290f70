"""The owner's signed metadata in a store: read and verify it, sign the next state, write that.

Metadata is written in an order that is safe at every point: the lists of targets, the snapshot, and
last the timestamp, which alone says what is newest. If the process is killed before that, the
store still has the former state. The names of all but the last are new with each state, and the
timestamp only replaces the one that was read. So of two owners who write at the same time, one
gets an error and nothing is broken.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import MetaFile, Snapshot, T, TargetFile, Targets, Timestamp

from catalog.core.errors import SurroundingsError
from sync.errors import (
    ForgedError,
    KeysError,
    NotInStoreError,
    StoreConflictError,
    StoreRefusedError,
    TrustError,
)
from sync.stores.base import METADATA, TARGETS, Store
from sync.trust.delegations import ChannelList, remove_foreign
from sync.trust.key_files import sign_with
from sync.trust.keys import KeyFolder, expiry, store_digest
from sync.trust.recovery import Recovered, is_replaced, recover
from sync.trust.release import ISSUED, TIME_FORMAT, is_number, issued_at
from sync.trust.renewal import SignatureExpiry, channel_of, first_expiry
from sync.trust.repository import TrustedRepository
from sync.trust.signed_state import SignedState

log = logging.getLogger(__name__)

TIMESTAMP = f"{METADATA}/timestamp.json"
MAX_TIMESTAMP_BYTES = 16384  # as python-tuf's
MAX_CLOCK_DIFFERENCE = timedelta(hours=1)
MAX_ATTEMPTS = 100  # names may be taken by publishes that were killed


class OwnerMetadata:
    """The metadata of one repository, as its owner reads and writes it.

    Args:
        store: The repository.
        keys: The owner's.
        clock: Tells the time.
    """

    def __init__(self, store: Store, keys: KeyFolder, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._repository: TrustedRepository | None = None
        self._recovered: Recovered | None = None

    def read_target(self, target: TargetFile, limit: int) -> bytes:
        """Read a small target of the state from the store.

        Raises:
            StoreError: It could not be read.
            tuf.api.exceptions.RepositoryError: It is not what was signed.
        """
        if "sha256" not in target.hashes:
            raise LengthOrHashMismatchError(f"{target.path} was signed without a sha256")
        data = self._store.read(_name_of(target), min(target.length, limit))
        target.verify_length_and_hashes(data)
        return data

    def add_target(
        self, state: SignedState, path: str, data: bytes, fields: Mapping[str, object]
    ) -> None:
        """Write a target into the store, and name it in the state that is to be signed.

        Args:
            state: The state.
            path: The target's path.
            data: Its bytes.
            fields: Signed with it.
        """
        target = TargetFile.from_data(path, data, ["sha256"])
        target.unrecognized_fields["custom"] = dict(fields)
        self._store.write(_name_of(target), data)
        state.put(target)

    def read(self, channel: str = "") -> SignedState:
        """Read and verify the metadata: an owner must not sign what others put into the store.

        Args:
            channel: Whose own list is read, too, if it has one.

        Raises:
            TrustError: It is not what this owner signed, or it is gone.
            KeysError: This key folder's root is older than the store's.
            SurroundingsError: It was signed at a later time than this machine's clock says.
            StoreError: It could not be read.
        """
        self._recovered = None
        found = self._store.head(TIMESTAMP)
        seen = self._keys.folder / "seen" / store_digest(self._store.url)
        if found is None:
            if seen.is_dir():
                raise TrustError(
                    f"{self._store.url}: this owner has published here, and it is gone. Devices "
                    "will not accept a beginning from nothing: bring the store's content back; "
                    f"or, if there are no devices yet, remove {seen}"
                )
            return SignedState.first()
        trust = TrustedRepository(
            seen, self._keys.roots[1], self._store, clock=self._clock, check_expiry=False
        )
        try:
            trust.refresh()
        except (TrustError, NotInStoreError, StoreRefusedError) as error:
            recovered = self._recover(seen, found.etag, channel)
            if recovered is not None:
                return recovered.state
            if not isinstance(error, ForgedError):
                raise
            raise ForgedError(
                f"{error}; is {self._keys.folder} this store's key folder? If it is, somebody else "
                "has signed with the online key: docs/sync.md, A stolen online key"
            ) from error
        if trust.root.version > self._keys.root.version:
            raise KeysError(
                f"{self._keys.folder}: its newest root is {self._keys.root.version}, the store's "
                f"is {trust.root.version}; bring roots/ from where keys were rotated last"
            )
        self._repository = trust
        state = SignedState(
            found.etag,
            trust.root,
            trust.timestamp,
            trust.snapshot,
            trust.targets,
            trust.channel_list(channel) if channel else None,
        )
        if (
            trust.issued
            and self._same_keys(state, Timestamp.type)
            and trust.issued > self._clock() + MAX_CLOCK_DIFFERENCE
        ):
            raise SurroundingsError(
                f"{self._store.url}: was signed last at {trust.issued:{TIME_FORMAT}}, and this "
                f"machine's clock says {self._clock():{TIME_FORMAT}}. If this clock is wrong, set "
                "it; if not, that time is wrong, and a new online key makes devices forget it: "
                "visual-search sync keys rotate DIR --replace online"
            )
        return state

    def channel_list(self, channel: str) -> ChannelList | None:
        """What the channel's own key has signed in the state that was read last.

        Raises:
            TrustError: It cannot be trusted; its subclasses say why.
            StoreError: It could not be fetched.
        """
        if self._recovered is not None:
            return self._recovered.lists.get(channel)
        return self._repository.channel_list(channel) if self._repository is not None else None

    def unchecked_list(self, channel: str) -> ChannelList | None:
        """As `channel_list`, whatever the key has signed in it: it must not be signed again."""
        if self._recovered is not None:
            return self._recovered.lists.get(channel)
        return self._repository.unchecked_list(channel) if self._repository is not None else None

    def _recover(self, seen: Path, tag: str, channel: str) -> Recovered | None:
        """Go on from the lists, where the online key that signed the state was replaced."""
        timestamp = self._store.read(TIMESTAMP, MAX_TIMESTAMP_BYTES)
        if is_replaced(timestamp, self._keys):
            self._recovered = recover(seen, self._store, self._keys, tag, channel, timestamp)
        return self._recovered

    def write(self, state: SignedState, days: float) -> SignatureExpiry:
        """Sign and write the lists that have changed, and that they are the newest.

        That takes the online key, and the publisher's or the channel's own.

        Args:
            state: From `read`, with changed targets.
            days: How long the signatures are valid.

        Returns:
            Which signature ends first, and when.

        Raises:
            KeysError: Keys are missing or cannot be decrypted.
            StoreConflictError: Another owner wrote at the same time; nothing was changed.
            StoreError: The store failed; its state is the former one.
        """
        moment = self._clock()
        if not self._same_keys(state, Targets.type):
            state.changed.add(Targets.type)
        self.check_keys(state)
        if Targets.type in state.changed and (names := remove_foreign(state.targets)):
            log.warning("the list delegated %s, which this program never does; it was ended", names)
        if state.root is not None and not self._same_keys(state, Snapshot.type):
            self._remove_unreadable(state)
        if state.channel is not None and state.channel.role.name in state.changed:
            self._write_list(state, state.channel.role.name, state.channel.signed, days, moment)
        if Targets.type in state.changed:
            self._write_list(state, Targets.type, state.targets, days, moment)
        return self._write_timestamp(state, days, moment)

    def check_keys(self, state: SignedState, *paths: str) -> None:
        """Check that the keys are here which sign what has changed, and what is at `paths`.

        Raises:
            KeysError: Some are not, or they cannot be decrypted.
        """
        for role in sorted(state.changed | {state.role_of(path) for path in paths}):
            self._signers(state, role)
        self._keys.signers("online")

    def renew(self, state: SignedState, days: float) -> SignatureExpiry:
        """Sign snapshot and timestamp again, for which the online key is enough.

        The list of targets is signed too where its key was replaced, since devices do not trust
        the former key any more; and, if its key is here and opens, where channels have keys of
        their own: their owner may have nothing to publish.

        Args:
            state: From `read`.
            days: How long the signatures are valid.

        Returns:
            Which signature ends first, and when.

        Raises:
            KeysError, StoreConflictError, StoreError: As for `write`.
        """
        moment = self._clock()
        is_valid = state.targets.expires > moment
        if not self._same_keys(state, Targets.type) or (
            state.targets.delegations is not None
            and self._keys.holds("publisher")
            and (not is_valid or self._opens_publisher())
        ):
            state.changed.add(Targets.type)
            return self.write(state, days)
        if not is_valid:
            raise KeysError(
                f"{self._store.url}: its list was valid until "
                f"{state.targets.expires:{TIME_FORMAT}}; that takes the publisher's key: publish "
                "a bundle again"
            )
        if state.root is not None and not self._same_keys(state, Snapshot.type):
            self._remove_unreadable(state)
        return self._write_timestamp(state, days, moment)

    def _opens_publisher(self) -> bool:
        """Whether the publisher's key opens; a scheduled refresh may know another passphrase."""
        try:
            self._keys.signers("publisher")
        except KeysError as error:
            log.warning("the list of who signs what is not renewed: %s", error)
            return False
        return True

    def _remove_unreadable(self, state: SignedState) -> None:
        """Name in the snapshot no list of a channel that cannot be trusted.

        Whoever has the former online key may have named one at any number. Devices forget what
        was signed with that key, so they do not miss it.
        """
        for name in [name for name in state.snapshot.meta if name != f"{Targets.type}.json"]:
            channel = channel_of(name.removesuffix(".json"))
            if name.removesuffix(".json") in state.changed:  # and is written next
                if not is_number(state.snapshot.meta[name].version):
                    del state.snapshot.meta[name]
                continue
            try:
                found = self.channel_list(channel) if channel else None
            except (TrustError, NotInStoreError, StoreRefusedError) as error:
                log.warning("%s is published no more: %s", name, error)
                found = None
            if found is None:
                del state.snapshot.meta[name]

    def _write_timestamp(
        self, state: SignedState, days: float, moment: datetime
    ) -> SignatureExpiry:
        """Sign and write the snapshot, the roots, and last the timestamp."""
        snapshot, timestamp = state.snapshot, state.timestamp
        snapshot.expires = timestamp.expires = expiry(days, moment)
        timestamp.snapshot_meta = self._write_version(
            Snapshot.type, snapshot, self._keys.signers("online")
        )
        timestamp.version += 1
        if self._same_keys(state, Timestamp.type):
            former = issued_at(timestamp)  # devices compare with it, so it must grow
            moment = max(moment, former + timedelta(seconds=1)) if former else moment
        timestamp.unrecognized_fields[ISSUED] = f"{moment:{TIME_FORMAT}}"
        signed = self._keys.sign(timestamp)
        for version, root in self._keys.roots.items():
            name = f"{METADATA}/{version}.root.json"
            if self._store.head(name) is None:
                self._store.write(name, root)
        self._replace_timestamp(signed, state.tag)
        own = {state.channel.role.name: state.channel.signed} if state.channel else None
        return first_expiry(self._keys.root, state.targets, snapshot, timestamp, own=own)

    def _replace_timestamp(self, signed: bytes, tag: str | None) -> None:
        try:
            self._store.write(TIMESTAMP, signed, replaces=tag, new=tag is None)
        except StoreConflictError as error:
            # A write whose answer was lost is tried again, and then conflicts with itself.
            if self._store.read(TIMESTAMP, MAX_TIMESTAMP_BYTES) == signed:
                return
            raise StoreConflictError(
                f"{self._store.url}: somebody else published at the same time, and was first; "
                "nothing was changed: try again"
            ) from error

    def _write_list(
        self, state: SignedState, role: str, signed: Targets, days: float, moment: datetime
    ) -> None:
        """Sign and write a list of targets, and name it in the snapshot."""
        listed = state.snapshot.meta.get(f"{role}.json")
        if listed is not None and channel_of(role):  # revoked and back, it goes on counting
            if not is_number(listed.version):
                raise ForgedError(
                    f"{self._store.url}: the newest state counts {role}.json at a number that no "
                    "list has; who signed that has the online key: visual-search sync keys rotate "
                    "DIR --replace online"
                )
            signed.version = max(signed.version, listed.version)
        signed.expires = expiry(days, moment)
        written = self._write_version(role, signed, self._signers(state, role))
        state.snapshot.meta[f"{role}.json"] = written

    def _signers(self, state: SignedState, role: str) -> list[CryptoSigner]:
        """The keys that sign a list of targets."""
        if state.channel is not None and role == state.channel.role.name:
            return self._keys.channel_signers(channel_of(role), state.channel.role.keyids)
        return self._keys.signers("publisher")

    def _write_version(self, role: str, signed: T, signers: list[CryptoSigner]) -> MetaFile:
        """Write the next version of a role, under a name that is not taken."""
        for _ in range(MAX_ATTEMPTS):
            signed.version += 1
            data = sign_with(signed, signers)
            try:
                self._store.write(f"{METADATA}/{signed.version}.{role}.json", data, new=True)
            except StoreConflictError:  # by a publish that was killed, or that is running
                continue
            return MetaFile.from_data(signed.version, data, ["sha256"])
        raise StoreConflictError(
            f"{self._store.url}: the next {MAX_ATTEMPTS} versions are all taken"
        )

    def _same_keys(self, state: SignedState, role: str) -> bool:
        """Whether the store's root names the same keys for a role as the owner's newest root."""
        if state.root is None:
            return False
        return set(state.root.roles[role].keyids) == set(self._keys.root.roles[role].keyids)


def _name_of(target: TargetFile) -> str:
    """The name of a target's object, with its digest in it, as devices look for it."""
    folder, slash, name = target.path.rpartition("/")
    return f"{TARGETS}/{folder}{slash}{target.hashes['sha256']}.{name}"
