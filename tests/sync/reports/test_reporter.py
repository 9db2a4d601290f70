"""From the outbox to a broker: everything arrives, whatever the broker does."""

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
from sync.reports.transports.file import FileTransport
from sync.reports.transports.greengrass_v1 import GreengrassV1Transport
from sync.reports.transports.mqtt import MqttTransport
from sync.reports.wiring import open_reporter, reporting_worker
from sync.settings import OutboxSettings
from tests.support import greengrass_core
from tests.support.brokers import THING, Consumer, Mosquitto, Papers, until
from tests.support.iot_core import NOT_AUTHORIZED, IotCore

STATUS, HEARTBEAT = f"visual-search/{THING}/status", f"visual-search/{THING}/heartbeat"


@dataclass
class Way:
    """An outbox, a broker, and the reporter between them."""

    outbox: Outbox
    broker: IotCore
    papers: Papers
    folder: Path
    commands: CommandHandler = field(default_factory=lambda: CommandHandler({}))

    def put(self, count: int, start: int = 0, **details: Any) -> None:
        """Put status events and wait until they are durable."""
        tickets = [
            self.outbox.put(status("started", number=start + n, **details)) for n in range(count)
        ]
        assert all(ticket.wait(10) for ticket in tickets)

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
        )
        with self._running(reporter):
            yield

    def reporter(self, port: int | None = None, **settings: Any) -> Reporter:
        """A reporter; without a limit of rate unless `settings` say so."""
        topics = Topics(THING)
        return Reporter(
            self.outbox,
            lambda: MqttTransport(self.papers.address(port or self.broker.port), topics.commands),
            topics,
            OutboxSettings.model_validate({"rate": 10_000, "patience_s": 1.0} | settings),
            self.folder / "state",
            self.commands,
            first_pause_s=0.1,
        )

    @contextmanager
    def reporting(self, **settings: Any) -> Iterator[Reporter]:
        """Report while the test goes on."""
        reporter = self.reporter(**settings)
        with self._running(reporter):
            yield reporter

    @contextmanager
    def _running(self, reporter: Reporter) -> Iterator[None]:
        stopping = threading.Event()
        thread = threading.Thread(target=reporter.run, args=(stopping,))
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join(10)
            assert not thread.is_alive()

    def numbers(self) -> list[int]:
        """Numbers of the status events on the broker's record, in order of their arrival."""
        found = [json.loads(message.payload) for message in self.broker.received()]
        return [document["details"]["number"] for document in found if document["kind"] == "status"]

    def journal(self, what: str) -> list[JournalEntry]:
        """What the journal notes of one sort."""
        notes = follow(self.folder / "state", 100_000, wait=False)
        return [entry for entry in notes if entry.what == what]


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers.make(tmp_path_factory.mktemp("papers"))


@pytest.fixture
def way(tmp_path: Path, papers: Papers) -> Iterator[Way]:
    outbox = Outbox(tmp_path / "outbox.db", OutboxSettings.model_validate({}), "device")
    broker = papers.iot_core(tmp_path / "record")
    yield Way(outbox, broker, papers, tmp_path)
    broker.close()
    outbox.close()


def test_in_order_and_once(way: Way) -> None:
    """What is there is sent, oldest first, each once; the counters say so."""
    way.put(500)
    drained = way.reporter().drain(30)
    assert (drained.acknowledged, drained.left, drained.error) == (500, 0, "")
    assert way.numbers() == list(range(500))
    found = [json.loads(message.payload) for message in way.broker.received()]
    assert [document["sequence"] for document in found] == sorted(
        document["sequence"] for document in found
    )
    assert {message.topic for message in way.broker.received()} == {STATUS}
    counters = way.outbox.counters()
    assert (counters.sent, counters.acknowledged, counters.latencies) == (500, 500, 500)


def test_without_a_network_nothing_is_lost(way: Way) -> None:
    """A broker that is gone is said; when it comes back, all of it arrives."""
    way.broker.stop()
    way.put(20)
    drained = way.reporter().drain(1.0)
    assert (drained.acknowledged, drained.left) == (0, 20)
    assert "nothing listens" in drained.error
    with way.reporting():
        way.broker.start()
        until(lambda: way.outbox.counters().length == 0)
    assert way.numbers() == list(range(20))
    assert way.outbox.counters().offline_s >= 1.0


def test_new_events_go_at_once(way: Way) -> None:
    with way.reporting():
        for start in range(3):
            way.put(1, start)
            until(lambda: way.outbox.counters().length == 0)
    assert way.numbers() == [0, 1, 2]
    assert way.broker.connections == 1


