"""Name the MQTT topics: one for each kind of event, one for commands, one for answers."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.core.errors import SettingsError
from sync.settings import OutboxSettings

NAMES = {"sighting": "sightings", "status": "status", "heartbeat": "heartbeat"}
SAMPLE = ("features", "message")  # kinds for the cloud side of the AWS sample
MAX_BYTES = 256  # bytes of a topic, IoT Core's limit without the Basic Ingest prefix
MAX_SLASHES = 7  # IoT Core's limit, likewise


@dataclass(frozen=True)
class Topics:
    """The topics of one thing.

    Attributes:
        thing: The IoT thing's name.
        template: A topic with ``{thing}`` and ``{kind}`` in it.
        rule: Name of the rule for Basic Ingest; empty for the ordinary message broker.
        features_topic: The topic of the AWS sample's messages, with ``{thing}`` in it; `rule` does
            not change it.
    """

    thing: str
    template: str = "visual-search/{thing}/{kind}"
    rule: str = ""
    features_topic: str = "$aws/things/{thing}/infer"

    @classmethod
    def from_settings(cls, settings: OutboxSettings, thing: str) -> Topics:
        """Make the topics that the settings name.

        Raises:
            SettingsError: The template or the thing's name makes no topic.
        """
        topics = cls(thing, settings.topic, settings.rule, settings.features_topic)
        if not thing or set(thing) & set("/+#") or "{kind}" not in settings.topic:
            raise SettingsError(
                f"[outbox] topic {settings.topic} for thing {thing!r}: wanted is a topic with "
                "{kind}, and a thing's name without /, + and #"
            )
        _check("topic", settings.topic, {"thing": thing, "kind": "heartbeat"})
        _check("features_topic", settings.features_topic, {"thing": thing})
        return topics

    def of(self, kind: str) -> str:
        """The topic of a kind of event."""
        if kind in SAMPLE:
            return self.features_topic.format(thing=self.thing)
        named = self._named(NAMES[kind])
        return f"$aws/rules/{self.rule}/{named}" if self.rule else named

    @property
    def commands(self) -> str:
        """The topic that commands come in on."""
        return self._named("commands")

    @property
    def answers(self) -> str:
        """The topic that answers to commands go to."""
        return self._named("answers")

    def _named(self, kind: str) -> str:
        return self.template.format(thing=self.thing, kind=kind)


def _check(setting: str, template: str, names: dict[str, str]) -> None:
    """Check that a setting makes a topic to publish to, with these names filled in.

    Raises:
        SettingsError: It does not; says why.
    """
    try:
        topic = template.format(**names)
    except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
        allowed = " and ".join(f"{{{name}}}" for name in names)
        only = "is" if len(names) == 1 else "are"
        raise SettingsError(
            f"[outbox] {setting} {template}: only {allowed} {only} filled in"
        ) from error
    if not topic or set(topic) & set("+#") or len(topic.encode()) > MAX_BYTES:
        raise SettingsError(f"[outbox] {setting} {template}: not a topic to publish to")
    if topic.count("/") > MAX_SLASHES:
        raise SettingsError(f"[outbox] {setting} {template}: more than {MAX_SLASHES} slashes")
