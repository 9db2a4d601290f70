"""The named shadow: what the device says of itself, and what it does as it is desired."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from catalog.core.errors import ShelfError
from catalog.core.settings import DeviceSettings
from catalog.core.state import (
    SyncState,
    edge_state,
    write_camera,
    write_edge_state,
    write_sync_state,
)
from sync.errors import FleetError
from sync.fleet.desired import Desired, keep_desired, parse_desired, read_desired
from sync.fleet.device_state import DeviceState
from sync.fleet.shadow import INTERVAL_S, REPEAT_S, RETRY_S, Shadow, StateDocument
from sync.outbox.events import status
from sync.outbox.outbox import Outbox
from sync.reports.checks import checks
from sync.reports.topics import Topics
from sync.reports.transports import choice
from sync.reports.transports.base import TransportCallbacks
from sync.reports.wiring import _conversations, open_reporter, reporting_worker
from sync.settings import OutboxSettings
from tests.support.brokers import THING, BrokerCertificates, Mosquitto, until
from tests.support.following import Following
from tests.support.iot_things import IotThings, device_of_a_fleet

PREFIX = f"$aws/things/{THING}/shadow/name/visual-search"
BASE: StateDocument = {"catalogue": "one", "outcome": "up-to-date", "outbox": 0}


@dataclass
class Conversing:
    """A shadow's conversation with a clock and answers of the test's own."""

    state: dict[str, Any] = field(default_factory=lambda: dict(BASE))
    obeyed: list[Desired] = field(default_factory=list)
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.shadow = Shadow(THING, lambda: self.state, self.obeyed.append, lambda: self.now)
        self.shadow.opened()

    def said(self) -> dict[str, dict[str, Any]]:
        """What is sent now, by the last part of the topic."""
        sent = list(self.shadow.due())
        assert all(topic.startswith(PREFIX) for topic, _ in sent)
        return {topic.rpartition("/")[2]: json.loads(payload) for topic, payload in sent}

    def settled(self) -> bool:
        """Whether nothing is left to say or to hear."""
        return self.shadow.is_settled

    def hear(self, ending: str, **document: Any) -> None:
        """Something comes in."""
        self.shadow.heard(f"{PREFIX}/{ending}", json.dumps(document).encode())

    def greet(self, **desired: Any) -> None:
        """The first messages of a connection, and their answers."""
        said = self.said()
        token = said["get"]["clientToken"]
        self.hear("get/accepted", state={"desired": desired}, version=5, clientToken=token)
        self.accept(said["update"])

    def accept(self, update: dict[str, Any]) -> None:
        """An update is accepted."""
        self.hear("update/accepted", state=update["state"], clientToken=update["clientToken"])


def reported(update: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = update["state"]["reported"]
    return found


def test_the_state_is_said_when_it_changes_but_not_more_than_once_a_minute() -> None:
    talk = Conversing()
    assert not talk.settled()
    talk.greet()
    assert talk.settled()
    for outcome in ("failed", "offline", "installed"):
        talk.now += 10
        talk.state["outcome"] = outcome
        assert talk.said() == {}
    talk.now += INTERVAL_S - 30
    said = talk.said()
    assert reported(said["update"])["outcome"] == "installed"
    talk.accept(said["update"])
    talk.now += 10 * INTERVAL_S
    assert talk.said() == {}, "nothing has changed"
    talk.now += REPEAT_S
    assert reported(talk.said()["update"])["outcome"] == "installed", "once an hour all the same"


def test_events_that_come_and_go_are_not_worth_a_message() -> None:
    talk = Conversing()
    talk.greet()
    for length in (1, 20, 99, 0):
        talk.now += 2 * INTERVAL_S
        talk.state |= {"outbox": length, "checked_at": str(talk.now)}
        assert talk.said() == {}
    talk.now += 2 * INTERVAL_S
    talk.state["outbox"] = 100
    assert reported(talk.said()["update"])["outbox"] == 100


def test_the_state_is_said_again_after_a_reconnect() -> None:
    talk = Conversing()
    talk.greet()
    talk.shadow.opened()
    assert set(talk.said()) == {"get"}, "a link that comes and goes sends no more than others"
    talk.now += INTERVAL_S
    assert set(talk.said()) == {"update"}


def test_an_update_that_is_not_answered_or_rejected_is_sent_again_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    talk = Conversing()
    talk.said()
    talk.now += INTERVAL_S
    assert talk.said() == {}, "no answer came in time: a pause"
    assert talk.settled(), "nobody waits for it for ever"
    talk.now += RETRY_S
    said = talk.said()
    assert set(said) == {"get", "update"}
    token = said["update"]["clientToken"]
    talk.hear("update/rejected", code=429, message="too many", clientToken=token)
    assert "too many (429)" in caplog.text
    talk.now += 2 * RETRY_S
    assert "update" in talk.said()


def test_what_is_desired_is_asked_for_whole_and_obeyed() -> None:
    """A delta and another's update only say that it has changed."""
    talk = Conversing()
    talk.greet(pin=7, channel="beta")
    assert talk.obeyed == [Desired(pin=7, channel="beta")]
    talk.now += 60
    talk.hear("update/delta", state={"pin": 8}, version=6)
    token = talk.said()["get"]["clientToken"]
    talk.hear("get/accepted", state={"desired": {"pin": "8"}}, version=6, clientToken=token)
    assert talk.obeyed[-1] == Desired(pin="8")
    talk.now += 60
    talk.hear("update/accepted", state={"desired": {"pin": None}}, version=7, clientToken="owner")
    token = talk.said()["get"]["clientToken"]
    talk.hear("get/accepted", state={}, version=7, clientToken=token)
    assert talk.obeyed[-1] == Desired()
    talk.now += 60
    talk.hear("update/delta", state={"pin": 8}, version=8)
    assert "get" in talk.said()
    talk.hear("get/accepted", state={"desired": {"pin": 3}}, version=2, clientToken=token)
    assert len(talk.obeyed) == 3, "the answer to a former question is passed over"