def test_a_cut_repeats_at_most_the_window(way: Way) -> None:
    way.put(300)
    way.broker.manners.pace_s = 0.002
    with way.reporting(window=5):
        for least in (50, 100, 150):
            until(partial(arrived, way, least))
            way.broker.cut()
        until(lambda: way.outbox.counters().length == 0, 30)
    numbers = way.numbers()
    assert list(dict.fromkeys(numbers)) == list(range(300))
    assert len(numbers) <= 300 + 3 * 5
    assert way.outbox.counters().aside == 0


def test_swallowed_answers(way: Way) -> None:
    """They cost a time-out and repetitions, no event."""
    way.put(40)
    way.broker.manners.swallows = 0.05
    with way.reporting(patience_s=0.3):
        until(lambda: way.outbox.counters().length == 0, 60)
    numbers = way.numbers()
    assert sorted(set(numbers)) == list(range(40))
    assert len(numbers) <= 40 + 20 * max(1, way.broker.swallowed)
    assert way.outbox.counters().aside == 0


@pytest.mark.parametrize("pace_s", [0.0, 0.01], ids=["at once", "when all are under way"])
def test_the_message_that_makes_it_hang_up(way: Way, pace_s: float) -> None:
    """It is found among its neighbours, set aside and counted; all others arrive, once."""
    way.put(30)
    way.broker.manners.pace_s = pace_s
    way.broker.manners.closes_for = [b'"number":13']
    with way.reporting():
        until(lambda: way.outbox.counters().length == 0, 60)
    assert sorted(set(way.numbers())) == [n for n in range(30) if n != 13]
    counters = way.outbox.counters()
    assert (counters.aside, dict(counters.dropped)) == (1, {"refused": 1})
    assert "set aside" in " ".join(entry.detail for entry in way.journal("trouble"))


def test_a_message_alone_that_makes_it_hang_up(way: Way) -> None:
    """It might be its topic that is not wanted, so it waits; new ones go first, and tell."""
    way.broker.manners.closes_for = [b'"number":13']
    way.put(1, 13)
    with way.reporting(rate=20):  # it hangs up before the next is sent
        until(lambda: "again and again on topic" in way.outbox.counters().last_error, 60)
        assert (way.outbox.counters().length, way.outbox.counters().aside) == (1, 0)
        way.put(10, 20)
        until(lambda: way.outbox.counters().length == 0, 60)
    assert sorted(set(way.numbers())) == list(range(20, 30))
    assert way.outbox.counters().aside == 1


def test_a_topic_that_makes_it_hang_up(way: Way) -> None:
    """Others go on; its events wait, none is set aside, and arrive when it is allowed."""
    way.broker.manners.closes_for = [STATUS.encode()]
    way.put(5)
    heartbeats(way, 5)
    with way.reporting():
        until(lambda: way.outbox.counters().length == 5, 60)
        assert way.numbers() == []
        assert way.outbox.counters().aside == 0
        way.broker.manners.closes_for = []
        until(lambda: way.outbox.counters().length == 0, 60)
    assert sorted(set(way.numbers())) == list(range(5))


def test_a_denied_topic(way: Way) -> None:
    """The refusal names the permission; the others go on; nothing is set aside."""
    way.broker.manners.refuses = {STATUS: NOT_AUTHORIZED}
    way.put(5)
    heartbeats(way, 5)
    with way.reporting():
        until(lambda: way.outbox.counters().length == 5)
        assert "iot:Publish" in way.outbox.counters().last_error
        way.broker.manners.refuses = {}
        until(lambda: way.outbox.counters().length == 0, 60)
    assert way.numbers() == list(range(5))
    assert way.outbox.counters().aside == 0


def test_a_message_that_is_refused(way: Way) -> None:
    way.broker.manners.refuses = {HEARTBEAT: 0x99}  # payload format invalid
    heartbeats(way, 1)
    way.put(3)
    assert way.reporter().drain(10).left == 0
    assert way.numbers() == [0, 1, 2]
    assert way.outbox.counters().aside == 1


def test_throttled(way: Way) -> None:
    """Too much is no reason to drop anything: it is slower for a while."""
    way.broker.manners.quota = 7
    way.put(30)
    with way.reporting():
        until(lambda: "Quota exceeded" in way.outbox.counters().last_error)
        way.broker.manners.quota = None
        until(lambda: way.outbox.counters().length == 0, 60)
    assert sorted(way.numbers()) == list(range(30))
    assert way.outbox.counters().aside == 0


