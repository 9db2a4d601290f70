"""Announce a device's sensors to Home Assistant, by MQTT discovery.

Home Assistant makes a device of them: what was seen last, the camera, the temperature. Their values
are the events that are reported anyway; only these descriptions are sent besides, and the broker
retains them.
"""

from __future__ import annotations

import json
import re
from importlib.metadata import version

from sync.reports.topics import Topics

PREFIX = "homeassistant"  # the topic that Home Assistant listens to unless told otherwise
MISSED_HEARTBEATS = 3  # after which a value counts as unknown


def announcements(topics: Topics, heartbeat_s: float) -> dict[str, bytes]:
    """The messages that the broker retains, by their topics.

    Args:
        topics: The device's topics.
        heartbeat_s: Seconds between two heartbeats.
    """
    name = re.sub("[^A-Za-z0-9_-]", "_", topics.thing)
    device = {
        "identifiers": [f"visual-search-{topics.thing}"],
        "name": topics.thing,
        "model": "visual-search",
        "sw_version": version("visual-search"),
    }
    heartbeat = {
        "state_topic": topics.of("heartbeat"),
        "expire_after": round(MISSED_HEARTBEATS * heartbeat_s),
        "entity_category": "diagnostic",
    }
    entities: dict[str, dict[str, object]] = {
        "sensor/seen": {
            "name": "Seen",
            "icon": "mdi:cube-scan",
            "state_topic": topics.of("sighting"),
            "value_template": (
                "{{ (value_json.item.title if value_json.item else value_json.verdict)[:255] }}"
            ),
            "json_attributes_topic": topics.of("sighting"),
        },
        "binary_sensor/camera": heartbeat
        | {
            "name": "Camera",
            "device_class": "connectivity",
            "value_template": "{{ 'ON' if value_json.camera == 'online' else 'OFF' }}",
        },
        "sensor/temperature": heartbeat
        | {
            "name": "Temperature",
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "value_template": "{{ value_json.temperature_c }}",
        },
        "sensor/waiting": heartbeat
        | {
            "name": "Events that wait",
            "state_class": "measurement",
            "value_template": "{{ value_json.outbox_length }}",
        },
    }
    messages = {}
    for kind, entity in entities.items():
        component, _, key = kind.partition("/")
        whole = entity | {"unique_id": f"visual-search-{name}-{key}", "device": device}
        text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
        messages[f"{PREFIX}/{component}/{name}/{key}/config"] = text.encode()
    return messages
