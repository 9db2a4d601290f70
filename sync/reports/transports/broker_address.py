"""The address of an MQTT broker, and the certificate that this device connects with."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from sync.errors import TransportError
from sync.reports.transports import faults

ALPN = "x-amzn-mqtt-ca"  # IoT Core's name for MQTT at port 443
ALPN_PORT = 443


@dataclass(frozen=True)
class BrokerAddress:
    """Where the broker is, and what this device authenticates itself with.

    Attributes:
        endpoint: Its host name.
        port: Its port.
        thing: The IoT thing's name, which is the MQTT client id too.
        certificate, private_key: This device's, PEM files.
        ca: PEM file of the CA that has signed the broker's certificate; None for the system's.
    """

    endpoint: str
    port: int
    thing: str
    certificate: Path
    private_key: Path
    ca: Path | None

    def __str__(self) -> str:
        return f"{self.endpoint}:{self.port}"

    def context(self) -> ssl.SSLContext:
        """TLS with this device's certificate.

        Raises:
            TransportError: A file is missing or wrong, or the certificate is not valid now.
        """
        faults.check_certificate(self.certificate)
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError) as error:
            raise TransportError(f"{self.ca}: not a file of CA certificates: {error}") from error
        try:
            self.private_key.open("rb").close()
            context.load_cert_chain(self.certificate, self.private_key, password=lambda: b"")
        except ssl.SSLError as error:
            raise TransportError(
                f"{self.private_key}: not the private key of {self.certificate}, or one with a "
                f"passphrase, which a device cannot be asked for: {error}"
            ) from error
        except OSError as error:
            raise TransportError(
                f"{self.private_key}: this device's private key cannot be read: {error.strerror}"
            ) from error
        if self.port == ALPN_PORT:
            context.set_alpn_protocols([ALPN])
        return context
