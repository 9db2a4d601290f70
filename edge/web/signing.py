"""Make X.509 certificates: of an authority that may only speak for some hosts, and of a page."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge.web.addresses import Address
from edge.web.proxies import is_in

# The device's clock may be years behind at its first start; the authority must outlive that.
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
LAST_DAY = datetime(2049, 12, 31, tzinfo=UTC)
VALID = timedelta(days=365)  # Apple's systems accept 825 days at most
LOCAL_NAMES = ("local", "localhost")
LOCAL_NETWORKS = (
    "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 127.0.0.0/8 ::1/128 fc00::/7 fe80::/10"
).split()

Key = ec.EllipticCurvePrivateKey


def make_authority(name: str, hosts: Iterable[str]) -> tuple[Key, x509.Certificate]:
    """An authority for local names and private addresses, and for those of `hosts` it may have."""
    key = ec.generate_private_key(ec.SECP256R1())
    permitted: list[x509.GeneralName] = [
        *(x509.DNSName(local) for local in LOCAL_NAMES),
        *(x509.IPAddress(ipaddress.ip_network(network)) for network in LOCAL_NETWORKS),
    ]
    for host in sorted(set(filter(is_signable, hosts))):
        address = _address(host)
        is_name = address is None
        permitted.append(
            x509.DNSName(host) if is_name else x509.IPAddress(ipaddress.ip_network(host))
        )
    made = (
        _builder(_named(name), _named(name), key.public_key())
        .not_valid_before(FIRST_DAY)
        .not_valid_after(LAST_DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(
            x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )
    return key, made


def is_signable(host: str) -> bool:
    """Whether an authority may be made for a host: an address, `localhost` or a name with a dot.

    Who may sign for a name may sign for all names below it: with `shop` for every website in .shop.
    """
    return "." in host or host == "localhost" or _address(host) is not None


def is_narrow(authority: x509.Certificate) -> bool:
    """Whether an authority can sign for no more than `make_authority` allows; older ones could.

    Raises:
        ExtensionNotFound: It can sign for everything.
    """
    return all(name in LOCAL_NAMES or is_signable(name) for name in _permitted_names(authority))


def may_sign(authority: x509.Certificate, host: str) -> bool:
    """Whether an authority may speak for a host."""
    address = _address(host)
    if address is None:
        return any(f".{host}".endswith(f".{name}") for name in _permitted_names(authority))
    networks = [entry.value for entry in _permitted(authority) if isinstance(entry, x509.IPAddress)]
    return is_in(address, (ipaddress.ip_network(network) for network in networks))


def make_page_certificate(
    key: Key, authority: x509.Certificate, hosts: Iterable[str], now: datetime
) -> tuple[Key, x509.Certificate]:
    """A certificate for a page at `hosts`, names and addresses, signed by an authority."""
    page_key = ec.generate_private_key(ec.SECP256R1())
    names = [
        x509.DNSName(host) if (address := _address(host)) is None else x509.IPAddress(address)
        for host in sorted(hosts)
    ]
    made = (
        _builder(_named("visual-search page"), authority.subject, page_key.public_key())
        .not_valid_before(max(FIRST_DAY, now - timedelta(days=1)))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    return page_key, made


def hosts_of(certificate: x509.Certificate) -> set[str]:
    """The names and addresses that a certificate is for."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in names}


def as_pem(key: Key, *certificates: x509.Certificate) -> bytes:
    """A key and certificates in one text, so that they always fit each other."""
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    chain = [each.public_bytes(serialization.Encoding.PEM) for each in certificates]
    return b"".join([private, *chain])


def _permitted(authority: x509.Certificate) -> list[x509.GeneralName]:
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    return list(constraints.permitted_subtrees or ())


def _permitted_names(authority: x509.Certificate) -> list[str]:
    return [entry.value for entry in _permitted(authority) if isinstance(entry, x509.DNSName)]


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
