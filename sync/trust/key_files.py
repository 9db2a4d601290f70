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
    folder: Path, name: str, count: int, passphrase: PassphrasePrompt
) -> list[CryptoSigner]:
    """Make keys, and write them encrypted.

    Args:
        folder: Where; made when missing.
        name: What to call it when the passphrase is asked for.
        count: How many.
        passphrase: Asked once.

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
        durable.write(folder / _file_name(folder, signer), pem, durable.PRIVATE)
        made.append(signer)
    return made


def remove_others(folder: Path, signers: Collection[CryptoSigner]) -> None:
    """Remove the key files of a folder that are not those of `signers`."""
    names = {_file_name(folder, signer) for signer in signers}
    for file in folder.glob("*.pem"):
        if file.name not in names:
            file.unlink()


def find_keys(folder: Path, key_ids: Collection[str]) -> list[Path]:
    """Return the files in a folder that hold some of the keys."""
    beginnings = {key_id[:8] for key_id in key_ids}
    files = sorted(folder.glob("*.pem"))
    return [file for file in files if file.stem.rpartition("-")[2] in beginnings]


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


def _file_name(folder: Path, signer: CryptoSigner) -> str:
    return f"{folder.name}-{signer.public_key.keyid[:8]}.pem"
