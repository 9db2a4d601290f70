"""Stand-ins of AWS IoT's named shadows and jobs: clients of mosquitto that answer as AWS does.

Topics, documents and errors are those of AWS's documentation. Answers go to all who have
subscribed, because mosquitto knows no others; a token in them says whose they are.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.brokers import THING, BrokerCertificates, Mosquitto

TEMPLATE_FILE = Path(__file__).parents[2] / "cloud" / "visual-search.yaml"
MAX_DOCUMENT = 8192  # bytes of a shadow's state
TERMINAL = ("SUCCEEDED", "FAILED", "REJECTED", "CANCELED", "TIMED_OUT", "REMOVED")


def rights(*policies: str) -> str:
    """Access control for mosquitto: what policies of the cloud's template allow, and no more."""
    from cfnlint.decode import decode  # half a second, which each process would spend

    template, problems = decode(str(TEMPLATE_FILE))
    assert not problems
    lines = []
    for policy in policies:
        document = template["Resources"][policy]["Properties"]["PolicyDocument"]
        for statement in document["Statement"]:
            verb = {"iot:Publish": "write", "iot:Receive": "read"}.get(statement["Action"])
            if verb is None:
                continue
            for resource in statement["Resource"]:
                topic = resource["Fn::Sub"].partition(":topic/")[2]
                topic = topic.replace("${!iot:Connection.Thing.ThingName}", "%u")
                lines.append(f"pattern {verb} {topic.replace('*', '+')}")
    return "\n".join([*lines, "user cloud", "topic readwrite $aws/#", ""])


@dataclass
class ShadowDocument:
    """One named shadow; a deleted one keeps its version."""

    desired: dict[str, Any] = field(default_factory=dict)
    reported: dict[str, Any] = field(default_factory=dict)
    reported_at: int = 0
    version: int = 0
    exists: bool = False

    def state(self) -> dict[str, Any]:
        """The state as documents have it: without empty parts."""
        parts = {"desired": self.desired, "reported": self.reported, "delta": self.delta()}
        return {name: part for name, part in parts.items() if part}

    def delta(self) -> dict[str, Any]:
        """What is desired and not, or not so, reported."""
        return {
            name: value
            for name, value in self.desired.items()
            if self.reported.get(name, ...) != value
        }


@dataclass
class Execution:
    """One job at one thing."""

    job: str
    document: Any
    number: int = 1
    status: str = "QUEUED"
    details: dict[str, str] = field(default_factory=dict)
    version: int = 1


