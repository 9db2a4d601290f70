"""A stand-in of AWS IoT's credentials endpoint: mutual TLS on loopback, keys for an hour."""

from __future__ import annotations

import ipaddress
import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


class Authority:
    """Signs certificates; ``ca.pem`` in `folder` is its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("authority")
        certificate = (
            _builder(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(certificate.public_bytes(Encoding.PEM))

    def certificate(self, name: str, days: float = 1) -> tuple[Path, Path]:
        """Files of a certificate for 127.0.0.1 and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        certificate = (
            _builder(_name(name), self._name, key.public_key(), days)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        paths = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
        paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return paths


@dataclass
class Asked:
    """A request: its path, thing name and who the certificate says asks."""

    path: str
    thing: str
    common_name: str


class IotEndpoint:
    """The endpoint; `host` is what the setting wants.

    Attributes:
        asked: Every request.
        status: How it answers.
        lifetime: How long the keys last.
    """

    def __init__(self, authority: Authority, access: str, secret: str) -> None:
        self.asked: list[Asked] = []
        self.status = 200
        self.lifetime = timedelta(hours=1)
        self.keys = {"accessKeyId": access, "secretAccessKey": secret, "sessionToken": "token"}
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(*authority.certificate("endpoint"))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(endpoint: IotEndpoint) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            subject = dict(pairs[0] for pairs in self.connection.getpeercert()["subject"])
            thing = self.headers.get("x-amzn-iot-thingname", "")
            endpoint.asked.append(Asked(self.path, thing, subject["commonName"]))
            until = datetime.now(UTC) + endpoint.lifetime
            answer = {"credentials": endpoint.keys | {"expiration": f"{until:%Y-%m-%dT%H:%M:%SZ}"}}
            body = json.dumps(answer if endpoint.status == 200 else {"message": "no"}).encode()
            self.send_response(endpoint.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # a handshake that failed
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    return Handler


class TokenGate:
    """Stands before a store that knows no temporary keys: asks for the session token, then signs
    anew without it.

    Attributes:
        address: Where to ask.
        tokens: What was shown.
    """

    def __init__(self, upstream: str, access: str, secret: str) -> None:
        self.tokens: list[str | None] = []
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                gate.tokens.append(self.headers.get("x-amz-security-token"))
                request = AWSRequest("GET", f"{upstream}{self.path}")
                S3SigV4Auth(Credentials(access, secret), "s3", "us-east-1").add_auth(request)
                answer = httpx.get(
                    f"{upstream}{self.path}", headers=dict(request.headers.items()), timeout=60
                )
                self.send_response(answer.status_code if gate.tokens[-1] == "token" else 403)
                self.send_header("Content-Length", str(len(answer.content)))
                self.send_header("ETag", answer.headers.get("ETag", ""))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: float = 1
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 2 * DAY)
        .not_valid_after(now + days * DAY)
    )


def _usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