def test_that_nothing_is_desired_any_more_is_noticed() -> None:
    """By the owner's message; and by an hourly question, because a deleted shadow sends none."""
    talk = Conversing()
    talk.greet(pin=7)
    talk.now += 60
    talk.hear("update/accepted", state={"desired": None}, version=7, clientToken="owner")
    token = talk.said()["get"]["clientToken"]
    talk.hear("get/accepted", state={"desired": {"pin": 8}}, version=7, clientToken=token)
    talk.now += REPEAT_S
    token = talk.said()["get"]["clientToken"]
    talk.hear("get/rejected", code=404, message="No shadow exists", clientToken=token)
    assert talk.obeyed[-2:] == [Desired(pin=8), Desired()]


def test_a_day_on_which_nothing_happens_has_48_messages() -> None:
    talk = Conversing()
    sent = 0
    for _ in range(24 * 360):
        said = talk.said()
        sent += len(said)
        for name, document in said.items():
            token = document["clientToken"]
            talk.hear(f"{name}/accepted", state={}, version=5, clientToken=token)
        talk.now += 10
    assert sent == 48


def test_nobody_who_answers_is_asked_ever_less_often() -> None:
    """A new connection does not end a pause."""
    talk = Conversing()
    sent: list[str] = []
    for _ in range(24 * 360):
        talk.now += 10
        talk.shadow.opened()
        talk.now += 0.1
        for _ in range(3):
            sent += talk.said()
            talk.now += 10
    assert 100 < len(sent) < 500


def test_a_flood_of_changes_does_not_make_a_flood_of_questions() -> None:
    talk = Conversing()
    talk.greet()
    asked = 0
    for _ in range(100):
        talk.now += 0.25
        talk.hear("update/delta", state={"pin": 8}, version=6)
        said = talk.said()
        if "get" in said:
            asked += 1
            token = said["get"]["clientToken"]
            talk.hear("get/accepted", state={}, version=6, clientToken=token)
    assert asked == 5


