"""Certificates that tests make for themselves: an authority, brokers and devices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)


class Authority:
    """A certificate authority, its certificate in ``<name>.pem``."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _subject(name)
        self.file = folder / f"{name}.pem"
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(self._subject)
            .issuer_name(self._subject)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 1000 * DAY)
            .not_valid_after(now + 1000 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, start: timedelta = -DAY, end: timedelta = DAY) -> tuple[Path, Path]:
        """Certificate and key of `name`, which is also the common name; valid around now.

        Who may be called ``localhost`` and 127.0.0.1 is a server too.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._folder / f"{name}.crt"
        private = self._folder / f"{name}.key"
        signed = self.sign(name, key.public_key(), start, end)
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        private.chmod(0o600)
        return certificate, private

    def sign(
        self,
        name: str,
        key: ec.EllipticCurvePublicKey,
        start: timedelta = -DAY,
        end: timedelta = DAY,
    ) -> x509.Certificate:
        """A certificate of `name` for a key that somebody else has."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_subject(name))
            .issuer_name(self._subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + start)
            .not_valid_after(now + end)
            .add_extension(
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
                ),
                critical=False,
            )
        )
        if name.startswith("localhost"):
            builder = builder.add_extension(
                x509.SubjectAlternativeName(
                    [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
                ),
                critical=False,
            )
        return builder.sign(self._key, hashes.SHA256())

    def revoke(self, certificate: Path) -> Path:
        """A list of revoked certificates with this one on it, PEM."""
        now = datetime.now(UTC)
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        entry = x509.RevokedCertificateBuilder(found.serial_number, now)
        made = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._subject)
            .last_update(now - DAY)
            .next_update(now + DAY)
            .add_revoked_certificate(entry.build())
            .sign(self._key, hashes.SHA256())
        )
        file = certificate.with_suffix(".crl")
        file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        return file


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