def test_a_core_without_room_and_a_core_away_convict_nobody(way: Way) -> None:
    """Messages go through between the refusals, one way and another; all arrive in the end."""
    way.put(30)
    with greengrass_core.running() as core, greengrass_core.function_on(core.port):
        core.takes = iter([True, False, False, False] * 30)
        with way.through_greengrass(core):
            until(lambda: way.outbox.counters().length < 15, 60)
            core.status = 403
            until(lambda: way.journal("trouble"))
            assert all("policy" not in entry.detail for entry in way.journal("trouble"))
            core.takes, core.status = None, 200
            until(lambda: way.outbox.counters().length == 0, 60)
        found = [json.loads(message.payload)["details"]["number"] for message in core.messages]
    assert sorted(found) == list(range(30))
    assert way.outbox.counters().aside == 0


def test_the_limit_of_rate(way: Way) -> None:
    """It takes at least as long as the limit wants."""
    way.put(21)
    way.reporter(rate=20.0).drain(60)
    sent = [entry.at for entry in way.journal("sent")]
    assert len(sent) == 21
    assert sent[-1][:-1] > sent[0][:-1]
    seconds = float(sent[-1][17:-1]) - float(sent[0][17:-1])
    assert seconds % 60 >= 0.95


def test_a_small_window(way: Way) -> None:
    """What the broker announces is kept to; mosquitto would hang up otherwise."""
    way.broker.manners.receive_maximum = 3
    way.broker.manners.pace_s = 0.01
    way.put(30)
    assert way.reporter(window=50).drain(30).left == 0
    under_way = most = 0
    for note in follow(way.folder / "state", 1000, wait=False):
        under_way += {"sent": 1, "acknowledged": -1}.get(note.what, 0)
        most = max(most, under_way)
    assert most == 3


def test_a_template_that_asks_for_what_there_is_not() -> None:
    with pytest.raises(SettingsError, match="are filled in"):
        Topics.from_settings(OutboxSettings(topic="{thing.x}/{kind}"), THING)


def test_control_characters_do_not_reach_the_terminal() -> None:
    note = JournalEntry("12:00:00", "command", 0, "", "\x1b]0;title\x07ü")
    assert _line(note).endswith(r"\x1b]0;title\x07ü")


def test_two_reporters(way: Way) -> None:
    with way.reporting():
        until(lambda: way.broker.connections)
        with pytest.raises(OutboxError, match="already"):
            way.reporter().drain(1)


def test_commands(way: Way) -> None:
    """Known ones are done once however often they come, unknown ones answered so."""
    done: list[str] = []

    def sync_now() -> dict[str, Any]:
        done.append("sync-now")
        return {}

    way.commands = CommandHandler({"sync-now": sync_now, "report-status": lambda: {"length": 3}})
    with way.reporting():
        until(lambda: way.broker.subscribed)
        topic = Topics(THING).commands
        for payload in (
            b'{"id": "1", "command": "sync-now"}',
            b'{"id": "1", "command": "sync-now"}',
            b'{"id": "2", "command": "report-status"}',
            b'{"id": "3", "command": "reboot"}',
            b"\xff not JSON",
        ):
            way.broker.command(topic, payload)
        until(lambda: len(way.broker.received()) == 5)
    received = way.broker.received()
    assert {message.topic for message in received} == {f"visual-search/{THING}/answers"}
    answers = [json.loads(message.payload) for message in received]
    outcomes = [(answer["id"], answer["outcome"]) for answer in answers]
    assert outcomes == [
        ("1", "done"), ("1", "done"), ("2", "done"), ("3", "unknown"), (None, "unknown")
    ]  # fmt: skip
    assert answers[2]["length"] == 3
    assert done == ["sync-now"]


def test_a_command_that_fails_is_answered_so() -> None:
    """And done when it is asked for again."""
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


def test_an_answer_that_makes_it_hang_up_convicts_no_event(way: Way) -> None:
    """Its topic is left in peace, and events go on."""
    topics = Topics(THING)
    way.broker.manners.closes_for = [topics.answers.encode()]
    asked = b'{"id": "1", "command": "reboot"}'
    with way.reporting():
        for count in range(1, 9):
            until(lambda: way.broker.subscribed)
            way.put(1, count)
            way.broker.command(topics.commands, asked)
            until(lambda: way.outbox.counters().length == 0)
        until(lambda: way.journal("lost"))
    assert sorted(set(way.numbers())) == list(range(1, 9))
    assert way.outbox.counters().aside == 0
    assert way.broker.connections < 8


def test_a_refused_answer_is_noted(way: Way) -> None:
    topics = Topics(THING)
    way.broker.manners.refuses = {topics.answers: NOT_AUTHORIZED}
    with way.reporting():
        until(lambda: way.broker.subscribed)
        way.broker.command(topics.commands, b'{"id": "1", "command": "reboot"}')
        until(lambda: way.journal("refused"))
    assert topics.answers in way.journal("refused")[0].detail