def test_a_device_without_a_shadow_is_told_nothing() -> None:
    talk = Conversing()
    token = talk.said()["get"]["clientToken"]
    talk.hear("get/rejected", code=404, message="No shadow exists", clientToken=token)
    assert talk.obeyed == [Desired()]


def test_another_rejection_changes_nothing() -> None:
    talk = Conversing()
    token = talk.said()["get"]["clientToken"]
    talk.hear("get/rejected", code=500, message="Internal", clientToken=token)
    assert talk.obeyed == []
    talk.now += RETRY_S / 2
    assert "get" not in talk.said()
    talk.hear("update/delta", state={"pin": 8}, version=6)
    assert "get" in talk.said(), "there is news, so it is asked for before the pause is over"
    talk.now += 2 * RETRY_S
    talk.said()
    talk.now += RETRY_S
    assert "get" in talk.said()


@pytest.mark.parametrize(
    ("desired", "sentence"),
    [
        ({"pin": "../7"}, "desired.pin: ../7: the number of a release, or the id of a bundle"),
        ({"pin": True}, "desired.pin: True: the number"),
        ({"pin": 7.5}, "desired.pin: 7.5: the number"),
        ({"pin": ["7"]}, "desired.pin: ['7']: the number"),
        ({"pin": ""}, "desired.pin: -: the number"),
        ({"pin": "7", "channel": "Beta channel"}, "desired.channel: Beta channel: the name of a"),
        ({"channel": 5}, "desired.channel: 5: the name of a channel is wanted"),
        ({"chanel": "beta"}, "desired.chanel: only pin and channel can be desired"),
        ({"x\n" * 400: 1}, "desired.x x x"),
        (["pin"], "desired: an object is wanted"),
    ],
)
def test_nonsense_is_refused_whole_and_said_in_a_sentence(desired: Any, sentence: str) -> None:
    talk = Conversing()
    talk.greet(pin="5")
    talk.now += INTERVAL_S
    talk.hear("update/delta", state={}, version=6)
    said = talk.said()
    token = said["get"]["clientToken"]
    talk.hear("get/accepted", state={"desired": desired}, version=6, clientToken=token)
    assert talk.obeyed == [Desired(pin="5")], "what was desired before holds"
    talk.now += INTERVAL_S
    refused = reported(talk.said()["update"])["refused"]
    assert refused.startswith(sentence)
    assert len(refused) < 150
    with pytest.raises(FleetError):
        parse_desired(desired)


def test_what_is_no_document_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    talk = Conversing()
    said = talk.said()
    for payload in (b"", b"null", b"[]", b'{"state": 1}', b"\xff", b"{" * 70_000):
        for ending in ("get/accepted", "get/rejected", "update/delta", "update/accepted"):
            talk.shadow.heard(f"{PREFIX}/{ending}", payload)
    talk.shadow.heard(f"{PREFIX}/another", b"{}")
    token = said["get"]["clientToken"]
    talk.hear("get/accepted", state={"desired": None}, version=1, clientToken=token)
    assert talk.obeyed == [Desired()]


def test_a_disk_that_does_not_keep_it_is_said_and_asked_again() -> None:
    """Nothing is obeyed that a restart would forget."""

    def full(desired: Desired) -> None:
        raise OSError(28, "No space left on device")

    talk = Conversing()
    talk.shadow = Shadow(THING, lambda: talk.state, full, lambda: talk.now)
    talk.shadow.opened()
    talk.greet(pin=7)
    talk.now += INTERVAL_S
    assert "No space left" in reported(talk.said()["update"])["refused"]
    talk.now += RETRY_S
    assert "get" in talk.said()


