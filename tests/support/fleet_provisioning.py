"""A stand-in of AWS IoT's fleet provisioning: a client of mosquitto that answers as AWS documents.

It asks the hook of `cloud/visual-search.yaml` itself, with a stand-in of the part of AWS's API that
the hook calls. Answers go to all who have subscribed, because mosquitto knows no others: one device
at a time may be provisioned. The client id of who asks stands in mosquitto's log.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import threading
import types
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import paho.mqtt.client as paho
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.brokers import BrokerCertificates, Mosquitto
from tests.support.certificates import DAY, Authority

TEMPLATE = "visual-search"
PREFIX = "visual-search-"  # of the things' names, the default of the cloud's template
CREATE = "$aws/certificates/create-from-csr/json"
REGISTER = f"$aws/provisioning-templates/{TEMPLATE}/provision/json"
TEMPLATE_FILE = Path(__file__).parents[2] / "cloud" / "visual-search.yaml"
CLIENT = re.compile(r"New client connected from \S+ as (\S+) \(")

RIGHTS = f"""\
pattern write {CREATE}
pattern read {CREATE}/+
pattern write {REGISTER}
pattern read {REGISTER}/+
user cloud
topic readwrite $aws/#
"""


@dataclass
class Certificate:
    """A certificate that the stand-in has made."""

    status: str
    ends: datetime


@dataclass
class FleetProvisioning:
    """The other side of provisioning.

    Attributes:
        certificates: By id.
        things: The ids of their certificates, by the name of the thing.
        requests: All that came in: topic and document.
        answers: What is answered instead to a topic: the ending of its topic, and the payload.
        silent: Topics that are not answered.
        lifetimes: Of the next certificates: begin and end, from now; then a day each way.
        signs: The authority that signs; another than the broker's makes certificates useless.
        single_use: Whether a token registers only once.
    """

    broker: Mosquitto
    signs: Authority
    certificates: dict[str, Certificate] = field(default_factory=dict)
    things: dict[str, list[str]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answers: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    lifetimes: list[tuple[timedelta, timedelta]] = field(default_factory=list)
    single_use: bool = False
    _tokens: dict[str, tuple[str, str]] = field(default_factory=dict)

    def connect(self, certificates: BrokerCertificates) -> None:
        """Begin to answer; returns when it does."""
        self._hook = load_hook(self)
        certificate, key = certificates.authority.issue("cloud")
        client = paho.Client(CallbackAPIVersion.VERSION2, "cloud", protocol=paho.MQTTv5)
        client.tls_set(str(certificates.authority.file), str(certificate), str(key))
        client.on_message = self._answer
        subscribed = threading.Event()
        client.on_subscribe = lambda *_: subscribed.set()
        client.connect("localhost", self.broker.port)
        client.loop_start()
        client.subscribe([(CREATE, 1), (REGISTER, 1)])
        assert subscribed.wait(60)
        self._client = client

    def close(self) -> None:
        """Stop."""
        self._client.disconnect()
        self._client.loop_stop()

    def deactivate(self, thing: str) -> None:
        """Deactivate all certificates of a thing, as the fleet's owner may."""
        for name in self.things[thing]:
            self.certificates[name].status = "INACTIVE"

    def _answer(self, client: paho.Client, data: object, message: paho.MQTTMessage) -> None:
        request = json.loads(message.payload)
        self.requests.append((message.topic, request))
        if message.topic in self.silent:
            return
        made = self._create(request) if message.topic == CREATE else self._register(request)
        ending, payload = self.answers.get(message.topic, made)
        client.publish(f"{message.topic}/{ending}", payload, qos=1)

    def _create(self, request: dict[str, Any]) -> tuple[str, bytes]:
        csr = x509.load_pem_x509_csr(request["certificateSigningRequest"].encode())
        key = csr.public_key()
        assert csr.is_signature_valid
        assert isinstance(key, ec.EllipticCurvePublicKey)
        [name] = csr.subject
        begin, end = self.lifetimes.pop(0) if self.lifetimes else (-DAY, DAY)
        made = self.signs.sign(f"{PREFIX}{name.value!s}", key, begin, end)
        number = hashlib.sha256(made.public_bytes(Encoding.DER)).hexdigest()
        self.certificates[number] = Certificate("PENDING_ACTIVATION", made.not_valid_after_utc)
        pem, token = made.public_bytes(Encoding.PEM).decode(), f"token-{number}"
        self._tokens[token] = (number, pem)
        return _accepted(certificateId=number, certificatePem=pem, certificateOwnershipToken=token)

    def _register(self, request: dict[str, Any]) -> tuple[str, bytes]:
        token = request["certificateOwnershipToken"]
        take = self._tokens.pop if self.single_use else self._tokens.get
        known = take(token, None)
        if known is None:
            return rejected(400, "InvalidCertificateOwnershipToken", "the token is not known")
        number, pem = known
        serial = request["parameters"]["SerialNumber"]
        decided = self._hook(
            {
                "claimCertificateId": "claim",
                "certificateId": number,
                "certificatePem": pem,
                "templateArn": f"arn:aws:iot:eu-central-1:1:provisioningtemplate/{TEMPLATE}",
                "clientId": CLIENT.findall(self.broker.log.read_text())[-1],
                "parameters": request["parameters"],
            },
            None,
        )
        if decided.get("allowProvisioning") is not True:
            return rejected(403, "AccessDenied", "Access denied")
        self.certificates[number].status = "ACTIVE"
        certificates = self.things.setdefault(f"{PREFIX}{serial}", [])
        if number not in certificates:
            certificates.append(number)
        return _accepted(deviceConfiguration={}, thingName=f"{PREFIX}{serial}")


