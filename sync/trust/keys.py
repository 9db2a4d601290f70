"""The owner's keys: a folder of encrypted PEM files, and the roots that name them.

::

    root.json        the newest root: not secret, given to the devices
    roots/           all roots so far, each signed with the keys of the one before
    offline/         three root keys, two of which must sign: stored offline, on separate sticks
    publisher/       the key that signs the list of bundles: where bundles are published
    online/          the key that signs how new that list is: where ``sync refresh`` runs
    channels/<name>/ the key of a channel that has one of its own: where that channel is published
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api import exceptions
from tuf.api.metadata import Metadata, Root, Snapshot, T, Targets, Timestamp

from catalog.core import durable
from catalog.core.access import why_unwritable
from sync.errors import KeysError
from sync.trust.key_files import (
    PassphrasePrompt,
    find_keys,
    make_keys,
    open_keys,
    remove_others,
    sign_with,
)

ROOT_DAYS = 3652  # ten years: its keys are offline
CHANNELS = "channels"  # the folder of the keys that sign one channel each
# By folder: the roles that its keys sign, how many keys it holds, and how many must sign.
FOLDERS = {
    "offline": ((Root.type,), 3, 2),
    "publisher": ((Targets.type,), 1, 1),
    "online": ((Snapshot.type, Timestamp.type), 1, 1),
}


class KeyFolder:
    """The key folder at `folder`.

    Args:
        folder: As `create` made it; keys that are not needed may be elsewhere.
        passphrase: Asked when keys are opened or made.

    Attributes:
        root: The newest root.
        roots: The bytes of every root so far, by version.

    Raises:
        KeysError: It is not a key folder.
    """

    def __init__(self, folder: Path, passphrase: PassphrasePrompt) -> None:
        self.folder = folder
        self._passphrase = passphrase
        self._signers: dict[str, list[CryptoSigner]] = {}
        try:
            files = list((folder / "roots").glob("*.root.json"))
            found = {int(file.name.partition(".")[0]): file.read_bytes() for file in files}
            self.roots = dict(sorted(found.items()))
            if list(self.roots) != list(range(1, len(self.roots) + 1)) or not self.roots:
                raise KeysError(
                    f"{folder}: not a key folder (roots/1.root.json and on are not there); "
                    "make one with: visual-search sync keys init DIR"
                )
            self.root = Metadata[Root].from_bytes(self.roots[len(self.roots)]).signed
        except (OSError, ValueError, exceptions.RepositoryError) as error:
            raise KeysError(f"{folder}: its roots cannot be read: {error}") from error

    @classmethod
    def create(cls, folder: Path, passphrase: PassphrasePrompt) -> KeyFolder:
        """Make keys, and a root that names them, in a new folder.

        Raises:
            KeysError: The folder is not empty, or cannot be written.
        """
        try:
            if folder.exists() and any(folder.iterdir()):
                raise KeysError(f"{folder}: not empty; keys are only made in a folder of their own")
            durable.make_private_folder(folder.absolute())
            folder.chmod(0o700)  # it may have been there, empty
            root = Root()
            root.version = 0
            made = {
                name: make_keys(folder / name, name, count, passphrase)
                for name, (_, count, _) in FOLDERS.items()
            }
            _appoint(root, made)
            _write_root(folder, root, made["offline"])
        except OSError as error:
            raise KeysError(f"{folder}: cannot be written: {why_unwritable(error)}") from error
        return cls(folder, passphrase)

    def rotate(self, replaced: Collection[str]) -> KeyFolder:
        """Write the next root, with a new expiry, and new keys for the folders `replaced`.

        The root is signed with two of the former root keys and, where these are replaced, with
        the new ones too. Replaced keys are removed from the folder.

        Returns:
            The key folder with the new keys; this object still signs with the former ones.

        Raises:
            KeysError: Fewer than two root keys are here, or the folder cannot be written.
        """
        signers = self.signers("offline")
        try:
            made = {
                name: make_keys(self.folder / name, name, FOLDERS[name][1], self._passphrase)
                for name in replaced
            }
            root = Metadata[Root].from_bytes(self.roots[self.root.version]).signed
            for name in made:
                for role in FOLDERS[name][0]:
                    for key in list(root.roles[role].keyids):
                        root.revoke_key(key, role)
            _appoint(root, made)
            _write_root(self.folder, root, [*signers, *made.get("offline", [])])
            for name, new in made.items():
                remove_others(self.folder / name, new)
        except OSError as error:
            raise KeysError(f"{self.folder}: cannot be written: {why_unwritable(error)}") from error
        return KeyFolder(self.folder, self._passphrase)

    def sign(self, signed: T) -> bytes:
        """Sign a role's metadata with the keys that the newest root names for the role.

        Raises:
            KeysError: The keys are not here, or cannot be decrypted.
        """
        folder = next(name for name, (roles, *_) in FOLDERS.items() if signed.type in roles)
        return sign_with(signed, self.signers(folder))

    def holds(self, name: str) -> bool:
        """Whether enough of the keys in ``offline``, ``publisher`` or ``online`` are here."""
        role = self.root.roles[FOLDERS[name][0][0]]
        return len(find_keys(self.folder / name, role.keyids)) >= role.threshold

    def signers(self, name: str) -> list[CryptoSigner]:
        """The keys in ``offline``, ``publisher`` or ``online`` that the newest root names.

        Raises:
            KeysError: Too few of them are here, or they cannot be decrypted.
        """
        if name not in self._signers:
            role = self.root.roles[FOLDERS[name][0][0]]
            named = find_keys(self.folder / name, role.keyids)
            if len(named) < role.threshold:
                raise KeysError(
                    f"{self.folder / name}: {len(named)} of the {role.threshold} keys that must "
                    f"sign are here; bring their .pem files from where they are kept"
                )
            passphrase = self._passphrase(name, new=False)
            self._signers[name] = open_keys(named, role.keyids, role.threshold, passphrase)
        return self._signers[name]

    def make_channel_key(self, channel: str, store: str) -> CryptoSigner:
        """Make a key for a channel of a store, beside the former one.

        Args:
            channel: The channel.
            store: The store's address; it is in the file's name as a digest.

        Raises:
            KeysError: The folder cannot be written, or the passphrase is too short.
        """
        folder, name = self.folder / CHANNELS / channel, f"{CHANNELS}/{channel}"
        try:
            self._signers[name] = make_keys(folder, name, 1, self._passphrase, store_digest(store))
        except OSError as error:
            raise KeysError(f"{folder}: cannot be written: {why_unwritable(error)}") from error
        return self._signers[name][0]

    def remove_channel_keys(
        self,
        channel: str,
        store: str,
        key_ids: Collection[str],
        present: Collection[CryptoSigner] = (),
    ) -> None:
        """Remove the keys of a channel that do not sign it any more; those of other stores stay.

        Args:
            channel: The channel.
            store: The store's address.
            key_ids: The keys that signed it.
            present: Those that do now.

        Raises:
            KeysError: The folder cannot be written.
        """
        folder = self.folder / CHANNELS / channel
        try:
            remove_others(folder, present, f"*-{store_digest(store)}-*.pem", key_ids)
        except OSError as error:
            raise KeysError(f"{folder}: cannot be written: {why_unwritable(error)}") from error

    def channel_signers(self, channel: str, key_ids: Collection[str]) -> list[CryptoSigner]:
        """The key of a channel that has one of its own.

        Args:
            channel: The channel.
            key_ids: To which keys the owner delegated it.

        Raises:
            KeysError: It is not here, or cannot be decrypted.
        """
        name = f"{CHANNELS}/{channel}"
        if name not in self._signers:
            files = find_keys(self.folder / name, key_ids)
            if not files:
                raise KeysError(
                    f"{self.folder / name}: the channel {channel!r} has a key of its own, which is "
                    "not here; publish where it is, or take the channel back: "
                    "visual-search sync keys revoke SOURCE --channel " + channel
                )
            passphrase = self._passphrase(name, new=False)
            self._signers[name] = open_keys(files, key_ids, 1, passphrase)
        return self._signers[name]


def store_digest(url: str) -> str:
    """A store's address as it is in the names of the files that belong to this store."""
    return hashlib.sha256(url.encode()).hexdigest()[:12]


def expiry(days: float, moment: datetime | None = None) -> datetime:
    """The time `days` days after `moment`, or after now, in whole seconds."""
    return (moment or datetime.now(UTC)).replace(microsecond=0) + timedelta(days=days)


def _appoint(root: Root, made: dict[str, list[CryptoSigner]]) -> None:
    """Name the keys in the root, for the roles of their folders."""
    for name, signers in made.items():
        roles, _, threshold = FOLDERS[name]
        for role in roles:
            root.roles[role].threshold = threshold
            for signer in signers:
                root.add_key(signer.public_key, role)


def _write_root(folder: Path, root: Root, signers: list[CryptoSigner]) -> None:
    root.version += 1
    root.expires = expiry(ROOT_DAYS)
    data = sign_with(root, signers)
    durable.make_folder((folder / "roots").absolute())
    durable.write(folder / "roots" / f"{root.version}.root.json", data)
    durable.write(folder / "root.json", data)
