"""From the outbox to a broker: every event arrives, whatever the broker does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from catalog.core.errors import SettingsError
from sync.cli.tail import _line, tail
from sync.errors import OutboxError
from sync.outbox.events import Event, Heartbeat, status
from sync.outbox.outbox import Outbox
from sync.reports.journal import Journal, JournalEntry, follow
from sync.reports.remote_commands import CommandHandler
from sync.reports.reporter import Reporter
from sync.reports.topics import Topics
from sync.reports.transports.base import TransportCallbacks
from sync.reports.transports.file import FileTransport
from sync.reports.transports.greengrass_v1 import GreengrassV1Transport
from sync.reports.transports.mqtt import MqttTransport
from sync.reports.wiring import open_reporter, reporting_worker
from sync.settings import OutboxSettings
from tests.proofs.damage.run import Collector
from tests.support import greengrass_core
from tests.support.brokers import THING, BrokerCertificates, Consumer, Mosquitto, until
from tests.support.iot_core import NOT_AUTHORIZED, IotCore

STATUS, HEARTBEAT = f"visual-search/{THING}/status", f"visual-search/{THING}/heartbeat"


pytestmark = pytest.mark.slow


@dataclass
class Pipeline:
    """An outbox, a broker, and the reporter between them."""

    outbox: Outbox
    broker: IotCore
    certificates: BrokerCertificates
    folder: Path
    commands: CommandHandler = field(default_factory=lambda: CommandHandler({}))
    removal_s: float = 0.0

    def put(self, count: int, start: int = 0, **details: Any) -> None:
        """Put status events and wait until they are durable."""
        tickets = [
            self.outbox.put(status("started", number=start + n, **details)) for n in range(count)
        ]
        assert all(ticket.wait(60) for ticket in tickets)

    @contextmanager
    def through_greengrass(self, core: greengrass_core.Core) -> Iterator[None]:
        """Report through a core while the test goes on, with pauses that are nearly none."""
        topics, settings = Topics(THING), OutboxSettings.model_validate({"rate": 10_000})
        reporter = Reporter(
            self.outbox,
            GreengrassV1Transport,
            topics,
            settings,
            self.folder / "state",
            first_pause_s=0.001,
            removal_s=self.removal_s,
        )
        with self.running(reporter):
            yield

    def reporter(self, port: int | None = None, **settings: Any) -> Reporter:
        """A reporter; without a limit of rate unless `settings` say so."""
        topics = Topics(THING)
        return Reporter(
            self.outbox,
            lambda: MqttTransport(
                self.certificates.address(port or self.broker.port), topics.commands
            ),
            topics,
            OutboxSettings.model_validate({"rate": 10_000, "patience_s": 60.0} | settings),
            self.folder / "state",
            self.commands,
            first_pause_s=0.1,
            removal_s=self.removal_s,
        )

    @contextmanager
    def reporting(self, **settings: Any) -> Iterator[Reporter]:
        """Report while the test goes on."""
        reporter = self.reporter(**settings)
        with self.running(reporter):
            yield reporter

    @contextmanager
    def running(self, reporter: Reporter) -> Iterator[None]:
        stopping = threading.Event()
        thread = threading.Thread(target=reporter.run, args=(stopping,))
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join(60)
            assert not thread.is_alive()

    def numbers(self) -> list[int]:
        """Numbers of the status events that the broker has received, in order."""
        found = [json.loads(message.payload) for message in self.broker.received()]
        return [document["details"]["number"] for document in found if document["kind"] == "status"]

    def journal(self, what: str) -> list[JournalEntry]:
        """The entries of one sort in the journal."""
        notes = follow(self.folder / "state", 100_000, wait=False)
        return [entry for entry in notes if entry.what == what]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> BrokerCertificates:
    return BrokerCertificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def pipeline(tmp_path: Path, certificates: BrokerCertificates) -> Iterator[Pipeline]:
    outbox = Outbox(tmp_path / "outbox.db", OutboxSettings.model_validate({}), "device")
    broker = certificates.iot_core(tmp_path / "record")
    yield Pipeline(outbox, broker, certificates, tmp_path)
    broker.close()
    outbox.close()


def test_in_order_and_once(pipeline: Pipeline) -> None:
    """Events are sent oldest first, each once; the counters say so."""
    pipeline.put(500)
    drained = pipeline.reporter().drain(60)
    assert (drained.acknowledged, drained.left, drained.error) == (500, 0, "")
    assert pipeline.numbers() == list(range(500))
    found = [json.loads(message.payload) for message in pipeline.broker.received()]
    assert [document["sequence"] for document in found] == sorted(
        document["sequence"] for document in found
    )
    assert {message.topic for message in pipeline.broker.received()} == {STATUS}
    counters = pipeline.outbox.counters()
    assert (counters.sent, counters.acknowledged, counters.latencies) == (500, 500, 500)


def test_whoever_begins_to_follow_reads_what_a_quiet_reporter_still_holds(
    pipeline: Pipeline,
) -> None:
    with pipeline.reporting():
        for _ in range(2):  # the first line is written at once, the later ones are held
            pipeline.put(3)
            until(lambda: pipeline.outbox.counters().length == 0)
        until(lambda: len(pipeline.journal("acknowledged")) == 6, 60)


def test_without_a_network_nothing_is_lost(pipeline: Pipeline) -> None:
    """A broker that is away is the error; when it is back, every event arrives."""
    pipeline.broker.stop()
    pipeline.put(20)
    drained = pipeline.reporter().drain(1.5)
    assert (drained.acknowledged, drained.left) == (0, 20)
    assert "nothing listens" in drained.error
    with pipeline.reporting():
        pipeline.broker.start()
        until(lambda: pipeline.outbox.counters().length == 0)
    assert pipeline.numbers() == list(range(20))
    assert pipeline.outbox.counters().offline_s >= 1.0


def test_new_events_go_at_once(pipeline: Pipeline) -> None:
    with pipeline.reporting():
        for start in range(3):
            pipeline.put(1, start)
            until(lambda: pipeline.outbox.counters().length == 0)
    assert pipeline.numbers() == [0, 1, 2]
    assert pipeline.broker.connections == 1


def test_a_cut_repeats_at_most_the_window(pipeline: Pipeline) -> None:
    pipeline.put(300)
    pipeline.broker.behaviour.pace_s = 0.002
    with pipeline.reporting(window=5):
        for least in (50, 100, 150):
            until(partial(arrived, pipeline, least))
            pipeline.broker.cut()
        until(lambda: pipeline.outbox.counters().length == 0, 60)
    numbers = pipeline.numbers()
    assert list(dict.fromkeys(numbers)) == list(range(300))
    assert len(numbers) <= 300 + 3 * 5
    assert pipeline.outbox.counters().aside == 0


def test_swallowed_answers(pipeline: Pipeline) -> None:
    """A lost answer costs a time-out and repetitions, no event."""
    pipeline.put(40)
    pipeline.broker.behaviour.swallows = 0.05
    with pipeline.reporting(patience_s=0.3):
        until(lambda: pipeline.outbox.counters().length == 0, 60)
    numbers = pipeline.numbers()
    assert sorted(set(numbers)) == list(range(40))
    assert len(numbers) <= 40 + 20 * max(1, pipeline.broker.swallowed)
    assert pipeline.outbox.counters().aside == 0


@pytest.mark.parametrize("pace_s", [0.0, 0.01], ids=["at once", "when all are under way"])
def test_the_message_that_makes_it_hang_up(pipeline: Pipeline, pace_s: float) -> None:
    """The message is found among others, set aside and counted; all others arrive."""
    pipeline.put(30)
    pipeline.broker.behaviour.pace_s = pace_s
    pipeline.broker.behaviour.closes_for = [b'"number":13']
    with pipeline.reporting():
        until(lambda: pipeline.outbox.counters().length == 0, 60)
    assert sorted(set(pipeline.numbers())) == [n for n in range(30) if n != 13]
    counters = pipeline.outbox.counters()
    assert (counters.aside, dict(counters.dropped)) == (1, {"refused": 1})
    assert "set aside" in " ".join(entry.detail for entry in pipeline.journal("trouble"))


def test_a_message_alone_that_makes_it_hang_up(pipeline: Pipeline) -> None:
    """Its topic may be the cause, so it waits; new messages are sent first, and decide."""
    pipeline.broker.behaviour.closes_for = [b'"number":13']
    pipeline.put(1, 13)
    with pipeline.reporting(rate=20):  # it hangs up before the next is sent
        until(lambda: "again and again on topic" in pipeline.outbox.counters().last_error, 60)
        assert (pipeline.outbox.counters().length, pipeline.outbox.counters().aside) == (1, 0)
        pipeline.put(10, 20)
        until(lambda: pipeline.outbox.counters().length == 0, 60)
    assert sorted(set(pipeline.numbers())) == list(range(20, 30))
    assert pipeline.outbox.counters().aside == 1


def test_a_topic_that_makes_it_hang_up(pipeline: Pipeline) -> None:
    """Other topics go on; its events wait, none is set aside, and arrive when it is allowed."""
    pipeline.broker.behaviour.closes_for = [STATUS.encode()]
    pipeline.put(5)
    heartbeats(pipeline, 5)
    with pipeline.reporting():
        until(lambda: pipeline.outbox.counters().length == 5, 60)
        assert pipeline.numbers() == []
        assert pipeline.outbox.counters().aside == 0
        pipeline.broker.behaviour.closes_for = []
        until(lambda: pipeline.outbox.counters().length == 0, 60)
    assert sorted(set(pipeline.numbers())) == list(range(5))


def test_a_denied_topic(pipeline: Pipeline) -> None:
    """The refusal names the permission; the others go on; nothing is set aside."""
    pipeline.broker.behaviour.refuses = {STATUS: NOT_AUTHORIZED}
    pipeline.put(5)
    heartbeats(pipeline, 5)
    with pipeline.reporting():
        until(lambda: pipeline.outbox.counters().length == 5)
        assert "iot:Publish" in pipeline.outbox.counters().last_error
        pipeline.broker.behaviour.refuses = {}
        until(lambda: pipeline.outbox.counters().length == 0, 60)
    assert pipeline.numbers() == list(range(5))
    assert pipeline.outbox.counters().aside == 0


def test_a_message_that_is_refused(pipeline: Pipeline) -> None:
    pipeline.broker.behaviour.refuses = {HEARTBEAT: 0x99}  # payload format invalid
    heartbeats(pipeline, 1)
    pipeline.put(3)
    assert pipeline.reporter().drain(60).left == 0
    assert pipeline.numbers() == [0, 1, 2]
    assert pipeline.outbox.counters().aside == 1


@pytest.mark.parametrize("error", [TypeError, UnicodeEncodeError, MemoryError])
def test_whatever_a_transport_raises_for_a_message(
    pipeline: Pipeline, error: type[Exception]
) -> None:
    """The message is set aside in the end; all others arrive."""

    class Choosy(Collector):
        def send(self, token: int, topic: str, payload: bytes) -> None:
            if b'"number":3}' in payload:
                raise error("utf-8", "x", 0, 1, "no") if error is UnicodeEncodeError else error()
            super().send(token, topic, payload)

    collector, settings = Choosy(), OutboxSettings.model_validate({"rate": 10_000})
    pipeline.put(20)
    state = pipeline.folder / "state"
    reporter = Reporter(
        pipeline.outbox, lambda: collector, Topics(THING), settings, state, first_pause_s=0.001
    )
    assert reporter.drain(60).left == 0
    numbers = [json.loads(payload)["details"]["number"] for _, payload in collector.messages]
    assert sorted(set(numbers)) == [number for number in range(20) if number != 3]
    assert pipeline.outbox.counters().aside == 1
    assert error.__name__ in " ".join(entry.detail for entry in pipeline.journal("trouble"))


def test_a_transport_that_fails_in_another_way_is_tried_again(pipeline: Pipeline) -> None:
    class Broken(Collector):
        opened = 0

        def open(self, callbacks: TransportCallbacks) -> None:
            Broken.opened += 1
            if Broken.opened < 3:
                raise RuntimeError("no thread")
            super().open(callbacks)

    settings = OutboxSettings.model_validate({"rate": 10_000})
    pipeline.put(5)
    reporter = Reporter(
        pipeline.outbox,
        Broken,
        Topics(THING),
        settings,
        pipeline.folder / "state",
        first_pause_s=0.001,
    )
    assert reporter.drain(60).left == 0
    assert "RuntimeError: no thread" in pipeline.outbox.counters().last_error


def test_another_device_with_this_name(pipeline: Pipeline) -> None:
    """Pauses grow though each connection delivers; no message is blamed; the reason is told."""
    pipeline.broker.behaviour.takes_over_after = 2
    pipeline.put(9)
    with pipeline.reporting(window=1) as reporter:
        until(lambda: pipeline.outbox.counters().length <= 3, 60)
        until(lambda: reporter._backoff._failures >= 3, 60)  # counted after the delivery
        assert "another device uses this name" in pipeline.outbox.counters().last_error
        pipeline.broker.behaviour.takes_over_after = None
        until(lambda: pipeline.outbox.counters().length == 0, 60)
    assert sorted(set(pipeline.numbers())) == list(range(9))
    assert pipeline.outbox.counters().aside == 0


def test_throttled(pipeline: Pipeline) -> None:
    """A throttled reporter drops nothing and sends more slowly for a while."""
    pipeline.broker.behaviour.quota = 7
    pipeline.put(30)
    with pipeline.reporting():
        until(lambda: "Quota exceeded" in pipeline.outbox.counters().last_error)
        pipeline.broker.behaviour.quota = None
        until(lambda: pipeline.outbox.counters().length == 0, 60)
    assert sorted(pipeline.numbers()) == list(range(30))
    assert pipeline.outbox.counters().aside == 0


def test_a_full_core_and_an_absent_core_set_no_message_aside(pipeline: Pipeline) -> None:
    """Messages are accepted between the refusals; all arrive in the end."""
    pipeline.put(30)
    with greengrass_core.running() as core, greengrass_core.function_on(core.port):
        core.takes = iter([True, False, False, False] * 30)
        with pipeline.through_greengrass(core):
            until(lambda: pipeline.outbox.counters().length < 15, 60)
            core.status = 403
            until(lambda: pipeline.journal("trouble"))
            assert all("policy" not in entry.detail for entry in pipeline.journal("trouble"))
            core.takes, core.status = None, 200
            until(lambda: pipeline.outbox.counters().length == 0, 60)
        found = [json.loads(message.payload)["details"]["number"] for message in core.messages]
    assert sorted(found) == list(range(30))
    assert pipeline.outbox.counters().aside == 0


def test_the_limit_of_rate(pipeline: Pipeline) -> None:
    """Sending takes at least as long as the rate allows."""
    pipeline.put(21)
    pipeline.reporter(rate=20.0).drain(60)
    sent = [entry.at for entry in pipeline.journal("sent")]
    assert len(sent) == 21
    assert sent[-1][:-1] > sent[0][:-1]
    seconds = float(sent[-1][17:-1]) - float(sent[0][17:-1])
    assert seconds % 60 >= 0.95


def test_a_small_window(pipeline: Pipeline) -> None:
    """The window that the broker announces is respected; mosquitto would disconnect otherwise."""
    pipeline.broker.behaviour.receive_maximum = 3
    pipeline.broker.behaviour.pace_s = 0.01
    pipeline.put(30)
    assert pipeline.reporter(window=50).drain(60).left == 0
    under_way = most = 0
    for note in follow(pipeline.folder / "state", 1000, wait=False):
        under_way += {"sent": 1, "acknowledged": -1}.get(note.what, 0)
        most = max(most, under_way)
    assert most == 3


def test_a_template_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(SettingsError, match="are filled in"):
        Topics.from_settings(OutboxSettings(topic="{thing.x}/{kind}"), THING)


def test_control_characters_do_not_reach_the_terminal() -> None:
    note = JournalEntry("12:00:00", "command", 0, "", "\x1b]0;title\x07ü")
    assert _line(note).endswith(r"\x1b]0;title\x07ü")


def test_removals_go_together(pipeline: Pipeline) -> None:
    """What is sent soon after a removal waits for the next one; a clean stop does not wait."""
    pipeline.removal_s = 600.0
    with pipeline.reporting():
        pipeline.put(1)
        until(lambda: pipeline.outbox.counters().length == 0)
        pipeline.put(3, start=1)
        until(lambda: pipeline.numbers() == [0, 1, 2, 3])
        pipeline.put(3, start=4)  # an event that waits for its removal does not hold others up
        until(lambda: pipeline.numbers() == list(range(7)))
        assert pipeline.outbox.counters().length == 6
    assert pipeline.outbox.counters().length == 0
    assert pipeline.numbers() == list(range(7))


def test_a_full_window_does_not_wait(pipeline: Pipeline) -> None:
    """A crash repeats no more than the window holds, so a full one is removed at once."""
    pipeline.removal_s = 600.0
    with pipeline.reporting(window=5):
        pipeline.put(1)
        until(lambda: pipeline.outbox.counters().length == 0)
        pipeline.put(24, start=1)
        until(lambda: pipeline.numbers() == list(range(25)))
        until(lambda: pipeline.outbox.counters().length <= 5)


def test_two_reporters(pipeline: Pipeline) -> None:
    with pipeline.reporting():
        until(lambda: pipeline.broker.connections)
        with pytest.raises(OutboxError, match="already"):
            pipeline.reporter().drain(1)


def test_commands(pipeline: Pipeline) -> None:
    """A command is carried out once however often it comes; an unknown one is answered as such."""
    done: list[str] = []

    def sync_now() -> dict[str, Any]:
        done.append("sync-now")
        return {}

    pipeline.commands = CommandHandler(
        {"sync-now": sync_now, "report-status": lambda: {"length": 3}}
    )
    with pipeline.reporting():
        until(lambda: pipeline.broker.subscribed)
        topic = Topics(THING).commands
        for payload in (
            b'{"id": "1", "command": "sync-now"}',
            b'{"id": "1", "command": "sync-now"}',
            b'{"id": "2", "command": "report-status"}',
            b'{"id": "3", "command": "reboot"}',
            b"\xff not JSON",
        ):
            pipeline.broker.command(topic, payload)
        until(lambda: len(pipeline.broker.received()) == 5)
    received = pipeline.broker.received()
    assert {message.topic for message in received} == {f"visual-search/{THING}/answers"}
    answers = [json.loads(message.payload) for message in received]
    outcomes = [(answer["id"], answer["outcome"]) for answer in answers]
    assert outcomes == [
        ("1", "done"), ("1", "done"), ("2", "done"), ("3", "unknown"), (None, "unknown")
    ]  # fmt: skip
    assert answers[2]["length"] == 3
    assert done == ["sync-now"]


def test_a_command_that_fails_is_answered_so() -> None:
    """It is carried out when it comes again."""
    troubles: list[Exception] = [OutboxError("the disk does not answer")]

    def report_status() -> dict[str, Any]:
        if troubles:
            raise troubles.pop()
        return {}

    commands = CommandHandler({"report-status": report_status})
    asked = b'{"id": "1", "command": "report-status"}'
    first = json.loads(commands.answer(asked))
    assert (first["outcome"], first["message"]) == ("failed", "the disk does not answer")
    assert json.loads(commands.answer(asked))["outcome"] == "done"


def test_an_answer_that_makes_it_hang_up_sets_no_event_aside(pipeline: Pipeline) -> None:
    """The topic of answers is paused, and events go on."""
    topics = Topics(THING)
    pipeline.broker.behaviour.closes_for = [topics.answers.encode()]
    asked = b'{"id": "1", "command": "reboot"}'
    with pipeline.reporting():
        for count in range(1, 9):
            until(lambda: pipeline.broker.subscribed)
            pipeline.put(1, count)
            pipeline.broker.command(topics.commands, asked)
            until(lambda: pipeline.outbox.counters().length == 0)
        until(lambda: pipeline.journal("lost"))
    assert sorted(set(pipeline.numbers())) == list(range(1, 9))
    assert pipeline.outbox.counters().aside == 0
    assert pipeline.broker.connections < 8


def test_a_refused_answer_is_noted(pipeline: Pipeline) -> None:
    topics = Topics(THING)
    pipeline.broker.behaviour.refuses = {topics.answers: NOT_AUTHORIZED}
    with pipeline.reporting():
        until(lambda: pipeline.broker.subscribed)
        pipeline.broker.command(topics.commands, b'{"id": "1", "command": "reboot"}')
        until(lambda: pipeline.journal("refused"))
    assert topics.answers in pipeline.journal("refused")[0].detail


def test_through_mosquitto(pipeline: Pipeline, tmp_path: Path) -> None:
    """A real broker is restarted twice; its consumer ends with every event.

    Mosquitto acknowledges what it holds in memory: it is restarted once its consumer has that.
    """
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    mosquitto = Mosquitto(folder, pipeline.certificates)
    consumer = Consumer(mosquitto.port, pipeline.certificates)
    try:
        pipeline.put(300)
        expected = {event.id for event in pipeline.outbox.oldest(300)}
        for least in (60, 150):
            with pipeline.reporting(port=mosquitto.port, rate=300):
                until(partial(acknowledged, pipeline, least))
            until(lambda: len(consumer.ids) >= pipeline.outbox.counters().acknowledged)
            mosquitto.stop()
            mosquitto.start()
        assert pipeline.reporter(port=mosquitto.port).drain(60).left == 0
        until(lambda: len(consumer.ids) >= 300)
    finally:
        consumer.close()
        mosquitto.stop()
    assert consumer.ids == expected
    assert pipeline.outbox.counters().aside == 0


def acknowledged(pipeline: Pipeline, least: int) -> bool:
    return pipeline.outbox.counters().acknowledged > least


def arrived(pipeline: Pipeline, least: int) -> bool:
    return len(pipeline.numbers()) > least


def heartbeats(pipeline: Pipeline, count: int) -> None:
    beat = Heartbeat(uptime_s=1, rss_bytes=1, disk_free_bytes=1, outbox_length=0, sightings=0)
    tickets = [pipeline.outbox.put(Event("heartbeat", beat)) for _ in range(count)]
    assert all(ticket.wait(60) for ticket in tickets)


def test_as_the_settings_want_it(
    tmp_path: Path, certificates: BrokerCertificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker of sync run reports as the settings say; tail shows each event."""
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("VISUAL_SEARCH_OUTBOX__TRANSPORT", "file")
    stopping, wake = threading.Event(), threading.Event()
    worker = threading.Thread(target=reporting_worker(None), args=(stopping, wake))
    worker.start()
    with open_reporter(None) as found:
        assert found is not None
        outbox = found[0]
        assert outbox.put(status("started", number=1)).wait(60)
        until(lambda: outbox.counters().length == 0)
    stopping.set()
    worker.join(60)
    assert not worker.is_alive()
    [line] = (tmp_path / "data" / "reports" / "reports.jsonl").read_text().splitlines()
    assert json.loads(line)["payload"]["details"] == {"number": 1}
    shown = CliRunner().invoke(tail, ["--no-follow"], obj=None)
    assert [line.split()[1] for line in shown.output.splitlines()] == [
        "connected", "sent", "acknowledged"
    ]  # fmt: skip


