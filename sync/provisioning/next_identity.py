"""The identity that is being made: each step is on the disk before the next one begins.

It lies in a folder of its own, to which the link ``next`` points, until it has proved itself. Then
the link ``current`` changes over to it in one step. A device that loses its power at any moment
goes on where it was, or begins again.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from pydantic import BaseModel, ConfigDict, ValidationError

from catalog.core import durable
from catalog.core.errors import ShelfError
from sync.errors import ProvisioningError
from sync.identity import (
    CERTIFICATE,
    CURRENT,
    DESCRIPTION,
    FOLDER,
    PRIVATE_KEY,
    Provisioned,
    read_provisioned,
)
from sync.provisioning.exchange import CertificateAnswer

NEXT = "next"
REQUEST = "request.json"


class Requested(BaseModel):
    """A certificate that was made, and no thing has it yet.

    Attributes:
        certificate_id: AWS IoT's name of it.
        token: Registers a thing for it.
        serial: The serial number that the thing is registered for.
    """

    model_config = ConfigDict(frozen=True)

    certificate_id: str
    token: str
    serial: str


class NextIdentity:
    """The folder in which an identity is made.

    Args:
        data: The data folder.
    """

    def __init__(self, data: Path) -> None:
        self._home = data / FOLDER
        self._next, self._current = self._home / NEXT, self._home / CURRENT

    @property
    def folder(self) -> Path | None:
        """Where it lies; None where none is being made."""
        folder = self._next.resolve()
        is_made = self._next.is_symlink() and folder.is_dir()
        return folder if is_made and folder != self._current.resolve() else None

    def begin(self, serial: str) -> str:
        """Make a private key, which never leaves this device, and return a CSR for it, PEM.

        Raises:
            ShelfError: The data folder cannot be written.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        folder = self._home / secrets.token_hex(8)
        try:
            durable.make_private_folder(folder)
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            durable.write(folder / PRIVATE_KEY, pem, durable.PRIVATE)
            durable.point(self._next, folder.name)
            self._remove_others()
        except OSError as error:
            raise _unwritable(self._home, error) from error
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, serial[:64])])
        csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        return csr.public_bytes(Encoding.PEM).decode()

    def requested(self) -> Requested | None:
        """The certificate that waits for a thing; None where there is none."""
        folder = self.folder
        try:
            if folder is None:
                return None
            return Requested.model_validate_json((folder / REQUEST).read_bytes())
        except (OSError, ValidationError):
            return None

    def add_certificate(self, answer: CertificateAnswer, serial: str) -> Requested:
        """Keep the certificate that was made for the private key.

        Raises:
            ProvisioningError: It is none for this key.
            ShelfError: The data folder cannot be written.
        """
        folder, pem = self._made(), answer.certificate_pem.encode()
        try:
            key = load_pem_private_key((folder / PRIVATE_KEY).read_bytes(), None)
            if x509.load_pem_x509_certificate(pem).public_key() != key.public_key():
                raise ProvisioningError(
                    "AWS IoT's answer holds a certificate for another key than this device's"
                )
            requested = Requested(
                certificate_id=answer.certificate_id,
                token=answer.certificate_ownership_token,
                serial=serial,
            )
            durable.write(folder / CERTIFICATE, pem, durable.PRIVATE)
            _write(folder / REQUEST, requested)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ProvisioningError(f"AWS IoT's answer holds no certificate: {error}") from error
        except OSError as error:
            raise _unwritable(self._home, error) from error
        return requested

    def registered(self) -> Provisioned | None:
        """The thing that has the certificate; None where there is none yet."""
        folder = self.folder
        return read_provisioned(folder) if folder else None

    def add_thing(self, provisioned: Provisioned) -> None:
        """Keep the thing that was registered for the certificate.

        Raises:
            ShelfError: The data folder cannot be written.
        """
        try:
            _write(self._made() / DESCRIPTION, provisioned)
        except OSError as error:
            raise _unwritable(self._home, error) from error

    def take_over(self) -> None:
        """Make this the identity that is in use, in one step, and remove the one before.

        Raises:
            ShelfError: The data folder cannot be written.
        """
        try:
            durable.point(self._current, self._made().name)
            self._next.unlink()
            (self._current / REQUEST).unlink(missing_ok=True)  # the token is used up
            self._remove_others()
        except OSError as error:
            raise _unwritable(self._home, error) from error

    def _made(self) -> Path:
        folder = self.folder
        assert folder is not None
        return folder

    def _remove_others(self) -> None:
        """Remove what neither of the two links points to."""
        used = {self._next.resolve(), self._current.resolve()}
        for path in self._home.iterdir():
            if path.is_dir() and not path.is_symlink() and path.resolve() not in used:
                shutil.rmtree(path)


def _write(file: Path, content: BaseModel) -> None:
    durable.write(file, (content.model_dump_json(indent=1) + "\n").encode(), durable.PRIVATE)


def _unwritable(folder: Path, error: OSError) -> ShelfError:
    return ShelfError(f"{folder}: cannot be written: {error.strerror}")
