"""AWS IoT Jobs: each ends in one definite way, also where the power goes in the middle."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from catalog.bundles.shelf_view import ShelfView
from catalog.core.errors import ShelfError
from catalog.core.state import Fetching, SyncState, Version, write_sync_state
from sync.catalogues import overrides
from sync.fleet.job_record import FILE, Operation, Result, failed, succeeded
from sync.fleet.jobs import MAX_ATTEMPTS, Jobs
from sync.fleet.operations import SyncNow, operations
from sync.reports.wiring import open_reporter, reporting_worker
from tests.support.brokers import THING, BrokerCertificates, Mosquitto, until
from tests.support.following import Following, variant
from tests.support.iot_things import Execution, IotThings, device_of_a_fleet

PREFIX = f"$aws/things/{THING}/jobs/"


class Counted:
    """An operation that counts; it ends when `result` is set."""

    def __init__(self) -> None:
        self.prepared = 0
        self.carried: list[str] = []
        self.result: Result | None = succeeded(message="done")

    def prepare(self) -> str:
        self.prepared += 1
        return f"note {self.prepared}"

    def carry_on(self, note: str) -> Result | None:
        self.carried.append(note)
        return self.result


@dataclass
class Talk:
    """Jobs with a clock and answers of the test's own; `restart` is a power cut."""

    folder: Path
    operation: Counted = field(default_factory=Counted)
    operations: dict[str, Operation] = field(default_factory=dict)
    now: float = 1000.0

    def __post_init__(self) -> None:
        counted = Operation(self.operation.prepare, self.operation.carry_on)
        self.operations = self.operations or {"count": counted}
        self.restart()

    def restart(self) -> None:
        """Another process goes on with what is on the disk, over a new connection."""
        self.jobs = Jobs(THING, self.folder, self.operations, lambda: self.now)
        self.jobs.opened()

    def settled(self) -> bool:
        """Whether nothing is left to do or to say."""
        return self.jobs.is_settled

    def say(self, seconds: float = 1.0) -> list[tuple[str, dict[str, Any]]]:
        """What is sent after some time: topics without their prefix, and documents."""
        self.now += seconds
        sent = list(self.jobs.due())
        return [(topic.removeprefix(PREFIX), json.loads(payload)) for topic, payload in sent]

    def asks(self) -> str:
        """It asks for the next job; returns the token of that."""
        [(topic, document)] = self.say()
        assert topic == "start-next"
        return str(document["clientToken"])

    def hear(self, ending: str, token: str = "", **document: Any) -> None:
        payload = json.dumps(document | ({"clientToken": token} if token else {}))
        self.jobs.heard(PREFIX + ending, payload.encode())

    def begin(self, document: Any, job: str = "job-1") -> None:
        """It asks, and gets a job."""
        execution = {"jobId": job, "executionNumber": 1, "jobDocument": document}
        self.hear("start-next/accepted", self.asks(), execution=execution)

    def ends(self, job: str = "job-1") -> tuple[str, dict[str, str], str]:
        """It says how the job ended: status, details, and the token of that."""
        [(topic, document)] = self.say()
        assert topic == f"{job}/update"
        assert document["executionNumber"] == 1
        return document["status"], document["statusDetails"], document["clientToken"]


@pytest.fixture
def talk(tmp_path: Path) -> Talk:
    return Talk(tmp_path)


def test_a_job_is_carried_out_said_and_the_next_is_asked_for(talk: Talk) -> None:
    talk.begin({"operation": "count"})
    status, details, token = talk.ends()
    assert (status, details) == ("SUCCEEDED", {"message": "done"})
    assert not talk.settled()
    talk.hear("job-1/update/accepted", token)
    assert not (talk.folder / FILE).exists()
    talk.hear("start-next/accepted", talk.asks(), execution={})
    assert talk.say() == []
    assert talk.settled()
    talk.hear("notify-next", execution={"jobId": "job-2", "status": "QUEUED"})
    talk.begin({"operation": "count"}, "job-2")
    assert talk.ends("job-2")[0] == "SUCCEEDED"
    assert talk.operation.carried == ["note 1", "note 2"]


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"operation": "reboot"}, "reboot: there is no such operation here; there are: count"),
        ({"action": "count"}, 'a job document is wanted as {"operation": "sync-now"}'),
        ({"operation": 7}, "a job document is wanted"),
        ("count", "a job document is wanted"),
        (None, "a job document is wanted"),
        ({"operation": "x" * 1000}, "a job document is wanted"),
    ],
)
def test_what_is_no_operation_is_rejected(talk: Talk, document: Any, sentence: str) -> None:
    talk.begin(document)
    status, details, _ = talk.ends()
    assert status == "REJECTED"
    assert details["message"].startswith(sentence)
    assert talk.operation.carried == []