def test_what_is_desired_outlives_a_restart(tmp_path: Path) -> None:
    assert read_desired(tmp_path) is None
    assert not keep_desired(tmp_path, Desired()), "nothing was desired before"
    assert keep_desired(tmp_path, Desired(pin="7"))
    assert not keep_desired(tmp_path, Desired(pin="7"))
    assert read_desired(tmp_path) == Desired(pin="7")
    (tmp_path / "desired.json").write_text("{")
    assert read_desired(tmp_path) is None


def test_the_doctor_says_where_nobody_hears_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL_SEARCH_OUTBOX__TRANSPORT", "file")
    assert not [finding for finding in checks(None) if finding.subject == "fleet"]
    monkeypatch.setenv("VISUAL_SEARCH_OUTBOX__SHADOW", "true")
    [found] = [finding for finding in checks(None) if finding.subject == "fleet"]
    assert (found.state, found.message[-21:]) == ("wrong", "this device sends by file"[-21:])


def test_without_shadow_and_jobs_a_wrong_setting_of_sync_stops_no_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VISUAL_SEARCH_SYNC__INTERVAL_S", "never")
    settings, device = OutboxSettings(transport="mqtt"), DeviceSettings(data_dir=tmp_path)
    outbox = Outbox(tmp_path / "outbox.db", settings, "device-1")
    assert _conversations(None, settings, device, Topics(THING), outbox, None, None) == []
    outbox.close()


