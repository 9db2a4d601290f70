"""The owner's keys: a folder of encrypted PEM files, and the roots that name them.

::

    root.json        the newest root: not secret, given to the devices
    roots/           all roots so far, each signed with the keys of the one before
    offline/         three root keys, two of which must sign: stored offline, on separate sticks
    publisher/       the key that signs the list of bundles: where bundles are published
    online/          the key that signs how new that list is: where ``sync refresh`` runs
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner
from tuf.api import exceptions
from tuf.api.metadata import Metadata, Root, Snapshot, T, Targets, Timestamp

from catalog.core import durable
from sync.errors import KeysError

ROOT_DAYS = 3652  # ten years: its keys are offline
MIN_PASSPHRASE = 12  # characters; guesses at an encrypted PEM file are fast
# By folder: the roles that its keys sign, how many keys it holds, and how many must sign.
FOLDERS = {
    "offline": ((Root.type,), 3, 2),
    "publisher": ((Targets.type,), 1, 1),
    "online": ((Snapshot.type, Timestamp.type), 1, 1),
}


class PassphrasePrompt(Protocol):
    """Asks for a passphrase."""

    def __call__(self, folder: str, *, new: bool) -> bytes:
        """The passphrase of ``offline``, ``publisher`` or ``online``; `new`: for new keys."""


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
            made = {name: _make(folder / name, name, passphrase) for name in FOLDERS}
            _appoint(root, made)
            _write_root(folder, root, made["offline"])
        except OSError as error:
            raise KeysError(f"{folder}: cannot be written: {error}") from error
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
            made = {name: _make(self.folder / name, name, self._passphrase) for name in replaced}
            root = Metadata[Root].from_bytes(self.roots[self.root.version]).signed
            for name in made:
                for role in FOLDERS[name][0]:
                    for key in list(root.roles[role].keyids):
                        root.revoke_key(key, role)
            _appoint(root, made)
            _write_root(self.folder, root, [*signers, *made.get("offline", [])])
            for name, new in made.items():
                names = {_file_name(name, signer) for signer in new}
                for file in (self.folder / name).glob("*.pem"):
                    if file.name not in names:
                        file.unlink()
        except OSError as error:
            raise KeysError(f"{self.folder}: cannot be written: {error}") from error
        return KeyFolder(self.folder, self._passphrase)

    def sign(self, signed: T) -> bytes:
        """Sign a role's metadata with the keys that the newest root names for the role.

        Raises:
            KeysError: The keys are not here, or cannot be decrypted.
        """
        folder = next(name for name, (roles, *_) in FOLDERS.items() if signed.type in roles)
        return _signed(signed, self.signers(folder))

    def signers(self, name: str) -> list[CryptoSigner]:
        """The keys in ``offline``, ``publisher`` or ``online`` that the newest root names.

        Raises:
            KeysError: Too few of them are here, or they cannot be decrypted.
        """
        if name not in self._signers:
            role = self.root.roles[FOLDERS[name][0][0]]
            files = sorted((self.folder / name).glob("*.pem"))
            key_ids = {key_id[:8] for key_id in role.keyids}
            named = [file for file in files if _key_id(file) in key_ids]
            if len(named) < role.threshold:
                raise KeysError(
                    f"{self.folder / name}: {len(named)} of the {role.threshold} keys that must "
                    f"sign are here; bring their .pem files from where they are kept"
                )
            passphrase = self._passphrase(name, new=False)
            signers = [_open(file, passphrase) for file in named]
            self._signers[name] = [
                signer for signer in signers if signer.public_key.keyid in role.keyids
            ]
        return self._signers[name]


def read_passphrase(file: Path) -> bytes:
    """Read the first line of a file that only its owner may read.

    Raises:
        KeysError: Others may read it, it is empty, or it cannot be read.
    """
    try:
        if file.stat().st_mode & 0o077:
            raise KeysError(f"{file}: others may read this passphrase; run: chmod 600 {file}")
        passphrase = (file.read_bytes().splitlines() or [b""])[0]
    except OSError as error:
        raise KeysError(f"{file}: cannot be read: {error.strerror}") from error
    if not passphrase:
        raise KeysError(f"{file}: is empty; write a passphrase into it")
    return passphrase


def expiry(days: float, moment: datetime | None = None) -> datetime:
    """The time `days` days after `moment`, or after now, in whole seconds."""
    return (moment or datetime.now(UTC)).replace(microsecond=0) + timedelta(days=days)


def _make(folder: Path, name: str, passphrase: PassphrasePrompt) -> list[CryptoSigner]:
    """Make the keys of a folder, and write them encrypted."""
    folder.mkdir(mode=0o700, exist_ok=True)
    secret = passphrase(name, new=True)
    if len(secret) < MIN_PASSPHRASE:
        raise KeysError(
            f"{folder}: this passphrase is too short; take {MIN_PASSPHRASE} characters or "
            "more, such as five words by chance: whoever copies the files can try many a second"
        )
    made = []
    for _ in range(FOLDERS[name][1]):
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(secret))
        signer = CryptoSigner(key)
        file = folder / _file_name(name, signer)
        durable.write(file, pem, durable.PRIVATE)
        made.append(signer)
    return made


def _file_name(folder: str, signer: CryptoSigner) -> str:
    return f"{folder}-{signer.public_key.keyid[:8]}.pem"


def _key_id(file: Path) -> str:
    return file.stem.rpartition("-")[2]


def _open(file: Path, passphrase: bytes) -> CryptoSigner:
    try:
        key = load_pem_private_key(file.read_bytes(), passphrase)
        return CryptoSigner(key)
    except OSError as error:
        raise KeysError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise KeysError(f"{file}: does not open; is the passphrase right?") from error


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
    data = _signed(root, signers)
    durable.make_folder((folder / "roots").absolute())
    durable.write(folder / "roots" / f"{root.version}.root.json", data)
    durable.write(folder / "root.json", data)


def _signed(signed: T, signers: list[CryptoSigner]) -> bytes:
    metadata = Metadata(signed)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()