def test_an_operation_that_takes_long_is_waited_for(talk: Talk) -> None:
    talk.operation.result = None
    talk.begin({"operation": "count"})
    assert talk.say() == talk.say() == []
    assert not talk.settled()
    talk.jobs.opened()  # a new connection changes nothing
    talk.operation.result = succeeded()
    assert talk.ends()[0] == "SUCCEEDED"
    assert talk.operation.prepared == 1


def test_an_error_is_a_failure_with_its_sentence(talk: Talk) -> None:
    def fail(note: str) -> Result:
        raise ShelfError(f"{note}: a\nsentence" + "x" * 2000)

    def break_down(note: str) -> Result:
        raise RuntimeError("a library")

    talk.operations |= {"fail": Operation(str, fail), "break": Operation(str, break_down)}
    talk.begin({"operation": "fail"})
    status, details, token = talk.ends()
    assert (status, details["message"][:12]) == ("FAILED", ": a sentence")
    assert len(details["message"]) <= 1024
    talk.hear("job-1/update/accepted", token)
    talk.begin({"operation": "break"}, "job-2")
    assert talk.ends("job-2")[:2] == ("FAILED", {"message": "RuntimeError: a library"})


def test_after_a_power_cut_the_job_goes_on_with_what_was_prepared(talk: Talk) -> None:
    talk.operation.result = None
    talk.begin({"operation": "count"})
    talk.say()
    talk.restart()
    talk.operation.result = succeeded()
    talk.begin({"operation": "count"})
    assert talk.ends()[0] == "SUCCEEDED"
    assert talk.operation.carried == ["note 1", "note 1"]


def test_a_result_is_said_again_after_a_power_cut_and_nothing_done_twice(talk: Talk) -> None:
    talk.begin({"operation": "count"})
    talk.ends()
    talk.restart()
    talk.begin({"operation": "count"})
    assert talk.ends()[0] == "SUCCEEDED"
    assert talk.operation.carried == ["note 1"]


def test_a_job_that_is_interrupted_again_and_again_has_failed(talk: Talk) -> None:
    talk.operation.result = None
    for _ in range(MAX_ATTEMPTS):
        talk.begin({"operation": "count"})
        talk.say()
        talk.restart()
    talk.begin({"operation": "count"})
    status, details, _ = talk.ends()
    assert (status, details["message"]) == ("FAILED", "it was interrupted 3 times")
    assert len(talk.operation.carried) == MAX_ATTEMPTS


def test_another_job_does_not_take_the_record_of_the_former(talk: Talk) -> None:
    """The former was cancelled while the device was off."""
    talk.begin({"operation": "count"})
    talk.ends()
    talk.restart()
    talk.begin({"operation": "count"}, "job-2")
    assert talk.ends("job-2")[0] == "SUCCEEDED"
    talk.restart()
    talk.hear("start-next/accepted", talk.asks(), execution={})
    assert not (talk.folder / FILE).exists()


def test_a_cancelled_job_ends_and_another_rejection_is_tried_again(talk: Talk) -> None:
    talk.begin({"operation": "count"})
    _, _, token = talk.ends()
    talk.hear("job-1/update/rejected", token, code="InternalError", message="again")
    assert talk.say() == []
    [(topic, document)] = talk.say(60)
    assert topic == "job-1/update"
    token = document["clientToken"]
    talk.hear("job-1/update/rejected", token, code="InvalidStateTransition", message="CANCELED")
    assert talk.asks()
    assert talk.operation.carried == ["note 1"]


def test_a_result_that_is_refused_is_said_again_ever_less_often_and_without_details(
    talk: Talk,
) -> None:
    """Else the job would be given, and carried out, again and again."""
    talk.begin({"operation": "count"})
    _, _, token = talk.ends()
    pauses = []
    for _ in range(4):
        talk.hear("job-1/update/rejected", token, code="InvalidRequest", message="too long")
        begun, sent = talk.now, talk.say()
        while not sent:
            sent = talk.say()
        pauses.append(talk.now - begun)
        [(topic, document)] = sent
        assert topic == "job-1/update"
        assert document["status"] == "SUCCEEDED"
        assert "statusDetails" not in document
        token = document["clientToken"]
    assert pauses[0] < pauses[2] < pauses[3]
    assert talk.operation.carried == ["note 1"]
    talk.hear("job-1/update/accepted", token)
    talk.begin({"operation": "count"}, "job-2")
    assert talk.ends("job-2")[1] == {"message": "done"}


