"""Choose the transport that the settings name, or find out which one fits this device."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Literal

from catalog.core.errors import SettingsError
from catalog.core.settings import DeviceSettings
from sync.identity import identity_of
from sync.reports.conversation import Conversation
from sync.reports.home_assistant import announcements
from sync.reports.topics import Topics
from sync.reports.transports import greengrass_v2
from sync.reports.transports.base import Transport
from sync.reports.transports.broker_address import BrokerAddress
from sync.settings import OutboxSettings

Name = Literal["mqtt", "greengrass-v1", "greengrass-v2", "file", "none"]

V1_MODULE = "greengrass_common"  # ships with a core of version 1, and with nothing else


def choose(settings: OutboxSettings) -> Name:
    """Name the transport: on a Greengrass core the core's, with an endpoint MQTT, else none."""
    if settings.transport != "auto":
        return settings.transport
    if greengrass_v2.is_on_core():
        return "greengrass-v2"
    if importlib.util.find_spec(V1_MODULE) is not None:
        return "greengrass-v1"
    return "mqtt" if settings.endpoint else "none"


def thing_name(device: DeviceSettings) -> str:
    """The name of this device at AWS IoT, else its id."""
    return identity_of(device).thing


def transport_factory(
    settings: OutboxSettings,
    device: DeviceSettings,
    topics: Topics,
    conversations: Sequence[Conversation] = (),
) -> Callable[[], Transport] | None:
    """Return a function that makes a transport, not yet open; None where the settings name none.

    Raises:
        SettingsError: A setting is missing that the transport needs.
    """
    match choose(settings):
        case "mqtt":
            from sync.reports.transports.mqtt import MqttTransport

            address = mqtt_address(settings, device)
            commands = topics.commands if settings.commands else None
            retained = (
                announcements(topics, settings.heartbeat_s) if settings.home_assistant else {}
            )
            heard = [conversation.topics for conversation in conversations]
            return lambda: MqttTransport(address, commands, retained, heard)
        case "greengrass-v2":
            return greengrass_v2.GreengrassV2Transport
        case "greengrass-v1":
            from sync.reports.transports.greengrass_v1 import GreengrassV1Transport

            return GreengrassV1Transport
        case "file":
            from sync.reports.transports.file import FileTransport

            folder = device.folder / settings.reports_dir.expanduser()
            max_bytes = int(settings.reports_mb * 1e6)
            return lambda: FileTransport(folder, max_bytes, settings.reports_files)
        case "none":
            return None


def mqtt_address(settings: OutboxSettings, device: DeviceSettings) -> BrokerAddress:
    """Make the broker's address from the settings.

    Raises:
        SettingsError: A setting is missing.
    """
    if not settings.endpoint:
        raise SettingsError(
            "[outbox] endpoint: not set; AWS IoT's is shown by: "
            "aws iot describe-endpoint --endpoint-type iot:Data-ATS"
        )
    identity = identity_of(device)
    wanted = {"certificate": identity.certificate, "private_key": identity.private_key}
    for key, file in wanted.items():
        if file is None:
            raise SettingsError(
                f"[device] {key}: not set; reporting by MQTT needs it, or to be provisioned "
                "([provisioning]; docs/aws.md)"
            )
    assert identity.certificate is not None
    assert identity.private_key is not None
    return BrokerAddress(
        settings.endpoint,
        settings.port,
        identity.thing,
        identity.certificate,
        identity.private_key,
        device.ca.expanduser() if device.ca else None,
    )