@dataclass
class IotThings:
    """The other side of shadows and jobs.

    Attributes:
        shadows: By thing.
        executions: By thing, in order.
        requests: All that came in: topic and document.
        rejects: What is answered instead to a topic: code and message; once each.
        silent: Whether nothing is answered.
    """

    shadows: dict[str, ShadowDocument] = field(default_factory=dict)
    executions: dict[str, list[Execution]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    rejects: dict[str, tuple[Any, str]] = field(default_factory=dict)
    silent: bool = False
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def connect(self, broker: Mosquitto, certificates: BrokerCertificates) -> None:
        """Begin to answer; returns when it does."""
        certificate, key = certificates.authority.issue("cloud")
        client = paho.Client(CallbackAPIVersion.VERSION2, "cloud", protocol=paho.MQTTv5)
        client.tls_set(str(certificates.authority.file), str(certificate), str(key))
        client.on_message = self._answer
        subscribed = threading.Event()
        client.on_subscribe = lambda *_: subscribed.set()
        topics = ["shadow/name/+/get", "shadow/name/+/update", "jobs/start-next", "jobs/+/update"]
        filters = [(f"$aws/things/+/{topic}", 1) for topic in topics]

        def subscribe(*connected: object) -> None:
            client.subscribe(filters)

        client.on_connect = subscribe  # after a reconnect, too
        client.reconnect_delay_set(1, 1)
        client.connect("localhost", broker.port)
        client.loop_start()
        assert subscribed.wait(60)
        self._client = client

    def close(self) -> None:
        """Stop."""
        self._client.disconnect()
        self._client.loop_stop()

    def asked(self, ending: str) -> list[dict[str, Any]]:
        """The documents of requests to topics that end so."""
        return [document for topic, document in self.requests if topic.endswith(ending)]

    def desire(self, thing: str, **desired: Any) -> None:
        """Change what is desired, as the fleet's owner does; None removes."""
        prefix = f"$aws/things/{thing}/shadow/name/visual-search"
        self._update(prefix, thing, {"state": {"desired": desired}, "clientToken": "owner"})

    def delete(self, thing: str) -> None:
        """Delete a shadow; its version goes on."""
        self.shadows[thing] = ShadowDocument(version=self.shadows[thing].version)

    def create_job(self, thing: str, job: str, document: Any) -> Execution:
        """Queue a job for a thing, and notify it."""
        with self._lock:
            execution = Execution(job, document)
            self.executions.setdefault(thing, []).append(execution)
            self._notify(thing)
            return execution

    def cancel(self, thing: str, job: str) -> None:
        """Cancel a job, by force."""
        with self._lock:
            [execution] = [found for found in self.executions[thing] if found.job == job]
            execution.status = "CANCELED"
            self._notify(thing)

    def _answer(self, client: paho.Client, data: object, message: paho.MQTTMessage) -> None:
        with self._lock:
            request = json.loads(message.payload or b"{}")
            self.requests.append((message.topic, request))
            if self.silent:
                return
            _, _, thing, service, *rest = message.topic.split("/")
            if message.topic in self.rejects:
                code, words = self.rejects.pop(message.topic)
                self._reject(message.topic, request, code, words)
            elif service == "shadow":
                prefix, _, verb = message.topic.rpartition("/")
                {"get": self._get, "update": self._update}[verb](prefix, thing, request)
            elif rest == ["start-next"]:
                self._start_next(message.topic, thing, request)
            else:
                self._update_job(message.topic, thing, rest[0], request)

    def _say(self, topic: str, request: dict[str, Any], **document: Any) -> None:
        token = {"clientToken": request["clientToken"]} if "clientToken" in request else {}
        document |= {"timestamp": int(time.time())} | token
        self._client.publish(topic, json.dumps(document), qos=1)

    def _reject(self, topic: str, request: dict[str, Any], code: Any, words: str) -> None:
        self._say(f"{topic}/rejected", request, code=code, message=words)

    # Shadows

    def _get(self, prefix: str, thing: str, request: dict[str, Any]) -> None:
        shadow = self.shadows.get(thing)
        if shadow is None or not shadow.exists:
            words = f"No shadow exists with name: '{thing}~visual-search'"
            self._reject(f"{prefix}/get", request, 404, words)
            return
        document = {"state": shadow.state(), "version": shadow.version, "metadata": {}}
        self._say(f"{prefix}/get/accepted", request, **document)

    def _update(self, prefix: str, thing: str, request: dict[str, Any]) -> None:
        with self._lock:
            shadow = self.shadows.setdefault(thing, ShadowDocument())
            state = request.get("state")
            if not isinstance(state, dict) or set(state) - {"desired", "reported"}:
                self._reject(f"{prefix}/update", request, 400, "Missing required node: state")
                return
            if len(json.dumps(state)) > MAX_DOCUMENT:
                self._reject(f"{prefix}/update", request, 413, "The payload exceeds the maximum")
                return
            for name, part in state.items():
                whole = getattr(shadow, name)
                for key, value in (part or {}).items():
                    if value is None:
                        whole.pop(key, None)
                    else:
                        whole[key] = value
            if "reported" in state:
                shadow.reported_at = int(time.time())
            shadow.version, shadow.exists = shadow.version + 1, True
            self._say(
                f"{prefix}/update/accepted",
                request,
                state=state,
                version=shadow.version,
                metadata={},
            )
            delta = shadow.delta()
            if delta:
                self._say(
                    f"{prefix}/update/delta",
                    request,
                    state=delta,
                    version=shadow.version,
                    metadata={},
                )

    # Jobs

    def _next(self, thing: str) -> Execution | None:
        pending = [
            found for found in self.executions.get(thing, []) if found.status not in TERMINAL
        ]
        running = [found for found in pending if found.status == "IN_PROGRESS"]
        return next(iter(running or pending), None)

    def _notify(self, thing: str) -> None:
        self._say(f"$aws/things/{thing}/jobs/notify-next", {}, execution=_shown(self._next(thing)))

    def _start_next(self, topic: str, thing: str, request: dict[str, Any]) -> None:
        execution = self._next(thing)
        if execution is not None and execution.status == "QUEUED":
            execution.status, execution.version = "IN_PROGRESS", execution.version + 1
            execution.details |= request.get("statusDetails", {})
        self._say(f"{topic}/accepted", request, execution=_shown(execution))

    def _update_job(self, topic: str, thing: str, job: str, request: dict[str, Any]) -> None:
        found = [execution for execution in self.executions.get(thing, []) if execution.job == job]
        if not found:
            self._reject(topic, request, "ResourceNotFound", f"no job {job}")
            return
        [execution] = found
        details = request.get("statusDetails", {})
        if execution.status in TERMINAL:
            words = f"Cannot transition from {execution.status} to {request['status']}"
            self._reject(topic, request, "InvalidStateTransition", words)
        elif not _are_details(details):
            self._reject(topic, request, "InvalidRequest", "statusDetails")
        else:
            execution.status, execution.details = request["status"], details
            execution.version += 1
            self._say(f"{topic}/accepted", request)
            self._notify(thing)


def _are_details(details: Any) -> bool:
    """Whether AWS takes status details: texts that are short, printable and not empty."""
    return all(
        isinstance(value, str) and 0 < len(value) <= 1024 and value.isprintable()
        for value in details.values()
    )


def _shown(execution: Execution | None) -> dict[str, Any]:
    if execution is None:
        return {}
    return {
        "jobId": execution.job,
        "status": execution.status,
        "versionNumber": execution.version,
        "executionNumber": execution.number,
        "queuedAt": int(time.time()),
        "lastUpdatedAt": int(time.time()),
        "jobDocument": execution.document,
    } | ({"statusDetails": execution.details} if execution.details else {})


@contextmanager
def device_of_a_fleet(
    folder: Path, certificates: BrokerCertificates, policy: str, setting: str
) -> Iterator[tuple[Path, Mosquitto, IotThings]]:
    """The settings of a device, its broker, and the shadows and jobs behind that.

    Args:
        folder: Where settings and broker are kept.
        certificates: Those of broker and device.
        policy: Of the cloud's template; the broker allows what it allows, and nothing else.
        setting: Of the section ``[outbox]``; it is switched on.
    """
    broker = Mosquitto(folder / "broker", certificates, rights=rights(policy))
    things = IotThings()
    things.connect(broker, certificates)
    config = folder / "settings.toml"
    certificate, key = certificates.device
    config.write_text(
        f'[device]\nthing = "{THING}"\ncertificate = "{certificate}"\nprivate_key = "{key}"\n'
        f'ca = "{certificates.authority.file}"\n'
        f'[outbox]\nendpoint = "localhost"\nport = {broker.port}\n{setting} = true\n'
    )
    yield config, broker, things
    things.close()
    broker.stop()