def test_no_answer_is_waited_for_ever_less_often(talk: Talk) -> None:
    talk.asks()
    times = []
    for _ in range(4000):
        if talk.say():
            times.append(talk.now)
    gaps = [later - former for former, later in pairwise(times)]
    assert 30 < gaps[0] < 120
    assert 450 < max(gaps) < 930
    assert len(times) < 12


def test_a_disk_that_cannot_keep_the_job_lets_it_fail(talk: Talk) -> None:
    """Else a power cut could have it carried out twice."""
    talk.jobs = Jobs(THING, talk.folder / "file", talk.operations, lambda: talk.now)
    (talk.folder / "file").write_text("")
    talk.jobs.opened()
    talk.begin({"operation": "count"})
    status, details, _ = talk.ends()
    assert status == "FAILED"
    assert "nothing was done" in details["message"]
    assert talk.operation.carried == []


def test_what_is_no_document_or_another_s_answer_is_passed_over(talk: Talk) -> None:
    token = talk.asks()
    for payload in (b"", b"[]", b"\xff", b'{"execution": 1}', b"{" * 70_000):
        for ending in ("notify-next", "start-next/accepted", "job-1/update/accepted"):
            talk.jobs.heard(PREFIX + ending, payload)
    bad = {"jobId": "../../x", "jobDocument": {"operation": "count"}}
    talk.hear("start-next/accepted", token, execution=bad)
    execution = {"jobId": "job-1", "jobDocument": {"operation": "count"}}
    talk.hear("start-next/accepted", "another", execution=execution)
    assert talk.say() == []
    (talk.folder / FILE).write_text("{")
    talk.restart()
    assert talk.asks()


# The operations


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory, small_bundle: Path) -> Following:
    """A device with two versions on its shelf."""
    folder = tmp_path_factory.mktemp("two")
    following = Following(folder / "world")
    second = variant(small_bundle, folder / "second", "Second")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("catalog.bundles.validator.validate", lambda *given: None)
        for bundle in (small_bundle, second):
            following.shelf.activate(bundle)
    return following


def test_going_back_is_done_once_however_often_the_power_goes(two_versions: Following) -> None:
    """The power is cut at each step of it in turn."""

    class Cut(BaseException):
        pass

    shelf = two_versions.shelf
    former, active = shelf.previous(), shelf.active()
    assert former is not None
    assert active is not None
    steps = ("save_state", "roll_back")
    state = two_versions.data / "state"
    found = operations(shelf, state, dict, lambda: overrides.roll_back(shelf), None)["go-back"]
    prepared = found.prepare()
    for step in steps:
        with pytest.MonkeyPatch.context() as patch:

            def cut(*given: object, **named: object) -> None:
                raise Cut

            patch.setattr(shelf, step, cut)
            with pytest.raises(Cut):
                found.carry_on(prepared)
    for _ in range(3):
        result = found.carry_on(prepared)
        assert result is not None
        assert result.status == "SUCCEEDED"
        assert two_versions.active() == former.name
    declined = shelf.state().declined
    assert declined is not None
    assert declined.bundle == active.name


def test_going_back_fails_where_the_device_went_forward_meanwhile(tmp_path: Path) -> None:
    def link(name: str, bundle: str) -> None:
        (tmp_path / "versions" / bundle).mkdir(parents=True, exist_ok=True)
        (tmp_path / name).unlink(missing_ok=True)
        (tmp_path / name).symlink_to(f"versions/{bundle}")

    link("active", "two")
    link("previous", "one")
    operation = operations(ShelfView(tmp_path), tmp_path, dict, int, None)["go-back"]
    prepared = operation.prepare()
    link("active", "three")
    result = operation.carry_on(prepared)
    assert result == failed("another catalogue became active meanwhile")
    link("active", "one")
    result = operation.carry_on(prepared)
    assert result == succeeded(message="one is active, and no longer two")


def test_checking_now_fails_where_no_check_ends_and_nothing_is_downloaded(tmp_path: Path) -> None:
    now = 0.0
    operation = SyncNow(tmp_path, int, lambda: now)
    before = operation.prepare()
    assert operation.carry_on(before) is None
    now += 3000
    write_sync_state(tmp_path, SyncState(fetching=Fetching(bytes=1, total=2, at=datetime.now(UTC))))
    assert operation.carry_on(before) is None
    now += 3000
    assert operation.carry_on(before) is None, "there was a download"
    now += 1000
    result = operation.carry_on(before)
    assert result is not None
    assert result.status == "FAILED"
    assert "no check ended within an hour" in result.details["message"]