class IotApi:
    """What the hook calls of AWS's API."""

    class exceptions:  # noqa: N801  boto3's name
        class ResourceNotFoundException(Exception):  # noqa: N818  boto3's name
            """There is no such thing."""

    def __init__(self, fleet: FleetProvisioning) -> None:
        self._fleet = fleet

    def list_thing_principals(self, *, thingName: str) -> dict[str, Any]:  # noqa: N803
        """The ARNs of a thing's certificates."""
        if thingName not in self._fleet.things:
            raise self.exceptions.ResourceNotFoundException
        names = self._fleet.things[thingName]
        return {"principals": [f"arn:aws:iot:eu-central-1:1:cert/{name}" for name in names]}

    def describe_certificate(self, *, certificateId: str) -> dict[str, Any]:  # noqa: N803
        """Whether a certificate is active, and when it ends."""
        found = self._fleet.certificates[certificateId]
        validity = {"notAfter": found.ends}
        return {"certificateDescription": {"status": found.status, "validity": validity}}


def load_hook(fleet: FleetProvisioning) -> Any:
    """The function `handler` of the hook in the cloud's template, run as it stands there."""
    from cfnlint.decode import decode  # half a second, which each process would spend

    template, problems = decode(str(TEMPLATE_FILE))
    assert not problems
    hook = template["Resources"]["ProvisioningHook"]["Properties"]
    boto3 = types.ModuleType("boto3")
    boto3.client = lambda name: IotApi(fleet)  # type: ignore[attr-defined]
    names: dict[str, Any] = {}
    with mock.patch.dict(sys.modules, {"boto3": boto3}):
        exec(compile(hook["Code"]["ZipFile"], "hook", "exec"), names)
    environment = mock.Mock(environ={"THING_PREFIX": PREFIX})
    names["os"] = environment
    names["print"] = lambda *_: None
    return names["handler"]


def rejected(status: int, code: str, message: str) -> tuple[str, bytes]:
    """The ending of the topic and the document of a rejection."""
    document = {"statusCode": status, "errorCode": code, "errorMessage": message}
    return "rejected", json.dumps(document).encode()


def _accepted(**document: Any) -> tuple[str, bytes]:
    return "accepted", json.dumps(document).encode()