def test_the_doctor_says_where_a_policy_lets_nothing_be_heard(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And takes what comes in meanwhile for no answer."""

    class Deaf:
        name = "mqtt"
        window = 1
        unheard = dict.fromkeys(Shadow(THING, dict, print).topics, "the connection ended then")

        def open(self, callbacks: TransportCallbacks) -> None:
            self.callbacks = callbacks

        def send(self, token: int, topic: str, payload: bytes) -> None:
            self.callbacks.command(f"{PREFIX}/update/delta", b"{}")
            self.callbacks.accepted(token)

        def close(self) -> None:
            pass

    monkeypatch.setattr(choice, "transport_factory", lambda *given: Deaf)
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__THING", THING)
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(tmp_path))
    for name in ("SHADOW", "JOBS"):
        monkeypatch.setenv(f"VISUAL_SEARCH_OUTBOX__{name}", "true")
    monkeypatch.setattr(choice, "choose", lambda settings: "mqtt")
    monkeypatch.setattr("sync.reports.checks._certificate", lambda *given: iter(()))
    found = list(checks(None))
    shadow, jobs = [finding for finding in found if finding.subject == "fleet"]
    assert shadow.state == "wrong"
    assert shadow.message.startswith(f"{PREFIX}/get/accepted: nothing is heard: the connection")
    assert (jobs.state, jobs.message) == ("ok", f"heard on $aws/things/{THING}/jobs/")
    topics = [finding for finding in found if finding.subject == "topic"]
    assert topics
    assert all(finding.state == "ok" for finding in topics)


# On the device


@pytest.fixture
def following(published: Following, tmp_path: Path) -> Following:
    return published.copy(tmp_path / "world")


def desire(following: Following, **desired: Any) -> None:
    keep_desired(following.data / "state", Desired.model_validate(desired))


@pytest.mark.slow
def test_a_pin_holds_the_catalogue_until_it_is_lifted(following: Following) -> None:
    first = following.active()
    desire(following, pin=1)
    state = following.device().check()
    assert (state.outcome, state.pinned) == ("pinned", first)
    assert following.device(source="file:///nowhere").check().pinned == first, "offline, too"
    said = DeviceState(DeviceSettings(data_dir=following.data), "stable", lambda: 0)()
    assert (said["pin"], said["release"], said["newest"]) == (1, 1, 2), "1 is no text there"
    desire(following)
    assert following.device().check().outcome == "installed"
    second = following.active()
    desire(following, pin=first[:-1])
    state = following.device(source="file:///nowhere").check()
    assert (following.active(), state.pinned) == (first, first), "it is here, so at once"
    desire(following, pin=2)
    assert following.device().check().outcome == "up-to-date"
    assert (following.active(), following.shelf.state().pinned) == (second, second)


@pytest.mark.slow
def test_a_pin_that_only_the_channel_has_is_fetched_and_another_is_waited_for(
    following: Following,
) -> None:
    first = following.active()
    desire(following, pin=3)
    state = following.device().check()
    assert state.outcome == "pinned"
    assert state.message.startswith("the fleet's owner pins 3, and the channel's newest is release")
    assert (following.active(), state.pinned) == (first, None)
    desire(following, pin=2)
    state = following.device().check()
    assert state.outcome == "installed"
    assert state.active is not None
    assert (state.active.release, state.pinned) == (2, following.active())
    assert following.shelf.state().trial is not None, "it is on probation like any other"


def test_a_channel_is_followed_and_left_again(following: Following) -> None:
    desire(following, channel="beta")
    state = following.device().check()
    assert (state.outcome, state.channel) == ("up-to-date", "beta")
    desire(following, channel="missing")
    assert following.device().check().outcome == "not-published"
    desire(following, pin=1)
    assert following.device().check().channel == "stable"


def test_what_a_person_pinned_stays_pinned_unless_the_owner_pins(following: Following) -> None:
    following.device().pin("1")
    desire(following)
    assert following.device().check().outcome == "pinned"
    (following.data / "state" / "desired.json").unlink()
    assert following.device().check().outcome == "pinned"
    desire(following, pin=1)
    following.device().check()
    (following.data / "state" / "desired.json").write_text("damaged")
    assert following.device(source="file:///nowhere").check().pinned, "what is not known, holds"


@pytest.mark.slow
def test_a_pin_by_hand_stays_until_the_owner_s_can_be_obeyed(following: Following) -> None:
    first = following.active()
    following.device().pin("1")
    desire(following, pin=3)
    state = following.device().check()
    assert (state.outcome, state.pinned) == ("pinned", first), "there is no such version here"
    assert following.shelf.state().pinned_by == ""
    desire(following, pin=2)
    state = following.device().check()
    assert (state.outcome, state.pinned) == ("installed", following.active())
    assert following.active() != first
    assert following.shelf.state().pinned_by == "fleet"
    with pytest.raises(ShelfError, match="the fleet's owner pins it: change the shadow"):
        following.device().roll_back()


def test_a_version_that_is_damaged_here_is_not_pinned(following: Following, tmp_path: Path) -> None:
    first, damaged = following.active(), "20991231T000000Z-abcdef123456"
    shutil.copytree(following.shelf.versions / first, following.shelf.versions / damaged)
    desire(following, pin=damaged)
    assert following.device(source="file:///nowhere").check().pinned is None
    assert following.active() == first


def test_a_version_that_was_rejected_here_is_not_pinned(following: Following) -> None:
    first = following.active()
    with following.shelf.changing():
        rejected = following.shelf.state().with_rejected(first, "it crashed", "auto")
        following.shelf.save_state(rejected)
    desire(following, pin=1)
    assert following.device().check().pinned is None


@pytest.mark.slow
def test_a_change_of_mind_during_a_download_is_obeyed(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = following.active()

    def change(*validated: object) -> None:
        desire(following, pin=1)

    monkeypatch.setattr("catalog.bundles.validator.validate_in_child", change)
    state = following.device().check()
    assert (state.outcome, following.active()) == ("failed", first)
    assert "wants something else" in state.message
    assert following.device().check().outcome == "pinned"


# Over a real broker


@dataclass(frozen=True)
class Place:
    """A device's settings, and the broker that it reports to."""

    config: Path
    data: Path
    broker: Mosquitto
    things: IotThings

    @contextmanager
    def running(self, woken: threading.Event) -> Iterator[None]:
        """The reporting worker of ``sync run``."""
        stopping = threading.Event()
        work = reporting_worker(self.config)
        thread = threading.Thread(target=work, args=(stopping, woken))
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join(60)
            assert not thread.is_alive()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> BrokerCertificates:
    return BrokerCertificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def place(tmp_path: Path, certificates: BrokerCertificates) -> Iterator[Place]:
    with device_of_a_fleet(tmp_path, certificates, "ShadowPolicy", "shadow") as (
        config,
        broker,
        things,
    ):
        yield Place(config, tmp_path / "home", broker, things)


@pytest.mark.slow
def test_a_device_and_its_owner_talk_by_the_shadow(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pin arrives and is kept, nonsense is not, and a broker that restarts hears all again."""
    paces = {"INTERVAL_S": 0.2, "LOOK_S": 0.1, "GET_PAUSE_S": 0.2, "RETRY_S": 0.5}
    for name, pace in paces.items():
        monkeypatch.setattr(f"sync.fleet.shadow.{name}", pace)
    monkeypatch.setattr("sync.fleet.messages.ANSWER_TIMEOUT_S", 3.0)
    state = place.data / "state"
    write_sync_state(state, SyncState(outcome="up-to-date", message="release 1 is active"))
    write_edge_state(state, edge_state("open", "one"))
    write_camera(state, "online")
    woken = threading.Event()
    with place.running(woken):
        until(lambda: THING in place.things.shadows)
        shadow = place.things.shadows[THING]
        assert shadow.reported["outcome"] == "up-to-date"
        assert shadow.reported["camera"] == "online"
        assert shadow.reported["channel"] == "stable"
        place.things.desire(THING, pin="7", channel="beta")
        until(woken.is_set)
        assert read_desired(state) == Desired(pin="7", channel="beta")
        until(lambda: shadow.reported["channel"] == "beta")
        assert shadow.delta() == {"pin": "7"}, "the pin is not obeyed yet, and stands out"
        place.things.desire(THING, pin="seven of them")
        until(lambda: "refused" in shadow.reported)
        assert read_desired(state) == Desired(pin="7", channel="beta")
        place.broker.stop()
        said = len(place.things.asked("/update"))
        place.broker.start()
        until(lambda: len(place.things.asked("/update")) > said)
        place.things.desire(THING, pin=None, channel=None)
        until(lambda: read_desired(state) == Desired())
        until(lambda: "refused" not in shadow.reported)


@pytest.mark.slow
def test_without_the_setting_nothing_is_said(place: Place) -> None:
    """And with it, a broker that does not allow it takes the reports all the same."""
    whole = place.config.read_text()
    place.config.write_text(whole.replace("shadow = true", "shadow = false"))
    with open_reporter(place.config) as found:
        assert found is not None
        outbox, reporter = found
        assert outbox.put(status("started")).wait(60)
        assert reporter.drain(60).left == 0
    assert place.things.requests == []
    place.config.write_text(whole)
    with open_reporter(place.config) as found:
        assert found is not None
        outbox, reporter = found
        assert outbox.put(status("started")).wait(60)
        assert reporter.drain(60).left == 0
    assert len(place.things.asked("/get")) == len(place.things.asked("/update")) == 1
    [told] = [finding for finding in checks(place.config) if finding.subject == "fleet"]
    assert (told.state, told.message) == ("ok", f"heard on {PREFIX}/")


@pytest.mark.slow
def test_a_policy_that_does_not_allow_it_stops_no_report(place: Place) -> None:
    """The broker ends the connection each time; the shadow pauses, and the events are delivered."""
    place.broker.stop()
    acl = place.broker.log.with_name("acl")
    allowed = [line for line in acl.read_text().split("\n") if "/%u/shadow" not in line]
    acl.write_text("\n".join(allowed))
    place.broker.start()
    with open_reporter(place.config) as found:
        assert found is not None
        outbox, reporter = found
        assert all(outbox.put(status("started")).wait(60) for _ in range(3))
        assert reporter.drain(60).left == 0
    assert place.things.requests == []