def test_a_full_stick(pipeline: Pipeline, tmp_path: Path) -> None:
    """No event is quarantined or dropped; what waits is written when there is space again."""
    stick = tmp_path / "stick"
    reporter = Reporter(
        pipeline.outbox,
        lambda: FileTransport(stick, 1000, 2),
        Topics(THING),
        OutboxSettings.model_validate({"rate": 10_000}),
        tmp_path / "state",
        first_pause_s=0.05,
    )
    pipeline.put(20)
    with pipeline.running(reporter):
        until(lambda: "take away" in pipeline.outbox.counters().last_error)
    assert 0 < pipeline.outbox.counters().length < 20
    collected: list[str] = []
    while pipeline.outbox.counters().length:
        for file in sorted(stick.glob("reports-*.jsonl")):
            collected += file.read_text().splitlines()
            file.unlink()
        reporter.drain(0.3)
    for file in sorted(stick.iterdir()):
        collected += file.read_text().splitlines()
    numbers = [json.loads(line)["payload"]["details"]["number"] for line in collected]
    assert numbers == list(range(20))
    assert pipeline.outbox.counters().aside == 0


def test_a_disk_without_room(pipeline: Pipeline, tmp_path: Path) -> None:
    """It is the error, nothing ends, and all is written when there is space again."""
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "reports.jsonl").symlink_to("/dev/full")
    pipeline.put(3)
    reporter = Reporter(
        pipeline.outbox,
        lambda: FileTransport(stick, 10_000, 2),
        Topics(THING),
        OutboxSettings(),
        tmp_path / "state",
        first_pause_s=0.05,
    )
    with pipeline.running(reporter):
        until(lambda: "No space left on device" in pipeline.outbox.counters().last_error)
    assert pipeline.outbox.counters().length == 3
    (stick / "reports.jsonl").unlink()
    assert reporter.drain(60).left == 0


