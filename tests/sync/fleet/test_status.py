"""The table of a fleet: from a stand-in of AWS IoT's index, and from folders of files."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sync.errors import FleetIndexError
from sync.fleet.devices import Device, Reported, newest_releases, worst_first
from sync.fleet.index import client, search
from sync.fleet.report_folder import ReportFolder
from sync.outbox.events import Event, Heartbeat, render, status
from sync.reports.transports.file import FileTransport
from tests.support.brokers import RecordedCallbacks
from visual_search.command import command

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "catalogue": "20261122T090000Z-abcdef123456",
    "release": 9,
    "newest": 9,
    "channel": "stable",
    "software": "0.2.0",
    "outcome": "up-to-date",
    "message": "release 9 is active",
    "outbox": 3,
    "camera": "online",
}


def ask(*words: str) -> Result:
    return CliRunner().invoke(command, ["fleet", "status", *words])


def shadow(ago: timedelta = timedelta(minutes=5), desired: Any = None, **reported: Any) -> Any:
    """A shadow's document, with a time of each field."""
    said = {name: value for name, value in (GOOD | reported).items() if value is not None}
    at = int((datetime.now(UTC) - ago).timestamp())
    times = {"reported": {name: {"timestamp": at} for name in said}}
    return {
        "state": {"reported": said, "desired": desired or {}},
        "metadata": times,
        "version": 12,
        "timestamp": at,
    }


def indexed(document: Any) -> str:
    """The same as AWS's index has it."""
    found = document["state"] | {"metadata": document["metadata"], "version": 12}
    return json.dumps({"name": {"visual-search": found | {"hasDelta": False}}})


def test_the_worst_stand_first() -> None:
    def device(name: str, hours: float = 1, unmet: Any = None, **changes: Any) -> Device:
        reported = Reported.model_validate(GOOD | changes)
        return Device(name, reported, NOW - timedelta(hours=hours), None, unmet)

    devices = [
        device("good"),
        device("much-to-send", outbox=20_000),
        device("behind", release=7),
        device("further-behind", release=5),
        device("no-camera", camera="offline"),
        device("not-obeying", unmet={"pin": "8"}),
        device("refusing", refused="desired.chanel: only pin and channel can be desired"),
        device("rejected", outcome="rejected", message="it does not open"),
        device("silent", hours=30),
        Device("never", Reported()),
        Device("connected", Reported.model_validate(GOOD), NOW - timedelta(days=9), connected=True),
    ]
    newest = newest_releases(devices)
    assert newest == {"stable": 9, "": 0}
    found = worst_first(devices, newest, NOW)
    assert [judged.device.name for judged in found] == [
        "never", "silent", "rejected", "not-obeying", "refusing", "no-camera",
        "further-behind", "behind", "much-to-send", "connected", "good",
    ]  # fmt: skip
    told = {judged.device.name: judged.troubles for judged in found}
    assert told["never"] == ("never seen",)
    assert told["silent"] == ("silent for 1 d",)
    assert told["rejected"] == ("rejected: it does not open",)
    assert told["not-obeying"] == ("pin 8 is desired",)
    assert told["further-behind"] == ("4 behind",)
    assert told["much-to-send"] == ("20000 events wait",)
    assert told["connected"] == told["good"] == ()
    assert [found[-1].behind, found[0].behind] == [0, None]


def test_channels_are_counted_apart() -> None:
    stable = Device("a", Reported(release=9, channel="stable"))
    beta = Device("b", Reported(release=2, newest=3, channel="beta"))
    found = worst_first([stable, beta], newest_releases([stable, beta]), NOW)
    assert {judged.device.name: judged.behind for judged in found} == {"a": 0, "b": 1}


# From a folder


