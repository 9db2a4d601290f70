"""AWS IoT's fleet provisioning over one MQTT connection: a certificate for a CSR, then a thing.

The topics and documents are those of `AWS IoT Core, device provisioning MQTT API
<https://docs.aws.amazon.com/iot/latest/developerguide/fleet-provision-api.html>`_.
"""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from sync.errors import ProvisioningError, RejectedError, TransportError
from sync.reports.transports.base import Refusal
from sync.reports.transports.broker_address import BrokerAddress
from sync.reports.transports.mqtt import MqttTransport

CREATE = "$aws/certificates/create-from-csr/json"
ANSWER_TIMEOUT_S = 20.0  # the hook of a template may take five
MAX_WORDS = 300  # characters of what the other side says, in a message

Text = Annotated[str, Field(min_length=1, max_length=20_000)]


class _Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class CertificateAnswer(_Document):
    """A certificate for a CSR, and the token with which a thing is registered for it."""

    certificate_id: Annotated[str, Field(pattern="^[0-9A-Za-z_-]{1,128}$")]
    certificate_pem: Text
    certificate_ownership_token: Text


class ThingAnswer(_Document):
    """The thing that was registered."""

    thing_name: Annotated[str, Field(pattern="^[0-9A-Za-z:_-]{1,128}$")]


class _Rejection(_Document):
    status_code: int | None = None
    error_code: str = ""
    error_message: str = ""


Answer = TypeVar("Answer", bound=_Document)


@dataclass(frozen=True)
class _Message:
    kind: Literal["accepted", "refused", "lost", "message"]
    text: str = ""  # the reason, or the topic
    payload: bytes = b""


@dataclass
class _Incoming:
    """The `TransportCallbacks` of an exchange."""

    messages: queue.Queue[_Message] = field(default_factory=queue.Queue)

    def accepted(self, token: int) -> None:
        """See `TransportCallbacks.accepted`."""
        self.messages.put(_Message("accepted"))

    def refused(self, token: int, reason: str, refusal: Refusal = Refusal.MESSAGE) -> None:
        """See `TransportCallbacks.refused`."""
        self.messages.put(_Message("refused", reason))

    def lost(self, reason: str, *, taken_over: bool = False) -> None:
        """See `TransportCallbacks.lost`."""
        self.messages.put(_Message("lost", reason))

    def command(self, topic: str, payload: bytes) -> None:
        """See `TransportCallbacks.command`."""
        self.messages.put(_Message("message", topic, payload))


class Exchange:
    """One open connection to AWS IoT's fleet provisioning; `open_exchange` makes it."""

    def __init__(self, transport: MqttTransport, incoming: _Incoming, template: str) -> None:
        self._transport = transport
        self._incoming = incoming
        self._template = template

    def create_certificate(self, csr: str) -> CertificateAnswer:
        """Ask for a certificate.

        Args:
            csr: The certificate signing request, PEM.

        Raises:
            RejectedError: AWS IoT rejects the request.
            ProvisioningError: No answer came, or it cannot be used.
            TransportError: The connection was lost.
        """
        request = {"certificateSigningRequest": csr}
        return self._ask(CREATE, request, CertificateAnswer, "a certificate")

    def register_thing(self, token: str, serial: str) -> ThingAnswer:
        """Register a thing for a certificate, which activates it.

        Args:
            token: As `create_certificate` returned it; AWS IoT takes it for an hour.
            serial: This device's serial number.

        Raises:
            RejectedError: AWS IoT rejects the request.
            ProvisioningError: No answer came, or it cannot be used.
            TransportError: The connection was lost.
        """
        request = {"certificateOwnershipToken": token, "parameters": {"SerialNumber": serial}}
        what = f"a thing of template {self._template} for serial number {serial!r}"
        return self._ask(provision_topic(self._template), request, ThingAnswer, what)

    def _ask(
        self, topic: str, request: Mapping[str, Any], model: type[Answer], what: str
    ) -> Answer:
        self._transport.send(0, topic, json.dumps(request).encode())
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while True:
            try:
                left_s = max(0.0, deadline - time.monotonic())
                message = self._incoming.messages.get(timeout=left_s)
            except queue.Empty:
                raise ProvisioningError(
                    f"{topic}: asked for {what}, and no answer came within {ANSWER_TIMEOUT_S:g} s; "
                    "is the template's name right?"
                ) from None
            match message:
                case _Message("refused"):
                    raise ProvisioningError(f"{topic}: asked for {what}: {message.text}")
                case _Message("lost"):
                    raise TransportError(f"while asking for {what}: {message.text}")
                case _Message("message", text) if text == f"{topic}/accepted":
                    return _accepted(message.payload, model, what)
                case _Message("message", text) if text == f"{topic}/rejected":
                    raise RejectedError(f"AWS IoT rejects {what}: {_rejection(message.payload)}")


@contextmanager
def open_exchange(address: BrokerAddress, template: str) -> Iterator[Exchange]:
    """Connect, and subscribe to all answers before anything is asked.

    Args:
        address: The broker's, and the certificate of the claim or of this device.
        template: The provisioning template's name.

    Raises:
        TransportError: It could not connect.
        ProvisioningError: The answers may not be subscribed to.
    """
    topics = (CREATE, provision_topic(template))
    answers = tuple(f"{topic}/{end}" for topic in topics for end in ("accepted", "rejected"))
    transport, incoming = MqttTransport(address, answers=(answers,)), _Incoming()
    try:
        transport.open(incoming)
        for topic, why in transport.unheard.items():
            raise ProvisioningError(
                f"{address.certificate} may not subscribe to the answers of provisioning "
                f"({topic}: {why}); its policy must allow iot:Subscribe and "
                "iot:Receive for them"
            )
        yield Exchange(transport, incoming, template)
    finally:
        transport.close()


def provision_topic(template: str) -> str:
    """The topic on which a thing of a template is asked for."""
    return f"$aws/provisioning-templates/{template}/provision/json"


def _accepted(payload: bytes, model: type[Answer], what: str) -> Answer:
    try:
        return model.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ProvisioningError(
            f"AWS IoT accepts {what}, but its answer cannot be used: {where}: {first['msg']}"
        ) from error


def _rejection(payload: bytes) -> str:
    """What a rejection says, in one line."""
    try:
        said = _Rejection.model_validate_json(payload)
    except ValidationError:
        return "it does not say why"
    code = said.error_code or said.status_code
    text = f"{said.error_message or 'no reason given'}{f' ({code})' if code else ''}"
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[
        :MAX_WORDS
    ]