def test_through_mosquitto(way: Way, tmp_path: Path) -> None:
    """A real broker is restarted twice; its consumer ends with every event.

    Mosquitto acknowledges what it holds in memory: it is restarted once its consumer has that.
    """
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    mosquitto = Mosquitto(folder, way.papers)
    consumer = Consumer(mosquitto.port, way.papers)
    try:
        way.put(300)
        expected = {event.id for event in way.outbox.oldest(300)}
        for least in (60, 150):
            with way.reporting(port=mosquitto.port, rate=300):
                until(partial(acknowledged, way, least))
            until(lambda: len(consumer.ids) >= way.outbox.counters().acknowledged)
            mosquitto.stop()
            mosquitto.start()
        assert way.reporter(port=mosquitto.port).drain(30).left == 0
        until(lambda: len(consumer.ids) >= 300)
    finally:
        consumer.close()
        mosquitto.stop()
    assert consumer.ids == expected
    assert way.outbox.counters().aside == 0


def acknowledged(way: Way, least: int) -> bool:
    return way.outbox.counters().acknowledged > least


def arrived(way: Way, least: int) -> bool:
    return len(way.numbers()) > least


def heartbeats(way: Way, count: int) -> None:
    beat = Heartbeat(uptime_s=1, rss_bytes=1, disk_free_bytes=1, outbox_length=0, sightings=0)
    tickets = [way.outbox.put(Event("heartbeat", beat)) for _ in range(count)]
    assert all(ticket.wait(10) for ticket in tickets)


def test_as_the_settings_want_it(
    tmp_path: Path, papers: Papers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker of sync run reports by the settings; tail shows each event on its way."""
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("VISUAL_SEARCH_OUTBOX__TRANSPORT", "file")
    stopping, wake = threading.Event(), threading.Event()
    worker = threading.Thread(target=reporting_worker(None), args=(stopping, wake))
    worker.start()
    with open_reporter(None) as found:
        assert found is not None
        outbox = found[0]
        assert outbox.put(status("started", number=1)).wait(10)
        until(lambda: outbox.counters().length == 0)
    stopping.set()
    worker.join(10)
    assert not worker.is_alive()
    [line] = (tmp_path / "data" / "reports" / "reports.jsonl").read_text().splitlines()
    assert json.loads(line)["payload"]["details"] == {"number": 1}
    shown = CliRunner().invoke(tail, ["--no-follow"], obj=None)
    assert [line.split()[1] for line in shown.output.splitlines()] == [
        "connected", "sent", "acknowledged"
    ]  # fmt: skip


def test_a_full_stick(way: Way, tmp_path: Path) -> None:
    """Nothing is suspected or dropped; what waited is written when there is room again."""
    stick = tmp_path / "stick"
    reporter = Reporter(
        way.outbox,
        lambda: FileTransport(stick, 1000, 2),
        Topics(THING),
        OutboxSettings.model_validate({"rate": 10_000}),
        tmp_path / "state",
        first_pause_s=0.05,
    )
    way.put(20)
    drained = reporter.drain(1.0)
    assert 0 < drained.left < 20
    assert "take away" in drained.error
    collected: list[str] = []
    while way.outbox.counters().length:
        for file in sorted(stick.glob("reports-*.jsonl")):
            collected += file.read_text().splitlines()
            file.unlink()
        reporter.drain(0.3)
    for file in sorted(stick.iterdir()):
        collected += file.read_text().splitlines()
    numbers = [json.loads(line)["payload"]["details"]["number"] for line in collected]
    assert numbers == list(range(20))
    assert way.outbox.counters().aside == 0


def test_a_disk_without_room(way: Way, tmp_path: Path) -> None:
    """It is said, ends nothing, and all is written when there is room."""
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "reports.jsonl").symlink_to("/dev/full")
    way.put(3)
    reporter = Reporter(
        way.outbox,
        lambda: FileTransport(stick, 10_000, 2),
        Topics(THING),
        OutboxSettings(),
        tmp_path / "state",
        first_pause_s=0.05,
    )
    drained = reporter.drain(0.3)
    assert drained.left == 3
    assert "No space left on device" in drained.error
    (stick / "reports.jsonl").unlink()
    assert reporter.drain(10).left == 0


def test_nothing_is_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker ends, and no outbox is made."""
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(tmp_path / "data"))
    reporting_worker(None)(threading.Event(), threading.Event())
    assert not (tmp_path / "data").exists()


def test_the_journal_is_bounded_and_can_be_followed(tmp_path: Path) -> None:
    """Whoever follows misses nothing when the file is replaced."""
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
