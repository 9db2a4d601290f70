"""The page's certificate: made by this device and kept, or given by its owner.

The device is an authority of its own, and signs the page's certificate with it. So a phone that
trusts the authority needs no new trust when the certificate is renewed or the addresses change.
The authority can only speak for local names, private addresses and the page's own names: who steals
its key cannot pretend to be another website.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from catalog.core import durable
from catalog.core.errors import SettingsError, ShelfError
from edge.settings import HOST_NAME, EdgeSettings
from edge.web.addresses import lan_addresses
from edge.web.signing import (
    FIRST_DAY,
    Key,
    as_pem,
    hosts_of,
    is_narrow,
    is_signable,
    make_authority,
    make_page_certificate,
    may_sign,
)

log = logging.getLogger(__name__)

AUTHORITY, PAGE = "authority.pem", "page.pem"  # each holds its key, too
RENEWED = timedelta(days=30)  # before the end
ALWAYS = ("localhost", "127.0.0.1", "::1")
NO_PASSPHRASE = ""  # instead of asking for one at the terminal


class OwnCertificate:
    """The certificate that this device makes, in a folder that only its user can enter.

    Args:
        folder: Where it and the authority are kept.
        hosts: Gives the names and addresses at which the page is opened now.

    Raises:
        ShelfError: The folder cannot be used, or what is in it is damaged.
    """

    def __init__(self, folder: Path, hosts: Callable[[], Iterable[str]]) -> None:
        self._folder, self._hosts = folder, hosts
        self._file = folder / PAGE
        try:
            durable.make_private_folder(folder)
            self._authority = self._read_or_make_authority()
            self._page = self._read_page()
            self.renew(datetime.now(UTC))
        except OSError as error:
            raise ShelfError(f"{folder}: the certificate cannot be kept there: {error}") from error

    @property
    def authority(self) -> bytes:
        """The authority's certificate in PEM, for those who are to trust it."""
        return self._authority[1].public_bytes(serialization.Encoding.PEM)

    def renew(self, now: datetime) -> bool:
        """Make a new certificate where the old one ends soon or lacks a host.

        Returns:
            Whether there is a new one; then `context` must be called again.
        """
        now = max(now, FIRST_DAY)
        wanted = {*ALWAYS, *filter(is_signable, self._hosts())}
        if self._page is not None:
            start, end = self._page.not_valid_before_utc, self._page.not_valid_after_utc
            if start <= now < end - RENEWED and wanted <= hosts_of(self._page):
                return False
        foreign = {host for host in wanted if not may_sign(self._authority[1], host)}
        if foreign:
            log.warning("a new authority signs for %s; phones must trust it", ", ".join(foreign))
            self._authority = self._make_authority(wanted)
        key, page = make_page_certificate(*self._authority, wanted, now)
        durable.write(self._file, as_pem(key, page, self._authority[1]), durable.PRIVATE)
        self._page = page
        return True

    def context(self) -> ssl.SSLContext:
        """What the server answers TLS with."""
        return server_context(self._file)

    def _read_or_make_authority(self) -> tuple[Key, x509.Certificate]:
        file = self._folder / AUTHORITY
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            return self._make_authority(self._hosts())
        try:
            key = serialization.load_pem_private_key(data, None)
            certificate = x509.load_pem_x509_certificate(data)
            if not isinstance(key, Key):
                raise TypeError("its key is of another kind")
            is_kept = is_narrow(certificate)
        except Exception as error:  # each part of a certificate fails in its own way
            raise ShelfError(
                f"{file}: the authority of the page's certificate is damaged; remove the file, "
                "and let the phones trust the new one"
            ) from error
        if is_kept:
            return key, certificate
        log.warning("the old authority could sign for other websites; phones must trust a new one")
        return self._make_authority(self._hosts())

    def _make_authority(self, hosts: Iterable[str]) -> tuple[Key, x509.Certificate]:
        made = make_authority(f"visual-search of {socket.gethostname()[:40]}", hosts)
        durable.write(self._folder / AUTHORITY, as_pem(*made), durable.PRIVATE)
        return made

    def _read_page(self) -> x509.Certificate | None:
        """The page's certificate; None where a new one must be made, whatever the reason."""
        try:
            page = x509.load_pem_x509_certificate(self._file.read_bytes())
            page.verify_directly_issued_by(self._authority[1])
            hosts_of(page)
            self.context()
        except Exception:  # each part of a certificate fails in its own way
            return None
        return page


class GivenCertificate:
    """The certificate that the owner gives: of a public or the shop's own authority.

    Args:
        certificate: The certificate and those of its authorities, PEM.
        key: Its private key, PEM, without a passphrase.

    Raises:
        SettingsError: One of them cannot be used.
    """

    authority = b""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._seen = self._state()
        self.context()

    def renew(self, now: datetime) -> bool:
        """Whether the files are others than when they were last looked at."""
        before, self._seen = self._seen, self._state()
        return before != self._seen

    def context(self) -> ssl.SSLContext:
        """What the server answers TLS with."""
        return server_context(*self._files)

    def _state(self) -> list[tuple[int, int]]:
        found = []
        for file in self._files:
            with suppress(OSError):  # `context` says what is wrong
                status = file.stat()
                found.append((status.st_mtime_ns, status.st_ino))
        return found


def server_context(certificate: Path, key: Path | None = None) -> ssl.SSLContext:
    """TLS 1.2 or newer with a certificate; its key is in a file of its own or with it.

    Raises:
        SettingsError: They cannot be used; says why.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for file in filter(None, (certificate, key)):
        try:
            file.open("rb").close()
        except OSError as error:
            raise SettingsError(f"{file}: cannot be read: {error.strerror}") from error
    try:
        context.load_cert_chain(certificate, key, password=lambda: NO_PASSPHRASE)
    except ssl.SSLError as error:
        raise SettingsError(
            f"{certificate}: is no certificate in PEM, or {key or 'the key with it'} is not its "
            f"key, or has a passphrase ({error.reason or error})"
        ) from error
    return context


def own_names(settings: EdgeSettings) -> list[str]:
    """The names and addresses at which a page with these settings is opened now.

    A public address, which the authority may not sign and which may change, must be in `names`.
    """
    machine = socket.gethostname().lower()
    names = [machine, f"{settings.network_name}.local", *settings.names]
    usable = [name for name in names if HOST_NAME.fullmatch(name) or ":" in name]
    addresses = lan_addresses() if settings.lan else []
    return usable + [each for each in addresses if ipaddress.ip_address(each).is_private]