def test_a_folder_of_shadows(tmp_path: Path) -> None:
    (tmp_path / "shop-1.json").write_text(json.dumps(shadow()))
    behind = shadow(timedelta(days=3), {"pin": 9}, release=7, pin=None)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "shop-2.json").write_text(json.dumps(behind))
    done = ask(str(tmp_path))
    assert done.exit_code == 0
    lines = [line.split() for line in done.stdout.splitlines() if "shop-" in line]
    assert [line[0] for line in lines] == ["shop-2", "shop-1"]
    assert "silent for 3 d; pin 9 is desired; 2 behind" in done.stdout
    assert "2 devices, 1 to look at; last checks: 2 up-to-date" in done.stdout
    found = json.loads(ask(str(tmp_path), "--json", "--newest", "12").stdout)
    assert [device["behind"] for device in found["devices"]] == [5, 3]
    assert found["devices"][0]["unmet"] == {"pin": 9}
    assert found["problems"] == []


def test_what_is_damaged_is_named_and_the_others_are_drawn(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text(json.dumps(shadow()))
    deep = "[" * 200_000
    bad: dict[str, bytes] = {
        "cut.json": b'{"state": {"repor',
        "empty.json": b"",
        "list.json": b"[1, 2]",
        "another.json": b'{"name": "a settings file"}',
        "deep.json": b"[" * 100_000,
        "binary.json": b"\xff\xfe\x00",
        "wrong.json": b'{"state": {"reported": {"release": "seven"}}}',
        "text.json": b'{"state": {"reported": "all is well"}}',
        "desired.json": b'{"state": {"reported": {}, "desired": [1]}}',
        "deep-thing.json": json.dumps({"things": [{"thingName": "x", "shadow": deep}]}).encode(),
        "long.jsonl": b"[" * 1_000_001 + b"\n",
        "things.json": b'{"things": [{"shadow": "{}"}, {"thingName": "x", "shadow": "{"}]}',
        "event.json": b'{"kind": "status", "device": "d", "at": "yesterday"}',
        "kind.json": b'{"kind": [], "device": "d"}',
        "reports.jsonl": b'{"topic": "t", "payload": 1}\n{"topic"\n{"being written"',
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    done = ask(str(tmp_path))
    assert done.exit_code == 1
    assert "good" in done.stdout
    assert "1 device, 0 to look at" in done.stdout
    told = done.stderr.splitlines()
    assert all(line.startswith("left out: ") for line in told)
    for name in bad:
        assert any(name in line for line in told), name
    assert "reports.jsonl, line 2: no JSON" in done.stderr
    assert "long.jsonl, line 1: longer than 1 MB" in done.stderr
    assert "line 3" not in done.stderr
    found = json.loads(ask(str(tmp_path), "--json").stdout)
    assert len(found["devices"]) == 1
    assert len(found["problems"]) == len(told)


def test_a_folder_of_reports_as_devices_wrote_them(tmp_path: Path) -> None:
    """What transport `file` writes is read back; the newest word on each field counts."""
    transport = FileTransport(tmp_path / "reports", 1_000_000, 10)
    transport.open(RecordedCallbacks())
    beat = Heartbeat(
        uptime_s=1, rss_bytes=1, disk_free_bytes=1, outbox_length=40, camera="online", bundle="one"
    )
    events = [
        status("started", version="0.2.0"),
        status("sync", "no", outcome="offline", channel="stable", bundle="", release=0),
        status("sync", "yes", outcome="installed", channel="stable", bundle="two", release=4),
        Event("heartbeat", beat),
        status("camera_offline", camera="/dev/video0"),
    ]
    for number, event in enumerate(events):
        document = json.loads(render(event, "device-1", "boot"))
        document["at"] = f"2026-11-29T12:00:0{number}Z"
        transport.send(number, "visual-search/device-1/x", json.dumps(document).encode())
    transport.send(9, "$aws/things/device-1/infer", b"frame retrieved")
    transport.close()
    folder = ReportFolder(tmp_path)
    assert folder.problems == []
    [device] = folder.devices.values()
    assert device.name == "device-1"
    assert device.seen == datetime(2026, 11, 29, 12, 0, 4, tzinfo=UTC)
    assert device.reported.model_dump(exclude_none=True) == {
        "catalogue": "one",
        "release": 4,
        "channel": "stable",
        "software": "0.2.0",
        "outcome": "installed",
        "message": "yes",
        "outbox": 40,
        "camera": "offline",
    }


def test_a_number_that_can_be_no_time_is_passed_over(tmp_path: Path) -> None:
    huge = 10**400
    thing = {
        "thingName": "shop-1",
        "shadow": indexed(shadow(timedelta(days=2), {"pin": [[]]})),
        "connectivity": {"connected": "false", "timestamp": huge},
    }
    document = shadow(timedelta(days=2))
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).timestamp()
    times = document["metadata"]["reported"]
    times |= {"pin": {"timestamp": huge}, "camera": {"timestamp": tomorrow}}
    times |= {"outbox": {"timestamp": float("nan")}, "newest": {"timestamp": "x"}}
    (tmp_path / "found.json").write_text(json.dumps({"things": [thing]}))
    (tmp_path / "shop-2.json").write_text(json.dumps(document))
    found = json.loads(ask(str(tmp_path), "--json").stdout)
    assert [device["connected"] for device in found["devices"]] == [None, None]
    assert [device["troubles"][0] for device in found["devices"]] == ["silent for 2 d"] * 2
    assert found["devices"][0]["unmet"] == {"pin": "…"}


def test_hours_that_are_no_number_are_refused(tmp_path: Path) -> None:
    for hours in ("nan", "inf", "1e300", "0"):
        done = ask(str(tmp_path), "--silent-after", hours)
        assert done.exit_code == 2, hours
        assert "--silent-after" in done.output
    assert ask(str(tmp_path), "--silent-after", "1e6").exit_code == 0


def test_a_wrong_clock_and_a_damaged_report_change_no_newer_word(tmp_path: Path) -> None:
    def report(at: datetime, what: str, *, trusted: bool = True, **details: Any) -> str:
        event = status(what, "", **details)
        document = json.loads(render(event, "device-1", "boot"))
        document |= {"at": at.isoformat(), "clock_trusted": trusted}
        return json.dumps({"topic": "t", "payload": document}) + "\n"

    now = datetime.now(UTC)
    ago = now - timedelta(hours=1)
    lines = [
        report(ago, "sync", outcome="installed", release=7),
        report(now, "sync", outcome="installed", release="seven"),
        report(now + timedelta(days=300), "camera_offline"),
        report(ago, "camera_online"),
        report(now - timedelta(minutes=1), "started", trusted=False, version="0.1.0"),
        report(ago, "started", version="0.2.0"),
    ]
    (tmp_path / "a.jsonl").write_text("".join(lines))
    folder = ReportFolder(tmp_path)
    [problem] = folder.problems
    assert str(problem).startswith("a.jsonl, line 2: release: ")
    [device] = folder.devices.values()
    assert device.seen == ago
    said = device.reported
    assert (said.release, said.camera, said.software) == (7, "online", "0.2.0")


def test_a_folder_that_is_not_there_and_one_with_nothing(tmp_path: Path) -> None:
    assert ask(str(tmp_path / "missing")).exit_code == 2
    done = ask(str(tmp_path))
    assert (done.exit_code, done.stdout) == (0, "no devices: nothing has reported yet\n")
    assert ask(str(tmp_path), "--query", "x").exit_code == 2


def test_a_device_cannot_write_to_the_owner_s_terminal(tmp_path: Path) -> None:
    document = shadow(outcome="failed", message="\x1b[2J\x07 gone", camera="[red]on\nline\u202e")
    (tmp_path / "a\x1b[31m.json").write_text(json.dumps(document))
    done = ask(str(tmp_path))
    assert "\x1b" not in done.stdout + done.stderr
    assert "\x07" not in done.stdout
    assert "\u202e" not in done.stdout, "nothing is written backwards"


# From AWS IoT's index


@dataclass
class Index:
    """AWS IoT's SearchIndex as its API reference describes it."""

    things: list[dict[str, Any]]
    error: tuple[int, str, str] | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, request: dict[str, Any]) -> tuple[int, dict[str, str], dict[str, Any]]:
        self.requests.append(request)
        if self.error is not None:
            code, name, message = self.error
            return code, {"x-amzn-ErrorType": name}, {"message": message}
        start = int(request.get("nextToken", "0"))
        end = start + request["maxResults"]
        document: dict[str, Any] = {"things": self.things[start:end]}
        if end < len(self.things):
            document["nextToken"] = str(end)
        return 200, {}, document


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    found = Index([])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/indices/search"
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            code, headers, document = found.answer(body)
            payload = json.dumps(document).encode()
            self.send_response(code)
            for name, value in (headers | {"Content-Length": str(len(payload))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *given: Any) -> None:
            pass

    with serving(Handler) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_IOT", address)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        yield found


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_index_is_read_page_by_page(index: Index) -> None:
    index.things = [
        {"thingName": f"shop-{number}", "shadow": indexed(shadow())} for number in range(230)
    ]
    index.things[7]["connectivity"] = {"connected": True, "timestamp": 1_796_000_000_000}
    index.things[8] |= {"shadow": indexed(shadow(timedelta(days=2), release=8))}
    index.things.append({"thingName": "a-lamp", "shadow": '{"name": {"lamp": {}}}'})
    index.things.append({"thingName": "no-shadow"})
    done = ask("--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert len(found["devices"]) == 230, "things of others are left out"
    assert found["devices"][0]["device"] == "shop-8"
    assert found["devices"][0]["troubles"] == ["silent for 2 d", "1 behind"]
    assert [device["device"] for device in found["devices"] if device["connected"]] == ["shop-7"]
    assert [request.get("nextToken") for request in index.requests] == [None, "100", "200"]
    assert {request["queryString"] for request in index.requests} == {"thingName:*"}


def test_things_that_are_asked_for_are_drawn_without_a_shadow_too(index: Index) -> None:
    index.things = [
        {"thingName": "new", "thingGroupNames": ["shops"], "connectivity": {"connected": False}},
        {"thingName": "old", "shadow": indexed(shadow())},
        {"thingName": "bad", "shadow": '{"name": {"visual-search": {"reported": {"outbox": []}}}}'},
    ]
    done = ask("--query", "thingGroupNames:shops")
    assert done.exit_code == 1
    lines = [line.split() for line in done.stdout.splitlines() if "never" in line or "ago" in line]
    assert [line[0] for line in lines] == ["new", "old"]
    assert "never seen" in done.stdout
    assert done.stderr.startswith("left out: bad: reported.outbox: ")
    assert index.requests[0]["queryString"] == "thingGroupNames:shops"


def test_an_index_that_cannot_be_read_is_a_sentence(index: Index) -> None:
    found = client()
    for code, name, hint in (
        (404, "ResourceNotFoundException", "things are not indexed yet"),
        (409, "IndexNotReadyException", "try again in some minutes"),
        (401, "UnauthorizedException", "allow iot:SearchIndex"),
        (400, "InvalidQueryException", "mend --query"),
        (500, "InternalFailureException", "ouch"),
    ):
        index.error = (code, name, "ouch")
        with pytest.raises(FleetIndexError, match=f"{name}: ouch.*{hint}|{name}: {hint}"):
            list(search(found, ""))


def test_without_credentials_or_a_network_it_says_so(
    index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_IOT", "http://127.0.0.1:1")
    done = ask()
    assert isinstance(done.exception, FleetIndexError)
    assert "Could not connect" in str(done.exception)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    done = ask()
    assert isinstance(done.exception, FleetIndexError)
    assert "region" in str(done.exception)
