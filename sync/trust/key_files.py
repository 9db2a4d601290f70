"""Key files: ed25519 keys in PEM files that a passphrase encrypts, and signing with them."""

from __future__ import annotations

from collections.abc import Collection
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
from tuf.api.metadata import Metadata, T

from catalog.core import durable
from sync.errors import KeysError

MIN_PASSPHRASE = 12  # characters; guesses at an encrypted PEM file are fast


class PassphrasePrompt(Protocol):
    """Asks for a passphrase."""

    def __call__(self, folder: str, *, new: bool) -> bytes:
        """The passphrase of the keys in a folder, such as ``offline``; `new`: for new keys."""


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


def make_keys(
    folder: Path, name: str, count: int, passphrase: PassphrasePrompt, store: str = ""
) -> list[CryptoSigner]:
    """Make keys, and write them encrypted.

    Args:
        folder: Where; made when missing.
        name: What to call it when the passphrase is asked for.
        count: How many.
        passphrase: Asked once.
        store: Names the store in the files' names, if they are for one alone.

    Raises:
        KeysError: The passphrase is too short.
        OSError: The folder cannot be written.
    """
    durable.make_private_folder(folder.absolute())
    secret = passphrase(name, new=True)
    if len(secret) < MIN_PASSPHRASE:
        raise KeysError(
            f"{folder}: this passphrase is too short; take {MIN_PASSPHRASE} characters or "
            "more, such as five words by chance: whoever copies the files can try many a second"
        )
    made = []
    for _ in range(count):
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(secret))
        signer = CryptoSigner(key)
        words = [folder.name, store, signer.public_key.keyid[:8]]
        file = folder / f"{'-'.join(word for word in words if word)}.pem"
        durable.write(file, pem, durable.PRIVATE)
        made.append(signer)
    return made


def remove_others(
    folder: Path,
    signers: Collection[CryptoSigner],
    pattern: str = "*.pem",
    key_ids: Collection[str] = (),
) -> None:
    """Remove the key files of a folder that are not those of `signers`.

    Args:
        folder: The folder.
        signers: Whose files stay.
        pattern: Which files are looked at.
        key_ids: The files of these keys are looked at, too.
    """
    stay = find_keys(folder, [signer.public_key.keyid for signer in signers])
    for file in {*folder.glob(pattern), *find_keys(folder, key_ids)} - set(stay):
        file.unlink()


def find_keys(folder: Path, key_ids: Collection[str]) -> list[Path]:
    """Return the files in a folder that hold some of the keys."""
    beginnings = {key_id[:8] for key_id in key_ids}
    files = sorted(folder.glob("*.pem"))
    return [file for file in files if file.stem.rpartition("-")[2] in beginnings]


def open_keys(
    files: Collection[Path], key_ids: Collection[str], threshold: int, passphrase: bytes
) -> list[CryptoSigner]:
    """Open key files, and return the keys that sign a role.

    Args:
        files: From `find_keys`.
        key_ids: Ids of the role's keys.
        threshold: How many of them must sign.
        passphrase: Of the files.

    Raises:
        KeysError: They cannot be read or decrypted, or too few of them hold a key of the role.
    """
    signers = [open_key(file, passphrase) for file in files]
    found = [signer for signer in signers if signer.public_key.keyid in key_ids]
    if len({signer.public_key.keyid for signer in found}) < threshold:
        names = ", ".join(str(file) for file in files)
        raise KeysError(
            f"{names}: under this name lies another key, which devices do not trust; bring the "
            "right file from where it is kept"
        )
    return found


def open_key(file: Path, passphrase: bytes) -> CryptoSigner:
    """Open a key file.

    Raises:
        KeysError: It cannot be read or decrypted.
    """
    try:
        key = load_pem_private_key(file.read_bytes(), passphrase)
        return CryptoSigner(key)
    except OSError as error:
        raise KeysError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise KeysError(f"{file}: does not open; is the passphrase right?") from error


def sign_with(signed: T, signers: Collection[CryptoSigner]) -> bytes:
    """Sign a role's metadata with keys."""
    metadata = Metadata(signed)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()