def test_a_check_that_breaks_down_has_ended_too(
    published: Following, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a job that waits for its end would wait for ever."""

    def break_down(*given: object) -> None:
        raise RuntimeError("a library")

    device = published.copy(tmp_path / "world").device()
    former = device.state().checked_at
    monkeypatch.setattr("sync.catalogues.fleet_pin.obey", break_down)
    with pytest.raises(RuntimeError):
        device.check()
    state = device.state()
    assert (state.outcome, state.checked_at != former) == ("failed", True)


def test_checking_now_ends_with_the_outcome_of_the_check(tmp_path: Path) -> None:
    woken: list[int] = []
    known = operations(ShelfView(tmp_path), tmp_path, dict, int, lambda: woken.append(1))
    operation = known["sync-now"]
    write_sync_state(tmp_path, SyncState(checked_at=datetime(2026, 11, 29, tzinfo=UTC)))
    before = operation.prepare()
    assert operation.carry_on(before) is operation.carry_on(before) is None
    assert woken == [1], "it is asked for once"
    state = SyncState(
        outcome="installed",
        message="release 2 is active",
        active=Version(bundle="two"),
        checked_at=datetime(2026, 11, 30, tzinfo=UTC),
    )
    write_sync_state(tmp_path, state)
    result = operation.carry_on(before)
    details = {"message": "release 2 is active", "outcome": "installed", "catalogue": "two"}
    assert result == Result(status="SUCCEEDED", details=details)
    offline = state.model_copy(update={"outcome": "offline", "message": "no network"})
    write_sync_state(tmp_path, offline)
    result = operation.carry_on(before)
    assert result is not None
    assert result.status == "FAILED"


def test_a_report_has_what_aws_takes(tmp_path: Path) -> None:
    state = {f"key-{number}": number for number in range(20)} | {"none": None, "empty": ""}
    known = operations(ShelfView(tmp_path), tmp_path, lambda: state, int, None)
    assert set(known) == {"report", "go-back"}
    result = known["report"].carry_on("")
    assert result is not None
    assert len(result.details) == 10
    assert result.details["key-3"] == "3"
    with pytest.raises(ShelfError, match="no catalogue to go back from"):
        known["go-back"].prepare()


# Over a real broker


@dataclass(frozen=True)
class Place:
    """A device's settings, and the broker that it reports to."""

    config: Path
    state: Path
    broker: Mosquitto
    things: IotThings
    went_back: list[int] = field(default_factory=list)

    def job(self, name: str, document: Any) -> Execution:
        return self.things.create_job(THING, name, document)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    certificates = BrokerCertificates.make(tmp_path)
    with device_of_a_fleet(tmp_path, certificates, "JobsPolicy", "jobs") as (
        config,
        broker,
        things,
    ):
        yield Place(config, tmp_path / "home" / "state", broker, things)


@pytest.mark.slow
def test_a_device_carries_out_its_jobs(place: Place) -> None:
    """One waits already, others come, one is cancelled, and a restart goes on with one."""
    waiting = place.job("first", {"operation": "report"})
    unknown = place.job("second", {"operation": "format-disk"})
    stopping, woken = threading.Event(), threading.Event()

    def run(until_it: Callable[[], object]) -> None:
        stopping.clear()
        work = reporting_worker(place.config, go_back=lambda: place.went_back.append(1))
        thread = threading.Thread(target=work, args=(stopping, woken))
        thread.start()
        try:
            until(until_it)
        finally:
            stopping.set()
            thread.join(60)
            assert not thread.is_alive()

    run(lambda: unknown.status == "REJECTED")
    assert waiting.status == "SUCCEEDED"
    assert waiting.details["camera"] == "stopped"
    assert unknown.details["message"].startswith("format-disk: there is no such operation here")
    check = place.job("third", {"operation": "sync-now"})
    run(woken.is_set)
    assert check.status == "IN_PROGRESS"
    outcome = SyncState(outcome="up-to-date", message="yes", checked_at=datetime.now(UTC))
    write_sync_state(place.state, outcome)
    run(lambda: check.status == "SUCCEEDED")
    assert check.details == {"message": "yes", "outcome": "up-to-date"}
    back = place.job("fourth", {"operation": "go-back"})
    run(lambda: back.status == "FAILED")
    assert "there is no catalogue to go back from" in back.details["message"]
    assert place.went_back == []


@pytest.mark.slow
def test_without_the_setting_nothing_is_asked(place: Place) -> None:
    place.config.write_text(place.config.read_text().replace("jobs = true", "jobs = false"))
    job = place.job("first", {"operation": "report"})
    with open_reporter(place.config, go_back=int) as found:
        assert found is not None
        found[1].drain(2)
    assert (place.things.requests, job.status) == ([], "QUEUED")