def test_nothing_is_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker ends, and no outbox is made."""
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(tmp_path / "data"))
    reporting_worker(None)(threading.Event(), threading.Event())
    assert not (tmp_path / "data").exists()


def test_the_journal_is_bounded_and_can_be_followed(tmp_path: Path) -> None:
    """A follower misses nothing when the file is replaced."""
    journal = Journal(tmp_path, max_bytes=2000)
    journal.note("sent", detail="0")
    journal.flush()
    notes = follow(tmp_path, 1, wait=True)
    assert next(notes).detail == "0"
    for start in range(1, 201, 20):
        for number in range(start, start + 20):
            journal.note("sent", detail=str(number))
        journal.flush()
        assert [int(next(notes).detail) for _ in range(20)] == list(range(start, start + 20))
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 3 * 2000


def test_a_line_of_the_journal_that_is_not_complete_yet_is_read_when_it_is(tmp_path: Path) -> None:
    """The reporter writes by blocks of its buffer, which may end within a line."""
    file = tmp_path / "reported.jsonl"
    file.write_text('[1.0,"sent",1,"id","first"]\n[2.0,"sent",2,"id","sec')
    entries = follow(tmp_path, 10, wait=True)
    assert next(entries).detail == "first"
    with file.open("a") as journal:
        journal.write('ond"]\n')
    assert next(entries).detail == "second"
