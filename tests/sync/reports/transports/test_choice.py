"""The transports for Greengrass V2 and files; which transport is chosen; and topics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from catalog.core.errors import SettingsError
from catalog.core.settings import DeviceSettings
from sync.cli.outbox import outbox as outbox_command
from sync.errors import TransportError
from sync.outbox.outbox import Outbox
from sync.reports.topics import Topics
from sync.reports.transports.base import Refusal
from sync.reports.transports.choice import V1_MODULE, choose, transport_factory
from sync.reports.transports.file import CURRENT, FileTransport
from sync.reports.transports.greengrass_v2 import VARIABLES, GreengrassV2Transport
from sync.reports.transports.mqtt import MqttTransport
from sync.settings import OutboxSettings
from tests.support.brokers import RecordedCallbacks
from tests.support.greengrass_v2_core import Core

TOPIC = "visual-search/shelf-1/status"


def outbox(**values: Any) -> OutboxSettings:
    return OutboxSettings.model_validate(values)


def device(folder: Path, **values: Any) -> DeviceSettings:
    return DeviceSettings.model_validate({"data_dir": folder, "thing": "shelf-1"} | values)


class TestGreengrassV2:
    @pytest.fixture
    def core(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Core]:
        core = Core(tmp_path / "core.socket")
        for name, value in zip(VARIABLES, (str(core.path), core.token), strict=True):
            monkeypatch.setenv(name, value)
        yield core
        core.stop()

    def test_spooled(self, core: Core) -> None:
        """A message arrives at the core as it was sent, and is accepted."""
        recorded, transport = RecordedCallbacks(), GreengrassV2Transport()
        transport.open(recorded)
        for token in range(10):
            transport.send(token, TOPIC, b'{"n": %d}' % token)
        recorded.wait(lambda: len(recorded.accepted_tokens) == 10)
        transport.close()
        assert sorted(recorded.accepted_tokens) == list(range(10))
        assert core.published == [(TOPIC, b'{"n": %d}' % n) for n in range(10)]

    def test_denied(self, core: Core) -> None:
        """The topic is refused, and the reason names the permission."""
        core.denied = {TOPIC}
        recorded, transport = RecordedCallbacks(), GreengrassV2Transport()
        transport.open(recorded)
        transport.send(7, TOPIC, b"{}")
        recorded.wait(lambda: recorded.refusals)
        transport.close()
        [(token, reason, refusal)] = recorded.refusals
        assert (token, refusal) == (7, Refusal.TOPIC)
        assert "accessControl" in reason
        assert recorded.accepted_tokens == []

    def test_hangs(self, core: Core) -> None:
        """A core that does not answer blocks nothing and accepts nothing."""
        recorded, transport = RecordedCallbacks(), GreengrassV2Transport()
        transport.open(recorded)
        core.hangs = True
        transport.send(1, TOPIC, b"{}")
        transport.close()
        assert recorded.accepted_tokens == []
        core.stop()
        with pytest.raises(TransportError, match="does not answer"):
            GreengrassV2Transport(timeout_s=2).open(recorded)

    def test_restart(self, core: Core) -> None:
        """The loss is reported; a new transport connects to the new core."""
        recorded, transport = RecordedCallbacks(), GreengrassV2Transport()
        transport.open(recorded)
        core.stop()
        recorded.wait(lambda: recorded.losses)
        with pytest.raises(TransportError, match="is gone"):
            transport.send(1, TOPIC, b"{}")
        transport.close()
        core.start()
        again = GreengrassV2Transport()
        again.open(recorded)
        again.send(2, TOPIC, b"{}")
        recorded.wait(lambda: recorded.accepted_tokens)
        again.close()
        assert recorded.accepted_tokens == [2]
        assert core.connections == 2

    def test_wrong_token(self, core: Core) -> None:
        core.token = "another"
        with pytest.raises(TransportError, match="does not answer"):
            GreengrassV2Transport(timeout_s=5).open(RecordedCallbacks())

    def test_no_core(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(TransportError, match="was not started by"):
            GreengrassV2Transport().open(RecordedCallbacks())


class TestFile:
    def test_lines(self, tmp_path: Path) -> None:
        """Each accepted message is a line; text stays text."""
        recorded, transport = RecordedCallbacks(), FileTransport(tmp_path / "stick", 1 << 20, 10)
        transport.open(recorded)
        transport.send(1, TOPIC, b'{"a": "\xc3\xa9"}')
        transport.send(2, TOPIC, b"plain\ntext")
        transport.close()
        lines = (tmp_path / "stick" / CURRENT).read_text().splitlines()
        assert [json.loads(line) for line in lines] == [
            {"topic": TOPIC, "payload": {"a": "é"}},
            {"topic": TOPIC, "payload": "plain\ntext"},
        ]
        assert recorded.accepted_tokens == [1, 2]

    @pytest.mark.parametrize("whole", [b"", b'{"topic": "a", "payload": 1}\n'])
    def test_an_incomplete_line_is_removed(self, tmp_path: Path, whole: bytes) -> None:
        """Its message was never accepted, and is sent again."""
        (tmp_path / CURRENT).write_bytes(whole + b'{"topic": "a", "pay' + b"x" * 100_000)
        transport = FileTransport(tmp_path, 1 << 20, 10)
        transport.open(RecordedCallbacks())
        transport.send(1, "b", b"2")
        transport.close()
        expected = whole + b'{"topic": "b", "payload": 2}\n'
        assert (tmp_path / CURRENT).read_bytes() == expected

    def test_full(self, tmp_path: Path) -> None:
        """The number of files is bounded; nothing is overwritten; collecting files makes space."""
        recorded, transport = RecordedCallbacks(), FileTransport(tmp_path, 100, 3)
        transport.open(recorded)
        for token in range(6):  # two lines a file
            transport.send(token, TOPIC, b"{}")
        with pytest.raises(TransportError, match="take away"):
            transport.send(6, TOPIC, b"{}")
        lines = sum(len(file.read_bytes().splitlines()) for file in tmp_path.iterdir())
        assert lines == len(recorded.accepted_tokens) == 6
        assert len(list(tmp_path.iterdir())) == 3
        (tmp_path / "reports-000001.jsonl").unlink()
        transport.send(100, TOPIC, b"{}")
        transport.close()
        assert {file.name for file in tmp_path.iterdir()} == {
            CURRENT, "reports-000002.jsonl", "reports-000003.jsonl"
        }  # fmt: skip

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "stick").write_text("no folder")
        with pytest.raises(TransportError, match="cannot be written"):
            FileTransport(tmp_path / "stick", 1, 1).open(RecordedCallbacks())


class TestChoice:
    def test_found_by_itself(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An endpoint, a V1 core, a V2 core; without any of them nothing is reported."""
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        assert choose(outbox()) == "none"
        assert transport_factory(outbox(), device(tmp_path), Topics("shelf-1")) is None
        assert choose(outbox(endpoint="x")) == "mqtt"
        (tmp_path / f"{V1_MODULE}.py").touch()
        monkeypatch.syspath_prepend(tmp_path)
        assert choose(outbox(endpoint="x")) == "greengrass-v1"
        for name in VARIABLES:
            monkeypatch.setenv(name, "x")
        assert choose(outbox(endpoint="x")) == "greengrass-v2"
        assert choose(outbox(endpoint="x", transport="file")) == "file"

    def test_what_mqtt_needs(self, tmp_path: Path) -> None:
        """The missing setting is named."""
        topics = Topics("shelf-1")
        for settings, of_device, words in [
            (outbox(transport="mqtt"), {}, "endpoint"),
            (outbox(endpoint="x"), {}, "certificate"),
            (outbox(endpoint="x"), {"certificate": "c"}, "private_key"),
        ]:
            with pytest.raises(SettingsError, match=words):
                transport_factory(settings, device(tmp_path, **of_device), topics)
        whole = device(tmp_path, certificate="c", private_key="k")
        made = transport_factory(outbox(endpoint="x"), whole, topics)
        assert made is not None
        assert isinstance(made(), MqttTransport)

    def test_a_file_lies_in_the_data_folder(self, tmp_path: Path) -> None:
        made = transport_factory(outbox(transport="file"), device(tmp_path), Topics("shelf-1"))
        assert made is not None
        transport = made()
        transport.open(RecordedCallbacks())
        transport.close()
        assert (tmp_path / "reports" / CURRENT).exists()

    def test_the_status_says_what_acknowledged_means(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Through a core, an acknowledged event is not yet in the cloud."""
        monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(tmp_path))
        Outbox(tmp_path / "outbox.db", outbox(), "device").close()
        for transport, said in (("greengrass-v2", True), ("file", False)):
            monkeypatch.setenv("VISUAL_SEARCH_OUTBOX__TRANSPORT", transport)
            shown = CliRunner().invoke(outbox_command, obj=None)
            assert transport in shown.output
            assert ("not yet the cloud" in shown.output) is said


class TestTopics:
    def test_of_each_kind(self) -> None:
        topics = Topics.from_settings(outbox(), "shelf-1")
        assert topics.of("sighting") == "visual-search/shelf-1/sightings"
        assert topics.of("status") == "visual-search/shelf-1/status"
        assert topics.of("heartbeat") == "visual-search/shelf-1/heartbeat"
        assert topics.of("features") == topics.of("message") == "$aws/things/shelf-1/infer"
        assert topics.commands == "visual-search/shelf-1/commands"

    def test_basic_ingest(self) -> None:
        """Events go to the rule; the sample's topic and the commands stay."""
        topics = Topics.from_settings(outbox(rule="visual_search"), "shelf-1")
        assert topics.of("status") == "$aws/rules/visual_search/visual-search/shelf-1/status"
        assert topics.of("features") == "$aws/things/shelf-1/infer"
        assert topics.commands == "visual-search/shelf-1/commands"

    def test_the_samples_topic_is_a_setting(self) -> None:
        settings = outbox(features_topic="visual-search/{thing}/features", rule="visual_search")
        topics = Topics.from_settings(settings, "shelf-1")
        assert topics.of("features") == topics.of("message") == "visual-search/shelf-1/features"

    @pytest.mark.parametrize(
        "topic", ["", "a/{kind}", "a/{}", "a/#", "+/{thing}", "{thing", "/" * 8, "x" * 257]
    )
    def test_what_is_no_topic_of_the_sample(self, topic: str) -> None:
        with pytest.raises(SettingsError, match="features_topic"):
            Topics.from_settings(outbox(features_topic=topic), "shelf-1")

    @pytest.mark.parametrize(
        ("topic", "thing"),
        [
            ("a/{kind}", "shelf/1"),
            ("a/{kind}", "shelf#1"),
            ("a/{thing}", "shelf-1"),
            ("a/{kind}/{room}", "shelf-1"),
            ("+/{kind}", "shelf-1"),
            ("a/b/c/d/e/f/g/h/{kind}", "shelf-1"),
            ("x" * 250 + "{kind}", "shelf-1"),
            ("{kind", "shelf-1"),
        ],
    )
    def test_what_is_no_topic(self, topic: str, thing: str) -> None:
        with pytest.raises(SettingsError, match="topic"):
            Topics.from_settings(outbox(topic=topic), thing)
