"""Explain why the broker cannot be reached: one sentence each, which says what to do."""

from __future__ import annotations

import errno
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

from sync.errors import TransportError

NOT_YET_VALID, EXPIRED = 9, 10  # X509_V_ERR_CERT_...
WRONG_NAME = 62  # X509_V_ERR_HOSTNAME_MISMATCH
UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)


def check_certificate(certificate: Path) -> None:
    """Check this device's own certificate, before a connection is tried.

    Raises:
        TransportError: It cannot be read, or it is not valid by this device's clock.
    """
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
    except OSError as error:
        raise TransportError(
            f"{certificate}: this device's certificate cannot be read: {error.strerror}"
        ) from error
    except ValueError as error:
        raise TransportError(f"{certificate}: not a certificate in PEM form") from error
    now = datetime.now(UTC)
    if now < found.not_valid_before_utc:
        raise TransportError(
            f"this device's clock says {now:%Y-%m-%d %H:%M} UTC, but its certificate was made on "
            f"{found.not_valid_before_utc:%Y-%m-%d}; set the clock, or wait for NTP"
        )
    if now > found.not_valid_after_utc:
        raise TransportError(
            f"{certificate}: this device's certificate expired on "
            f"{found.not_valid_after_utc:%Y-%m-%d}; give the device a new one "
            f"(its clock says {now:%Y-%m-%d %H:%M} UTC)"
        )


def unreachable(error: OSError | ValueError, endpoint: str, port: int) -> TransportError:
    """Explain the error that `connect` raised."""
    address = f"{endpoint}:{port}"
    match error:
        case socket.gaierror():
            return TransportError(
                f"{endpoint}: this name is not known; check [outbox] endpoint, and whether the "
                "network's DNS answers"
            )
        case ssl.SSLCertVerificationError():
            return _untrusted(error, endpoint)
        case ssl.SSLError():
            if "ALERT" in (error.reason or ""):
                return _alert(error.reason, address)
            if isinstance(error, ssl.SSLEOFError):
                return _cut_off(address)
            return TransportError(
                f"{address}: no TLS there: {error.reason or error}; check [outbox] port"
            )
        case TimeoutError():
            return TransportError(
                f"{address}: no answer; a firewall may drop the way there (port 443 often works "
                "where 8883 does not)"
            )
        case ConnectionRefusedError():
            return TransportError(
                f"{address}: nothing listens there; check [outbox] endpoint and port"
            )
        case ConnectionResetError() | BrokenPipeError():
            return _cut_off(address)
        case OSError() if error.errno in UNREACHABLE:
            return TransportError(f"{address}: there is no network that leads there")
    return TransportError(f"{address}: cannot be reached: {error}")


def closed_early(last_error: str, endpoint: str, port: int) -> TransportError:
    """Explain why the connection ended before the CONNACK.

    With TLS 1.3 the broker refuses a certificate only then.
    """
    address = f"{endpoint}:{port}"
    if "alert" in last_error.lower() and "PROTOCOL_VERSION" not in last_error:
        return _alert(last_error, address)
    return TransportError(
        f"{address}: closed before it answered ({last_error or 'no reason told'}); is the "
        "certificate active, with a policy attached that allows iot:Connect?"
    )


def connection_refused(code: int, reason: str, thing: str) -> str:
    """Explain a CONNACK that refuses the connection."""
    if code in (0x86, 0x87):
        return (
            f"the broker does not let {thing} in: {reason}; the certificate's policy must allow "
            f"iot:Connect for client/{thing}"
        )
    return f"the broker does not let {thing} in: {reason}"


def taken_over(thing: str) -> str:
    """Explain a DISCONNECT because another client has connected with the same id."""
    return (
        f"another device uses this name, {thing}: two devices may have a copy of one card; give "
        "each its own certificate and [device] thing, or remove the device-id file of one"
    )


def publish_refused(code: int, reason: str) -> str:
    """Explain a PUBACK that refuses the message."""
    if code == 0x87:
        return f"{reason}: the certificate's policy must allow iot:Publish for this topic"
    return reason


def _untrusted(error: ssl.SSLCertVerificationError, endpoint: str) -> TransportError:
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    if error.verify_code == NOT_YET_VALID:
        return TransportError(
            f"this device's clock says {now}, but the certificate of {endpoint} is younger; set "
            "the clock, or wait for NTP"
        )
    if error.verify_code == EXPIRED:
        return TransportError(
            f"{endpoint}: its certificate expired, by this device's clock ({now}); where the "
            "clock is right, the broker needs a new one"
        )
    if error.verify_code == WRONG_NAME:
        return TransportError(
            f"{endpoint}: who answers has a certificate for another name; check [outbox] endpoint"
        )
    return TransportError(
        f"{endpoint}: its certificate is not signed by the CA that is trusted here "
        f"({error.verify_message}); check [device] ca"
    )


def _cut_off(address: str) -> TransportError:
    return TransportError(
        f"{address}: the connection was cut while it was being made; is this device's certificate "
        "registered and active there, and is it the right port?"
    )


def _alert(reason: str | None, address: str) -> TransportError:
    return TransportError(
        f"{address}: the broker refuses this device's certificate "
        f"({(reason or 'no reason').lower().replace('_', ' ')}); is it registered and active there?"
    )
