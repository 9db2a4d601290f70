"""The checks of ``sync doctor`` for reporting: certificate, endpoint, permission for each topic."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uuid6

from catalog.core import durable
from catalog.core.errors import VisualSearchError
from catalog.core.findings import Finding
from catalog.core.locks import locked
from catalog.core.settings import DeviceSettings, load
from sync.errors import TransportError
from sync.fleet.jobs import Jobs
from sync.fleet.shadow import Shadow
from sync.outbox.clock import timestamp
from sync.reports.callbacks import CallbackQueue
from sync.reports.conversation import Conversation
from sync.reports.reporter import LOCK
from sync.reports.topics import NAMES, Topics
from sync.reports.transports import choice
from sync.reports.transports.base import Transport
from sync.settings import OutboxSettings

ANSWER_TIMEOUT_S = 10.0
SOON = timedelta(days=30)  # a certificate that ends by then is noted


def checks(config: Path | None) -> Iterator[Finding]:
    """Check the transport; sends a message of kind "doctor" to each topic."""
    try:
        settings = load("outbox", OutboxSettings, config)
        device = load("device", DeviceSettings, config)
        chosen = choice.choose(settings)
        topics = Topics.from_settings(settings, choice.thing_name(device))
        conversations = _conversations(settings, device, topics.thing)
        make_transport = choice.transport_factory(settings, device, topics, conversations)
    except VisualSearchError as error:
        yield Finding("reporting", "wrong", str(error), "mend it; see docs/reporting.md")
        return
    if not settings.enabled or make_transport is None:
        message = "nothing is reported: [outbox] names no way out (optional; see docs/aws.md)"
        yield Finding("reporting", "ok", message)
        return
    if (settings.shadow or settings.jobs) and chosen != "mqtt":
        message = f"shadow and jobs are heard by mqtt alone, and this device sends by {chosen}"
        yield Finding("fleet", "wrong", message, "see docs/fleet.md")
    if chosen == "greengrass-v2":
        spooled = "accepted means spooled by the core, in memory by default"
        yield Finding("reporting", "ok", f"{chosen}, as {topics.thing}; {spooled}")
    else:
        yield Finding("reporting", "ok", f"{chosen}, as {topics.thing}")
    if chosen == "mqtt":
        yield from _certificate(settings, device)
    try:
        durable.make_private_folder(device.state)
        with locked(device.state / LOCK):
            yield from _connection(make_transport(), settings, topics, conversations)
    except BlockingIOError:
        message = "'visual-search sync run' is reporting; two at a time would push each other out"
        yield Finding("endpoint", "note", message, "stop it to check the connection")
    except OSError as error:
        yield Finding("endpoint", "wrong", f"{device.state}: {error}", "mend the data folder")


def _certificate(settings: OutboxSettings, device: DeviceSettings) -> Iterator[Finding]:
    from cryptography import x509

    address = choice.mqtt_address(settings, device)
    try:
        address.context()
    except TransportError as error:
        yield Finding("certificate", "wrong", str(error), "see docs/aws.md, step 3")
        return
    found = x509.load_pem_x509_certificate(address.certificate.read_bytes())
    until = found.not_valid_after_utc
    message = f"{address.certificate}: valid until {until:%Y-%m-%d}"
    if until - datetime.now(UTC) < SOON:
        is_given = device.certificate is not None  # else 'sync run' renews it by itself
        remedy = "give the device a new one before" if is_given else "let 'sync run' renew it"
        yield Finding("certificate", "note", message, remedy)
    else:
        yield Finding("certificate", "ok", message)


def _conversations(
    settings: OutboxSettings, device: DeviceSettings, thing: str
) -> list[Conversation]:
    """Conversations that only say what they would hear."""
    found: list[Conversation] = []
    if settings.shadow:
        found.append(Shadow(thing, dict, lambda desired: None))
    if settings.jobs:
        found.append(Jobs(thing, device.state, {}))
    return found


def _connection(
    transport: Transport,
    settings: OutboxSettings,
    topics: Topics,
    conversations: Sequence[Conversation],
) -> Iterator[Finding]:
    callbacks = CallbackQueue()
    try:
        transport.open(callbacks)
    except VisualSearchError as error:
        yield Finding("endpoint", "wrong", str(error), "see docs/aws.md")
        return
    try:
        yield Finding("endpoint", "ok", "connected")
        unheard: dict[str, str] = getattr(transport, "unheard", {})
        for conversation in conversations if transport.name == "mqtt" else ():
            refused = [topic for topic in conversation.topics if topic in unheard]
            if refused:
                remedy = "give the device's policy the rights of docs/aws.md"
                message = f"{refused[0]}: nothing is heard: {unheard[refused[0]]}"
                yield Finding("fleet", "wrong", message, remedy)
            else:
                yield Finding("fleet", "ok", f"heard on {conversation.prefix}")
        if settings.commands and transport.name == "mqtt":
            if topics.commands in unheard:
                remedy = f"allow iot:Subscribe and iot:Receive for {topics.commands}"
                message = f"{topics.commands}: no commands are heard: {unheard[topics.commands]}"
                yield Finding("commands", "note", message, remedy)
            else:
                yield Finding("commands", "ok", f"heard on {topics.commands}")
        if transport.name == "file":
            return
        kinds = [*NAMES, *(["features"] if settings.report_features else [])]
        wanted = [topics.of(kind) for kind in kinds]
        if settings.commands and transport.name == "mqtt":
            wanted.append(topics.answers)
        for number, topic in enumerate(wanted):
            found = _topic(transport, callbacks, number, topic)
            yield found
            if found.state == "wrong":  # the connection may have gone with it
                transport.close()
                callbacks = CallbackQueue()
                transport.open(callbacks)
    except TransportError as error:
        yield Finding("endpoint", "wrong", str(error), "see docs/aws.md")
    finally:
        transport.close()


def _topic(transport: Transport, callbacks: CallbackQueue, number: int, topic: str) -> Finding:
    """Whether a message to a topic is accepted."""
    remedy = f"allow iot:Publish for topic {topic} in the certificate's policy"
    document = {"version": 1, "kind": "doctor", "id": str(uuid6.uuid7())}
    document["at"] = timestamp(time.time())
    try:
        transport.send(number, topic, json.dumps(document).encode())
        callback = callbacks.callbacks.get(timeout=ANSWER_TIMEOUT_S)
        while callback.kind == "command":  # it came in meanwhile, and is no answer
            callback = callbacks.callbacks.get(timeout=ANSWER_TIMEOUT_S)
    except TransportError as error:
        return Finding("topic", "wrong", f"{topic}: {error}", remedy)
    except queue.Empty:
        return Finding(
            "topic", "wrong", f"{topic}: no answer within {ANSWER_TIMEOUT_S:g} s", remedy
        )
    if callback.kind == "accepted":
        return Finding("topic", "ok", topic)
    return Finding("topic", "wrong", f"{topic}: {callback.reason}", remedy)
